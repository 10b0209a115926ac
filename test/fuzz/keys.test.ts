/**
 * Decoders of src/keys, and the manifest's, under bytes of any kind; where the reference has an
 * opinion, both must have the same. SEED repeats a run, SLOW=1 makes it fifty times as long.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { decodeManifest, encodeManifest, isContentType } from '../../src/content/manifest.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { isShoalError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { BLOCK_BYTES, contentAddress, toAddress, toBlock, verify } from '../../src/keys/block.ts'
import { base32, base64url, fromBase32, fromBase64url } from '../../src/keys/bytes.ts'
import { levelOf } from '../../src/keys/eris.ts'
import {
  documentAddress,
  headSequence,
  IMMUTABLE_SEQUENCE,
  MAX_EDITION,
  openDocument,
  publisherFromSeed,
} from '../../src/keys/signed.ts'
import type { DocumentPlace } from '../../src/keys/signed.ts'
import { formatUri, parseUri } from '../../src/keys/uri.ts'
import { addressOfKey, signBlock } from '../reference/block.ts'
import { keyStream } from '../reference/chacha20.ts'
import { decodeContent, encryptLeaf, encryptNode, joinPairs, pad } from '../reference/eris.ts'
import type { Blocks, Capability, Pair } from '../reference/eris.ts'
import { openBlock } from '../reference/publisher.ts'
import { hex, ofBase32, ofBase64url } from '../reference/text.ts'
import { documentName, parse, Refused } from '../reference/uri.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { BadBlock, decodeWhole, encodeInPieces, readLeaves } from '../vectors/tree.ts'
import { readVectors, seedOf, textOfUri } from '../vectors/vector.ts'

const KIB = 1024
const runs = (count: number): fc.Parameters<unknown> => ({
  numRuns: process.env['SLOW'] === undefined ? count : count * 50,
  seed: seedFromEnvironment() | 0, // fast-check prints it when a property fails
})

/** The value, or undefined where the call threw the one error that it may throw. */
function attempt<T>(call: () => T, code: ErrorCode): T | undefined {
  try {
    return call()
  } catch (error) {
    if (isShoalError(error) && error.code === code) return undefined
    throw error
  }
}

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const fixed = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

test('text forms: what is written is read back', () => {
  fc.assert(
    fc.property(bytes(200), (value) => {
      assert.deepEqual(fromBase64url(base64url(value)), value)
      assert.deepEqual(fromBase32(base32(value)), value)
    }),
    runs(300),
  )
})

test('text forms: a text is read only if it is the one spelling of its bytes', () => {
  const near = fc.stringMatching(/^[A-Za-z0-9_=+/-]{0,12}$/)
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: 'binary', maxLength: 12 })), (text) => {
      assert.deepEqual(fromBase64url(text), ofBase64url(text))
      assert.deepEqual(fromBase32(text), ofBase32(text))
      const value = fromBase64url(text)
      if (value !== undefined) assert.equal(base64url(value), text)
    }),
    runs(1000),
  )
})

/** Any string of UTF-16, halves of characters included. */
const anyText = fc
  .array(fc.oneof(fc.nat({ max: 0x17f }), fc.nat({ max: 0xffff })), { maxLength: 80 })
  .map((units) => String.fromCharCode(...units))

const known = readVectors('uris').flatMap(({ input }) =>
  'uri' in input ? [textOfUri(input.uri)] : [],
)

