/**
 * The only file that imports a crypto library. Everything is synchronous (the order of events in a
 * simulated cluster must not depend on a thread pool) and takes and gives plain bytes.
 * @module
 */
import crypto from 'hypercore-crypto'
import sodium from 'sodium-native'

import type { KeyPair } from 'hypercore-crypto'

export type { KeyPair }

export const HASH_BYTES = 32
export const SEAL_NONCE_BYTES = 24
export const SEAL_TAG_BYTES = 16

/** BLAKE2b with 32 bytes of output (RFC 7693); `secret` keys it, at most 64 bytes. */
export function blake2b256(input: Uint8Array, secret?: Uint8Array): Uint8Array {
  const out = new Uint8Array(HASH_BYTES)
  if (secret === undefined) sodium.crypto_generichash(out, input)
  else sodium.crypto_generichash(out, input, secret)
  return out
}

/** `input` XOR the ChaCha20 stream (RFC 8439, 12-byte nonce, counter 0); its own inverse. */
export function chacha20(input: Uint8Array, nonce: Uint8Array, secret: Uint8Array): Uint8Array {
  const out = new Uint8Array(input.length)
  sodium.crypto_stream_chacha20_ietf_xor(out, input, nonce, secret)
  return out
}

/** XChaCha20-Poly1305: writes as many bytes as `plaintext` has to `out` and returns the 16-byte tag. */
export function seal(
  out: Uint8Array,
  plaintext: Uint8Array,
  under: { secret: Uint8Array; nonce: Uint8Array; associated: Uint8Array },
): Uint8Array {
  const tag = new Uint8Array(SEAL_TAG_BYTES)
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
    out,
    tag,
    plaintext,
    under.associated,
    null,
    under.nonce,
    under.secret,
  )
  return tag
}

/** The plaintext, or undefined where the tag does not fit. */
export function open(
  sealed: Uint8Array,
  tag: Uint8Array,
  under: { secret: Uint8Array; nonce: Uint8Array; associated: Uint8Array },
): Uint8Array | undefined {
  const out = new Uint8Array(sealed.length)
  try {
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
      out,
      null,
      sealed,
      tag,
      under.associated,
      under.nonce,
      under.secret,
    )
  } catch {
    return undefined // sodium-native throws where the tag does not verify; to us that is a result
  }
  return out
}

/** Whether `point` is canonical, on the curve and in its prime-order subgroup (not of small order). */
export function isPrimeOrderPoint(point: Uint8Array): boolean {
  return sodium.crypto_core_ed25519_is_valid_point(point)
}

/** RFC 8032 verification without the cofactor; S >= L and non-canonical R are refused. */
export function verifyEd25519(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  return crypto.verify(message, signature, publicKey)
}

/** A node's long-lived identity; the same 32-byte seed gives the same pair. */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  return crypto.keyPair(seed)
}

/** Bytes from the operating system's generator, for secrets and nonces. */
export function randomBytes(count: number): Uint8Array {
  return crypto.randomBytes(count)
}
