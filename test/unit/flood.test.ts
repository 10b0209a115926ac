import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { optimumRatio } from '../helpers/cache-optimum.ts'
import { POLICIES } from '../helpers/cache-policies.ts'
import type { MakePolicy } from '../helpers/cache-policies.ts'
import { LINKS, zipfTrace } from '../helpers/cache-trace.ts'
import type { Trace } from '../helpers/cache-trace.ts'
import {
  FLOODS,
  FLOOD_BLOCKS,
  displacedByFlood,
  floodRatio,
  floodRequests,
  hitsOf,
  ratioOf,
} from '../helpers/cache-trials.ts'
import { createSeededRng } from '../helpers/rng.ts'

const CATALOGUE = 4000
const SETTINGS = [0.7, 0.9, 1].flatMap((exponent) => [
  { exponent, capacity: CATALOGUE / 100 },
  { exponent, capacity: CATALOGUE / 20 },
])
const WARM_UP = 20_000
const REQUESTS = 70_000
const FLOODS_TRIED = 5

function policyOf(name: string): MakePolicy {
  const make = POLICIES[name]
  assert.ok(make, name)
  return make
}

function traceOf(exponent: number, requests: number): Trace {
  return zipfTrace({ catalogue: CATALOGUE, exponent, requests }, createSeededRng(7))
}

for (const { exponent, capacity } of SETTINGS) {
  test(`flood: at Zipf ${exponent} a cache of ${capacity} has more hits than LRU, FIFO and random`, () => {
    const trace = traceOf(exponent, REQUESTS)
    const ratio = (name: string): number =>
      ratioOf(hitsOf(policyOf(name), trace, capacity), WARM_UP)
    const ours = ratio('ours')
    for (const other of ['LRU', 'FIFO', 'random']) {
      assert.ok(ours > ratio(other) * 1.05, `${ours} against ${ratio(other)} of ${other}`)
    }
    assert.ok(ours > ratio('plain S3-FIFO') - 0.01, 'and no fewer than with exact queues')
    assert.ok(ours < optimumRatio(trace, capacity, WARM_UP))
  })
}

for (const [title, flood] of Object.entries(FLOODS)) {
  test(`flood: junk asked ${title}, leaves what is popular nine tenths of its hits`, () => {
    const capacity = CATALOGUE / 20
    const trace = traceOf(0.9, floodRequests(capacity, FLOODS_TRIED))
    const kept = (name: string): number => {
      const calm = hitsOf(policyOf(name), trace, capacity)
      return floodRatio(policyOf(name), trace, { capacity, flood, calm })
    }
    assert.ok(kept('ours') >= 0.9, `${kept('ours')}`)
    assert.ok(kept('LRU') < 0.9, 'with LRU it does not')
  })
}

test('flood: junk ground close to the own position displaces less than a tenth of the store', () => {
  for (const isRestarted of [false, true]) {
    for (const [seed, slots] of [1000, 4000].entries()) {
      const displaced = displacedByFlood(slots, isRestarted, seed)
      assert.ok(displaced > 0 && displaced < 0.1, `${displaced} of ${slots} slots`)
    }
  }
})

/** A block that a store in memory takes: it checks no address. */
function blockAt(position: number, number: number): { address: Address; block: Block } {
  const address = new Uint8Array(32)
  const view = new DataView(address.buffer)
  view.setUint32(0, Math.floor(position / 2 ** 16))
  view.setUint16(4, position % 2 ** 16)
  view.setUint32(8, number)
  const block = new Uint8Array(BLOCK_BYTES)
  return { address: address as Address, block: block as Block }
}

test('flood: a store in memory stands the same junk', async () => {
  const slots = 600
  const rng = createSeededRng(3)
  const { blocks, care } = createMemoryStore({ quotaBytes: slots * BLOCK_BYTES, rng })
  const middle = 2 ** 47
  blocks.setRange({ from: middle - 2 ** 43, to: middle + 2 ** 43 })
  const storeSlots = care.stats().store.slots
  const honest = Array.from({ length: storeSlots }, (_, i) =>
    blockAt(middle - 2 ** 43 + rng.below(2 ** 44), i),
  )
  const put = (named: { address: Address; block: Block }, link: number): Promise<string> =>
    blocks.put({ ...named, home: 0, area: 'store', link })
  for (const [i, named] of honest.entries()) await put(named, 1 + (i % LINKS))
  for (let i = 0; i < FLOOD_BLOCKS * storeSlots; i++) {
    const junk = blockAt(middle + rng.below(2 ** 36), 1_000_000 + i)
    assert.equal(await put(junk, LINKS + 1), 'stored')
  }
  const here = await Promise.all(honest.map(({ address }) => blocks.has(address)))
  const displaced = here.filter((found) => found === undefined).length / storeSlots
  assert.ok(displaced > 0 && displaced < 0.1, `${displaced}`)
  const { evictions, used } = care.stats().store
  assert.equal(used, storeSlots)
  assert.equal(evictions.random + evictions['fullest-link'], FLOOD_BLOCKS * storeSlots)
})
