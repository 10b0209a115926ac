/** @module */
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApi } from '../../src/gateway/api.ts'
import { createApp } from '../../src/gateway/app.ts'
import { OPENAPI_DOCUMENT } from '../../src/gateway/openapi.ts'
import { Sites } from '../../src/gateway/safe/sites.ts'
import { createWaitRoutes } from '../../src/gateway/wait/wait-routes.ts'
import { Waits } from '../../src/gateway/wait/waits.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode, type FakeNode } from '../helpers/fake-node.ts'
import {
  MAX_BYTES,
  MOVING_TRIES,
  type Given,
  type Headers,
  type Try,
} from '../helpers/moving-tries.ts'
import { assertDescribed, assertMatches, operations, routesOf } from '../helpers/openapi.ts'

const GIB = 1024 ** 3
const TAR_END = Buffer.alloc(1024)

function gateway(): Given & { readonly agent: ReturnType<typeof request> } {
  const node = createFakeNode()
  const waits = new Waits({ node })
  const app = createApp({ node, waits, logger: silentLogger, maxUploadBytes: MAX_BYTES })
  return { node, waits, agent: request(app) }
}

const USK = createFakeNode().addEdition('blog', 'a')
const withKey = (node: FakeNode): void => {
  void node.keys.create('me')
}
const withEdition = (node: FakeNode): void => {
  node.addEdition('blog', 'a')
}
const full = (node: FakeNode): void => {
  const error = new ShoalError('E_STORE_FULL', 'The outbox is full.')
  node.nextInsert = { afterBytes: 1, error }
}
const text = (node: FakeNode): string => {
  withKey(node)
  return node.keys.export('me')
}

const INSERTS: readonly Try[] = [
  { body: 'hello', query: { name: 'a.txt' }, status: 201 },
  { body: 'hello', query: { word: 'w', type: 'text/html' }, status: 201 },
  { body: TAR_END, query: { folder: '', convergent: '1' }, status: 201 },
  { body: 'hello', query: { type: 'none' }, status: 400 },
  { body: 'hello', query: { name: '../x' }, status: 400 },
  { body: 'hello', query: { folder: 'perhaps' }, status: 400 },
  { body: 'no tar', query: { folder: '1' }, status: 400 },
  { body: 'hello', prepare: full, status: 507 },
]

const ABOUT_A_SITE: readonly Try[] = [
  { query: { uri: USK }, status: 200 },
  { query: { uri: 'http://localhost:8888/KSK@word/a.html' }, status: 200 },
  { query: { uri: 'http://localhost:8888/' }, status: 400 },
]

