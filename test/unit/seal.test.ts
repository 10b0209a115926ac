import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'

import { concat, copyOf, equals, uint64, utf8 } from '../../src/keys/bytes.ts'
import { argon2id, open } from '../../src/keys/primitives.ts'
import {
  PASSPHRASE_COST,
  RECORD_OVERHEAD_BYTES,
  STORE_SECRET_BYTES,
  WRAPPED_SECRET_BYTES,
  bucketName,
  createStoreSecret,
  deriveSealKeys,
  entryName,
  insertName,
  noise,
  openRecord,
  openSlot,
  openState,
  outboxName,
  sealRecord,
  sealSlot,
  sealState,
  unwrapSecret,
  wipe,
  wrapCost,
  wrapSecret,
} from '../../src/keys/seal.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const secret = new Uint8Array(STORE_SECRET_BYTES).fill(7)
const keys = deriveSealKeys(secret)
const { address, block } = contentBlock(1)

/** SHA-256 over keys and names, from a reference in Python (hashlib.blake2b). */
const EXPECTED = 'c8b5e85926408e3dc0cda319bcc97820ee5a9945326293bbe61b4cab8d8d32a7'
const EXPECTED_BUCKET = 41046
const EXPECTED_STATE_KEY = '93f5c80b7a0a97f1c0b94adc5c4bca9005d95ff90a6b9d197ffc1ae6626de8cd'
/** The least that Argon2id takes: these tests are not about how slow it is. */
const LEAST_COST = { passes: 1, memoryKib: 8 }
const passphrase = utf8('correct horse')

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

test('seal: the key of the saved state is the one in the specification', () => {
  assert.equal(Buffer.from(keys.state).toString('hex'), EXPECTED_STATE_KEY)
})

test('seal: a piece of a saved state opens at its own place of its own epoch only', () => {
  const place = { epoch: new Uint8Array(32).fill(3), piece: 1, pieces: 2 }
  const plaintext = new Uint8Array(1000).fill(5)
  const sealed = sealState(keys, place, plaintext)
  assert.equal(sealed.length, plaintext.length + RECORD_OVERHEAD_BYTES)
  assert.deepEqual(openState(keys, place, sealed), plaintext)
  const others = [{ epoch: new Uint8Array(32) }, { piece: 0 }, { pieces: 3 }]
  for (const other of others)
    assert.equal(openState(keys, { ...place, ...other }, sealed), undefined)
  for (const at of [0, 24, 500, sealed.length - 1]) {
    assert.equal(openState(keys, place, flipped(sealed, at)), undefined)
  }
  assert.equal(openRecord(keys, concat(place.epoch, uint64(1), uint64(2)), sealed), undefined)
})

test('seal: noise has the length asked for, repeats nothing, and looks like chance', () => {
  for (const length of [0, 1, 32_768]) assert.equal(noise(length).length, length)
  const [a, b] = [noise(65_536), noise(65_536)]
  assert.equal(equals(a, b), false)
  const counts = Array.from({ length: 256 }, () => 0)
  for (const byte of a) counts[byte] = (counts[byte] as number) + 1
  // 256 times 256 on average, 16 either way being usual: 8 of those are never seen
  assert.ok(
    counts.every((count) => Math.abs(count - 256) < 128),
    counts.join(),
  )
})

test('seal: wiped keys open nothing, and what is sealed with them opens nowhere', () => {
  const own = deriveSealKeys(secret)
  const before = sealSlot(own, address, block)
  wipe(own)
  assert.equal(openSlot(own, address, before.sealed, before), undefined)
  const after = sealSlot(own, address, block)
  const zeros = Object.fromEntries(Object.keys(keys).map((name) => [name, new Uint8Array(32)]))
  for (const others of [keys, zeros as unknown as typeof keys]) {
    assert.equal(openSlot(others, address, after.sealed, after), undefined)
  }
  for (const [name, key] of Object.entries(own)) {
    assert.notDeepEqual(key, keys[name as keyof typeof keys], name)
  }
})

test('seal: a wrapped secret opens under its passphrase and no other', async () => {
  const file = await wrapSecret(secret, passphrase, LEAST_COST)
  assert.equal(file.length, WRAPPED_SECRET_BYTES)
  assert.deepEqual(await unwrapSecret(file, passphrase), secret)
  for (const other of ['correct hors', 'correct horse ', 'Correct horse']) {
    assert.equal(await unwrapSecret(file, utf8(other)), undefined, other)
  }
  const again = await wrapSecret(secret, passphrase, LEAST_COST)
  assert.equal(equals(file.subarray(17, 33), again.subarray(17, 33)), false, 'another salt')
})

test('seal: a wrapped secret has the layout of the specification', async () => {
  const file = await wrapSecret(secret, passphrase, { passes: 2, memoryKib: 16 })
  const head = concat(utf8('shoalkey'), Uint8Array.of(1, 2, 0, 0, 0, 16, 0, 0, 0))
  assert.deepEqual(file.subarray(0, 17), head)
  const key = await argon2id(passphrase, file.subarray(17, 33), { passes: 2, memoryBytes: 16_384 })
  const sealed = file.subarray(57, 57 + STORE_SECRET_BYTES)
  const under = { secret: key, nonce: file.subarray(33, 57), associated: file.subarray(0, 33) }
  assert.deepEqual(open(sealed, file.subarray(-16), under), secret)
})

test('seal: one wrong bit anywhere keeps a wrapped secret shut', async () => {
  const file = await wrapSecret(secret, passphrase, LEAST_COST)
  // in the number of passes the lowest bits: others would cost what they say
  for (const at of [0, 7, 8, 9, 17, 32, 33, 56, 57, 500_000, file.length - 1]) {
    assert.equal(await unwrapSecret(flipped(file, at), passphrase), undefined, `byte ${at}`)
  }
  for (const length of [0, 57, file.length - 1]) {
    assert.equal(await unwrapSecret(file.subarray(0, length), passphrase), undefined)
  }
  assert.equal(await unwrapSecret(concat(file, Uint8Array.of(0)), passphrase), undefined)
})

test('seal: a cost out of bounds is refused before anything is computed', async () => {
  const file = await wrapSecret(secret, passphrase, LEAST_COST)
  const withCost = (passes: number, memoryKib: number): Uint8Array => {
    const copy = copyOf(file)
    const view = new DataView(copy.buffer)
    view.setUint32(9, passes, true)
    view.setUint32(13, memoryKib, true)
    return copy
  }
  assert.deepEqual(wrapCost(withCost(64, 4_194_304)), { passes: 64, memoryKib: 4_194_304 })
  for (const [passes, memoryKib] of [
    [0, 8],
    [65, 8],
    [4_294_967_295, 8],
    [1, 7],
    [1, 4_194_305],
  ] as const) {
    const wrong = withCost(passes, memoryKib)
    assert.equal(wrapCost(wrong), undefined, `${passes} ${memoryKib}`)
    assert.equal(await unwrapSecret(wrong, passphrase), undefined)
  }
})

test('seal: the cost that a passphrase has by default stays as dear as it is', () => {
  assert.deepEqual(PASSPHRASE_COST, { passes: 3, memoryKib: 262_144 })
})

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}
