/**
 * What the areas and the outbox of a disk store share: the parts, and finding and
 * reading what belongs to an address (spec §11.5).
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'
import { openSlot } from '../keys/seal.ts'
import type { SealKeys, SlotSeal } from '../keys/seal.ts'
import type { Logger, Rng } from '../runtime.ts'
import type { Gate } from './gate.ts'
import type { GroupCommit } from './group-commit.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { entryKey, outboxKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import type { Shares } from './quota.ts'
import { decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { Index } from './rocks-index.ts'
import type { Slab } from './slab.ts'
import type { SlotTable, SlotTenure } from './slot-table.ts'
import { toStoreError } from './store-error.ts'
import type { PositionRange } from './store.ts'

/** The parts of an open disk store. */
export interface DiskCore {
  readonly keys: SealKeys
  readonly shares: Shares
  readonly table: SlotTable
  readonly slab: Slab
  readonly index: Index
  readonly group: GroupCommit
  readonly ledger: OutboxLedger
  /** By address. */
  readonly lock: KeyedLock
  /** By area: evictions of one area take turns. */
  readonly evicting: KeyedLock
  readonly gate: Gate
  readonly rng: Rng
  readonly logger: Logger
  /** What `setRange` said last. */
  range: PositionRange | undefined
}

/** A slot, the time it is talked of, and what opens it. */
export interface SlotContent extends SlotTenure, SlotSeal {}

export interface HeldEntry {
  readonly key: IndexKey
  readonly record: IndexRecord
}

/** A block that is here: its slot, and its entry under each home that has one. */
export interface Held extends SlotContent {
  readonly sequence: number | undefined
  readonly homes: readonly (HeldEntry | undefined)[]
}

/** A damaged index entry is never found: after this many tries the others have to do. */
const LOOKUP_TRIES = 3
const HOMES: readonly Home[] = [0, 1, 2]

/** Keys of an address in store and cache, by home. */
export function homeKeys(core: DiskCore, address: Address): IndexKey[] {
  return HOMES.map((home) => entryKey(core.keys, address, home))
}

/** Current records of `keys`; one trip to the disk for all that memory does not know. */
export async function readRecords(
  core: DiskCore,
  keys: readonly IndexKey[],
): Promise<(IndexRecord | undefined)[]> {
  const queued = keys.map((key) => core.group.peek(key))
  const absent = keys.filter((_, i) => queued[i] === undefined)
  const values = absent.length === 0 ? [] : await readValues(core, absent)
  let next = 0
  return keys.map((key, i) => {
    const known = queued[i]
    if (known !== undefined) return current(core, known)
    const value = values[next++]
    return value === undefined
      ? undefined
      : current(core, decodeRecord(core.keys, key.bytes, value))
  })
}

async function readValues(
  { index }: DiskCore,
  keys: readonly IndexKey[],
): Promise<readonly (Uint8Array | undefined)[]> {
  try {
    return await index.getMany(keys.map((key) => key.bytes))
  } catch (error) {
    throw toStoreError(error)
  }
}

function current(core: DiskCore, record: IndexRecord | null | undefined): IndexRecord | undefined {
  return record && core.table.isCurrent(record) ? record : undefined
}

/**
 * Any one record of `address` in store or cache. One home after the other: what is here is mostly found
 * at the first, and for what is not the index answers from memory.
 */
export async function findRecord(
  core: DiskCore,
  address: Address,
): Promise<IndexRecord | undefined> {
  for (const home of HOMES) {
    const [record] = await readRecords(core, [entryKey(core.keys, address, home)])
    if (record !== undefined) return record
  }
  return undefined
}

/**
 * All entries of `address`; with `shared`, its slot in the outbox where the areas have none. The slot
 * is on hold: call `table.letGo`. For callers that have the lock of the address.
 */
export async function holdEntries(
  core: DiskCore,
  address: Address,
  shared: boolean,
): Promise<Held | undefined> {
  const keys = homeKeys(core, address)
  const holder = shared ? core.ledger.holder(address) : undefined
  if (holder !== undefined) keys.push(outboxKey(core.keys, holder, address))
  for (let tries = 1; ; tries++) {
    const held = toHeld(core, keys, await readRecords(core, keys))
    if (held === undefined) return undefined
    // an eviction may have come between the disk's answer and now: then the counts differ
    if (tries < LOOKUP_TRIES && !isComplete(core, held)) continue
    core.table.hold(held.slot)
    return held
  }
}

function toHeld(
  core: DiskCore,
  keys: readonly IndexKey[],
  records: readonly (IndexRecord | undefined)[],
): Held | undefined {
  const entries = keys.map((key, i) => {
    const record = current(core, records[i])
    return record === undefined || core.group.peek(key) === null ? undefined : { key, record }
  })
  const any = entries.find((entry) => entry !== undefined)?.record
  if (any === undefined) return undefined
  const { slot, generation, nonce, tag, sequence } = any
  return { slot, generation, nonce, tag, sequence, homes: entries.slice(0, HOMES.length) }
}

function isComplete({ table }: DiskCore, { slot, homes }: Held): boolean {
  const found = (area: string): number =>
    homes.filter((entry) => entry?.record.area === area).length
  return (
    table.count(slot, 'store') === found('store') && table.count(slot, 'cache') === found('cache')
  )
}

/** The block in a slot; undefined where it does not open or cannot be read. */
export async function readSlot(
  core: DiskCore,
  address: Address,
  content: SlotContent,
): Promise<Block | undefined> {
  try {
    return await core.slab.read(content.slot, (sealed) =>
      openSlot(core.keys, address, sealed, content),
    )
  } catch {
    return undefined // a bad sector is like a bad tag: this copy is gone, and the node goes on
  }
}
