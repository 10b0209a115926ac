import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Areas } from '../../src/datastore/areas.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import type { EvictionReason } from '../../src/datastore/store.ts'
import { fingerprintOf } from '../helpers/cache-policies.ts'
import { createSeededRng } from '../helpers/rng.ts'

/** 300 slots for the cache: 30 in its small queue. */
const SLOTS = 1000
const CACHE = 300
const SMALL = 30

/** A cache through the areas, as stores use it. */
class Cache {
  readonly table = new SlotTable(SLOTS, createSeededRng(1))
  readonly areas = new Areas({
    table: this.table,
    shares: sharesOf(SLOTS),
    rng: createSeededRng(2),
  })
  readonly slots = new Map<number, number>()

  constructor() {
    this.table.extend(SLOTS)
  }

  put(name: number, link = 1): void {
    while (!this.areas.hasRoom('cache', 0)) this.areas.evict('cache')
    const slot = this.table.take('cache')?.slot as number
    for (const [other, at] of this.slots) if (at === slot) this.slots.delete(other)
    this.slots.set(name, slot)
    this.areas.enter(slot, {
      area: 'cache',
      bucket: 0,
      fingerprint: fingerprintOf(name),
      link,
    })
    this.table.letGo(slot)
  }

  /** Puts of names from `from` on, each over another of 20 links. */
  fill(from: number, count: number): void {
    for (let name = from; name < from + count; name++) this.put(name, 100 + (name % 20))
  }

  has(name: number): boolean {
    const slot = this.slots.get(name)
    return slot !== undefined && this.table.areaOf(slot) === 'cache'
  }

  hit(name: number, link: number): void {
    assert.ok(this.has(name))
    this.areas.hit(this.slots.get(name) as number, link)
  }

  isMain(name: number): boolean {
    return this.has(name) && this.table.isMain(this.slots.get(name) as number)
  }

  evictions(reason: EvictionReason): number {
    return this.areas.evictions.cache[reason]
  }
}

/** A full cache whose last 30 names are the small queue. */
function fullCache(): Cache {
  const cache = new Cache()
  cache.fill(0, CACHE)
  return cache
}

test('cache order: while there is room the main queue takes what the small one cannot', () => {
  const cache = fullCache()
  const main = Array.from({ length: CACHE }, (_, name) => cache.isMain(name))
  assert.ok(main.slice(0, CACHE - SMALL).every(Boolean))
  assert.ok(!main.slice(CACHE - SMALL).some(Boolean))
})

test('cache order: what nobody asks for again leaves by the small queue, in order of coming', () => {
  const cache = fullCache()
  for (let i = 0; i < 100; i++) {
    cache.fill(1000 + i, 1)
    const oldest = i < SMALL ? CACHE - SMALL + i : 1000 + i - SMALL
    assert.equal(cache.has(oldest), false, `put ${i}`)
    if (i + 1 < SMALL) assert.ok(cache.has(oldest + 1))
  }
  assert.equal(cache.evictions('asked-once'), 100)
  assert.equal(cache.evictions('cold'), 0)
})

test('cache order: what another link asks for goes on to the main queue', () => {
  const cache = fullCache()
  cache.put(1000, 1)
  cache.put(1001, 1)
  cache.hit(1000, 2)
  cache.hit(1001, 1)
  cache.fill(2000, 2 * SMALL)
  assert.ok(cache.isMain(1000))
  assert.equal(cache.has(1001), false, 'the same link does not count')
  assert.equal(cache.evictions('cold'), 1)
})

test('cache order: a link without anything here is another link, too', () => {
  const cache = fullCache()
  cache.put(1000, 1)
  cache.hit(1000, 777)
  cache.fill(2000, 2 * SMALL)
  assert.ok(cache.isMain(1000))
})

test('cache order: what comes back over another link goes to the main queue at once', () => {
  const cache = fullCache()
  cache.put(1000, 1)
  cache.put(1001, 1)
  cache.fill(2000, SMALL + 2)
  assert.equal(cache.has(1000) || cache.has(1001), false)
  cache.put(1000, 2)
  cache.put(1001, 1)
  assert.ok(cache.isMain(1000))
  assert.equal(cache.isMain(1001), false)
})

test('cache order: in the main queue what was asked for since the last round is spared', () => {
  const cache = fullCache()
  for (let name = 0; name < CACHE - SMALL; name += 2) cache.hit(name, 7)
  for (let i = 0; cache.evictions('cold') < 100; i++) {
    cache.fill(1000 + i, 1)
    cache.hit(1000 + i, 2)
    assert.ok(i < 1000)
  }
  const left = (rest: number): number =>
    Array.from({ length: CACHE - SMALL }, (_, name) => name).filter(
      (name) => name % 2 === rest && cache.has(name),
    ).length
  assert.ok(left(0) > left(1) + 60, `${left(0)} and ${left(1)}`)
})

