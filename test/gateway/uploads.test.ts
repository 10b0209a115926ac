/** @module */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { fillOutbox } from '../helpers/upload-bench.ts'

const PART = 'application/partial-upload'

function gateway(options: { maxUploadBytes?: number } = {}) {
  const node = createFakeNode()
  const agent = request(createApp({ node, logger: silentLogger, ...options }))
  const begin = (query = '', complete = '?0') =>
    agent.post(`/api/v1/uploads${query}`).set('Upload-Complete', complete)
  const part = (path: string, offset: number, complete = '?0') =>
    agent
      .patch(path)
      .set('Content-Type', PART)
      .set('Upload-Offset', String(offset))
      .set('Upload-Complete', complete)
  return { node, agent, begin, part }
}

test('an upload begins, is asked for, goes on and ends with a key', async () => {
  const { agent, begin, part } = gateway()
  const begun = await begin('?name=a.txt').send('hello ')
  assert.equal(begun.status, 201)
  const path = begun.headers['location'] ?? ''
  assert.match(path, /^\/api\/v1\/uploads\/[0-9a-f]{32}$/)
  assert.equal(begun.headers['upload-limit'], 'max-age=86400')
  const asked = await agent.head(path)
  assert.equal(asked.status, 204)
  assert.equal(asked.headers['upload-offset'], '6')
  assert.equal(asked.headers['upload-complete'], '?0')
  assert.equal(asked.headers['cache-control'], 'no-store')
  const more = await part(path, 6).send('wor')
  assert.deepEqual([more.status, more.headers['upload-offset']], [200, '9'])
  const ended = await part(path, 9, '?1').send('ld')
  assert.equal(ended.status, 201)
  const { uri, size, type } = ended.body as { uri: string; size: number; type: string }
  assert.match(uri, /^CHK@.*\/a\.txt$/)
  assert.deepEqual([size, type], [11, 'text/plain'])
  assert.equal(ended.headers['location'], `/${uri}`)
  assert.match(ended.headers['link'] ?? '', /\/api\/v1\/inserts\/\d+>; rel="status"/)
  const { body, headers } = await agent.get(path)
  const id = path.split('/').at(-1)
  assert.deepEqual(body, { id, offset: 11, complete: true, length: 11, uri, size, type })
  assert.equal(headers['link'], ended.headers['link'])
})

test('a body that is whole at once is inserted like any other', async () => {
  const { begin, agent } = gateway()
  for (const sent of [begin('?name=a', '?1'), agent.post('/api/v1/uploads?name=a')]) {
    const { status, headers, body } = await sent.send('x')
    assert.equal(status, 201)
    assert.equal((body as { size: number }).size, 1)
    assert.equal(headers['upload-complete'], '?1')
  }
})

test('a part that begins elsewhere is 409, and says where to go on', async () => {
  const { begin, part } = gateway()
  const path = (await begin().send('12345')).headers['location'] ?? ''
  for (const offset of [0, 4, 6]) {
    const { status, headers, body } = await part(path, offset).send('x')
    assert.equal(status, 409)
    assert.equal(headers['upload-offset'], '5')
    assert.equal((body as { code: string }).code, 'E_OFFSET')
  }
})

test('a part that begins elsewhere is 409 whatever lengths it says', async () => {
  const { begin, part } = gateway({ maxUploadBytes: 1000 })
  const begun = await begin().set('Upload-Length', '10').send('12345')
  const path = begun.headers['location'] ?? ''
  const parts = [
    part(path, 3, '?1').send('45678'),
    part(path, 7, '?1').set('Upload-Length', '10').send('67890'),
    part(path, 3).set('Upload-Length', '11').send('x'),
    part(path, 2000, '?1').send('x'),
  ]
  for (const sent of parts) {
    const { status, headers, body } = await sent
    assert.deepEqual([status, (body as { code: string }).code], [409, 'E_OFFSET'])
    assert.deepEqual([headers['upload-offset'], headers['upload-complete']], ['5', '?0'])
  }
  assert.equal((await part(path, 5, '?1').send('1234')).status, 400, 'at the right place it counts')
  assert.equal((await part(path, 5, '?1').send('67890')).status, 201)
})

