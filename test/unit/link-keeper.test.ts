/**
 * Who gets a link with a node, and what bad input does to it: seen from a driver whose network is the test.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { NO_PROOF, PUZZLE_PROOF_BYTES } from '../../src/routing/handshake.ts'
import { encodeMessage } from '../../src/routing/messages.ts'
import { Driver } from '../../src/routing/net/driver.ts'
import type { PeerCache } from '../../src/routing/net/peer-cache.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import { RING, distance, nodePosition } from '../../src/routing/position.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createFakeTransport } from '../helpers/fake-transport.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const definition = networkDefinition('test')

async function openNode(options: { network?: NetworkDefinition; peerCache?: PeerCache } = {}) {
  const { network = definition, peerCache } = options
  const clock = createSimulatedClock()
  const rng = createSeededRng(seed)
  const publicKey = new Uint8Array(32)
  const fake = createFakeTransport(network, publicKey)
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 23, rng })
  const parts = { definition: network, publicKey, transport: fake.transport, store: blocks }
  const driver = new Driver({ ...parts, peerCache, clock, rng, logger: silentLogger })
  await driver.open()
  const keyOf = (): Uint8Array => Uint8Array.from({ length: 32 }, () => rng.below(256))
  return { clock, rng, fake, driver, keyOf }
}

test('of a thousand that connect at once a node takes as many as it has use for, and tells a few whom else to ask', async () => {
  const { clock, fake, driver, keyOf } = await openNode()
  const peers = Array.from({ length: 1000 }, () => fake.connect(keyOf()))
  await clock.runFor(10)
  const open = peers.filter(({ isTaken, ended }) => isTaken && ended() === undefined)
  assert.ok(driver.peers >= 20 && driver.peers <= 32, `${at}: ${driver.peers} links`)
  assert.ok(open.length <= driver.peers + 8, `${at}: ${open.length} open`)
  const told = open.filter(({ heard }) => heard[0]?.type === 'peers')
  assert.equal(told.length, 8, at)
  for (const { heard } of told) {
    assert.ok(heard[0]?.type === 'peers' && heard[0].id === 0 && heard[0].records.length > 0, at)
  }
  await clock.runFor(2_000)
  for (const { ended } of told) assert.equal(ended(), false, at)
  assert.ok(driver.counters.refused.full >= 900, at)
  await driver.close()
})

test('who comes through a third node is let in as a neighbor, and for nothing else', async () => {
  const { clock, fake, driver, keyOf } = await openNode()
  const keyWithin = (least: number, most: number): Uint8Array => {
    for (;;) {
      const publicKey = keyOf()
      const position = nodePosition(definition.hash, publicKey, NO_PROOF)
      const away = distance(position, driver.position) / RING
      if (away >= least && away <= most) return publicKey
    }
  }
  for (let count = 0; count < 16; count++) fake.connect(keyWithin(0.1, 0.3))
  fake.connect(keyWithin(0.4, 0.5), { isRelayed: true })
  await clock.runFor(10)
  assert.equal(driver.peers, 16, at)
  fake.connect(keyWithin(0.4, 0.5))
  fake.connect(keyWithin(0, 0.09), { isRelayed: true })
  await clock.runFor(10)
  assert.equal(driver.peers, 18, at)
  await driver.close()
})

/** Has the node dial `publicKey`, which opens the channel and has said nothing yet. */
async function dialedPeer(node: Awaited<ReturnType<typeof openNode>>, publicKey: Uint8Array) {
  const { clock, fake } = node
  const before = fake.dialed.length
  fake.handlers().onfound(publicKey)
  await clock.runFor(2_000)
  assert.ok(fake.dialed.length > before, at)
  return fake.connect(publicKey, { isInitiator: true })
}

test('a link that was dialed is the router’s when the peer says anything but that it has no room', async () => {
  const node = await openNode()
  const { clock, fake, driver, keyOf } = node
  const full = await dialedPeer(node, keyOf())
  assert.deepEqual([full.isTaken, driver.peers], [true, 0])
  const told = { publicKey: keyOf(), proof: NO_PROOF }
  full.say({ type: 'peers', id: 0, records: [told] })
  assert.equal(full.ended(), false)
  await clock.runFor(2_000)
  assert.equal(driver.peers, 0)
  assert.ok(fake.dialed.some(({ publicKey }) => publicKey.join() === told.publicKey.join()))
  const peer = await dialedPeer(node, keyOf())
  peer.say({ type: 'neighbors', positions: [1, 2] })
  assert.deepEqual([peer.ended(), driver.peers], [undefined, 1])
  await driver.close()
})

