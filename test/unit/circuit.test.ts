/**
 * Both ends of a circuit with Noise between them: what comes out, what a hostile relay or caller can do,
 * and how it ends.
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import type { NoiseStream } from 'hyperdht'
import SecretStream from '@hyperswarm/secret-stream'
import { concat, equals } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { MAX_ENDS, MAX_ENDS_PER_RELAY, MAX_INVITED } from '../../src/routing/net/circuit-ends.ts'
import { Circuit } from '../../src/routing/net/circuit.ts'
import { MAX_PAYLOAD_BYTES, WINDOW_BYTES, costOf } from '../../src/routing/relay-messages.ts'
import { addBarePeer, connectThrough, createCircuitNode, joinNodes } from '../helpers/circuits.ts'
import type { CircuitNode } from '../helpers/circuits.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

/** A, a relay and B, joined in a row. */
function setUp(mayKnock?: (publicKey: Uint8Array) => boolean) {
  const clock = createSimulatedClock()
  const [a, relay] = [createCircuitNode(clock), createCircuitNode(clock)]
  const b = createCircuitNode(clock, mayKnock)
  const wires = [joinNodes(a, relay, clock), joinNodes(b, relay, clock)] as const
  return { clock, a, relay, b, wires }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

/** A stream from `a` to `b`, open on both sides. */
async function linked({ a, relay, b }: ReturnType<typeof setUp>) {
  const [near, arrived] = [connectThrough(a, relay, b.keyPair.publicKey), b.arrived.length]
  assert.ok(near !== undefined)
  await until(() => b.arrived.length > arrived && near.handshakeHash !== null)
  const far = b.arrived.at(-1) as NoiseStream
  return { near, far }
}

function readAll(stream: NoiseStream): Uint8Array[] {
  const parts: Uint8Array[] = []
  stream.on('data', (part: Uint8Array) => parts.push(Uint8Array.from(part)))
  return parts
}

test('two ends prove their keys to each other, and the binding is another on every link', async () => {
  const world = setUp()
  const { a, b } = world
  const first = await linked(world)
  const second = await linked(world)
  for (const { near, far } of [first, second]) {
    assert.ok(equals(near.remotePublicKey, b.keyPair.publicKey))
    assert.ok(equals(far.remotePublicKey, a.keyPair.publicKey))
    assert.ok(equals(near.handshakeHash, far.handshakeHash))
    assert.deepEqual([near.isInitiator, far.isInitiator], [true, false])
  }
  assert.ok(!equals(first.near.handshakeHash, second.near.handshakeHash))
  for (const { near } of [first, second]) near.destroy()
  await until(() => [a, b].every(({ ends }) => ends.size === 0))
})

test('megabytes pass both ways whole and in order, and the relay sees none of them', async () => {
  const world = setUp()
  const { near, far } = await linked(world)
  const [there, back] = [readAll(far), readAll(near)]
  const parts = Array.from({ length: 60 }, (_, index) => randomBytes(1 + ((index * 7919) % 65_000)))
  for (const part of parts) {
    near.write(part)
    far.write(part)
  }
  await until(() => there.length === parts.length && back.length === parts.length)
  assert.ok(equals(concat(...there), concat(...parts)))
  assert.ok(equals(concat(...back), concat(...parts)))
  const sent = 2 * concat(...parts).length
  const { bytes } = world.relay.relay.counters
  assert.ok(bytes > sent && bytes < 1.01 * sent + 10_000, `${bytes} for ${sent}`)
  near.destroy()
})

test('an end that is not read holds the other back: no more than a window is on its way', async () => {
  const world = setUp()
  const { near, far } = await linked(world)
  const PARTS = 40
  for (let part = 0; part < PARTS; part++) near.write(randomBytes(16_000))
  for (let turns = 0; turns < 200; turns++) await turn()
  const { bytes } = world.relay.relay.counters
  // both streams of the reader take a part or two besides
  assert.ok(bytes <= WINDOW_BYTES + 4 * MAX_PAYLOAD_BYTES, `${bytes}`)
  const parts = readAll(far)
  await until(() => parts.length === PARTS)
  near.destroy()
})

test('an end that closes and a link that is cut end both sides, and the relay forgets them', async () => {
  const ends: ((world: ReturnType<typeof setUp>, near: NoiseStream) => void)[] = [
    (_, near) => near.destroy(),
    ({ b }) => b.arrived.at(-1)?.destroy(),
    ({ wires }) => wires[0].cut(),
    ({ wires }) => wires[1].cut(),
  ]
  for (const end of ends) {
    const world = setUp()
    const { near, far } = await linked(world)
    const closed = Promise.all([once(near, 'close'), once(far, 'close')])
    end(world, near)
    await closed
    await turn()
    assert.deepEqual([world.relay.relay.size, world.a.ends.size, world.b.ends.size], [0, 0, 0])
    assert.equal(world.a.breaches + world.b.breaches, 0)
  }
})

test('a circuit to a key that somebody else answers for does not open', async () => {
  const clock = createSimulatedClock()
  const a = createCircuitNode(clock)
  const liar = addBarePeer(a, clock)
  const wanted = keyPairFromSeed(randomBytes(32)).publicKey
  const stream = a.ends.connect(liar.link, wanted)
  assert.ok(stream !== undefined)
  let isOpen = false
  stream.on('open', () => (isOpen = true))
  await turn()
  assert.deepEqual(
    liar.of('open').map(({ publicKey }) => Buffer.from(publicKey)),
    [Buffer.from(wanted)],
  )
  let isClosed = false
  stream.on('close', () => (isClosed = true))
  // the relay answers itself, with a Noise of its own
  const [{ circuit } = { circuit: 0 }] = liar.of('open')
  liar.say({ type: 'accept', circuit })
  await until(() => liar.of('bytes').length > 0)
  const ownEnd = createCircuitNode(clock)
  const peer = addBarePeer(ownEnd, clock)
  peer.say({ type: 'invite', circuit: 1, publicKey: a.keyPair.publicKey })
  for (const { payload } of liar.of('bytes')) peer.say({ type: 'bytes', circuit: 1, payload })
  for (let turns = 0; turns < 20; turns++) await turn()
  assert.equal(ownEnd.arrived.length, 0, 'it cannot even read the first message')
  liar.say({ type: 'bytes', circuit, payload: Uint8Array.of(96, 0, 0, ...randomBytes(96)) })
  await until(() => isClosed)
  assert.deepEqual([isOpen, a.ends.size, a.breaches, liar.of('close').length], [false, 0, 0, 1])
})

test('a relay that names another caller than the one that comes is found out', async () => {
  const clock = createSimulatedClock()
  const b = createCircuitNode(clock)
  const liar = addBarePeer(b, clock)
  const caller = keyPairFromSeed(randomBytes(32))
  const claimed = Uint8Array.from(randomBytes(32))
  liar.say({ type: 'invite', circuit: 1, publicKey: claimed })
  assert.deepEqual(liar.of('accept'), [{ type: 'accept', circuit: 1 }])
  await callAs(caller, b, liar)
  await until(() => liar.of('close').length === 1)
  assert.deepEqual([b.arrived.length, b.ends.size, b.breaches], [0, 0, 0])
})

/** Speaks the dialer's part of Noise to `b`, on circuit 1 of a bare peer. */
async function callAs(
  keyPair: { publicKey: Uint8Array; secretKey: Uint8Array },
  b: CircuitNode,
  liar: ReturnType<typeof addBarePeer>,
): Promise<void> {
  const own = createCircuitNode(createSimulatedClock())
  const way = addBarePeer(own, createSimulatedClock())
  const circuit = Circuit.open(way.link, b.keyPair.publicKey)
  assert.ok(circuit !== undefined)
  const remotePublicKey = Buffer.from(b.keyPair.publicKey)
  const stream = new SecretStream(true, circuit, { pattern: 'IK', keyPair, remotePublicKey })
  stream.on('error', () => {})
  way.say({ type: 'accept', circuit: 2 })
  await until(() => way.of('bytes').length > 0)
  for (const { payload } of way.of('bytes')) liar.say({ type: 'bytes', circuit: 1, payload })
}

test('garbage, a message that is too long, and more than the window end the circuit, not the link', async () => {
  const clock = createSimulatedClock()
  const b = createCircuitNode(clock)
  const liar = addBarePeer(b, clock)
  const publicKey = Uint8Array.from(randomBytes(32))
  const floods = [
    [randomBytes(500)],
    [Uint8Array.of(0, 0, 0x10, 1, 2, 3)], // 1 MiB is announced
    Array.from({ length: 9 }, () => concat(Uint8Array.of(255, 255, 0), randomBytes(16_000))),
    Array.from({ length: 20 }, () => new Uint8Array(MAX_PAYLOAD_BYTES)),
    Array.from({ length: 3_000 }, () => Uint8Array.of(1)),
  ]
  for (const [index, payloads] of floods.entries()) {
    const circuit = 2 * index + 1
    liar.say({ type: 'invite', circuit, publicKey })
    for (const payload of payloads) liar.say({ type: 'bytes', circuit, payload })
    await until(() => liar.of('close').length === index + 1)
    await until(() => b.ends.size === 0)
    await clock.runFor(1_000)
  }
  assert.deepEqual([b.arrived.length, b.breaches], [0, 0])
})

/** A circuit that nobody reads, and the relay that it goes through; it has number 2 there. */
function unread() {
  const clock = createSimulatedClock()
  const relay = addBarePeer(createCircuitNode(clock), clock)
  const circuit = Circuit.open(relay.link, Uint8Array.from(randomBytes(32)))
  assert.ok(circuit !== undefined)
  relay.say({ type: 'accept', circuit: 2 })
  return { relay, circuit }
}

test('an end that is not read takes in a window to the byte, and one more ends the circuit', () => {
  for (const most of [1, 1_000, MAX_PAYLOAD_BYTES]) {
    const { relay, circuit } = unread()
    const say = (length: number): void =>
      relay.say({ type: 'bytes', circuit: 2, payload: new Uint8Array(length) })
    let left = WINDOW_BYTES
    for (; left >= costOf(most) + costOf(1); left -= costOf(most)) say(most)
    say(left - costOf(0))
    assert.deepEqual([circuit.destroying, relay.of('close').length], [false, 0])
    say(1)
    assert.deepEqual([circuit.destroying, relay.of('close').length], [true, 1])
  }
})

test('a relay that acknowledges what was sent is believed, and one byte more ends the circuit', async () => {
  const { relay, circuit } = unread()
  circuit.write(new Uint8Array(1_000))
  await until(() => relay.of('bytes').length === 1)
  relay.say({ type: 'ack', circuit: 2, bytes: costOf(1_000) })
  assert.deepEqual([circuit.destroying, relay.of('close').length], [false, 0])
  relay.say({ type: 'ack', circuit: 2, bytes: 1 })
  assert.deepEqual([circuit.destroying, relay.of('close').length], [true, 1])
})

test('invitations are bounded: 2 through a relay, 6 in all, none of who may not knock, and a flood costs the link', async () => {
  const clock = createSimulatedClock()
  const banned = Uint8Array.from(randomBytes(32))
  const b = createCircuitNode(clock, (publicKey) => !equals(publicKey, banned))
  const relays = Array.from({ length: 4 }, () => addBarePeer(b, clock))
  for (const liar of relays) {
    liar.say({ type: 'invite', circuit: 1, publicKey: banned })
    liar.say({ type: 'invite', circuit: 3, publicKey: b.keyPair.publicKey })
    for (let circuit = 5; circuit < 11; circuit += 2) {
      liar.say({ type: 'invite', circuit, publicKey: Uint8Array.from(randomBytes(32)) })
    }
  }
  assert.deepEqual(
    relays.map((liar) => liar.of('accept').length),
    [MAX_ENDS_PER_RELAY, MAX_ENDS_PER_RELAY, 0, 0],
  )
  assert.equal(b.ends.size, MAX_INVITED)
  const [, , free] = relays
  const own = free && b.ends.connect(free.link, keyPairFromSeed(randomBytes(32)).publicKey)
  assert.ok(own !== undefined, 'its own dials have a share that nobody else takes')
  own.destroy()
  await clock.runFor(10_000)
  await until(() => b.ends.size === 0)
  const [flood, other] = relays
  for (let circuit = 101; circuit < 301; circuit += 2) {
    flood?.say({ type: 'invite', circuit, publicKey: banned })
  }
  assert.deepEqual([b.breaches, b.arrived.length], [1, 0])
  other?.say({ type: 'invite', circuit: 11, publicKey: Uint8Array.from(randomBytes(32)) })
  assert.equal(other?.of('accept').length, MAX_ENDS_PER_RELAY + 1)
  other?.link.end()
  await until(() => b.ends.size === 0)
})

test('who asks through one relay too often, or for too many, is told so at once', async () => {
  const clock = createSimulatedClock()
  const a = createCircuitNode(clock)
  const relays = Array.from({ length: 4 }, () => addBarePeer(a, clock))
  const dial = (relay: (typeof relays)[number]) =>
    a.ends.connect(relay.link, keyPairFromSeed(randomBytes(32)).publicKey)
  const streams = relays.flatMap((relay) => [dial(relay), dial(relay), dial(relay)])
  assert.equal(streams.filter((stream) => stream !== undefined).length, MAX_ENDS)
  for (const stream of streams) stream?.destroy()
  await until(() => a.ends.size === 0)
  const [relay] = relays
  assert.ok(relay !== undefined)
  for (let count = 0; count < 20; count++) {
    dial(relay)?.destroy()
    await until(() => a.ends.size === 0)
  }
  assert.equal(relay.of('open').length, 8)
  assert.equal(relay.of('close').length, 8)
})