test('DELETE ends an upload', async () => {
  const { agent, begin, part } = gateway()
  const path = (await begin().send('1')).headers['location'] ?? ''
  assert.equal((await agent.delete(path)).status, 204)
  assert.equal((await agent.delete(path)).status, 404)
  assert.equal((await agent.head(path)).status, 404)
  assert.equal((await part(path, 1).send('x')).status, 404)
})

const BAD_PARTS: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['without an offset', { 'Upload-Complete': '?0', 'Content-Type': PART }],
  ['that does not say whether it is the last', { 'Upload-Offset': '0', 'Content-Type': PART }],
  ['of another type', { 'Upload-Complete': '?0', 'Upload-Offset': '0', 'Content-Type': 'text/x' }],
  ['at -1', { 'Upload-Complete': '?0', 'Upload-Offset': '-1', 'Content-Type': PART }],
  ['at 1e3', { 'Upload-Complete': '?0', 'Upload-Offset': '1e3', 'Content-Type': PART }],
  [
    'at 10^16',
    { 'Upload-Complete': '?0', 'Upload-Offset': `1${'0'.repeat(16)}`, 'Content-Type': PART },
  ],
  [
    'that is maybe the last',
    { 'Upload-Complete': '1', 'Upload-Offset': '0', 'Content-Type': PART },
  ],
]

for (const [what, headers] of BAD_PARTS) {
  test(`a part ${what} is refused`, async () => {
    const { agent, begin } = gateway()
    const path = (await begin().send('')).headers['location'] ?? ''
    const response = await agent.patch(path).set(headers).send('x')
    assert.equal(response.status, 400)
    assert.equal((await agent.head(path)).headers['upload-offset'], '0')
  })
}

test('what cannot be said of an upload is refused before it begins', async () => {
  const { begin, agent } = gateway({ maxUploadBytes: 1000 })
  for (const query of ['?word=a&urn=1', '?name=..', '?tag=a%20b', '?folder=1', '?type=x']) {
    assert.equal((await begin(query).send('x')).status, 400, query)
  }
  assert.equal((await begin().set('Upload-Length', '1001').send('x')).status, 413)
  assert.equal((await begin('', '?1').set('Upload-Length', '7').send('x')).status, 400)
  const { headers } = await agent.options('/api/v1/uploads')
  assert.equal(headers['upload-limit'], 'max-size=1000, max-age=86400')
  assert.equal(headers['accept-patch'], PART)
  const refused = await agent.put('/api/v1/uploads')
  assert.deepEqual([refused.status, refused.headers['allow']], [405, 'POST, OPTIONS'])
})

test('the parts of an upload together are no longer than the gateway takes, said or not', async () => {
  const { begin, part, agent } = gateway({ maxUploadBytes: 1000 })
  const path = (await begin().send(Buffer.alloc(900))).headers['location'] ?? ''
  const said = await part(path, 900).send(Buffer.alloc(101))
  assert.deepEqual([said.status, (said.body as { code: string }).code], [413, 'E_TOO_LARGE'])
  assert.equal((await agent.head(path)).headers['upload-offset'], '900')
  const unsaid = part(path, 900).set('Transfer-Encoding', 'chunked')
  unsaid.write(Buffer.alloc(100).toString())
  unsaid.write('x')
  assert.equal((await unsaid).status, 413)
  const { 'upload-offset': offset } = (await agent.head(path)).headers
  const rest = await part(path, Number(offset), '?1').send(Buffer.alloc(1000 - Number(offset)))
  assert.equal(rest.status, 201)
})

test('an upload goes under a word when it is whole, with the warning of a word', async () => {
  const { node, begin, part } = gateway()
  const path = (await begin('?name=a.txt&word=sardines').send('123')).headers['location'] ?? ''
  assert.equal(node.uploadBench.words.published.size, 0)
  const { status, headers, body } = await part(path, 3, '?1').send('45')
  assert.equal(status, 201)
  assert.equal(headers['location'], '/KSK@sardines')
  const { uri, size, type, warning } = body as Record<string, unknown>
  assert.deepEqual([uri, size, type], ['KSK@sardines', 5, 'text/plain'])
  assert.match(String(warning), /Anyone may write to this word/)
})

