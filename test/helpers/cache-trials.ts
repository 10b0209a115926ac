/**
 * What a way of choosing is worth: hit ratios, how much of them a flood of junk leaves, and what such a
 * flood displaces in the store area.
 * @module
 */
import { Areas } from '../../src/datastore/areas.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import type { CachePolicy, MakePolicy } from './cache-policies.ts'
import { JUNK, LINKS, floodTrace } from './cache-trace.ts'
import type { Flood, Trace } from './cache-trace.ts'
import { createSeededRng } from './rng.ts'

/** Requests of the catalogue around a flood, as multiples of the cache's capacity. */
const PARTS = { warmUp: 40, round: 32, after: 2 }
/** Junk blocks of one flood for each slot. */
export const FLOOD_BLOCKS = 10

/** The floods that are tried, with names for people. */
export const FLOODS: Readonly<Record<string, Flood>> = {
  'once, as much as the rest': { times: 1, gap: 0, isOverTwoLinks: false, rate: 1 },
  'once, tenfold': { times: 1, gap: 0, isOverTwoLinks: false, rate: 10 },
  'twice at once, one link': { times: 2, gap: 0, isOverTwoLinks: false, rate: 1 },
  'twice at once, one link, tenfold': { times: 2, gap: 0, isOverTwoLinks: false, rate: 10 },
  'twice, later, one link': { times: 2, gap: 0.5, isOverTwoLinks: false, rate: 1 },
  'twice, later, one link, tenfold': { times: 2, gap: 0.5, isOverTwoLinks: false, rate: 10 },
  'twice at once, two links': { times: 2, gap: 0, isOverTwoLinks: true, rate: 1 },
  'twice at once, two links, tenfold': { times: 2, gap: 0, isOverTwoLinks: true, rate: 10 },
  'twice, later, two links': { times: 2, gap: 0.5, isOverTwoLinks: true, rate: 1 },
  'twice, later, two links, tenfold': { times: 2, gap: 0.5, isOverTwoLinks: true, rate: 10 },
}

/** Which of a trace's requests are hits, where nobody floods. */
export function hitsOf(make: MakePolicy, { items, links }: Trace, capacity: number): Uint8Array {
  const policy = make(capacity, createSeededRng(capacity))
  return Uint8Array.from(items, (item, i) => Number(policy.request(item, links[i] as number)))
}

/** The share of hits from request `from` to before `to`. */
export function ratioOf(hits: Uint8Array, from: number, to = hits.length): number {
  return hits.subarray(from, to).reduce((sum, hit) => sum + hit, 0) / (to - from)
}

/** Requests that `floodRatio` takes for so many floods. */
export function floodRequests(capacity: number, floods: number): number {
  return (PARTS.warmUp + floods * PARTS.round) * capacity
}

/**
 * Hits of the catalogue during floods and just after, as a part of those that the same requests were in
 * `calm`. Floods are far enough apart to recover from.
 */
export function floodRatio(
  make: MakePolicy,
  trace: Trace,
  options: { readonly capacity: number; readonly flood: Flood; readonly calm: Uint8Array },
): number {
  const { capacity, flood, calm } = options
  const policy = make(capacity, createSeededRng(capacity))
  const ask = (from: number, to: number): number => {
    let hits = 0
    for (let i = from; i < to; i++) {
      hits += Number(policy.request(trace.items[i] as number, trace.links[i] as number))
    }
    return hits
  }
  const junkRequests = FLOOD_BLOCKS * capacity * flood.times
  const during = Math.ceil(junkRequests / flood.rate)
  let [hits, calmHits] = [0, 0]
  let at = PARTS.warmUp * capacity
  ask(0, at)
  for (let first = JUNK; at < trace.items.length; first += junkRequests) {
    const junk = askJunk(policy, flood, { capacity, first })
    const end = at + during + PARTS.after * capacity
    const next = at + PARTS.round * capacity
    for (; at < end; at++) {
      for (let asked = 0; asked < flood.rate; asked++) junk.next()
      hits += ask(at, at + 1)
      calmHits += calm[at] as number
    }
    ask(end, next)
    at = next
  }
  return hits / calmHits
}

/**
 * Honest blocks over LINKS links fill the store; then ten times as many come over one other link, ground
 * close to the middle of the range. The share of honest blocks that are gone. `isRestarted`: before the
 * flood all links are forgotten.
 */
export function displacedByFlood(slots: number, isRestarted: boolean, seed: number): number {
  const rng = createSeededRng(seed)
  const shares = sharesOf(slots)
  const table = new SlotTable(slots, rng)
  table.extend(slots)
  const areas = new Areas({ table, shares, rng })
  areas.range = { from: 2 ** 47 - 2 ** 43, to: 2 ** 47 + 2 ** 43 - 1 }
  const put = (bucket: number, link: number): number => {
    while (!areas.hasRoom('store', 0)) areas.evictFor('store')
    const { slot } = table.take('store') as { readonly slot: number }
    areas.enter(slot, { area: 'store', bucket, fingerprint: 0, link })
    table.addEntry(slot)
    table.letGo(slot)
    return slot
  }
  const middle = 2 ** 15
  const honest = new Set<number>()
  while (areas.hasRoom('store', 0)) {
    honest.add(put(middle - 2 ** 11 + rng.below(2 ** 12), 1 + rng.below(LINKS)))
  }
  if (isRestarted) areas.restored('from-arrays')
  for (let i = 0; i < FLOOD_BLOCKS * shares.storeSlots; i++) {
    honest.delete(put(middle - 4 + rng.below(8), LINKS + 1))
  }
  return 1 - honest.size / shares.storeSlots
}

function* askJunk(
  policy: CachePolicy,
  flood: Flood,
  { capacity, first }: { readonly capacity: number; readonly first: number },
): Generator<void> {
  const gap = Math.floor(flood.gap * capacity)
  const { items, links } = floodTrace({ ...flood, gap }, FLOOD_BLOCKS * capacity, first)
  for (let i = 0; i < items.length; i++) {
    policy.request(items[i] as number, links[i] as number)
    yield
  }
}
