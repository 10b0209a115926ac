/**
 * Who uses each slot, in memory, 6.1 bytes a slot and pure: area, pin, generation, and a mark for those
 * who choose what is evicted (spec §11.5). A slot that is freed gets another generation: index entries
 * that name the one before are _stale_, which is all that an eviction has to do.
 * @module
 */
import type { Rng } from '../runtime.ts'
import type { Area } from './store.ts'

/** What a slot is taken for. */
export type SlotUse = Area | 'outbox'

/** A slot at one time of its life; stale once the slot has been freed. */
export interface SlotTenure {
  readonly slot: number
  /** In [0, 256): counts how often the slot was freed, and wraps. */
  readonly generation: number
}

/** The packed state of all slots, for the state file; the arrays are the table's own. */
export interface SlotArrays {
  readonly flags: Uint8Array
  readonly generations: Uint8Array
  readonly marks: Uint32Array
}

const AREA_BITS = 0b11
const AREAS = [undefined, 'store', 'cache'] as const
const PINNED = 1 << 2
/** Two bits for those who order the cache. */
const MAIN = 1 << 3
const VISITED = 1 << 4
/** Index entries of store and cache that name the slot: one a home, so 0 to 3. */
const ENTRY_SHIFT = 5
const ENTRY_BITS = 0b11 << ENTRY_SHIFT
const MAX_ENTRIES = 3
/** Free slots are looked for in groups of this many. */
const GROUP_SLOTS = 1024
const GROUP_WORDS = GROUP_SLOTS / 32
/** Of the slots that the disk does not take at most so many are set aside, and at most one in 16. */
const MOST_ASIDE = 1024
const LEAST_ASIDE = 4

export class SlotTable {
  /** Slots that count for each area; `outbox`: pinned and in no area. */
  readonly used = { store: 0, cache: 0, outbox: 0 }
  /** Index entries of store and cache that name a slot as it is now. */
  entries = 0
  /** Those left behind by freed slots: about as many as the index has beyond the others. */
  staleEntries = 0
  readonly #rng: Rng
  #flags: Uint8Array
  #generations: Uint8Array
  #marks: Uint32Array
  /** One bit a slot: set, it may be taken. Kept in step with the counts of each group. */
  #freeBits: Uint32Array
  #freeInGroup: Uint16Array
  #freeCount = 0
  /** In a full store it is the only one that is free. */
  #lastFreed = 0
  #extent = 0
  #limit: number
  /** Freed, but an index entry on disk may still be the only one that leads to their bytes. */
  #limbo = new Set<number>()
  /** Slots that the commit under way will free. */
  #leaving = new Set<number>()
  readonly #held = new Map<number, number>()
  /** Not free although nobody uses them, the oldest first. */
  readonly #aside = new Set<number>()

  /** `capacity`: slots there may be at most; none of them is there before `extend`. */
  constructor(capacity: number, rng: Rng) {
    this.#rng = rng
    this.#limit = capacity
    this.#flags = new Uint8Array(capacity)
    this.#generations = new Uint8Array(capacity)
    this.#marks = new Uint32Array(capacity)
    this.#freeBits = new Uint32Array(groupsOf(capacity) * GROUP_WORDS)
    this.#freeInGroup = new Uint16Array(groupsOf(capacity))
  }

  get capacity(): number {
    return this.#flags.length
  }

  /** Slots that are there, from 0: the length of the slab. */
  get extent(): number {
    return this.#extent
  }

  /** Slots from this number on are given up: none of them is taken any more. */
  get limit(): number {
    return this.#limit
  }

  /** The slot that was freed last, and may have been taken since. */
  get lastFreed(): number {
    return this.#lastFreed
  }

  get freeCount(): number {
    return this.#freeCount
  }

