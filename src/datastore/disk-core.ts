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

/** Any one record of `address` in store or cache; memory alone answers for what is new. */
export async function findRecord(
  core: DiskCore,
  address: Address,
): Promise<IndexRecord | undefined> {
  const keys = homeKeys(core, address)
  for (const key of keys) {
    const queued = current(core, core.group.peek(key))
    if (queued !== undefined) return queued
  }
  return (await readRecords(core, keys)).find((record) => record !== undefined)
}

/** All entries of `address`; with `shared`, its slot in the outbox where the areas have none. */
export async function findHeld(
  core: DiskCore,
  address: Address,
  shared: boolean,
): Promise<Held | undefined> {
  const keys = homeKeys(core, address)
  const holder = shared ? core.ledger.holder(address) : undefined
  if (holder !== undefined) keys.push(outboxKey(core.keys, holder, address))
  const records = await readRecords(core, keys)
  const entries = records.map((record, i) =>
    record === undefined ? undefined : { key: keys[i] as IndexKey, record },
  )
  const any = entries.find((entry) => entry !== undefined)?.record
  if (any === undefined) return undefined
  const { slot, generation, nonce, tag, sequence } = any
  return { slot, generation, nonce, tag, sequence, homes: entries.slice(0, HOMES.length) }
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
