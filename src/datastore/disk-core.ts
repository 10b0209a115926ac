/**
 * What the areas and the outbox of a disk store share: the parts, and finding and
 * reading what belongs to an address (spec §11.5).
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'
import { openSlot } from '../keys/seal.ts'
import type { SealKeys, SlotSeal } from '../keys/seal.ts'
import type { Clock, Logger, Rng } from '../runtime.ts'
import type { Areas } from './areas.ts'
import type { DataDir } from './data-dir.ts'
import type { DiskCondition } from './disk-condition.ts'
import type { Filler } from './disk-fill.ts'
import type { DiskMeta } from './disk-meta.ts'
import type { DiskSpace } from './disk-space.ts'
import type { Sweep } from './disk-sweep.ts'
import type { DiskTable } from './disk-table.ts'
import type { FilteredIndex } from './filtered-index.ts'
import type { Gate } from './gate.ts'
import type { GroupCommit } from './group-commit.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { entryKey, outboxKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import { decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { Slab } from './slab.ts'
import type { SlotOpener } from './slot-opener.ts'
import type { SlotTenure } from './slot-table.ts'
import type { SpareBuffers } from './spare-buffers.ts'
import type { IndexValue } from './sorted-index.ts'
import { toStoreError, unreadableIndex } from './store-error.ts'
import type { StoreMeter } from './store-meter.ts'

/** The parts of an open disk store. */
export interface DiskCore {
  readonly dir: DataDir
  readonly keys: SealKeys
  readonly table: DiskTable
  readonly areas: Areas
  readonly slab: Slab
  /** For what this node itself reads. */
  readonly opener: SlotOpener
  /** For what is written to it. */
  readonly sealBuffers: SpareBuffers
  readonly index: FilteredIndex
  readonly group: GroupCommit
  readonly meta: DiskMeta
  readonly ledger: OutboxLedger
  /** By address. */
  readonly lock: KeyedLock
  /** By area: those who wait for a slot take turns. */
  readonly turns: KeyedLock
  readonly gate: Gate
  readonly rng: Rng
  readonly clock: Clock
  readonly logger: Logger
  readonly meter: StoreMeter
  readonly condition: DiskCondition
  readonly space: DiskSpace
  readonly fill: Filler
  readonly sweep: Sweep
  /** Hard ceiling over the data directory, bytes; changes with a resize. */
  quotaBytes: number
  /** Whether table, areas, ledger and filter know the whole index: not yet, after a crash. */
  isRebuilt: boolean
  /** How much of the index was read again after a crash, in [0, 1]. */
  rebuiltShare: number
  /** Resolves when `isRebuilt`; rejects with E_CLOSED when the store is closed before. */
  rebuilt: Promise<void>
}

/** A slot, the time it is talked of, and what opens and proves its bytes. */
export interface SlotContent extends SlotTenure, SlotSeal {
  /** CRC-32 of the sealed bytes. */
  readonly checksum: number
}

export interface FoundEntry {
  readonly key: IndexKey
  readonly record: IndexRecord
}

/** A block that is here: its slot, and its entry under each home that has one. */
export interface Held extends SlotContent {
  readonly sequence: number | undefined
  readonly homes: readonly (FoundEntry | undefined)[]
  /**
   * Keys of entries that eviction left behind when it took a pinned slot from its area. They name the slot as it
   * is: who lets it enter an area again deletes them in that turn, or they would hold again.
   */
  readonly left: readonly IndexKey[]
}

/** What came of reading a slot: `damaged`, it does not open; `unreadable`, the disk does not tell. */
export type SlotRead = Block | 'damaged' | 'unreadable'

export const HOMES: readonly Home[] = [0, 1, 2]

/** What the index says of a key; `unreadable`: the disk does not tell, so that it may be there. */
export type RecordRead = IndexRecord | 'unreadable' | undefined

/** Records of `keys`, as `readRecords`. @throws ShoalError E_STORE_IO where one cannot be read. */
export async function knownRecords(
  core: DiskCore,
  keys: readonly IndexKey[],
): Promise<(IndexRecord | undefined)[]> {
  return (await readRecords(core, keys)).map((record) => {
    if (record === 'unreadable') throw unreadableIndex()
    return record
  })
}

/** Records of `keys` as they are now, stale ones included; one trip to the disk at most. */
export async function readRecords(
  core: DiskCore,
  keys: readonly IndexKey[],
): Promise<RecordRead[]> {
  const queued = keys.map((key) => core.group.peek(key))
  const absent = keys.filter((_, i) => queued[i] === undefined)
  const values = absent.length === 0 ? [] : await readValues(core, absent)
  let next = 0
  return keys.map((key, i) => {
    const value = queued[i] === undefined ? values[next++] : undefined
    // changed while the disk was asked: a block that was replaced or moved is not absent
    const now = core.group.peek(key)
    const known = now === undefined ? queued[i] : now
    if (known !== undefined) return known ?? undefined
    return value === 'unreadable' ? value : value && decodeRecord(core.keys, key.bytes, value)
  })
}

/**
 * Records of `keys` that hold in store or cache, or in the outbox; the others are undefined. What was
 * replaced or moved while the disk was asked is read again: it has been here all the time.
 */
async function readCurrent(core: DiskCore, keys: readonly IndexKey[]): Promise<CurrentRecords> {
  for (;;) {
    const { moves } = core.table
    const all = await readRecords(core, keys)
    const holding = all.map((record) => {
      if (record === undefined || record === 'unreadable') return undefined
      return isHolding(core, record) ? record : undefined
    })
    const isStale = holding.some((record, i) => record === undefined && all[i] !== undefined)
    if (!isStale || core.table.moves === moves) return { all, holding }
  }
}

