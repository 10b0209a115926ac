/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

function gateway() {
  const node = createFakeNode()
  const agent = request(createApp({ node, logger: silentLogger }))
  const publish = (text: string) => node.addEdition('blog', { 'index.html': text, 'pic.gif': text })
  /** Path of the document: an edition and a slash come after it. */
  const root = `/${publish('first')}/`.replace(/0\/$/, '')
  return { node, agent, publish, root }
}

test('the newest edition is served, fresh for a minute, and says that it is the one', async () => {
  const { agent, root } = gateway()
  const { status, headers, text } = await agent.get(`${root}0/`)
  assert.equal(status, 200)
  assert.equal(text, 'first')
  assert.equal(headers['cache-control'], 'max-age=60')
  assert.equal(headers['link'], `<${root}0/>; rel="canonical"`)
})

test('an older edition leads to the newest, at the same path and query', async () => {
  const { agent, node, root, publish } = gateway()
  publish('second')
  publish('third')
  const { status, headers, text } = await agent
    .get(`${root}0/pic.gif?download=1&x=%2F`)
    .redirects(0)
  assert.equal(status, 307)
  assert.equal(headers['location'], `${root}2/pic.gif?download=1&x=%2F`)
  assert.equal(headers['cache-control'], 'max-age=60')
  assert.equal(headers['link'], `<${root}2/pic.gif>; rel="canonical"`)
  assert.equal(text, '')
  assert.equal(node.calls.fetch.length, 0)
  assert.equal((await agent.get(`${root}1/`).redirects(1)).text, 'third')
})

test('all files of a page share one look-up, and age with it', async () => {
  const { agent, node, root } = gateway()
  await agent.get(`${root}0/`)
  for (const [passedMs, cacheControl] of [
    [0, 'max-age=60'],
    [500, 'max-age=59'],
    [20_000, 'max-age=39'],
    [39_000, 'no-cache'],
  ] as const) {
    node.names.nowMs += passedMs
    const { headers } = await agent.get(`${root}0/pic.gif`)
    assert.equal(headers['cache-control'], cacheControl)
  }
  assert.equal(node.names.networkLookUps, 1)
  for (const { options } of node.calls.lookUp) assert.equal(options.maxAgeMs, 60_000)
  node.names.nowMs += 501
  await agent.get(`${root}0/`)
  assert.equal(node.names.networkLookUps, 2)
})

const FAILED = [{ type: 'not-found' }, { type: 'no-peers' }, { type: 'timed-out' }] as const

for (const outcome of FAILED) {
  test(`a look-up that ends with ${outcome.type} serves the named edition, not to be kept`, async () => {
    const { agent, node, root, publish } = gateway()
    publish('second')
    node.nextLookUp = outcome
    const { status, headers, text } = await agent.get(`${root}0/`)
    assert.equal(status, 200)
    assert.equal(text, 'first')
    assert.equal(headers['cache-control'], 'no-cache')
    assert.equal(headers['link'], `<${root}0/>; rel="canonical"`)
  })
}

test('a look-up that knows only older editions does not lead back', async () => {
  const { agent, node, root, publish } = gateway()
  publish('second')
  node.nextLookUp = { type: 'found', edition: 0, ageMs: 0 }
  const { status, headers, text } = await agent.get(`${root}1/`)
  assert.equal(status, 200)
  assert.equal(text, 'second')
  assert.equal(headers['link'], `<${root}1/>; rel="canonical"`)
})

test('an edition that nobody has is 404, though older ones are there', async () => {
  const { agent, root } = gateway()
  const { status, body } = await agent.get(`${root}9/`)
  assert.equal(status, 404)
  assert.equal((body as { code: string }).code, 'E_NOT_FOUND')
})

for (const named of ['latest', '-1', '-7']) {
  test(`"${named}" leads to the newest edition, and a negative one searches anew`, async () => {
    const { agent, node, root, publish } = gateway()
    await agent.get(`${root}0/`)
    publish('second')
    node.names.nowMs += 61_000
    const { status, headers } = await agent.get(`${root}${named}/pic.gif?x`).redirects(0)
    assert.equal(status, 307)
    assert.equal(headers['location'], `${root}1/pic.gif?x`)
    assert.equal(headers['cache-control'], 'max-age=60')
    const { maxAgeMs, timeoutMs } = node.calls.lookUp.at(-1)?.options ?? {}
    assert.deepEqual([maxAgeMs, timeoutMs], [0, undefined])
    assert.equal(node.calls.fetch.length, 1)
  })

  for (const [type, code] of [
    ['not-found', 404],
    ['no-peers', 503],
    ['timed-out', 504],
  ] as const) {
    test(`"${named}" of a document whose look-up ends with ${type} is ${code}`, async () => {
      const { agent, node, root } = gateway()
      node.nextLookUp = { type }
      const { status, headers } = await agent.get(`${root}${named}/`).redirects(0)
      assert.equal(status, code)
      assert.equal(headers['location'], undefined)
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(node.calls.fetch.length, 0)
    })
  }
}

