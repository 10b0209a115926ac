/**
 * The vectors of §3.4 to §3.7: what comes from a seed, every derivation of a document, blocks that
 * open and blocks that must not.
 * @module
 */
import { hash } from '../reference/blake2b.ts'
import { addressOfKey, kindOf } from '../reference/block.ts'
import * as ed from '../reference/ed25519.ts'
import * as doc from '../reference/publisher.ts'
import type { Kind, Place } from '../reference/publisher.ts'
import { bytesOf, hex } from '../reference/text.ts'
import { documentName, Refused } from '../reference/uri.ts'
import { bytesOfRule, seedOf } from './vector.ts'
import type { DocumentInput, Rule, Vector } from './vector.ts'

const MAX_EDITION = 2n ** 51n - 1n
const IMMUTABLE = 2n ** 53n - 1n
const SEED = seedOf('publisher')
const PUBLISHER = doc.publisherOf(SEED)
const OTHER = doc.publisherOf(seedOf('another publisher'))
const NONCE = hash(bytesOf('nonce')).slice(0, 24)
const FURST = 'F\u00fcrst \u{1f41f}'
/** Argon2id of words, from libsodium: a slow one in BigInts would take hours. */
const ARGON2ID: Record<string, string> = {
  'gpl.txt': 'df7f05f052ea1cb1800c1a8c954e42db5ffe9240b2bea7eb9863997da0656c41',
  [FURST]: '995d2ceb932bd85b4319cf53fc4c3abd3eabb3713a4cb7a02ca41973fb4e23ef',
  ['n'.repeat(255)]: '24e2bf38dadb5ef42b577d05099ddc3d04210eabc4e9d7779aa35fb9ec4a7d68',
}

export function makeSignedVectors(): Vector[] {
  return [
    ...publishers(),
    ...documentNames(),
    ...documents(),
    ...signatures(),
    ...opened(),
    ...closed(),
    ...impossibleKeys(),
    ...words(),
  ]
}

function publishers(): Vector[] {
  const seeds: [string, Uint8Array][] = [
    ['the publisher of a seed', SEED],
    ['the publisher of the seed of zeros', new Uint8Array(32)],
    ['the publisher of the seed of ones', new Uint8Array(32).fill(0xff)],
  ]
  return seeds.map(([name, seed]) => {
    const { publicKey, readSecret, convergenceSecret } = doc.publisherOf(seed)
    const secrets = {
      readSecret: hex(readSecret),
      convergenceSecret: hex(convergenceSecret),
    }
    const output = { publicKey: hex(publicKey), ...secrets }
    return { name, spec: '§3.4', input: { publisher: { seed: hex(seed) } }, expect: 'ok', output }
  })
}

const NAMES: Record<string, string> = {
  'a plain name of a document': 'site',
  'a name of a document in NFC': FURST,
  'a name of a document in NFD': 'Fu\u0308rst \u{1f41f}',
  'a name of a document of 255 bytes': 'n'.repeat(255),
  'a name of a document of 256 bytes in NFD, 255 in NFC': `${'n'.repeat(253)}u\u0308`,
  'an empty name': '',
  'a name of 256 bytes': 'n'.repeat(256),
  'a name of 300 bytes': 'n'.repeat(300),
  'a name of 255 bytes that has more in NFC': '\u0958'.repeat(85),
  'a name with a slash': 'a/b',
  'a name with a backslash': 'a\\b',
  'a name with a control character': 'a\u0007b',
  'a name with half of a surrogate pair': 'a\ud83d',
  'a name of two dots': '..',
  'a name that is an edition': '0',
  'a name that is a negative edition': '-17',
  'a name that is an edition beyond all numbers': '9'.repeat(100),
  'a name that is the latest edition': 'latest',
}

function documentNames(): Vector[] {
  return Object.entries(NAMES).map(([name, text]): Vector => {
    const vector = { name, spec: '§3.4', input: { documentName: text } }
    try {
      return { ...vector, expect: 'ok', output: { name: documentName(text, 'name') } }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return { ...vector, expect: 'E_NAME' }
    }
  })
}

