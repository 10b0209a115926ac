/**
 * Every key of the index and every range over it (spec §11.3): `bucket name (8) ‖ name (24)`. All
 * kinds of entry look alike, and entries of one bucket of ring positions lie together.
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

/** A key of the index. */
export interface IndexKey {
  readonly bytes: Uint8Array
  /** The same bytes as a string, for maps. */
  readonly id: string
}

/** A key that was made, not met: its bucket is known. */
export interface BucketKey extends IndexKey {
  readonly bucket: number
}

/** Both ends are included. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lte: Uint8Array
}

/** Key of a block under one of its homes, in the store or in the cache. */
export function entryKey(keys: SealKeys, address: Address, home: Home): BucketKey {
  const bucket = bucketOf(homePosition(address, home))
  return toKey(keys, bucket, entryName(keys, address, home))
}

/** Key of a block in the outbox. Its bucket is that of home 0, so that it clusters like the others. */
export function outboxKey(keys: SealKeys, insertId: number, address: Address): BucketKey {
  const bucket = bucketOf(homePosition(address, 0))
  return toKey(keys, bucket, outboxName(keys, insertId, address))
}

/** Key of an insert; that of number 0 is the meta entry's, which every index has. */
export function insertKey(keys: SealKeys, insertId: number): BucketKey {
  const { name, bucket } = insertName(keys, insertId)
  return toKey(keys, bucket, name)
}

/** A key met in the index. */
export function foundKey(bytes: Uint8Array): IndexKey {
  return { bytes, id: mapKey(bytes) }
}

/** 32 pseudo-random bits of the name in a key: another number for each home of a block. */
export function fingerprintOf({ bytes }: IndexKey): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(BUCKET_NAME_BYTES)
}

/** The bucket of a ring position, in [0, BUCKETS). */
export function bucketOf(position: number): number {
  return Math.floor(position / BUCKET_POSITIONS)
}

export function bucketRange(keys: SealKeys, bucket: number): KeyRange {
  return rangeOf(bucketName(keys, bucket))
}

function toKey(keys: SealKeys, bucket: number, name: Uint8Array): BucketKey {
  const bytes = concat(bucketName(keys, bucket), name)
  return { bytes, bucket, id: mapKey(bytes) }
}

function rangeOf(prefix: Uint8Array): KeyRange {
  const rest = INDEX_KEY_BYTES - prefix.length
  return {
    gte: concat(prefix, new Uint8Array(rest)),
    lte: concat(prefix, new Uint8Array(rest).fill(255)),
  }
}
