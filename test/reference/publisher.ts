/**
 * Publishers, their documents and heads as §3.4 to §3.7 write them.
 * @module
 */
import { hash } from './blake2b.ts'
import { addressOfKey, signedBytes, u64 } from './block.ts'
import { blindPoint, blindScalar, keyPairOf, signBlinded } from './ed25519.ts'
import { bytesOf, join } from './text.ts'
import { openXChaCha, sealXChaCha } from './xchacha20poly1305.ts'

export const KINDS = ['ssk', 'edition', 'head', 'ksk'] as const
export type Kind = (typeof KINDS)[number]

const IMMUTABLE = 2n ** 53n - 1n

/** §3.4: all that comes from a seed. */
export function publisherOf(seed: Uint8Array) {
  const { scalar, publicKey } = keyPairOf(hash(bytesOf('shoal/publisher/sign/1'), seed))
  return {
    scalar,
    publicKey,
    readSecret: hash(bytesOf('shoal/publisher/read/1'), seed),
    convergenceSecret: hash(bytesOf('shoal/publisher/convergence/1'), seed),
  }
}

/** A document as its readers know it, and which block of it is meant. `name` is NFC. */
export interface Place {
  readonly publicKey: Uint8Array
  readonly readKey: Uint8Array
  readonly name: string
  readonly kind: Kind
  readonly edition: bigint
}

export function readKeyOf(readSecret: Uint8Array, name: string): Uint8Array {
  return hash(join(bytesOf('shoal/document/1'), lengthAndName(name)), readSecret)
}

/** §3.5: `ns`. */
export function blindingOf({ publicKey, readKey, kind, name, edition }: Place): Uint8Array {
  const which = join(Uint8Array.of(KINDS.indexOf(kind)), lengthAndName(name), u64(edition))
  return join(bytesOf('shoal/blind/1'), publicKey, readKey, which)
}

export function blindedKeyOf(place: Place): Uint8Array {
  return blindPoint(place.publicKey, blindingOf(place))
}

export function documentAddressOf(place: Place): Uint8Array {
  return addressOfKey(blindedKeyOf(place))
}

/** §3.6: the sequence of a head that says `headEdition`, of anything else the greatest there is. */
export function sequenceFor(place: Place, headEdition: bigint): bigint {
  if (place.kind !== 'head') return IMMUTABLE
  const digest = hash(join(bytesOf('shoal/sequence/1'), lengthAndName(place.name)), place.readKey)
  const first = digest.slice(0, 8).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
  return (first % 2n ** 51n) + headEdition
}

export function bodyKeyOf(place: Place): Uint8Array {
  return hash(join(bytesOf('shoal/body/1'), blindedKeyOf(place)), place.readKey)
}

/** What a sealer can be made to do; `sealedSequence` and `bodyKey` are lies unless left out. */
export interface Sealing {
  readonly sequence: bigint
  readonly nonce: Uint8Array
  /** 32,624 bytes. */
  readonly padded: Uint8Array
  readonly sealedSequence?: bigint | undefined
  readonly bodyKey?: Uint8Array | undefined
}

/** §3.6: a block of the publisher whose master scalar is `scalar`. */
export function sealBlock(place: Place, scalar: bigint, of: Sealing): Uint8Array {
  const publicKey = blindedKeyOf(place)
  const associated = join(publicKey, u64(of.sealedSequence ?? of.sequence))
  const secret = of.bodyKey ?? bodyKeyOf(place)
  const body = join(of.nonce, sealXChaCha(of.padded, { secret, nonce: of.nonce, associated }))
  const message = signedBytes(of.sequence, body)
  const signature = signBlinded(message, blindScalar(scalar, blindingOf(place)))
  return join(publicKey, signature, u64(of.sequence), body)
}

/** §3.6: the plaintext of a block that §2.3 calls signed, or undefined where it is not `place`'s. */
export function openBlock(place: Place, block: Uint8Array): Uint8Array | undefined {
  const publicKey = block.slice(0, 32)
  if (blindedKeyOf(place).some((byte, i) => byte !== publicKey[i])) return undefined
  const sequence = block.slice(96, 104)
  const value = sequence.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const edition = value - sequenceFor(place, 0n)
  if (edition < 0n || edition > (place.kind === 'head' ? 2n ** 51n - 1n : 0n)) return undefined
  const under = {
    secret: bodyKeyOf(place),
    nonce: block.slice(104, 128),
    associated: join(publicKey, sequence),
  }
  const padded = openXChaCha(block.slice(128), under)
  if (padded === undefined) return undefined
  const end = padded.findLastIndex((byte) => byte !== 0)
  return padded[end] === 0x80 ? padded.slice(0, end) : undefined
}

function lengthAndName(name: string): Uint8Array {
  const bytes = bytesOf(name)
  return join(Uint8Array.of(bytes.length % 256, Math.floor(bytes.length / 256)), bytes)
}
