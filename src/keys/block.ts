/**
 * The block: 32,768 bytes, the only thing that nodes exchange and keep (spec §2). This module knows
 * how to name one and how to check one against its name, and nothing that could open one.
 * @module
 */
import { compare, concat, equals, readUint48, readUint64, utf8 } from './bytes.ts'
import { blake2b256, isPrimeOrderPoint, verifyEd25519 } from './primitives.ts'

/** Bytes of every block, header included: one size, so that no block tells its kind by length. */
export const BLOCK_BYTES = 32_768
export const ADDRESS_BYTES = 32

/** Bytes before the body of a signed block: public key (32), signature (64), sequence (8). */
export const SIGNED_HEADER_BYTES = 104
const SIGNED_LABEL = utf8('shoal/signed/1')
const HOME_LABEL = utf8('shoal/home/1')

declare const addressBrand: unique symbol
declare const blockBrand: unique symbol

/** The 32-byte name of a block. */
export type Address = Uint8Array & { readonly [addressBrand]: true }
/** Exactly BLOCK_BYTES bytes. Says nothing of whether they belong to an address: see `verify`. */
export type Block = Uint8Array & { readonly [blockBrand]: true }
export type BlockKind = 'content' | 'signed' | 'invalid'
/** Where copies live: home 0 is the address's own ring position (spec §6.2). */
export type Home = 0 | 1 | 2

/** Names 32 bytes as an address. @throws RangeError on another length (a bug, not input). */
export function toAddress(bytes: Uint8Array): Address {
  if (bytes.length !== ADDRESS_BYTES) throw new RangeError(`an address has ${ADDRESS_BYTES} bytes`)
  return bytes as Address
}

/** Names BLOCK_BYTES bytes as a block. @throws RangeError on another length (a bug, not input). */
export function toBlock(bytes: Uint8Array): Block {
  if (bytes.length !== BLOCK_BYTES) throw new RangeError(`a block has ${BLOCK_BYTES} bytes`)
  return bytes as Block
}

/** Address of a content block: BLAKE2b-256 of it (spec §2.1). */
export function contentAddress(block: Block): Address {
  return blake2b256(block) as Address
}

/** Address under which blocks signed by `publicKey` live (spec §2.2). */
export function signedAddress(publicKey: Uint8Array): Address {
  return blake2b256(concat(SIGNED_LABEL, publicKey)) as Address
}

/** Sequence of a block that `verify` called signed, in [0, 2^53 - 1]. */
export function sequenceOf(block: Block): number {
  return readUint64(block, 96) ?? Number.NaN
}

/**
 * What `block` is under `address` (spec §2.3). Needs nothing else, and costs one hash for a content
 * block. Two implementations must never disagree, so for signed blocks the strictest reading of
 * RFC 8032 holds: canonical points in the prime-order subgroup only, S < L, sequence < 2^53.
 */
export function verify(address: Address, block: Block): BlockKind {
  if (equals(blake2b256(block), address)) return 'content'
  const isSigned = equals(signedAddress(block.subarray(0, 32)), address) && isSignatureValid(block)
  return isSigned ? 'signed' : 'invalid'
}

function isSignatureValid(block: Block): boolean {
  const publicKey = block.subarray(0, 32)
  const signature = block.subarray(32, 96)
  return (
    readUint64(block, 96) !== undefined &&
    isPrimeOrderPoint(publicKey) &&
    verifyEd25519(signature, signedBytes(block), publicKey)
  )
}

/** What the signature of a signed block is made over (spec §2.2). */
export function signedBytes(block: Block): Uint8Array {
  return concat(SIGNED_LABEL, block.subarray(96))
}

/**
 * Whether `next` takes the place of `held`, both valid signed blocks of one address: the greater
 * sequence, and at equal sequence the smaller hash, so that every node ends with the same one.
 */
export function supersedes(next: Block, held: Block): boolean {
  const difference = sequenceOf(next) - sequenceOf(held)
  if (difference !== 0) return difference > 0
  return compare(blake2b256(next), blake2b256(held)) < 0
}

/** Ring position of one of the homes of `address`, a whole number in [0, 2^48) (spec §6.2). */
export function homePosition(address: Address, home: Home): number {
  if (home === 0) return readUint48(address)
  return readUint48(blake2b256(concat(HOME_LABEL, address, Uint8Array.of(home))))
}
