/** @module */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'

import { Interruption } from '../../src/cli/failures.ts'
import { runCli, scriptGateway, sendJson } from '../helpers/cli-io.ts'
import { untar } from '../helpers/untar.ts'

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

test('blocks that the node lost before they had copies end it with an error', async () => {
  const { path } = await fileOf('lost.txt', 1000)
  const gateway = await scriptGateway(async (request, response) => {
    await hashOf(request)
    if (request.method === 'POST') sendJson(response, 201, { uri: URI }, LINK)
    else sendJson(response, 200, { blocks: 9, spreadBlocks: 2, lostBlocks: 7, peers: 0 })
  })
  const { exit, stdout, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([exit, stdout], [1, `${URI}\n`])
  assert.match(stderr, /lost 7 of 9 blocks before they had copies: insert the content again/)
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

test('a word is printed as its key, with a warning on stderr', async () => {
  const { path } = await fileOf('word.txt', 10)
  const gateway = await scriptGateway(async (request, response) => {
    await hashOf(request)
    sendJson(response, 201, { uri: 'KSK@my%20word', warning: 'anyone' })
  })
  const argv = ['put', path, '--word', 'my word', '--gateway', gateway.url]
  const { exit, stdout, stderr } = await runCli(argv)
  await gateway.close()
  assert.deepEqual([exit, stdout], [0, 'KSK@my%20word\n'])
  assert.equal(stderr, 'warning: anyone may write to KSK@my%20word\n')
  assert.deepEqual(gateway.requests, ['POST /api/v1/insert?name=word.txt&word=my+word'])
})

async function siteAt(name: string): Promise<string> {
  const site = join(folder, name)
  await mkdir(join(site, 'pictures'), { recursive: true })
  await writeFile(join(site, 'index.html'), '<h1>hello</h1>')
  await writeFile(join(site, 'pictures', 'a.jpg'), Buffer.alloc(700_000, 'jpg'))
  return site
}

test('a folder goes as one tar stream, and its URI is all that is printed', async () => {
  const site = await siteAt('my site')
  let seen: unknown
  const gateway = await scriptGateway(async (request, response) => {
    const { 'content-type': type, 'content-length': length } = request.headers
    const entries = await untar(request)
    seen = [type, length, entries.map(({ path, content }) => [path, content.length])]
    sendJson(response, 201, { uri: 'CHK@a,b,c/my%20site/', size: 700_014, files: 2 })
  })
  const { exit, stdout, stderr } = await runCli(['put', site, '--gateway', gateway.url])
  await runCli(['put', `${site}/`, '--name', 'x', '--convergent', '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([exit, stdout, stderr], [0, 'CHK@a,b,c/my%20site/\n', ''])
  const entries = [
    ['index.html', 14],
    ['pictures/', 0],
    ['pictures/a.jpg', 700_000],
  ]
  assert.deepEqual(seen, ['application/x-tar', undefined, entries])
  assert.deepEqual(gateway.requests, [
    'POST /api/v1/insert?folder=1&name=my+site',
    'POST /api/v1/insert?folder=1&name=x&convergent=1',
  ])
})

test('a link to a folder is a folder, and "." is called by its real name', async () => {
  const site = await siteAt('real')
  const link = join(folder, 'link-to-real')
  await symlink(site, link)
  const gateway = await scriptGateway(async (request, response) => {
    assert.equal((await untar(request)).length, 3)
    sendJson(response, 201, { uri: URI })
  })
  for (const path of [link, join(site, '.'), join(site, 'pictures', '..')]) {
    assert.equal((await runCli(['put', path, '--gateway', gateway.url])).exit, 0)
  }
  await gateway.close()
  assert.deepEqual(gateway.requests, [
    'POST /api/v1/insert?folder=1&name=link-to-real',
    'POST /api/v1/insert?folder=1&name=real',
    'POST /api/v1/insert?folder=1&name=real',
  ])
})

test('progress of a folder counts the bytes of its files', async () => {
  const site = await siteAt('progress')
  const gateway = await scriptGateway(async (request, response) => {
    await untar(request)
    sendJson(response, 201, { uri: URI })
  })
  const argv = ['put', site, '--gateway', gateway.url]
  const { stderr } = await runCli(argv, { terminal: 'stderr' })
  await gateway.close()
  assert.match(stderr, /upload \[#{24}\] 100 % 683\.6 KiB of 683\.6 KiB/)
  assert.ok(stderr.endsWith('\r\u001b[K'))
})

test('a folder with a link in it is refused before anything is sent, or goes without it', async () => {
  const site = await siteAt('linked')
  await symlink('index.html', join(site, 'home.html'))
  const gateway = await scriptGateway(async (request, response) => {
    assert.equal((await untar(request)).length, 3)
    sendJson(response, 201, { uri: URI })
  })
  const refused = await runCli(['put', site, '--gateway', gateway.url])
  assert.deepEqual([refused.exit, refused.stdout], [1, ''])
  assert.match(
    refused.stderr,
    /^cannot be inserted: "home\.html" is a symbolic link\nshoal put: .*nothing was sent.*\n$/,
  )
  assert.deepEqual(gateway.requests, [])
  const left = await runCli(['put', site, '--skip-unreadable', '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([left.exit, left.stdout], [0, `${URI}\n`])
  assert.equal(left.stderr, 'left out: "home.html" is a symbolic link\n')
})

test('a file that goes away while the folder is sent breaks the upload off', async () => {
  const site = await siteAt('vanishing')
  await writeFile(join(site, 'z-last.txt'), 'z')
  let isWhole: boolean | undefined
  const gateway = await scriptGateway(async (request) => {
    request.once('data', () => void rm(join(site, 'z-last.txt')))
    isWhole = await hashOf(request).then(
      () => true,
      () => false,
    )
  })
  const { exit, stdout, stderr } = await runCli(['put', site, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([exit, stdout], [1, ''])
  assert.match(stderr, /^shoal put: .*(z-last\.txt|the folder changed).*nothing was inserted\n$/)
  assert.notEqual(isWhole, true)
})

test('an early answer to a folder ends it with the gateway’s words, every time', async () => {
  const site = await siteAt('early')
  await writeFile(join(site, 'big'), Buffer.alloc(5_000_000))
  const gateway = await scriptGateway((request, response) => {
    // else Node's server hangs up at once, and the reset may overtake the answer
    assert.equal(request.headers.connection, 'keep-alive')
    sendJson(response, 400, { detail: 'The folder is no good.', code: 'E_FOLDER' })
  })
  for (let time = 0; time < 20; time++) {
    const { exit, stderr } = await runCli(['put', site, '--gateway', gateway.url])
    assert.deepEqual([exit, stderr], [1, 'shoal put: The folder is no good. (E_FOLDER)\n'])
  }
  await gateway.close()
})

test('options that exclude each other are usage errors', async () => {
  const { path } = await fileOf('usage.txt', 1)
  for (const [argv, words] of [
    [['put', folder, '--urn'], /--urn: takes one file, not the folder/],
    [['put', path, '--urn', '--word', 'w'], /--word: /],
    [['put', path, '--word', ''], /--word: a word/],
  ] as const) {
    const { exit, stdout, stderr } = await runCli(argv)
    assert.deepEqual([exit, stdout], [2, ''], stderr)
    assert.match(stderr, words)
  }
})

test('a named pipe is refused, as opening one that nobody writes to could not be interrupted', async () => {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const { exit, stdout, stderr } = await runCli(['put', path])
  assert.deepEqual([exit, stdout], [2, ''])
  assert.match(stderr, /is a named pipe: use - and < in its place/)
})

test("the gateway's own code stands behind its words", async () => {
  const gateway = await scriptGateway((request, response) => {
    request.resume()
    sendJson(response, 409, { detail: 'There is other content.', code: 'E_COLLISION' })
  })
  const { path } = await fileOf('a.txt', 1)
  const { exit, stderr } = await runCli(['put', path, '--gateway', gateway.url])
  await gateway.close()
  assert.deepEqual([exit, stderr], [1, 'shoal put: There is other content. (E_COLLISION)\n'])
})