test('a word that is taken is told, and ends the upload', async () => {
  const { node, agent, begin, part } = gateway()
  const path = (await begin('?word=sardines').send('')).headers['location'] ?? ''
  node.uploadBench.words.fault = new ShoalError('E_COLLISION', 'No.')
  const { status, body } = await part(path, 0, '?1').send('1')
  assert.deepEqual([status, (body as { code: string }).code], [409, 'E_COLLISION'])
  assert.equal((await agent.head(path)).status, 404)
})

test('the same tag finds an upload again', async () => {
  const { begin } = gateway()
  const first = await begin('?tag=film').send('123')
  const again = await begin('?tag=film').send('')
  assert.equal(again.status, 200)
  assert.equal(again.headers['location'], first.headers['location'])
  assert.equal(again.headers['upload-offset'], '3')
})

test('the same tag with another name, word, form or length is 409, and disturbs nothing', async () => {
  const { begin, part } = gateway()
  const first = await begin('?tag=film&name=a').set('Upload-Length', '5').send('123')
  for (const query of [
    '?tag=film',
    '?tag=film&name=b',
    '?tag=film&urn=1',
    '?tag=film&name=a&word=c',
  ]) {
    const { status, body } = await begin(query).send('x')
    assert.deepEqual([status, (body as { code: string }).code], [409, 'E_EXISTS'], query)
  }
  const longer = await begin('?tag=film&name=a').set('Upload-Length', '6').send('x')
  assert.equal(longer.status, 409)
  const ended = await part(first.headers['location'] ?? '', 3, '?1').send('45')
  assert.equal((ended.body as { size: number }).size, 5)
})

test('a sender that breaks off was told where its upload is, and what came is kept', async (t) => {
  const node = createFakeNode()
  const running = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => running.close())
  const { port } = running
  const sent = httpRequest({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/api/v1/uploads?name=a',
    headers: { 'Upload-Complete': '?1', 'Content-Length': 1_000_000 },
  })
  sent.on('error', () => {})
  const told = new Promise<IncomingHttpHeaders>((resolve) => {
    sent.on('information', ({ statusCode, headers }) => {
      if (statusCode === 104) resolve(headers)
    })
  })
  sent.write(randomBytes(200_000)) // equal blocks would be one
  const { location: path = '', 'upload-limit': limit } = await told
  assert.equal(limit, 'max-age=86400')
  const id = path.split('/').at(-1) ?? ''
  // asked without `status`, which would end the part that comes in
  while (node.uploadBench.store.outbox.pendingBlocks < 6) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  sent.destroy()
  const state = node.uploads.status(id)
  assert.ok((state?.offset ?? 0) >= 6 * 32_768)
  assert.equal(state?.length, 1_000_000)
})

test('senders that went away while the outbox was full leave their places to others', async (t) => {
  const node = createFakeNode()
  const running = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => running.close())
  const { empty } = fillOutbox(node.uploadBench, 3)
  const { id } = await node.uploads.create({ name: 'a' })
  const content = randomBytes(2_000_000)
  for (let sender = 0; sender < 17; sender++) {
    const offset = node.uploads.status(id)?.offset ?? 0
    const sent = httpRequest({
      port: running.port,
      host: '127.0.0.1',
      method: 'PATCH',
      path: `/api/v1/uploads/${id}`,
      headers: { 'Content-Type': PART, 'Upload-Offset': offset, 'Upload-Complete': '?1' },
    })
    sent.on('error', () => {})
    sent.write(content.subarray(offset, offset + 1_500_000))
    await new Promise((resolve) => setTimeout(resolve, 20))
    sent.destroy()
  }
  const url = `${running.url}api/v1/insert`
  // the last of them may just be going
  let status = 429
  for (let tries = 0; status === 429 && tries < 100; tries++) {
    status = (await fetch(url, { method: 'POST', body: 'x' })).status
  }
  assert.equal(status, 201)
  empty()
  assert.equal(await node.uploads.cancel(id), true)
})
