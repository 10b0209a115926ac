/**
 * Signed blocks on their way: updates, forks, and the fetch of the newest edition (spec §9.3 to §9.5).
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentAddress, homePosition, supersedes } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { offerIn } from '../../src/routing/messages.ts'
import type { Message } from '../../src/routing/messages.ts'
import type { Output } from '../../src/routing/ports.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import { RouterNetwork, byDistance, heldBy } from '../helpers/router-network.ts'
import type { SimNode } from '../helpers/router-network.ts'
import { signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const HOMES = [0, 1, 2] as const
const LATENCY_MS = 20

function ring(count: number, options: { lossRate?: number } = {}) {
  const rng = createSeededRng(seed)
  const network = new RouterNetwork({ rng, latencyMs: LATENCY_MS, ...options })
  network.addRing(count)
  const pick = (): SimNode => network.nodes[rng.below(count)] as SimNode
  return { network, rng, pick }
}

/** A network in which everybody is linked with everybody. */
function mesh(count: number) {
  const rng = createSeededRng(seed)
  const network = new RouterNetwork({ rng, latencyMs: LATENCY_MS })
  for (let index = 0; index < count; index++) network.addNode(rng.below(2 ** 48))
  for (const a of network.nodes) for (const b of network.nodes) network.link(a, b)
  return { network, rng }
}

async function insertAll(network: RouterNetwork, node: SimNode, { address, block }: NamedBlock) {
  const copies = HOMES.map((home) => network.insert(node, address, block, home))
  await network.run()
  return Promise.all(copies)
}

/** Tries again as a publisher does, until every home has acknowledged its copies. */
async function insertUntilSpread(network: RouterNetwork, node: SimNode, named: NamedBlock) {
  const wanted = { 0: 2, 1: 1, 2: 1 }
  let left: Home[] = [...HOMES]
  for (let tries = 0; left.length > 0; tries++) {
    assert.ok(tries < 50, `${at}: it does not spread`)
    const copies = left.map((home) => network.insert(node, named.address, named.block, home))
    await network.run()
    const counts = await Promise.all(copies)
    left = left.filter((home, i) => (counts[i] as number) < wanted[home])
  }
}

function storedBlocks(network: RouterNetwork, address: Address): Block[] {
  return network.nodes.flatMap(({ store }) => store.get(mapKey(address)) ?? [])
}

/** The node that is responsible for a home. */
function nearest(network: RouterNetwork, address: Address, home: Home): SimNode {
  return byDistance(network.nodes, homePosition(address, home))[0] as SimNode
}

async function newestOf(network: RouterNetwork, node: SimNode, address: Address) {
  const result = network.fetchNewest(node, address)
  await network.run()
  return result
}

test('a greater sequence reaches every home, and replaces what was there', async () => {
  const { network, pick } = ring(200)
  for (let publisher = 0; publisher < 8; publisher++) {
    for (const sequence of [5, 6, 9]) {
      const named = signedBlock(publisher, sequence)
      assert.deepEqual(await insertAll(network, pick(), named), [2, 1, 1], at)
      for (const home of HOMES) {
        const holder = nearest(network, named.address, home)
        assert.equal(holder.store.get(mapKey(named.address)), named.block, `${at}: home ${home}`)
      }
      for (const block of storedBlocks(network, named.address)) {
        assert.equal(block, named.block, `${at}: a copy of an older edition is left`)
      }
    }
  }
  assert.equal(network.openTotal, 0, at)
})

test('an older edition never replaces, counts as here, and its insert carries on the newer one', async () => {
  const { network, pick } = ring(200)
  const [older, newer] = [signedBlock(1, 5), signedBlock(1, 6)]
  await insertAll(network, pick(), newer)
  network.sent.length = 0
  assert.deepEqual(await insertAll(network, pick(), older), [2, 1, 1], at)
  for (const { store } of network.nodes) {
    assert.notEqual(store.get(mapKey(older.address)), older.block, at)
  }
  // the copy at home 0 is renewed with the newer one, never offered the older
  const copies = network.sent.filter(
    ({ message }) => message.type === 'insert' && message.phase === 'copy',
  )
  assert.ok(copies.length > 0, at)
  for (const { message } of copies) {
    assert.ok(message.type === 'insert')
    assert.equal(message.tail?.[0]?.value[0], 6, at)
  }
})

