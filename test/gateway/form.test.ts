/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const BOUNDARY = 'frontier'
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`

function field(name: string, value: string): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
}

function file(name: string, content: string): string {
  const head = `Content-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: text/x-lie`
  return `--${BOUNDARY}\r\n${head}\r\n\r\n${content}\r\n`
}

const END = `--${BOUNDARY}--\r\n`

function gateway(options: { maxUploadBytes?: number } = {}) {
  const node = createFakeNode()
  const agent = request(createApp({ node, logger: silentLogger, ...options }))
  const send = (body: string | Buffer, query = '') =>
    agent.post(`/api/v1/insert${query}`).set('Content-Type', TYPE).send(body)
  return { node, agent, send }
}

interface Answer {
  readonly uri: string
  readonly size: number
  readonly code: string
  readonly detail: string
}

test('the file of a form is inserted under its own name, and the type of the part is ignored', async () => {
  const { node, send } = gateway()
  const { status, body } = await send(file('a.txt', 'hello\r\n--front') + END)
  assert.equal(status, 201)
  const { uri } = body as Answer
  assert.match(uri, /\/a\.txt$/)
  assert.equal(Buffer.from(node.contentOf(uri) ?? []).toString(), 'hello\r\n--front')
  const { signal: _signal, ...options } = node.calls.insert[0] ?? {}
  assert.deepEqual(options, { name: 'a.txt', convergent: false, bare: false })
})

test('fields before the file say how to insert; empty ones and those of the page say nothing', async () => {
  const { node, send } = gateway()
  const fields = [
    field('name', 'b.bin'),
    field('type', 'text/html'),
    field('convergent', 'on'),
    field('word', ''),
    field('submit', 'Go'),
  ]
  await send(fields.join('') + file('a.txt', 'x') + field('submit', 'again') + END).expect(201)
  const { signal: _signal, ...options } = node.calls.insert[0] ?? {}
  const expected = { name: 'b.bin', contentType: 'text/html', convergent: true, bare: false }
  assert.deepEqual(options, expected)
})

test('a word in a form is written to, with its warning', async () => {
  const { send } = gateway()
  const { body } = await send(field('word', 'hello') + file('a.txt', 'x') + END).expect(201)
  assert.equal((body as Answer).uri, 'KSK@hello')
  assert.match((body as { warning: string }).warning, /Anyone may write/)
})

const NAMES = [
  ['ünï çødé 文.txt', 'ünï çødé 文.txt'],
  ['C:\\Users\\me\\a.txt', 'a.txt'],
  ['/etc/passwd', 'passwd'],
  ['../../b', 'b'],
  ['say %22hi%22.txt', 'say "hi".txt'],
  ['%2e%2e', '%2e%2e'],
  ["it's; (100%)!", "it's; (100%)!"],
] as const

for (const [sent, kept] of NAMES) {
  test(`the file name "${sent}" of a form becomes "${kept}"`, async () => {
    const { node, send } = gateway()
    await send(file(sent, 'x') + END).expect(201)
    assert.equal(node.calls.insert[0]?.name, kept)
  })
}

const MALFORMED: readonly (readonly [string, string | Buffer, string])[] = [
  ['without an end', file('a.txt', 'x'), 'E_REQUEST'],
  ['cut in the file', file('a.txt', 'x'.repeat(5000)).slice(0, 3000), 'E_REQUEST'],
  ['cut in a header', `--${BOUNDARY}\r\nContent-Disp`, 'E_REQUEST'],
  ['that is empty', '', 'E_REQUEST'],
  ['without a file', field('name', 'a') + END, 'E_REQUEST'],
  ['where no file was chosen', file('', '') + END, 'E_REQUEST'],
  ['with two files', file('a', 'x') + file('b', 'y') + END, 'E_REQUEST'],
  ['with 1,000 fields', field('f', 'v').repeat(1000) + file('a', 'x') + END, 'E_REQUEST'],
  ['with a header of 100 KB', file('a'.repeat(100_000), 'x') + END, 'E_REQUEST'],
  ['with a field of 1 MB', field('name', 'a'.repeat(1_000_000)) + file('a', 'x') + END, 'E_QUERY'],
  ['with an option after the file', file('a', 'x') + field('type', 'text/html') + END, 'E_QUERY'],
  ['with a field twice', field('name', 'a') + field('name', 'b') + file('a', '') + END, 'E_QUERY'],
  ['with a type that is none', field('type', 'text') + file('a', '') + END, 'E_QUERY'],
  ['with a folder', field('folder', '1') + file('a.tar', '') + END, 'E_QUERY'],
  ['with the name ".."', field('name', '..') + file('a', '') + END, 'E_QUERY'],
  ['with a line end in the name', field('name', 'a\nb') + file('a', '') + END, 'E_QUERY'],
  ['with a name that is not UTF-8', Buffer.from(file('\xff', '') + END, 'latin1'), 'E_QUERY'],
]

for (const [what, body, code] of MALFORMED) {
  test(`a form ${what} is refused, and nothing of it is inserted`, async () => {
    const { node, send } = gateway()
    const response = await send(body)
    assert.equal(response.status, 400)
    assert.equal((response.body as Answer).code, code)
    assert.equal(node.live.inserts, 0)
    const uris = await send(file('next', 'x') + END).expect(201)
    assert.match((uris.body as Answer).uri, /next$/, 'its place is free again')
  })
}

test('a form that does not say its boundary is refused', async () => {
  const { agent } = gateway()
  const response = await agent
    .post('/api/v1/insert')
    .set('Content-Type', 'multipart/form-data')
    .send('x')
  assert.equal(response.status, 400)
})

test('a form is not taken for content where only an insert takes one', async () => {
  const { node, agent } = gateway()
  for (const path of ['/api/v1/uploads', '/api/v1/publish?key=me&document=site']) {
    const { status, body } = await agent
      .post(path)
      .set('Content-Type', TYPE)
      .send(file('a.txt', 'x') + END)
    assert.deepEqual([status, (body as Answer).code], [400, 'E_REQUEST'], path)
    assert.match((body as Answer).detail, /^Only \/api\/v1\/insert takes a form/)
  }
  assert.equal(node.calls.publish.length, 0)
  assert.deepEqual(await node.uploadBench.journal.names(), [])
})

test('a body longer than the gateway takes is refused, with a length or without one', async () => {
  const { agent, node, send } = gateway({ maxUploadBytes: 1000 })
  assert.equal((await agent.post('/api/v1/insert').send('x'.repeat(1001))).status, 413)
  assert.equal(node.calls.insert.length, 0)
  assert.equal((await send(file('a', 'x'.repeat(1000)) + END)).status, 413)
  assert.equal((await agent.post('/api/v1/insert').send('x'.repeat(1000))).status, 201)
})

test('a form whose insert fails in the middle is answered, and read no further', async () => {
  const { node, send } = gateway()
  const { ShoalError } = await import('../../src/errors.ts')
  node.nextInsert = { afterBytes: 100_000, error: new ShoalError('E_STORE_FULL', 'No.') }
  const response = await send(file('a', 'x'.repeat(4_000_000)) + END)
  assert.equal(response.status, 507)
  assert.equal(node.live.inserts, 0)
})

test('a sender that goes away, or lies about its length, leaves no insert behind', async (t) => {
  const node = createFakeNode()
  const running = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => running.close())
  const { port } = running
  const socket = connect(port, '127.0.0.1')
  const head = `POST /api/v1/insert HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${TYPE}\r\nContent-Length: 9000000\r\n\r\n`
  socket.write(head + file('a', 'x'.repeat(100_000)))
  while (node.live.inserts === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  socket.destroy()
  await once(socket, 'close')
  while (node.live.inserts > 0) await new Promise((resolve) => setTimeout(resolve, 5))
})