test('cache order: a link that brought much of the cache takes its own places', () => {
  const cache = new Cache()
  for (let name = 0; name < CACHE; name++) cache.put(name, 100 + (name % 20))
  for (let i = 0; i < 2000; i++) {
    cache.put(10_000 + i, 1)
    cache.hit(10_000 + i, 2)
  }
  const left = Array.from({ length: CACHE - SMALL }, (_, name) => cache.has(name)).filter(Boolean)
  assert.ok(left.length >= 0.9 * (CACHE - SMALL), `${left.length} left`)
  assert.ok(cache.evictions('fullest-link') > 1500)
})

test('cache order: with few links each may bring its part', () => {
  const cache = new Cache()
  for (let i = 0; i < 2000; i++) {
    cache.put(i, 1 + (i % 3))
    cache.hit(i, 1 + ((i + 1) % 3))
  }
  assert.equal(cache.evictions('fullest-link'), 0)
})

test('cache order: nobody knows the links after a restart, and who asks first becomes the first', () => {
  const cache = fullCache()
  cache.areas.restored('from-arrays')
  const oldest = CACHE - SMALL
  cache.hit(oldest, 7)
  cache.hit(oldest + 1, 7)
  cache.hit(oldest + 1, 8)
  cache.fill(1000, SMALL)
  assert.equal(cache.has(oldest), false)
  assert.ok(cache.isMain(oldest + 1))
})

test('cache order: restored from its arrays the small queue goes on in its order', () => {
  const cache = fullCache()
  cache.fill(1000, 45) // the ring has gone round once and a half
  const copy = new Cache()
  for (const [name, slot] of cache.slots) copy.slots.set(name, slot)
  const { flags, generations, marks } = cache.table.arrays
  copy.table.arrays.flags.set(flags)
  copy.table.arrays.generations.set(generations)
  copy.table.arrays.marks.set(marks)
  for (const [i, array] of cache.areas.arrays.entries()) copy.areas.arrays[i]?.set(array)
  copy.table.recount(SLOTS)
  copy.areas.restored('from-arrays')
  for (let i = 0; i < 60; i++) {
    copy.fill(2000 + i, 1)
    cache.fill(2000 + i, 1)
    for (let name = 1015; name < 1045; name++) {
      assert.equal(copy.has(name), cache.has(name), `${name} after ${i}`)
    }
  }
  assert.equal(copy.evictions('asked-once'), 60)
})

test('cache order: rebuilt from an index all of the cache is in the main queue', () => {
  const cache = fullCache()
  cache.areas.restored('from-index')
  for (let name = 0; name < CACHE; name++) assert.ok(cache.isMain(name))
  cache.fill(1000, CACHE)
  assert.equal(cache.table.used.cache, CACHE)
  const cold = cache.evictions('cold')
  assert.ok(cold >= SMALL && cold < SMALL + 10, 'until the small queue is full again')
  assert.equal(cache.evictions('asked-once'), CACHE - cold)
})

test('cache order: slots that were cleared behind its back are skipped', () => {
  const cache = fullCache()
  for (let name = CACHE - SMALL; name < CACHE; name += 2) {
    cache.table.clearArea(cache.slots.get(name) as number)
  }
  cache.areas.restored('from-arrays')
  cache.fill(1000, 2 * CACHE)
  assert.equal(cache.table.used.cache, CACHE)
})

test('cache order: a cache of a single slot has room for the newest', () => {
  const table = new SlotTable(4, createSeededRng(1))
  table.extend(4)
  const areas = new Areas({ table, shares: sharesOf(4), rng: createSeededRng(1) })
  for (let name = 0; name < 50; name++) {
    while (!areas.hasRoom('cache', 0)) assert.ok(areas.evict('cache'))
    const slot = table.take('cache')?.slot as number
    areas.enter(slot, { area: 'cache', bucket: 0, fingerprint: name * 1_000_003, link: name % 3 })
    areas.hit(slot, name % 2)
    table.letGo(slot)
    assert.equal(table.used.cache, 1)
  }
})

test('cache order: of very many that were all asked for again one eviction passes by a few thousand', () => {
  const table = new SlotTable(40_000, createSeededRng(1))
  table.extend(40_000)
  const areas = new Areas({ table, shares: sharesOf(40_000), rng: createSeededRng(1) })
  const slots = Array.from({ length: 12_000 }, (_, i) => {
    const slot = table.take('cache')?.slot as number
    areas.enter(slot, { area: 'cache', bucket: 0, fingerprint: i, link: 1 })
    table.letGo(slot)
    return slot
  })
  areas.restored('from-index')
  for (const link of [1, 2]) for (const slot of slots) areas.hit(slot, link)
  const visited = (): number => slots.filter((slot) => table.isVisited(slot)).length
  for (const left of [7903, 3806]) {
    assert.ok(areas.evict('cache'))
    assert.equal(visited(), left)
  }
  assert.equal(table.used.cache, 11_998)
})