interface CurrentRecords {
  /** Stale ones included. */
  readonly all: readonly RecordRead[]
  readonly holding: readonly (IndexRecord | undefined)[]
}

/** Whether an entry of store, cache or outbox holds. */
export function isHolding(core: DiskCore, record: IndexRecord): boolean {
  return record.area === 'outbox' ? core.table.isCurrent(record, 'outbox') : isCurrent(core, record)
}

async function readValues(
  { index }: DiskCore,
  keys: readonly IndexKey[],
): Promise<readonly IndexValue[]> {
  try {
    return await index.getMany(keys.map((key) => key.bytes))
  } catch (error) {
    throw toStoreError(error)
  }
}

/**
 * Whether an entry of store or cache holds; while memory does not know the slots, all do. A slot that the
 * outbox pinned keeps its generation when it leaves the store, and so its old entries come back with it: they
 * are right about the block, though not about the area.
 */
export function isCurrent({ isRebuilt, table }: DiskCore, record: IndexRecord): boolean {
  if (record.area !== 'store' && record.area !== 'cache') return false
  if (!isRebuilt) return true
  if (!table.isCurrent(record, 'area')) return false
  return record.area === 'cache' || table.areaOf(record.slot) === 'store'
}

/**
 * Entries of `address` in store and cache that may be read, and that can be, the best first: for content the first that is
 * found, since what is here is mostly found at the first home, and of what is not the index knows in memory.
 */
export async function findEntries(
  core: DiskCore,
  address: Address,
): Promise<readonly FoundEntry[]> {
  const found: FoundEntry[] = []
  for (const home of HOMES) {
    const key = entryKey(core.keys, address, home)
    const [record] = (await readCurrent(core, [key])).holding
    if (record === undefined) continue
    found.push({ key, record })
    if (core.isRebuilt && record.sequence === undefined) break
  }
  return settle(core, found)
}

/**
 * All entries of `address`; with `shared`, its slot in the outbox too. `unreadable`: there may be others than
 * can be read, so that nothing may be decided by them. For callers that have the lock of the
 * address: what they get changes by eviction alone, so they ask `isStillHeld` in the turn they act in.
 */
export async function readHeld(
  core: DiskCore,
  address: Address,
  shared: boolean,
): Promise<Held | 'unreadable' | undefined> {
  const keys: IndexKey[] = HOMES.map((home) => entryKey(core.keys, address, home))
  const holder = shared ? core.ledger.holder(address) : undefined
  if (holder !== undefined) keys.push(outboxKey(core.keys, holder, address))
  const { all, holding } = await readCurrent(core, keys)
  const records = all.filter((record) => record !== 'unreadable')
  if (records.length < all.length) return 'unreadable'
  const found = HOMES.flatMap((home): FoundEntry[] => {
    const [key, record] = [keys[home], holding[home]]
    return key === undefined || record === undefined ? [] : [{ key, record }]
  })
  const pinned = holding[HOMES.length]
  const entries = settle(core, found, pinned)
  const best = entries[0]?.record ?? pinned
  if (best === undefined) return undefined
  const { slot, generation, checksum, nonce, tag, sequence } = best
  const homes = HOMES.map((home) => entries.find(({ record }) => record.homes === home))
  const left = HOMES.flatMap((home): IndexKey[] => {
    const [key, record] = [keys[home], records[home]]
    const isLeft = record !== undefined && homes[home] === undefined && isSameTenure(record, best)
    return key !== undefined && isLeft ? [key] : []
  })
  return { slot, generation, checksum, nonce, tag, sequence, homes, left }
}

/** Whether what was read is still so. */
export function isStillHeld({ table }: DiskCore, held: Held): boolean {
  const isInArea = held.homes.some((entry) => entry !== undefined)
  return table.isCurrent(held, isInArea ? 'area' : 'outbox')
}

/**
 * Entries that hold, of one slot: that of the newest edition, or the one that the outbox pins. A crash may
 * bring back what was evicted before it, so that one address has two slots: the other one goes.
 */
function settle(
  core: DiskCore,
  found: readonly FoundEntry[],
  pinned?: IndexRecord,
): readonly FoundEntry[] {
  const valid = found.filter(({ record }) => isCurrent(core, record))
  valid.sort((a, b) => (b.record.sequence ?? 0) - (a.record.sequence ?? 0))
  const best = pinned ?? valid[0]?.record
  if (best === undefined || !core.isRebuilt) return valid
  const isBest = ({ record }: FoundEntry): boolean => isSameTenure(record, best)
  for (const entry of valid) {
    if (isBest(entry)) continue
    core.areas.leave(entry.record.slot)
    if (core.group.peek(entry.key) === undefined) core.group.delete(entry.key)
  }
  return valid.filter(isBest)
}

export function isSameTenure(a: SlotTenure, b: SlotTenure): boolean {
  return a.slot === b.slot && a.generation === b.generation
}

/** The block in a slot. Rejects never: a bad sector must not end what goes on without it. */
export function readSlot(
  core: DiskCore,
  address: Address,
  content: SlotTenure & SlotSeal,
): Promise<SlotRead> {
  return slotRead(
    core.slab.read(content.slot, (sealed) => openSlot(core.keys, address, sealed, content)),
  )
}

/** As `readSlot`, for a reader of this node: see `SlotOpener.open`. */
export function readSlotForOwn(
  core: DiskCore,
  address: Address,
  content: SlotTenure & SlotSeal,
): Promise<SlotRead> {
  return slotRead(core.opener.open(address, content))
}

async function slotRead(reading: Promise<Block | undefined>): Promise<SlotRead> {
  try {
    return (await reading) ?? 'damaged'
  } catch {
    return 'unreadable'
  }
}

export function isBlock(read: SlotRead): read is Block {
  return typeof read !== 'string'
}