function placeOf(of: { kind: Kind; name?: string; edition?: bigint }): Place {
  const { kind, name = 'site', edition = 0n } = of
  const readKey = doc.readKeyOf(PUBLISHER.readSecret, name)
  return { publicKey: PUBLISHER.publicKey, readKey, name, kind, edition }
}

function documents(): Vector[] {
  const places: [string, Place, bigint][] = [
    ['an SSK', placeOf({ kind: 'ssk' }), 0n],
    ['an SSK with a name of Unicode', placeOf({ kind: 'ssk', name: FURST }), 0n],
    ['an SSK with a long name', placeOf({ kind: 'ssk', name: 'n'.repeat(255) }), 0n],
    ['edition 0', placeOf({ kind: 'edition' }), 0n],
    ['edition 1', placeOf({ kind: 'edition', edition: 1n }), 0n],
    ['edition 2^32', placeOf({ kind: 'edition', edition: 2n ** 32n }), 0n],
    ['the greatest edition', placeOf({ kind: 'edition', edition: MAX_EDITION }), 0n],
    ['the head that says edition 0', placeOf({ kind: 'head' }), 0n],
    ['the head that says edition 1', placeOf({ kind: 'head' }), 1n],
    ['the head that says the greatest edition', placeOf({ kind: 'head' }), MAX_EDITION],
    ['the head of another name', placeOf({ kind: 'head', name: FURST }), 0n],
    ['a KSK under a publisher like any other', placeOf({ kind: 'ksk' }), 0n],
  ]
  return places.map(([name, place, headEdition]): Vector => {
    const { kind, edition } = place
    return {
      name,
      spec: kind === 'head' ? '§3.6' : '§3.5',
      input: {
        document: {
          seed: hex(SEED),
          name: place.name,
          kind,
          edition: Number(edition),
          headEdition: Number(headEdition),
        },
      },
      expect: 'ok',
      output: {
        readKey: hex(place.readKey),
        blinding: hex(doc.blindingOf(place)),
        blindedKey: hex(doc.blindedKeyOf(place)),
        address: hex(doc.documentAddressOf(place)),
        bodyKey: hex(doc.bodyKeyOf(place)),
        sequence: Number(doc.sequenceFor(place, headEdition)),
      },
    }
  })
}

function signatures(): Vector[] {
  const messages: Record<string, Rule> = {
    'a signature over nothing': { text: '' },
    'a signature over text': { text: 'Many fish, one shoal.' },
    'a signature over what a block has': { keyStream: 'message', length: 32_686 },
  }
  const signSeed = hash(bytesOf('shoal/publisher/sign/1'), SEED)
  const blinding = doc.blindingOf(placeOf({ kind: 'ssk' }))
  const scalar = ed.blindScalar(PUBLISHER.scalar, blinding)
  const publicKey = hex(ed.encodePoint(ed.multiply(scalar, ed.BASE)))
  return Object.entries(messages).map(([name, message]): Vector => {
    const signature = ed.signBlinded(bytesOfRule(message), scalar)
    if (!ed.verifySignature(signature, bytesOfRule(message), ofKey(publicKey), 1n)) {
      throw new Error(`${name}: does not verify`)
    }
    const sign = { signSeed: hex(signSeed), blinding: hex(blinding), message }
    const output = { publicKey, signature: hex(signature) }
    return { name, spec: '§3.5', input: { sign }, expect: 'ok', output }
  })
}

function ofKey(publicKey: string): Uint8Array {
  return bytesOfRule({ hex: publicKey })
}

interface Sealed {
  readonly sequence: bigint
  readonly plaintext?: Rule
  readonly padding?: Rule
  readonly sealedSequence?: bigint
  readonly bodyKey?: Uint8Array
}

