/** @module */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import request from 'supertest'

import { clientOf } from '../../src/cli/gateway-client.ts'
import { createApp } from '../../src/gateway/app.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { TokenGate } from '../../src/gateway/token.ts'
import { silentLogger } from '../../src/runtime.ts'
import { runCli } from '../helpers/cli-io.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

async function bench(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-transfer-routes-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const node = createFakeNode()
  const gateway = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => gateway.close())
  const uri = node.add('content', { name: 'a.txt' })
  const ask = async (method: string, path: string, query: Record<string, string> = {}) => {
    const url = new URL(
      `/api/v1/transfers${path}?${new URLSearchParams(query).toString()}`,
      gateway.url,
    )
    const response = await fetch(url, { method })
    const text = await response.text()
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
    return { status: response.status, headers: response.headers, body }
  }
  const untilDone = async (id: number): Promise<void> => {
    while (node.transfers.get(id)?.phase !== 'done') await new Promise((r) => setTimeout(r, 1))
  }
  return { folder, node, gateway, uri, ask, untilDone }
}

test('a download to disk is added, listed, and the file is there', async (t) => {
  const { folder, uri, ask, untilDone } = await bench(t)
  const path = join(folder, 'b.txt')
  const added = await ask('POST', '', { uri, path, priority: '7' })
  assert.equal(added.status, 201)
  assert.equal(added.headers.get('location'), '/api/v1/transfers/1')
  await untilDone(1)
  assert.equal(await readFile(path, 'utf8'), 'content')
  const one = { id: 1, uri, path, phase: 'done', priority: 7, doneBytes: 7, sizeBytes: 7 }
  assert.deepEqual((await ask('GET', '/1')).body, one)
  assert.deepEqual((await ask('GET', '')).body, { transfers: [one] })
  assert.equal((await ask('DELETE', '/1')).status, 204)
  assert.equal((await ask('DELETE', '/1')).status, 404)
  assert.equal(await readFile(path, 'utf8'), 'content', 'what is whole stays')
})

test('a download can be paused, resumed and moved in the queue', async (t) => {
  const { folder, node, uri, ask, untilDone } = await bench(t)
  node.nextFetch = 'hang'
  await ask('POST', '', { uri, path: join(folder, 'b') })
  const paused = await ask('PATCH', '/1', { paused: '1', priority: '9' })
  assert.deepEqual([paused.body['phase'], paused.body['priority']], ['paused', 9])
  assert.equal(node.live.fetches, 0)
  assert.equal((await ask('PATCH', '/1', { paused: '0' })).body['phase'], 'running')
  await untilDone(1)
})

const REFUSED = [
  ['POST', '', {}, 400],
  ['POST', '', { uri: 'KSK@a', path: 'relative' }, 400],
  ['POST', '', { uri: 'no key', path: join(tmpdir(), 'x') }, 400],
  ['POST', '', { uri: 'KSK@a', path: join(tmpdir(), 'x'), priority: '10' }, 400],
  ['PATCH', '/1', { paused: '1' }, 404],
  ['GET', '/x', {}, 404],
  ['GET', '/1', {}, 404],
  ['PUT', '', {}, 405],
  ['POST', '/1', {}, 405],
] as const

for (const [method, path, query, status] of REFUSED) {
  test(`${method} /api/v1/transfers${path} with ${JSON.stringify(query)} is ${status}`, async (t) => {
    const { ask } = await bench(t)
    assert.equal((await ask(method, path, query)).status, status)
  })
}

test('a page of another origin cannot make the node write files', async (t) => {
  const { gateway, uri, folder, node } = await bench(t)
  const query = new URLSearchParams({ uri, path: join(folder, 'x') }).toString()
  for (const headers of [{ Origin: 'http://evil.example' }, { Origin: 'null' }]) {
    const url = new URL(`/api/v1/transfers?${query}`, gateway.url)
    assert.equal((await fetch(url, { method: 'POST', headers })).status, 403)
  }
  assert.deepEqual(node.transfers.list(), [])
})

