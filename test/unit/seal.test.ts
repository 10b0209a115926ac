import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'

import { concat, equals } from '../../src/keys/bytes.ts'
import {
  RECORD_OVERHEAD_BYTES,
  STORE_SECRET_BYTES,
  bucketName,
  createStoreSecret,
  deriveSealKeys,
  entryName,
  insertName,
  openRecord,
  openSlot,
  outboxName,
  sealRecord,
  sealSlot,
} from '../../src/keys/seal.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const secret = new Uint8Array(STORE_SECRET_BYTES).fill(7)
const keys = deriveSealKeys(secret)
const { address, block } = contentBlock(1)

/** SHA-256 over keys and names, from a reference in Python (hashlib.blake2b). */
const EXPECTED = 'c8b5e85926408e3dc0cda319bcc97820ee5a9945326293bbe61b4cab8d8d32a7'
const EXPECTED_BUCKET = 41046

test('seal: a slot opens under its address and store key, and nothing else', () => {
  const { sealed, nonce, tag } = sealSlot(keys, address, block)
  assert.equal(sealed.length, block.length)
  assert.deepEqual(openSlot(keys, address, sealed, { nonce, tag }), block)
  assert.equal(openSlot(keys, contentBlock(2).address, sealed, { nonce, tag }), undefined)
  const others = deriveSealKeys(createStoreSecret())
  assert.equal(openSlot(others, address, sealed, { nonce, tag }), undefined)
})

test('seal: one wrong bit anywhere keeps a slot shut', () => {
  const { sealed, nonce, tag } = sealSlot(keys, address, block)
  for (const [part, length] of Object.entries({ sealed: block.length, nonce: 24, tag: 16 })) {
    for (const at of [0, length - 1]) {
      const slot = { sealed, nonce, tag }
      const wrong = { ...slot, [part]: flipped(slot[part as keyof typeof slot], at) }
      assert.equal(openSlot(keys, address, wrong.sealed, wrong), undefined, `${part} ${at}`)
    }
  }
})

test('seal: the same block is never sealed the same way twice', () => {
  const [a, b] = [sealSlot(keys, address, block), sealSlot(keys, address, block)]
  assert.equal(equals(a.sealed, b.sealed), false)
  assert.equal(equals(a.nonce, b.nonce), false)
})

test('seal: a record is bound to its index key', () => {
  const key = new Uint8Array(32).fill(1)
  for (const length of [0, 1, 108]) {
    const record = new Uint8Array(length).fill(9)
    const value = sealRecord(keys, key, record)
    assert.equal(value.length, length + RECORD_OVERHEAD_BYTES)
    assert.deepEqual(openRecord(keys, key, value), record)
    assert.equal(openRecord(keys, new Uint8Array(32), value), undefined)
  }
})

test('seal: a record that is cut, longer or changed does not open', () => {
  const key = new Uint8Array(32).fill(1)
  const value = sealRecord(keys, key, new Uint8Array(108))
  for (const length of [0, 1, 39, 40, 147]) {
    assert.equal(openRecord(keys, key, value.subarray(0, length)), undefined)
  }
  assert.equal(openRecord(keys, key, concat(value, Uint8Array.of(0))), undefined)
  for (const at of [0, 24, 100, 147]) {
    assert.equal(openRecord(keys, key, flipped(value, at)), undefined)
  }
})

test('seal: every bit of the secret counts', () => {
  for (const at of [0, STORE_SECRET_BYTES / 2, STORE_SECRET_BYTES - 1]) {
    const other = secret.slice()
    other[at] = 8
    assert.notDeepEqual(deriveSealKeys(other), keys)
  }
})

test('seal: names have their lengths, differ by all they depend on, and repeat', () => {
  const other = contentBlock(2).address
  const names = [
    entryName(keys, address, 0),
    entryName(keys, address, 1),
    entryName(keys, address, 2),
    entryName(keys, other, 0),
    outboxName(keys, 1, address),
    outboxName(keys, 2, address),
    outboxName(keys, 1, other),
    insertName(keys, 0).name,
    insertName(keys, 1).name,
  ]
  assert.deepEqual([...new Set(names.map((name) => name.length))], [24])
  assert.equal(new Set(names.map((name) => name.join())).size, names.length)
  assert.deepEqual(entryName(keys, address, 1), names[1])
  assert.equal(bucketName(keys, 0).length, 8)
  assert.equal(new Set([0, 1, 255, 256, 65_535].map((n) => bucketName(keys, n).join())).size, 5)
})

test('seal: the derivation is the one in the specification', () => {
  const digest = createHash('sha256')
  for (const part of [keys.slot, keys.record, keys.bucket, keys.entry, keys.outbox, keys.insert]) {
    digest.update(part)
  }
  digest.update(bucketName(keys, 0x1234))
  digest.update(entryName(keys, address, 2))
  digest.update(outboxName(keys, 77, address))
  digest.update(insertName(keys, 77).name)
  assert.equal(digest.digest('hex'), EXPECTED)
  assert.equal(insertName(keys, 77).bucket, EXPECTED_BUCKET)
})

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}
