/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { openGateway, until } from '../helpers/gateway.ts'

function gateway() {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger: silentLogger })) }
}

async function running(t: TestContext) {
  const { node, server } = await openGateway(t)
  const uri = node.addEdition('blog', 'first')
  const url = `${server.url}api/v1/watch?uri=${encodeURIComponent(uri)}`
  return { node, server, uri, url }
}

test('a look-up answers with the newest edition, its key and its age', async () => {
  const { node, agent } = gateway()
  const first = node.addEdition('my blog', 'a')
  const second = node.addEdition('my blog', 'b')
  for (const uri of [
    first,
    second,
    `freenet:${first}`,
    first.replace(/0$/, 'latest'),
    first.replace(/0$/, '-1'),
  ]) {
    const { status, body, headers } = await agent.get('/api/v1/lookup').query({ uri })
    assert.equal(status, 200)
    assert.deepEqual(body, { edition: 1, uri: second, ageMs: 0 })
    assert.equal(headers['cache-control'], 'no-store')
  }
  assert.ok(node.calls.lookUp.every(({ options }) => options.maxAgeMs === undefined))
  node.nextLookUp = { type: 'found', edition: 5, ageMs: 1234 }
  const { body } = await agent.get('/api/v1/lookup').query({ uri: `${first}/a/b/`, timeout: 2.5 })
  assert.deepEqual(body, { edition: 5, uri: `${first.replace(/0$/, '5')}/a/b/`, ageMs: 1234 })
  assert.equal(node.calls.lookUp.at(-1)?.options.timeoutMs, 2500)
})

const OUTCOMES = [
  [{ type: 'not-found' }, 404, 'E_NOT_FOUND'],
  [{ type: 'no-peers' }, 503, 'E_NO_PEERS'],
  [{ type: 'timed-out' }, 504, 'E_TIMEOUT'],
  [new ShoalError('E_CLOSED', 'Closing.'), 503, 'E_CLOSED'],
] as const

for (const [outcome, status, code] of OUTCOMES) {
  test(`a look-up that ends with ${code} is answered ${status}`, async () => {
    const { node, agent } = gateway()
    node.nextLookUp = outcome
    const response = await agent.get('/api/v1/lookup').query({ uri: node.addEdition('blog', 'a') })
    assert.equal(response.status, status)
    assert.equal((response.body as { code: string }).code, code)
  })
}

test('announcing answers with the edition and where to see it spread', async () => {
  const { node, agent } = gateway()
  const uri = node.addEdition('blog', 'a')
  const { status, body, headers } = await agent.post('/api/v1/announce').query({ uri })
  assert.equal(status, 202)
  assert.deepEqual(body, { edition: 0, uri })
  assert.match(headers['link'] ?? '', /^<\/api\/v1\/inserts\/\d+>; rel="status"$/)
  assert.equal(node.calls.announce.length, 1)
  const unknown = await agent.post('/api/v1/announce').query({ uri: uri.replace('blog', 'other') })
  assert.equal(unknown.status, 404)
})

for (const path of ['lookup', 'watch', 'announce'] as const) {
  test(`${path} takes a USK and says what else is wrong`, async () => {
    const { node, agent } = gateway()
    const method = path === 'announce' ? 'post' : 'get'
    const usk = node.addEdition('blog', 'a')
    for (const [uri, code, detail] of [
      ['', 'E_QUERY', /: uri: is missing/],
      ['KSK@word', 'E_QUERY', /: uri: is not a key that begins with USK@/],
      [node.addFixed('blog', 'a'), 'E_QUERY', /: uri: /],
      [usk.replace(/\/0$/, ''), 'E_URI', /edition/],
      [usk.slice(0, 60), 'E_URI', /parts/],
      ['hello', 'E_URI', /scheme/],
    ] as const) {
      const { status, body } = await agent[method](`/api/v1/${path}`).query({ uri })
      assert.equal(status, 400)
      assert.equal((body as { code: string }).code, code)
      assert.match((body as { detail: string }).detail, detail)
    }
    assert.equal((await agent[method](`/api/v1/${path}?uri=a&uri=b`)).status, 400)
    assert.deepEqual(
      [node.calls.lookUp.length, node.calls.announce.length, node.live.watches],
      [0, 0, 0],
    )
  })
}

