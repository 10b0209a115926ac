/**
 * The vectors of §2 and of the homes: honest blocks, and every forgery that a lax verifier would
 * let through.
 * @module
 */
import { hash } from '../reference/blake2b.ts'
import {
  addressOfKey,
  kindOf,
  positionOfHome,
  replaces,
  signedBytes,
  u64,
} from '../reference/block.ts'
import * as ed from '../reference/ed25519.ts'
import { bytesOf, hex, join, ofHex } from '../reference/text.ts'
import { bytesOfRule, seedOf } from './vector.ts'
import type { Rule, Vector } from './vector.ts'

const BODY: Rule = { keyStream: 'body', length: 32_664 }
const SEED = seedOf('publisher')
const KEYS = ed.keyPairOf(SEED)
const NONCE_SCALAR = 0x5eedn
const HIGHEST = 2n ** 53n - 1n

interface Parts {
  readonly publicKey: Uint8Array
  readonly signature: Uint8Array
  readonly sequence?: bigint
  readonly body?: Rule
}

export function makeBlockVectors(): Vector[] {
  return [
    ...contents(),
    ...honest(),
    ...replayed(),
    ...flips(),
    ...wrongKeys(),
    ...wrongSignatures(),
    ...races(),
  ]
}

function contents(): Vector[] {
  const block: Rule = { keyStream: 'block', length: 32_768 }
  const signed = rule({ publicKey: KEYS.publicKey, signature: signature(1n) })
  const address = hash(bytesOfRule(block))
  const zeros: Rule = { repeat: '00', length: 32_768 }
  const under = (name: string, at: Uint8Array, of: Rule, expect: Vector['expect']): Vector =>
    verify({ name, spec: '§2.1', address: at, block: of, expect })
  return [
    under('bytes under their hash', address, block, 'content'),
    under('zeros under their hash', hash(bytesOfRule(zeros)), zeros, 'content'),
    under(
      'a signed block under its own hash is content like any other',
      hash(bytesOfRule(signed)),
      signed,
      'content',
    ),
    under('one bit of the first byte is flipped', address, { flipBit: 0, of: block }, 'invalid'),
    under(
      'one bit of the last byte is flipped',
      address,
      { flipBit: 262_143, of: block },
      'invalid',
    ),
    under('one bit of the address is flipped', flip(address, 255), block, 'invalid'),
    under('the address of other bytes', hash(bytesOf('other')), block, 'invalid'),
  ]
}

function honest(): Vector[] {
  return [0n, 1n, 2n ** 32n, HIGHEST].map((sequence) =>
    signedVector(`sequence ${sequence}`, { signature: signature(sequence), sequence }, 'signed'),
  )
}

/** A block that somebody brings to where it does not belong. */
function replayed(): Vector[] {
  const block = rule({ publicKey: KEYS.publicKey, signature: signature(1n) })
  const address = addressOfKey(KEYS.publicKey)
  const places: [string, Uint8Array][] = [
    ['the address of another public key', addressOfKey(ed.keyPairOf(seedOf('other')).publicKey)],
    ['its public key as an address', KEYS.publicKey],
    ['the hash of its public key without the label', hash(KEYS.publicKey)],
    ['the address of its address', addressOfKey(address)],
    ['the hash of its body', hash(bytesOfRule(BODY))],
  ]
  return places.map(([name, at]) =>
    verify({
      name: `a signed block under ${name}`,
      spec: '§2.3',
      address: at,
      block,
      expect: 'invalid',
    }),
  )
}

function flips(): Vector[] {
  const address = addressOfKey(KEYS.publicKey)
  const block = rule({ publicKey: KEYS.publicKey, signature: signature(1n) })
  const regions: [string, number][] = [
    ['the public key', 3],
    ['R', 32 * 8 + 5],
    ['S', 64 * 8 + 1],
    ['the sequence', 96 * 8 + 1],
    ['the nonce', 104 * 8],
    ['the sealed text', 20_000 * 8 + 4],
    ['the tag', 32_768 * 8 - 1],
  ]
  const flipped = regions.map(([region, flipBit]) =>
    verify({
      name: `one bit of ${region} is flipped`,
      spec: '§2.2',
      address,
      block: { flipBit, of: block },
      expect: 'invalid',
    }),
  )
  const changed: Rule = { flipBit: 3, of: block }
  const ofOther = addressOfKey(bytesOfRule(changed).slice(0, 32))
  return [
    ...flipped,
    verify({
      name: 'another public key, and its address',
      spec: '§2.2',
      address: ofOther,
      block: changed,
      expect: 'invalid',
    }),
    verify({
      name: 'the address is the hash of the key without the label',
      spec: '§2.2',
      address: hash(KEYS.publicKey),
      block,
      expect: 'invalid',
    }),
  ]
}