test('two blocks of one sequence from two nodes at once end as the one of the smaller hash everywhere', async () => {
  const { network, pick } = ring(150)
  for (let publisher = 0; publisher < 12; publisher++) {
    const [a, b] = [signedBlock(publisher, 7, 1), signedBlock(publisher, 7, 2)]
    const winner = supersedes(a.block, b.block) ? a : b
    const both = [a, b].map((named) => {
      const node = pick()
      return HOMES.map((home) => network.insert(node, named.address, named.block, home))
    })
    await network.run()
    await Promise.all(both.flat())
    const stored = storedBlocks(network, a.address)
    assert.ok(stored.length >= 3, at)
    for (const block of stored) assert.equal(block, winner.block, `${at}: publisher ${publisher}`)
  }
  assert.equal(network.openTotal, 0, at)
})

test('with one message of twenty lost, two that try again agree on the smaller hash at every home', async () => {
  const { network, pick } = ring(100, { lossRate: 0.05 })
  for (let publisher = 0; publisher < 10; publisher++) {
    const [a, b] = [signedBlock(publisher, 7, 1), signedBlock(publisher, 7, 2)]
    const winner = supersedes(a.block, b.block) ? a : b
    const [first, second] = [pick(), pick()]
    for (const home of HOMES) void network.insert(first, a.address, a.block, home)
    for (const home of HOMES) void network.insert(second, b.address, b.block, home)
    await network.run()
    await insertUntilSpread(network, first, a)
    await insertUntilSpread(network, second, b)
    const results = []
    for (let readers = 0; readers < 5; readers++) {
      results.push(await newestOf(network, pick(), a.address))
    }
    for (const result of results) {
      assert.deepEqual(result, { type: 'found', block: winner.block }, at)
    }
  }
  assert.equal(network.openTotal, 0, at)
})

test('the newest edition is the greatest of the three homes, though two are stale', async () => {
  const { network, pick } = ring(150)
  for (let publisher = 0; publisher < 9; publisher++) {
    const [older, newer] = [signedBlock(publisher, 5), signedBlock(publisher, 6)]
    const { address } = older
    await insertAll(network, pick(), older)
    const fresh = HOMES[publisher % 3] as Home
    nearest(network, address, fresh).store.set(mapKey(address), newer.block)
    const reader = pick()
    const result = await newestOf(network, reader, address)
    assert.deepEqual(result, { type: 'found', block: newer.block }, `${at}: home ${fresh}`)
  }
  assert.equal(network.openTotal, 0, at)
})

test('a node that holds an older edition asks the nearer ones first, and repairs its own', async () => {
  const { network } = ring(100)
  const [older, newer] = [signedBlock(1, 5), signedBlock(1, 6)]
  const { address } = older
  const name = mapKey(address)
  // everybody was responsible once, and only the nearest of today have the newer edition
  for (const node of network.nodes) node.store.set(name, older.block)
  for (const home of HOMES) nearest(network, address, home).store.set(name, newer.block)
  for (const reader of network.nodes.slice(0, 30)) {
    const before = heldBy(reader, address)?.block
    const result = await newestOf(network, reader, address)
    assert.deepEqual(result, { type: 'found', block: newer.block }, at)
    if (before === older.block) network.nodes.forEach(({ cache }) => cache.clear())
  }
  const repaired = storedBlocks(network, address).filter((block) => block === newer.block)
  assert.ok(repaired.length > 3, `${at}: ${repaired.length} hold the newer one`)
  assert.equal(network.openTotal, 0, at)
})

