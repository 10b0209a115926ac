/**
 * Every key of the index and every range over it (spec §11.3): `bucket name (8) ‖ name (24)`. All
 * four kinds of entry look alike, and entries of one bucket of ring positions lie together.
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Address, Home } from '../keys/block.ts'
import { concat, mapKey } from '../keys/bytes.ts'
import { BUCKET_NAME_BYTES, bucketName, entryName, insertName, outboxName } from '../keys/seal.ts'
import type { SealKeys } from '../keys/seal.ts'

export const INDEX_KEY_BYTES = 32
/** Ring positions are cut into this many buckets: 16 bits tell a holder of the key little. */
export const BUCKETS = 65_536
/** Ring positions in one bucket. */
export const BUCKET_POSITIONS = 2 ** 32

/** A key of the index, with what is asked of it again and again. */
export interface IndexKey {
  readonly bytes: Uint8Array
  readonly bucket: number
  /** The same bytes as a string, for maps. */
  readonly id: string
}

/** What memory keeps of one index key: enough to find it again by one short seek. */
export interface KeyHint {
  readonly bucket: number
  readonly suffix: number
}

/** Both ends are included. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lte: Uint8Array
}

/** Key of a block under one of its homes, in the store or in the cache. */
export function entryKey(keys: SealKeys, address: Address, home: Home): IndexKey {
  const bucket = bucketOf(homePosition(address, home))
  return toKey(keys, bucket, entryName(keys, address, home))
}

/** Key of a block in the outbox. Its bucket is that of home 0, so that it clusters like the others. */
export function outboxKey(keys: SealKeys, insertId: number, address: Address): IndexKey {
  const bucket = bucketOf(homePosition(address, 0))
  return toKey(keys, bucket, outboxName(keys, insertId, address))
}

/** Key of an insert; number 0 is the counter that numbers are drawn from. */
export function insertKey(keys: SealKeys, insertId: number): IndexKey {
  const { name, bucket } = insertName(keys, insertId)
  return toKey(keys, bucket, name)
}

/** A key met in the index, whose record says `bucket`. */
export function knownKey(bytes: Uint8Array, bucket: number): IndexKey {
  return { bytes, bucket, id: mapKey(bytes) }
}

/** The bucket of a ring position, in [0, BUCKETS). */
export function bucketOf(position: number): number {
  return Math.floor(position / BUCKET_POSITIONS)
}

export function bucketRange(keys: SealKeys, bucket: number): KeyRange {
  return rangeOf(bucketName(keys, bucket))
}

export function hintOf(key: IndexKey): KeyHint {
  const view = new DataView(key.bytes.buffer, key.bytes.byteOffset)
  return { bucket: key.bucket, suffix: view.getUint32(BUCKET_NAME_BYTES) }
}

/** The range in which the key behind `hint` lies, as a rule alone. */
export function hintRange(keys: SealKeys, hint: KeyHint): KeyRange {
  const suffix = new Uint8Array(4)
  new DataView(suffix.buffer).setUint32(0, hint.suffix)
  return rangeOf(concat(bucketName(keys, hint.bucket), suffix))
}

function toKey(keys: SealKeys, bucket: number, name: Uint8Array): IndexKey {
  return knownKey(concat(bucketName(keys, bucket), name), bucket)
}

function rangeOf(prefix: Uint8Array): KeyRange {
  const rest = INDEX_KEY_BYTES - prefix.length
  return {
    gte: concat(prefix, new Uint8Array(rest)),
    lte: concat(prefix, new Uint8Array(rest).fill(255)),
  }
}