/** Keys that are no prime-order point, each with the best signature there can be for it. */
function wrongKeys(): Vector[] {
  const torsion = ed.torsionPoint()
  const smallOrder = Array.from({ length: 8 }, (_, i) => {
    const order = [1, 8, 4, 8, 2, 8, 4, 8][i] as number
    const publicKey = ed.encodePoint(ed.multiply(BigInt(i), torsion))
    return forgedKey(`a key of order ${order} (number ${i})`, publicKey, { scalar: 0n, order })
  })
  const mixed = ed.encodePoint(ed.add(ed.multiply(KEYS.scalar, ed.BASE), torsion))
  const cofactored = signature(1n, { publicKey: mixed, multiple: false, order: 8 })
  return [
    ...smallOrder,
    forgedKey('a key of all zeros', new Uint8Array(32), { scalar: 0n, order: 4 }),
    forgedKey('a key of mixed order whose signature holds by either equation', mixed, {
      scalar: KEYS.scalar,
      order: 8,
    }),
    signedVector(
      'a key of mixed order whose signature holds only with the cofactor',
      { publicKey: mixed, signature: cofactored },
      'invalid',
    ),
    ...nonCanonicalKeys(),
  ]
}

function nonCanonicalKeys(): Vector[] {
  const sign = 2n ** 255n
  const encodings: [string, bigint, number][] = [
    ['the identity as y = p + 1', ed.P + 1n, 1],
    ['the identity with the sign of x set', 1n + sign, 1],
    ['the identity as y = p + 1 with the sign of x set', ed.P + 1n + sign, 1],
    ['the point of order 2 with the sign of x set', ed.P - 1n + sign, 2],
    ['a point of order 4 as y = p', ed.P, 4],
    ['a point of order 4 as y = p with the sign of x set', ed.P + sign, 4],
    ['y = 2^255 - 1', sign - 1n, 8],
    ['y = 2, which is on no point', 2n, 8],
    ['all ones', 2n ** 256n - 1n, 8],
  ]
  return encodings.map(([name, y, order]) =>
    forgedKey(`a key that is ${name}`, ed.encodeNumber(y), { scalar: 0n, order }),
  )
}

function wrongSignatures(): Vector[] {
  const good = signature(1n)
  const S = ed.decodeNumber(good.slice(32))
  const torsion = ed.torsionPoint()
  const R = ed.multiply(NONCE_SCALAR, ed.BASE)
  const withS = (value: bigint): Uint8Array => join(good.slice(0, 32), ed.encodeNumber(value))
  const withR = (r: bigint, encoded: Uint8Array): Uint8Array =>
    ed.signWith({ ...KEYS, r, R: encoded }, message(1n))
  const cases: [string, Partial<Parts>][] = [
    ['S + L', { signature: withS(S + ed.L) }],
    ['S + 2 L', { signature: withS(S + 2n * ed.L) }],
    ['S = L', { signature: withS(ed.L) }],
    ['S = 0', { signature: withS(0n) }],
    ['a signature of zeros', { signature: new Uint8Array(64) }],
    [
      'R + a point of order 8: holds only with the cofactor',
      { signature: withR(NONCE_SCALAR, ed.encodePoint(ed.add(R, torsion))) },
    ],
    [
      'R + the point of order 2: holds only with the cofactor',
      { signature: withR(NONCE_SCALAR, ed.encodePoint(ed.add(R, ed.multiply(4n, torsion)))) },
    ],
    ['R is the identity', { signature: withR(0n, ed.encodePoint(ed.IDENTITY)) }],
    ['R is the identity as y = p + 1', { signature: withR(0n, ed.encodeNumber(ed.P + 1n)) }],
    [
      'R is the identity with the sign of x set',
      { signature: withR(0n, ed.encodeNumber(1n + 2n ** 255n)) },
    ],
    ['the label is not signed', { signature: ed.sign(message(1n).slice(14), SEED) }],
    ['the sequence is not signed', { signature: ed.sign(signedLabelAndBody(), SEED) }],
    [
      'the public key is signed too',
      { signature: ed.sign(join(KEYS.publicKey, message(1n)), SEED) },
    ],
    ['the signature of another sequence', { signature: signature(2n) }],
    ['sequence 2^53, well signed', { signature: signature(2n ** 53n), sequence: 2n ** 53n }],
    [
      'sequence 2^64 - 1, well signed',
      { signature: signature(2n ** 64n - 1n), sequence: 2n ** 64n - 1n },
    ],
  ]
  return cases.map(([name, parts]) => signedVector(name, parts, 'invalid'))
}

