/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { openKeyring, publisherKeysOf } from '../../src/keyring.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

interface Key {
  readonly name: string
  readonly uri: string
  readonly documentUri?: string
}

const PREFIX = /^USK@[\w-]{43},$/

/** The gateway before a keyring that is a real one, in memory. */
async function gateway() {
  const keys = publisherKeysOf(await openKeyring({ dataDir: undefined }))
  const node = Object.assign(createFakeNode(), { keys })
  return { keys, agent: request(createApp({ node, logger: silentLogger })) }
}

const codeOf = ({ body }: { body: unknown }): unknown => (body as { code?: unknown }).code

test('a key is made, listed, shown and removed', async () => {
  const { agent } = await gateway()
  assert.deepEqual((await agent.get('/api/v1/keys')).body, { keys: [] })
  const made = await agent.post('/api/v1/keys?name=my%20blog')
  assert.equal(made.status, 201)
  const key = made.body as Key
  assert.deepEqual(key, { name: 'my blog', uri: key.uri })
  assert.match(key.uri, PREFIX)
  assert.equal(made.headers['cache-control'], 'no-store')
  assert.deepEqual((await agent.get('/api/v1/keys')).body, { keys: [key] })
  assert.deepEqual((await agent.get('/api/v1/keys/my%20blog')).body, key)
  const removed = await agent.delete('/api/v1/keys/my%20blog')
  assert.deepEqual([removed.status, removed.text], [204, ''])
  assert.deepEqual((await agent.get('/api/v1/keys')).body, { keys: [] })
  const gone = await agent.get('/api/v1/keys/my%20blog')
  assert.deepEqual([gone.status, codeOf(gone)], [404, 'E_NO_KEY'])
})

test('a key is shown with the URI of one of its documents', async () => {
  const { agent, keys } = await gateway()
  const { uri } = await keys.create('日記')
  const path = `/api/v1/keys/${encodeURIComponent('日記')}`
  const { body } = await agent.get(`${path}?document=my+site`)
  const { documentUri } = body as Key
  assert.ok(documentUri?.startsWith(uri))
  assert.ok(documentUri?.endsWith('/my%20site/'))
  for (const document of ['', '12', 'latest', 'a%2Fb', 'x'.repeat(256)]) {
    const answer = await agent.get(`${path}?document=${document}`)
    assert.deepEqual([answer.status, codeOf(answer)], [400, 'E_NAME'], document)
  }
})

test('a secret leaves by a POST alone, and comes back under its name or another', async () => {
  const left = await gateway()
  const { uri } = await left.keys.create('blog')
  const fetched = await left.agent.get('/api/v1/keys/blog/export')
  assert.deepEqual([fetched.status, fetched.headers['allow']], [405, 'POST'])
  const exported = await left.agent.post('/api/v1/keys/blog/export')
  assert.equal(exported.status, 200)
  assert.equal(exported.headers['cache-control'], 'no-store')
  const { text } = exported.body as { text: string }
  assert.equal(text, left.keys.export('blog'))

  const right = await gateway()
  for (const name of ['blog', 'blog']) {
    const imported = await right.agent.post('/api/v1/import-key').send(text)
    assert.deepEqual([imported.status, imported.body], [201, { name, uri }])
  }
  const other = await gateway()
  const imported = await other.agent
    .post('/api/v1/import-key?name=mine')
    .set('Content-Type', 'application/json')
    .send(text.split('\n')[1])
  assert.deepEqual([imported.status, imported.body], [201, { name: 'mine', uri }])
})

test('no list or page of a key holds its secret', async () => {
  const { agent, keys } = await gateway()
  await keys.create('blog')
  const [, secret = ''] = keys.export('blog').split('\n')
  for (const path of ['/api/v1/keys', '/api/v1/keys/blog', '/api/v1/keys/blog?document=site']) {
    const { text } = await agent.get(path)
    assert.ok(!text.includes(secret.slice(0, 5)), path)
  }
})

type Method = 'get' | 'post' | 'put' | 'delete' | 'patch'
const REFUSED: readonly (readonly [Method, path: string, status: number, code: string])[] = [
  ['post', '/api/v1/keys', 400, 'E_NAME'],
  ['post', '/api/v1/keys?name=', 400, 'E_NAME'],
  ['post', '/api/v1/keys?name=a%2Fb', 400, 'E_NAME'],
  ['post', '/api/v1/keys?name=-x', 400, 'E_NAME'],
  ['post', '/api/v1/keys?name=a&name=b', 400, 'E_QUERY'],
  ['post', '/api/v1/keys?name=blog', 409, 'E_EXISTS'],
  ['get', '/api/v1/keys/gone', 404, 'E_NO_KEY'],
  ['get', '/api/v1/keys/gone?document=site', 404, 'E_NO_KEY'],
  ['delete', '/api/v1/keys/gone', 404, 'E_NO_KEY'],
  ['post', '/api/v1/keys/gone/export', 404, 'E_NO_KEY'],
  ['get', '/api/v1/keys/a%2Fb', 400, 'E_NAME'],
  ['get', '/api/v1/keys/%2e%2e', 400, 'E_NAME'],
  ['get', `/api/v1/keys/${'x'.repeat(65)}`, 400, 'E_NAME'],
  ['get', '/api/v1/keys/%ff', 400, 'E_REQUEST'],
  ['post', '/api/v1/import-key', 400, 'E_KEY'],
  ['put', '/api/v1/keys', 405, 'E_METHOD'],
  ['delete', '/api/v1/keys', 405, 'E_METHOD'],
  ['post', '/api/v1/keys/blog', 405, 'E_METHOD'],
  ['patch', '/api/v1/keys/blog', 405, 'E_METHOD'],
  ['get', '/api/v1/import-key', 405, 'E_METHOD'],
  ['get', '/api/v1/keys/', 404, 'E_ROUTE'],
  ['get', '/api/v1/Keys', 404, 'E_ROUTE'],
  ['post', '/api/v1/keys/blog/export/', 404, 'E_ROUTE'],
]

for (const [method, path, status, code] of REFUSED) {
  test(`${method.toUpperCase()} ${path.slice(0, 40)} is refused with ${status}`, async () => {
    const { agent, keys } = await gateway()
    await keys.create('blog')
    const answer = await agent[method](path)
    assert.deepEqual([answer.status, codeOf(answer)], [status, code])
    assert.equal(keys.list().length, 1)
  })
}

test('an import that is no key, or too long for one, is told so without being repeated', async () => {
  const { agent, keys } = await gateway()
  for (const body of ['hello', 'x'.repeat(4096), 'x'.repeat(4097), 'x'.repeat(300_000)]) {
    const answer = await agent.post('/api/v1/import-key?name=a').send(body)
    assert.deepEqual([answer.status, codeOf(answer)], [400, 'E_KEY'], String(body.length))
    assert.ok(!answer.text.includes(body.slice(0, 5)))
  }
  assert.deepEqual(keys.list(), [])
})

test('pages of other origins reach no key', async () => {
  const { agent, keys } = await gateway()
  await keys.create('blog')
  const foreign = { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' }
  const answers = [
    await agent.get('/api/v1/keys').set(foreign),
    await agent.post('/api/v1/keys?name=evil').set(foreign),
    await agent.post('/api/v1/keys/blog/export').set(foreign),
    await agent.delete('/api/v1/keys/blog').set(foreign),
    await agent.post('/api/v1/import-key').set(foreign).send(keys.export('blog')),
  ]
  for (const answer of answers) assert.deepEqual([answer.status, codeOf(answer)], [403, 'E_ACCESS'])
  assert.equal(keys.list().length, 1)
})
