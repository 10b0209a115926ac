/**
 * Signed documents (spec §3.4 to §3.7): a publisher's master pair, blinded for each document, so that
 * holders and relays verify plain Ed25519 and cannot tell that two documents belong together.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Address, Block } from './block.ts'
import {
  BLOCK_BYTES,
  SIGNED_HEADER_BYTES,
  sequenceOf,
  signedAddress,
  signedBytes,
  toBlock,
} from './block.ts'
import { concat, copyOf, equals, uint64, utf8 } from './bytes.ts'
import { MAX_EDITION, documentNameFault } from './names.ts'
import {
  SEAL_NONCE_BYTES,
  SEAL_TAG_BYTES,
  argon2id,
  blake2b256,
  blindPublicKey,
  masterKeyFromSeed,
  open,
  randomBytes,
  seal,
} from './primitives.ts'
import type { MasterKey } from './primitives.ts'

export { MAX_EDITION, documentNameFault }

/** Sequence of documents that nothing supersedes. */
export const IMMUTABLE_SEQUENCE = Number.MAX_SAFE_INTEGER
export const PUBLISHER_SEED_BYTES = 32
const SEALED_FROM = SIGNED_HEADER_BYTES + SEAL_NONCE_BYTES
const SEALED_TO = BLOCK_BYTES - SEAL_TAG_BYTES
/** Longest plaintext of a signed block, bytes: one of the 32,624 is its padding. */
export const MAX_DOCUMENT_BYTES = SEALED_TO - SEALED_FROM - 1
const PAD_MARK = 0x80
/** Sequences of heads begin at a pseudo-random number of 51 bits. */
const MAX_OFFSET = 2n ** 51n - 1n
/** What one guess of a KSK's word costs anyone (spec §3.7). */
const KEYWORD_COST = { passes: 3, memoryBytes: 64 * 1024 * 1024 }
const KEYWORD_SALT = blake2b256(utf8('shoal/keyword/1')).subarray(0, 16)

/** What a signed block may be; each kind has its own blinding. */
export type DocumentKind = 'ssk' | 'edition' | 'head' | 'ksk'

const KIND_NUMBERS: Readonly<Record<DocumentKind, number>> = { ssk: 0, edition: 1, head: 2, ksk: 3 }

/** Everything a reader needs to find and open documents of one name. */
export interface DocumentKey {
  readonly publicKey: Uint8Array
  readonly readKey: Uint8Array
  /** NFC, 1 to 255 bytes; for a KSK the word. */
  readonly name: string
}

/** One signed block of a name. `edition` is 0 for an `ssk`, a `head` and a `ksk`. */
export interface DocumentPlace {
  readonly kind: DocumentKind
  readonly edition: number
}

/** A publisher's secrets; nothing of them is a property of its own, to be shown by accident. */
export interface Publisher {
  readonly publicKey: Uint8Array
  /** For the convergence of its sites: unchanged files keep their blocks. 32 bytes. */
  readonly convergenceSecret: Uint8Array
  /** @throws ShoalError E_NAME for what `documentNameFault` refuses. */
  documentKey(name: string): DocumentKey
  /**
   * Seals and signs, each time under a fresh nonce. `sequence`: IMMUTABLE_SEQUENCE, for a head
   * `headSequence`. @throws RangeError (a bug) over MAX_DOCUMENT_BYTES, for the key of another
   * publisher, for a place or sequence that is none.
   */
  seal(
    key: DocumentKey,
    place: DocumentPlace,
    document: { sequence: number; plaintext: Uint8Array },
  ): Block
}

/** The publisher of a 32-byte seed. */
export function publisherFromSeed(seed: Uint8Array): Publisher {
  if (seed.length !== PUBLISHER_SEED_BYTES) throw new RangeError('a publisher seed has 32 bytes')
  return new SeededPublisher(seed)
}

/**
 * The pair and document key of a KSK word, by Argon2id off the event loop: 64 MiB and a tenth of a
 * second or more. @throws ShoalError E_NAME for what `documentNameFault` refuses.
 */
export async function keywordPublisher(
  word: string,
): Promise<{ publisher: Publisher; key: DocumentKey }> {
  const password = utf8(checkedName(word))
  const publisher = publisherFromSeed(await argon2id(password, KEYWORD_SALT, KEYWORD_COST))
  return { publisher, key: publisher.documentKey(word) }
}

class SeededPublisher implements Publisher {
  readonly #master: MasterKey
  readonly #readSecret: Uint8Array
  readonly #convergenceSecret: Uint8Array

  constructor(seed: Uint8Array) {
    this.#master = masterKeyFromSeed(blake2b256(utf8('shoal/publisher/sign/1'), seed))
    this.#readSecret = blake2b256(utf8('shoal/publisher/read/1'), seed)
    this.#convergenceSecret = blake2b256(utf8('shoal/publisher/convergence/1'), seed)
  }