test('a peer that was dialed and says nothing, or leaves unheard, is dialed again in its time', async () => {
  const node = await openNode()
  const { clock, fake, driver, keyOf } = node
  const key = keyOf()
  const dials = (): number =>
    fake.dialed.filter(({ publicKey }) => publicKey.join() === key.join()).length
  const silent = await dialedPeer(node, key)
  await clock.runFor(5_000)
  assert.equal(silent.ended(), false)
  await clock.runFor(2_000)
  assert.equal(dials(), 2)
  fake.connect(key, { isInitiator: true }).leave()
  await clock.runFor(20_000)
  assert.deepEqual([dials(), driver.peers], [3, 0])
  await driver.close()
})

test('handshakes of another version, network or form are counted, and get no link', async () => {
  const { fake, driver, keyOf } = await openNode()
  for (const handshake of [
    new Uint8Array(0),
    new Uint8Array(75).fill(255),
    new Uint8Array(60_000),
    Uint8Array.of(2, 9, ...new Uint8Array(32 + 4), 1, 0, 0, 0, 0, 0),
    Uint8Array.of(1, 1, ...new Uint8Array(32 + 4), 1, 0, 0, 0, 0, 0),
  ]) {
    assert.equal(fake.connect(keyOf(), { handshake }).isTaken, false)
  }
  assert.equal(fake.connect(new Uint8Array(32)).isTaken, false)
  const { refused } = driver.counters
  assert.deepEqual(refused, {
    version: 1,
    network: 1,
    mac: 0,
    proof: 0,
    malformed: 3,
    full: 0,
    self: 1,
  })
  assert.equal(driver.peers, 0)
  await driver.close()
})

