/**
 * What the outbox knows in memory (spec §11.7): inserts, and the blocks that wait for copies, in the
 * order of adding. Bounded by `capacityBlocks`; both stores keep it beside their blocks.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Address, Home } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import type { Abortable, OutboxEntry, OutboxInsert } from './store.ts'

/** Finished inserts whose state is still told: enough for every page a person left open. */
const MAX_FINISHED = 1000
/** Inserts begun and not yet committed; one more is E_BUSY. */
const MAX_OPEN = 1024
const ADDRESS_CHARACTERS = 32

interface Waiting {
  readonly insertId: number
  readonly ordinal: number
  homes: number
}

interface Insert {
  blocks: number
  waiting: number
  lost: number
  committed: boolean
  /** The disk has lost a block of it before it was committed. */
  isSpoilt?: boolean
}

interface InsertNumber {
  readonly insertId: number
}

/** An entry as the state file keeps it. */
export interface KeptEntry {
  readonly insertId: number
  readonly address: Address
  /** One bit for each home left. */
  readonly homes: number
}

export class OutboxLedger {
  /** A smaller one than what is pending takes no new entries until it is below. */
  capacityBlocks: number
  /** Keyed by address and insert; a Map iterates in the order of adding, also while it changes. */
  readonly #waiting = new Map<string, Waiting>()
  /** The newest insert that holds an address. */
  readonly #holders = new Map<string, number>()
  /** Older ones of the few addresses that several inserts hold, in the order of adding. */
  readonly #olderHolders = new Map<string, number[]>()
  readonly #inserts = new Map<number, Insert>()
  readonly #finished = new Map<number, Pick<Insert, 'blocks' | 'lost'>>()
  readonly #roomWaiters = new Set<(error?: unknown) => void>()
  #reserved = 0
  #openInserts = 0
  #nextOrdinal = 1

  constructor(capacityBlocks: number) {
    this.capacityBlocks = capacityBlocks
  }

  get pendingBlocks(): number {
    return this.#waiting.size
  }

  /** Pending blocks and those about to be: what the cache gives up for the outbox. */
  get claimedBlocks(): number {
    return this.#waiting.size + this.#reserved
  }

