/**
 * How a data directory hides what it holds (spec §11): every key of it comes from one store key. The
 * only sealing code that `datastore/` may import; it opens what the store itself sealed, and a
 * block's own encryption stays closed to it.
 * @module
 */
import type { Address, Block } from './block.ts'
import { concat, uint64, utf8 } from './bytes.ts'
import {
  SEAL_NONCE_BYTES,
  SEAL_TAG_BYTES,
  blake2b256,
  open,
  randomBytes,
  seal,
} from './primitives.ts'

export { SEAL_NONCE_BYTES, SEAL_TAG_BYTES }

/** Bytes of the secret on disk: wide, so that erasing any part of it destroys the store key. */
export const STORE_SECRET_BYTES = 1024 * 1024
/** Bytes of a pseudo-random name in the index: 2^96 tries for a collision by accident. */
export const INDEX_NAME_BYTES = 24
export const BUCKET_NAME_BYTES = 8
/** What sealing adds to an index record. */
export const RECORD_OVERHEAD_BYTES = SEAL_NONCE_BYTES + SEAL_TAG_BYTES

declare const sealKeysBrand: unique symbol

/** Keys of one data directory. Holds no method: whoever has it may seal and open that directory. */
export interface SealKeys {
  readonly [sealKeysBrand]: true
  readonly slot: Uint8Array
  readonly record: Uint8Array
  readonly bucket: Uint8Array
  readonly entry: Uint8Array
  readonly outbox: Uint8Array
  readonly insert: Uint8Array
}

/** What opens one slot; kept in the index, beside the slot's number. */
export interface SlotSeal {
  readonly nonce: Uint8Array
  readonly tag: Uint8Array
}

/** Fresh bytes for a new `store.key`. */
export function createStoreSecret(): Uint8Array {
  return randomBytes(STORE_SECRET_BYTES)
}

/** All keys that come from `secret`, the whole content of `store.key` (spec §11.2). */
export function deriveSealKeys(secret: Uint8Array): SealKeys {
  const storeKey = blake2b256(secret)
  const derive = (label: string): Uint8Array => blake2b256(utf8(label), storeKey)
  return {
    slot: derive('shoal/seal/slot/1'),
    record: derive('shoal/seal/record/1'),
    bucket: derive('shoal/seal/bucket/1'),
    entry: derive('shoal/seal/entry/1'),
    outbox: derive('shoal/seal/outbox/1'),
    insert: derive('shoal/seal/insert/1'),
  } as SealKeys
}

/** Seals a block for the disk under a fresh nonce; `sealed` is as long as the block. */
export function sealSlot(
  keys: SealKeys,
  address: Address,
  block: Block,
): SlotSeal & { readonly sealed: Uint8Array } {
  const sealed = new Uint8Array(block.length)
  const nonce = randomBytes(SEAL_NONCE_BYTES)
  const secret = blake2b256(address, keys.slot)
  const tag = seal(sealed, block, { secret, nonce, associated: address })
  return { sealed, nonce, tag }
}

/** The block in a slot, or undefined: other bytes, another address, another store key. */
export function openSlot(
  keys: SealKeys,
  address: Address,
  sealed: Uint8Array,
  slotSeal: SlotSeal,
): Block | undefined {
  const secret = blake2b256(address, keys.slot)
  const under = { secret, nonce: slotSeal.nonce, associated: address }
  return open(sealed, slotSeal.tag, under) as Block | undefined
}

/** `nonce ‖ sealed ‖ tag`: an index record bound to its index key. */
export function sealRecord(keys: SealKeys, indexKey: Uint8Array, record: Uint8Array): Uint8Array {
  const out = new Uint8Array(record.length + RECORD_OVERHEAD_BYTES)
  const nonce = randomBytes(SEAL_NONCE_BYTES)
  out.set(nonce)
  const body = out.subarray(SEAL_NONCE_BYTES, SEAL_NONCE_BYTES + record.length)
  const tag = seal(body, record, { secret: keys.record, nonce, associated: indexKey })
  out.set(tag, SEAL_NONCE_BYTES + record.length)
  return out
}

/** The record that `sealRecord` sealed under the same key, or undefined. */
export function openRecord(
  keys: SealKeys,
  indexKey: Uint8Array,
  value: Uint8Array,
): Uint8Array | undefined {
  if (value.length < RECORD_OVERHEAD_BYTES) return undefined
  const end = value.length - SEAL_TAG_BYTES
  const nonce = value.subarray(0, SEAL_NONCE_BYTES)
  const under = { secret: keys.record, nonce, associated: indexKey }
  return open(value.subarray(SEAL_NONCE_BYTES, end), value.subarray(end), under)
}

/** Pseudo-random name of one of the 65,536 runs of ring positions. */
export function bucketName(keys: SealKeys, bucket: number): Uint8Array {
  const input = Uint8Array.of(bucket & 255, bucket >> 8)
  return blake2b256(input, keys.bucket).subarray(0, BUCKET_NAME_BYTES)
}

/** Pseudo-random name of a block under one of its homes. */
export function entryName(keys: SealKeys, address: Address, home: number): Uint8Array {
  return blake2b256(concat(address, Uint8Array.of(home)), keys.entry).subarray(0, INDEX_NAME_BYTES)
}

/** Pseudo-random name of a block that an insert waits for. */
export function outboxName(keys: SealKeys, insertId: number, address: Address): Uint8Array {
  const hash = blake2b256(concat(uint64(insertId), address), keys.outbox)
  return hash.subarray(0, INDEX_NAME_BYTES)
}

/** Pseudo-random name of an insert, and the bucket it pretends to belong to. */
export function insertName(
  keys: SealKeys,
  insertId: number,
): { readonly name: Uint8Array; readonly bucket: number } {
  const hash = blake2b256(uint64(insertId), keys.insert)
  const bucket = (hash[INDEX_NAME_BYTES] as number) + 256 * (hash[INDEX_NAME_BYTES + 1] as number)
  return { name: hash.subarray(0, INDEX_NAME_BYTES), bucket }
}