test('a proof that does not hold costs the link before the router sees it, and what came meanwhile is bounded', async () => {
  const network: NetworkDefinition = {
    ...definition,
    proof: { kind: 1, difficultyBits: 250, passes: 1, memoryKib: 8 },
  }
  const { clock, fake, driver, keyOf } = await openNode({ network })
  const proof = new Uint8Array(PUZZLE_PROOF_BYTES).fill(1)
  const liar = fake.connect(keyOf(), { proof })
  assert.ok(liar.isTaken)
  liar.say({ type: 'seek', id: 1, target: 0 })
  const flood = fake.connect(keyOf(), { proof })
  for (let count = 0; count <= 512; count++) flood.say({ type: 'seek', id: 1, target: 0 })
  assert.equal(flood.ended(), false)
  while (liar.ended() === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(liar.ended(), false)
  for (const { publicKey } of [liar, flood]) {
    assert.equal(fake.connect(publicKey, { proof }).isTaken, false)
  }
  assert.deepEqual([driver.peers, liar.heard.length], [0, 0])
  const dialed = fake.connect(keyOf(), { proof, isInitiator: true })
  dialed.leave() // before its proof is checked
  while (driver.counters.refused.proof < 5) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(driver.peers, 0)
  await clock.runFor(600_000)
  assert.equal(fake.connect(liar.publicKey, { proof }).isTaken, true)
  await driver.close()
})

test('ten thousand messages that mean nothing change nothing; one that is malformed costs the link', async () => {
  const { clock, rng, fake, driver, keyOf } = await openNode()
  const peer = fake.connect(keyOf())
  const types = ['not-found', 'overload', 'timeout', 'accept', 'have', 'cancel'] as const
  for (let count = 0; count < 10_000; count++) {
    const type = types[count % types.length] ?? 'cancel'
    if (count % 7 === 6) peer.sayBytes(Uint8Array.of(100 + (count % 100), 1, 2, 3))
    else peer.say({ type, id: rng.below(2 ** 32) })
  }
  await clock.runFor(1)
  assert.deepEqual([peer.ended(), driver.peers], [undefined, 1], at)
  assert.deepEqual(driver.load, { fetches: 0, inserts: 0, asked: 0, timers: 0 }, at)
  assert.equal(driver.counters.unknownTypes, 1428)
  const long = encodeMessage({ type: 'cancel', id: 1 })
  for (const frame of [new Uint8Array(0), long.subarray(0, 255), new Uint8Array(65_536).fill(1)]) {
    const other = fake.connect(keyOf())
    other.sayBytes(frame)
    assert.equal(other.ended(), true)
  }
  assert.equal(driver.counters.malformedFrames, 3)
  await clock.runFor(1)
  assert.equal(driver.peers, 1, at)
  await driver.close()
})

test('an exchange full of keys that nobody has leads to a bounded number of dials', async () => {
  const { clock, fake, driver, keyOf } = await openNode()
  const peer = fake.connect(keyOf())
  for (let second = 0; second < 120; second++) {
    for (let count = 0; count < 20; count++) {
      const records = Array.from({ length: 5 }, () => ({ publicKey: keyOf(), proof: NO_PROOF }))
      const seek = peer.heard.findLast(({ type }) => type === 'seek')
      const id = seek?.type === 'seek' && count === 0 ? seek.id : 0
      if (peer.ended() === undefined) peer.say({ type: 'peers', id, records })
    }
    for (const { publicKey } of fake.dialed) fake.handlers().onfailed(publicKey, false)
    await clock.runFor(1_000)
  }
  assert.ok(fake.dialed.length < 16 + 2 * 120, `${at}: ${fake.dialed.length} dials`)
  assert.ok(driver.counters.ignoredExchanges > 0)
  await driver.close()
})

test('a peer that asks too often is ignored, one that floods loses the link', async () => {
  const { clock, fake, driver, keyOf } = await openNode()
  const [asker, flood, teller] = [keyOf(), keyOf(), keyOf()].map((key) => fake.connect(key))
  for (let id = 1; id <= 40; id++) asker?.say({ type: 'seek', id, target: 5 })
  await clock.runFor(1)
  const answers = asker?.heard.filter(({ type }) => type === 'peers') ?? []
  assert.equal(answers.length, 16)
  assert.equal(asker?.ended(), undefined)
  for (let id = 1; id <= 170; id++) flood?.say({ type: 'seek', id, target: 5 })
  assert.equal(flood?.ended(), true)
  for (let count = 0; count < 60; count++) teller?.say({ type: 'neighbors', positions: [count] })
  assert.equal(teller?.ended(), true)
  await driver.close()
})

test('a new link is told where the others lead, and SEEK is answered with those nearest, the asker left out', async () => {
  const { clock, fake, driver, keyOf } = await openNode()
  const peers = Array.from({ length: 8 }, () => fake.connect(keyOf()))
  await clock.runFor(6_000)
  const [first] = peers
  const lists = first?.heard.filter(({ type }) => type === 'neighbors') ?? []
  const last = lists.at(-1)
  assert.ok(last?.type === 'neighbors' && last.positions.length === 8, at)
  assert.ok(lists.length <= 3, `${at}: ${lists.length} lists`)
  first?.say({ type: 'seek', id: 77, target: 123 })
  const answer = first?.heard.at(-1)
  assert.ok(answer?.type === 'peers' && answer.id === 77 && answer.records.length === 5, at)
  for (const { publicKey } of answer.records) {
    assert.notDeepEqual(publicKey, first?.publicKey, at)
    assert.ok(
      peers.some((peer) => peer.publicKey.every((byte, i) => byte === publicKey[i])),
      at,
    )
  }
  await driver.close()
})

test('peers of the last run are dialed at once, and those of this one kept for the next', async () => {
  const remembered = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte))
  const saved: number[] = []
  const peerCache: PeerCache = {
    load: () => Promise.resolve(remembered.map((publicKey) => ({ publicKey, proof: NO_PROOF }))),
    save: (peers) => {
      saved.push(peers.length)
      return Promise.resolve()
    },
  }
  const { clock, fake, driver, keyOf } = await openNode({ peerCache })
  await clock.runFor(2_000)
  const dialed = new Set(fake.dialed.map(({ publicKey }) => publicKey.join()))
  for (const publicKey of remembered) assert.ok(dialed.has(publicKey.join()))
  assert.deepEqual(saved, [])
  for (let count = 0; count < 4; count++) fake.connect(keyOf())
  await clock.runFor(30_000)
  assert.equal(saved.length, 1)
  assert.ok((saved[0] ?? 0) >= 4)
  for (let count = 0; count < 3; count++) fake.connect(keyOf())
  await clock.runFor(180_000)
  assert.equal(saved.length, 1)
  fake.connect(keyOf())
  await clock.runFor(360_000)
  assert.equal(saved.length, 2)
  fake.connect(keyOf())
  await driver.close()
  assert.equal(saved.length, 3)
  await clock.runFor(360_000)
  const second = await openNode({ peerCache })
  second.fake.connect(second.keyOf())
  await second.driver.close({ forget: true })
  assert.equal(saved.length, 3)
})
