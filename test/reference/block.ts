/**
 * Blocks as §2 writes them: making signed ones, honest or not, and saying what a block is.
 * @module
 */
import { hash } from './blake2b.ts'
import { decodePoint, isPrimeOrder, sign, keyPairOf, verifySignature } from './ed25519.ts'
import { bytesOf, hex, join } from './text.ts'

const SIGNED_LABEL = bytesOf('shoal/signed/1')

export function addressOfKey(publicKey: Uint8Array): Uint8Array {
  return hash(join(SIGNED_LABEL, publicKey))
}

/** What §2.2 has signed: label, sequence, body. */
export function signedBytes(sequence: bigint, body: Uint8Array): Uint8Array {
  return join(SIGNED_LABEL, u64(sequence), body)
}

/** An honest signed block. */
export function signBlock(seed: Uint8Array, sequence: bigint, body: Uint8Array): Uint8Array {
  const signature = sign(signedBytes(sequence, body), seed)
  return join(keyPairOf(seed).publicKey, signature, u64(sequence), body)
}

export function u64(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

/** §2.3. */
export function kindOf(address: Uint8Array, block: Uint8Array): 'content' | 'signed' | 'invalid' {
  const publicKey = block.slice(0, 32)
  if (hex(addressOfKey(publicKey)) === hex(address)) {
    return isValidlySigned(block) ? 'signed' : 'invalid'
  }
  return hex(hash(block)) === hex(address) ? 'content' : 'invalid'
}

function isValidlySigned(block: Uint8Array): boolean {
  const [publicKey, signature] = [block.slice(0, 32), block.slice(32, 96)]
  const [A, R] = [decodePoint(publicKey), decodePoint(signature.slice(0, 32))]
  if (sequenceIn(block) >= 2n ** 53n || A === undefined || R === undefined) return false
  if (!isPrimeOrder(A) || !isPrimeOrder(R)) return false
  const message = signedBytes(sequenceIn(block), block.slice(104))
  return verifySignature(signature, message, publicKey, 1n)
}

function sequenceIn(block: Uint8Array): bigint {
  return block.slice(96, 104).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

/** §2.4: whether `next` takes the place of `held`. */
export function replaces(next: Uint8Array, held: Uint8Array): boolean {
  const [a, b] = [sequenceIn(next), sequenceIn(held)]
  return a === b ? hex(hash(next)) < hex(hash(held)) : a > b
}

/** Ring position of a home: the first 48 bits, big endian, of the address or of the home's hash. */
export function positionOfHome(address: Uint8Array, home: number): bigint {
  const label = bytesOf('shoal/home/1')
  const at = home === 0 ? address : hash(join(label, address, Uint8Array.of(home)))
  return BigInt(`0x${hex(at.slice(0, 6))}`)
}