/** Good and bad requests of every operation. */
const TRIES: Readonly<Record<string, readonly Try[]>> = {
  ...MOVING_TRIES,
  'GET /api/v1/openapi.json': [{ status: 200 }],
  'POST /api/v1/insert': INSERTS,
  'PUT /api/v1/insert': INSERTS,
  'POST /api/v1/publish': [
    { body: 'a', query: { key: 'me', document: 'd' }, prepare: withKey, status: 201 },
    { body: 'a', query: { key: 'me', document: 'd', fixed: '' }, prepare: withKey, status: 201 },
    { body: 'a', query: { key: 'you', document: 'd' }, status: 404 },
    { body: 'a', query: { key: 'me', document: '' }, status: 400 },
  ],
  'GET /api/v1/inserts/{id}': [
    {
      path: '/api/v1/inserts/7',
      prepare: (node) => {
        node.insertStatuses.set(7, { blocks: 3, spreadBlocks: 1, lostBlocks: 0, peers: 2 })
      },
      status: 200,
    },
    { path: '/api/v1/inserts/8', status: 404 },
    { path: '/api/v1/inserts/none', status: 404 },
  ],
  'GET /api/v1/inserts/{id}/events': [
    {
      path: '/api/v1/inserts/7/events',
      prepare: (node) => {
        node.insertStatuses.set(7, { blocks: 3, spreadBlocks: 3, lostBlocks: 0, peers: 2 })
      },
      status: 200,
    },
    { path: '/api/v1/inserts/8/events', status: 404 },
  ],
  'GET /api/v1/lookup': [
    { query: { uri: USK, timeout: '2.5' }, prepare: withEdition, status: 200 },
    { query: { uri: USK }, status: 404 },
    { query: { uri: USK, timeout: '0' }, status: 400 },
    {
      query: { uri: USK },
      prepare: (node) => {
        node.nextLookUp = { type: 'no-peers' }
      },
      status: 503,
    },
    {
      query: { uri: USK },
      prepare: (node) => {
        node.nextLookUp = { type: 'timed-out' }
      },
      status: 504,
    },
    {
      query: { uri: USK },
      prepare: (node) => {
        node.nextLookUp = new Error('a fault')
      },
      status: 500,
    },
  ],
  'GET /api/v1/watch': [
    {
      query: { uri: USK },
      prepare: (node) => {
        withEdition(node)
        setImmediate(() => void node.close())
      },
      status: 200,
    },
    { query: { uri: 'KSK@word' }, status: 400 },
  ],
  'POST /api/v1/announce': [
    { query: { uri: USK }, prepare: withEdition, status: 202 },
    { query: { uri: USK }, status: 404 },
  ],
  'GET /api/v1/status': [
    { status: 200 },
    {
      prepare: (node) => {
        node.peers = 0
        node.ring = { estimatedNodes: 5.5, links: [{ distance: 0.25, role: 'long' }] }
        const work = { tries: 1, expectedTries: 2.5, elapsedMs: 3.5 }
        node.connection = { state: 'solving', work, dhtAnswers: false, withoutPeersMs: 1.5 }
      },
      status: 200,
    },
  ],
  'GET /api/v1/status/events': [{ isEndless: true, status: 200 }],
  'GET /api/v1/store': [
    { status: 200 },
    {
      prepare: (node) => {
        node.fakeStore.stats = { resize: { quotaBytes: GIB, slotsLeft: 3 } }
      },
      status: 200,
    },
  ],
  'POST /api/v1/store/check': [
    { status: 200 },
    {
      prepare: (node) => {
        node.fakeStore.nextCheck = new ShoalError('E_STORE_IO', 'the disk failed')
      },
      status: 200,
    },
  ],
  'POST /api/v1/store/resize': [
    { query: { bytes: String(GIB) }, status: 202 },
    { query: { bytes: '1' }, status: 400 },
  ],
  'GET /api/v1/keys': [{ status: 200 }, { prepare: withKey, status: 200 }],
  'POST /api/v1/keys': [
    { query: { name: 'me' }, status: 201 },
    { query: { name: 'me' }, prepare: withKey, status: 409 },
    { query: { name: '' }, status: 400 },
  ],
  'GET /api/v1/keys/{name}': [
    { path: '/api/v1/keys/me', prepare: withKey, status: 200 },
    { path: '/api/v1/keys/me', query: { document: 'd' }, prepare: withKey, status: 200 },
    { path: '/api/v1/keys/me', status: 404 },
  ],
  'DELETE /api/v1/keys/{name}': [
    { path: '/api/v1/keys/me', prepare: withKey, status: 204 },
    { path: '/api/v1/keys/me', status: 404 },
  ],
  'POST /api/v1/keys/{name}/export': [
    { path: '/api/v1/keys/me/export', prepare: withKey, status: 200 },
    { path: '/api/v1/keys/me/export', status: 404 },
  ],
  'POST /api/v1/import-key': [
    { body: text(createFakeNode()), status: 201 },
    { body: text(createFakeNode()), prepare: withKey, status: 409 },
    { body: 'no key', status: 400 },
  ],
  'GET /api/v1/scripts': [{ status: 200 }, { headers: { 'Sec-Fetch-Dest': 'empty' }, status: 200 }],
  'DELETE /api/v1/scripts': [{ status: 204 }],
  'GET /api/v1/scripts/site': ABOUT_A_SITE,
  'POST /api/v1/scripts/site': ABOUT_A_SITE,
  'DELETE /api/v1/scripts/site': [
    { query: { uri: USK }, status: 204 },
    { query: { uri: 'KSK@' }, status: 400 },
  ],
}

async function ask(operation: string, one: Try) {
  const { node, waits, agent } = gateway()
  one.prepare?.(node)
  const [method = '', pattern = ''] = operation.split(' ')
  const path = (await one.place?.({ node, waits })) ?? one.path ?? pattern
  const sent = agent[method.toLowerCase() as 'get'](path).query(one.query ?? {})
  const answer = await answerTo(sent.set(one.headers ?? {}), one)
  waits.close()
  for (const { id } of node.transfers.list()) await node.transfers.remove(id)
  return answer
}

async function answerTo(sent: request.Test, { query, body, isEndless }: Try) {
  const isStream = isEndless === true && query === undefined
  if (isStream) sent.buffer(true).parse(firstPart)
  const answer = await (body === undefined ? sent : sent.send(body))
  const { status, type } = answer
  const value = answer.body as unknown
  const said = isStream ? (value as string) : answer.text
  return { status, type, body: value, text: said, headers: answer.headers as Headers }
}