  /** Bytes of all typed arrays. */
  get bytes(): number {
    const arrays = [this.#flags, this.#generations, this.#marks, this.#freeBits, this.#freeInGroup]
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  get arrays(): SlotArrays {
    return { flags: this.#flags, generations: this.#generations, marks: this.#marks }
  }

  areaOf(slot: number): Area | undefined {
    return AREAS[(this.#flags[slot] ?? 0) & AREA_BITS]
  }

  isPinned(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & PINNED) !== 0
  }

  isInUse(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & (AREA_BITS | PINNED)) !== 0
  }

  /** Whether an index entry that names this tenure, of an area or of the outbox, still holds. */
  isCurrent({ slot, generation }: SlotTenure, use: 'area' | 'outbox'): boolean {
    const bits = use === 'area' ? AREA_BITS : PINNED
    return ((this.#flags[slot] ?? 0) & bits) !== 0 && this.#generations[slot] === generation
  }

  tenure(slot: number): SlotTenure {
    return { slot, generation: this.#generations[slot] ?? 0 }
  }

  /** 32 bits for those who choose what is evicted; 0 in a slot just taken. */
  markOf(slot: number): number {
    return this.#marks[slot] ?? 0
  }

  setMark(slot: number, mark: number): void {
    this.#marks[slot] = mark
  }

  isMain(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & MAIN) !== 0
  }

  setMain(slot: number, isMain: boolean): void {
    this.#setFlag(slot, MAIN, isMain)
  }

  isVisited(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & VISITED) !== 0
  }

  setVisited(slot: number, isVisited: boolean): void {
    this.#setFlag(slot, VISITED, isVisited)
  }

  /**
   * A free slot, drawn at random (places on disk tell nothing of time), which counts for `use` from now
   * on and is held: call `letGo` when its entries are queued. undefined: none is free.
   */
  take(use: SlotUse): SlotTenure | undefined {
    const slot = this.#drawFree()
    if (slot === undefined) return undefined
    this.#unsetFree(slot)
    this.#marks[slot] = 0
    this.#change(slot, use === 'outbox' ? PINNED : AREAS.indexOf(use))
    this.hold(slot)
    return this.tenure(slot)
  }

  /** A slot in use counts for `area` from now on. */
  setArea(slot: number, area: Area): void {
    const rest = (this.#flags[slot] ?? 0) & ~(AREA_BITS | MAIN | VISITED)
    this.#change(slot, rest | AREAS.indexOf(area))
  }

  /**
   * The slot leaves its area, and its entries there are stale. It is free if the outbox does not pin it:
   * at once, or after the next commit where the index still leads to it alone (a replaced edition).
   */
  clearArea(slot: number, when: 'now' | 'after-commit' = 'now'): void {
    if (this.areaOf(slot) === undefined) return
    const entries = this.entriesOf(slot)
    this.entries -= entries
    this.staleEntries += entries
    this.#change(slot, (this.#flags[slot] ?? 0) & PINNED)
    this.#freeIfUnused(slot, when)
  }

  /** The outbox names the slot, for one insert or several. */
  pin(slot: number): void {
    this.#change(slot, (this.#flags[slot] ?? 0) | PINNED)
  }

  /** No insert names the slot any more; `when` as in `clearArea`. */
  unpin(slot: number, when: 'now' | 'after-commit' = 'now'): void {
    if (!this.isPinned(slot)) return
    this.#change(slot, (this.#flags[slot] ?? 0) & ~PINNED)
    this.#freeIfUnused(slot, when)
  }

  /** A slot just taken goes back before any entry named it: its generation is for the next one. */
  giveBack(slot: number): void {
    this.#change(slot, 0)
    this.#setFree(slot)
    this.letGo(slot)
  }

  /**
   * The same for one that the disk does not take: it is not taken again before the slots that are set aside
   * are very many, or ever while this table lives.
   */
  setAside(slot: number): void {
    this.#change(slot, 0)
    this.shun(slot)
    this.letGo(slot)
  }

  /** A slot in use is set aside as soon as it is free. */
  shun(slot: number): void {
    this.#aside.add(slot)
    const [oldest] = this.#aside
    if (oldest === undefined || this.#aside.size <= mostAside(this.capacity)) return
    this.#aside.delete(oldest)
    if (!this.isInUse(oldest) && !this.#isInLimbo(oldest)) this.#setFree(oldest)
  }

  /** Index entries of store and cache that name the slot, 0 to 3. */
  entriesOf(slot: number): number {
    return ((this.#flags[slot] ?? 0) & ENTRY_BITS) >> ENTRY_SHIFT
  }

  /** One more entry of store or cache names the slot; a fourth cannot be. */
  addEntry(slot: number): void {
    const entries = this.entriesOf(slot)
    if (entries === MAX_ENTRIES) return
    this.#setEntries(slot, entries + 1)
    this.entries++
  }

  /** The entries that name `from` are about to name `to` instead: none of them becomes stale. */
  moveEntries(from: number, to: number): void {
    const entries = this.entriesOf(from)
    this.entries -= this.entriesOf(to)
    this.#setEntries(to, entries)
    this.#setEntries(from, 0)
  }

  /** Keeps a slot from eviction until `letGo`; calls nest. */
  hold(slot: number): void {
    this.#held.set(slot, (this.#held.get(slot) ?? 0) + 1)
  }

  letGo(slot: number): void {
    const left = (this.#held.get(slot) ?? 0) - 1
    if (left > 0) this.#held.set(slot, left)
    else this.#held.delete(slot)
  }

  isHeld(slot: number): boolean {
    return this.#held.has(slot)
  }

  get heldCount(): number {
    return this.#held.size
  }

  /** Whether a commit, the next one or the one under way, will free slots. */
  get hasLimbo(): boolean {
    return this.#limbo.size + this.#leaving.size > 0
  }

  /** The slots that the commit about to start will free: hand them to `free` when it is done. */
  takeLimbo(): number[] {
    const slots = [...this.#limbo]
    for (const slot of slots) this.#leaving.add(slot)
    this.#limbo.clear()
    return slots
  }

  free(slots: readonly number[]): void {
    for (const slot of slots) {
      this.#leaving.delete(slot)
      this.#setFree(slot)
    }
  }

  keepLimbo(slots: readonly number[]): void {
    for (const slot of slots) {
      this.#leaving.delete(slot)
      this.#limbo.add(slot)
    }
  }

  /** The slab has grown to `extent` slots, which are free as far as they are not in use already. */
  extend(extent: number): void {
    const from = this.#extent
    this.#extent = Math.min(extent, this.capacity)
    this.#freeUnused(from, Math.min(this.#extent, this.#limit))
  }

  /** Slots from `limit` on are not taken any more (or are again, with a greater limit). */
  setLimit(limit: number): void {
    const before = this.#limit
    this.#limit = Math.min(limit, this.capacity)
    this.#freeUnused(before, Math.min(this.#extent, this.#limit))
    for (let slot = this.#limit; slot < this.#extent; slot++) this.#unsetFree(slot)
  }

  /** A number of slots above the limit that is in use, held or in limbo; undefined: they can be cut off. */
  firstAboveLimit(from = this.#limit): number | undefined {
    let first = this.#extent
    for (const slots of [this.#held.keys(), this.#limbo, this.#leaving]) {
      for (const slot of slots) if (slot >= from) first = Math.min(first, slot)
    }
    const flags = this.#flags
    for (let slot = from; slot < first; slot++) {
      if (((flags[slot] as number) & (AREA_BITS | PINNED)) !== 0) return slot
    }
    return first < this.#extent ? first : undefined
  }

  /** Of the slots from `from` on, the end of those that must not be cut off: pinned, held or in limbo. */
  endOfKept(from: number): number {
    let end = Math.min(from, this.#extent)
    for (const slots of [this.#held.keys(), this.#limbo, this.#leaving]) {
      for (const slot of slots) end = Math.max(end, slot + 1)
    }
    for (let slot = this.#extent - 1; slot >= end; slot--) if (this.isPinned(slot)) return slot + 1
    return end
  }

  /** The slab has been cut to `extent` slots, of which those beyond were in no use. */
  retreat(extent: number): void {
    for (let slot = extent; slot < this.#extent; slot++) this.#unsetFree(slot)
    this.#extent = Math.min(this.#extent, extent)
  }

  /**
   * Room for `capacity` slots; where that is fewer, `firstAboveLimit` must have been undefined. Until the
   * arrays of before are collected they are there twice: 6.1 bytes for each slot of before.
   */
  setCapacity(capacity: number): void {
    this.setLimit(Math.min(this.#limit, capacity))
    this.#extent = Math.min(this.#extent, capacity)
    for (const slot of this.#aside) if (slot >= capacity) this.#aside.delete(slot)
    this.#flags = resized(this.#flags, new Uint8Array(capacity))
    this.#generations = resized(this.#generations, new Uint8Array(capacity))
    this.#marks = resized(this.#marks, new Uint32Array(capacity))
    const groups = groupsOf(capacity)
    this.#freeBits = resized(this.#freeBits, new Uint32Array(groups * GROUP_WORDS))
    this.#freeInGroup = resized(this.#freeInGroup, new Uint16Array(groups))
    this.setLimit(capacity)
  }

  /**
   * Open, after a crash: an index entry claims a slot. `new`: it is the first, or of a later generation
   * than those before, whose entries are stale now; `same`: another entry of the same block; `stale`.
   * The caller then calls `setArea` or `pin`, and `addEntry`.
   */
  claim({ slot, generation }: SlotTenure): 'new' | 'same' | 'stale' {
    if (slot >= this.capacity) return 'stale'
    if (this.isInUse(slot)) {
      const ahead = (generation - (this.#generations[slot] as number)) & 255
      if (ahead === 0) return 'same'
      if (ahead >= 128) return 'stale'
      this.clearArea(slot)
      this.unpin(slot)
    }
    this.#unsetFree(slot)
    this.#generations[slot] = generation
    return 'new'
  }

  /**
   * Open, after a crash: an index entry that nobody waits for names this tenure. Whoever gets the slot next
   * has a later generation, so that the entry never looks current again.
   */
  outdate({ slot, generation }: SlotTenure): void {
    if (slot < this.capacity && !this.isInUse(slot)) this.#generations[slot] = generation + 1
  }

  /** Open, after a clean stop: counts again what the arrays say. */
  recount(extent: number): void {
    Object.assign(this.used, { store: 0, cache: 0, outbox: 0 })
    this.entries = 0
    this.#freeBits.fill(0)
    this.#freeInGroup.fill(0)
    this.#freeCount = 0
    this.#extent = 0
    for (let slot = 0; slot < this.capacity; slot++) {
      const use = this.#useOf(slot)
      if (use === undefined) continue
      this.used[use]++
      this.entries += this.entriesOf(slot)
    }
    this.extend(extent)
  }

  #useOf(slot: number): SlotUse | undefined {
    return this.areaOf(slot) ?? (this.isPinned(slot) ? 'outbox' : undefined)
  }

  #change(slot: number, flags: number): void {
    const before = this.#useOf(slot)
    this.#flags[slot] = flags
    const after = this.#useOf(slot)
    if (before === after) return
    if (before !== undefined) this.used[before]--
    if (after !== undefined) this.used[after]++
  }

  #setEntries(slot: number, entries: number): void {
    this.#flags[slot] = ((this.#flags[slot] ?? 0) & ~ENTRY_BITS) | (entries << ENTRY_SHIFT)
  }

  #setFlag(slot: number, flag: number, isSet: boolean): void {
    const flags = this.#flags[slot] ?? 0
    this.#flags[slot] = isSet ? flags | flag : flags & ~flag
  }

  #freeIfUnused(slot: number, when: 'now' | 'after-commit'): void {
    if (this.isInUse(slot)) return
    this.#generations[slot] = (this.#generations[slot] as number) + 1
    if (when === 'now') this.#setFree(slot)
    else this.#limbo.add(slot)
  }

  /** While slots wait for a commit none of them counts as free. */
  #isInLimbo(slot: number): boolean {
    return this.#leaving.has(slot) || this.#limbo.has(slot)
  }

  #setFree(slot: number): void {
    if (slot >= this.#limit || slot >= this.#extent || this.#isFree(slot)) return
    if (this.#aside.has(slot)) return
    this.#freeBits[slot >>> 5] = (this.#freeBits[slot >>> 5] as number) | (1 << (slot & 31))
    const group = Math.floor(slot / GROUP_SLOTS)
    this.#freeInGroup[group] = (this.#freeInGroup[group] as number) + 1
    this.#freeCount++
    this.#lastFreed = slot
  }

  /** Slots of a run that nobody uses may be taken. */
  #freeUnused(from: number, end: number): void {
    const flags = this.#flags
    for (let slot = from; slot < end; slot++) {
      const isInUse = ((flags[slot] as number) & (AREA_BITS | PINNED)) !== 0
      if (!isInUse && !(this.hasLimbo && this.#isInLimbo(slot))) this.#setFree(slot)
    }
  }

  #unsetFree(slot: number): void {
    if (!this.#isFree(slot)) return
    this.#freeBits[slot >>> 5] = (this.#freeBits[slot >>> 5] as number) & ~(1 << (slot & 31))
    const group = Math.floor(slot / GROUP_SLOTS)
    this.#freeInGroup[group] = (this.#freeInGroup[group] as number) - 1
    this.#freeCount--
  }

  #isFree(slot: number): boolean {
    return ((this.#freeBits[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0
  }

  /** From a random group on the first that has a free slot; in it, from a random slot on, the first. */
  #drawFree(): number | undefined {
    if (this.#freeCount === 0) return undefined
    if (this.#freeCount === 1 && this.#isFree(this.#lastFreed)) return this.#lastFreed
    const groups = this.#freeInGroup.length
    let group = this.#rng.below(groups)
    while (this.#freeInGroup[group] === 0) group = (group + 1) % groups
    const first = group * GROUP_SLOTS
    const slots = Math.min(GROUP_SLOTS, this.#extent - first)
    const start = this.#rng.below(slots)
    for (let step = 0; step < slots; step++) {
      const slot = first + ((start + step) % slots)
      if (this.#isFree(slot)) return slot
    }
    return undefined
  }
}

function groupsOf(slots: number): number {
  return Math.max(1, Math.ceil(slots / GROUP_SLOTS))
}

function mostAside(capacity: number): number {
  return Math.max(LEAST_ASIDE, Math.min(MOST_ASIDE, capacity >>> 4))
}

function resized<T extends Uint8Array | Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from.subarray(0, to.length))
  return to
}
