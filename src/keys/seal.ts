/**
 * How a data directory hides what it holds (spec §11): every key of it comes from one store key. The
 * only sealing code that `datastore/` may import; it opens what the store itself sealed, and a
 * block's own encryption stays closed to it.
 * @module
 */
import type { Address, Block } from './block.ts'
import { concat, copyOf, equals, uint64, utf8 } from './bytes.ts'
import {
  SEAL_NONCE_BYTES,
  SEAL_TAG_BYTES,
  argon2id,
  blake2b256,
  chacha20,
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
  readonly state: Uint8Array
  readonly journal: Uint8Array
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
  const keys = {
    slot: derive('shoal/seal/slot/1'),
    record: derive('shoal/seal/record/1'),
    bucket: derive('shoal/seal/bucket/1'),
    entry: derive('shoal/seal/entry/1'),
    outbox: derive('shoal/seal/outbox/1'),
    insert: derive('shoal/seal/insert/1'),
    state: derive('shoal/seal/state/1'),
    journal: derive('shoal/seal/journal/1'),
  } as SealKeys
  storeKey.fill(0)
  return keys
}

/** Overwrites all keys, by chance: what a call under way still seals with them opens nowhere. */
export function wipe(keys: SealKeys): void {
  for (const key of Object.values(keys)) key.set(randomBytes(key.length))
}

/** Bytes that nobody can tell from sealed ones, at most 256 GiB a call: what unused slots hold. */
export function noise(bytes: number): Uint8Array {
  return chacha20(new Uint8Array(bytes), new Uint8Array(12), randomBytes(32))
}

/** Seals a block for the disk under a fresh nonce, into `sealed`, which is as long as the block. */
export function sealSlot(
  keys: SealKeys,
  address: Address,
  block: Block,
  sealed: Uint8Array = new Uint8Array(block.length),
): SlotSeal & { readonly sealed: Uint8Array } {
  const nonce = randomBytes(SEAL_NONCE_BYTES)
  const secret = slotSecret(keys, address)
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
  return openSlotWith({ ...slotSeal, secret: slotSecret(keys, address), address }, sealed)
}

/** What opens one slot where the keys of the directory are not at hand. */
export interface SlotTicket extends SlotSeal {
  /** `slotSecret` of the address. */
  readonly secret: Uint8Array
  readonly address: Uint8Array
}

/** Seals and opens the slot of one address, and no other. */
export function slotSecret(keys: SealKeys, address: Address): Uint8Array {
  return blake2b256(address, keys.slot)
}

/** As `openSlot`; the block lies in `out`, where that is given. */
export function openSlotWith(
  { secret, nonce, tag, address }: SlotTicket,
  sealed: Uint8Array,
  out?: Uint8Array,
): Block | undefined {
  return open(sealed, tag, { secret, nonce, associated: address }, out) as Block | undefined
}

/** `nonce ‖ sealed ‖ tag`: an index record bound to its index key. */
export function sealRecord(keys: SealKeys, indexKey: Uint8Array, record: Uint8Array): Uint8Array {
  return sealWhole(keys.record, indexKey, record)
}

/** The record that `sealRecord` sealed under the same key, or undefined. */
export function openRecord(
  keys: SealKeys,
  indexKey: Uint8Array,
  value: Uint8Array,
): Uint8Array | undefined {
  return openWhole(keys.record, indexKey, value)
}

/** Where a piece belongs in a saved state: of one epoch, and at one place of it. */
export interface StatePlace {
  /** 32 bytes, new for every saved state: pieces of two never fit together. */
  readonly epoch: Uint8Array
  /** The number of the piece, from 0, and how many there are; both below 2^32. */
  readonly piece: number
  readonly pieces: number
}

/** `nonce ‖ sealed ‖ tag`: a piece of what memory knew when the store was closed (spec §11.9). */
export function sealState(keys: SealKeys, place: StatePlace, plaintext: Uint8Array): Uint8Array {
  return sealWhole(keys.state, placeBytes(place), plaintext)
}