function firstPart(
  response: request.Response,
  done: (error: Error | null, body: string) => void,
): void {
  const stream = response as unknown as IncomingMessage
  stream.once('data', (part: Buffer) => {
    done(null, part.toString())
    stream.destroy()
  })
}

test('the description has every route of the API, and no other', () => {
  const api = createApi({
    node: createFakeNode(),
    logger: silentLogger,
    uploads: { idleMs: 1000, maxBytes: 1000 },
    sites: new Sites({ host: '127.0.0.1' }),
  })
  const waits = createWaitRoutes(new Waits({ node: createFakeNode() }))
  assert.deepEqual(
    [...operations().keys()].sort(),
    [...routesOf(api, '/api'), ...routesOf(waits, '/api')].sort(),
  )
})

test('the description is served as it is', async () => {
  const { status, body, headers } = await gateway().agent.get('/api/v1/openapi.json')
  assert.equal(status, 200)
  assert.match(headers['content-type'] as string, /^application\/json/)
  assert.deepEqual(body, JSON.parse(JSON.stringify(OPENAPI_DOCUMENT)))
})

test('the description is whole: its references lead somewhere, its operations and parameters have one name', () => {
  const known = new Set(Object.keys(OPENAPI_DOCUMENT.components.schemas))
  const whole = JSON.stringify(OPENAPI_DOCUMENT)
  const named = [...whole.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name = '']) => name)
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  )
  assert.deepEqual(
    [...known].filter((name) => !named.includes(name)),
    [],
  )
  const ids = [...operations().values()].map(({ operationId }) => operationId)
  assert.equal(new Set(ids).size, ids.length)
  for (const [operation, { parameters }] of operations()) {
    const places = parameters.filter((one) => one.in === 'path').map(({ name }) => `{${name}}`)
    assert.deepEqual(operation.match(/\{\w+\}/g) ?? [], places, operation)
    assert.equal(new Set(parameters.map(({ name }) => name)).size, parameters.length, operation)
  }
})

test('every operation answers good and bad requests as described', async () => {
  assert.deepEqual(Object.keys(TRIES).sort(), [...operations().keys()].sort())
  for (const [operation, tries] of Object.entries(TRIES)) {
    for (const one of tries) {
      const { status, type, body, text: said, headers } = await ask(operation, one)
      const what = `${operation} ${JSON.stringify(one.query ?? {})}: ${said}`
      assert.equal(status, one.status, what)
      assertDescribed(operation, { status, type, body, text: said })
      const described = operations().get(operation)?.responses[status]
      const link = described?.headers?.Link
      if (link?.required !== false) {
        assert.equal(link !== undefined, headers['link'] !== undefined, what)
      } else assert.equal('uri' in (body as object), headers['link'] !== undefined, what)
    }
  }
})

test('every operation refuses what is outside its description, in described words', async () => {
  for (const [operation, { parameters }] of operations()) {
    const [good] = TRIES[operation] ?? []
    assert.ok(good)
    const strange = await ask(operation, { ...good, query: { ...good.query, convergant: '1' } })
    assert.equal(strange.status, 400, operation)
    assert.match((strange.body as { detail: string }).detail, /convergant/)
    const { status, type, text: said } = strange
    assertDescribed(operation, { status, type, body: strange.body, text: said })
    for (const { name, required, in: place, schema } of parameters) {
      if (place !== 'query') continue
      const query: Record<string, string> = { ...good.query }
      if (required) {
        delete query[name]
        assert.equal((await ask(operation, { ...good, query })).status, 400, `${operation} ${name}`)
      }
      const isFlag = 'enum' in schema
      if (isFlag) {
        const odd: Record<string, string> = { ...good.query, [name]: 'perhaps' }
        assert.throws(() => assertMatches(schema, 'perhaps', name))
        assert.equal((await ask(operation, { ...good, query: odd })).status, 400, operation)
      }
    }
  }
})

test('every path of the API refuses the methods that the description does not give it', async () => {
  for (const path of Object.keys(OPENAPI_DOCUMENT.paths)) {
    const { agent } = gateway()
    for (const method of ['get', 'post', 'put', 'delete', 'patch', 'options'] as const) {
      if (operations().has(`${method.toUpperCase()} ${path}`)) continue
      const place = path.replace('{id}', '1').replace('{name}', 'me')
      const { status, body, headers } = await agent[method](place)
      assert.equal(status, 405, `${method} ${path}`)
      assertMatches({ $ref: '#/components/schemas/Problem' }, body, `${method} ${path}`)
      assert.ok(headers['allow'])
    }
  }
})
