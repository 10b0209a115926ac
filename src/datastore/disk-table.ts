/**
 * The slot table of a disk store, where writing takes time: those who find every slot held can wait.
 * @module
 */
import { SlotTable } from './slot-table.ts'
import type { SlotTenure, SlotUse } from './slot-table.ts'

/** So many writes in a row that fail are a disk in trouble, and not the fault of these slots. */
const MAX_REFUSALS = 4

export class DiskTable extends SlotTable {
  /** Counts how often entries were made to name another slot: a stale one that was read may be of before. */
  moves = 0
  /** Who asks just now which pinned slots nobody names: a slot that is pinned meanwhile is none of them. */
  readonly audits = new Set<{ strike(slot: number): void }>()
  #refusals = 0
  #onletgo: (() => void) | undefined
  #released: Promise<void> | undefined

  override take(use: SlotUse): SlotTenure | undefined {
    const taken = super.take(use)
    if (taken !== undefined) this.#strike(taken.slot)
    return taken
  }

  override pin(slot: number): void {
    super.pin(slot)
    this.#strike(slot)
  }

  override letGo(slot: number): void {
    super.letGo(slot)
    const onletgo = this.#onletgo
    this.#released = undefined
    this.#onletgo = undefined
    onletgo?.()
  }

  override moveEntries(from: number, to: number): void {
    super.moveEntries(from, to)
    this.moves++
  }

  /** A slot just taken could be written. */
  written(): void {
    this.#refusals = 0
  }

  /** A slot just taken could not be written: in a full store it would be the next one that is taken. */
  refused(slot: number): void {
    if (++this.#refusals > MAX_REFUSALS) this.giveBack(slot)
    else this.setAside(slot)
  }

  /** Resolves at the next `letGo`. What is held is being written, so there will be one. */
  whenLetGo(): Promise<void> {
    this.#released ??= new Promise((resolve) => {
      this.#onletgo = resolve
    })
    return this.#released
  }

  /** Runs `task`, in this turn, with a slot kept from eviction; wakes nobody. */
  sparing<T>(slot: number, task: () => T): T {
    this.hold(slot)
    try {
      return task()
    } finally {
      super.letGo(slot)
    }
  }

  #strike(slot: number): void {
    for (const audit of this.audits) audit.strike(slot)
  }
}
