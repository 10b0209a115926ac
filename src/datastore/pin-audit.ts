/**
 * Finding pinned slots that no entry of the outbox names (spec §11.7): whoever ended the entry could not
 * read which slot it named. A pass over the whole index strikes off those that it meets; what is left of
 * those that were pinned before it began nobody names.
 * @module
 */
import type { DiskTable } from './disk-table.ts'
import type { GroupCommit } from './group-commit.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import { addressIn } from './record.ts'
import type { IndexRecord } from './record.ts'

export interface PinAuditParts {
  readonly table: DiskTable
  readonly group: Pick<GroupCommit, 'changes'>
  readonly ledger: Pick<OutboxLedger, 'has'>
}

/** One pass. In memory for as long as it lasts: one bit a slot. */
export class PinAudit {
  readonly #parts: PinAuditParts
  /** Set: pinned since before the pass began, and met in none of its entries. */
  readonly #nameless: Uint8Array

  /** Call it before the first page is read. */
  constructor(parts: PinAuditParts) {
    const { table, group } = parts
    this.#parts = parts
    this.#nameless = new Uint8Array(Math.ceil(table.capacity / 8))
    for (let slot = 0; slot < table.extent; slot++) {
      if (table.isPinned(slot) && !table.isHeld(slot)) this.#mark(slot)
    }
    // what is on its way to the index no page need have
    for (const { record } of group.changes().values()) {
      if (record?.area === 'outbox') this.strike(record.slot)
    }
    table.audits.add(this)
  }

  /** An entry of the pass, as it is on the disk, whether or not it is being changed. */
  meet(record: IndexRecord | undefined): void {
    if (record?.area !== 'outbox') return
    const isWaiting = this.#parts.ledger.has(record.insertId, addressIn(record))
    if (isWaiting && this.#parts.table.isCurrent(record, 'outbox')) this.strike(record.slot)
  }

  /** Somebody names the slot. */
  strike(slot: number): void {
    const at = slot >>> 3
    const bits = this.#nameless[at]
    if (bits !== undefined) this.#nameless[at] = bits & ~(1 << (slot & 7))
  }

  /** The pass has met every entry there is: lets the slots go that nobody names. */
  finish(): void {
    const { table } = this.#parts
    this.stop()
    for (const [at, bits] of this.#nameless.entries()) {
      for (let bit = 0; bits >>> bit > 0; bit++) {
        const slot = at * 8 + bit
        if (((bits >>> bit) & 1) === 1 && !table.isHeld(slot)) table.unpin(slot)
      }
    }
  }

  /** Without `finish`: nothing is known. */
  stop(): void {
    this.#parts.table.audits.delete(this)
  }

  #mark(slot: number): void {
    const at = slot >>> 3
    this.#nameless[at] = (this.#nameless[at] as number) | (1 << (slot & 7))
  }
}
