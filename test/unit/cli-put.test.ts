/** @module */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'

import { Interruption } from '../../src/cli/failures.ts'
import { runCli, scriptGateway, sendJson } from '../helpers/cli-io.ts'

const URI = 'CHK@a,b,c/film.webm'
const LINK = { link: '</api/v1/inserts/7>; rel="status"' }

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-put-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function fileOf(name: string, bytes: number): Promise<{ path: string; hash: string }> {
  const content = Buffer.alloc(bytes, name)
  const path = join(folder, name)
  await writeFile(path, content)
  return { path, hash: createHash('sha256').update(content).digest('hex') }
}

async function hashOf(request: IncomingMessage): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of request) hash.update(part as Buffer)
  return hash.digest('hex')
}

for (const bytes of [0, 1, 3_000_000]) {
  test(`a file of ${bytes} bytes arrives whole, with its length and name`, async () => {
    const { path, hash } = await fileOf('a film.webm', bytes)
    let seen: unknown
    const gateway = await scriptGateway(async (request, response) => {
      seen = [request.headers['content-length'], await hashOf(request)]
      sendJson(response, 201, { uri: URI, size: bytes, type: 'video/webm' })
    })
    const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', gateway.url])
    await gateway.close()
    assert.deepEqual([exit, stdout, stderr], [0, `${URI}\n`, ''])
    assert.deepEqual(seen, [String(bytes), hash])
    assert.deepEqual(gateway.requests, ['POST /api/v1/insert?name=a+film.webm'])
  })
}

test('stdin is sent without a length, and without a name unless one is given', async () => {
  const gateway = await scriptGateway(async (request, response) => {
    assert.equal(request.headers['content-length'], undefined)
    await hashOf(request)
    sendJson(response, 201, { uri: URI })
  })
  const to = ['--gateway', gateway.url, '--no-wait']
  const stdin = (): Readable => Readable.from([Buffer.from('a'), Buffer.from('b')])
  await runCli(['put', '-', ...to], { stdin: stdin() })
  await runCli(['put', '-', ...to, '--name', 'x.txt', '--convergent'], { stdin: stdin() })
  await runCli(['put', '-', ...to, '--urn'], { stdin: stdin() })
  await gateway.close()
  assert.deepEqual(gateway.requests, [
    'POST /api/v1/insert?',
    'POST /api/v1/insert?name=x.txt&convergent=1',
    'POST /api/v1/insert?urn=1',
  ])
})

test('put prints the URI, says that there are no peers once, and ends when all blocks have spread', async () => {
  const { path } = await fileOf('small.txt', 10)
  const answers = [
    { blocks: 3, spreadBlocks: 0, peers: 0 },
    { blocks: 3, spreadBlocks: 0, peers: 0 },
    { blocks: 3, spreadBlocks: 1, peers: 2 },
    { blocks: 3, spreadBlocks: 3, peers: 2 },
  ]
  const gateway = await scriptGateway(async (request, response) => {
    await hashOf(request)
    if (request.method === 'POST') sendJson(response, 201, { uri: URI }, LINK)
    else sendJson(response, 200, answers.shift() ?? {})
  })
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([exit, stdout], [0, `${URI}\n`])
  assert.match(stderr, /^no peers are connected: .*\n$/)
  assert.equal(gateway.requests.length, 5)
})