  get publicKey(): Uint8Array {
    return copyOf(this.#master.publicKey)
  }

  get convergenceSecret(): Uint8Array {
    return copyOf(this.#convergenceSecret)
  }

  documentKey(name: string): DocumentKey {
    const normal = checkedName(name)
    const input = concat(utf8('shoal/document/1'), lengthAndName(normal))
    const readKey = blake2b256(input, this.#readSecret)
    return { publicKey: this.publicKey, readKey, name: normal }
  }

  seal(
    key: DocumentKey,
    place: DocumentPlace,
    { sequence, plaintext }: { sequence: number; plaintext: Uint8Array },
  ): Block {
    if (!equals(key.publicKey, this.#master.publicKey)) {
      throw new RangeError('a publisher signs under its own public key only')
    }
    if (plaintext.length > MAX_DOCUMENT_BYTES) throw new RangeError('the document is too long')
    if (!Number.isSafeInteger(sequence) || sequence < 0) throw new RangeError('no such sequence')
    const blinded = this.#master.blind(blindingOf(key, place))
    const block = toBlock(new Uint8Array(BLOCK_BYTES))
    block.set(blinded.publicKey)
    block.set(uint64(sequence), 96)
    block.set(randomBytes(SEAL_NONCE_BYTES), SIGNED_HEADER_BYTES)
    const padded = new Uint8Array(SEALED_TO - SEALED_FROM)
    padded.set(plaintext)
    padded[plaintext.length] = PAD_MARK
    const tag = seal(block.subarray(SEALED_FROM, SEALED_TO), padded, sealOf(key, block))
    block.set(tag, SEALED_TO)
    block.set(blinded.sign(signedBytes(block)), 32)
    return block
  }
}

/** Address of one block of a name. @throws ShoalError E_URI for a public key that no publisher has. */
export function documentAddress(key: DocumentKey, place: DocumentPlace): Address {
  return signedAddress(blindedKeyOf(key, place))
}

/**
 * Sequence of the head that says `headEdition`, in [0, MAX_EDITION]: to who has no read key a number
 * at random, so that sequences group nothing.
 */
export function headSequence(key: DocumentKey, headEdition: number): number {
  checkEdition(headEdition)
  return headOffset(key) + headEdition
}

/**
 * The plaintext, or undefined where key, place, sequence or padding do not fit. The block must be
 * verified. @throws ShoalError E_URI for a public key that no publisher has.
 */
export function openDocument(
  key: DocumentKey,
  place: DocumentPlace,
  block: Block,
): Uint8Array | undefined {
  if (!equals(blindedKeyOf(key, place), block.subarray(0, 32))) return undefined
  if (!isSequenceFit(key, place, sequenceOf(block))) return undefined
  const sealed = block.subarray(SEALED_FROM, SEALED_TO)
  const padded = open(sealed, block.subarray(SEALED_TO), sealOf(key, block))
  return padded === undefined ? undefined : withoutPadding(padded)
}

/** A document that could be superseded would not be the same for ever, whoever signed it. */
function isSequenceFit(key: DocumentKey, { kind }: DocumentPlace, sequence: number): boolean {
  if (kind !== 'head') return sequence === IMMUTABLE_SEQUENCE
  const edition = sequence - headOffset(key)
  return edition >= 0 && edition <= MAX_EDITION
}

function headOffset({ readKey, name }: DocumentKey): number {
  const hash = blake2b256(concat(utf8('shoal/sequence/1'), lengthAndName(name)), readKey)
  const view = new DataView(hash.buffer, hash.byteOffset, hash.length)
  return Number(view.getBigUint64(0, true) & MAX_OFFSET)
}

function blindedKeyOf(key: DocumentKey, place: DocumentPlace): Uint8Array {
  const blinded = blindPublicKey(key.publicKey, blindingOf(key, place))
  if (blinded !== undefined) return blinded
  throw new ShoalError('E_URI', 'Not a valid key: public key: is one that no publisher can have.')
}

/** `ns` of spec §3.5. Holds the read key, so that only readers can blind. */
function blindingOf({ publicKey, readKey, name }: DocumentKey, place: DocumentPlace): Uint8Array {
  checkEdition(place.edition)
  if (place.kind !== 'edition' && place.edition !== 0) {
    throw new RangeError(`of a ${place.kind} there is one, not edition ${place.edition}`)
  }
  const kind = Uint8Array.of(KIND_NUMBERS[place.kind])
  const label = utf8('shoal/blind/1')
  return concat(label, publicKey, readKey, kind, lengthAndName(name), uint64(place.edition))
}

/** How the body of a block is sealed, whose public key, sequence and nonce are in place. */
function sealOf({ readKey }: DocumentKey, block: Block) {
  const blinded = block.subarray(0, 32)
  return {
    secret: blake2b256(concat(utf8('shoal/body/1'), blinded), readKey),
    nonce: block.subarray(SIGNED_HEADER_BYTES, SEALED_FROM),
    associated: concat(blinded, block.subarray(96, SIGNED_HEADER_BYTES)),
  }
}

function withoutPadding(padded: Uint8Array): Uint8Array | undefined {
  let end = padded.length - 1
  while (end >= 0 && padded[end] === 0) end--
  return padded[end] === PAD_MARK ? copyOf(padded, 0, end) : undefined
}

function checkEdition(edition: number): void {
  if (!Number.isInteger(edition) || edition < 0 || edition > MAX_EDITION) {
    throw new RangeError('an edition is a whole number in [0, 2^51 - 1]')
  }
}

function checkedName(name: string): string {
  const normal = name.normalize('NFC')
  const fault = documentNameFault(normal)
  if (fault !== undefined)
    throw new ShoalError('E_NAME', `The name of a document or word ${fault}.`)
  return normal
}

/** `len16(name) ‖ name`. */
function lengthAndName(name: string): Uint8Array {
  const bytes = utf8(name)
  return concat(Uint8Array.of(bytes.length & 255, bytes.length >> 8), bytes)
}
