/**
 * Who goes when the cache is full: S3-FIFO in about 0.8 bytes a slot of the whole store (spec §11.6). New
 * blocks pass a small queue; those asked for meanwhile, or again soon after, go to the main queue, which
 * is a clock over slot numbers. A repeat counts only over another link than the first, and who brought
 * much of the main queue takes its own places there: two links together cannot wash it out either.
 * @module
 */
import { GhostList } from './ghost-list.ts'
import { UNKNOWN_LINK } from './link-shares.ts'
import type { LinkShares } from './link-shares.ts'
import type { SlotTable } from './slot-table.ts'
import type { EvictionReason } from './store.ts'

/** The small queue is one tenth of the cache, as published; its slots and names take 8 bytes each. */
const SMALL_PART = 10
/** A link that brought more of the cache than this, and than twice the mean, only replaces its own. */
const LINK_PART = 1 / 8
/** Slots looked at for one of a link: it has one in 27 or more. */
const LINK_STEPS = 4096
/** Slots asked for again that one eviction passes by: then it takes the next, or the turn gets long. */
const MAX_SPARED = 4096
/** A ring place in which no slot stands. */
const EMPTY = 0xffffffff
/** The lower bits of a small slot's mark: its place in the ring. */
const PLACE_BITS = 26
const PLACES = 2 ** PLACE_BITS

export interface CacheVictim {
  readonly slot: number
  readonly reason: EvictionReason
}

/** The upper six bits of a mark: who brought the slot. */
export function codeIn(mark: number): number {
  return mark >>> PLACE_BITS
}

export class CacheOrder {
  readonly #table: SlotTable
  readonly #links: LinkShares
  #ghosts: GhostList
  /** The small queue: slots in order of coming, from `head` on; those that left early are EMPTY. */
  #slots: Uint32Array
  #names: Uint32Array
  /** Where the oldest stands, and how many places from there on are taken. */
  readonly #span = new Uint32Array(2)
  #smallCount = 0
  /** Slot number at which the clock of the main queue stands. */
  #hand = 0

  /** `cacheSlots`: most slots of the cache. */
  constructor(table: SlotTable, links: LinkShares, cacheSlots: number) {
    this.#table = table
    this.#links = links
    const places = smallPart(cacheSlots)
    this.#ghosts = new GhostList(cacheSlots - places)
    this.#slots = new Uint32Array(places).fill(EMPTY)
    this.#names = new Uint32Array(places)
  }

