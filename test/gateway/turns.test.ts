/** @module */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import { startGateway } from '../../src/gateway/server.ts'
import { IDLE_MS, Turns } from '../../src/gateway/turns.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const MIB = 1024 ** 2

async function gateway(t: TestContext) {
  const node = createFakeNode()
  const server = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => server.close())
  return { node, server }
}

function dial(t: TestContext, port: number, text: string): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(text)
  return socket
}

/** A reset is an end too. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}

async function readToEnd(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200_000; turn++) {
    if (holds()) return
    await new Promise((next) => setImmediate(next))
  }
  throw new Error(`never: ${what}`)
}

function film(size: number) {
  const piece = Buffer.alloc(32_768, 'A')
  return { size, read: (_first: number, length: number) => piece.subarray(0, length) }
}

function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
}

test('requests sent ahead are answered in their order, one at a time', async (t) => {
  const { node, server } = await gateway(t)
  const paths = ['one', 'two', 'three'].map((text) => `/${node.add(text)}`)
  const fetch = node.fetch.bind(node)
  let running = 0
  let most = 0
  node.fetch = async (uri, options) => {
    most = Math.max(most, ++running)
    await new Promise((next) => setImmediate(next))
    running--
    return await fetch(uri, options)
  }
  const [one = '', two = '', three = ''] = paths
  const all = get(one) + get(two) + get(three, 'Connection: close\r\n')
  const answers = (await readToEnd(dial(t, server.port, all))).toString()
  assert.deepEqual(answers.match(/^(?:one|two|three)/gm), ['one', 'two', 'three'])
  assert.equal(most, 1)
})

test('requests sent ahead on a connection that is cut leave nothing behind', async (t) => {
  const { node, server } = await gateway(t)
  const path = `/${node.add(film(64 * MIB))}`
  const socket = dial(t, server.port, get(path).repeat(50))
  socket.pause()
  await until('the first is being answered', () => node.live.pulledBytes > 0)
  assert.equal(node.live.streams, 1)
  socket.destroy()
  await until('it has ended', () => node.live.streams === 0)
  assert.equal(node.calls.fetch.length, 1)
})

test('watches and fetches sent ahead of a cut end too', async (t) => {
  const { node, server } = await gateway(t)
  const usk = node.addEdition('doc', 'hello')
  const watch = get(`/api/v1/watch?uri=${encodeURIComponent(usk)}`)
  const socket = dial(t, server.port, watch.repeat(10))
  await until('the first runs', () => node.live.watches === 1)
  socket.destroy()
  await until('none runs', () => node.live.watches === 0)
  node.nextFetch = 'hang'
  const key = `/${node.add('x')}`
  const waiting = dial(t, server.port, get(key).repeat(10))
  await until('the fetch runs', () => node.live.fetches === 1)
  waiting.destroy()
  await until('none runs', () => node.live.fetches === 0)
  assert.equal(node.calls.fetch.length, 1)
})

test('a closing gateway ends what was sent ahead', async (t) => {
  const { node, server } = await gateway(t)
  const socket = dial(t, server.port, get(`/${node.add(film(64 * MIB))}`).repeat(5))
  await once(socket, 'data')
  await server.close()
  await until('the streams have ended', () => node.live.streams === 0)
  assert.equal(node.calls.fetch.length, 1)
})

test('a connection on which more than 64 requests wait is closed', async (t) => {
  const { node, server } = await gateway(t)
  const key = `/${node.add('x')}`
  node.nextFetch = 'hang'
  const patient = dial(t, server.port, get(key).repeat(65))
  await until('the first runs', () => node.live.fetches === 1)
  await new Promise((next) => setTimeout(next, 20))
  assert.ok(!patient.closed)
  patient.write(get(key))
  await closing(patient.resume())
  await until('its fetch is aborted', () => node.live.fetches === 0)
  assert.equal(node.calls.fetch.length, 1)
})

test('a request that expects what nobody knows is served in its turn, and those behind it too', async (t) => {
  const { node, server } = await gateway(t)
  const [one = '', two = '', three = ''] = ['one', 'two', 'three'].map(
    (text) => `/${node.add(text)}`,
  )
  const all = get(one) + get(two, 'Expect: x\r\n') + get(three, 'Connection: close\r\n')
  const answers = (await readToEnd(dial(t, server.port, all))).toString()
  assert.deepEqual(answers.match(/^(?:one|two|three)/gm), ['one', 'two', 'three'])
})

test('a turn that comes without a connection to answer on ends the connection of its request', () => {
  const served: unknown[] = []
  let ends = 0
  const turns = new Turns((request) => served.push(request))
  const socket = Object.assign(new EventEmitter(), { destroy: () => ends++ })
  const [first, second] = [socket, null].map((answersOn) => ({
    request: { socket, complete: true } as unknown as IncomingMessage,
    response: Object.assign(new EventEmitter(), { socket: answersOn }) as unknown as ServerResponse,
  }))
  assert.ok(first !== undefined && second !== undefined)
  for (const { request, response } of [first, second]) turns.take(request, response)
  assert.equal(ends, 0)
  first.response.emit('close')
  assert.equal(ends, 1)
  assert.deepEqual(served, [first.request])
})

test('a connection that sends blank lines instead of a request is closed, one that asks again is not', async (t) => {
  assert.equal(IDLE_MS, 20_000)
  const turns = new Turns((_request, response) => response.end('hello'), { idleMs: 1500 })
  const server = createServer((request, response) => turns.take(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const repeat = (text: string, everyMs: number) => {
    const socket = dial(t, port, get('/'))
    const timer = setInterval(() => socket.write(text), everyMs)
    t.after(() => clearInterval(timer))
    return socket.resume()
  }
  const busy = repeat(get('/'), 20)
  await closing(repeat('\r\n', 20))
  assert.ok(!busy.closed)
})

const GARBAGE = 'BAD\r\n\r\n'

test('no words about garbage stand in the answer to another request', async (t) => {
  for (const ahead of [1, 2]) {
    const { node, server } = await gateway(t)
    const path = `/${node.add(film(16 * MIB))}`
    const socket = dial(t, server.port, get(path))
    socket.pause()
    await until('it is being answered', () => node.live.pulledBytes > 0)
    socket.write(get(path).repeat(ahead - 1) + GARBAGE)
    const answer = await readToEnd(socket).catch(() => Buffer.alloc(0))
    const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4)
    assert.ok(
      body.every((byte) => byte === 0x41),
      `${ahead} ahead`,
    )
    await until('the streams have ended', () => node.live.streams === 0)
  }
})

test('garbage behind a request that is not answered yet gets no answer, nor does the request', async (t) => {
  const { node, server } = await gateway(t)
  node.nextFetch = 'hang'
  const socket = dial(t, server.port, get(`/${node.add('x')}`))
  await until('the fetch runs', () => node.live.fetches === 1)
  socket.write(GARBAGE)
  assert.equal((await readToEnd(socket).catch(() => Buffer.alloc(0))).length, 0)
  await until('the fetch is aborted', () => node.live.fetches === 0)
})

test('garbage behind a request that has been answered is told so', async (t) => {
  const { node, server } = await gateway(t)
  const socket = dial(t, server.port, get(`/${node.add('hello')}`))
  await once(socket, 'data')
  socket.write(GARBAGE)
  assert.match((await readToEnd(socket)).toString(), /HTTP\/1\.1 400 /)
})

test('the body of a request that has been answered holds its connection for two seconds at most', async (t) => {
  const { node, server } = await gateway(t)
  const answers = [get(`/${node.add('hello')}`), get('/nothing')].map(async (head) => {
    const endless = head.replace('\r\n\r\n', '\r\nContent-Length: 1000000\r\n\r\n')
    const socket = dial(t, server.port, endless)
    const drip = setInterval(() => socket.write('x'), 50)
    t.after(() => clearInterval(drip))
    const pieces: Buffer[] = []
    socket.on('data', (piece: Buffer) => pieces.push(piece))
    await closing(socket)
    return Buffer.concat(pieces).toString()
  })
  const [found = '', missing = ''] = await Promise.all(answers)
  assert.match(found, /^HTTP\/1\.1 200 [^]*hello$/)
  assert.match(missing, /^HTTP\/1\.1 404 /)
})
