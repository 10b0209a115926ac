/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

interface Inserted {
  readonly uri: string
  readonly size: number
  readonly type: string
}

function gateway() {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger: silentLogger })) }
}

const SIZES = [0, 1, 32_767, 32_768, 32_769, 1_000_000]

for (const size of SIZES) {
  test(`${size} bytes that are inserted can be fetched under the key that is answered`, async () => {
    const { agent } = gateway()
    const bytes = Buffer.alloc(size, 'shoal')
    const inserted = await agent.post('/api/v1/insert?name=a.bin').send(bytes)
    assert.equal(inserted.status, 201)
    const body = inserted.body as Inserted
    assert.deepEqual(body, { uri: body.uri, size, type: 'application/octet-stream' })
    assert.equal(inserted.headers['location'], `/${body.uri}`)
    assert.equal(inserted.headers['link'], '</api/v1/inserts/1>; rel="status"')
    assert.equal(inserted.headers['cache-control'], 'no-store')
    const fetched = await agent.get(`/${body.uri}`).buffer(true)
    assert.deepEqual(fetched.body, bytes)
  })
}

test('PUT inserts as POST does', async () => {
  const { agent, node } = gateway()
  const { status, body } = await agent.put('/api/v1/insert?name=a.txt').send('hello')
  assert.equal(status, 201)
  const { uri, type } = body as Inserted
  assert.equal(type, 'text/plain')
  assert.match(uri, /\/a\.txt$/)
  assert.equal(Buffer.from(node.contentOf(uri) ?? []).toString(), 'hello')
})

test('the body is taken as it is, whatever the request says it is', async () => {
  const { agent, node } = gateway()
  for (const type of ['application/json', 'application/x-www-form-urlencoded', 'no type']) {
    const { status, body } = await agent
      .post('/api/v1/insert?name=a.txt')
      .set('Content-Type', type)
      .send('{not json')
    assert.equal(status, 201)
    const { uri, type: answered } = body as Inserted
    assert.equal(answered, 'text/plain')
    assert.equal(Buffer.from(node.contentOf(uri) ?? []).toString(), '{not json')
  }
})

test('the query says how to insert', async () => {
  const { agent, node } = gateway()
  const asked = async (query: string) => {
    await agent.post(`/api/v1/insert${query}`).send('x').expect(201)
    const { signal: _signal, ...options } = node.calls.insert.at(-1) ?? {}
    return options
  }
  const plain = { convergent: false, bare: false }
  assert.deepEqual(await asked(''), plain)
  assert.deepEqual(await asked('?name='), plain)
  assert.deepEqual(await asked('?name=a%20b+c.txt'), { ...plain, name: 'a b c.txt' })
  assert.deepEqual(await asked('?type=text/html;charset=koi8-r'), {
    ...plain,
    contentType: 'text/html;charset=koi8-r',
  })
  assert.deepEqual(await asked('?convergent=1'), { ...plain, convergent: true })
  assert.deepEqual(await asked('?urn=1&convergent=0'), { ...plain, bare: true })
})

test('a bare insert answers with a URN', async () => {
  const { agent } = gateway()
  const { body, headers } = await agent.post('/api/v1/insert?urn=1').send('x')
  const { uri } = body as Inserted
  assert.match(uri, /^urn:eris:/)
  assert.equal(headers['location'], `/${uri}`)
  const fetched = await agent.get(`/${uri}?filename=page.html`)
  assert.equal(fetched.text, 'x')
  assert.equal(fetched.headers['content-type'], 'text/html; charset=utf-8')
})

const NAMES = ['a b.txt', 'ünï çødé 文.txt', '...', '.hidden', "it's (100%)!", 'a'.repeat(255)]

for (const name of NAMES) {
  test(`the name "${name.slice(0, 20)}" stays as it is`, async () => {
    const { agent, node } = gateway()
    const { status, headers } = await agent
      .post(`/api/v1/insert?name=${encodeURIComponent(name)}`)
      .send('x')
    assert.equal(status, 201)
    assert.equal(node.calls.insert[0]?.name, name)
    assert.equal((await agent.get(headers['location'] ?? '')).status, 200)
  })
}