/** A block as a rule; signed by the publisher, whatever is in it. */
function blockRule(place: Place, of: Sealed): Rule {
  const plaintext = of.plaintext ?? { text: 'Many fish, one shoal.\n' }
  const length = bytesOfRule(plaintext).length
  const padding = of.padding ?? {
    join: [{ hex: '80' }, { repeat: '00', length: 32_623 - length }],
  }
  const padded: Rule = { join: [plaintext, padding] }
  const { sequence, sealedSequence, bodyKey = doc.bodyKeyOf(place) } = of
  const sealing = { sequence, sealedSequence, bodyKey, nonce: NONCE, padded: bytesOfRule(padded) }
  const block = doc.sealBlock(place, PUBLISHER.scalar, sealing)
  const cipher: Rule = { xchacha20: { secret: hex(bodyKey), nonce: hex(NONCE) }, of: padded }
  return { join: [{ hex: hex(block.slice(0, 128)) }, cipher, { hex: hex(block.slice(-16)) }] }
}

function opened(): Vector[] {
  const [ssk, head] = [placeOf({ kind: 'ssk' }), placeOf({ kind: 'head' })]
  const edition = placeOf({ kind: 'edition', edition: 7n })
  const longest: Rule = { keyStream: 'document', length: 32_623 }
  const cases: [string, Place, Sealed][] = [
    ['an SSK opens', ssk, { sequence: IMMUTABLE }],
    ['an edition opens', edition, { sequence: IMMUTABLE }],
    ['a KSK opens', placeOf({ kind: 'ksk' }), { sequence: IMMUTABLE }],
    ['a head opens', head, { sequence: doc.sequenceFor(head, 7n) }],
    ['a head of edition 0 opens', head, { sequence: doc.sequenceFor(head, 0n) }],
    [
      'a head of the greatest edition opens',
      head,
      { sequence: doc.sequenceFor(head, MAX_EDITION) },
    ],
    ['an empty document opens', ssk, { sequence: IMMUTABLE, plaintext: { text: '' } }],
    ['the longest document opens', ssk, { sequence: IMMUTABLE, plaintext: longest }],
    [
      'a document that ends like its padding opens',
      ssk,
      { sequence: IMMUTABLE, plaintext: { hex: '800000' } },
    ],
  ]
  return cases.map(([name, place, sealed]): Vector => {
    const block = blockRule(place, sealed)
    const plaintext = doc.openBlock(place, signedBlock(block))
    if (plaintext === undefined) throw new Error(`${name}: the reference does not open it`)
    const output = {
      address: hex(doc.documentAddressOf(place)),
      length: plaintext.length,
      hash: hex(hash(plaintext)),
    }
    return {
      name,
      spec: '§3.6',
      input: { open: { ...inputOf(place), block } },
      expect: 'ok',
      output,
    }
  })
}

function closed(): Vector[] {
  const [ssk, head] = [placeOf({ kind: 'ssk' }), placeOf({ kind: 'head' })]
  const honest = blockRule(ssk, { sequence: IMMUTABLE })
  const first = doc.sequenceFor(head, 0n)
  const otherKey = { ...ssk, readKey: doc.readKeyOf(OTHER.readSecret, 'site') }
  const edition = blockRule(placeOf({ kind: 'edition', edition: 7n }), { sequence: IMMUTABLE })
  const bad = (of: Partial<Sealed>): Rule => blockRule(ssk, { sequence: IMMUTABLE, ...of })
  const cases: [string, Place, Rule][] = [
    ['another read key opens nothing', otherKey, honest],
    ['another name opens nothing', placeOf({ kind: 'ssk', name: 'Site' }), honest],
    ['another kind opens nothing', placeOf({ kind: 'edition' }), honest],
    ['another edition opens nothing', placeOf({ kind: 'edition', edition: 8n }), edition],
    ['another publisher opens nothing', { ...ssk, publicKey: OTHER.publicKey }, honest],
    ['the sequence that is sealed is another', ssk, bad({ sealedSequence: IMMUTABLE - 1n })],
    ['the body is sealed under the read key itself', ssk, bad({ bodyKey: ssk.readKey })],
    [
      'the padding is all zeros',
      ssk,
      bad({ plaintext: { text: '' }, padding: { repeat: '00', length: 32_624 } }),
    ],
    [
      'the padding begins with 0x81',
      ssk,
      bad({
        plaintext: { text: '' },
        padding: { join: [{ hex: '81' }, { repeat: '00', length: 32_623 }] },
      }),
    ],
    [
      'there is no room for padding',
      ssk,
      bad({ plaintext: { repeat: '01', length: 32_624 }, padding: { text: '' } }),
    ],
    ['an SSK that could be superseded', ssk, bad({ sequence: IMMUTABLE - 1n })],
    ['an SSK of sequence 0', ssk, bad({ sequence: 0n })],
    ['a head below its offset', head, blockRule(head, { sequence: first - 1n })],
    [
      'a head above the greatest edition',
      head,
      blockRule(head, { sequence: first + MAX_EDITION + 1n }),
    ],
    ['a head that nothing could supersede', head, blockRule(head, { sequence: IMMUTABLE })],
  ]
  return cases.map(([name, place, block]): Vector => {
    if (doc.openBlock(place, signedBlock(block)) !== undefined) {
      throw new Error(`${name}: the reference opens it`)
    }
    const comment = 'the block is validly signed'
    const input = { open: { ...inputOf(place), block } }
    return { name, spec: '§3.6', input, expect: 'E_DECODE', comment }
  })
}

