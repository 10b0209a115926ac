/**
 * How a quota becomes slots (spec §11.4). The ceiling is over all files of the data directory, so
 * the slab gets what is left after a reserve for the index, its logs, and the keys.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'

const MIB = 1024 ** 2

/** Own inserts may wait for copies in at most this many blocks (8 GiB): their list is in memory. */
const MAX_OUTBOX_BLOCKS = 262_144
/** Current index entries a slot on average; homes of one block seldom meet in a large network. */
const ENTRIES_PER_SLOT = 2
/** From this size on RocksDB gets the larger write buffer; its log and level 0 grow with it. */
const LARGE_STORE_BYTES = 2048 * MIB

export interface Shares {
  readonly slots: number
  /** Most slots of the store area, and of cache and outbox together. */
  readonly storeSlots: number
  readonly cacheSlots: number
  readonly outboxBlocks: number
  /** Most index entries of store and cache. */
  readonly maxEntries: number
}

export interface DiskPlan extends Shares {
  readonly writeBufferBytes: number
  /** Bytes set aside for the index directory, and within them for its manifest. */
  readonly indexBytes: number
  readonly manifestBytes: number
  /** Kept for opening the index on a disk that is full (`SpareRoom`). */
  readonly spareBytes: number
}

/** 70 % store, 30 % cache, of which the outbox takes at most half. */
export function sharesOf(slots: number): Shares {
  const cacheSlots = Math.floor(slots * 0.3)
  return {
    slots,
    cacheSlots,
    storeSlots: slots - cacheSlots,
    outboxBlocks: Math.min(Math.floor(cacheSlots / 2), MAX_OUTBOX_BLOCKS),
    maxEntries: slots * ENTRIES_PER_SLOT,
  }
}

/** Bytes of the index that one slot may cost: 2.5 entries of 180 bytes, 2.8-fold while compacting. */
const INDEX_BYTES_PER_SLOT = 1260
/** Bytes that the state file of a clean stop may take: a part for each slot, and the rest. */
const STATE_BYTES_PER_SLOT = 16
const STATE_FIXED_BYTES = 64 * 1024
/** Everything that a slot may cost on disk. */
const BYTES_PER_SLOT = BLOCK_BYTES + INDEX_BYTES_PER_SLOT + STATE_BYTES_PER_SLOT
/** Manifest 4 MiB, write-ahead logs and level 0 (measured: §11.4), and room for a compaction. */
const INDEX_FIXED_BYTES = { small: 20 * MIB, large: 48 * MIB }
/** RocksDB takes space for its manifest in steps of this size; one is enough for 19,000 flushes. */
const MANIFEST_BYTES = 4 * MIB
/** Opening the index: a manifest, the tables of two logs of a write buffer's size, and 1 MiB. */
const SPARE_BYTES = { small: 7 * MIB, large: 13 * MIB }
/** `store.key`, other small files of the node, directories. */
const OTHER_BYTES = 4 * MIB

/** The layout of a data directory that never takes more than `storeBytes`. */
export function planOf(storeBytes: number): DiskPlan {
  const isLarge = storeBytes >= LARGE_STORE_BYTES
  const fixed = isLarge ? INDEX_FIXED_BYTES.large : INDEX_FIXED_BYTES.small
  const spareBytes = isLarge ? SPARE_BYTES.large : SPARE_BYTES.small
  const room = Math.max(0, storeBytes - fixed - STATE_FIXED_BYTES - OTHER_BYTES)
  const shares = sharesOf(Math.floor(room / BYTES_PER_SLOT))
  return {
    ...shares,
    writeBufferBytes: isLarge ? 4 * MIB : MIB,
    indexBytes: fixed - spareBytes + shares.slots * INDEX_BYTES_PER_SLOT,
    spareBytes,
    manifestBytes: MANIFEST_BYTES,
  }
}

/** The smallest quota, in whole MiB, whose store has room for a slab of `slots`. */
export function leastBytesFor(slots: number): number {
  let bytes = Math.ceil((slots * BYTES_PER_SLOT) / MIB) * MIB
  while (planOf(bytes).slots < slots) bytes += MIB
  return bytes
}

/** Bytes that a store needs beside a slab of `slots`: what the filling leaves free on the disk. */
export function reserveOf(slots: number): number {
  const isLarge = slots * BYTES_PER_SLOT >= LARGE_STORE_BYTES
  const fixed = isLarge ? INDEX_FIXED_BYTES.large : INDEX_FIXED_BYTES.small
  return fixed + STATE_FIXED_BYTES + OTHER_BYTES + slots * (BYTES_PER_SLOT - BLOCK_BYTES)
}
