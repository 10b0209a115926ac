/**
 * After a crash: one pass over the index, beside reads that are served already, tells memory what is in
 * the slots, and drops what is void (spec §11.5).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { homePosition } from '../keys/block.ts'
import type { Home } from '../keys/block.ts'
import { readUint48 } from '../keys/bytes.ts'
import type { DiskCore } from './disk-core.ts'
import { indexPages } from './index-pages.ts'
import { bucketOf, fingerprintOf, foundKey, insertKey } from './keyspace.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexEntry } from './sorted-index.ts'

/** A page keeps the event loop for a few milliseconds: reads are served in between. */
const PAGE_ENTRIES = 512
/** After a disk error, ms. */
const RETRY_MS = 2000

interface Found {
  readonly key: Uint8Array
  readonly record: IndexRecord
}

export class Rebuild {
  readonly #core: DiskCore
  readonly #outbox: Found[] = []
  /** Count of blocks by number of insert. */
  readonly #inserts = new Map<number, number>()
  #void: Uint8Array[] = []
  #lastKey: Uint8Array | undefined
  #isStopped = false
  #endPause: (() => void) | undefined
  #running: Promise<void> | undefined

  /** `core` with an empty table, empty areas, an empty ledger and an index that has learned nothing. */
  constructor(core: DiskCore) {
    this.#core = core
  }

  /** Resolves when `core.isRebuilt`; rejects with E_CLOSED where `stop` comes first. */
  run(): Promise<void> {
    this.#running ??= this.#run()
    return this.#running
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#endPause?.()
    await this.#running?.catch(() => {})
  }

  async #run(): Promise<void> {
    const { condition } = this.#core
    while (!(await this.#tryPass())) {
      if (this.#isStopped) throw new ShoalError('E_CLOSED', 'the store is closed')
      await this.#pause()
    }
    condition.succeeded()
    this.#finish()
    await this.#dropVoid() // before puts: they might use one of these keys
    if (this.#isStopped) throw new ShoalError('E_CLOSED', 'the store is closed')
    this.#core.rebuiltShare = 1
    this.#core.isRebuilt = true
  }

  /** Goes on where it was. False: stopped, or the disk failed. */
  async #tryPass(): Promise<boolean> {
    const bounds = this.#lastKey === undefined ? {} : { gt: this.#lastKey }
    try {
      for await (const page of indexPages(this.#core.index, bounds, PAGE_ENTRIES)) {
        if (this.#isStopped) return false
        for (const entry of page) this.#take(entry)
        await this.#dropVoid()
        this.#lastKey = page.at(-1)?.key ?? this.#lastKey
        if (this.#lastKey !== undefined) {
          this.#core.rebuiltShare = readUint48(this.#lastKey) / 2 ** 48
        }
      }
      return !this.#isStopped
    } catch (error) {
      if (!this.#isStopped) this.#core.condition.failed(error)
      return false
    }
  }

  #take({ key, value }: IndexEntry): void {
    const record = decodeRecord(this.#core.keys, key, value)
    const isKept = record !== undefined && this.#isKept({ key, record })
    if (isKept) this.#core.index.learn(key)
    else this.#void.push(key)
  }

  #isKept({ key, record }: Found): boolean {
    const { insertId, ordinal } = record
    if (record.area === 'meta') return true
    if (record.area === 'insert') this.#inserts.set(insertId, ordinal)
    else if (record.area === 'outbox') this.#outbox.push({ key, record })
    else return this.#claim(key, record)
    return true
  }

  /** False: another block has the slot, or no slot is there. */
  #claim(key: Uint8Array, record: IndexRecord): boolean {
    const { table, areas, slab } = this.#core
    const { slot } = record
    if (slot >= slab.slots || table.claim(record) === 'stale') return false
    const before = table.areaOf(slot)
    if (record.area === 'store') {
      const bucket = bucketOf(homePosition(addressIn(record), record.homes as Home))
      if (before === 'store') areas.addHome(slot, bucket)
      else areas.enter(slot, { area: 'store', bucket, fingerprint: 0, link: 0 })
    } else if (before === undefined) {
      const fingerprint = fingerprintOf(foundKey(key))
      areas.enter(slot, { area: 'cache', bucket: 0, fingerprint, link: 0 })
    }
    table.addEntry(slot)
    return true
  }

  #finish(): void {
    const { areas, index, ledger, keys } = this.#core
    this.#outbox.sort((a, b) => a.record.ordinal - b.record.ordinal)
    const pending = new Set(this.#outbox.map(({ record }) => record.insertId))
    for (const [insertId, blocks] of this.#inserts) {
      if (pending.has(insertId)) ledger.restoreInsert(insertId, blocks)
      else this.#void.push(insertKey(keys, insertId).bytes)
    }
    for (const found of this.#outbox) this.#takeWaiting(found)
    areas.restored('from-index')
    index.trust()
  }

  /** A crash left inserts uncommitted: nobody was told of them, so they go. */
  #takeWaiting({ key, record }: Found): void {
    const { table, ledger, slab } = this.#core
    const { insertId, ordinal, homes, slot } = record
    const isWanted = this.#inserts.has(insertId) && homes !== 0 && slot < slab.slots
    if (!isWanted || table.claim(record) === 'stale') {
      this.#void.push(key)
      return
    }
    table.pin(slot)
    ledger.restore(addressIn(record), { insertId, ordinal, homes })
  }

  /** What is not deleted now the next sweep finds. */
  async #dropVoid(): Promise<void> {
    const keys = this.#void
    this.#void = []
    if (keys.length === 0) return
    try {
      await this.#core.index.write(keys.map((key) => ({ key, value: undefined })))
    } catch {
      this.#core.table.staleEntries += keys.length
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#core.clock.after(RETRY_MS, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }
}
