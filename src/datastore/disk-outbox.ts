/**
 * The outbox on disk (spec §11.7): pinned slots and sealed entries among the others, and the ledger
 * of them in memory.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { sequenceOf, signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { equals, mapKey } from '../keys/bytes.ts'
import type { DiskCore, RecordRead, SlotContent } from './disk-core.ts'
import { isBlock, isStillHeld, knownRecords, readHeld, readRecords, readSlot } from './disk-core.ts'
import { vouchFor } from './disk-mend.ts'
import { waitForCommit, withRoomBeside, writeSlot } from './disk-write.ts'
import { insertKey, outboxKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import { LossLog } from './loss-log.ts'
import { maskOf } from './outbox-ledger.ts'
import { EMPTY_RECORD, insertRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import { isDiskError, toStoreError, unreadableIndex } from './store-error.ts'
import type { Abortable, Outbox, OutboxEntry, OutboxInsert } from './store.ts'

type AddRequest = Parameters<Outbox['add']>[0]
type InsertBlock = Pick<OutboxEntry, 'insertId' | 'address'>

interface UnreadEntry {
  readonly insertId: number
  readonly address: Address
  readonly record: IndexRecord | undefined
}

export class DiskOutbox implements Outbox {
  readonly #core: DiskCore
  readonly #losses: LossLog
  /** Commits under way, by insert. */
  readonly #committing = new Map<number, Promise<void>>()
  readonly #discarding = new Set<number>()

  constructor(core: DiskCore) {
    this.#core = core
    this.#losses = new LossLog(core)
  }

  /** Until memory knows what is pending, at least one: whoever pushes must look again. */
  get pendingBlocks(): number {
    const { ledger, isRebuilt } = this.#core
    return Math.max(ledger.pendingBlocks, isRebuilt ? 0 : 1)
  }

  get capacityBlocks(): number {
    return this.#core.ledger.capacityBlocks
  }

  begin(): Promise<number> {
    const { ledger, meta } = this.#core
    return this.#run(undefined, async () => {
      const insertId = await meta.takeInsertId().catch((error: unknown) => {
        throw toStoreError(error)
      })
      ledger.begin(insertId)
      return insertId
    })
  }

  add(request: AddRequest): Promise<'added' | 'full'> {
    const { ledger, lock } = this.#core
    const { insertId, address, homes, signal } = request
    return this.#run(request, async () => {
      ledger.checkOpen(insertId)
      if (homes.length === 0) throw new RangeError('a block without homes has nowhere to go')
      try {
        return await lock.run(mapKey(address), async () => {
          await waitForCommit(this.#core, signal)
          return this.#add(request)
        })
      } catch (error) {
        signal?.throwIfAborted()
        if (!isDiskError(error)) throw error
        throw toFullError(error)
      }
    })
  }

  commit(insertId: number): Promise<void> {
    const { ledger } = this.#core
    return this.#run(undefined, async () => {
      if (ledger.insert(insertId)?.committed === true) return
      ledger.checkOpen(insertId)
      if (this.#discarding.has(insertId)) throw new RangeError('the insert is being discarded')
      // one for all who ask: where it fails it takes back the entry that another one would rely on
      const committing = this.#committing.get(insertId) ?? this.#commit(insertId)
      this.#committing.set(insertId, committing)
      await committing.finally(() => this.#committing.delete(insertId))
    })
  }

  async #commit(insertId: number): Promise<void> {
    const { ledger, group, index, keys } = this.#core
    const key = insertKey(keys, insertId)
    const blocks = ledger.blocks(insertId)
    try {
      group.put(key, insertRecord({ insertId, blocks, lostBlocks: 0 }))
      await group.commit()
      ledger.checkWhole(insertId)
      await index.flush() // the log of RocksDB is not synced: only its table files are
    } catch (error) {
      group.finish(key, 'insert')
      throw toStoreError(error)
    }
    if (ledger.commit(insertId)) group.finish(key, 'insert')
  }

  discard(insertId: number): Promise<void> {
    return this.#run(undefined, () => this.#discard(insertId))
  }

  /** Before the store is closed for good: whoever was adding to these inserts will not go on. */
  async discardOpen(): Promise<void> {
    const open = [...this.#core.ledger.inserts()].filter(({ committed }) => !committed)
    for (const { insertId } of open) await this.#discard(insertId)
  }

  /** Tells of lost blocks that nobody was told of yet: at the end, when nothing reads any more. */
  tellLosses(): void {
    this.#losses.tell()
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
    const { ledger, lock, group } = this.#core
    const { insertId, address } = entry
    return this.#run(undefined, () =>
      lock.runAlways(mapKey(address), async () => {
        if (!ledger.has(insertId, address)) return
        const key = this.#key(insertId, address)
        const [record] = await knownRecords(this.#core, [key])
        const homesLeft = ledger.homeDone(insertId, address, home)
        if (homesLeft === undefined) return
        if (homesLeft.length === 0) this.#drop(entry, record)
        else if (record !== undefined) group.put(key, { ...record, homes: maskOf(homesLeft) })
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

  /** Changes wait until memory knows what is pending. */
  #run<T>(options: Abortable | undefined, task: () => Promise<T>): Promise<T> {
    return this.#core.gate.run(options, async () => {
      if (!this.#core.isRebuilt) await this.#core.rebuilt
      options?.signal?.throwIfAborted()
      return task()
    })
  }

  /** The newest block that inserts hold; `again`: one could not be read, and its entry was dropped. */
  async #read(address: Address): Promise<Block | undefined | 'again'> {
    const { ledger } = this.#core
    const holders = ledger.holders(address)
    const keys = holders.map((insertId) => this.#key(insertId, address))
    const records = await readRecords(this.#core, keys)
    const greatest = Math.max(...records.map(sequenceIn))
    let newest: Block | undefined
    for (const [i, insertId] of holders.entries()) {
      const record = records[i]
      if (record === 'unreadable') continue
      if (record !== undefined && sequenceIn(record) < greatest) continue
      const read = record === undefined ? 'damaged' : await readSlot(this.#core, address, record)
      if (!isBlock(read)) return this.#unread({ insertId, address, record }, read)
      if (greatest < 0) return read // content: they are all the same
      if (newest === undefined || supersedes(read, newest)) newest = read
    }
    if (records.includes('unreadable')) throw unreadableError() // it may be the newest
    return newest
  }

  async #unread(
    { insertId, address, record }: UnreadEntry,
    read: 'damaged' | 'unreadable',
  ): Promise<'again'> {
    if (record !== undefined && !this.#core.table.isCurrent(record, 'outbox')) return 'again'
    if (read === 'unreadable') throw unreadableError()
    await this.#dropUnreadable(insertId, address)
    return 'again'
  }

  async #add(request: AddRequest): Promise<'added' | 'full'> {
    const { ledger } = this.#core
    const { insertId, address, block, signal } = request
    if (ledger.has(insertId, address)) return 'added'
    if (!ledger.reserve()) return 'full'
    let isAdded = false
    try {
      signal?.throwIfAborted()
      const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
      // an edition on its way out must not change when another comes in, nor show before its time
      isAdded = !isSigned && (await this.#share(request))
      if (!isAdded) isAdded = await this.#write(request, isSigned)
      return 'added'
    } finally {
      if (!isAdded) ledger.unreserve()
    }
  }

  /** False: nothing here has the block. */
  async #share(request: AddRequest): Promise<boolean> {
    const { table } = this.#core
    for (let isMended = false; ;) {
      const held = await readHeld(this.#core, request.address, true)
      request.signal?.throwIfAborted()
      if (held === 'unreadable') throw unreadableIndex()
      if (held === undefined) return false
      // the index is not enough: after a crash it may name a slot that has been given to another block
      const state = isMended ? 'whole' : await vouchFor(this.#core, request, held)
      if (state === 'none') throw noSlotError()
      if (state === 'mended') isMended = true
      if (state !== 'whole') continue
      const isHere = (): boolean => isStillHeld(this.#core, held)
      // the cache gives up a slot for the entry as if it were a new one: it may become one
      const room = { slot: held.slot, isHere }
      const result = await withRoomBeside(this.#core, 'outbox', room, () => {
        this.#core.ledger.checkOpen(request.insertId)
        table.pin(held.slot)
        this.#enter(request, held, undefined)
        return 'entered' as const
      })
      if (result === 'none') throw noSlotError()
      if (result === 'entered') return true
    }
  }

  async #write(request: AddRequest, isSigned: boolean): Promise<true> {
    const { table, ledger } = this.#core
    const content = await writeSlot(this.#core, 'outbox', request)
    if (content === undefined) throw noSlotError()
    if (!ledger.isOpen(request.insertId)) {
      table.giveBack(content.slot)
      ledger.checkOpen(request.insertId)
    }
    this.#enter(request, content, isSigned ? sequenceOf(request.block) : undefined)
    table.letGo(content.slot)
    return true
  }

  /** The slot is pinned: its entry is queued, and the ledger knows. */
  #enter(request: AddRequest, content: SlotContent, sequence: number | undefined): void {
    const { ledger, group } = this.#core
    const { insertId, address, homes } = request
    const { slot, generation, checksum, nonce, tag } = content
    const ordinal = ledger.add(insertId, address, homes)
    const of = { slot, generation, checksum, nonce, tag, sequence, insertId, ordinal }
    const record: IndexRecord = {
      ...EMPTY_RECORD,
      ...of,
      area: 'outbox',
      homes: maskOf(homes),
      name: address,
    }
    group.put(this.#key(insertId, address), record)
  }

  async #discard(insertId: number): Promise<void> {
    const { ledger } = this.#core
    if (!ledger.isOpen(insertId) || this.#committing.has(insertId)) return
    if (this.#discarding.has(insertId)) return
    this.#discarding.add(insertId)
    try {
      for (;;) {
        const addresses = ledger.addressesOf(insertId)
        for (const address of addresses) await this.#remove(insertId, address)
        if (addresses.length === 0) break
      }
      ledger.discard(insertId)
    } finally {
      this.#discarding.delete(insertId)
    }
  }

  #remove(insertId: number, address: Address): Promise<void> {
    const { ledger, lock } = this.#core
    return lock.runAlways(mapKey(address), async () => {
      const [record] = await readRecords(this.#core, [this.#key(insertId, address)])
      if (!ledger.has(insertId, address)) return
      ledger.remove(insertId, address)
      this.#drop({ insertId, address }, record)
    })
  }

  /**
   * Ends the index entry of a block that has just left the ledger, and lets its slot go; where the index does
   * not say which one that is, it stays pinned until a pass over all entries has met nobody who names it.
   */
  #drop(entry: InsertBlock, record: RecordRead, isLost = false): void {
    const { table, group, keys, ledger } = this.#core
    const { insertId, address } = entry
    group.finish(this.#key(insertId, address), 'outbox')
    const isKnown = record !== undefined && record !== 'unreadable'
    if (isKnown && table.isCurrent(record, 'outbox')) {
      const isShared = record.sequence === undefined && ledger.holder(address) !== undefined
      // until its entry has gone from the disk a crash would bring it back
      if (!isShared) table.unpin(record.slot, 'after-commit')
    }
    const insert = ledger.insert(insertId)
    if (insert?.committed !== true) return
    const { blocks, spreadBlocks, lostBlocks } = insert
    const key = insertKey(keys, insertId)
    if (spreadBlocks + lostBlocks === blocks) group.finish(key, 'insert')
    else if (isLost) group.put(key, insertRecord(insert)) // a restart must not take it for spread
  }

  #dropUnreadable(insertId: number, address: Address): Promise<void> {
    const { lock, ledger, meter } = this.#core
    return lock.runAlways(mapKey(address), async () => {
      const [record] = await readRecords(this.#core, [this.#key(insertId, address)])
      if (record === 'unreadable') return
      const read = record === undefined ? 'damaged' : await readSlot(this.#core, address, record)
      if (read !== 'damaged' || !ledger.has(insertId, address)) return
      this.#losses.add()
      meter.verifyFailed()
      ledger.lose(insertId, address)
      this.#drop({ insertId, address }, record, true)
    })
  }

  #key(insertId: number, address: Address): IndexKey {
    return outboxKey(this.#core.keys, insertId, address)
  }
}

/** -1: it has none, or there is none. */
function sequenceIn(record: RecordRead): number {
  return record === undefined || record === 'unreadable' ? -1 : (record.sequence ?? -1)
}

/** The entry stays: the disk may answer again later. */
function unreadableError(): ShoalError {
  return new ShoalError('E_STORE_IO', 'a block of an insert cannot be read')
}

function noSlotError(): ShoalError {
  return new ShoalError('E_STORE_FULL', 'no slot of the store is free')
}

/** What a caller must know of a write that failed: nothing more fits, whatever the disk's words. */
function toFullError(error: unknown): ShoalError {
  const known = toStoreError(error)
  if (known.code !== 'E_STORE_IO') return known
  return new ShoalError('E_STORE_FULL', 'the store cannot be written', { cause: error })
}