  /** @throws ShoalError E_BUSY with 1,024 inserts uncommitted. */
  begin(insertId: number): void {
    if (this.#openInserts >= MAX_OPEN) throw new ShoalError('E_BUSY', 'too many inserts are open')
    this.#openInserts++
    this.#inserts.set(insertId, { blocks: 0, waiting: 0, lost: 0, committed: false })
  }

  isOpen(insertId: number): boolean {
    return this.#inserts.get(insertId)?.committed === false
  }

  /** @throws RangeError unless `insertId` was begun and neither committed nor discarded (a bug). */
  checkOpen(insertId: number): void {
    if (!this.isOpen(insertId)) throw new RangeError('no such insert is open')
  }

  /** A block of an open insert is lost: it cannot be committed any more. */
  spoil(insertId: number): void {
    const insert = this.#inserts.get(insertId)
    if (insert?.committed === false) insert.isSpoilt = true
  }

  /** Drops an entry whose block is lost. True where its insert is finished by that. */
  lose(insertId: number, address: Address): boolean {
    const insert = this.#inserts.get(insertId)
    if (insert !== undefined && this.has(insertId, address)) insert.lost++
    this.spoil(insertId)
    return this.remove(insertId, address)
  }

  /** @throws ShoalError E_STORE_IO for an insert that lost a block. */
  checkWhole(insertId: number): void {
    if (this.#inserts.get(insertId)?.isSpoilt !== true) return
    throw new ShoalError('E_STORE_IO', 'the disk lost a block of the insert: it has to begin anew')
  }

  has(insertId: number, address: Address): boolean {
    return this.#waiting.has(waitingKey(insertId, mapKey(address)))
  }

  /** An insert that holds `address`. */
  holder(address: Address): number | undefined {
    return this.#holders.get(mapKey(address))
  }

  /** All inserts that hold `address`. */
  holders(address: Address): readonly number[] {
    const name = mapKey(address)
    const newest = this.#holders.get(name)
    return newest === undefined ? [] : [newest, ...(this.#olderHolders.get(name) ?? [])]
  }

  /** Claims room for one block, false when full; pair with `add` or `unreserve`. */
  reserve(): boolean {
    if (this.claimedBlocks >= this.capacityBlocks) return false
    this.#reserved++
    return true
  }

  unreserve(): void {
    this.#reserved--
  }

  /** Turns a reservation into an entry; its ordinal. */
  add(insertId: number, address: Address, homes: readonly Home[]): number {
    this.#reserved--
    const ordinal = this.#nextOrdinal++
    const insert = this.#inserts.get(insertId)
    if (insert !== undefined) insert.blocks++
    this.#enter(address, { insertId, ordinal, homes: maskOf(homes) })
    return ordinal
  }

  /** Greater than all ordinals so far. */
  get nextOrdinal(): number {
    return this.#nextOrdinal
  }

  /** Inserts that wait for something, and those that are not committed. */
  *inserts(): IterableIterator<Pick<Insert, 'blocks' | 'lost' | 'committed'> & InsertNumber> {
    for (const [insertId, { blocks, lost, committed }] of this.#inserts) {
      yield { insertId, blocks, lost, committed }
    }
  }

  /** All entries, oldest first. */
  *kept(): IterableIterator<KeptEntry> {
    for (const [key, { insertId, homes }] of this.#waiting) {
      yield { insertId, address: addressOf(key), homes }
    }
  }

  /** Open: an entry found in the index; call in ascending order of ordinals. */
  restore(address: Address, entry: { insertId: number; ordinal: number; homes: number }): void {
    this.#nextOrdinal = Math.max(this.#nextOrdinal, entry.ordinal + 1)
    this.#enter(address, { ...entry })
  }

  /** Open: ordinals begin at `next`. */
  startOrdinals(next: number): void {
    this.#nextOrdinal = Math.max(this.#nextOrdinal, next)
  }

  /** Open: a committed insert found in the index, before its entries. */
  restoreInsert(insertId: number, blocks: number, lost = 0): void {
    this.#inserts.set(insertId, { blocks, waiting: 0, lost, committed: true })
  }

  /** Open: a committed insert of which nothing waits any more, but something was lost. */
  restoreFinished(insertId: number, blocks: number, lost: number): void {
    this.#finish(insertId, { blocks, lost })
  }

  /** Blocks added to an insert so far. */
  blocks(insertId: number): number {
    return this.#inserts.get(insertId)?.blocks ?? 0
  }

  /** True where nothing is left to wait for. */
  commit(insertId: number): boolean {
    const insert = this.#inserts.get(insertId)
    if (insert === undefined) return true
    if (!insert.committed) this.#openInserts--
    insert.committed = true
    return this.#finishIfDone(insertId, insert)
  }

  /** Addresses that an insert holds. */
  addressesOf(insertId: number): Address[] {
    const held: Address[] = []
    for (const [key, waiting] of this.#waiting) {
      if (waiting.insertId === insertId) held.push(addressOf(key))
    }
    return held
  }

  /** Forgets an open insert, and returns the addresses that it held. */
  discard(insertId: number): Address[] {
    const held = this.addressesOf(insertId)
    this.#inserts.delete(insertId)
    this.#openInserts--
    for (const address of held) this.remove(insertId, address)
    return held
  }

  /** Marks one home as served: what is left of the entry, undefined where there is no such entry. */
  homeDone(insertId: number, address: Address, home: Home): readonly Home[] | undefined {
    const waiting = this.#waiting.get(waitingKey(insertId, mapKey(address)))
    if (waiting === undefined) return undefined
    waiting.homes &= ~(1 << home)
    if (waiting.homes === 0) this.remove(insertId, address)
    return homesOf(waiting.homes)
  }

  /** Drops an entry. True where its insert is finished by that. */
  remove(insertId: number, address: Address): boolean {
    const name = mapKey(address)
    if (!this.#waiting.delete(waitingKey(insertId, name))) return false
    this.#dropHolder(name, insertId)
    for (const resolve of this.#roomWaiters) resolve()
    const insert = this.#inserts.get(insertId)
    if (insert === undefined) return false
    insert.waiting--
    return this.#finishIfDone(insertId, insert)
  }

  *entries(): IterableIterator<OutboxEntry> {
    for (const [key, { insertId, homes }] of this.#waiting) {
      yield { insertId, address: addressOf(key), homesLeft: homesOf(homes) }
    }
  }

  insert(insertId: number): OutboxInsert | undefined {
    const insert = this.#inserts.get(insertId)
    const finished = this.#finished.get(insertId)
    if (insert === undefined) {
      if (finished === undefined) return undefined
      const { blocks, lost } = finished
      return {
        insertId,
        blocks,
        spreadBlocks: blocks - lost,
        lostBlocks: lost,
        committed: true,
      }
    }
    const { blocks, waiting, lost, committed } = insert
    const spreadBlocks = blocks - waiting - lost
    return { insertId, blocks, spreadBlocks, lostBlocks: lost, committed }
  }

  /** Resolves when an entry has left, at once when none is there. */
  async room(options?: Abortable): Promise<void> {
    if (this.#waiting.size === 0) return
    const signal = options?.signal
    let settle: ((error?: unknown) => void) | undefined
    const onabort = (): void => settle?.(signal?.reason)
    try {
      await new Promise<void>((resolve, reject) => {
        settle = (error) => {
          if (error === undefined) resolve()
          else reject(error)
        }
        this.#roomWaiters.add(settle)
        signal?.addEventListener('abort', onabort)
      })
    } finally {
      if (settle !== undefined) this.#roomWaiters.delete(settle)
      signal?.removeEventListener('abort', onabort)
    }
  }

  /** Ends every wait for room. */
  close(): void {
    const error = new ShoalError('E_CLOSED', 'the outbox is closed')
    for (const reject of this.#roomWaiters) reject(error)
  }

  #enter(address: Address, waiting: Waiting): void {
    const name = mapKey(address)
    this.#waiting.set(waitingKey(waiting.insertId, name), waiting)
    const before = this.#holders.get(name)
    if (before !== undefined) this.#addOlder(name, before)
    this.#holders.set(name, waiting.insertId)
    const insert = this.#inserts.get(waiting.insertId)
    if (insert !== undefined) insert.waiting++
  }

  #addOlder(name: string, insertId: number): void {
    const older = this.#olderHolders.get(name)
    if (older === undefined) this.#olderHolders.set(name, [insertId])
    else older.push(insertId)
  }

  #dropHolder(name: string, insertId: number): void {
    const older = this.#olderHolders.get(name) ?? []
    if (this.#holders.get(name) !== insertId) older.splice(older.indexOf(insertId), 1)
    else {
      const next = older.pop()
      if (next === undefined) this.#holders.delete(name)
      else this.#holders.set(name, next)
    }
    if (older.length === 0) this.#olderHolders.delete(name)
  }

  #finishIfDone(insertId: number, insert: Insert): boolean {
    if (!insert.committed || insert.waiting > 0) return false
    this.#inserts.delete(insertId)
    this.#finish(insertId, insert)
    return true
  }

  #finish(insertId: number, { blocks, lost }: Pick<Insert, 'blocks' | 'lost'>): void {
    this.#finished.set(insertId, { blocks, lost })
    const [oldest] = this.#finished.keys()
    if (this.#finished.size > MAX_FINISHED && oldest !== undefined) this.#finished.delete(oldest)
  }
}

/** One bit for each home. */
export function maskOf(homes: readonly Home[]): number {
  return homes.reduce<number>((mask, home) => mask | (1 << home), 0)
}

/** Homes of a mask, ascending. */
export function homesOf(mask: number): readonly Home[] {
  return ([0, 1, 2] as const).filter((home) => (mask & (1 << home)) !== 0)
}

function waitingKey(insertId: number, name: string): string {
  return `${name}${insertId}`
}

function addressOf(key: string): Address {
  const bytes = new Uint8Array(ADDRESS_CHARACTERS)
  for (let i = 0; i < ADDRESS_CHARACTERS; i++) bytes[i] = key.charCodeAt(i)
  return bytes as Address
}