const NOT_OF_THIS_MACHINE: readonly Readonly<Record<string, string>>[] = [
  { Host: 'node.example.org' },
  { Host: 'node.example.org:8888' },
  { Host: 'localhost.example.org' },
  { Forwarded: 'for=192.0.2.7' },
  { 'X-Forwarded-For': '192.0.2.7' },
  { 'X-Forwarded-Proto': 'https' },
  { 'X-Forwarded-Host': 'localhost' },
  { 'X-Real-IP': '192.0.2.7' },
  { Via: '1.1 proxy' },
]

test('what a proxy passes on cannot make the node write files, though it comes from this machine', async (t) => {
  const { folder, node, uri, untilDone } = await bench(t)
  const token = 'correct-horse-battery-staple'
  const hostNames = ['node.example.org', 'localhost.example.org']
  const agent = request(
    createApp({ node, logger: silentLogger, gate: new TokenGate(token), hostNames }),
  )
  const add = (file: string, headers: Readonly<Record<string, string>>) => {
    const query = { uri, path: join(folder, file) }
    const sent = agent.post('/api/v1/transfers').query(query)
    return sent.set('Authorization', `Bearer ${token}`).set(headers)
  }
  for (const headers of NOT_OF_THIS_MACHINE) {
    const { status, body } = await add('x', headers)
    const { code } = body as { code: string }
    assert.deepEqual([status, code], [403, 'E_ACCESS'], JSON.stringify(headers))
  }
  assert.deepEqual(node.transfers.list(), [])
  const own = ['localhost', 'LOCALHOST:8888', '127.0.0.1:9', '[::1]:8888', '[::1]']
  for (const [at, Host] of own.entries()) {
    assert.equal((await add(`own-${at}`, { Host })).status, 201, Host)
    await untilDone(at + 1)
  }
})

test('events tell of downloads as they change, and a reader that goes away costs nothing', async (t) => {
  const { gateway, uri, folder, node } = await bench(t)
  const stop = new AbortController()
  const url = new URL('/api/v1/transfers/events', gateway.url)
  const response = await fetch(url, { signal: stop.signal })
  await node.transfers.add({ uri, path: join(folder, 'x') })
  let text = ''
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(part).toString()
    if (text.includes('"phase":"done"')) break
  }
  stop.abort()
  assert.match(text, /^event: transfer\ndata: {"id":1,.*"phase":"running"/m)
})

test('the commands add, show and end a download', async (t) => {
  const { gateway, uri, folder, node, untilDone } = await bench(t)
  const to = ['--gateway', gateway.url]
  const path = join(folder, 'c.txt')
  const added = await runCli(['get', uri, '--background', '--to', path, ...to])
  assert.deepEqual([added.exit, added.stderr], [0, ''])
  assert.match(added.stdout, /^ID .*STATE\n 1     5 .*c\.txt  running\n$/)
  await untilDone(1)
  assert.equal(await readFile(path, 'utf8'), 'content')
  assert.match((await runCli(['transfers', ...to])).stdout, /^ 1     5  100 %   7 B .*  done\n$/m)
  node.nextFetch = 'hang'
  await runCli(['get', uri, '--background', '--to', join(folder, 'd'), '--priority', '7', ...to])
  assert.match((await runCli(['transfers', 'pause', '2', ...to])).stdout, /^ 2     7 .*paused$/m)
  assert.match((await runCli(['transfers', 'priority', '2', '8', ...to])).stdout, /^ 2     8 /m)
  assert.match((await runCli(['transfers', 'resume', '2', ...to])).stdout, /^ 2 .*running$/m)
  assert.equal((await runCli(['transfers', 'cancel', '2', ...to])).exit, 0)
  assert.equal(node.transfers.get(2), undefined)
  const site = `${node.addFolder({ 'a.txt': 'a' }, 'site')}/`
  const whole = await runCli(['get', site, '--background', '--to', join(folder, 'e'), ...to])
  assert.deepEqual([whole.exit, whole.stderr], [0, ''])
  await untilDone(3)
  assert.equal(await readFile(join(folder, 'e', 'a.txt'), 'utf8'), 'a')
  const old = ['get', uri, '--background', '--to', path, ...to]
  assert.match((await runCli(old)).stderr, /There is a file at that path already/)
  assert.equal((await runCli([...old, '--overwrite'])).exit, 0)
  await untilDone(4)
  const none = join(folder, 'none')
  const lost = await runCli(['get', uri, '--background', '--to', join(none, 'x'), ...to])
  assert.equal(lost.stderr, `shoal get: The folder ${none} is not there. (E_PATH)\n`)
})