/** A URI of the vectors with a piece cut out and something else put in. */
const nearUri = fc
  .tuple(
    fc.constantFrom(...known.filter((text) => text.length < 1000)),
    fc.nat(),
    fc.nat({ max: 3 }),
    fc.oneof(
      fc.constantFrom(
        '',
        '/',
        ',',
        '@',
        '%',
        '%2F',
        '%2f..',
        '~',
        '=',
        '.',
        '\\',
        'CHK@',
        'shoal:',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
      anyText.map((text) => text.slice(0, 2)),
    ),
  )
  .map(([text, at, cut, put]) => {
    const from = at % (text.length + 1)
    return text.slice(0, from) + put + text.slice(from + cut)
  })

test('URIs: the parser and the reference take and refuse the same', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, { arbitrary: nearUri, weight: 9 }), (text) => {
      const parsed = attempt(() => parseUri(text), 'E_URI')
      assert.equal(parsed?.type, expectedType(text))
      if (parsed === undefined) return
      assert.equal(formatUri(parsed), parse(text).canonical)
      assert.deepEqual(parseUri(formatUri(parsed)), parsed)
    }),
    runs(3000),
  )
})

function expectedType(text: string): string | undefined {
  try {
    return parse(text).type
  } catch (error) {
    if (error instanceof Refused) return undefined
    throw error
  }
}

const signed = signBlock(seedOf('publisher'), 7n, keyStream(seedOf('body'), BLOCK_BYTES - 104))
const signedAt = toAddress(addressOfKey(signed.slice(0, 32)))

test('blocks: no change of a signed block passes under its address', () => {
  const flips = fc.uniqueArray(fc.nat({ max: BLOCK_BYTES * 8 - 1 }), { minLength: 1, maxLength: 4 })
  const header = fc.nat({ max: 104 * 8 - 1 }).map((bit) => [bit])
  fc.assert(
    fc.property(fc.oneof(flips, header), (bits) => {
      const block = toBlock(signed.slice())
      for (const bit of bits) block[bit >> 3] = (block[bit >> 3] as number) ^ (1 << (bit & 7))
      assert.equal(verify(signedAt, block), 'invalid')
      assert.equal(verify(contentAddress(block), block), 'content')
    }),
    runs(100),
  )
  assert.equal(verify(signedAt, toBlock(signed)), 'signed')
})

test('blocks: whatever the bytes, verifying gives an answer', () => {
  fc.assert(
    fc.property(fixed(104), fixed(32), (header, address) => {
      const block = toBlock(signed.slice())
      block.set(header)
      assert.equal(verify(toAddress(address), block), 'invalid')
      assert.equal(verify(toAddress(addressOfKey(header.slice(0, 32))), block), 'invalid')
    }),
    runs(100),
  )
})

/** Names that publishers may have, and those that they may not. */
const anyName = fc.oneof(
  anyText.map((text) => text.slice(0, 8)),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.stringMatching(/^-?[0-9]{1,20}$/),
  fc.constantFrom('latest', '.', '..', 'n'.repeat(255), 'n'.repeat(300), '\u0958'.repeat(85)),
)

test('documents: a name is taken or refused with E_NAME, as the reference does, and a key of it can be pasted', () => {
  const publisher = publisherFromSeed(seedOf('publisher'))
  fc.assert(
    fc.property(anyName, (name) => {
      const key = attempt(() => publisher.documentKey(name), 'E_NAME')
      assert.equal(key?.name, nameOrRefused(name))
      if (key === undefined) return
      const uri = { type: 'ssk' as const, ...key, document: key.name, path: [] }
      const parsed = parseUri(formatUri(uri))
      assert.ok(parsed.type === 'ssk')
      assert.equal(parsed.document, key.name)
    }),
    runs(1000),
  )
})

function nameOrRefused(text: string): string | undefined {
  try {
    return documentName(text, 'name')
  } catch (error) {
    if (error instanceof Refused) return undefined
    throw error
  }
}

const anyPlace = fc.oneof(
  fc.constantFrom<DocumentPlace>(
    { kind: 'ssk', edition: 0 },
    { kind: 'head', edition: 0 },
    { kind: 'ksk', edition: 0 },
  ),
  fc
    .integer({ min: 0, max: MAX_EDITION })
    .map((edition): DocumentPlace => ({ kind: 'edition', edition })),
)

