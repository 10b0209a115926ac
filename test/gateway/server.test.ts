/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import { isShoalError } from '../../src/errors.ts'
import { HEAD_TIMEOUT_MS, startGateway } from '../../src/gateway/server.ts'
import type { Logger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { dial, endless, get, openGateway, readToEnd, until } from '../helpers/gateway.ts'

const MIB = 1024 ** 2

/** Sends `text` as it is and reads until the server ends the connection. */
async function exchange(t: TestContext, port: number, text: string): Promise<string> {
  const socket = dial(t, port)
  socket.end(Buffer.from(text, 'utf8'))
  return readToEnd(socket)
}

test('content streams over a socket, and the connection serves again', async (t) => {
  const { node, server } = await openGateway(t)
  const url = `${server.url}${node.add(endless(3 * MIB + 5))}`
  for (let turn = 0; turn < 2; turn++) {
    const body = await (await fetch(url)).arrayBuffer()
    assert.equal(body.byteLength, 3 * MIB + 5)
  }
  await until('the streams have ended', () => node.live.streams === 0)
})

test('a reader that does not read holds the stream back, and gets all when it does', async (t) => {
  const { node, server } = await openGateway(t)
  const socket = dial(t, server.port)
  socket.pause()
  socket.write(get(`/${node.add(endless(64 * MIB))}`))
  let pulled = -1
  while (pulled !== node.live.pulledBytes) {
    pulled = node.live.pulledBytes
    for (let turn = 0; turn < 2000; turn++) await new Promise((next) => setImmediate(next))
    if (pulled === 0) pulled = -1
  }
  assert.ok(pulled < 32 * MIB, `${pulled} bytes were pulled for a reader that took none`)
  let received = 0
  socket.on('data', (piece) => (received += piece.length)).resume()
  await once(socket, 'end')
  assert.ok(received > 64 * MIB)
})

test('a reader that hangs up in the middle ends the stream', async (t) => {
  const { node, server } = await openGateway(t)
  const socket = dial(t, server.port)
  socket.write(get(`/${node.add(endless(64 * MIB))}`))
  await once(socket, 'data')
  assert.equal(node.live.streams, 1)
  socket.destroy()
  await until('the stream is cancelled', () => node.live.streams === 0)
})

test('a reader that hangs up before the first byte ends the fetch, and is no error', async (t) => {
  const { node, server, lines } = await openGateway(t)
  node.nextFetch = 'hang'
  const socket = dial(t, server.port)
  socket.write(get(`/${node.add('x')}`))
  await until('the fetch runs', () => node.live.fetches === 1)
  socket.destroy()
  await until('the fetch is aborted', () => node.live.fetches === 0)
  assert.deepEqual(lines, [])
})

test('a body that breaks off looks broken', async (t) => {
  const { node, server } = await openGateway(t)
  const uri = node.add({ ...endless(10 * MIB), breaksAt: 2 * MIB })
  const response = await fetch(`${server.url}${uri}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-length'), String(10 * MIB))
  await assert.rejects(response.arrayBuffer())
})

test('nothing follows on the connection of a body that broke off', async (t) => {
  const { node, server } = await openGateway(t)
  const uri = node.add({ ...endless(MIB), breaksAt: 100_000 })
  const twice = `GET /${uri} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(2)
  const socket = dial(t, server.port)
  socket.write(twice)
  const answers = await readToEnd(socket)
  assert.equal(answers.match(/HTTP\/1\.1 /g)?.length, 1)
})

test('a stream that ends early, or goes on too long, looks broken and is logged', async (t) => {
  for (const size of [5, 15]) {
    const { node, server, lines } = await openGateway(t)
    const stream = new Response(new Uint8Array(size)).body as ReadableStream<Uint8Array>
    const uri = node.add('x')
    node.nextFetch = {
      type: 'found',
      size: 10,
      range: undefined,
      contentType: undefined,
      name: undefined,
      identity: 'x',
      stream,
    }
    await assert.rejects(async () => (await fetch(`${server.url}${uri}`)).arrayBuffer())
    assert.match(lines.join(), /^gateway: Error/)
    assert.ok(!lines.join().includes(uri.slice(4, 20)))
  }
})

test('a stream that fails before its first byte is still answered with a status', async (t) => {
  const { node, server } = await openGateway(t)
  const uri = node.add({ ...endless(MIB), breaksAt: 0 })
  const response = await fetch(`${server.url}${uri}`)
  assert.equal(response.status, 504)
  assert.equal(response.headers.get('etag'), null)
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.equal(((await response.json()) as { code: string }).code, 'E_TIMEOUT')
})

test('under HTTP/1.0 a page that breaks off looks broken, and one that ends does not', async (t) => {
  const { node, server } = await openGateway(t)
  const piece = Buffer.from('<p>hello world '.repeat(4000))
  const page = { size: 300_000, read: (_: number, length: number) => piece.subarray(0, length) }
  const ask = async (breaksAt: number | undefined) => {
    const content = breaksAt === undefined ? page : { ...page, breaksAt }
    const uri = node.add(content, { name: 'a.html', contentType: 'text/html' })
    const socket = dial(t, server.port)
    socket.write(
      `GET /${uri} HTTP/1.0\r\nHost: localhost\r\nAccept: text/html\r\nSec-Fetch-Mode: cors\r\n\r\n`,
    )
    return await readToEnd(socket)
  }
  await assert.rejects(ask(200_000), { code: 'ECONNRESET' })
  const whole = await ask(undefined)
  assert.doesNotMatch(whole, /content-length|chunked/i)
})

test('an upload that hangs up in the middle is aborted, and leaves nothing', async (t) => {
  const { node, server, lines } = await openGateway(t)
  const socket = dial(t, server.port)
  socket.write('POST /api/v1/insert HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc')
  await until('the insert runs', () => node.live.inserts === 1)
  assert.equal(node.calls.insert[0]?.signal?.aborted, false)
  socket.destroy()
  await until('the insert has ended', () => node.live.inserts === 0)
  await until('the signal says so', () => node.calls.insert[0]?.signal?.aborted === true)
  assert.deepEqual(lines, [])
})

const SHORT_BODIES = [
  ['Content-Length: 1000', 'abc'],
  ['Transfer-Encoding: chunked', '3\r\nabc\r\n'],
  ['Transfer-Encoding: chunked', '3\r\nabcdef\r\n'],
] as const

for (const [header, body] of SHORT_BODIES) {
  test(`an upload with ${header} that ends after ${JSON.stringify(body)} fails`, async (t) => {
    const { node, server } = await openGateway(t)
    const head = `POST /api/v1/insert HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`
    const answer = await exchange(t, server.port, head + body)
    assert.ok(!answer.startsWith('HTTP/1.1 201'), answer)
    await until('the insert has ended', () => node.live.inserts === 0)
  })
}

test('an upload in pieces of unknown number is taken to its end', async (t) => {
  const { server } = await openGateway(t)
  const head = `PUT /api/v1/insert HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`
  const answer = await exchange(t, server.port, `${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)
  assert.match(answer, /^HTTP\/1\.1 201 /)
  assert.match(answer, /"size":5/)
})

test('one upload more than can run at once is told to come later', async (t) => {
  const { node, server } = await openGateway(t)
  const head = 'POST /api/v1/insert HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n'
  const uploads = Array.from({ length: 16 }, () => dial(t, server.port))
  for (const socket of uploads) socket.write(head)
  await until('all run', () => node.live.inserts === uploads.length)
  const refused = await fetch(`${server.url}api/v1/insert`, { method: 'POST', body: 'x' })
  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('retry-after'), '5')
  uploads[0]?.destroy()
  await until('one is over', () => node.live.inserts === uploads.length - 1)
  const taken = await fetch(`${server.url}api/v1/insert`, { method: 'POST', body: 'x' })
  assert.equal(taken.status, 201)
})

test('bytes beyond ASCII in a path are refused in words that help', async (t) => {
  const { node, server } = await openGateway(t)
  const key = node.add('hello').split('/')[0] ?? ''
  const answer = await exchange(t, server.port, get(`/${key}/фильм.html`))
  assert.match(answer, /^HTTP\/1\.1 400 /)
  assert.match(answer, /percent-encoded/)
})

/** An insert in whose body, read another way, another request stands. */
function smuggled(headers: string): string {
  const inner = 'GET /CHK@x HTTP/1.1\r\nHost: localhost\r\n\r\n'
  return `POST /api/v1/insert HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n0\r\n\r\n${inner}`
}

const RAW_REQUESTS: readonly (readonly [string, string, number])[] = [
  ['dots that climb', get('/../../package.json'), 404],
  ['dots after a key', get('/CHK@x/../../package.json'), 400],
  ['an escape that is none', get('/%zz'), 404],
  ['a NUL', get('/%00'), 404],
  ['a proxy’s absolute form', get('http://localhost/api/v1/status'), 200],
  ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  ['HTTP/1.0 without a Host', 'GET / HTTP/1.0\r\n\r\n', 403],
  ['an address of 8 KiB', get(`/CHK@${'A'.repeat(8000)}`), 400],
  ['an address of 40 KiB', get(`/CHK@${'A'.repeat(40_000)}`), 431],
  ['an address of 2 MiB', get(`/CHK@${'A'.repeat(2 * MIB)}`), 431],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n', 400],
  ['a length and chunks', smuggled('Content-Length: 5\r\nTransfer-Encoding: chunked'), 400],
  ['chunks and a length', smuggled('Transfer-Encoding: chunked\r\nContent-Length: 5'), 400],
  ['two lengths', smuggled('Content-Length: 5\r\nContent-Length: 6'), 400],
  ['a list of lengths', smuggled('Content-Length: 5, 5'), 400],
  ['a length with a sign', smuggled('Content-Length: +5'), 400],
  ['chunks that are not the last coding', smuggled('Transfer-Encoding: chunked, gzip'), 400],
  ['a blank before the colon', smuggled('Content-Length : 5'), 400],
  ['a header folded', smuggled('Content-Length: 5\r\n Transfer-Encoding: chunked'), 400],
  ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n', 405],
  ['a word that is no HTTP', 'hello\r\n\r\n', 400],
  ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001', 400],
  ['a request line cut off', 'GET /', 400],
]

for (const [what, text, status] of RAW_REQUESTS) {
  test(`${what} is answered ${status}, with words`, async (t) => {
    const { server, node } = await openGateway(t)
    const answer = await exchange(t, server.port, text)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    if (status !== 200) {
      assert.match(body, new RegExp(`"status":${status}`))
      assert.match(head, /content-security-policy: default-src 'none'/i)
    }
    assert.equal(node.calls.fetch.length, 0)
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
    assert.equal(node.calls.insert.length, 0)
    assert.equal((await fetch(server.url)).status, 200)
  })
}

test('a body is asked for when it is read, not before the request is refused', async (t) => {
  const { node, server } = await openGateway(t)
  const ask = (host: string) => {
    const head = `PUT /api/v1/insert HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n`
    const socket = dial(t, server.port)
    socket.write(`${head}Expect: 100-continue\r\nConnection: close\r\n\r\n`)
    return socket
  }
  const refused = (await readToEnd(ask('evil.example'))).split('\r\n')
  assert.deepEqual(
    refused.filter((line) => line.startsWith('HTTP/')),
    ['HTTP/1.1 403 Forbidden'],
  )
  const taken = ask('localhost')
  const [first] = (await once(taken, 'data')) as [Buffer]
  assert.equal(first.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
  taken.write('hello')
  assert.match(await readToEnd(taken), /^HTTP\/1\.1 201 /)
  assert.equal(node.calls.insert.length, 1)
})

test('a head that comes line by line is given up', async (t) => {
  assert.equal(HEAD_TIMEOUT_MS, 10_000)
  const { server } = await openGateway(t, { headTimeoutMs: 100 })
  const socket = dial(t, server.port)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
  const drip = setInterval(() => socket.write('X: y\r\n'), 20)
  t.after(() => clearInterval(drip))
  assert.match(await readToEnd(socket), /^HTTP\/1\.1 408 /)
})

test('a port that is taken is named in one sentence', async (t) => {
  const { server, node } = await openGateway(t)
  const logger: Logger = { info: () => {}, warn: () => {} }
  await assert.rejects(startGateway({ node, logger, port: server.port }), (error) => {
    assert.ok(isShoalError(error))
    assert.equal(error.code, 'E_LISTEN')
    assert.equal(error.message, `Port ${server.port} on 127.0.0.1 is in use by another program.`)
    return true
  })
})

test('closing ends what is open, and can be done twice', async (t) => {
  const { server, node } = await openGateway(t)
  const idle = dial(t, server.port)
  const reading = dial(t, server.port)
  reading.write(get(`/${node.add(endless(64 * MIB))}`))
  await once(reading, 'data')
  const ended = [once(idle.resume(), 'close'), once(reading.resume(), 'close')]
  idle.on('end', () => idle.end())
  reading.on('end', () => reading.end())
  await Promise.all([server.close(), server.close()])
  await Promise.all(ended)
  await server.close()
  await until('the stream is cancelled', () => node.live.streams === 0)
  await assert.rejects(fetch(server.url))
})

test('a gateway on an IPv6 address has a URL that works', async (t) => {
  const node = createFakeNode()
  const logger: Logger = { info: () => {}, warn: () => {} }
  let server
  try {
    server = await startGateway({ node, logger, host: '::1', port: 0 })
  } catch (error) {
    t.skip(`no IPv6 on this machine: ${(error as Error).message}`)
    return
  }
  t.after(() => server.close())
  assert.equal(server.url, `http://[::1]:${server.port}/`)
  assert.equal((await fetch(server.url)).status, 200)
})
