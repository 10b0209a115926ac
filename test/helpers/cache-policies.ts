/**
 * Ways of choosing what a cache gives up, behind one interface: those of the textbooks, and ours, which
 * is the very code of the store.
 * @module
 */
import { Areas } from '../../src/datastore/areas.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import type { Rng } from '../../src/runtime.ts'

export interface CachePolicy {
  /** An item is asked for over a link, and kept if it was not here. True: it was. */
  request(item: number, link: number): boolean
}

export type MakePolicy = (capacity: number, rng: Rng) => CachePolicy

/** The least recently used goes; without `isTouched` the oldest (FIFO). */
class Queue implements CachePolicy {
  readonly #items = new Set<number>()
  readonly #capacity: number
  readonly #isTouched: boolean

  constructor(capacity: number, isTouched: boolean) {
    this.#capacity = capacity
    this.#isTouched = isTouched
  }

  request(item: number): boolean {
    const isHit = this.#items.has(item)
    if (isHit && !this.#isTouched) return true
    if (isHit) this.#items.delete(item)
    else if (this.#items.size === this.#capacity) this.#items.delete(firstOf(this.#items))
    this.#items.add(item)
    return isHit
  }
}

class RandomOut implements CachePolicy {
  readonly #items: number[] = []
  readonly #here = new Set<number>()
  readonly #capacity: number
  readonly #rng: Rng

  constructor(capacity: number, rng: Rng) {
    this.#capacity = capacity
    this.#rng = rng
  }

  request(item: number): boolean {
    if (this.#here.has(item)) return true
    const isFull = this.#items.length === this.#capacity
    const at = isFull ? this.#rng.below(this.#capacity) : this.#items.length
    if (isFull) this.#here.delete(this.#items[at] as number)
    this.#items[at] = item
    this.#here.add(item)
    return false
  }
}

/** S3-FIFO as published, with one bit: exact queues, exact ghosts, every repeat counts. */
class PlainS3Fifo implements CachePolicy {
  readonly #small = new Map<number, boolean>()
  readonly #main = new Map<number, boolean>()
  readonly #ghosts = new Set<number>()
  readonly #smallSize: number
  readonly #mainSize: number

  constructor(capacity: number) {
    this.#smallSize = Math.max(1, Math.floor(capacity / 10))
    this.#mainSize = capacity - this.#smallSize
  }

  request(item: number): boolean {
    for (const queue of [this.#small, this.#main]) {
      if (!queue.has(item)) continue
      queue.set(item, true)
      return true
    }
    while (this.#small.size + this.#main.size >= this.#smallSize + this.#mainSize) this.#evict()
    if (this.#ghosts.delete(item)) this.#main.set(item, false)
    else this.#small.set(item, false)
    return false
  }

  #evict(): void {
    if (this.#small.size < this.#smallSize) {
      this.#evictMain()
      return
    }
    const item = firstOf(this.#small.keys())
    const isVisited = this.#small.get(item) === true
    this.#small.delete(item)
    if (isVisited) this.#main.set(item, false)
    else this.#remember(item)
  }

  #evictMain(): void {
    for (;;) {
      const item = firstOf(this.#main.keys())
      const isVisited = this.#main.get(item) === true
      this.#main.delete(item)
      if (!isVisited) return
      this.#main.set(item, false)
    }
  }

  #remember(item: number): void {
    if (this.#ghosts.size >= this.#mainSize) this.#ghosts.delete(firstOf(this.#ghosts))
    this.#ghosts.add(item)
  }
}

/** The cache area of a store whose store area is full. */
class OurCache implements CachePolicy {
  readonly #table: SlotTable
  readonly #areas: Areas
  readonly #slotOf = new Map<number, number>()
  readonly #itemIn: Int32Array

  constructor(capacity: number, rng: Rng) {
    const shares = sharesOf(Math.ceil(capacity / 0.3))
    this.#table = new SlotTable(shares.slots, rng)
    this.#table.extend(shares.slots)
    this.#areas = new Areas({ table: this.#table, shares, rng })
    this.#itemIn = new Int32Array(shares.slots).fill(-1)
    while (this.#areas.hasRoom('store', 0)) this.#take('store', rng.below(2 ** 32), 0)
  }

  request(item: number, link: number): boolean {
    const held = this.#slotOf.get(item)
    if (held !== undefined && this.#table.areaOf(held) === 'cache') {
      this.#areas.hit(held, link)
      return true
    }
    while (!this.#areas.hasRoom('cache', 0)) this.#areas.evict('cache')
    const slot = this.#take('cache', fingerprintOf(item), link)
    const last = this.#itemIn[slot] as number
    if (last >= 0) this.#slotOf.delete(last)
    this.#itemIn[slot] = item
    this.#slotOf.set(item, slot)
    return false
  }

  #take(area: 'store' | 'cache', fingerprint: number, link: number): number {
    const tenure = this.#table.take(area)
    if (tenure === undefined) throw new Error('there is room, and no slot')
    this.#areas.enter(tenure.slot, { area, bucket: fingerprint >>> 16, fingerprint, link })
    this.#table.addEntry(tenure.slot)
    this.#table.letGo(tenure.slot)
    return tenure.slot
  }
}

/** In the order of a table's columns. */
export const POLICIES: Readonly<Record<string, MakePolicy>> = {
  random: (capacity, rng) => new RandomOut(capacity, rng),
  FIFO: (capacity) => new Queue(capacity, false),
  LRU: (capacity) => new Queue(capacity, true),
  'plain S3-FIFO': (capacity) => new PlainS3Fifo(capacity),
  ours: (capacity, rng) => new OurCache(capacity, rng),
}

/** Bytes of all typed arrays that choose, for one slot of a store of so many. */
export function bytesASlot(slots: number): number {
  const rng = { below: () => 0 }
  const table = new SlotTable(slots, rng)
  return (table.bytes + new Areas({ table, shares: sharesOf(slots), rng }).bytes) / slots
}

/** 32 bits that stand for an item: the last step of MurmurHash3. */
export function fingerprintOf(item: number): number {
  let bits = item + 0x9e3779b9
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

function firstOf(items: Iterable<number>): number {
  for (const item of items) return item
  throw new Error('nothing is here')
}
