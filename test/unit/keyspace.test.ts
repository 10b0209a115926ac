import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  BUCKETS,
  BUCKET_POSITIONS,
  INDEX_KEY_BYTES,
  bucketOf,
  bucketRange,
  entryKey,
  hintOf,
  hintRange,
  insertKey,
  knownKey,
  outboxKey,
} from '../../src/datastore/keyspace.ts'
import type { KeyRange } from '../../src/datastore/keyspace.ts'
import {
  EMPTY_RECORD,
  RECORD_BYTES,
  decodeRecord,
  encodeRecord,
} from '../../src/datastore/record.ts'
import type { IndexRecord } from '../../src/datastore/record.ts'
import { homePosition } from '../../src/keys/block.ts'
import { compare } from '../../src/keys/bytes.ts'
import { RECORD_OVERHEAD_BYTES, createStoreSecret, deriveSealKeys } from '../../src/keys/seal.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const keys = deriveSealKeys(createStoreSecret())
const { address } = contentBlock(1)

test('keyspace: positions fall into buckets of 2^32', () => {
  assert.equal(bucketOf(0), 0)
  assert.equal(bucketOf(BUCKET_POSITIONS - 1), 0)
  assert.equal(bucketOf(BUCKET_POSITIONS), 1)
  assert.equal(bucketOf(2 ** 48 - 1), BUCKETS - 1)
})

test('keyspace: keys of all kinds have one length and lie in the range of their bucket', () => {
  const all = [
    entryKey(keys, address, 0),
    entryKey(keys, address, 1),
    entryKey(keys, address, 2),
    outboxKey(keys, 5, address),
    insertKey(keys, 5),
  ]
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length)
  for (const key of all) {
    assert.equal(key.bytes.length, INDEX_KEY_BYTES)
    assert.ok(isWithin(key.bytes, bucketRange(keys, key.bucket)))
    assert.equal(isWithin(key.bytes, bucketRange(keys, (key.bucket + 1) % BUCKETS)), false)
  }
  for (const home of [0, 1, 2] as const) {
    assert.equal(entryKey(keys, address, home).bucket, bucketOf(homePosition(address, home)))
  }
  assert.equal(outboxKey(keys, 5, address).bucket, bucketOf(homePosition(address, 0)))
})

test('keyspace: a hint leads back to its key', () => {
  for (let i = 0; i < 20; i++) {
    const key = entryKey(keys, contentBlock(i).address, 1)
    assert.ok(isWithin(key.bytes, hintRange(keys, hintOf(key))))
    const other = entryKey(keys, contentBlock(i).address, 2)
    assert.equal(isWithin(other.bytes, hintRange(keys, hintOf(key))), false)
  }
})

test('record: every field comes back, and all records are of one size', () => {
  const key = entryKey(keys, address, 2)
  const nonce = new Uint8Array(24).fill(1)
  const tag = new Uint8Array(16).fill(2)
  const most = { slot: 2 ** 32 - 1, generation: 2 ** 32 - 1, insertId: 2 ** 53 - 1 }
  const records: IndexRecord[] = [
    { ...EMPTY_RECORD, bucket: key.bucket },
    { ...EMPTY_RECORD, area: 'store', homes: 2, bucket: key.bucket, name: address, nonce, tag },
    {
      ...EMPTY_RECORD,
      ...most,
      area: 'outbox',
      homes: 7,
      bucket: key.bucket,
      ordinal: 2 ** 53 - 1,
    },
    { ...EMPTY_RECORD, area: 'insert', homes: 1, bucket: key.bucket, sequence: 0 },
    { ...EMPTY_RECORD, area: 'cache', bucket: key.bucket, sequence: 2 ** 53 - 1 },
  ]
  for (const record of records) {
    const value = encodeRecord(keys, key, record)
    assert.equal(value.length, RECORD_BYTES + RECORD_OVERHEAD_BYTES)
    assert.deepEqual(decodeRecord(keys, key.bytes, value), record)
  }
})

test('record: what is damaged, of another key or of another size is undefined', () => {
  const key = entryKey(keys, address, 0)
  const value = encodeRecord(keys, key, EMPTY_RECORD)
  assert.equal(decodeRecord(keys, entryKey(keys, address, 1).bytes, value), undefined)
  assert.equal(decodeRecord(keys, key.bytes, value.subarray(1)), undefined)
  assert.equal(decodeRecord(keys, key.bytes, new Uint8Array(0)), undefined)
  const others = deriveSealKeys(createStoreSecret())
  assert.equal(decodeRecord(others, key.bytes, value), undefined)
  assert.deepEqual(knownKey(key.bytes, key.bucket), key)
})

function isWithin(key: Uint8Array, { gte, lte }: KeyRange): boolean {
  return compare(key, gte) >= 0 && compare(key, lte) <= 0
}
