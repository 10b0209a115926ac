/**
 * The value of every index entry (spec §11.3): one fixed size for store, cache, outbox and insert
 * entries, always wholly sealed, so that nothing on disk tells them apart.
 * @module
 */
import { ADDRESS_BYTES } from '../keys/block.ts'
import type { Address } from '../keys/block.ts'
import { readUint64, uint64 } from '../keys/bytes.ts'
import { SEAL_NONCE_BYTES, SEAL_TAG_BYTES, openRecord, sealRecord } from '../keys/seal.ts'
import type { SealKeys, SlotSeal } from '../keys/seal.ts'
import type { IndexKey } from './keyspace.ts'

/** Bytes before sealing. */
export const RECORD_BYTES = 108

const AREAS = ['store', 'cache', 'outbox', 'insert', 'meta'] as const
const AT = {
  area: 0,
  homes: 1,
  generation: 2,
  slot: 4,
  checksum: 8,
  insertId: 12,
  ordinal: 20,
  sequence: 28,
  name: 36,
  nonce: 68,
  tag: 92,
}

export interface IndexRecord extends SlotSeal {
  readonly area: (typeof AREAS)[number]
  /** Store, cache: the home. Outbox: one bit for each home left. Insert: 1, committed. */
  readonly homes: number
  readonly slot: number
  /** Of the slot when this was written, in [0, 256): another one there now makes the entry stale. */
  readonly generation: number
  /** CRC-32 of the sealed slot: what a scrub can verify without knowing the address. */
  readonly checksum: number
  readonly insertId: number
  /** Outbox: place in the order of adding. Insert: count of blocks. */
  readonly ordinal: number
  /** Of a signed block; undefined for content. */
  readonly sequence: number | undefined
  /** Store, outbox: the address. Cache: zeros. */
  readonly name: Uint8Array
}

const EMPTY_NAME = new Uint8Array(ADDRESS_BYTES)
const EMPTY_NONCE = new Uint8Array(SEAL_NONCE_BYTES)
const EMPTY_TAG = new Uint8Array(SEAL_TAG_BYTES)

/** What fields say that mean nothing in an entry. */
export const EMPTY_RECORD: IndexRecord = {
  area: 'cache',
  homes: 0,
  slot: 0,
  generation: 0,
  checksum: 0,
  insertId: 0,
  ordinal: 0,
  sequence: undefined,
  name: EMPTY_NAME,
  nonce: EMPTY_NONCE,
  tag: EMPTY_TAG,
}

/** The entry that says of an insert that it was committed, with so many blocks, of which some were lost (spec §11.3). */
export function insertRecord(insert: {
  readonly insertId: number
  readonly blocks: number
  readonly lostBlocks: number
}): IndexRecord {
  const { insertId, blocks, lostBlocks } = insert
  return { ...EMPTY_RECORD, area: 'insert', homes: 1, insertId, ordinal: blocks, slot: lostBlocks }
}

/** An entry that waits for nothing any more; whoever reads it finds none. */
export function doneRecord(area: 'outbox' | 'insert'): IndexRecord {
  return { ...EMPTY_RECORD, area }
}

/** The value to write at `key`. */
export function encodeRecord(keys: SealKeys, key: IndexKey, record: IndexRecord): Uint8Array {
  const out = new Uint8Array(RECORD_BYTES)
  const view = new DataView(out.buffer)
  out[AT.area] = AREAS.indexOf(record.area)
  out[AT.homes] = record.homes
  out[AT.generation] = record.generation
  view.setUint32(AT.slot, record.slot, true)
  view.setUint32(AT.checksum, record.checksum, true)
  out.set(uint64(record.insertId), AT.insertId)
  out.set(uint64(record.ordinal), AT.ordinal)
  view.setBigUint64(AT.sequence, sequenceField(record.sequence), true)
  out.set(record.name, AT.name)
  out.set(record.nonce, AT.nonce)
  out.set(record.tag, AT.tag)
  return sealRecord(keys, key.bytes, out)
}

/** The record at `key`, or undefined: damaged, written under another store key, or done (`doneRecord`). */
export function decodeRecord(
  keys: SealKeys,
  key: Uint8Array,
  value: Uint8Array,
): IndexRecord | undefined {
  const bytes = openRecord(keys, key, value)
  const area = AREAS[bytes?.[AT.area] ?? AREAS.length]
  if (bytes?.length !== RECORD_BYTES || area === undefined) return undefined
  if (bytes[AT.homes] === 0 && (area === 'outbox' || area === 'insert')) return undefined
  const view = new DataView(bytes.buffer)
  return {
    area,
    homes: bytes[AT.homes] as number,
    slot: view.getUint32(AT.slot, true),
    generation: bytes[AT.generation] as number,
    checksum: view.getUint32(AT.checksum, true),
    insertId: readUint64(bytes, AT.insertId) ?? 0,
    ordinal: readUint64(bytes, AT.ordinal) ?? 0,
    sequence: readUint64(bytes, AT.sequence),
    name: bytes.subarray(AT.name, AT.nonce),
    nonce: bytes.subarray(AT.nonce, AT.tag),
    tag: bytes.subarray(AT.tag),
  }
}

/** The address in a store or outbox record. */
export function addressIn(record: IndexRecord): Address {
  return record.name as Address
}

/** All bits set stands for "content"; it is above every sequence (spec §2.2). */
function sequenceField(sequence: number | undefined): bigint {
  return sequence === undefined ? 2n ** 64n - 1n : BigInt(sequence)
}
