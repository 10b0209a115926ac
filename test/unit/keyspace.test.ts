import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  BUCKETS,
  BUCKET_POSITIONS,
  INDEX_KEY_BYTES,
  bucketOf,
  bucketRange,
  entryKey,
  fingerprintOf,
  foundKey,
  insertKey,
  outboxKey,
} from '../../src/datastore/keyspace.ts'
import type { KeyRange } from '../../src/datastore/keyspace.ts'
import { homePosition } from '../../src/keys/block.ts'
import { compare } from '../../src/keys/bytes.ts'
import { createStoreSecret, deriveSealKeys } from '../../src/keys/seal.ts'
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

test('keyspace: a key met in the index is the key that was made', () => {
  const key = entryKey(keys, address, 1)
  assert.deepEqual(foundKey(key.bytes), { bytes: key.bytes, id: key.id })
})

test('keyspace: fingerprints differ by block and home, and lie in [0, 2^32)', () => {
  const prints = new Set<number>()
  for (let i = 0; i < 20; i++) {
    for (const home of [0, 1, 2] as const) {
      prints.add(fingerprintOf(entryKey(keys, contentBlock(i).address, home)))
    }
  }
  assert.equal(prints.size, 60)
  for (const print of prints) assert.ok(print >= 0 && print < 2 ** 32 && Number.isInteger(print))
})

function isWithin(key: Uint8Array, { gte, lte }: KeyRange): boolean {
  return compare(key, gte) >= 0 && compare(key, lte) <= 0
}
