import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { Areas } from '../../src/datastore/areas.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import type { Area, EvictionReason } from '../../src/datastore/store.ts'
import { fingerprintOf } from '../helpers/cache-policies.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

interface Store {
  readonly table: SlotTable
  readonly areas: Areas
}

function storeOf(slots: number, seed = slots): Store {
  const rng = createSeededRng(seed)
  const table = new SlotTable(slots, rng)
  table.extend(slots)
  return { table, areas: new Areas({ table, shares: sharesOf(slots), rng }) }
}

interface Put {
  readonly area: Area
  readonly link?: number
  readonly bucket?: number
  readonly name?: number
}

/** Puts a block as a store does, evicting where it must; its slot. */
function put({ table, areas }: Store, { area, link = 1, bucket = 0, name = 0 }: Put): number {
  while (!areas.hasRoom(area, 0)) assert.ok(areas.evictFor(area), 'something may go')
  const slot = table.take(area)?.slot
  assert.ok(slot !== undefined, 'there is room, and a slot')
  areas.enter(slot, { area, bucket, fingerprint: fingerprintOf(name), link })
  table.addEntry(slot)
  table.letGo(slot)
  return slot
}

function countOf({ areas }: Store, area: Area, reason: EvictionReason): number {
  return areas.evictions[area][reason]
}

test('areas: each has room up to its share, and the cache gives up what the outbox claims', () => {
  const store = storeOf(100)
  const { areas } = store
  for (let i = 0; i < 70; i++) put(store, { area: 'store' })
  assert.equal(areas.hasRoom('store', 0), false)
  for (let i = 0; i < 20; i++) put(store, { area: 'cache', name: i })
  assert.ok(areas.hasRoom('cache', 9))
  assert.equal(areas.hasRoom('cache', 10), false)
  assert.ok(areas.hasRoom('outbox', 10))
  assert.equal(areas.hasRoom('outbox', 11), false)
  assert.equal(areas.evict('cache'), true)
  assert.ok(areas.hasRoom('outbox', 11))
})

test('areas: with too many entries nobody but the outbox has room, and the fuller area gives way', () => {
  const store = storeOf(100)
  const { table, areas } = store
  for (let i = 0; i < 67; i++) {
    const slot = put(store, { area: 'store' })
    table.addEntry(slot)
    if (i > 0) table.addEntry(slot)
  }
  assert.equal(table.entries, 200)
  for (const use of ['store', 'cache', 'entry'] as const) assert.equal(areas.hasRoom(use, 0), false)
  assert.ok(areas.hasRoom('outbox', 0))
  const before = table.used.store
  put(store, { area: 'cache' })
  assert.equal(table.used.store, before - 1)
  assert.ok(areas.hasRoom('entry', 0))
})

test('areas: what is held is not evicted, and when all is held nothing is', () => {
  const store = storeOf(20)
  const { table, areas } = store
  for (const area of ['store', 'cache'] as const) {
    const slots = Array.from({ length: area === 'store' ? 14 : 6 }, (_, i) =>
      put(store, { area, name: i, link: i }),
    )
    for (const slot of slots) table.hold(slot)
    assert.equal(areas.evict(area), false)
    const [spared] = slots as [number]
    table.letGo(spared)
    assert.equal(areas.evict(area), true)
    assert.equal(table.areaOf(spared), undefined)
    assert.equal(areas.evict(area), false)
  }
})

test('areas: what lies outside the range goes first, the farthest of a sample', () => {
  const store = storeOf(100)
  const { table, areas } = store
  areas.range = { from: 0, to: 2 ** 46 - 1 }
  const inside = Array.from({ length: 40 }, () => put(store, { area: 'store', bucket: 100 }))
  const near = Array.from({ length: 15 }, () => put(store, { area: 'store', bucket: 20_000 }))
  const far = Array.from({ length: 15 }, () => put(store, { area: 'store', bucket: 40_000 }))
  const left = (slots: number[]): number => slots.filter((slot) => table.areaOf(slot)).length
  for (let i = 1; i <= 15; i++) areas.evict('store')
  assert.deepEqual([left(inside), left(near), left(far)], [40, 15, 0])
  for (let i = 1; i <= 15; i++) areas.evict('store')
  assert.deepEqual([left(inside), left(near)], [40, 0])
  assert.equal(countOf(store, 'store', 'out-of-range'), 30)
})

test('areas: a second home within the range keeps a block', () => {
  const store = storeOf(20)
  const { table, areas } = store
  areas.range = { from: 0, to: 2 ** 46 - 1 }
  const both = put(store, { area: 'store', bucket: 60_000 })
  areas.addHome(both, 100)
  for (let i = 0; i < 60; i++) put(store, { area: 'store', bucket: 20_000 })
  assert.equal(table.areaOf(both), 'store')
})