test('progress is drawn on a terminal and taken away again', async () => {
  const { path } = await fileOf('progress.txt', 1000)
  const gateway = await scriptGateway(async (request, response) => {
    await hashOf(request)
    if (request.method === 'POST') sendJson(response, 201, { uri: URI }, LINK)
    else sendJson(response, 200, { blocks: 2, spreadBlocks: 2, peers: 1 })
  })
  const argv = ['put', path, '--gateway', gateway.url]
  const { stdout, stderr } = await runCli(argv, { terminal: 'stderr' })
  await gateway.close()
  assert.equal(stdout, `${URI}\n`)
  assert.match(stderr, /upload \[#{24}\] 100 % 1000 B of 1000 B/)
  assert.match(stderr, /spread \[#{24}\] 100 % 2 of 2 blocks/)
  assert.ok(stderr.endsWith('\r\u001b[K'))
})

test('an insert that the node has forgotten has spread', async () => {
  const { path } = await fileOf('old.txt', 1)
  const gateway = await scriptGateway(async (request, response) => {
    await hashOf(request)
    if (request.method === 'POST') sendJson(response, 201, { uri: URI }, LINK)
    else sendJson(response, 404, { detail: 'no such insert' })
  })
  const { exit } = await runCli(['put', path, '--gateway', gateway.url])
  await gateway.close()
  assert.equal(exit, 0)
})

test('an answer in the middle of the upload ends it with the gateway’s words', async () => {
  const gateway = await scriptGateway((request, response) => {
    request.once('data', () => {
      sendJson(response, 507, { title: 'Full', detail: 'The store\nis full.' })
    })
  })
  const endless = new Readable({
    read() {
      setImmediate(() => this.push(Buffer.alloc(65_536)))
    },
  })
  const argv = ['put', '-', '--gateway', gateway.url]
  const { exit, stdout, stderr } = await runCli(argv, { stdin: endless })
  await gateway.close()
  assert.deepEqual([exit, stdout, stderr], [1, '', 'shoal put: The store is full.\n'])
  assert.ok(endless.destroyed)
})

test('a gateway that is not there is told with what starts it', async () => {
  const { path } = await fileOf('lonely.txt', 1)
  const gateway = await scriptGateway(() => {})
  await gateway.close()
  const { exit, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  assert.equal(exit, 1)
  assert.match(
    stderr,
    /^shoal put: no node answers at http:\/\/127\.0\.0\.1:\d+\/: .*shoal start.*\n$/,
  )
})

test('a gateway that hangs up is told in one line', async () => {
  const { path } = await fileOf('hangup.txt', 5_000_000)
  const gateway = await scriptGateway((request) => {
    request.once('data', () => request.socket.destroy())
  })
  const { exit, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  await gateway.close()
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal put: the connection to .* broke \(E[A-Z]+\)\n$/)
})

test('a source that breaks off leaves no half insert behind', async () => {
  let isWhole: boolean | undefined
  const gateway = await scriptGateway(async (request) => {
    isWhole = await hashOf(request).then(
      () => true,
      () => false,
    )
  })
  const stdin = Readable.from(
    (async function* () {
      yield Buffer.alloc(10)
      await Promise.resolve()
      throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
    })(),
  )
  const { exit, stderr } = await runCli(['put', '-', '--gateway', gateway.url], { stdin })
  await gateway.close()
  assert.deepEqual([exit, stderr], [1, 'shoal put: EIO: i/o error, read\n'])
  assert.notEqual(isWhole, true)
})

test('a file that is not there is a failure, not a usage error', async () => {
  const { exit, stderr } = await runCli(['put', join(folder, 'nothing')])
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal put: ENOENT: .*\n$/)
})

test('Ctrl-C while waiting for the spread ends the waiting', async () => {
  const { path } = await fileOf('ctrl-c.txt', 1)
  const controller = new AbortController()
  const gateway = await scriptGateway(async (request, response) => {
    await hashOf(request)
    if (request.method === 'POST') sendJson(response, 201, { uri: URI }, LINK)
    else sendJson(response, 200, { blocks: 3, spreadBlocks: 0, peers: 0 })
  })
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', gateway.url], {
    signal: controller.signal,
    onStderr: () => {
      controller.abort(new Interruption())
    },
  })
  await gateway.close()
  assert.deepEqual([exit, stdout], [1, `${URI}\n`])
  assert.match(stderr, /shoal put: interrupted\n$/)
})