test('wrong words of the commands are told without asking the node', async (t) => {
  const { gateway, uri, node } = await bench(t)
  const to = ['--gateway', gateway.url]
  const key = uri.replace(/\/[^/]*$/, '')
  const get = (...words: string[]) => ['get', ...words, ...to]
  const tries: readonly (readonly [string[], RegExp])[] = [
    [['transfers', 'pause', ...to], /^shoal transfers: ID is missing/],
    [['transfers', 'pause', 'x', ...to], /ID: .*"x"/],
    [['transfers', 'burn', '1', ...to], /ACTION: .*"burn"/],
    [['transfers', 'priority', '1', '10', ...to], /N: 0 to 9, not "10"/],
    [['transfers', 'priority', '1', ...to], /N is missing/],
    [['transfers', 'list', 'extra', ...to], /unexpected argument "extra"/],
    [['transfers', 'list', 'extra', '2', ...to], /unexpected argument "extra"/],
    [get(uri, '--to', 'x'), /--to: goes with --background; otherwise -o FILE/],
    [get(uri, '--priority', '1'), /--priority: goes with --background/],
    [get(uri, '--overwrite'), /--overwrite: goes with --background/],
    [get(uri, '-o', ''), /--output: is empty/],
    [get(uri, '--background', '-o', 'x'), /--output: say --to/],
    [get(uri, '--background', '--priority', 'high'), /--priority: 0 to 9, not "high"/],
    [get(uri, '--background', '--to', ''), /--to: is empty/],
    [get(uri, '--background', '--to', '/etc/'), /--to: "\/etc\/" is a folder: name the file/],
    [get(key, '--background'), /--to is missing: the key has no name to take/],
    [get(`${key}/%ff`, '--background'), /./],
    [get(`${key}/.bashrc`, '--background'), /".bashrc", begins with a dot/],
    [get(`${key}/a%2fb`, '--background'), /"a\/b", has a slash/],
    [get(`${key}/a%0ab`, '--background'), /"a\\nb", has .* control character/],
    [get(`${key}/..`, '--background'), /"\.\.", must not be/],
  ]
  for (const [words, expected] of tries) {
    const { exit, stderr } = await runCli(words)
    assert.match(stderr, expected, words.join(' '))
    assert.ok(exit === 2 || words.includes(`${key}/%ff`), words.join(' '))
    assert.doesNotMatch(stderr, /\n.*\n|URIError/)
  }
  assert.deepEqual(node.transfers.list(), [])
  assert.equal((await runCli(['transfers', ...to])).stdout, 'There are none.\n')
})

test('the 65th that follows downloads is refused, and one that goes away makes room', async (t) => {
  const { gateway } = await bench(t)
  const url = new URL('/api/v1/transfers/events', gateway.url)
  const stop = new AbortController()
  const follow = async (signal: AbortSignal) => (await fetch(url, { signal })).status
  const { signal } = new AbortController()
  for (let i = 0; i < 63; i++) assert.equal(await follow(signal), 200)
  assert.equal(await follow(stop.signal), 200)
  assert.equal(await follow(signal), 429)
  stop.abort()
  while ((await follow(signal)) !== 200) await new Promise((r) => setTimeout(r, 5))
})

test('events tell of a download that is removed', async (t) => {
  const { gateway, uri, folder, node } = await bench(t)
  node.nextFetch = 'hang'
  await node.transfers.add({ uri, path: join(folder, 'x') })
  const told: string[] = []
  for await (const { phase } of clientOf(new URL(gateway.url)).followTransfers()) {
    if (told.push(phase) === 1) void node.transfers.remove(1)
    if (phase === 'removed') break
  }
  assert.deepEqual(told, ['running', 'removed'])
})