test('its own reads leave nothing in the store of a node, not even a newer edition', async () => {
  const { network } = mesh(6)
  const [older, newer] = [signedBlock(1, 5), signedBlock(1, 6)]
  const name = mapKey(older.address)
  const [reader] = byDistance(network.nodes, homePosition(older.address, 0)).toReversed()
  assert.ok(reader !== undefined)
  await insertAll(network, network.nodes[0] as SimNode, newer)
  reader.cache.clear()
  reader.store.set(name, older.block)
  const result = await newestOf(network, reader, older.address)
  assert.deepEqual(result, { type: 'found', block: newer.block }, at)
  assert.equal(reader.store.get(name), older.block, at)
  assert.ok(!reader.cache.has(name), at)
})

test('a holder answers with its older edition where the nearer nodes have none or are silent', async () => {
  for (const how of ['gone', 'liar', 'dropper'] as const) {
    const { network } = mesh(12)
    const { address, block } = signedBlock(3, 5)
    await insertAll(network, network.nodes[0] as SimNode, { address, block })
    const [first, second] = byDistance(network.nodes, homePosition(address, 0))
    assert.ok(first !== undefined && second !== undefined)
    const reader = network.nodes.find((node) => !node.store.has(mapKey(address))) as SimNode
    for (const { cache } of network.nodes) cache.clear()
    if (how === 'gone') first.store.clear()
    if (how === 'liar') first.isLiar = true
    if (how === 'dropper') first.isDropper = true
    const startMs = network.nowMs
    const asked = { type: 'fetch', id: 1, phase: 'greedy', trafficClass: 'realtime' } as const
    const fetched = network.ask(reader, second, {
      ...asked,
      freshness: 2,
      home: 0,
      credit: 1,
      address,
    })
    await network.run()
    assert.deepEqual(await fetched, { type: 'found', id: 1, block }, `${at}: ${how}`)
    assert.ok(network.answeredMs - startMs <= 1000 + 2 * LATENCY_MS, `${at}: ${how}`)
    assert.equal(network.openTotal, 0, at)
  }
})

test('at freshness 2 a cached edition is no answer, but a newer one than was found is', async () => {
  const { network } = mesh(8)
  const [older, newer] = [signedBlock(4, 5), signedBlock(4, 6)]
  const { address } = older
  const [holder, relay] = byDistance(network.nodes, homePosition(address, 0))
  assert.ok(holder !== undefined && relay !== undefined)
  relay.cache.set(mapKey(address), newer.block)
  const reader = network.nodes.find((node) => node !== holder && node !== relay) as SimNode
  const request = {
    type: 'fetch',
    phase: 'greedy',
    trafficClass: 'realtime',
    freshness: 2,
    home: 0,
    credit: 8,
    address,
  } as const
  const none = network.ask(reader, relay, { ...request, id: 1 })
  await network.run()
  assert.equal((await none).type, 'not-found', at)
  holder.store.set(mapKey(address), older.block)
  const found = network.ask(reader, relay, { ...request, id: 2 })
  await network.run()
  assert.deepEqual(await found, { type: 'found', id: 2, block: newer.block }, at)
  assert.equal(network.openTotal, 0, at)
})

test('the newest edition is one round trip away where everybody knows everybody', async () => {
  const { network } = mesh(12)
  for (let publisher = 0; publisher < 3; publisher++) {
    const named = signedBlock(publisher, 5)
    await insertAll(network, network.nodes[0] as SimNode, named)
    for (const { cache } of network.nodes) cache.clear()
    for (const reader of network.nodes) {
      const startMs = network.nowMs
      const result = await newestOf(network, reader, named.address)
      assert.deepEqual(result, { type: 'found', block: named.block }, at)
      const tookMs = network.answeredMs - startMs
      assert.equal(tookMs, 2 * LATENCY_MS, `${at}: node ${reader.index}`)
    }
  }
})

