/**
 * The outbox on disk (spec §11.7): pinned slots and sealed entries among the others, and the ledger
 * of them in memory.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { sequenceOf, signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { equals, mapKey } from '../keys/bytes.ts'
import type { DiskCore, SlotContent } from './disk-core.ts'
import { holdEntries, readRecords, readSlot } from './disk-core.ts'
import { withRoom } from './disk-eviction.ts'
import { waitForCommit, writeSlot } from './disk-write.ts'
import { insertKey, outboxKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import { maskOf } from './outbox-ledger.ts'
import { EMPTY_RECORD } from './record.ts'
import { isDiskError, toStoreError } from './store-error.ts'
import type { Abortable, Outbox, OutboxEntry, OutboxInsert } from './store.ts'

/** Insert numbers set aside by one write: a crash skips at most this many. */
const NUMBERS_AHEAD = 64
/** Number of the record that says which insert numbers are set aside. */
export const COUNTER_ID = 0

type AddRequest = Parameters<Outbox['add']>[0]

export class DiskOutbox implements Outbox {
  readonly #core: DiskCore
  #nextId: number
  #setAside: number
  readonly #committing = new Set<number>()

  /** `nextId`: the first number never used. */
  constructor(core: DiskCore, nextId: number) {
    this.#core = core
    this.#nextId = nextId
    this.#setAside = nextId
  }

  get pendingBlocks(): number {
    return this.#core.ledger.pendingBlocks
  }

  get capacityBlocks(): number {
    return this.#core.ledger.capacityBlocks
  }

  begin(): Promise<number> {
    const { gate, group, ledger, keys } = this.#core
    return gate.run(undefined, async () => {
      const insertId = this.#nextId++
      ledger.begin(insertId)
      if (insertId >= this.#setAside) {
        this.#setAside = insertId + NUMBERS_AHEAD
        const record = {
          ...EMPTY_RECORD,
          area: 'insert',
          homes: 1,
          ordinal: this.#setAside,
        } as const
        group.put(insertKey(keys, COUNTER_ID), record)
      }
      return insertId
    })
  }

