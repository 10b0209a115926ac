/** @module */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'

import { runCli, scriptGateway, sendJson, type ScriptedGateway } from '../helpers/cli-io.ts'

const BIG = Buffer.alloc(2_000_000, 'shoal')
const KEY = 'CHK@a,b,c'

let folder = ''
let gateway: ScriptedGateway
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-get-'))
  gateway = await scriptGateway((request, response) => {
    const name = (request.url ?? '').split('/').pop() ?? ''
    if (name === 'big.webm') {
      const headers = { 'content-type': 'video/webm', 'content-length': BIG.length }
      response.writeHead(200, headers).end(BIG)
    } else if (name === 'text') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('hello')
    } else if (name === 'broken') {
      response.writeHead(200, { 'content-length': 5000 })
      response.write('half', () => response.destroy())
    } else if (name === 'moved') {
      response.writeHead(301, { location: `/${KEY}/text` }).end()
    } else if (name === 'loop') {
      response.writeHead(302, { location: `/${KEY}/loop` }).end()
    } else {
      sendJson(response, 404, { title: 'Not found', detail: 'Nobody has it.\u001b[31m' })
    }
  })
})
after(async () => {
  await gateway.close()
  await rm(folder, { recursive: true, force: true })
})

function get(name: string, ...more: string[]): string[] {
  return ['get', `${KEY}/${name}`, '--gateway', gateway.url, ...more]
}

test('content goes to stdout as it is', async () => {
  const { exit, stdout, stderr } = await runCli(get('big.webm'))
  assert.deepEqual([exit, stderr], [0, ''])
  assert.ok(Buffer.from(stdout).equals(BIG))
})

test('content goes to a file, which replaces the old one when it is whole', async () => {
  const path = join(folder, 'film.webm')
  await writeFile(path, 'old')
  const { exit, stdout } = await runCli(get('big.webm', '-o', path))
  assert.deepEqual([exit, stdout], [0, ''])
  assert.ok((await readFile(path)).equals(BIG))
  assert.equal((await readdir(folder)).filter((name) => name.endsWith('.part')).length, 0)
})

test('a link is written through, and a device as it is', async () => {
  const target = join(folder, 'target')
  const link = join(folder, 'link')
  await writeFile(target, 'old')
  await symlink(target, link)
  await runCli(get('text', '-o', link))
  assert.equal(await readFile(target, 'utf8'), 'hello')
  assert.equal((await runCli(get('text', '-o', '/dev/null'))).exit, 0)
})

test('a body that breaks off is told, and leaves neither FILE nor FILE.part', async () => {
  const path = join(folder, 'broken')
  const { exit, stderr } = await runCli(get('broken', '-o', path))
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal get: the content broke off after 4 B of 4\.9 KiB: .*\n$/)
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('broken')),
    [],
  )
  assert.equal((await runCli(get('broken'))).exit, 1)
})

test('the gateway’s words are shown in one line without control characters', async () => {
  const path = join(folder, 'absent')
  const { exit, stdout, stderr } = await runCli(get('absent', '-o', path))
  assert.deepEqual([exit, stdout, stderr], [1, '', 'shoal get: Nobody has it. [31m\n'])
  assert.ok(!(await readdir(folder)).some((name) => name.startsWith('absent')))
})

test('redirects within the gateway are followed, but not for ever', async () => {
  assert.equal((await runCli(get('moved'))).stdout, 'hello')
  const { exit, stderr } = await runCli(get('loop'))
  assert.equal(exit, 1)
  assert.match(stderr, /redirects without end/)
})

test('a whole URL is asked of the gateway it names', async () => {
  const { exit, stdout } = await runCli(['get', `${gateway.url}${KEY}/text?download`])
  assert.deepEqual([exit, stdout], [0, 'hello'])
  assert.equal(gateway.requests.at(-1), `GET /${KEY}/text`)
})

test('bytes that are no text are not poured into a terminal unless asked', async () => {
  const { exit, stdout, stderr } = await runCli(get('big.webm'), { terminal: 'stdout' })
  assert.deepEqual([exit, stdout], [1, ''])
  assert.match(stderr, /-o FILE/)
  assert.equal((await runCli(get('text'), { terminal: 'stdout' })).stdout, 'hello')
  assert.equal((await runCli(get('big.webm', '-o', '-'), { terminal: 'stdout' })).exit, 0)
})

test('a reader that goes away early is no failure, a full disk is', async () => {
  for (const [code, expected] of [
    ['EPIPE', 0],
    ['ENOSPC', 1],
  ] as const) {
    const stdout = new Writable({
      write(_part, _encoding, done) {
        done(Object.assign(new Error(`${code}: write`), { code }))
      },
    })
    const { exit, stderr } = await runCli(get('big.webm'), { stdout })
    assert.equal(exit, expected, code)
    assert.equal(stderr, expected === 0 ? '' : 'shoal get: ENOSPC: write\n')
  }
})

test('a folder as FILE and a folder that is not there are told before anything is asked', async () => {
  const asked = gateway.requests.length
  const inside = join(folder, 'inside')
  await mkdir(inside)
  assert.match((await runCli(get('text', '-o', inside))).stderr, /is a folder/)
  assert.match((await runCli(get('text', '-o', join(folder, 'no', 'x')))).stderr, /ENOENT/)
  assert.equal(gateway.requests.length, asked)
})

test('status is a table for people and JSON for programs', async () => {
  const body = {
    version: '0.1.0',
    network: 'shoal',
    peers: 5,
    position: 0.25,
    store: { quotaBytes: 1024 ** 3, usedBytes: 1536, blocks: 3 },
    outbox: { pendingBlocks: 2 },
  }
  const server = await scriptGateway((_request, response) => {
    sendJson(response, 200, body)
  })
  const table = await runCli(['status', '--gateway', server.url])
  const json = await runCli(['status', '--json', '--gateway', server.url])
  await server.close()
  assert.deepEqual(JSON.parse(json.stdout), body)
  assert.deepEqual(table.stdout.trimEnd().split('\n'), [
    'version   0.1.0',
    'network   shoal',
    'peers     5',
    'position  0.250000',
    'store     1.5 KiB of 1 GiB, 3 blocks',
    'outbox    2 blocks still spreading',
  ])
})
