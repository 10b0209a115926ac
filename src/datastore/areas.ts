/**
 * The areas of a store over its slots: room, order and eviction (spec §11.6). Pure, so that disk store,
 * memory store and simulator run the same code.
 * @module
 */
import type { Rng } from '../runtime.ts'
import { CacheOrder, codeIn } from './cache-order.ts'
import { checkRange, farthestOutside, sampleSlots, storeMark, withBucket } from './eviction.ts'
import { LinkShares, UNKNOWN_LINK } from './link-shares.ts'
import type { Shares } from './quota.ts'
import type { SlotTable, SlotUse } from './slot-table.ts'
import { EVICTION_REASONS } from './store.ts'
import type { Area, EvictionReason, PositionRange } from './store.ts'

/** One link may fill this part of the store share before it has to make room for the others. */
const LINK_PART = 16
/** Draws for a slot of one link: it has more than one in 16 of the store's. */
const LINK_DRAWS = 256
/** Slots in a row that are looked at where the draws found none: one turn must not take long. */
const LINK_STEPS = 4096

/** What room is asked for: a slot, or one more index entry of a slot that is there. */
export type RoomFor = SlotUse | 'entry'

/** What is known of a block when its slot begins to count for an area. */
export interface Entering {
  readonly area: Area
  /** Of the home position, in [0, 65536): spec §11.3. */
  readonly bucket: number
  /** 32 pseudo-random bits of the block's name under this home: the ghost list knows it by them. */
  readonly fingerprint: number
  /** As in `PutRequest.link`. */
  readonly link: number
}

export type EvictionCounts = Readonly<Record<Area, Readonly<Record<EvictionReason, number>>>>

export class Areas {
  readonly #table: SlotTable
  readonly #rng: Rng
  readonly #order: CacheOrder
  readonly #links = new LinkShares()
  readonly #evictions = { store: noEvictions(), cache: noEvictions() }
  #shares: Shares
  #range: PositionRange | undefined

  constructor(options: { readonly table: SlotTable; readonly shares: Shares; readonly rng: Rng }) {
    this.#table = options.table
    this.#rng = options.rng
    this.#shares = options.shares
    this.#order = new CacheOrder(options.table, this.#links, options.shares.cacheSlots)
  }

  get shares(): Shares {
    return this.#shares
  }

  /** An area may hold more than its new share: `hasRoom` says no, and `evict` works it down. */
  set shares(shares: Shares) {
    this.#shares = shares
    this.#order.resize(shares.cacheSlots)
  }

  get range(): PositionRange | undefined {
    return this.#range
  }

  /** @throws RangeError where an end is not a ring position. */
  set range(range: PositionRange | undefined) {
    this.#range = range && checkRange(range)
  }

