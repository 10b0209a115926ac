/**
 * Opening a disk store: one pass over the index rebuilds what memory knows of the slots, and drops
 * what is void (spec §11.5).
 * @module
 */
import { mapKey } from '../keys/bytes.ts'
import type { SealKeys } from '../keys/seal.ts'
import type { Rng } from '../runtime.ts'
import { COUNTER_ID } from './disk-outbox.ts'
import { hintOf, insertKey, knownKey } from './keyspace.ts'
import { OutboxLedger } from './outbox-ledger.ts'
import type { Shares } from './quota.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { Index, IndexEntry } from './rocks-index.ts'
import { SlotTable } from './slot-table.ts'

/** Entries a page: large, since an iterator costs three trips through the thread pool. */
const PAGE_ENTRIES = 1024

export interface Restored {
  readonly table: SlotTable
  readonly ledger: OutboxLedger
  /** The first insert number never used. */
  readonly nextInsertId: number
}

interface Found {
  readonly key: Uint8Array
  readonly record: IndexRecord
}

/** Reads the whole index once; entries that name nothing usable are deleted from it. */
export async function restore(
  index: Index,
  keys: SealKeys,
  shares: Shares,
  rng: Rng,
): Promise<Restored> {
  const pass = new Pass(keys, shares, rng)
  for (let next: { gt?: Uint8Array } = {}; ;) {
    const page = await index.range(next, PAGE_ENTRIES)
    for (const entry of page) pass.take(entry)
    await dropAll(index, pass.takeVoid())
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ENTRIES) break
    next = { gt: last.key }
  }
  const restored = pass.finish()
  await dropAll(index, pass.takeVoid())
  return restored
}

async function dropAll(index: Index, keys: readonly Uint8Array[]): Promise<void> {
  if (keys.length > 0) await index.write(keys.map((key) => ({ key, value: undefined })))
}

class Pass {
  readonly #keys: SealKeys
  readonly #shares: Shares
  readonly #table: SlotTable
  readonly #ledger: OutboxLedger
  readonly #outbox: Found[] = []
  readonly #inserts = new Map<number, number>()
  /** Cache entries that link to another of their slot; few, as homes seldom meet in one node. */
  readonly #linked: Found[] = []
  #void: Uint8Array[] = []
  #nextInsertId = 1

  constructor(keys: SealKeys, shares: Shares, rng: Rng) {
    this.#keys = keys
    this.#shares = shares
    this.#table = new SlotTable(shares.slots, rng)
    this.#ledger = new OutboxLedger(shares.outboxBlocks)
  }

  take({ key, value }: IndexEntry): void {
    const record = decodeRecord(this.#keys, key, value)
    if (record === undefined) this.#void.push(key)
    else if (record.area === 'insert') this.#takeInsert(record)
    else if (record.area === 'outbox') this.#outbox.push({ key, record })
    else this.#takeBlock({ key, record })
  }

  takeVoid(): readonly Uint8Array[] {
    const keys = this.#void
    this.#void = []
    return keys
  }

  finish(): Restored {
    const table = this.#table
    this.#outbox.sort((a, b) => a.record.ordinal - b.record.ordinal)
    const pending = new Set(this.#outbox.map(({ record }) => record.insertId))
    for (const [insertId, blocks] of this.#inserts) {
      if (pending.has(insertId)) this.#ledger.restoreInsert(insertId, blocks)
      else this.#void.push(insertKey(this.#keys, insertId).bytes)
    }
    for (const found of this.#outbox) this.#takeWaiting(found)
    this.#hintChains()
    table.finishRestore()
    return { table, ledger: this.#ledger, nextInsertId: this.#nextInsertId }
  }

  #takeInsert({ insertId, ordinal }: IndexRecord): void {
    if (insertId === COUNTER_ID) this.#nextInsertId = Math.max(this.#nextInsertId, ordinal)
    else this.#inserts.set(insertId, ordinal)
  }

  #takeBlock({ key, record }: Found): void {
    const use = record.area === 'store' ? 'store' : 'cache'
    const most = use === 'store' ? this.#shares.storeSlots : this.#shares.cacheSlots
    const before = this.#table.useOf(record.slot)
    const isNew = before === undefined || (before === 'cache' && use === 'store')
    // a quota made smaller: what no longer fits is forgotten here rather than evicted later
    const fits = !isNew || this.#table.used[use] < most
    if (!fits || !this.#table.restore(record, use)) {
      this.#void.push(key)
      return
    }
    if (isNew) this.#table.setHint(record.slot, hintOf(knownKey(key, record.bucket)))
    if (use === 'cache' && record.name.some((byte) => byte !== 0))
      this.#linked.push({ key, record })
  }

  /** A crash left inserts uncommitted: nobody was told of them, so they go. */
  #takeWaiting({ key, record }: Found): void {
    const isWanted = this.#inserts.has(record.insertId) && record.homes !== 0
    if (!isWanted || !this.#table.restore(record, 'outbox')) {
      this.#void.push(key)
      return
    }
    const { insertId, ordinal, homes } = record
    this.#ledger.restore(addressIn(record), { insertId, ordinal, homes })
  }

  /** Points each slot with several cache entries at the one from which the links reach all. */
  #hintChains(): void {
    const targets = new Set(this.#linked.map(({ record }) => mapKey(record.name)))
    for (const { key, record } of this.#linked) {
      const isFirst = !targets.has(mapKey(key))
      if (isFirst && this.#table.useOf(record.slot) === 'cache') {
        this.#table.setHint(record.slot, hintOf(knownKey(key, record.bucket)))
      }
    }
  }
}