test('a watch tells the newest edition now, and each newer one when it comes', async (t) => {
  const { node, uri, url } = await running(t)
  const response = await fetch(url)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.match(response.headers.get('content-security-policy') ?? '', /^default-src 'none'/)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  const readUntil = async (end: string) => {
    while (!text.endsWith(end)) text += Buffer.from((await reader.read()).value ?? []).toString()
  }
  await readUntil('"}\n\n')
  assert.equal(text, `retry: 5000\n\nevent: edition\ndata: {"edition":0,"uri":"${uri}"}\n\n`)
  text = ''
  const second = node.addEdition('blog', 'second')
  await readUntil('"}\n\n')
  assert.equal(text, `event: edition\ndata: {"edition":1,"uri":"${second}"}\n\n`)
  await reader.cancel()
  await until('the watch has ended', () => node.live.watches === 0)
})

test('a watcher knows that it is connected before there is any edition', async (t) => {
  const { node, url } = await running(t)
  const response = await fetch(url.replace('blog', 'nothing%20yet'))
  assert.equal(response.status, 200)
  await response.body?.cancel()
  await until('the watch has ended', () => node.live.watches === 0)
})

test('a watch ends with the node', async (t) => {
  const { node, url } = await running(t)
  const response = await fetch(url)
  await until('the watch runs', () => node.live.watches === 1)
  await node.close()
  assert.match(await response.text(), /^retry/)
  assert.equal(node.live.watches, 0)
})

test('a watch that fails ends its connection', async (t) => {
  const { node, url } = await running(t)
  node.nextWatch = new ShoalError('E_CLOSED', 'Closing.')
  const response = await fetch(url)
  await response.text().catch(() => {})
  await until('the watch has ended', () => node.live.watches === 0)
})

test('a watch sends a sign of life every 15 seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { url } = await running(t)
  const response = await fetch(url)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const next = async () => Buffer.from((await reader.read()).value ?? []).toString()
  let text = ''
  while (!text.endsWith('"}\n\n')) text += await next()
  t.mock.timers.tick(14_999)
  t.mock.timers.tick(1)
  assert.equal(await next(), ':\n\n')
  t.mock.timers.tick(15_000)
  assert.equal(await next(), ':\n\n')
  await reader.cancel()
})

test('HEAD of a watch has its head and watches nothing', async (t) => {
  const { node, server, url } = await running(t)
  const socket = connect({ host: '127.0.0.1', port: server.port })
  t.after(() => socket.destroy())
  const { pathname, search } = new URL(url)
  socket.write(`HEAD ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  const text = Buffer.concat(pieces).toString()
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*text\/event-stream[\s\S]*\r\n\r\n$/)
  assert.equal(node.live.watches, 0)
})

test('one watch more than can run at once is told to come later', async (t) => {
  const { node, url } = await running(t)
  const stop = new AbortController()
  await Promise.all(Array.from({ length: 64 }, () => fetch(url, { signal: stop.signal })))
  await until('all run', () => node.live.watches === 64)
  assert.equal((await fetch(url)).status, 429)
  stop.abort()
  await until('all have ended', () => node.live.watches === 0)
  const taken = await fetch(url)
  assert.equal(taken.status, 200)
  await taken.body?.cancel()
})

test('the publisher keys are part of the API', async () => {
  const { node, agent } = gateway()
  await node.keys.create('me')
  const { status, headers, body } = await agent.get('/api/v1/keys')
  assert.equal(status, 200)
  assert.equal(headers['cache-control'], 'no-store')
  assert.deepEqual(body, { keys: node.keys.list() })
})
