import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homePosition } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import type { Input, Output } from '../../src/routing/ports.ts'
import { distance } from '../../src/routing/position.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import { RouterNetwork, byDistance } from '../helpers/router-network.ts'
import type { SimNode } from '../helpers/router-network.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`

function ring(
  count: number,
  options: { latencyMs?: number; longestMs?: number; lossRate?: number } = {},
) {
  const rng = createSeededRng(seed)
  const network = new RouterNetwork({ rng, ...options })
  network.addRing(count)
  network.tellNeighbors()
  const pick = (): SimNode => network.nodes[rng.below(network.nodes.length)] as SimNode
  return { network, rng, pick }
}

async function insertEverywhere(network: RouterNetwork, node: SimNode, homes: readonly Home[]) {
  const { address, block } = network.randomBlock()
  const copies = homes.map((home) => network.insert(node, address, block, home))
  await network.run()
  return { address, block, copies: await Promise.all(copies) }
}

test('an insert ends at the node nearest to each home, with a second copy at home 0', async () => {
  const { network, pick } = ring(300)
  for (let round = 0; round < 30; round++) {
    const { address, copies } = await insertEverywhere(network, pick(), [0, 1, 2])
    assert.deepEqual(copies, [2, 1, 1], at)
    for (const home of [0, 1, 2] as const) {
      const [nearest] = byDistance(network.nodes, homePosition(address, home))
      assert.ok(nearest?.store.has(mapKey(address)), `${at}: home ${home}`)
    }
  }
  assert.equal(network.openTotal, 0, at)
})

test('every greedy request goes to a node strictly nearer to its home', async () => {
  const { network, pick } = ring(300)
  for (let round = 0; round < 20; round++) {
    const { address } = await insertEverywhere(network, pick(), [0, 1])
    void network.fetch(pick(), address)
    await network.run()
  }
  for (const { from, to, message } of network.sent) {
    if (message.type !== 'fetch' && message.type !== 'insert') continue
    if (message.phase !== 'greedy') continue
    const target = homePosition(message.address, message.home)
    const [before, after] = [from, to].map((index) =>
      distance(network.nodes[index - 1]?.position ?? 0, target),
    )
    assert.ok((after as number) < (before as number), at)
  }
})

test('a fetch finds what was inserted from anywhere, and leaves copies on its way but none at its start', async () => {
  const { network, pick } = ring(300)
  for (let round = 0; round < 30; round++) {
    const { address, block } = await insertEverywhere(network, pick(), [0, 1])
    const reader = pick()
    const name = mapKey(address)
    if (reader.store.has(name) || reader.cache.has(name)) continue
    const result = network.fetch(reader, address)
    await network.run()
    assert.deepEqual(await result, { type: 'found', block }, at)
    assert.ok(!reader.cache.has(name) && !reader.store.has(name), at)
  }
  const cached = network.nodes.reduce((sum, node) => sum + node.cache.size, 0)
  assert.ok(cached > 0, at)
  assert.equal(network.openTotal, 0, at)
})

test('a fetch of what nobody has ends with not-found after a bounded number of messages', async () => {
  const { network, pick } = ring(300)
  for (let round = 0; round < 20; round++) {
    const before = network.sent.length
    const result = network.fetch(pick(), network.randomBlock().address, [0, 1, 2])
    await network.run()
    assert.equal((await result).type, 'not-found', at)
    const messages = network.sent.slice(before).filter(({ message }) => message.type === 'fetch')
    assert.ok(messages.length <= 3 * 80, `${at}: ${messages.length} messages`)
  }
  assert.equal(network.openTotal, 0, at)
})

test('content outlives the node that inserted it and the nearest holder of home 0', async () => {
  const { network, pick } = ring(200)
  for (let round = 0; round < 10; round++) {
    const inserter = pick()
    if (inserter.isDown) continue
    const { address } = await insertEverywhere(network, inserter, [0, 1])
    network.takeDown(inserter)
    const [nearest] = byDistance(network.nodes, homePosition(address, 0))
    if (nearest !== undefined && !nearest.isDown) network.takeDown(nearest)
    const reader = network.nodes.find((node) => !node.isDown && !node.store.has(mapKey(address)))
    const result = network.fetch(reader as SimNode, address)
    await network.run()
    assert.equal((await result).type, 'found', at)
  }
})

test('a node that joins nearest to a home still finds what its neighbors hold', async () => {
  const { network, pick } = ring(100)
  const { address } = await insertEverywhere(network, pick(), [0, 1])
  const position = homePosition(address, 0)
  const holders = byDistance(network.nodes, position).slice(0, 6)
  const late = network.addNode(position)
  for (const peer of holders) network.link(late, peer)
  const result = network.fetch(late, address, [0])
  await network.run()
  assert.equal((await result).type, 'found', at)
})