function races(): Vector[] {
  const block = (sequence: bigint, body: Rule = BODY): Rule =>
    rule({
      publicKey: KEYS.publicKey,
      signature: ed.sign(signedBytes(sequence, bytesOfRule(body)), SEED),
      sequence,
      body,
    })
  const other: Rule = { keyStream: 'other body', length: 32_664 }
  const race = (name: string, next: Rule, held: Rule): Vector => ({
    name,
    spec: '§2.4',
    input: { replace: { next, held } },
    expect: 'ok',
    output: { replaces: replaces(bytesOfRule(next), bytesOfRule(held)) },
    comment: 'whether next takes the place of held',
  })
  return [
    race('a greater sequence replaces', block(2n), block(1n)),
    race('a smaller sequence does not', block(1n), block(2n)),
    race('2^53 - 1 replaces 2^53 - 2', block(HIGHEST), block(HIGHEST - 1n)),
    race('sequences are compared as numbers, not as bytes', block(256n), block(255n)),
    race('a block does not replace itself', block(1n), block(1n)),
    race(
      'an older sequence does not replace one that nothing supersedes',
      block(0n),
      block(HIGHEST),
    ),
    race('equal greatest sequences: one order', block(HIGHEST), block(HIGHEST, other)),
    race('equal greatest sequences: the other order', block(HIGHEST, other), block(HIGHEST)),
    race('equal sequences: one order', block(1n), block(1n, other)),
    race('equal sequences: the other order', block(1n, other), block(1n)),
  ]
}

export function makeHomeVectors(): Vector[] {
  const addresses: [string, Uint8Array][] = [
    ['a hash', hash(bytesOf('an address'))],
    ['all zeros', new Uint8Array(32)],
    ['all ones', new Uint8Array(32).fill(0xff)],
    ['the first bit', ofHex('80'.padEnd(64, '0'))],
    ['the 48th bit, and all after it', ofHex(`000000000001${'f'.repeat(52)}`)],
  ]
  return addresses.flatMap(([name, address]) =>
    [0, 1, 2].map((home) => ({
      name: `home ${home} of ${name}`,
      spec: '§6.2',
      input: { home: { address: hex(address), home } },
      expect: 'ok' as const,
      output: { position: Number(positionOfHome(address, home)) },
      comment: 'first 48 bits, big endian',
    })),
  )
}

/** A block under a key made by hand, signed so that as much as possible of the equation holds. */
function forgedKey(
  name: string,
  publicKey: Uint8Array,
  { scalar, order }: { scalar: bigint; order: number },
): Vector {
  const forged = signature(1n, { publicKey, scalar, multiple: true, order })
  return signedVector(name, { publicKey, signature: forged }, 'invalid')
}

/**
 * A signature by `scalar` (the publisher's unless given) for `publicKey`. `multiple` says whether the
 * challenge shall be a multiple of the order of the key's torsion, so that the torsion drops out.
 */
function signature(
  sequence: bigint,
  forge?: { publicKey: Uint8Array; scalar?: bigint; multiple: boolean; order: number },
): Uint8Array {
  const bytes = message(sequence)
  if (forge === undefined) return ed.sign(bytes, SEED)
  const { publicKey, scalar = KEYS.scalar, multiple, order } = forge
  for (let r = NONCE_SCALAR; ; r++) {
    const R = ed.encodePoint(ed.multiply(r, ed.BASE))
    const challenge = ed.hashToScalar(R, publicKey, bytes)
    if ((challenge % BigInt(order) === 0n) === multiple) {
      return ed.signWith({ scalar, publicKey, r, R }, bytes)
    }
  }
}

function message(sequence: bigint): Uint8Array {
  return signedBytes(sequence, bytesOfRule(BODY))
}

function signedLabelAndBody(): Uint8Array {
  return join(bytesOf('shoal/signed/1'), bytesOfRule(BODY))
}

function signedVector(name: string, parts: Partial<Parts>, expect: Vector['expect']): Vector {
  const { publicKey = KEYS.publicKey, signature: given = signature(1n) } = parts
  const block = rule({ ...parts, publicKey, signature: given })
  const spec = expect === 'signed' ? '§2.2' : '§2.3'
  return verify({ name, spec, address: addressOfKey(publicKey), block, expect })
}

function rule({ publicKey, signature: given, sequence = 1n, body = BODY }: Parts): Rule {
  return { join: [{ hex: hex(join(publicKey, given, u64(sequence))) }, body] }
}

function verify(of: {
  name: string
  spec: string
  address: Uint8Array
  block: Rule
  expect: Vector['expect']
}): Vector {
  const kind = kindOf(of.address, bytesOfRule(of.block))
  if (kind !== of.expect) throw new Error(`${of.name}: the reference says ${kind}`)
  const { name, spec, address, block, expect } = of
  return { name, spec, input: { verify: { address: hex(address), block } }, expect }
}

function flip(bytes: Uint8Array, flipBit: number): Uint8Array {
  return bytesOfRule({ flipBit, of: { hex: hex(bytes) } })
}
