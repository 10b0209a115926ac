/**
 * A node that passes bytes on for two of its peers: what it lets through, what it refuses, and what it
 * holds meanwhile.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ACCEPT_TIMEOUT_MS,
  MAX_RELAYED,
  MAX_RELAYED_PER_LINK,
} from '../../src/routing/net/relay.ts'
import { MAX_PAYLOAD_BYTES, WINDOW_BYTES, costOf } from '../../src/routing/relay-messages.ts'
import { addBarePeer, bytesOf, createCircuitNode } from '../helpers/circuits.ts'
import type { BarePeer } from '../helpers/circuits.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

function setUp() {
  const clock = createSimulatedClock()
  const node = createCircuitNode(clock)
  const peer = (): BarePeer => addBarePeer(node, clock)
  return { clock, node, peer, a: peer(), b: peer() }
}

/** Opens circuit `circuit` of `a` to `b`; what `b` calls it, 0 where it was not asked. */
function open(a: BarePeer, b: BarePeer, circuit = 1): number {
  const asked = b.of('invite').length
  a.say({ type: 'open', circuit, publicKey: b.publicKey })
  const number = b.of('invite')[asked]?.circuit ?? 0
  if (number !== 0) b.say({ type: 'accept', circuit: number })
  return number
}

const payload = (length: number, byte = 1): Uint8Array => new Uint8Array(length).fill(byte)

test('bytes and acknowledgements pass both ways under the numbers of each link', () => {
  const { node, a, b } = setUp()
  const number = open(a, b)
  assert.deepEqual(b.of('invite'), [{ type: 'invite', circuit: 2, publicKey: a.publicKey }])
  assert.deepEqual(a.of('accept'), [{ type: 'accept', circuit: 1 }])
  a.say({ type: 'bytes', circuit: 1, payload: payload(3) })
  b.say({ type: 'bytes', circuit: number, payload: payload(4, 2) })
  b.say({ type: 'ack', circuit: number, bytes: costOf(3) })
  assert.deepEqual(b.of('bytes'), [{ type: 'bytes', circuit: number, payload: payload(3) }])
  assert.deepEqual(a.of('bytes'), [{ type: 'bytes', circuit: 1, payload: payload(4, 2) }])
  assert.deepEqual(a.of('ack'), [{ type: 'ack', circuit: 1, bytes: costOf(3) }])
  assert.deepEqual(node.relay.counters, { circuits: 1, refused: 0, bytes: 7 })
  a.say({ type: 'close', circuit: 1 })
  assert.deepEqual(b.of('close'), [{ type: 'close', circuit: number }])
  assert.deepEqual([node.relay.size, a.of('close').length, node.breaches], [0, 0, 0])
})

test('who is not linked is refused, and so is the caller itself', () => {
  const { node, a } = setUp()
  const stranger = createCircuitNode(createSimulatedClock()).keyPair.publicKey
  a.say({ type: 'open', circuit: 1, publicKey: stranger })
  a.say({ type: 'open', circuit: 3, publicKey: a.publicKey })
  a.say({ type: 'open', circuit: 5, publicKey: node.keyPair.publicKey })
  assert.deepEqual(
    a.heard,
    [1, 3, 5].map((circuit) => ({ type: 'close', circuit })),
  )
  assert.deepEqual([node.relay.size, node.relay.counters.refused], [0, 3])
})

test('what is sent beyond the window, before it is accepted, or acknowledged unsent ends the circuit alone', async () => {
  const { clock, node, a, b } = setUp()
  const harms: ((circuit: number, number: number) => void)[] = [
    (circuit) => {
      const parts = Math.ceil(WINDOW_BYTES / costOf(MAX_PAYLOAD_BYTES))
      for (let part = 0; part < parts; part++) {
        a.say({ type: 'bytes', circuit, payload: payload(MAX_PAYLOAD_BYTES) })
      }
    },
    (circuit) => {
      for (let part = 0; part <= WINDOW_BYTES / costOf(1); part++) {
        a.say({ type: 'bytes', circuit, payload: payload(1) })
      }
    },
    (circuit) => a.say({ type: 'ack', circuit, bytes: 1 }),
    (_, number) => b.say({ type: 'ack', circuit: number, bytes: WINDOW_BYTES }),
    (_, number) => b.say({ type: 'accept', circuit: number }),
    (circuit) => a.say({ type: 'accept', circuit }),
  ]
  for (const [index, harm] of harms.entries()) {
    const circuit = 2 * index + 1
    const number = open(a, b, circuit)
    harm(circuit, number)
    assert.deepEqual(a.of('close').at(-1), { type: 'close', circuit })
    assert.deepEqual(b.of('close').at(-1), { type: 'close', circuit: number })
    assert.equal(node.relay.size, 0)
    await clock.runFor(1_000)
  }
  a.say({ type: 'open', circuit: 99, publicKey: b.publicKey })
  a.say({ type: 'bytes', circuit: 99, payload: payload(1) })
  assert.deepEqual(a.of('close').at(-1), { type: 'close', circuit: 99 })
  assert.deepEqual([node.relay.size, node.breaches], [0, 0])
  const within = node.relay.counters.bytes
  assert.ok(within < 2 * WINDOW_BYTES)
})

test('an invitation that nobody answers ends after a while, and takes its place back', async () => {
  const { clock, node, a, b } = setUp()
  a.say({ type: 'open', circuit: 1, publicKey: b.publicKey })
  await clock.runFor(ACCEPT_TIMEOUT_MS - 1)
  assert.equal(node.relay.size, 1)
  await clock.runFor(1)
  assert.deepEqual([node.relay.size, a.of('close').length, b.of('close').length], [0, 1, 1])
  b.say({ type: 'accept', circuit: 2 })
  assert.deepEqual([a.of('accept').length, node.breaches], [0, 0])
})

