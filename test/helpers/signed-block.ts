/**
 * Blocks for tests: content of any number, and valid signed blocks made with node:crypto alone
 * (spec §2.2), so that they do not depend on the code under test.
 * @module
 */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'

import { BLOCK_BYTES, contentAddress, signedAddress, toBlock } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'

export interface NamedBlock {
  readonly address: Address
  readonly block: Block
}

const SIGNED_LABEL = Buffer.from('shoal/signed/1')
const HEADER_BYTES = 104
/** DER of an Ed25519 private key up to its 32-byte seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The content block of a number: the same number gives the same block. */
export function contentBlock(number: number): NamedBlock {
  const seed = createHash('sha256').update(`content ${number}`).digest()
  const bytes = new Uint8Array(BLOCK_BYTES)
  for (let at = 0; at < BLOCK_BYTES; at += seed.length) bytes.set(seed, at)
  const block = toBlock(bytes)
  return { address: contentAddress(block), block }
}

/** A signed block of the publisher of a number; `body` varies what is signed. */
export function signedBlock(publisher: number, sequence: number, body = 0): NamedBlock {
  const seed = createHash('sha256').update(`publisher ${publisher}`).digest()
  const key = Buffer.concat([PKCS8_PREFIX, seed])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const publicKey = spki.subarray(spki.length - 32)
  const bytes = Buffer.alloc(BLOCK_BYTES, body)
  publicKey.copy(bytes, 0)
  bytes.writeBigUInt64LE(BigInt(sequence), 96)
  const signed = Buffer.concat([SIGNED_LABEL, bytes.subarray(HEADER_BYTES - 8)])
  sign(null, signed, privateKey).copy(bytes, 32)
  return { address: signedAddress(publicKey), block: toBlock(new Uint8Array(bytes)) }
}