test('a home that is silent holds an answer up for a second, and all silent ones end in a time-out', async () => {
  const { network } = mesh(12)
  const named = signedBlock(2, 5)
  await insertAll(network, network.nodes[0] as SimNode, named)
  for (const { cache } of network.nodes) cache.clear()
  const holders = HOMES.map((home) => nearest(network, named.address, home))
  const reader = network.nodes.find((node) => !node.store.has(mapKey(named.address))) as SimNode
  const timed = async (): Promise<[string, number]> => {
    const startMs = network.nowMs
    const { type } = await newestOf(network, reader, named.address)
    return [type, network.answeredMs - startMs]
  }
  const [silent] = holders.filter((node) => holders.indexOf(node) === holders.lastIndexOf(node))
  if (silent !== undefined && new Set(holders).size > 1) {
    silent.isDropper = true
    const [type, tookMs] = await timed()
    assert.equal(type, 'found', at)
    assert.ok(tookMs <= 1000 + 2 * LATENCY_MS, `${at}: ${tookMs} ms`)
  }
  for (const node of network.nodes) node.isDropper = node !== reader
  const [type, tookMs] = await timed()
  assert.equal(type, 'timed-out', at)
  assert.ok(tookMs <= 15_000, `${at}: ${tookMs} ms`)
  assert.equal(network.openTotal, 0, at)
})

test('nobody has it: not-found, once every home has said so; alone, only an own copy counts', async () => {
  const { network, pick } = ring(80)
  const named = signedBlock(2, 5)
  assert.deepEqual(await newestOf(network, pick(), named.address), { type: 'not-found' }, at)
  const rng = createSeededRng(seed)
  const lonely = new RouterNetwork({ rng })
  const node = lonely.addNode(5)
  assert.deepEqual(await newestOf(lonely, node, named.address), { type: 'no-peers' })
  node.store.set(mapKey(named.address), named.block)
  const result = await newestOf(lonely, node, named.address)
  assert.deepEqual(result, { type: 'found', block: named.block })
  assert.equal(network.openTotal + lonely.openTotal, 0, at)
})

test('an aborted fetch of the newest takes all that is open back', async () => {
  const { network } = mesh(10)
  const { address } = signedBlock(2, 5)
  for (const node of network.nodes) node.isDropper = true
  const reader = network.nodes[0] as SimNode
  reader.isDropper = false
  const fetches = [0, 1].map(() => network.fetchNewest(reader, address))
  assert.ok(reader.router.load.asked > 0)
  fetches[0]?.abort()
  assert.ok(reader.router.load.asked > 0, 'the other one goes on')
  fetches[1]?.abort()
  assert.deepEqual(reader.router.load, { fetches: 0, inserts: 0, asked: 0, timers: 0 })
  const cancels = network.sent.filter(({ message }) => message.type === 'cancel')
  const asked = network.sent.filter(({ message }) => message.type === 'fetch')
  assert.equal(cancels.length, asked.length, at)
})

/** A router alone, with one peer at a home of `address` and others that ask from farther away. */
function oneRouter(address: Address) {
  const network = new RouterNetwork({ rng: createSeededRng(seed) })
  const target = homePosition(address, 0)
  const { router } = network.addNode((target + 2 ** 40) % 2 ** 48)
  router.handle({ type: 'peer-up', peer: 1, link: 1, position: target }, 0)
  for (const peer of [2, 3, 4, 5]) {
    router.handle({ type: 'peer-up', peer, link: peer, position: (target + 2 ** 41) % 2 ** 48 }, 0)
  }
  const request = { phase: 'greedy', trafficClass: 'bulk', credit: 1, home: 0 } as const
  const fetch = (peer: number, id: number, freshness: 0 | 2, named: NamedBlock): Output[] => {
    const message = { ...request, type: 'fetch', id, freshness, address: named.address } as const
    const held = freshness === 2 ? ({ block: named.block, area: 'store' } as const) : undefined
    return router.handle({ type: 'message', from: peer, message, held }, 0)
  }
  const say = (peer: number, message: Message): Output[] =>
    router.handle({ type: 'message', from: peer, message }, 0)
  return { router, request, fetch, say }
}

const IDLE = { fetches: 0, inserts: 0, asked: 0, timers: 0 }

