/**
 * The slot table of a disk store, where writing takes time: those who find every slot held can wait.
 * @module
 */
import { SlotTable } from './slot-table.ts'

export class DiskTable extends SlotTable {
  #onletgo: (() => void) | undefined
  #released: Promise<void> | undefined

  override letGo(slot: number): void {
    super.letGo(slot)
    const onletgo = this.#onletgo
    this.#released = undefined
    this.#onletgo = undefined
    onletgo?.()
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
}