test('a link has 4 circuits and a relay 16: one more is refused', () => {
  const { node, peer, a, b } = setUp()
  for (let count = 0; count <= MAX_RELAYED_PER_LINK; count++) open(a, b, 2 * count + 1)
  assert.deepEqual([node.relay.size, a.of('close').length], [MAX_RELAYED_PER_LINK, 1])
  const other = peer()
  open(other, b)
  assert.deepEqual([node.relay.size, other.of('close').length], [MAX_RELAYED_PER_LINK, 1])
  for (let pair = 0; pair < 4; pair++) {
    const [from, to] = [peer(), peer()]
    for (let count = 0; count < MAX_RELAYED_PER_LINK; count++) open(from, to, 2 * count + 1)
  }
  assert.deepEqual([node.relay.size, node.relay.counters.circuits], [MAX_RELAYED, MAX_RELAYED])
})

test('when a link is gone, what went over it is closed for the other ends', () => {
  const { node, peer, a, b } = setUp()
  const other = peer()
  open(a, b, 1)
  open(other, a, 1)
  open(other, b, 3)
  a.link.end()
  assert.deepEqual(b.of('close'), [{ type: 'close', circuit: 2 }])
  assert.deepEqual(other.of('close'), [{ type: 'close', circuit: 1 }])
  assert.equal(node.relay.size, 1)
  const heard = a.heard.length
  a.say({ type: 'open', circuit: 9, publicKey: b.publicKey })
  assert.equal(a.heard.length, heard, 'a link that is over does nothing')
})

test('who asks too often is refused, who floods loses the link, and nobody else pays for it', async () => {
  const { clock, node, peer, a, b } = setUp()
  for (let count = 0; count < 20; count++) {
    a.say({ type: 'open', circuit: 2 * count + 1, publicKey: b.publicKey })
    a.say({ type: 'close', circuit: 2 * count + 1 })
  }
  assert.deepEqual([b.of('invite').length, a.of('close').length, node.breaches], [8, 12, 0])
  await clock.runFor(3_000)
  const others = Array.from({ length: 10 }, peer)
  for (const other of others) other.say({ type: 'open', circuit: 1, publicKey: b.publicKey })
  assert.equal(b.of('invite').length, 11, 'however many ask, one is not asked more often')
  for (let count = 100; count < 200; count++) {
    a.say({ type: 'open', circuit: 2 * count + 1, publicKey: b.publicKey })
  }
  assert.equal(node.breaches, 1)
})

test('malformed messages, numbers of the wrong side and numbers in use are breaches; made-up ones are nothing', () => {
  const { node, peer, a, b } = setUp()
  open(a, b)
  for (const type of ['accept', 'close'] as const) a.say({ type, circuit: 77 })
  a.say({ type: 'bytes', circuit: 77, payload: payload(9) })
  a.say({ type: 'ack', circuit: 77, bytes: 9 })
  for (let count = 0; count < 10_000; count++) a.say({ type: 'close', circuit: 2 * count + 11 })
  a.link.receive(payload(300, 200))
  assert.deepEqual([node.breaches, node.relay.size, a.heard.length], [0, 1, 1])
  a.say({ type: 'open', circuit: 1, publicKey: b.publicKey })
  assert.deepEqual([node.breaches, node.relay.size], [1, 0])
  peer().say({ type: 'open', circuit: 2, publicKey: b.publicKey })
  peer().link.receive(payload(4))
  assert.equal(node.breaches, 3)
})

test('what waits for a clogged link stays as it came, whatever becomes of the memory it came in', () => {
  const { a, b } = setUp()
  const number = open(a, b)
  b.isOpen = false
  a.say({ type: 'bytes', circuit: 1, payload: payload(1) }) // clogs it
  const message = bytesOf({ type: 'bytes', circuit: 1, payload: payload(9, 5) })
  a.link.receive(message)
  message.fill(77)
  b.link.drained()
  assert.deepEqual(b.of('bytes').at(-1), { type: 'bytes', circuit: number, payload: payload(9, 5) })
})

test('a clogged link is sent one payload a turn, and what waits for it is no more than the windows', () => {
  const { a, b } = setUp()
  const number = open(a, b)
  const parts = Math.floor(WINDOW_BYTES / costOf(MAX_PAYLOAD_BYTES))
  b.isOpen = false
  for (let part = 0; part < parts; part++) {
    a.say({ type: 'bytes', circuit: 1, payload: payload(MAX_PAYLOAD_BYTES, part) })
  }
  assert.equal(b.of('bytes').length, 1, 'the one that clogged it')
  assert.equal(b.link.waitingBytes, (parts - 1) * MAX_PAYLOAD_BYTES)
  b.link.drained()
  assert.equal(b.of('bytes').length, 2)
  b.isOpen = true
  b.link.drained()
  const order = b.of('bytes').map((one) => [one.circuit, one.payload[0]])
  assert.deepEqual(
    order,
    Array.from({ length: parts }, (_, part) => [number, part]),
  )
  b.isOpen = false
  b.say({ type: 'ack', circuit: number, bytes: parts * costOf(MAX_PAYLOAD_BYTES) })
  for (let part = 0; part < 3; part++) {
    a.say({ type: 'bytes', circuit: 1, payload: payload(MAX_PAYLOAD_BYTES) })
  }
  a.say({ type: 'close', circuit: 1 })
  assert.equal(b.link.waitingBytes, 0, 'nothing waits for a circuit that is gone')
})