test('with a fifth of the nodes silent, 95 % of fetches still arrive and every request ends', async () => {
  const { network, rng, pick } = ring(200)
  const inserted = []
  for (let round = 0; round < 100; round++) {
    inserted.push(await insertEverywhere(network, pick(), [0, 1, 2]))
  }
  for (const node of network.nodes) node.isDropper = rng.below(5) === 0
  let found = 0
  for (const { address } of inserted) {
    const readers = network.nodes.filter((node) => !node.isDropper)
    const result = network.fetch(readers[rng.below(readers.length)] as SimNode, address, [0, 1, 2])
    await network.run()
    if ((await result).type === 'found') found++
  }
  assert.ok(found >= 95, `${at}: ${found} of 100`)
  assert.equal(network.openTotal, 0, at)
})

test('with a fifth of the nodes lying that nothing is there, 95 % of fetches still arrive', async () => {
  const { network, rng, pick } = ring(200)
  const inserted = []
  for (let round = 0; round < 100; round++) {
    inserted.push(await insertEverywhere(network, pick(), [0, 1, 2]))
  }
  for (const node of network.nodes) node.isLiar = rng.below(5) === 0
  let found = 0
  for (const { address } of inserted) {
    const readers = network.nodes.filter((node) => !node.isLiar)
    const result = network.fetch(readers[rng.below(readers.length)] as SimNode, address, [0, 1, 2])
    await network.run()
    if ((await result).type === 'found') found++
  }
  assert.ok(found >= 95, `${at}: ${found} of 100`)
})

test('links of 50 to 400 ms cost no more messages than links of 50 ms, and nothing is missed', async () => {
  const totals = []
  for (const longestMs of [50, 400]) {
    const { network, pick } = ring(300, { latencyMs: 50, longestMs })
    network.hasCaches = false
    let messages = 0
    for (let round = 0; round < 100; round++) {
      const { address } = await insertEverywhere(network, pick(), [0, 1])
      const reader = pick()
      network.sent.length = 0
      const result = network.fetch(reader, address)
      await network.run()
      assert.equal((await result).type, 'found', at)
      messages += network.sent.filter(({ message }) => message.type === 'fetch').length
    }
    totals.push(messages)
  }
  const [even = 0, uneven = 0] = totals
  assert.ok(uneven <= 1.3 * even, `${at}: ${uneven} against ${even} messages`)
})

test('a silent peer is given up for another in time: with a fifth of them, 19 of 20 fetches take under 10 s', async () => {
  const { network, rng, pick } = ring(300, { latencyMs: 50 })
  network.hasCaches = false
  const inserted = []
  for (let round = 0; round < 100; round++) {
    inserted.push(await insertEverywhere(network, pick(), [0, 1, 2]))
  }
  for (const node of network.nodes) node.isDropper = rng.below(5) === 0
  const honest = network.nodes.filter((node) => !node.isDropper)
  let inTime = 0
  for (const { address } of inserted) {
    const reader = honest[rng.below(honest.length)] as SimNode
    const startMs = network.nowMs
    const before = network.sent.length
    const result = network.fetch(reader, address, [0, 1, 2])
    await network.run()
    if ((await result).type === 'found' && network.answeredMs - startMs <= 10_000) inTime++
    const sent = network.sent.slice(before).filter(({ message }) => message.type === 'fetch')
    assert.ok(sent.length <= 3 * 120, `${at}: ${sent.length} messages`)
  }
  assert.ok(inTime >= 95, `${at}: ${inTime} of 100`)
  assert.equal(network.openTotal, 0, at)
})

test('lost messages, in one of twenty, leave nothing behind', async () => {
  const { network, pick } = ring(150, { lossRate: 0.05 })
  for (let round = 0; round < 60; round++) {
    const { address, block } = network.randomBlock()
    void network.insert(pick(), address, block, 0)
    void network.fetch(pick(), address)
  }
  await network.run()
  assert.equal(network.openTotal, 0, at)
})

test('nodes that vanish in the middle of everything leave nothing behind', async () => {
  const { network, pick } = ring(150)
  for (let round = 0; round < 40; round++) {
    const { address, block } = network.randomBlock()
    const node = pick()
    if (node.isDown) continue
    void network.insert(node, address, block, 0)
    void network.fetch(pick(), address)
    if (round % 4 === 0) network.takeDown(pick())
  }
  await network.run()
  assert.equal(network.openTotal, 0, at)
})