function impossibleKeys(): Vector[] {
  const torsion = ed.torsionPoint()
  const master = ed.decodePoint(PUBLISHER.publicKey) as ed.Point
  const keys: Record<string, Uint8Array> = {
    'the identity is nobody’s public key': ed.encodePoint(ed.IDENTITY),
    'a point of order 8 is nobody’s public key': ed.encodePoint(torsion),
    'a point of mixed order is nobody’s public key': ed.encodePoint(ed.add(master, torsion)),
    'what is not canonical is nobody’s public key': ed.encodeNumber(ed.P + 1n),
    'what is on no point is nobody’s public key': ed.encodeNumber(2n),
  }
  const block = blockRule(placeOf({ kind: 'ssk' }), { sequence: IMMUTABLE })
  return Object.entries(keys).map(([name, publicKey]): Vector => {
    const open = { ...inputOf({ ...placeOf({ kind: 'ssk' }), publicKey }), block }
    return { name, spec: '§3.5', input: { open }, expect: 'E_URI' }
  })
}

function words(): Vector[] {
  const spellings: Record<string, string> = {
    'a word': 'gpl.txt',
    'a word in NFC': FURST,
    'a word in NFD is the same word': 'Fu\u0308rst \u{1f41f}',
    'a word of 255 bytes': 'n'.repeat(255),
    'a word that is an edition': '17',
    'a word with a slash': 'a/b',
  }
  return Object.entries(spellings).map(([name, text]): Vector => {
    const vector = { name, spec: '§3.7', input: { word: text } }
    const word = text.normalize('NFC')
    const seed = ARGON2ID[word]
    if (seed === undefined) return { ...vector, expect: 'E_NAME' }
    const { publicKey, readSecret } = doc.publisherOf(bytesOfRule({ hex: seed }))
    const readKey = doc.readKeyOf(readSecret, word)
    const place: Place = { publicKey, readKey, name: word, kind: 'ksk', edition: 0n }
    const output = {
      word,
      seed,
      publicKey: hex(publicKey),
      readKey: hex(readKey),
      address: hex(doc.documentAddressOf(place)),
    }
    return { ...vector, expect: 'ok', output, comment: 'seed: what Argon2id gives' }
  })
}

function inputOf({ publicKey, readKey, name, kind, edition }: Place): DocumentInput {
  return { publicKey: hex(publicKey), readKey: hex(readKey), name, kind, edition: Number(edition) }
}

/** @throws Error where the reference does not call the block signed under its own key's address. */
function signedBlock(rule: Rule): Uint8Array {
  const block = bytesOfRule(rule)
  if (kindOf(addressOfKey(block.slice(0, 32)), block) !== 'signed') throw new Error('not signed')
  return block
}