/** The first message among `outputs` that goes to `peer`. */
function sentTo(outputs: readonly Output[], peer: number): Message {
  for (const output of outputs) {
    if (output.type === 'send' && output.to === peer) return output.message
  }
  return assert.fail(`${at}: nothing was sent to ${peer}`)
}

test('a fetch of the newest never joins a less fresh one, and ends with what is newer of found and held', () => {
  const [older, newer] = [signedBlock(1, 5), signedBlock(1, 6)]
  const { router, fetch, say } = oneRouter(older.address)
  fetch(2, 1, 0, older)
  const asked = sentTo(fetch(3, 1, 2, older), 1)
  assert.ok(asked.type === 'fetch' && asked.freshness === 2, at)
  const outputs = say(1, { type: 'found', id: asked.id, block: newer.block })
  assert.deepEqual(sentTo(outputs, 3), { type: 'found', id: 1, block: newer.block })
  say(2, { type: 'cancel', id: 1 })
  assert.deepEqual(router.load, IDLE, 'no timer waits for what is answered')
})

test('few fetches hold a block while a nearer node is asked; the others are answered at once', () => {
  const named = signedBlock(1, 5)
  const { router, fetch, say } = oneRouter(named.address)
  const numbered = (number: number): NamedBlock => {
    const address = new Uint8Array(named.address)
    new DataView(address.buffer).setUint32(28, number)
    return { address: address as Address, block: named.block }
  }
  for (let round = 0; round < 3; round++) {
    let answered = 0
    for (let number = 0; number < 400; number++) {
      const outputs = fetch(2 + (number % 2), number, 2, numbered(number))
      const first = sentTo(outputs, outputs[0]?.type === 'send' ? outputs[0].to : 1)
      if (first.type === 'found') answered++
    }
    // 256 is also what one link may owe
    assert.equal(answered, 400 - 256, `${at}: round ${round}`)
    for (let number = 0; number < 400; number++) {
      say(2 + (number % 2), { type: 'cancel', id: number })
    }
    assert.deepEqual(router.load, IDLE)
  }
})

test('a copy is made of the edition that is in the place, not of an older one that was sent', () => {
  const [older, newer] = [signedBlock(1, 5), signedBlock(1, 6)]
  const { address } = older
  const { router, request, say } = oneRouter(address)
  router.handle({ type: 'peer-down', peer: 1 }, 0)
  say(2, { ...request, type: 'insert', id: 9, freshness: 0, address })
  const outputs = say(2, { type: 'data', id: 9, block: older.block })
  const kept = outputs.find((output) => output.type === 'keep' && output.area === 'store')
  assert.ok(kept?.type === 'keep' && kept.ticket !== undefined)
  const { ticket } = kept
  const next = router.handle({ type: 'kept', ticket, isKept: true, block: newer.block }, 0)
  const asked = sentTo(next, 2)
  assert.ok(asked.type === 'insert' && asked.phase === 'copy')
  assert.deepEqual(offerIn(asked), { sequence: 6, hash: contentAddress(newer.block) })
  const taken = say(2, { type: 'accept', id: asked.id })
  assert.deepEqual(sentTo(taken, 2), { type: 'data', id: asked.id, block: newer.block })
})

test('who was away while an update came hears of it from the neighbor that took it', async () => {
  const { network } = mesh(10)
  const [older, newer] = [signedBlock(1, 5), signedBlock(1, 6)]
  const { address } = older
  const name = mapKey(address)
  for (const home of HOMES) {
    const [away, neighbor] = byDistance(network.nodes, homePosition(address, home))
    assert.ok(away !== undefined && neighbor !== undefined)
    for (const { store } of network.nodes) store.delete(name)
    away.store.set(name, older.block)
    neighbor.store.set(name, newer.block)
    const result = network.fetchNewest(away, address, [home])
    await network.run()
    assert.deepEqual(await result, { type: 'found', block: newer.block }, `${at}: home ${home}`)
  }
})