test('areas: a link that filled more than a sixteenth makes room for the others', () => {
  const store = storeOf(1000)
  const { table, areas } = store
  const honest = Array.from({ length: 600 }, (_, i) => put(store, { area: 'store', link: i % 20 }))
  for (let i = 0; i < 2000; i++) put(store, { area: 'store', link: 99 })
  const left = honest.filter((slot) => table.tenure(slot).generation === 0).length
  assert.ok(left >= 600 - 44, `${left} of 600 honest blocks`)
  assert.ok(countOf(store, 'store', 'fullest-link') > 1800)
  assert.equal(countOf(store, 'store', 'out-of-range'), 0)
  assert.ok(areas.evict('store'))
})

test('areas: without links that are known a random one goes', () => {
  const store = storeOf(100)
  for (let i = 0; i < 70; i++) put(store, { area: 'store', link: 5 })
  store.areas.restored('from-arrays')
  assert.ok(store.areas.evict('store'))
  assert.equal(countOf(store, 'store', 'random'), 1)
  store.areas.evictSlot(store.table.areaOf(0) === 'store' ? 0 : 1, 'resize')
  assert.equal(countOf(store, 'store', 'resize'), 1)
})

test('areas: a block moves from the cache to the store, and is counted once', () => {
  const store = storeOf(100)
  const { table, areas } = store
  const slots = Array.from({ length: 30 }, (_, name) => put(store, { area: 'cache', name }))
  for (const slot of slots) {
    areas.enter(slot, { area: 'store', bucket: 5, fingerprint: 0, link: 1 })
    assert.equal(table.areaOf(slot), 'store')
  }
  assert.deepEqual(table.used, { store: 30, cache: 0, outbox: 0 })
  assert.equal(areas.evict('cache'), false)
  for (let i = 0; i < 90; i++) put(store, { area: 'cache', name: 100 + i })
  assert.equal(table.used.cache, 30)
})

test('areas: a newer edition has the place and the entries of the old one', () => {
  for (const area of ['store', 'cache'] as const) {
    const store = storeOf(20)
    const { table, areas } = store
    const from = put(store, { area, bucket: 300, link: 7 })
    table.addEntry(from)
    const [mark, entries] = [table.markOf(from), table.entries]
    const to = table.take('outbox')?.slot as number
    areas.inherit(to, from)
    areas.leave(from, 'after-commit')
    assert.deepEqual([table.areaOf(to), table.areaOf(from)], [area, undefined])
    assert.equal(table.markOf(to), mark)
    assert.equal(table.isMain(to), false)
    assert.deepEqual([table.entriesOf(to), table.entries, table.staleEntries], [2, entries, 0])
    assert.deepEqual(table.takeLimbo(), [from])
    table.unpin(to)
    table.letGo(to)
    assert.ok(areas.evict(area))
    assert.equal(table.isInUse(to), false, 'it is found by the order')
  }
})

test('areas: what the outbox alone pins is in no area', () => {
  const store = storeOf(20)
  const { table, areas } = store
  const pinned = table.take('outbox')?.slot as number
  table.letGo(pinned)
  areas.leave(pinned)
  areas.hit(pinned, 1)
  areas.evictSlot(pinned, 'cold')
  assert.ok(table.isPinned(pinned))
  areas.enter(pinned, { area: 'cache', bucket: 0, fingerprint: 1, link: 1 })
  assert.ok(areas.evict('cache'))
  assert.ok(table.isPinned(pinned))
  assert.deepEqual(table.used, { store: 0, cache: 0, outbox: 1 })
})

test('areas: other shares hold from now on, and what is too much works its way down', () => {
  const store = storeOf(1000)
  const { table, areas } = store
  for (let i = 0; i < 1000; i++) put(store, { area: i % 10 < 7 ? 'store' : 'cache', name: i })
  for (const slots of [500, 1000, 0, 100]) {
    areas.shares = sharesOf(slots)
    assert.deepEqual(areas.shares, sharesOf(slots))
    for (const area of ['store', 'cache'] as const) {
      while (!areas.hasRoom(area, 0) && areas.evict(area));
    }
    assert.ok(table.used.store <= areas.shares.storeSlots)
    assert.ok(table.used.cache <= areas.shares.cacheSlots)
  }
  for (let i = 0; i < 300; i++) put(store, { area: 'cache', name: 5000 + i })
  assert.equal(table.used.cache, 30)
})

