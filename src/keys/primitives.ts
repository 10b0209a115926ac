/**
 * The only file that imports a crypto library. Everything but the slow hash of words is synchronous
 * (the order of events in a simulated cluster must not depend on a thread pool) and takes and gives
 * plain bytes. Secret scalars stay in here.
 * @module
 */
import crypto from 'hypercore-crypto'
import sodium from 'sodium-native'

import type { KeyPair } from 'hypercore-crypto'

export type { KeyPair }

export const HASH_BYTES = 32
export const SEAL_NONCE_BYTES = 24
export const SEAL_TAG_BYTES = 16
const PUBLIC_KEY_BYTES = 32
const SCALAR_BYTES = 32
const SIGNATURE_BYTES = 64

/** BLAKE2b with 32 bytes of output (RFC 7693); `secret` keys it, at most 64 bytes. */
export function blake2b256(input: Uint8Array, secret?: Uint8Array): Uint8Array {
  const out = new Uint8Array(HASH_BYTES)
  if (secret === undefined) sodium.crypto_generichash(out, input)
  else sodium.crypto_generichash(out, input, secret)
  return out
}

/**
 * `input` XOR the ChaCha20 stream (RFC 8439, 12-byte nonce, counter 0); its own inverse. Goes to `out`, as
 * long as `input`, which may be the same bytes.
 */
export function chacha20(
  input: Uint8Array,
  nonce: Uint8Array,
  secret: Uint8Array,
  out: Uint8Array = new Uint8Array(input.length),
): Uint8Array {
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

/** The plaintext, in `out`, as long as `sealed`; or undefined where the tag does not fit. */
export function open(
  sealed: Uint8Array,
  tag: Uint8Array,
  under: { secret: Uint8Array; nonce: Uint8Array; associated: Uint8Array },
  out: Uint8Array = new Uint8Array(sealed.length),
): Uint8Array | undefined {
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

/** A signing key for one document. Its scalar is nowhere but in `sign`. */
export interface BlindedKey {
  readonly publicKey: Uint8Array
  /** 64 bytes that verify as plain Ed25519; the same message gives the same signature. */
  sign(message: Uint8Array): Uint8Array
}

/** A publisher's signing key; it never signs itself. */
export interface MasterKey {
  readonly publicKey: Uint8Array
  /** The key that `blinding` gives (spec §3.5); its public key is what `blindPublicKey` makes. */
  blind(blinding: Uint8Array): BlindedKey
}

/** The RFC 8032 pair of a 32-byte seed, for blinding. */
export function masterKeyFromSeed(seed: Uint8Array): MasterKey {
  const { publicKey, secretKey } = crypto.keyPair(seed)
  const master = new Uint8Array(SCALAR_BYTES)
  sodium.extension_tweak_ed25519_sk_to_scalar(master, secretKey)
  return {
    publicKey: new Uint8Array(publicKey),
    blind: (blinding) => {
      const scalar = new Uint8Array(SCALAR_BYTES)
      sodium.extension_tweak_ed25519_scalar(scalar, master, blinding)
      return signWithScalar(scalar)
    },
  }
}

/**
 * The public key comes from the scalar and from nowhere else: two signatures of one message under
 * one scalar and different public keys would give the scalar away.
 */
function signWithScalar(scalar: Uint8Array): BlindedKey {
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
  sodium.crypto_scalarmult_ed25519_base_noclamp(publicKey, scalar)
  return {
    publicKey: new Uint8Array(publicKey),
    sign: (message) => {
      const signature = new Uint8Array(SIGNATURE_BYTES)
      sodium.extension_tweak_ed25519_sign_detached(signature, message, scalar, publicKey)
      return signature
    },
  }
}

/**
 * `publicKey` + n·B with the scalar n that `blinding` gives (spec §3.5), or undefined where
 * `publicKey` is not a point of the prime-order subgroup: no publisher has such a key.
 */
export function blindPublicKey(
  publicKey: Uint8Array,
  blinding: Uint8Array,
): Uint8Array | undefined {
  if (!isPrimeOrderPoint(publicKey)) return undefined
  const out = new Uint8Array(PUBLIC_KEY_BYTES)
  sodium.extension_tweak_ed25519_pk(out, publicKey, blinding)
  return out
}

/** Argon2id 1.3 with 32 bytes of output, in the thread pool. `salt`: 16 bytes. */
export async function argon2id(
  password: Uint8Array,
  salt: Uint8Array,
  cost: { readonly passes: number; readonly memoryBytes: number },
): Promise<Uint8Array> {
  const out = new Uint8Array(HASH_BYTES)
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13
  await sodium.crypto_pwhash_async(out, password, salt, cost.passes, cost.memoryBytes, algorithm)
  return out
}

/** Bytes from the operating system's generator, for secrets and nonces. */
export function randomBytes(count: number): Uint8Array {
  return crypto.randomBytes(count)
}
