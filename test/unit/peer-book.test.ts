import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapKey } from '../../src/keys/bytes.ts'
import { NO_PROOF } from '../../src/routing/handshake.ts'
import { PeerBook, publicKeyOf } from '../../src/routing/net/peer-book.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { nodePosition } from '../../src/routing/position.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, byte) => 250 - byte)
const plain = networkDefinition('test')
const puzzled = networkDefinition('shoal')
const nobody = (): boolean => false

test('a key is found again in the name that the topology has for it', () => {
  assert.deepEqual(publicKeyOf(mapKey(KEY)), KEY)
})

test('without puzzles a key alone gives the position, and what others call its proof nothing', () => {
  const book = new PeerBook(plain, nobody)
  const position = nodePosition(plain.hash, KEY, NO_PROOF)
  assert.equal(book.found(KEY, undefined).position, position)
  assert.equal(book.told({ publicKey: KEY, proof: Uint8Array.of(1, 2) }).position, position)
  assert.deepEqual(book.record(mapKey(KEY)), { publicKey: KEY, proof: NO_PROOF })
})

test('with puzzles a key is taken to be where it was found until its proof is known', () => {
  const book = new PeerBook(puzzled, nobody)
  const region = { topic: new Uint8Array(32), from: 2 ** 40, length: 2 ** 20 }
  const { position } = book.found(KEY, region)
  assert.ok(position >= region.from && position < region.from + region.length)
  assert.equal(book.record(mapKey(KEY)), undefined)
  const proof = Uint8Array.of(1, 2, 3)
  const told = book.told({ publicKey: KEY, proof })
  assert.equal(told.position, nodePosition(puzzled.hash, KEY, proof))
  assert.equal(book.found(KEY, undefined).position, told.position)
})

test('what others tell of a key does not hide it from where it announces itself', () => {
  const book = new PeerBook(puzzled, nobody)
  const region = { topic: new Uint8Array(32), from: 2 ** 40, length: 2 ** 20 }
  book.told({ publicKey: KEY, proof: Uint8Array.of(1, 2, 3) })
  const { position } = book.found(KEY, region)
  assert.ok(position >= region.from && position < region.from + region.length)
  const proven = book.proven({ publicKey: KEY, proof: Uint8Array.of(1, 2, 3) })
  assert.equal(book.found(KEY, region).position, proven.position)
})

test('what a key has proved is not overwritten by what others tell', () => {
  const book = new PeerBook(puzzled, nobody)
  const proof = Uint8Array.of(1, 2, 3)
  const { position } = book.proven({ publicKey: KEY, proof })
  assert.equal(book.told({ publicKey: KEY, proof: Uint8Array.of(1, 9) }).position, position)
  assert.deepEqual(book.record(mapKey(KEY)), { publicKey: KEY, proof })
})

test('of too many keys those that were heard of longest ago are forgotten', () => {
  const book = new PeerBook(plain, nobody)
  for (let number = 0; number < 5000; number++) book.found(keyOf(number), undefined)
  assert.equal(book.record(mapKey(keyOf(0))), undefined)
  assert.notEqual(book.record(mapKey(keyOf(4999))), undefined)
  assert.notEqual(book.record(mapKey(keyOf(1000))), undefined)
})

test('who is linked is never forgotten, however many others are heard of', () => {
  const linked = keyOf(5000)
  const book = new PeerBook(plain, (key) => key === mapKey(linked))
  book.proven({ publicKey: linked, proof: NO_PROOF })
  for (let number = 0; number < 4200; number++)
    book.told({ publicKey: keyOf(number), proof: NO_PROOF })
  assert.ok(book.record(mapKey(linked)) !== undefined)
  assert.equal(book.record(mapKey(keyOf(0))), undefined)
})

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, number)
  return key
}