const BAD_QUERIES = [
  ['name=..', 'name'],
  ['name=.', 'name'],
  ['name=a/b', 'name'],
  ['name=..%2Fb', 'name'],
  ['name=/etc/passwd', 'name'],
  ['name=a%5Cb', 'name'],
  ['name=a%00b', 'name'],
  ['name=a%0Ab', 'name'],
  ['name=a%7Fb', 'name'],
  ['name=a%C2%85b', 'name'],
  ['name=%FF', 'name'],
  [`name=${'a'.repeat(256)}`, 'name'],
  [`name=${encodeURIComponent('ü'.repeat(128))}`, 'name'],
  ['name=a&name=b', 'name'],
  ['type=text', 'type'],
  ['type=text/', 'type'],
  ['type=text/html;', 'type'],
  ['type=text/html%0D%0AX:%20y', 'type'],
  ['type=text/html,text/plain', 'type'],
  [`type=text/${'a'.repeat(251)}`, 'type'],
  ['convergent=yes', 'convergent'],
  ['urn=2', 'urn'],
] as const

for (const [query, part] of BAD_QUERIES) {
  test(`an insert with "${query.slice(0, 30)}" is refused, naming ${part}`, async () => {
    const { agent, node } = gateway()
    const response = await agent.post(`/api/v1/insert?${query}`).send('x')
    assert.equal(response.status, 400)
    const { code, detail } = response.body as { code: string; detail: string }
    assert.equal(code, 'E_QUERY')
    assert.match(detail, new RegExp(`: ${part}: `))
    assert.equal(node.calls.insert.length, 0)
  })
}

const FAILURES = [
  ['E_STORE_FULL', 507],
  ['E_STORE_IO', 500],
  ['E_CLOSED', 503],
] as const

for (const [code, status] of FAILURES) {
  test(`${code} in the middle of an upload is told to its sender as ${status}`, async () => {
    const { agent, node } = gateway()
    node.nextInsert = { afterBytes: 100_000, error: new ShoalError(code, 'No.') }
    const response = await agent.post('/api/v1/insert').send(Buffer.alloc(4_000_000))
    assert.equal(response.status, status)
    assert.equal((response.body as { code: string }).code, code)
    assert.equal(node.live.inserts, 0)
  })
}

test('while the disk is full a store without room says that, and not to enlarge it', async () => {
  const { agent, node } = gateway()
  const send = async (): Promise<string> => {
    const error = new ShoalError('E_STORE_FULL', 'Enlarge the store.')
    node.nextInsert = { afterBytes: 10, error }
    const response = await agent.post('/api/v1/insert').send(Buffer.alloc(100))
    assert.equal(response.status, 507)
    return (response.body as { detail: string }).detail
  }
  assert.equal(await send(), 'Enlarge the store.')
  node.fakeStore.stats = { condition: 'disk-full' }
  assert.match(await send(), /^The disk of the node is full: make room/)
})

test('the spread of an insert can be asked for, and nothing else has one', async () => {
  const { agent, node } = gateway()
  node.insertStatuses.set(7, { blocks: 12, spreadBlocks: 5, lostBlocks: 0, peers: 2 })
  const { status, body } = await agent.get('/api/v1/inserts/7')
  assert.equal(status, 200)
  assert.deepEqual(body, { blocks: 12, spreadBlocks: 5, lostBlocks: 0, peers: 2 })
  for (const id of ['8', '-7', '7.0', 'x', '07x', '9'.repeat(30), '%ff']) {
    const response = await agent.get(`/api/v1/inserts/${id}`)
    assert.ok([400, 404].includes(response.status), id)
    assert.equal(response.headers['content-type'], 'application/problem+json')
  }
})

test('the status is that of the node', async () => {
  const { agent, node } = gateway()
  const { status, body, headers } = await agent.get('/api/v1/status')
  assert.equal(status, 200)
  assert.deepEqual(body, JSON.parse(JSON.stringify(node.status())), 'without what is not known')
  assert.equal(headers['cache-control'], 'no-store')
})

const METHODS = [
  ['get', '/api/v1/insert', 'POST, PUT'],
  ['delete', '/api/v1/insert', 'POST, PUT'],
  ['options', '/api/v1/insert', 'POST, PUT'],
  ['post', '/api/v1/status', 'GET, HEAD'],
  ['put', '/api/v1/inserts/1', 'GET, HEAD'],
] as const

for (const [method, path, allow] of METHODS) {
  test(`${method} ${path} is refused, and names the methods that work`, async () => {
    const { agent } = gateway()
    const response = await agent[method](path)
    assert.equal(response.status, 405)
    assert.equal(response.headers['allow'], allow)
  })
}

test('what the API does not have is 404 for programs, whoever asks', async () => {
  const { agent } = gateway()
  for (const path of ['/api/', '/api/v1', '/api/v2/status', '/api/v1/insert/x']) {
    const response = await agent.get(path).set('Accept', 'text/html')
    assert.equal(response.status, 404, path)
    assert.equal(response.headers['content-type'], 'application/problem+json')
  }
})