test('documents: whatever the key and the block, opening gives nothing or E_URI', () => {
  const shape = fc.record({
    publicKey: fc.oneof(fixed(32), fc.constant(signed.slice(0, 32))),
    readKey: fixed(32),
    name: fc.string({ maxLength: 20 }),
    place: anyPlace,
    head: fixed(200),
  })
  fc.assert(
    fc.property(shape, ({ place, head, ...key }) => {
      const block = toBlock(signed.slice())
      block.set(head)
      assert.equal(
        attempt(() => openDocument(key, place, block), 'E_URI'),
        undefined,
      )
      assert.equal(
        attempt(() => openDocument(key, place, toBlock(signed)), 'E_URI'),
        undefined,
      )
      const address = attempt(() => documentAddress(key, place), 'E_URI')
      if (address !== undefined) assert.equal(verify(address, block), 'invalid')
    }),
    runs(300),
  )
})

test('documents: the reference opens what is sealed', () => {
  const publisher = publisherFromSeed(seedOf('publisher'))
  const shape = fc.record({ place: anyPlace, value: bytes(2000), edition: fc.nat() })
  fc.assert(
    fc.property(shape, ({ place, value, edition }) => {
      const key = publisher.documentKey('site')
      const sequence = place.kind === 'head' ? headSequence(key, edition) : IMMUTABLE_SEQUENCE
      const block = publisher.seal(key, place, { sequence, plaintext: value })
      const seen = { ...key, kind: place.kind, edition: BigInt(place.edition) }
      assert.deepEqual(openBlock(seen, new Uint8Array(block)), value)
    }),
    runs(10),
  )
})

test('trees: any content in any pieces comes back, whole and by ranges', () => {
  const shape = fc.record({
    length: fc.nat({ max: 70 * KIB }),
    secret: fixed(32),
    blockBytes: fc.constantFrom(KIB, 32 * KIB),
    pieces: fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 5 }),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    to: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(shape, ({ length, secret, blockBytes, pieces, from, to }) => {
      const content = keyStream(secret, length)
      const tree = encodeInPieces(content, { secret, blockBytes }, pieces)
      assert.equal(tree.capability.level, levelOf(length, blockBytes))
      assert.equal(Buffer.compare(decodeWhole(tree), content), 0)

      const last = Math.floor(length / blockBytes)
      const first = Math.floor(from * last)
      const end = first + Math.floor(to * (last - first))
      for (const [index, leaf] of readLeaves(tree, { first, last: end })) {
        const inside = content.subarray(index * blockBytes, (index + 1) * blockBytes)
        assert.equal(Buffer.compare(leaf.subarray(0, inside.length), inside), 0)
      }
    }),
    runs(40),
  )
})

/** How a node that an honest encoder made is spoiled before it is encrypted. */
interface Spoil {
  readonly level: number
  readonly at: number
  readonly length: number
  readonly fill: number
}

test('trees: a walk over spoiled nodes gives the content or E_DECODE, as the reference does', () => {
  const spoil = fc.record({
    level: fc.integer({ min: 1, max: 2 }),
    at: fc.constantFrom(0, 32, 64, 128, 700, 960, 1000, 1023),
    length: fc.constantFrom(1, 32, 64, 128, 1024),
    fill: fc.constantFrom(0, 0, 0, 1, 0xff),
  })
  const shape = fc.record({
    leaves: fc.integer({ min: 1, max: 40 }),
    spoils: fc.array(spoil, { maxLength: 2 }),
    lift: fc.constantFrom(0, 0, 0, 0, 1, -1, 255),
    end: fc.constantFrom(0, 0, 0, 1),
  })
  fc.assert(
    fc.property(shape, ({ leaves, spoils, lift, end }) => {
      const { root, blocks } = spoiledTree({ leaves, spoils, end })
      const capability = { ...root, level: Math.max(0, root.level + lift) }
      const expected = referenceContent(capability, blocks)
      const got = attempt(() => contentOrHole({ capability, blocks }), 'E_DECODE')
      // a block that is not there ends a walk by its driver's decision, before or after the fault
      if (expected === 'hole' || got === 'hole') return
      assert.equal(got, expected)
    }),
    runs(60),
  )
})

