/** The value of an index entry (spec §11.3). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { entryKey } from '../../src/datastore/keyspace.ts'
import {
  EMPTY_RECORD,
  RECORD_BYTES,
  decodeRecord,
  encodeRecord,
} from '../../src/datastore/record.ts'
import type { IndexRecord } from '../../src/datastore/record.ts'
import { RECORD_OVERHEAD_BYTES, createStoreSecret, deriveSealKeys } from '../../src/keys/seal.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const keys = deriveSealKeys(createStoreSecret())
const { address } = contentBlock(1)

test('record: every field comes back, and all records are of one size', () => {
  const key = entryKey(keys, address, 2)
  const nonce = new Uint8Array(24).fill(1)
  const tag = new Uint8Array(16).fill(2)
  const most = { slot: 2 ** 32 - 1, generation: 255, checksum: 2 ** 32 - 1 }
  const greatest = { insertId: 2 ** 53 - 1, ordinal: 2 ** 53 - 1 }
  const records: IndexRecord[] = [
    { ...EMPTY_RECORD },
    { ...EMPTY_RECORD, area: 'store', homes: 2, name: address, nonce, tag },
    { ...EMPTY_RECORD, ...most, ...greatest, area: 'outbox', homes: 7 },
    { ...EMPTY_RECORD, area: 'insert', homes: 1, sequence: 0 },
    { ...EMPTY_RECORD, area: 'meta', homes: 1, ordinal: 65, name: new Uint8Array(32).fill(3) },
    { ...EMPTY_RECORD, area: 'cache', sequence: 2 ** 53 - 1 },
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
})