test('the look-up waits no longer than the client does, nor than a page can wait', async () => {
  const { agent, node, root } = gateway()
  for (const query of ['', '?timeout=2', '?timeout=100']) await agent.get(`${root}0/${query}`)
  await agent.get(`${root}latest/?timeout=100`).redirects(0)
  assert.deepEqual(
    node.calls.lookUp.map(({ options }) => options.timeoutMs),
    [5000, 2000, 5000, 100_000],
  )
  assert.ok(node.calls.lookUp.every(({ options }) => options.signal !== undefined))
})

test('the slash after an edition is added for as long as the edition is fresh', async () => {
  const { agent, root } = gateway()
  const { status, headers } = await agent.get(`${root}0?x=1`).redirects(0)
  assert.equal(status, 301)
  assert.equal(headers['location'], `${root}0/?x=1`)
  assert.equal(headers['cache-control'], 'max-age=60')
  assert.equal(headers['link'], `<${root}0>; rel="canonical"`)
})

test('a copy of the newest edition that a client holds is confirmed', async () => {
  const { agent, root } = gateway()
  const { etag = '' } = (await agent.get(`${root}0/`)).headers
  const { status, headers } = await agent.get(`${root}0/`).set('If-None-Match', etag)
  assert.equal(status, 304)
  assert.equal(headers['cache-control'], 'max-age=60')
  assert.equal(headers['link'], `<${root}0/>; rel="canonical"`)
})

test('HEAD looks up as GET does', async () => {
  const { agent, root, publish } = gateway()
  publish('second')
  for (const path of [`${root}0/`, `${root}1/`, `${root}1`, `${root}latest`, `${root}-1/x`]) {
    const get = await agent.get(path).redirects(0)
    const head = await agent.head(path).redirects(0)
    assert.equal(head.status, get.status, path)
    for (const name of ['location', 'link', 'cache-control', 'etag', 'content-length']) {
      assert.equal(head.headers[name], get.headers[name], path)
    }
  }
})

test('an error in a look-up is answered as what it is', async () => {
  const { agent, node, root } = gateway()
  node.nextLookUp = new ShoalError('E_CLOSED', 'The node is closing.')
  assert.equal((await agent.get(`${root}0/`)).status, 503)
})

test('a path that the newest edition does not have names the site', async () => {
  const { agent, root, publish } = gateway()
  publish('second')
  const { status, body } = await agent.get(`${root}0/gone.html`).redirects(1)
  assert.equal(status, 404)
  const { code, detail, site } = body as Record<string, unknown>
  assert.deepEqual(
    [code, detail, site],
    ['E_NO_PATH', 'The site "blog" has no "gone.html".', `${root}1`],
  )
})

test('a reload asks the network again, as a new visit within a minute does not', async () => {
  const { agent, node, root, publish } = gateway()
  await agent.get(`${root}0/`)
  publish('second')
  assert.equal((await agent.get(`${root}0/`).redirects(0)).status, 200)
  for (const value of ['max-age=0', 'no-cache']) {
    const reloaded = await agent.get(`${root}0/`).set('Cache-Control', value).redirects(0)
    assert.equal(reloaded.headers['location'], `${root}1/`)
  }
  assert.equal(node.names.networkLookUps, 3)
})

test('a pinned edition is served as it is, though there is a newer one, and nothing is looked up', async () => {
  const { agent, node, root, publish } = gateway()
  publish('second')
  const { status, text, headers } = await agent.get(`${root}0/?pinned`).redirects(0)
  assert.deepEqual([status, text, headers['cache-control']], [200, 'first', 'max-age=3600'])
  assert.equal(node.calls.lookUp.length, 0)
  // no edition is named, so there is nothing to pin
  assert.equal((await agent.get(`${root}latest/?pinned`).redirects(0)).status, 307)
})
