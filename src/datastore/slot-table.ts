/**
 * Who uses each slot, in memory: references by area, a generation, and a hint to one index entry of
 * it, 14 bytes a slot. Rebuilt at open by one scan of the index (spec §11.5).
 * @module
 */
import type { Rng } from '../runtime.ts'
import type { KeyHint } from './keyspace.ts'

/** Kinds of reference. A slot counts for the first kind, in this order, that it has. */
export type SlotUse = 'store' | 'cache' | 'outbox'

/** A slot at one time of its life; stale once the slot has been freed. */
export interface SlotTenure {
  readonly slot: number
  readonly generation: number
}

/** Counts of references in a packed u32: an area has three homes, and a slot being replaced. */
const FIELDS = {
  store: { one: 1, mask: 7 },
  cache: { one: 8, mask: 7 },
  outbox: { one: 64, mask: 0x03ffffff },
} as const

export class SlotTable {
  readonly slots: number
  /** Slots that count for each area. */
  readonly used = { store: 0, cache: 0, outbox: 0 }
  /** Index entries of store and cache. */
  entries = 0
  readonly #rng: Rng
  readonly #references: Uint32Array
  readonly #generations: Uint32Array
  readonly #hintBuckets: Uint16Array
  readonly #hintSuffixes: Uint32Array
  readonly #free: Uint32Array
  #freeCount = 0
  /** Freed, but an index entry on disk may still name them: usable after the next commit. */
  #limbo: number[] = []
  /** Slots that the commit under way will free. */
  #leavingLimbo = 0
  readonly #busy = new Map<number, number>()
  #writers = 0
  readonly #writerWaits: (() => void)[] = []

  constructor(slots: number, rng: Rng) {
    this.slots = slots
    this.#rng = rng
    this.#references = new Uint32Array(slots)
    this.#generations = new Uint32Array(slots)
    this.#hintBuckets = new Uint16Array(slots)
    this.#hintSuffixes = new Uint32Array(slots)
    this.#free = new Uint32Array(slots)
  }

  /** Which area a slot counts for; undefined: free. */
  useOf(slot: number): SlotUse | undefined {
    if (this.count(slot, 'store') > 0) return 'store'
    if (this.count(slot, 'cache') > 0) return 'cache'
    return this.count(slot, 'outbox') > 0 ? 'outbox' : undefined
  }

  count(slot: number, use: SlotUse): number {
    const { one, mask } = FIELDS[use]
    return ((this.#references[slot] ?? 0) / one) & mask
  }

  isCurrent({ slot, generation }: SlotTenure): boolean {
    return this.#references[slot] !== 0 && this.#generations[slot] === generation
  }

  /** Changes with every change of what refers to the slot. */
  references(slot: number): number {
    return this.#references[slot] ?? 0
  }

  tenure(slot: number): SlotTenure {
    return { slot, generation: this.#generations[slot] ?? 0 }
  }

  /** A free slot, drawn at random (places on disk tell nothing of time), with its first reference. */
  take(use: SlotUse): SlotTenure | undefined {
    if (this.#freeCount === 0) return undefined
    const at = this.#rng.below(this.#freeCount)
    const slot = this.#free[at] as number
    this.#free[at] = this.#free[--this.#freeCount] as number
    this.reference(slot, use)
    return this.tenure(slot)
  }

  reference(slot: number, use: SlotUse): void {
    this.#change(slot, FIELDS[use].one)
    if (use !== 'outbox') this.entries++
  }

  /** Takes a reference back; with the last one the slot is free, at once or after the next commit. */
  release(slot: number, use: SlotUse, when: 'now' | 'after-commit' = 'now'): void {
    this.#change(slot, -FIELDS[use].one)
    if (use !== 'outbox') this.entries--
    if (this.#references[slot] !== 0) return
    // wraps on purpose: 2^32 lives later no stale entry is left
    this.#generations[slot] = (this.#generations[slot] as number) + 1
    if (when === 'now') this.#free[this.#freeCount++] = slot
    else this.#limbo.push(slot)
  }

  /** Releases every store and cache reference of a slot. */
  releaseAreas(slot: number, when: 'now' | 'after-commit' = 'now'): void {
    for (const use of ['cache', 'store'] as const) {
      for (let left = this.count(slot, use); left > 0; left--) this.release(slot, use, when)
    }
  }

  hint(slot: number): KeyHint {
    return {
      bucket: this.#hintBuckets[slot] as number,
      suffix: this.#hintSuffixes[slot] as number,
    }
  }

  setHint(slot: number, hint: KeyHint): void {
    this.#hintBuckets[slot] = hint.bucket
    this.#hintSuffixes[slot] = hint.suffix
  }

  /** A slot taken for a block that is being written: its holder never waits for room. */
  holdForWriting(slot: number): void {
    this.hold(slot)
    this.#writers++
  }

  /** The block is written and its entries are queued, or it failed. */
  doneWriting(slot: number): void {
    this.letGo(slot)
    this.#writers--
    for (const resolve of this.#writerWaits.splice(0)) resolve()
  }

  /** Resolves when one of the writes under way is done; undefined where there is none. */
  whenWritten(): Promise<void> | undefined {
    if (this.#writers === 0) return undefined
    return new Promise((resolve) => this.#writerWaits.push(resolve))
  }

  /** Keeps a slot from eviction while `isBusy`; calls nest. */
  hold(slot: number): void {
    this.#busy.set(slot, (this.#busy.get(slot) ?? 0) + 1)
  }

  letGo(slot: number): void {
    const left = (this.#busy.get(slot) ?? 0) - 1
    if (left > 0) this.#busy.set(slot, left)
    else this.#busy.delete(slot)
  }

  isBusy(slot: number): boolean {
    return this.#busy.has(slot)
  }

  /** Whether a commit, the next one or the one under way, will free slots. */
  get hasLimbo(): boolean {
    return this.#limbo.length + this.#leavingLimbo > 0
  }

  /** The slots that the commit about to start will free: hand them to `free` when it is done. */
  takeLimbo(): number[] {
    const slots = this.#limbo
    this.#leavingLimbo += slots.length
    this.#limbo = []
    return slots
  }

  free(slots: readonly number[]): void {
    this.#leavingLimbo -= slots.length
    for (const slot of slots) this.#free[this.#freeCount++] = slot
  }

  keepLimbo(slots: readonly number[]): void {
    this.#leavingLimbo -= slots.length
    this.#limbo.push(...slots)
  }

  /** Open: one entry of the index. False: it is void, another generation has the slot. */
  restore(tenure: SlotTenure, use: SlotUse): boolean {
    const { slot, generation } = tenure
    if (slot >= this.slots) return false
    if (this.#references[slot] === 0) this.#generations[slot] = generation
    if (this.#generations[slot] !== generation) return false
    this.reference(slot, use)
    return true
  }

  /** Open: all entries were restored; what has no reference is free. */
  finishRestore(): void {
    for (let slot = 0; slot < this.slots; slot++) {
      if (this.#references[slot] !== 0) continue
      // an entry lost with the power may name any earlier generation: start where none was
      this.#generations[slot] = this.#rng.below(2 ** 32)
      this.#free[this.#freeCount++] = slot
    }
  }

  #change(slot: number, difference: number): void {
    const before = this.useOf(slot)
    this.#references[slot] = (this.#references[slot] as number) + difference
    const after = this.useOf(slot)
    if (before === after) return
    if (before !== undefined) this.used[before]--
    if (after !== undefined) this.used[after]++
  }
}
