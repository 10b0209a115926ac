/** @module */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import request from 'supertest'

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
  ['POST', '', { uri: 'no key', path: '/tmp/x' }, 400],
  ['POST', '', { uri: 'KSK@a', path: '/tmp/x', priority: '10' }, 400],
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
  assert.match(added.stdout, /^1 running 5 0 B \/.*c\.txt\n$/)
  await untilDone(1)
  assert.equal(await readFile(path, 'utf8'), 'content')
  assert.match((await runCli(['transfers', ...to])).stdout, /^1 done 5 7 B of 7 B \//)
  node.nextFetch = 'hang'
  await runCli(['get', uri, '--background', '--to', join(folder, 'd'), ...to])
  assert.match((await runCli(['transfers', 'pause', '2', ...to])).stdout, /^2 paused/)
  assert.match((await runCli(['transfers', 'priority', '2', '8', ...to])).stdout, /paused 8/)
  assert.match((await runCli(['transfers', 'resume', '2', ...to])).stdout, /^2 running/)
  assert.equal((await runCli(['transfers', 'cancel', '2', ...to])).exit, 0)
  assert.equal(node.transfers.get(2), undefined)
  const site = `${node.addFolder({ 'a.txt': 'a' }, 'site')}/`
  const whole = await runCli(['get', site, '--background', '--to', join(folder, 'e'), ...to])
  assert.deepEqual([whole.exit, whole.stderr], [0, ''])
  await untilDone(3)
  assert.equal(await readFile(join(folder, 'e', 'a.txt'), 'utf8'), 'a')
  for (const words of [['pause'], ['pause', 'x'], ['burn', '1'], ['priority', '1', '10']]) {
    assert.equal((await runCli(['transfers', ...words, ...to])).exit, 2, words.join(' '))
  }
  assert.equal((await runCli(['get', uri, '--to', path, ...to])).exit, 2)
  assert.equal((await runCli(['get', uri, '--background', '-o', path, ...to])).exit, 2)
})