/** The piece that `sealState` sealed for the same place under the same key, or undefined. */
export function openState(
  keys: SealKeys,
  place: StatePlace,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return openWhole(keys.state, placeBytes(place), sealed)
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

/** What it costs to try one passphrase. */
export interface PassphraseCost {
  /** In [1, 64]. */
  readonly passes: number
  /** In [8, 4,194,304]. */
  readonly memoryKib: number
}

/** About a second of a small computer; its memory is what makes guessing in bulk dear. */
export const PASSPHRASE_COST: PassphraseCost = { passes: 3, memoryKib: 256 * 1024 }
const MAX_PASSES = 64
const MIN_MEMORY_KIB = 8
const MAX_MEMORY_KIB = 4 * 1024 * 1024

const WRAP_MAGIC = utf8('shoalkey')
const WRAP_VERSION = 1
const SALT_BYTES = 16
const WRAP_AT = { version: 8, passes: 9, memoryKib: 13, salt: 17, nonce: 33, sealed: 57 }
/** Bytes of a `store.key` with a passphrase. */
export const WRAPPED_SECRET_BYTES = WRAP_AT.sealed + STORE_SECRET_BYTES + SEAL_TAG_BYTES

/** A store secret under a passphrase: the content of a protected `store.key` (spec §11.2). */
export async function wrapSecret(
  secret: Uint8Array,
  passphrase: Uint8Array,
  cost: PassphraseCost = PASSPHRASE_COST,
): Promise<Uint8Array> {
  const out = new Uint8Array(WRAPPED_SECRET_BYTES)
  const view = new DataView(out.buffer)
  out.set(WRAP_MAGIC)
  out[WRAP_AT.version] = WRAP_VERSION
  view.setUint32(WRAP_AT.passes, cost.passes, true)
  view.setUint32(WRAP_AT.memoryKib, cost.memoryKib, true)
  out.set(randomBytes(SALT_BYTES), WRAP_AT.salt)
  const key = await passphraseKey(out, passphrase, cost)
  out.set(sealWhole(key, out.subarray(0, WRAP_AT.nonce), secret), WRAP_AT.nonce)
  key.fill(0)
  return out
}

/** The secret in a protected `store.key`, or undefined: another passphrase, or a damaged file. */
export async function unwrapSecret(
  file: Uint8Array,
  passphrase: Uint8Array,
): Promise<Uint8Array | undefined> {
  const cost = wrapCost(file)
  if (cost === undefined) return undefined
  const key = await passphraseKey(file, passphrase, cost)
  const secret = openWhole(key, file.subarray(0, WRAP_AT.nonce), file.subarray(WRAP_AT.nonce))
  key.fill(0)
  return secret
}

/** What opening a protected `store.key` costs; undefined where it is no such file, or not in bounds. */
export function wrapCost(file: Uint8Array): PassphraseCost | undefined {
  if (file.length !== WRAPPED_SECRET_BYTES) return undefined
  const isOurs = equals(file.subarray(0, WRAP_MAGIC.length), WRAP_MAGIC)
  if (!isOurs || file[WRAP_AT.version] !== WRAP_VERSION) return undefined
  const view = new DataView(file.buffer, file.byteOffset)
  const passes = view.getUint32(WRAP_AT.passes, true)
  const memoryKib = view.getUint32(WRAP_AT.memoryKib, true)
  const isBounded = memoryKib >= MIN_MEMORY_KIB && memoryKib <= MAX_MEMORY_KIB
  return isBounded && passes >= 1 && passes <= MAX_PASSES ? { passes, memoryKib } : undefined
}

function passphraseKey(
  file: Uint8Array,
  passphrase: Uint8Array,
  { passes, memoryKib }: PassphraseCost,
): Promise<Uint8Array> {
  const salt = copyOf(file, WRAP_AT.salt, WRAP_AT.nonce)
  return argon2id(passphrase, salt, { passes, memoryBytes: memoryKib * 1024 })
}

function placeBytes({ epoch, piece, pieces }: StatePlace): Uint8Array {
  return concat(epoch, uint64(piece), uint64(pieces))
}

function sealWhole(secret: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + RECORD_OVERHEAD_BYTES)
  const nonce = randomBytes(SEAL_NONCE_BYTES)
  const end = SEAL_NONCE_BYTES + plaintext.length
  out.set(nonce)
  const body = out.subarray(SEAL_NONCE_BYTES, end)
  out.set(seal(body, plaintext, { secret, nonce, associated }), end)
  return out
}

function openWhole(
  secret: Uint8Array,
  associated: Uint8Array,
  value: Uint8Array,
): Uint8Array | undefined {
  if (value.length < RECORD_OVERHEAD_BYTES) return undefined
  const end = value.length - SEAL_TAG_BYTES
  const nonce = value.subarray(0, SEAL_NONCE_BYTES)
  const under = { secret, nonce, associated }
  return open(value.subarray(SEAL_NONCE_BYTES, end), value.subarray(end), under)
}