test('equal fetches that are under way at one node share one request', async () => {
  const { network } = ring(50)
  const { address } = await insertEverywhere(network, network.nodes[0] as SimNode, [0])
  const reader = network.nodes.find((node) => !node.store.has(mapKey(address))) as SimNode
  const before = network.sent.length
  const results = [network.fetch(reader, address, [0]), network.fetch(reader, address, [0])]
  await network.run()
  for (const result of results) assert.equal((await result).type, 'found', at)
  const asked = network.sent
    .slice(before)
    .filter(({ from, message }) => from === reader.index && message.type === 'fetch')
  assert.equal(asked.length, 1, at)
})

test('the same seed gives the same trace', async () => {
  const traces = []
  for (let run = 0; run < 2; run++) {
    const { network, pick } = ring(80)
    const { address } = await insertEverywhere(network, pick(), [0, 1])
    void network.fetch(pick(), address)
    await network.run()
    traces.push(network.sent.map(({ from, to, message }) => `${from}>${to} ${message.type}`))
  }
  assert.deepEqual(traces[0], traces[1], at)
})

test('one link takes any number of inserts, one after another, and data nobody asked for costs it', async () => {
  const rng = createSeededRng(seed)
  const network = new RouterNetwork({ rng })
  const [a, b] = [network.addNode(0), network.addNode(2 ** 47)]
  network.link(a, b)
  for (let round = 0; round < 200; round++) {
    const { copies } = await insertEverywhere(network, a, [0, 1])
    assert.deepEqual(copies, [2, 1], at)
  }
  const { block } = network.randomBlock()
  const data = { type: 'data', id: 77, block } as const
  const outputs = b.router.handle({ type: 'message', from: 1, message: data }, network.nowMs)
  assert.deepEqual(outputs, [{ type: 'ban', peer: 1 }])
})

test('inserts that are cancelled before their data leave room for others on the link', async () => {
  const rng = createSeededRng(seed)
  const network = new RouterNetwork({ rng })
  const node = network.addNode(0)
  node.router.handle({ type: 'peer-up', peer: 9, link: 9, position: 2 ** 47 }, 0)
  const ask = (id: number) => {
    const { address } = network.randomBlock()
    const rest = {
      phase: 'greedy',
      trafficClass: 'bulk',
      freshness: 0,
      home: 0,
      credit: 1,
    } as const
    const message = { type: 'insert', id, address, ...rest } as const
    return node.router.handle({ type: 'message', from: 9, message }, 0)
  }
  for (let id = 1; id <= 200; id++) {
    assert.deepEqual(ask(id)[0], { type: 'send', to: 9, message: { type: 'accept', id } }, at)
    node.router.handle({ type: 'message', from: 9, message: { type: 'cancel', id } }, 0)
  }
  for (let id = 201; id <= 264; id++) ask(id)
  assert.deepEqual(ask(265)[0], { type: 'send', to: 9, message: { type: 'overload', id: 265 } }, at)
})

test('a peer that says HAVE or ACCEPT and never gives a receipt does not end the search for a home', async () => {
  for (const first of ['have', 'accept'] as const) {
    const rng = createSeededRng(seed)
    const network = new RouterNetwork({ rng })
    const { address, block } = network.randomBlock()
    const target = homePosition(address, 0)
    const self = network.addNode((target + 2 ** 40) % 2 ** 48)
    const handle = (input: Input, nowMs = 0): Output[] => self.router.handle(input, nowMs)
    handle({ type: 'peer-up', peer: 1, link: 1, position: target }) // the hostile one, nearest
    handle({ type: 'peer-up', peer: 2, link: 2, position: (target + 2 ** 30) % 2 ** 48 })
    handle({ type: 'peer-up', peer: 3, link: 3, position: (target + 2 ** 41) % 2 ** 48 })
    const rest = { home: 0, trafficClass: 'bulk' } as const
    const asked = handle({ type: 'insert', id: 1, address, block, ...rest })
    const id = idOf(asked, 1)
    // a receipt before anything was taken counts for nothing
    assert.deepEqual(
      handle({ type: 'message', from: 1, message: { type: 'receipt', id, copies: 255 } }),
      [],
    )
    const taken = handle({ type: 'message', from: 1, message: { type: first, id } })
    const timer = taken.find((output) => output.type === 'start-timer')
    assert.ok(timer?.type === 'start-timer')
    // saying it again buys no more time
    assert.deepEqual(handle({ type: 'message', from: 1, message: { type: first, id } }), [])
    const next = handle({ type: 'timer', timer: timer.timer }, 20_000)
    assert.ok(idOf(next, 2) > 0, first)
  }
})

/** Id of the INSERT among `outputs` that goes to `peer`. */
function idOf(outputs: readonly Output[], peer: number): number {
  for (const output of outputs) {
    if (output.type === 'send' && output.to === peer && output.message.type === 'insert') {
      return output.message.id
    }
  }
  return assert.fail(`${at}: nothing was sent to ${peer}`)
}
