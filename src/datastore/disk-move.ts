/**
 * Moving blocks out of slots that are to be cut off, while everything else goes on (spec §11.4). The
 * sealed bytes are copied as they are: nothing in them depends on the number of their slot.
 * @module
 */
import { crc32 } from 'node:zlib'

import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import { ShoalError } from '../errors.ts'
import { knownRecords } from './disk-core.ts'
import type { DiskCore, FoundEntry } from './disk-core.ts'
import { flipSlot, readEntries } from './disk-mend.ts'
import type { ChangeWatch } from './group-commit.ts'
import { foundKey } from './keyspace.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexEntry } from './sorted-index.ts'
import type { Outbox } from './store.ts'

export class Mover {
  /** Slots emptied so far, in all. */
  moved = 0
  readonly #core: DiskCore
  readonly #outbox: Pick<Outbox, 'get'>
  /** One block is moved at a time: the rest of the disk's time is for the peers. */
  readonly #buffer = new Uint8Array(BLOCK_BYTES)

  constructor(core: DiskCore, outbox: Pick<Outbox, 'get'>) {
    this.#core = core
    this.#outbox = outbox
  }

  /**
   * Sees to it that an index entry, as it is now, names no slot from the table's limit on: its block is
   * moved, or the entry deleted where it is stale. A block that others work on stays for the next pass.
   * `watch` began before the entry was read. Rejects with the disk's error.
   */
  async settle({ key: bytes, value }: IndexEntry, watch: ChangeWatch): Promise<void> {
    const key = foundKey(bytes)
    if (!watch.has(key.id)) {
      const record = decodeRecord(this.#core.keys, bytes, value)
      if (record !== undefined) await this.#settle({ key, record }, watch)
      return
    }
    const later = this.#core.group.watch()
    try {
      const [record] = await knownRecords(this.#core, [key])
      if (record !== undefined) await this.#settle({ key, record }, later)
    } finally {
      later.stop()
    }
  }

  async #settle(entry: FoundEntry, watch: ChangeWatch): Promise<void> {
    const { table, group, lock } = this.#core
    const { key, record } = entry
    if (record.slot < table.limit || record.area === 'insert' || record.area === 'meta') return
    if (!this.#isToMove(record)) group.delete(key)
    else if (record.area === 'cache') await this.#moveCached(entry, watch)
    else {
      const address = addressIn(record)
      const isWhole = await lock.runAlways(mapKey(address), () => this.#moveBlock(address))
      if (!isWhole) await this.#outbox.get(address) // which drops what it cannot read
    }
  }

  /**
   * All that an address has in slots above the limit. With the lock of the address. False: the outbox names
   * a slot that is damaged.
   */
  async #moveBlock(address: Address): Promise<boolean> {
    const all = await readEntries(this.#core, address)
    const entries = all.filter(({ record }) => this.#isToMove(record))
    let isWhole = true
    for (const slot of new Set(entries.map(({ record }) => record.slot))) {
      const named = entries.filter(({ record }) => record.slot === slot)
      if (!(await this.#moveSlot(slot, named))) isWhole = false
    }
    return isWhole
  }

  /** `entries`: all that name the slot. False: it is damaged, and the outbox names it. */
  async #moveSlot(slot: number, entries: readonly FoundEntry[]): Promise<boolean> {
    const { table } = this.#core
    table.hold(slot)
    try {
      const to = await this.#copy(slot, entries)
      const left = entries.filter(({ record }) => this.#isToMove(record))
      if (to === undefined) this.#lose(slot, left)
      else this.#flip(slot, to, left)
      return to !== undefined || !table.isPinned(slot)
    } finally {
      table.letGo(slot)
    }
  }

  /**
   * A block of which nobody knows the address: no lock keeps others away. So it is moved only if, in the
   * turn in which its entry changes, this is its only entry, and nobody else holds the slot.
   */
  async #moveCached(entry: FoundEntry, watch: ChangeWatch): Promise<void> {
    const { areas, table, group } = this.#core
    const { key, record } = entry
    const { slot } = record
    const isAlone = (): boolean =>
      table.isCurrent(record, 'area') && !table.isHeld(slot) && !watch.has(key.id)
    // store and outbox entries know the address: whoever meets one of those moves the slot
    if (!isAlone() || table.areaOf(slot) === 'store' || table.isPinned(slot)) return
    if (table.entriesOf(slot) > 1) {
      areas.evictSlot(slot, 'resize') // its other entries cannot be found from here
      group.delete(key)
      return
    }
    table.hold(slot)
    const to = await this.#copy(slot, [entry]).finally(() => table.letGo(slot))
    const isSame = isAlone() && table.areaOf(slot) === 'cache' && !table.isPinned(slot)
    const isToFlip = isSame && table.entriesOf(slot) <= 1
    if (to !== undefined) this.#flip(slot, to, isToFlip ? [entry] : [])
    else if (isToFlip) this.#lose(slot, [entry])
  }

  /** Whether an entry holds, and names a slot above the limit. */
  #isToMove(record: IndexRecord): boolean {
    const { table } = this.#core
    if (record.slot < table.limit || record.area === 'insert' || record.area === 'meta')
      return false
    return table.isCurrent(record, record.area === 'outbox' ? 'outbox' : 'area')
  }

  /**
   * Copies the bytes of a slot to a free one below the limit, which is pinned and held then, and so out of
   * everybody's sight. undefined: they are not those that its entries tell of. Rejects with the disk's error.
   */
  async #copy(from: number, entries: readonly FoundEntry[]): Promise<number | undefined> {
    const { slab, table, meter } = this.#core
    const to = await this.#takeBelow()
    try {
      const checksum = await slab.read(from, (sealed) => {
        this.#buffer.set(sealed)
        return crc32(sealed)
      })
      if (entries.some(({ record }) => record.checksum === checksum)) {
        await this.#write(to)
        meter.wrote(BLOCK_BYTES)
        return to
      }
    } catch (error) {
      table.giveBack(to)
      throw error // it may be there again later: giving up a size costs less than giving up blocks
    }
    table.giveBack(to)
    return undefined
  }

  /** Once more where a sync of the slab failed meanwhile: what the write has brought may be lost. */
  async #write(to: number): Promise<void> {
    const { slab, group, condition } = this.#core
    let failures
    try {
      do {
        failures = group.syncFailures
        await slab.write(to, this.#buffer)
      } while (group.syncFailures !== failures)
    } catch (error) {
      condition.failed(error)
      throw error
    }
  }

  async #takeBelow(): Promise<number> {
    const { table, areas, group } = this.#core
    for (;;) {
      const taken = table.take('outbox')
      if (taken !== undefined) return taken.slot
      if (table.hasLimbo) await group.commit()
      else if (areas.evict('cache', 'resize') || areas.evict('store', 'resize')) continue
      else if (table.heldCount > 1) await table.whenLetGo()
      else throw new ShoalError('E_STORE_FULL', 'no slot is free to move a block to')
    }
  }

  /** In one turn: `to` is what `from` was, and `from` is free once the commit that says so is done. */
  #flip(from: number, to: number, entries: readonly FoundEntry[]): void {
    const { table } = this.#core
    if (entries.length === 0) {
      table.giveBack(to)
      return
    }
    flipSlot(this.#core, { from, entries }, table.tenure(to))
    this.moved++
  }

  /** Store and cache forget a slot that is damaged. */
  #lose(slot: number, entries: readonly FoundEntry[]): void {
    const { areas, group } = this.#core
    areas.leave(slot)
    for (const { key, record } of entries) if (record.area !== 'outbox') group.delete(key)
  }
}
