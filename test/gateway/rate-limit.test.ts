/** How often those may ask who reach a gateway from other machines. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Request, Response } from 'express'
import express from 'express'
import request from 'supertest'

import { isShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { clientOf, ClientTable } from '../../src/gateway/client-table.ts'
import { BURST, createRateLimit, NETWORK_CLIENTS, RATE } from '../../src/gateway/rate-limit.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { TokenGate } from '../../src/gateway/token.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const TOKEN = 'correct-horse-battery-staple'

/** A request as the handlers see it, from another machine. */
function from(remoteAddress: string | undefined): Request {
  return { socket: { remoteAddress } } as unknown as Request
}

test('a client of another machine gets its burst and then its rate; others and this machine are not held back by it', () => {
  const time = { nowMs: 0 }
  const limit = createRateLimit({ now: () => time.nowMs })
  const isTaken = (address: string): boolean => {
    let isNext = false
    try {
      limit(from(address), {} as Response, () => (isNext = true))
    } catch (error) {
      assert.ok(isShoalError(error) && error.code === 'E_BUSY')
    }
    return isNext
  }
  let asked = 0
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0)
  const count = (address: string, tries: number) =>
    Array.from({ length: tries }, () => isTaken(address)).filter(Boolean).length
  assert.equal(count('203.0.113.7', 2 * BURST), BURST)
  assert.equal(count('::ffff:203.0.113.7', 1), 0)
  assert.equal(count('203.0.113.8', 1), 1)
  assert.equal(count('127.0.0.1', 2 * BURST), 2 * BURST)
  assert.equal(count('::1', 2 * BURST), 2 * BURST)
  time.nowMs += 1000
  assert.equal(count('203.0.113.7', 2 * BURST), RATE)
  for (let ms = 0; ms < 1000; ms++) {
    time.nowMs += 1
    asked += count('203.0.113.7', 1)
  }
  assert.equal(asked, RATE, 'who asks all the time has the rate, too')
  const one48 = Array.from({ length: 20 }, (_, n) => count(`2001:db8:7:${n}::1`, BURST / 2))
  assert.equal(sum(one48), NETWORK_CLIENTS * BURST)
  assert.equal(count('2001:db8:8::1', BURST), BURST)
  time.nowMs += 1000
  assert.equal(sum(one48.map((_, n) => count(`2001:db8:7:${n}::1`, RATE))), NETWORK_CLIENTS * RATE)
})

test('a gateway that other machines reach limits them, whether they have its token or not, and no other gateway limits anybody', async () => {
  for (const [host, remoteAddress, status] of [
    ['192.0.2.5', '203.0.113.7', 429],
    ['0.0.0.0', '203.0.113.7', 429],
    ['192.0.2.5', '127.0.0.1', 401],
    ['127.0.0.1', '203.0.113.7', 401],
  ] as const) {
    const clock = { now: () => 0 }
    const app = express()
    app.use((incoming, _response, next) => {
      Object.defineProperty(incoming.socket, 'remoteAddress', { value: remoteAddress })
      next()
    })
    const gate = new TokenGate(TOKEN)
    app.use(createApp({ node: createFakeNode(), logger: silentLogger, gate, host, clock }))
    const agent = request(app)
    for (let n = 0; n < BURST; n++) assert.equal((await agent.get('/api/v1/status')).status, 401)
    assert.equal((await agent.get('/api/v1/status')).status, status, `${host} ${remoteAddress}`)
    const Authorization = `Bearer ${TOKEN}`
    const right = await agent.get('/api/v1/status').set({ Authorization })
    assert.equal(right.status, status === 429 ? 429 : 200)
  }
})

test('a request whose connection is gone already has no address, and is neither let past the limit nor taken for one of this machine', () => {
  const limit = createRateLimit({ now: () => 0 })
  const gone = from(undefined)
  const pass = () => assert.fail('it was let through')
  assert.throws(() => limit(gone, {} as Response, pass), { code: 'E_ACCESS' })
  assert.throws(() => clientOf(gone), { code: 'E_ACCESS' })
})

test('clients are told apart by address, those of IPv6 by their /64, and their table is bounded', () => {
  const of = (address: string) => clientOf(from(address))
  assert.equal(of('2001:db8:1:2:3::4'), of('2001:db8:1:2::9'))
  assert.notEqual(of('2001:db8:1:2::9'), of('2001:db8:1:3::9'))
  assert.equal(of('fe80::1%eth0'), of('fe80::2'))
  const table = new ClientTable<number>()
  for (let n = 0; n < 5000; n++) table.set(`client ${n}`, n)
  assert.deepEqual([table.get('client 0'), table.get('client 4999')], [undefined, 4999])
})

test('the app of a gateway knows the address that it listens on', async (t) => {
  const node = createFakeNode()
  const gateway = await startGateway({ node, logger: silentLogger, host: '127.0.0.2', port: 0 })
  t.after(() => gateway.close())
  // else it would refuse its own name, and take all clients for those of this machine
  assert.equal((await fetch(`${gateway.url}api/v1/status`)).status, 200)
})
