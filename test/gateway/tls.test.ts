/** What a gateway with a certificate speaks. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import { test } from 'node:test'

import { limitConnections } from '../../src/gateway/connections.ts'
import { Refusals } from '../../src/gateway/refusals.ts'
import { createTlsListener } from '../../src/gateway/tls.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from '../helpers/certificate.ts'
import { dial, endless, get, openGateway, until } from '../helpers/gateway.ts'

test('nothing older than TLS 1.2 is spoken, whatever the Node that runs it would take, after a renewal either', async (t) => {
  const before = [tls.DEFAULT_MIN_VERSION, tls.DEFAULT_CIPHERS] as const
  tls.DEFAULT_MIN_VERSION = 'TLSv1'
  tls.DEFAULT_CIPHERS = 'DEFAULT@SECLEVEL=0'
  t.after(() => ([tls.DEFAULT_MIN_VERSION, tls.DEFAULT_CIPHERS] = before))
  const pair = { cert: CERTIFICATE, key: CERTIFICATE_KEY }
  const { server, replaceCertificate } = createTlsListener(pair, {})
  const plain = tls.createServer(pair)
  for (const one of [server, plain]) {
    t.after(() => one.close())
    await once(one.listen(0, '127.0.0.1'), 'listening')
  }
  const versionWith = async (one: tls.Server, maxVersion: tls.SecureVersion) => {
    const { port } = one.address() as { port: number }
    const socket = tls.connect({ port, host: '127.0.0.1', ca: CERTIFICATE, maxVersion })
    try {
      await once(socket, 'secureConnect')
      return socket.getProtocol()
    } catch {
      return 'refused'
    } finally {
      socket.destroy()
    }
  }
  assert.equal(await versionWith(plain, 'TLSv1.1'), 'TLSv1.1', 'this machine still speaks it')
  for (let renewals = 0; renewals < 2; renewals++) {
    assert.equal(await versionWith(server, 'TLSv1.1'), 'refused')
    assert.equal(await versionWith(server, 'TLSv1.2'), 'TLSv1.2')
    replaceCertificate(pair)
  }
})

/** A reset is an end too. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}

const PAIR = { cert: CERTIFICATE, key: CERTIFICATE_KEY }

test('a client gets 64 connections, silent before their handshake or not, and others their place when they go', async (t) => {
  const { server } = createTlsListener(PAIR, {})
  limitConnections(server, { isTls: true, refusals: new Refusals(), isExempt: () => false })
  let accepted = 0
  const live = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    accepted++
    live.add(socket)
    socket.on('close', () => live.delete(socket))
  })
  server.on('request', (_request, response) => response.end('hello'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const silent = Array.from({ length: 64 }, () => dial(t, port))
  await until('all have a place', () => accepted === 64)
  assert.equal(live.size, 64)
  const speak = () => tls.connect({ port, host: '127.0.0.1', ca: CERTIFICATE })
  await assert.rejects(once(speak(), 'secureConnect'))
  assert.equal(accepted, 65)
  await until('it is gone', () => live.size === 64)
  silent[0]?.destroy()
  await until('a place is free', () => live.size < 64)
  const first = speak()
  await once(first, 'secureConnect')
  await assert.rejects(once(speak(), 'secureConnect'))
  first.destroy()
  for (const socket of silent) socket.destroy()
  await until('all are gone', () => live.size === 0)
})

test('a connection that begins no handshake is closed after the time for a head', async (t) => {
  const { server } = await openGateway(t, { tls: PAIR, headTimeoutMs: 100 })
  const socket = dial(t, server.port).resume()
  await closing(socket)
})

test('closing waits for no handshake, and ends what has been through one', async (t) => {
  const { node, server } = await openGateway(t, { tls: PAIR, headTimeoutMs: 60_000 })
  const silent = dial(t, server.port).resume()
  await once(silent, 'connect')
  const { port } = server
  const reading = tls.connect({ port, host: '127.0.0.1', ca: CERTIFICATE })
  reading.on('error', () => {})
  reading.write(get(`/${node.add(endless(64 * 1024 ** 2))}`))
  await once(reading, 'data')
  const ended = [closing(silent), closing(reading.resume())]
  await server.close()
  await Promise.all(ended)
  await until('the stream is cancelled', () => node.live.streams === 0)
})