  /** How many slots went, and why, since this was made. */
  get evictions(): EvictionCounts {
    return { store: { ...this.#evictions.store }, cache: { ...this.#evictions.cache } }
  }

  /** Typed arrays for the state file, the areas' own; their lengths follow from the shares. */
  get arrays(): readonly (Uint8Array | Uint16Array | Uint32Array)[] {
    return this.#order.arrays
  }

  /** Bytes of all typed arrays. */
  get bytes(): number {
    return this.#order.bytes
  }

  /** Whether one more fits. `claimedBlocks`: those of the outbox, the one that asks included. */
  hasRoom(use: RoomFor, claimedBlocks: number): boolean {
    const { used, entries } = this.#table
    const cacheSlots = this.#shares.cacheSlots - claimedBlocks
    if (use === 'outbox') return used.cache <= cacheSlots
    if (entries >= this.#shares.maxEntries) return false
    if (use === 'entry') return true
    return use === 'store' ? used.store < this.#shares.storeSlots : used.cache < cacheSlots
  }

  /** Frees one slot for `use`; where it is entries that are too many, of the area that is fuller. */
  evictFor(use: RoomFor): boolean {
    const isShortOfEntries = use !== 'outbox' && this.#table.entries >= this.#shares.maxEntries
    if (isShortOfEntries) return this.evictFuller()
    return this.evict(use === 'store' ? 'store' : 'cache')
  }

  /** Frees one slot of the area that has more of its share; of the other one where none may go. */
  evictFuller(): boolean {
    const { used } = this.#table
    const { storeSlots, cacheSlots } = this.#shares
    const isStoreFuller = used.store / storeSlots > used.cache / Math.max(1, cacheSlots)
    const [first, second] = isStoreFuller ? FULLER.store : FULLER.cache
    return this.evict(first) || this.evict(second)
  }

  /**
   * The slot, just taken for the area, or only pinned so far, or in the cache and moving to the store,
   * counts for `entering.area`. The caller counts its index entry.
   */
  enter(slot: number, { area, bucket, fingerprint, link }: Entering): void {
    const before = this.#table.areaOf(slot)
    if (before === 'cache' && area === 'store') this.#uncount(slot, before)
    if (before !== area) this.#table.setArea(slot, area)
    const code = this.#links.codeFor(link)
    this.#links.add(code, area)
    if (area === 'store') this.#table.setMark(slot, storeMark(code, bucket))
    else this.#order.enter(slot, fingerprint, code)
  }

  /** A second store home of a slot in the store. */
  addHome(slot: number, bucket: number): void {
    if (this.#table.areaOf(slot) !== 'store') return
    this.#table.setMark(slot, withBucket(this.#table.markOf(slot), bucket, this.#range))
  }

  /**
   * A newer edition in `slot`, just taken, stands in for the one in `from`: area, order, link, and entries,
   * which the caller writes anew. `from` is free after the next commit.
   */
  inherit(slot: number, from: number): void {
    const area = this.#table.areaOf(from)
    if (area === undefined) return
    if (this.#table.areaOf(slot) !== area) this.#table.setArea(slot, area)
    if (area === 'cache') this.#order.inherit(slot, from)
    else this.#table.setMark(slot, this.#table.markOf(from))
    this.#table.moveEntries(from, slot)
    this.#table.clearArea(from, 'after-commit')
  }

  /** The slot leaves its area, damaged or replaced. */
  leave(slot: number, when: 'now' | 'after-commit' = 'now'): void {
    const area = this.#table.areaOf(slot)
    if (area === undefined) return
    this.#uncount(slot, area)
    this.#table.clearArea(slot, when)
  }

  /** A peer read it. In the cache it counts if another link than the first asks. */
  hit(slot: number, link: number): void {
    if (this.#table.areaOf(slot) !== 'cache') return
    const mark = this.#table.markOf(slot)
    const first = codeIn(mark)
    if (first !== UNKNOWN_LINK) {
      if (this.#links.knownCode(link) !== first) this.#table.setVisited(slot, true)
      return
    }
    // nobody knows who brought it (a restart): who asks now is the first
    const code = this.#links.codeFor(link)
    this.#links.add(code, 'cache')
    this.#table.setMark(slot, withCode(mark, code))
  }

  /**
   * Chooses one slot of `area` that is not held, and clears it. False: none may go. `reason`: what counts
   * in place of why this one was chosen.
   */
  evict(area: Area, reason?: EvictionReason): boolean {
    const victim = area === 'store' ? this.#storeVictim() : this.#order.choose()
    if (victim === undefined) return false
    this.evictSlot(victim.slot, reason ?? victim.reason)
    return true
  }

  evictSlot(slot: number, reason: EvictionReason): void {
    const area = this.#table.areaOf(slot)
    if (area === undefined) return
    this.#evictions[area][reason]++
    this.leave(slot)
  }

  /**
   * After an open: `from-arrays`, these and the table's were filled in place; `from-index`, every slot has
   * entered again. Links are forgotten: their numbers mean nothing after a restart.
   */
  restored(how: 'from-arrays' | 'from-index'): void {
    const { extent } = this.#table
    this.#links.clear()
    for (let slot = 0; slot < extent; slot++) {
      const mark = this.#table.markOf(slot)
      if (codeIn(mark) !== UNKNOWN_LINK) this.#table.setMark(slot, withCode(mark, UNKNOWN_LINK))
    }
    if (how === 'from-arrays') this.#order.restored()
    else this.#order.forget()
  }

  #uncount(slot: number, area: Area): void {
    this.#links.remove(codeIn(this.#table.markOf(slot)), area)
    if (area === 'cache') this.#order.leave(slot)
  }

  /** Outside the range the farthest of a sample; else of the link that filled too much; else any. */
  #storeVictim(): { slot: number; reason: EvictionReason } | undefined {
    const mayGo = (slot: number): boolean => this.#mayGo(slot)
    const sample = sampleSlots(this.#table.extent, this.#rng, mayGo)
    const marks = sample.map((slot) => this.#table.markOf(slot))
    const outside = sample[farthestOutside(marks, this.#range) ?? sample.length]
    if (outside !== undefined) return { slot: outside, reason: 'out-of-range' }
    const ofLink = this.#slotOfFullest()
    if (ofLink !== undefined) return { slot: ofLink, reason: 'fullest-link' }
    const [slot] = sample
    return slot === undefined ? undefined : { slot, reason: 'random' }
  }

  #slotOfFullest(): number | undefined {
    const { fullest } = this.#links
    if (fullest === undefined) return undefined
    if (this.#links.count(fullest, 'store') <= this.#shares.storeSlots / LINK_PART) return undefined
    const isWanted = (slot: number): boolean =>
      this.#mayGo(slot) && codeIn(this.#table.markOf(slot)) === fullest
    const { extent } = this.#table
    for (let draw = 0; draw < LINK_DRAWS; draw++) {
      const slot = this.#rng.below(extent)
      if (isWanted(slot)) return slot
    }
    const start = this.#rng.below(extent)
    for (let step = 0; step < Math.min(LINK_STEPS, extent); step++) {
      const slot = (start + step) % extent
      if (isWanted(slot)) return slot
    }
    return undefined
  }

  #mayGo(slot: number): boolean {
    return this.#table.areaOf(slot) === 'store' && !this.#table.isHeld(slot)
  }
}

/** The order in which areas give way to one more entry. */
const FULLER = { store: ['store', 'cache'], cache: ['cache', 'store'] } as const

function noEvictions(): Record<EvictionReason, number> {
  const counts = EVICTION_REASONS.map((reason) => [reason, 0] as const)
  return Object.fromEntries(counts) as Record<EvictionReason, number>
}

function withCode(mark: number, code: number): number {
  return code * 2 ** 26 + (mark % 2 ** 26)
}