  /** What the state file keeps: the small queue. Names without links mean nothing later. */
  get arrays(): readonly Uint32Array[] {
    return [this.#slots, this.#names, this.#span]
  }

  get bytes(): number {
    return this.#ghosts.bytes + this.#slots.byteLength + this.#names.byteLength
  }

  /** A slot of the cache, brought by the link of `code`; `name`: 32 bits of the block's name. */
  enter(slot: number, name: number, code: number): void {
    const ghost = this.#ghosts.take(name)
    this.#table.setMark(slot, markOf(code, 0))
    const isRepeat = ghost !== undefined && ghost !== code
    if (isRepeat && !this.#isOverfull(code)) this.#table.setMain(slot, true)
    else this.#push(slot, name)
  }

  /** A slot is about to leave the cache. */
  leave(slot: number): void {
    const place = this.#placeOf(slot)
    if (place === undefined) return
    this.#slots[place] = EMPTY
    this.#smallCount--
  }

  /** `slot`, in the cache already but not in its order, takes the place of `from`. */
  inherit(slot: number, from: number): void {
    const place = this.#placeOf(from)
    if (place !== undefined) this.#slots[place] = slot
    this.#table.setMark(slot, this.#table.markOf(from))
    this.#table.setMain(slot, this.#table.isMain(from))
    this.#table.setVisited(slot, this.#table.isVisited(from))
  }

  /** The slot that goes, which the caller then clears; undefined: all are held. */
  choose(): CacheVictim | undefined {
    const { used } = this.#table
    for (let spared = 0; spared < MAX_SPARED; spared++) {
      if (this.#smallCount < smallPart(used.cache)) break
      const slot = this.#oldest()
      if (slot === undefined) break
      const victim = this.#judge(slot)
      if (victim !== undefined) return victim
    }
    const slot = this.#coldest()
    if (slot !== undefined) return { slot, reason: 'cold' }
    const last = this.#oldest()
    return last === undefined ? undefined : this.#forget(last)
  }

  /** The cache may have `cacheSlots` from now on. */
  resize(cacheSlots: number): void {
    const small = this.#small()
    const places = smallPart(cacheSlots)
    if (places === this.#slots.length) return
    this.#ghosts = new GhostList(cacheSlots - places)
    this.#reset(places)
    for (const { slot, name } of small) this.#push(slot, name)
  }

  /** The arrays were filled in place, as the table's were. */
  restored(): void {
    const small = this.#small()
    this.forget()
    for (const { slot, name } of small) {
      this.#table.setMain(slot, false)
      this.#push(slot, name)
    }
  }

  /** All of the cache is in the main queue, in no order. */
  forget(): void {
    const { extent } = this.#table
    this.#ghosts.clear()
    this.#reset(this.#slots.length)
    for (let slot = 0; slot < extent; slot++) {
      if (this.#table.areaOf(slot) === 'cache') this.#table.setMain(slot, true)
    }
  }

  #reset(places: number): void {
    this.#slots = new Uint32Array(places).fill(EMPTY)
    this.#names = new Uint32Array(places)
    this.#span.fill(0)
    this.#smallCount = 0
  }

  /** To the end of the small queue. What it cannot hold goes to the main queue: the oldest. */
  #push(slot: number, name: number): void {
    const places = this.#slots.length
    if (this.#length === places) this.#drop()
    const place = (this.#head + this.#length) % places
    this.#slots[place] = slot
    this.#names[place] = name
    this.#span[1] = this.#length + 1
    this.#smallCount++
    this.#table.setMark(slot, markOf(codeIn(this.#table.markOf(slot)), place))
  }

  /** Gives the oldest place free. */
  #drop(): void {
    const slot = this.#slots[this.#head] as number
    if (this.#placeOf(slot) === this.#head) this.#graduate(slot)
    this.#slots[this.#head] = EMPTY
    this.#span[0] = (this.#head + 1) % this.#slots.length
    this.#span[1] = this.#length - 1
  }

  #graduate(slot: number): void {
    this.leave(slot)
    this.#table.setMain(slot, true)
    this.#table.setVisited(slot, false)
  }

  /** The oldest of the small queue that may go. */
  #oldest(): number | undefined {
    while (this.#length > 0 && this.#slots[this.#head] === EMPTY) this.#drop()
    for (let step = 0; step < this.#length; step++) {
      const slot = this.#at(step)
      if (slot !== undefined && !this.#table.isHeld(slot)) return slot
    }
    return undefined
  }

  /** The oldest small slot goes, or enters the main queue: a victim may make way for it there. */
  #judge(slot: number): CacheVictim | undefined {
    if (!this.#table.isVisited(slot)) return this.#forget(slot)
    const code = codeIn(this.#table.markOf(slot))
    const victim = this.#isOverfull(code) ? (this.#coldestOf(code) ?? slot) : undefined
    if (victim !== slot) this.#graduate(slot)
    return victim === undefined ? undefined : { slot: victim, reason: 'fullest-link' }
  }

  #forget(slot: number): CacheVictim {
    const name = this.#names[this.#placeOf(slot) as number] as number
    this.#ghosts.remember(name, codeIn(this.#table.markOf(slot)))
    return { slot, reason: 'asked-once' }
  }

  /** The first slot from the hand on that was not asked for since the hand was last there. */
  #coldest(): number | undefined {
    const { extent, used } = this.#table
    if (used.cache <= this.#smallCount) return undefined
    let spared = 0
    for (let step = 0; step < 2 * extent; step++) {
      const slot = this.#hand % extent
      this.#hand = slot + 1
      if (!this.#isMain(slot) || this.#table.isHeld(slot)) continue
      if (!this.#table.isVisited(slot) || ++spared > MAX_SPARED) return slot
      this.#table.setVisited(slot, false)
    }
    return undefined
  }

  /** The next slot that a link brought and that the clock's hand would take now. */
  #coldestOf(code: number): number | undefined {
    const { extent } = this.#table
    for (let step = 0; step < Math.min(LINK_STEPS, extent); step++) {
      const slot = (this.#hand + step) % extent
      if (!this.#isMain(slot) || codeIn(this.#table.markOf(slot)) !== code) continue
      if (!this.#table.isVisited(slot) && !this.#table.isHeld(slot)) return slot
    }
    return undefined
  }

  /** Whether a link has brought so much of the cache that its next block has to replace its own. */
  #isOverfull(code: number): boolean {
    if (code === UNKNOWN_LINK) return false
    const part = Math.max(LINK_PART, 2 / this.#links.linksIn('cache'))
    return this.#links.count(code, 'cache') > this.#table.used.cache * part
  }

  #isMain(slot: number): boolean {
    return this.#table.isMain(slot) && this.#table.areaOf(slot) === 'cache'
  }

  #small(): { readonly slot: number; readonly name: number }[] {
    const small = []
    for (let step = 0; step < this.#length; step++) {
      const slot = this.#at(step)
      const name = this.#names[(this.#head + step) % this.#names.length] as number
      if (slot !== undefined) small.push({ slot, name })
    }
    return small
  }

  /** The slot that stands `step` places behind the oldest. */
  #at(step: number): number | undefined {
    const place = (this.#head + step) % this.#slots.length
    const slot = this.#slots[place] as number
    return this.#placeOf(slot) === place ? slot : undefined
  }

  /** Its place in the small queue. The ring is asked too: slots may have been cleared behind its back. */
  #placeOf(slot: number): number | undefined {
    if (this.#table.areaOf(slot) !== 'cache' || this.#table.isMain(slot)) return undefined
    const place = this.#table.markOf(slot) % PLACES
    return this.#slots[place] === slot ? place : undefined
  }

  get #head(): number {
    return (this.#span[0] as number) % this.#slots.length
  }

  get #length(): number {
    return Math.min(this.#span[1] as number, this.#slots.length)
  }
}

function markOf(code: number, place: number): number {
  return code * PLACES + place
}

function smallPart(cacheSlots: number): number {
  return Math.max(1, Math.floor(cacheSlots / SMALL_PART))
}