  add(request: AddRequest): Promise<'added' | 'full'> {
    const { gate, ledger, lock } = this.#core
    const { insertId, address, homes, signal } = request
    return gate.run(request, async () => {
      ledger.checkOpen(insertId)
      if (homes.length === 0) throw new RangeError('a block without homes has nowhere to go')
      try {
        await waitForCommit(this.#core, signal)
        return await lock.run(mapKey(address), () => this.#add(request))
      } catch (error) {
        signal?.throwIfAborted()
        if (!isDiskError(error)) throw error
        throw toFullError(error)
      }
    })
  }

  commit(insertId: number): Promise<void> {
    const { gate, ledger, group, index, keys } = this.#core
    return gate.run(undefined, async () => {
      if (ledger.insert(insertId)?.committed === true) return
      ledger.checkOpen(insertId)
      const key = insertKey(keys, insertId)
      const ordinal = ledger.blocks(insertId)
      this.#committing.add(insertId)
      try {
        group.put(key, { ...EMPTY_RECORD, area: 'insert', homes: 1, insertId, ordinal })
        await group.commit()
        await index.flush() // the log of RocksDB is not synced: only its table files are
      } catch (error) {
        group.delete(key)
        throw toStoreError(error)
      } finally {
        this.#committing.delete(insertId)
      }
      if (ledger.commit(insertId)) group.delete(key)
    })
  }

  discard(insertId: number): Promise<void> {
    const { gate, ledger, lock } = this.#core
    return gate.run(undefined, async () => {
      if (!ledger.isOpen(insertId) || this.#committing.has(insertId)) return
      for (const address of ledger.discard(insertId)) {
        await lock.runAlways(mapKey(address), () => this.#drop(insertId, address))
      }
    })
  }

  get(address: Address, options?: Abortable): Promise<Block | undefined> {
    return this.#core.gate.run(options, async () => {
      for (;;) {
        const found = await this.#read(address)
        options?.signal?.throwIfAborted()
        if (found !== 'again') return found
      }
    })
  }

  entries(): IterableIterator<OutboxEntry> {
    return this.#core.ledger.entries()
  }

  homeDone(entry: OutboxEntry, home: Home): Promise<void> {
    const { gate, ledger, lock, group } = this.#core
    const { insertId, address } = entry
    return gate.run(undefined, () =>
      lock.runAlways(mapKey(address), async () => {
        const homesLeft = ledger.homeDone(insertId, address, home)
        if (homesLeft === undefined) return
        if (homesLeft.length === 0) {
          await this.#drop(insertId, address)
          return
        }
        const key = this.#key(insertId, address)
        const [record] = await readRecords(this.#core, [key])
        if (record !== undefined && ledger.has(insertId, address)) {
          group.put(key, { ...record, homes: maskOf(homesLeft) })
        }
      }),
    )
  }

  async room(options?: Abortable): Promise<void> {
    const { gate, ledger } = this.#core
    gate.check()
    options?.signal?.throwIfAborted()
    return await ledger.room(options) // not inside the gate: close() must not wait for it
  }

  insert(insertId: number): OutboxInsert | undefined {
    return this.#core.ledger.insert(insertId)
  }

  /** The newest block that inserts hold; `again`: one could not be read, and its entry was dropped. */
  async #read(address: Address): Promise<Block | undefined | 'again'> {
    const { ledger, table } = this.#core
    const holders = ledger.holders(address)
    const keys = holders.map((insertId) => this.#key(insertId, address))
    const records = await readRecords(this.#core, keys)
    const greatest = Math.max(...records.map((record) => record?.sequence ?? -1))
    let newest: Block | undefined
    for (const [i, insertId] of holders.entries()) {
      const record = records[i]
      if (record !== undefined && (record.sequence ?? -1) < greatest) continue
      const block = record && (await readSlot(this.#core, address, record))
      if (block === undefined) {
        if (record === undefined || table.isCurrent(record)) {
          await this.#dropUnreadable(insertId, address)
        }
        return 'again'
      }
      if (greatest < 0) return block // content: they are all the same
      if (newest === undefined || supersedes(block, newest)) newest = block
    }
    return newest
  }

  async #add(request: AddRequest): Promise<'added' | 'full'> {
    const { ledger } = this.#core
    const { insertId, address, signal } = request
    signal?.throwIfAborted()
    if (ledger.has(insertId, address)) return 'added'
    if (!ledger.reserve()) return 'full'
    let content: SlotContent | undefined
    try {
      content = await this.#pin(request)
    } finally {
      if (content === undefined) ledger.unreserve()
    }
    if (content === undefined) throw new ShoalError('E_STORE_FULL', 'no slot of the store is free')
    this.#enter(request, content)
    return 'added'
  }

  /** A slot on hold as by `writeSlot`: the one that has the block, else a new one. */
  async #pin({ address, block }: AddRequest): Promise<SlotContent | undefined> {
    const { table } = this.#core
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    // an edition on its way out must not change when another comes in, nor show before its time
    const held = isSigned ? undefined : await holdEntries(this.#core, address, true)
    if (held === undefined) return writeSlot(this.#core, 'outbox', address, block)
    try {
      // the cache gives up a slot for the entry as if it were a new one: it may become one
      return await withRoom(this.#core, 'outbox', () => {
        table.reference(held.slot, 'outbox')
        table.holdForWriting(held.slot)
        return held
      })
    } finally {
      table.letGo(held.slot)
    }
  }

  #enter({ insertId, address, homes, block }: AddRequest, content: SlotContent): void {
    const { table, ledger, group } = this.#core
    const { slot, generation, nonce, tag } = content
    table.doneWriting(slot)
    if (!ledger.isOpen(insertId)) {
      ledger.unreserve()
      table.release(slot, 'outbox')
      ledger.checkOpen(insertId)
    }
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    group.put(this.#key(insertId, address), {
      ...EMPTY_RECORD,
      area: 'outbox',
      homes: maskOf(homes),
      slot,
      generation,
      insertId,
      ordinal: ledger.add(insertId, address, homes),
      sequence: isSigned ? sequenceOf(block) : undefined,
      name: address,
      nonce,
      tag,
    })
  }

  /** Deletes the index entry of a block that has left the ledger, and lets its slot go. */
  async #drop(insertId: number, address: Address): Promise<void> {
    const { table, group, keys, ledger } = this.#core
    const key = this.#key(insertId, address)
    const [record] = await readRecords(this.#core, [key])
    group.delete(key)
    if (record !== undefined) table.release(record.slot, 'outbox')
    const insert = ledger.insert(insertId)
    if (insert?.committed === true && insert.spreadBlocks === insert.blocks) {
      group.delete(insertKey(keys, insertId))
    }
  }

  #dropUnreadable(insertId: number, address: Address): Promise<void> {
    const { lock, ledger, logger } = this.#core
    return lock.runAlways(mapKey(address), async () => {
      if (!ledger.has(insertId, address)) return
      logger.warn('store: a block of an insert cannot be read any more')
      ledger.remove(insertId, address)
      await this.#drop(insertId, address)
    })
  }

  #key(insertId: number, address: Address): IndexKey {
    return outboxKey(this.#core.keys, insertId, address)
  }
}

/** What a caller must know of a write that failed: nothing more fits, whatever the disk's words. */
function toFullError(error: unknown): ShoalError {
  const known = toStoreError(error)
  if (known.code !== 'E_STORE_IO') return known
  return new ShoalError('E_STORE_FULL', 'the store cannot be written', { cause: error })
}