function spoiledTree(of: { leaves: number; spoils: Spoil[]; end: number }) {
  const blocks: Blocks = new Map()
  const secret = new Uint8Array(32)
  const full = encryptLeaf(keyStream(seedOf('leaf'), KIB), secret, blocks)
  const last = encryptLeaf(
    of.end === 0 ? pad(new Uint8Array(9), KIB) : new Uint8Array(KIB),
    secret,
    blocks,
  )
  let pairs: Pair[] = [...Array.from({ length: of.leaves - 1 }, () => full), last]
  let level = 0
  while (pairs.length > 1 || level < Math.max(0, ...of.spoils.map((spoil) => spoil.level))) {
    level += 1
    pairs = joinPairs(pairs, KIB).map((node, i) => {
      const hits = of.spoils.filter((spoil) => spoil.level === level && i === spoil.at % 2)
      for (const { at, length, fill } of hits) node.fill(fill, at, at + length)
      return encryptNode(node, level, blocks)
    })
  }
  return { root: { ...(pairs[0] as Pair), blockBytes: KIB, level }, blocks }
}

function referenceContent(capability: Capability, blocks: Blocks): string | undefined {
  try {
    return hex(decodeContent(capability, blocks))
  } catch (error) {
    return (error as Error).message.includes('missing') ? 'hole' : undefined
  }
}

function contentOrHole(tree: { capability: Capability; blocks: Blocks }): string {
  try {
    return hex(decodeWhole(tree))
  } catch (error) {
    if (error instanceof BadBlock) return 'hole'
    throw error
  }
}

const contentType = fc.option(
  fc.constantFrom('video/webm', 'text/html; charset=utf-8', `a/${'b'.repeat(253)}`),
  { nil: undefined },
)
const manifest: fc.Arbitrary<Manifest> = fc.oneof(
  fc.record({ contentType, value: bytes(300) }).map(({ contentType: type, value }) => ({
    size: value.length,
    contentType: type,
    body: { type: 'inline' as const, bytes: value },
  })),
  fc
    .record({ contentType, size: fc.maxSafeNat(), reference: fixed(32), readKey: fixed(32) })
    .map(({ contentType: type, size, reference, readKey }) => {
      const root = {
        blockBytes: BLOCK_BYTES,
        level: levelOf(size, BLOCK_BYTES),
        reference,
        readKey,
      }
      return { size, contentType: type, body: { type: 'tree' as const, root } }
    }),
)

test('manifests: what is encoded is decoded', () => {
  fc.assert(
    fc.property(manifest, (value) => {
      assert.deepEqual(decodeManifest(encodeManifest(value)), value)
    }),
    runs(200),
  )
})

test('manifests: spoiled ones are refused with E_DECODE, or have one spelling', () => {
  const spoiled = fc
    .tuple(manifest.map(encodeManifest), fc.nat(), fc.nat({ max: 12 }), bytes(12))
    .map(([value, at, cut, put]) => {
      const from = at % (value.length + 1)
      return Uint8Array.of(...value.subarray(0, from), ...put, ...value.subarray(from + cut))
    })
  const tagged = bytes(60).map((rest) => Uint8Array.of(1, 1, 8, 0, 0, 0, ...rest))
  fc.assert(
    fc.property(fc.oneof(spoiled, tagged, bytes(60)), (value) => {
      const decoded = attempt(() => decodeManifest(value), 'E_DECODE')
      if (decoded === undefined) return
      const again = encodeManifest(decoded)
      if (again.length === value.length) assert.equal(hex(again), hex(value))
      assert.deepEqual(decodeManifest(again), decoded)
      assert.ok(decoded.contentType === undefined || isContentType(decoded.contentType))
    }),
    runs(1000),
  )
})
