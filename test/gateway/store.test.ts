/** @module */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../../src/options.ts'
import type { Logger } from '../../src/runtime.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { openGateway, until } from '../helpers/gateway.ts'

const GIB = 1024 ** 3

function gateway(logger: Logger = silentLogger) {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger })) }
}

async function running(t: TestContext) {
  const { node, server } = await openGateway(t)
  return { node, url: `${server.url}api/v1/store/check` }
}

test('the store tells everything that it counts', async () => {
  const { node, agent } = gateway()
  const { status, body, headers } = await agent.get('/api/v1/store')
  assert.equal(status, 200)
  assert.equal(headers['cache-control'], 'no-store')
  assert.deepEqual(body, JSON.parse(JSON.stringify(node.store.stats())))
  assert.equal((await agent.head('/api/v1/store')).status, 200)
  assert.equal((await agent.post('/api/v1/store')).status, 405)
})

test('the status of the node has the condition of its store, and how far it is filled', async () => {
  const { node, agent } = gateway()
  node.fakeStore.stats = { condition: 'disk-full', filledShare: 0.25 }
  const { body } = await agent.get('/api/v1/status')
  const { condition, filledShare } = (body as { store: Record<string, unknown> }).store
  assert.deepEqual([condition, filledShare], ['disk-full', 0.25])
})

test('a check tells how far it is, and at its end what it found', async (t) => {
  const { url } = await running(t)
  const response = await fetch(url, { method: 'POST' })
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  const text = await response.text()
  const events = text.split('\n\n').filter((block) => block.startsWith('event: '))
  assert.deepEqual(events.at(0)?.split('\n'), ['event: progress', 'data: {"checked":0,"of":8}'])
  assert.deepEqual(events.at(-1)?.split('\n'), ['event: done', 'data: {"checked":8,"freed":0}'])
})

test('one check at a time: a second one is told so, and hanging up ends the first', async (t) => {
  const { node, url } = await running(t)
  node.fakeStore.nextCheck = 'hang'
  const controller = new AbortController()
  await fetch(url, { method: 'POST', signal: controller.signal })
  const second = await fetch(url, { method: 'POST' })
  assert.equal(second.status, 429)
  assert.equal(((await second.json()) as { code: string }).code, 'E_BUSY')
  assert.equal(node.fakeStore.checks, 1)
  controller.abort()
  await until('the check ended', () => node.fakeStore.checks === 0)
  const third = await fetch(url, { method: 'POST' })
  assert.match(await third.text(), /event: done/)
  assert.equal((await fetch(url)).status, 405)
})

test('a check that fails says why, and nothing of what is inside', async (t) => {
  const { node, url } = await running(t)
  node.fakeStore.nextCheck = new ShoalError('E_CLOSED', 'The node is closing.')
  const closed = await (await fetch(url, { method: 'POST' })).text()
  assert.match(
    closed,
    /event: failed\ndata: \{.*"detail":"The node is closing\.","code":"E_CLOSED"/,
  )
  node.fakeStore.nextCheck = new Error('secret')
  const broken = await (await fetch(url, { method: 'POST' })).text()
  assert.match(broken, /event: failed\ndata: \{.*"code":"E_INTERNAL"/)
  assert.doesNotMatch(broken, /secret/)
})

test('a resize is begun, and the answer is how the store is then', async () => {
  const { node, agent } = gateway()
  const { status, body } = await agent.post('/api/v1/store/resize').query({ bytes: 5 * GIB })
  assert.equal(status, 202)
  assert.equal((body as { quotaBytes: number }).quotaBytes, 5 * GIB)
  node.fakeStore.nextResize = 'hang'
  const begun = await agent.post(`/api/v1/store/resize?bytes=${MIN_STORE_BYTES}`)
  assert.equal(begun.status, 202)
  assert.deepEqual((begun.body as { resize: unknown }).resize, {
    quotaBytes: MIN_STORE_BYTES,
    slotsLeft: 100,
  })
  assert.deepEqual(node.fakeStore.resizes, [5 * GIB, MIN_STORE_BYTES])
  assert.equal((await agent.get('/api/v1/store/resize')).status, 405)
})

for (const [bytes, what] of [
  ['', 'no size'],
  [String(MIN_STORE_BYTES - 1), 'too small'],
  [String(MAX_STORE_BYTES + 1), 'too large'],
  ['10GiB', 'no number'],
  ['-1', 'negative'],
  ['67108864.5', 'a fraction'],
  ['1e10', 'an exponent'],
] as const) {
  test(`a resize to ${what} is answered 400 and asked of nobody`, async () => {
    const { node, agent } = gateway()
    const { status, body } = await agent.post('/api/v1/store/resize').query({ bytes })
    assert.equal(status, 400)
    assert.equal((body as { code: string }).code, 'E_QUERY')
    assert.match((body as { detail: string }).detail, /: bytes: is a whole number from 67108864 to/)
    assert.deepEqual(node.fakeStore.resizes, [])
  })
}

for (const [code, status] of [
  ['E_BUSY', 429],
  ['E_STORE_FULL', 507],
  ['E_CLOSED', 503],
] as const) {
  test(`a resize that cannot begin for ${code} is answered ${status}, and not logged`, async () => {
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    const { node, agent } = gateway({ info: log, warn: log })
    node.fakeStore.nextResize = new ShoalError(code, 'It cannot be.')
    const response = await agent.post(`/api/v1/store/resize?bytes=${GIB}`)
    assert.equal(response.status, status)
    assert.equal((response.body as { detail: string }).detail, 'It cannot be.')
    assert.deepEqual(lines, [])
  })
}

test('a resize that fails after it was begun is told in the log', async () => {
  const lines: string[] = []
  let fail = (_error: Error): void => {}
  const failing = new Promise<void>((_resolve, reject) => (fail = reject))
  const { node, agent } = gateway({ info: () => {}, warn: (line) => lines.push(line) })
  node.fakeStore.care.resize = () => failing
  assert.equal((await agent.post(`/api/v1/store/resize?bytes=${GIB}`)).status, 202)
  fail(new ShoalError('E_STORE_FULL', 'the disk is full'))
  await until('it is logged', () => lines.length > 0)
  assert.deepEqual(lines, [
    'store: the resize ended before it was done: the disk is full (E_STORE_FULL)',
  ])
})

test('pages of other origins can neither ask nor change anything', async () => {
  const { node, agent } = gateway()
  for (const origin of ['null', 'http://evil.example']) {
    for (const [method, path] of [
      ['get', '/api/v1/store'],
      ['post', '/api/v1/store/check'],
      ['post', `/api/v1/store/resize?bytes=${GIB}`],
    ] as const) {
      assert.equal((await agent[method](path).set('Origin', origin)).status, 403)
    }
  }
  assert.deepEqual([node.fakeStore.resizes, node.fakeStore.checks], [[], 0])
})
