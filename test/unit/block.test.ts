/** src/keys/block.ts: the forgeries are in test/vectors/blocks.json; here is what is no format. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  BLOCK_BYTES,
  contentAddress,
  homePosition,
  sequenceOf,
  signedAddress,
  SIGNED_HEADER_BYTES,
  supersedes,
  toAddress,
  toBlock,
  verify,
} from '../../src/keys/block.ts'
import { hash } from '../reference/blake2b.ts'
import { addressOfKey, replaces, signBlock } from '../reference/block.ts'
import { keyStream } from '../reference/chacha20.ts'
import { hex } from '../reference/text.ts'
import { seedOf } from '../vectors/vector.ts'

const body = (word: string): Uint8Array =>
  keyStream(seedOf(word), BLOCK_BYTES - SIGNED_HEADER_BYTES)

test('an address has 32 bytes and a block 32,768: other lengths are bugs', () => {
  for (const length of [0, 31, 33]) {
    assert.throws(() => toAddress(new Uint8Array(length)), RangeError)
  }
  for (const length of [0, BLOCK_BYTES - 1, BLOCK_BYTES + 1]) {
    assert.throws(() => toBlock(new Uint8Array(length)), RangeError)
  }
})

test('naming bytes does not copy them', () => {
  const bytes = new Uint8Array(BLOCK_BYTES)
  assert.equal(toBlock(bytes), bytes)
})

test('addresses are those of the reference', () => {
  const block = toBlock(keyStream(seedOf('block'), BLOCK_BYTES))
  assert.equal(hex(contentAddress(block)), hex(hash(block)))
  const publicKey = keyStream(seedOf('key'), 32)
  assert.equal(hex(signedAddress(publicKey)), hex(addressOfKey(publicKey)))
})

test('a block is verified where it lies inside a greater buffer', () => {
  const frame = new Uint8Array(BLOCK_BYTES + 48)
  frame.set(signBlock(seedOf('publisher'), 5n, body('body')), 33)
  const block = toBlock(frame.subarray(33, 33 + BLOCK_BYTES))
  assert.equal(verify(signedAddress(block.subarray(0, 32)), block), 'signed')
  assert.equal(verify(contentAddress(block), block), 'content')
  assert.equal(sequenceOf(block), 5)
})

test('sequenceOf reads sequences up to 2^53 - 1 exactly', () => {
  for (const sequence of [0n, 1n, 2n ** 32n, 2n ** 53n - 1n]) {
    const block = new Uint8Array(BLOCK_BYTES)
    new DataView(block.buffer).setBigUint64(96, sequence, true)
    assert.equal(sequenceOf(toBlock(block)), Number(sequence))
  }
})

test('of any two blocks of one address exactly one stays, whichever came first', () => {
  const blocks = [
    [1n, 'a'],
    [1n, 'b'],
    [1n, 'c'],
    [2n, 'a'],
    [2n ** 53n - 1n, 'a'],
  ] as const
  const signed = blocks.map(([sequence, word]) =>
    toBlock(signBlock(seedOf('publisher'), sequence, body(word))),
  )
  for (const a of signed) {
    for (const b of signed) {
      assert.equal(supersedes(a, b), replaces(a, b))
      if (a !== b) assert.notEqual(supersedes(a, b), supersedes(b, a))
      else assert.equal(supersedes(a, b), false)
    }
  }
})

test('the homes of an address are three places on the ring', () => {
  const address = toAddress(hash(new Uint8Array(0)))
  const positions = ([0, 1, 2] as const).map((home) => homePosition(address, home))
  assert.equal(new Set(positions).size, 3)
  for (const position of positions) {
    assert.ok(Number.isSafeInteger(position) && position >= 0 && position < 2 ** 48)
  }
})