test('areas: a range that is no range is a mistake of the caller', () => {
  const { areas } = storeOf(10)
  assert.throws(() => {
    areas.range = { from: -1, to: 0 }
  }, RangeError)
  areas.range = undefined
  assert.equal(areas.range, undefined)
})

test('areas: their arrays take at most 0.8 bytes a slot', () => {
  for (const slots of [10_000, 1_000_000]) {
    const { areas } = storeOf(slots)
    assert.ok(areas.bytes / slots <= 0.8, `${areas.bytes / slots} of ${slots}`)
  }
})

/** Who is where, by link. */
interface Known {
  readonly area: Area
  readonly link: number
}

const LINKS = 30

class Model {
  readonly store = storeOf(200)
  readonly known = new Map<number, Known>()
  readonly evicted = { store: 0, cache: 0 }

  /** Random things that a store does with its areas. */
  step(kind: number, at: number, link: number): void {
    const { areas, table } = this.store
    const slots = [...this.known.keys()]
    const slot = slots[at % Math.max(1, slots.length)] ?? 0
    const here = this.known.get(slot)
    if (kind <= 1) this.put(kind === 0 ? 'store' : 'cache', at, link)
    else if (here === undefined) return
    else if (kind === 2) areas.hit(slot, link)
    else if (kind === 3) this.moveToStore(slot, link)
    else if (kind === 4) this.replace(slot, here)
    else if (kind === 5) areas.addHome(slot, at % 65_536)
    else {
      areas.leave(slot)
      this.known.delete(slot)
    }
    assert.equal(table.used.store + table.used.cache, this.known.size)
  }

  put(area: Area, name: number, link: number): void {
    while (!this.store.areas.hasRoom(area, 0)) this.evict(area)
    const slot = put(this.store, { area, link, name })
    this.known.set(slot, { area, link })
  }

  /** The slot that goes is one of the area; in the store it is of the fullest link, if of any. */
  evict(area: Area): void {
    const { areas, table } = this.store
    const before = areas.evictions[area]['fullest-link']
    const counts = this.storeCounts()
    assert.ok(areas.evict(area))
    this.evicted[area]++
    const gone = [...this.known].filter(([slot]) => table.areaOf(slot) === undefined)
    assert.equal(gone.length, 1)
    const [[slot, known]] = gone as [[number, Known]]
    assert.equal(known.area, area)
    this.known.delete(slot)
    if (area === 'cache') return
    const most = Math.max(...counts.values())
    const isFull = most > areas.shares.storeSlots / 16
    assert.equal(areas.evictions.store['fullest-link'] - before, Number(isFull))
    if (isFull) assert.equal(counts.get(known.link), most)
  }

  storeCounts(): Map<number, number> {
    const counts = new Map<number, number>()
    for (const { area, link } of this.known.values()) {
      if (area === 'store') counts.set(link, (counts.get(link) ?? 0) + 1)
    }
    return counts
  }

  moveToStore(slot: number, link: number): void {
    const { areas } = this.store
    if (this.known.get(slot)?.area !== 'cache') return
    while (!areas.hasRoom('store', 0)) this.evict('store')
    areas.enter(slot, { area: 'store', bucket: 1, fingerprint: 0, link })
    this.known.set(slot, { area: 'store', link })
  }

  replace(from: number, here: Known): void {
    const { areas, table } = this.store
    const to = table.take('outbox')?.slot
    if (to === undefined) return
    areas.inherit(to, from)
    table.unpin(to)
    table.letGo(to)
    table.free(table.takeLimbo())
    this.known.delete(from)
    this.known.set(to, here)
  }
}

test('areas: counts do not drift, and every block is found by eviction in the end', (t) => {
  const seed = seedFromEnvironment()
  t.diagnostic(`SEED=${seed}`)
  const step = fc.tuple(fc.nat(6), fc.nat(100_000), fc.nat(LINKS))
  const steps = fc.array(step, { minLength: 500, maxLength: 1500, size: 'max' })
  const property = fc.property(steps, (all) => {
    const model = new Model()
    for (const [kind, at, link] of all) model.step(kind > 4 && at % 4 > 0 ? 0 : kind, at, link)
    const { used } = model.store.table
    for (const area of ['store', 'cache'] as const) {
      for (let left = used[area]; left > 0; left--) model.evict(area)
      assert.equal(model.store.areas.evict(area), false)
      const counts = Object.values(model.store.areas.evictions[area])
      assert.equal(
        counts.reduce((a, b) => a + b, 0),
        model.evicted[area],
      )
    }
    assert.deepEqual(used, { store: 0, cache: 0, outbox: 0 })
    assert.equal(model.store.table.freeCount, 200)
  })
  fc.assert(property, { seed, numRuns: 40, endOnFailure: true })
})
