/** @module */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

import express from 'express'

import { createContentRoute } from '../../src/gateway/content-route.ts'
import { createProblemHandler } from '../../src/gateway/problem.ts'
import { Sites } from '../../src/gateway/safe/sites.ts'
import { startGateway } from '../../src/gateway/server.ts'
import type { Gateway } from '../../src/gateway/server.ts'
import { SOURCE_STALL_MS, StallGuard } from '../../src/gateway/stall.ts'
import { createNode } from '../../src/node.ts'
import type { Node } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { randomContent } from '../helpers/cluster.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { dial, endless, get, openGateway, readToEnd, until } from '../helpers/gateway.ts'

const KIB = 1024
const MIB = KIB * KIB

function createSites(): Sites {
  return new Sites({ host: '127.0.0.1' })
}

test('a stream that stands still breaks off, and looks broken', async (t) => {
  const node = createFakeNode()
  const app = express()
  app.use(createContentRoute(node, createSites(), { stallMs: 100 }))
  app.use(createProblemHandler(silentLogger))
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  let isCancelled = false
  const uri = node.add('x')
  node.nextFetch = {
    type: 'found',
    size: MIB,
    range: undefined,
    contentType: undefined,
    name: undefined,
    identity: 'x',
    stream: new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => {
        isCancelled = true
      },
    }),
  }
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/${uri}`)
  assert.equal(response.status, 200)
  await assert.rejects(response.arrayBuffer())
  await until('the stream is cancelled', () => isCancelled)
})

test('a slow reader is not a stream that stands still', async (t) => {
  const node = createFakeNode()
  const app = express()
  app.use(createContentRoute(node, createSites(), { stallMs: 100 }))
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const piece = new Uint8Array(32_768)
  let pulled = 0
  // it never makes anybody wait, however slow the machine is
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulled += piece.length
        if (pulled > 64 * MIB) controller.close()
        else controller.enqueue(piece)
      },
    },
    { highWaterMark: 0 },
  )
  const nothing = { range: undefined, contentType: undefined, name: undefined }
  node.nextFetch = { type: 'found', size: 64 * MIB, identity: 'x', stream, ...nothing }
  const socket = dial(t, port, get(`/${node.add('x')}`))
  socket.pause()
  await until('it has begun', () => pulled > 0)
  await new Promise((next) => setTimeout(next, 300))
  assert.ok(pulled < 32 * MIB)
  let received = 0
  socket.on('data', (bytes) => (received += bytes.length)).resume()
  await once(socket, 'end')
  assert.ok(received > 64 * MIB)
})

/** What a guard sees of a response. */
function watched() {
  const seen = { isBroken: false, readerMs: 0, onReaderStall: () => {} }
  const response = {
    socket: null,
    hasHeader: () => true,
    destroy: () => {
      seen.isBroken = true
    },
    setTimeout: (ms: number, onReaderStall: () => void) => {
      Object.assign(seen, { readerMs: ms, onReaderStall })
    },
  } as unknown as ServerResponse
  return { seen, response }
}

test('a source has 30 seconds for its next byte, a reader ten minutes', async () => {
  assert.equal(SOURCE_STALL_MS, 30_000)
  const source = watched()
  const guard = new StallGuard(source.response, 10)
  await new Promise((next) => setTimeout(next, 50))
  assert.equal(source.seen.isBroken, false, 'nobody waited for it')
  guard.isWaiting = true
  while (!source.seen.isBroken) await new Promise((next) => setTimeout(next, 5))
  guard.end()
  const reader = watched()
  new StallGuard(reader.response, SOURCE_STALL_MS).end()
  assert.equal(reader.seen.readerMs, 600_000)
  reader.seen.onReaderStall()
  assert.equal(reader.seen.isBroken, true)
})

test('a page of 100 MB of nested tags goes through in bounded memory', async (t) => {
  const { node, server } = await openGateway(t)
  const piece = Buffer.from('<div><b><i><p><span>'.repeat(1638).padEnd(32_768))
  const size = 100_000_000
  const page = { size, read: (_first: number, length: number) => piece.subarray(0, length) }
  const path = `/${node.add(page, { name: 'a.html', contentType: 'text/html' })}`
  const before = process.memoryUsage().rss
  const socket = dial(t, server.port, get(path, 'Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n'))
  let received = 0
  let most = 0
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(
    head.toString(),
    /^HTTP\/1\.1 200 [^]*\r\nTransfer-Encoding: chunked\r\n/,
    'rewritten',
  )
  for await (const bytes of socket) {
    received += (bytes as Buffer).length
    most = Math.max(most, process.memoryUsage.rss())
  }
  assert.ok(received > 90_000_000, `${received}`)
  assert.ok(most - before < 300 * MIB, `${most - before}`)
  assert.equal((await fetch(server.url)).status, 200)
})

test('10,000 ranges cost no more than the whole', async (t) => {
  const { node, server } = await openGateway(t)
  const path = `/${node.add(endless(100 * KIB))}`
  const socket = dial(t, server.port)
  socket.write(get(path, `Range: bytes=${'0-,'.repeat(10_000)}\r\n`))
  const answer = await readToEnd(socket)
  assert.match(answer, /^HTTP\/1\.1 200 /)
  assert.equal(node.calls.fetch.length, 1)
  assert.ok(answer.length < 102 * KIB)
})

test('requests that are cut in the middle leave nothing behind', async (t) => {
  const { node, server } = await openGateway(t)
  const path = `/${node.add(endless(8 * MIB))}`
  const whole = get(path, 'Range: bytes=0-9,5000000-\r\n')
  for (let length = 1; length < whole.length; length += 7) {
    const socket = dial(t, server.port)
    socket.write(whole.slice(0, length))
    await once(socket, 'connect')
    socket.destroy()
  }
  for (let i = 0; i < 20; i++) {
    const socket = dial(t, server.port)
    socket.write(whole)
    await once(socket, 'data')
    socket.destroy()
  }
  await until('the streams have ended', () => node.live.streams === 0)
  assert.equal((await fetch(`${server.url}${path.slice(1)}`, { method: 'HEAD' })).status, 200)
})

test('of 1,000 downloads at once as many are served as there are connections', async (t) => {
  const { node, server } = await openGateway(t)
  const path = `/${node.add('x')}`
  const live = { opened: 0, open: 0 }
  node.fetch = () => {
    live.opened++
    live.open++
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(32_768)), // and nothing more
      cancel: () => {
        live.open--
      },
    })
    const nothing = { range: undefined, contentType: undefined, name: undefined }
    return Promise.resolve({ type: 'found', size: MIB, identity: 'x', stream, ...nothing })
  }
  let refused = 0
  const sockets: Socket[] = []
  while (sockets.length < 1000) {
    const socket = dial(t, server.port)
    socket.write(get(path))
    socket.once('data', (piece: Buffer) => {
      refused += /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 5\r\n/.test(piece.toString()) ? 1 : 0
    })
    sockets.push(socket)
    // beyond what the system lets wait, a connection would be tried again a second later
    if (sockets.length % 250 === 0) await once(socket, 'connect')
  }
  await until('what has no place is told so', () => refused === 1000 - 512)
  await until('the others are served', () => live.open === 512)
  for (const socket of sockets) socket.destroy()
  await until('the streams have ended', () => live.open === 0)
  assert.equal(live.opened, 512)
  const begun = await fetch(`${server.url}${path.slice(1)}`)
  assert.equal(begun.status, 200)
  await begun.body?.cancel()
})

interface Running {
  readonly node: Node
  readonly gateway: Gateway
}

async function start(dataDir: string, port: number): Promise<Running> {
  const node = await createNode({ dataDir, network: 'test', storeBytes: 256 * MIB })
  return { node, gateway: await startGateway({ node, logger: silentLogger, port }) }
}

async function stop({ node, gateway: server }: Running): Promise<void> {
  await server.close()
  await node.close()
}

/** Bytes of a download until the connection is cut after at least `limit`. */
async function beginDownload(url: string, limit: number): Promise<Buffer> {
  const abort = new AbortController()
  const pieces: Buffer[] = []
  let size = 0
  const response = await fetch(url, { signal: abort.signal })
  for await (const piece of response.body as ReadableStream<Uint8Array>) {
    pieces.push(Buffer.from(piece))
    size += piece.length
    if (size >= limit) break
  }
  abort.abort()
  return Buffer.concat(pieces)
}

test('a download that was cut goes on where it was after the node has restarted', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-resume-'))
  const dataDir = join(folder, 'data')
  const saved = join(folder, 'saved')
  let running = await start(dataDir, 0)
  t.after(async () => {
    await stop(running)
    await rm(folder, { recursive: true })
  })
  const content = randomContent(6 * MIB + 7, 1)
  const { uri } = await running.node.insert(inPieces(content), { name: 'film.webm' })
  const { port } = running.gateway
  const url = `${running.gateway.url}${uri}`
  const begun = await beginDownload(url, MIB)
  await writeFile(saved, begun)
  const { headers } = await fetch(url, { method: 'HEAD' })
  const tag = headers.get('etag') ?? ''
  await stop(running)
  running = await start(dataDir, port)
  const rest = await fetch(url, { headers: { Range: `bytes=${begun.length}-`, 'If-Range': tag } })
  assert.equal(rest.status, 206)
  const joined = Buffer.concat([begun, Buffer.from(await rest.arrayBuffer())])
  assert.ok(joined.equals(content))
  await promisify(execFile)('curl', ['--silent', '--show-error', '-C', '-', '-o', saved, url])
  assert.ok((await readFile(saved)).equals(content))
})

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    yield await Promise.resolve(bytes.subarray(at, at + 65_536))
  }
}
