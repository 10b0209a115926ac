/**
 * src/keys/signed.ts: its derivations are in test/vectors/signed.json; here is what holds for all of
 * them, and what blocks tell those who have no URI.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'

import * as fc from 'fast-check'

import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES, sequenceOf, toBlock, verify } from '../../src/keys/block.ts'
import { blindPublicKey, masterKeyFromSeed, verifyEd25519 } from '../../src/keys/primitives.ts'
import {
  documentAddress,
  documentNameFault,
  headSequence,
  IMMUTABLE_SEQUENCE,
  keywordPublisher,
  MAX_DOCUMENT_BYTES,
  MAX_EDITION,
  openDocument,
  publisherFromSeed,
} from '../../src/keys/signed.ts'
import type { DocumentKey, DocumentPlace } from '../../src/keys/signed.ts'
import { keyStream } from '../reference/chacha20.ts'
import { encodePoint, torsionPoint } from '../reference/ed25519.ts'
import { hex } from '../reference/text.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { seedOf } from '../vectors/vector.ts'

const runs = { numRuns: 100, seed: seedFromEnvironment() | 0 } // printed when a property fails
const publisher = publisherFromSeed(seedOf('publisher'))
const SSK: DocumentPlace = { kind: 'ssk', edition: 0 }
const HEAD: DocumentPlace = { kind: 'head', edition: 0 }
const plaintext = keyStream(seedOf('plaintext'), 1000)

function sequenceAt(key: DocumentKey, { kind }: DocumentPlace, headEdition = 0): number {
  return kind === 'head' ? headSequence(key, headEdition) : IMMUTABLE_SEQUENCE
}

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
const edition = fc.oneof(fc.nat({ max: 100 }), fc.integer({ min: 0, max: MAX_EDITION }))
const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 60 })
  .map((text) => text.normalize('NFC'))
  .filter((text) => documentNameFault(text) === undefined)
const place: fc.Arbitrary<DocumentPlace> = fc.oneof(
  fc.constantFrom<DocumentPlace>(SSK, HEAD, { kind: 'ksk', edition: 0 }),
  edition.map((number): DocumentPlace => ({ kind: 'edition', edition: number })),
)
const size = fc.oneof(
  fc.constantFrom(0, 1, MAX_DOCUMENT_BYTES - 1, MAX_DOCUMENT_BYTES),
  fc.nat({ max: MAX_DOCUMENT_BYTES }),
)

test('what is sealed is signed at its address and opens to the same', () => {
  const document = fc.record({ seed, name, place, size, headEdition: edition })
  fc.assert(
    fc.property(document, (of) => {
      const own = publisherFromSeed(of.seed)
      const key = own.documentKey(of.name)
      const content = keyStream(of.seed, of.size)
      const sequence = sequenceAt(key, of.place, of.headEdition)
      const block = own.seal(key, of.place, { sequence, plaintext: content })
      assert.equal(verify(documentAddress(key, of.place), block), 'signed')
      assert.equal(sequenceOf(block), sequence)
      assert.deepEqual(openDocument(key, of.place, block), content)
    }),
    runs,
  )
})

test('another read key, name, kind or edition leads elsewhere and opens nothing', () => {
  const pair = fc.record({ name, place, other: name, otherPlace: place, readKey: seed })
  fc.assert(
    fc.property(pair, (of) => {
      const key = publisher.documentKey(of.name)
      const block = publisher.seal(key, of.place, {
        sequence: sequenceAt(key, of.place),
        plaintext,
      })
      const address = hex(documentAddress(key, of.place))
      const wrong: [DocumentKey, DocumentPlace][] = [
        [{ ...key, readKey: of.readKey }, of.place],
        [{ ...key, name: of.other }, of.place],
        [publisher.documentKey(of.other), of.place],
        [key, of.otherPlace],
        [{ ...key, publicKey: publisherFromSeed(of.readKey).publicKey }, of.place],
      ]
      for (const [otherKey, otherPlace] of wrong) {
        if (inspect([otherKey, otherPlace]) === inspect([key, of.place])) continue
        assert.notEqual(hex(documentAddress(otherKey, otherPlace)), address)
        assert.equal(openDocument(otherKey, otherPlace, block), undefined)
      }
    }),
    runs,
  )
})

test('another publisher writes elsewhere, under the same name too', () => {
  const other = publisherFromSeed(seedOf('another publisher'))
  const [key, otherKey] = [publisher.documentKey('site'), other.documentKey('site')]
  assert.notEqual(hex(key.readKey), hex(otherKey.readKey))
  const forged = other.seal(otherKey, SSK, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  assert.equal(verify(documentAddress(key, SSK), forged), 'invalid')
  assert.equal(openDocument(key, SSK, forged), undefined)
  // with the URI in hand it still has no scalar for that address
  const stolen = { ...otherKey, readKey: key.readKey }
  const under = other.seal(stolen, SSK, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  assert.equal(verify(documentAddress(key, SSK), under), 'invalid')
  assert.throws(() => other.seal(key, SSK, { sequence: IMMUTABLE_SEQUENCE, plaintext }), RangeError)
})

test('the same document is never sealed the same way twice', () => {
  const key = publisher.documentKey('site')
  const seal = () => publisher.seal(key, SSK, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  const [a, b] = [seal(), seal()]
  assert.equal(hex(a.subarray(0, 32)), hex(b.subarray(0, 32)))
  for (const [from, to] of [
    [32, 64],
    [64, 96],
    [104, 128],
    [128, 160],
    [32_752, 32_768],
  ]) {
    assert.notEqual(hex(a.subarray(from, to)), hex(b.subarray(from, to)), `bytes ${from} to ${to}`)
  }
})

test('a changed block does not open, should somebody skip verifying it', () => {
  const key = publisher.documentKey('site')
  const block = publisher.seal(key, SSK, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  for (const at of [0, 31, 96, 103, 104, 127, 128, 20_000, 32_751, 32_752, 32_767]) {
    const changed = toBlock(block.slice())
    changed[at] = (changed[at] as number) ^ 1
    assert.equal(openDocument(key, SSK, changed), undefined, `byte ${at}`)
  }
})

test('what no document can be is a bug of the caller', () => {
  const key = publisher.documentKey('site')
  const tooLong = new Uint8Array(MAX_DOCUMENT_BYTES + 1)
  const sequence = IMMUTABLE_SEQUENCE
  assert.throws(() => publisher.seal(key, SSK, { sequence, plaintext: tooLong }), RangeError)
  for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN]) {
    assert.throws(() => publisher.seal(key, SSK, { sequence: wrong, plaintext }), RangeError)
  }
  for (const wrong of [-1, 0.5, MAX_EDITION + 1, Number.NaN]) {
    assert.throws(() => documentAddress(key, { kind: 'edition', edition: wrong }), RangeError)
    assert.throws(() => headSequence(key, wrong), RangeError)
  }
  for (const kind of ['ssk', 'head', 'ksk'] as const) {
    assert.throws(() => documentAddress(key, { kind, edition: 1 }), RangeError)
  }
  for (const length of [0, 31, 33, 64]) {
    assert.throws(() => publisherFromSeed(new Uint8Array(length)), RangeError)
  }
})

test('a head of the greatest edition still has a sequence that is a sequence', () => {
  for (let i = 0; i < 50; i++) {
    const key = publisher.documentKey(`site ${i}`)
    const [first, last] = [headSequence(key, 0), headSequence(key, MAX_EDITION)]
    assert.equal(last - first, MAX_EDITION)
    assert.ok(first >= 0 && last < 2 ** 52)
  }
})

test('a public key that no publisher has is refused before it is blinded', () => {
  const key = publisher.documentKey('site')
  const block = publisher.seal(key, SSK, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  for (const publicKey of [
    new Uint8Array(32),
    new Uint8Array(32).fill(0xff),
    encodePoint(torsionPoint()),
  ]) {
    const wrong = { ...key, publicKey }
    assert.throws(() => documentAddress(wrong, SSK), { code: 'E_URI' })
    assert.throws(() => openDocument(wrong, SSK, block), { code: 'E_URI' })
    assert.equal(blindPublicKey(publicKey, new Uint8Array(1)), undefined)
  }
})

test('a publisher shows none of its secrets', () => {
  const own = publisherFromSeed(seedOf('secret publisher'))
  const shown = [
    inspect(own, { depth: Infinity }),
    inspect(own, { depth: Infinity, showHidden: true }),
    JSON.stringify(own),
    JSON.stringify({ ...own }),
    JSON.stringify(structuredClone(own)),
    JSON.stringify(Object.getOwnPropertyDescriptors(own)),
  ]
  for (const text of shown) assert.doesNotMatch(text, /[0-9]{2}|[0-9a-f]{8}/i, text)
  const blinded = masterKeyFromSeed(seedOf('secret')).blind(new Uint8Array(1))
  assert.deepEqual(Object.keys(blinded), ['publicKey', 'sign'])
})

test('what a publisher gives away is a copy', () => {
  const own = publisherFromSeed(seedOf('publisher'))
  own.publicKey.fill(0)
  own.convergenceSecret.fill(0)
  own.documentKey('site').publicKey.fill(0)
  assert.deepEqual(own.publicKey, publisher.publicKey)
  assert.deepEqual(own.convergenceSecret, publisher.convergenceSecret)
  assert.deepEqual(own.documentKey('site'), publisher.documentKey('site'))
})

test('nobody can make a blinded key sign for another public key', () => {
  const blinded = masterKeyFromSeed(seedOf('secret')).blind(new Uint8Array(1))
  const message = new Uint8Array(10)
  const own = blinded.publicKey.slice()
  const signature = blinded.sign(message)
  blinded.publicKey.fill(9)
  assert.deepEqual(blinded.sign(message), signature)
  assert.ok(verifyEd25519(signature, message, own))
})

test('errors say nothing of the name', () => {
  for (const wrong of ['secret/plan', `secret${'n'.repeat(300)}`, 'secret\u0000']) {
    assert.throws(
      () => publisher.documentKey(wrong),
      (error) =>
        isShoalError(error) && error.code === 'E_NAME' && !error.message.includes('secret'),
    )
  }
})

test('everyone who knows a word has the same pair, whatever Unicode form they write', async () => {
  const [one, other] = await Promise.all([
    keywordPublisher('F\u00fcrst'),
    keywordPublisher('Fu\u0308rst'),
  ])
  assert.deepEqual(other.key, one.key)
  const ksk: DocumentPlace = { kind: 'ksk', edition: 0 }
  const block = one.publisher.seal(other.key, ksk, { sequence: IMMUTABLE_SEQUENCE, plaintext })
  assert.equal(verify(documentAddress(other.key, ksk), block), 'signed')
  assert.equal(block.length, BLOCK_BYTES)
  await assert.rejects(keywordPublisher('latest'), { code: 'E_NAME' })
})
