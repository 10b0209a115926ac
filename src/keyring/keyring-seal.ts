/**
 * How the keyring is sealed (spec §11.8): under a key of its own, so that destroying the store key
 * leaves it whole, in files whose names and sizes tell as little as their content.
 * @module
 */
import { concat, copyOf, utf8 } from '../keys/bytes.ts'
import {
  SEAL_NONCE_BYTES,
  SEAL_TAG_BYTES,
  blake2b256,
  open,
  randomBytes,
  seal,
} from '../keys/primitives.ts'

export const KEYRING_KEY_BYTES = 32
/** Sizes on disk are multiples of what file systems allocate, so that a size is also what it takes. */
const STEP_BYTES = 4096
const OVERHEAD_BYTES = SEAL_NONCE_BYTES + SEAL_TAG_BYTES
const NAME_BYTES = 16

/** Seals and opens the files of one keyring. Keeps its keys to itself. */
export interface KeyringSeal {
  /** `nonce ‖ sealed ‖ tag` of `plaintext` and zeros, bound to `label`. */
  seal(label: string, plaintext: Uint8Array): Uint8Array
  /** The plaintext with its zeros, or undefined: damaged, of another label, or of another keyring. */
  open(label: string, sealed: Uint8Array): Uint8Array | undefined
  /** A file name that only this keyring can tell from any other. */
  nameOf(kind: string, ...parts: readonly Uint8Array[]): string
}

export function createKeyringKey(): Uint8Array {
  return randomBytes(KEYRING_KEY_BYTES)
}

/** Size of the file that holds a plaintext of `bytes`. */
export function sealedBytes(bytes: number): number {
  return Math.ceil((bytes + OVERHEAD_BYTES) / STEP_BYTES) * STEP_BYTES
}

/** Longest plaintext that fits a file of `fileBytes`; negative: none does. */
export function plaintextBytes(fileBytes: number): number {
  return Math.floor(fileBytes / STEP_BYTES) * STEP_BYTES - OVERHEAD_BYTES
}

/** The seal of `keyringKey`, the content of `keyring.key`. */
export function createKeyringSeal(keyringKey: Uint8Array): KeyringSeal {
  const secret = blake2b256(utf8('shoal/keyring/seal/1'), keyringKey)
  const nameKey = blake2b256(utf8('shoal/keyring/name/1'), keyringKey)
  return {
    seal(label, plaintext) {
      const out = new Uint8Array(sealedBytes(plaintext.length))
      const nonce = randomBytes(SEAL_NONCE_BYTES)
      const padded = new Uint8Array(out.length - OVERHEAD_BYTES)
      padded.set(plaintext)
      out.set(nonce)
      const end = out.length - SEAL_TAG_BYTES
      const body = out.subarray(SEAL_NONCE_BYTES, end)
      out.set(seal(body, padded, { secret, nonce, associated: utf8(label) }), end)
      padded.fill(0)
      return out
    },
    open(label, sealed) {
      const end = sealed.length - SEAL_TAG_BYTES
      if (end < SEAL_NONCE_BYTES) return undefined
      const nonce = sealed.subarray(0, SEAL_NONCE_BYTES)
      const under = { secret, nonce, associated: utf8(label) }
      return open(sealed.subarray(SEAL_NONCE_BYTES, end), sealed.subarray(end), under)
    },
    nameOf(kind, ...parts) {
      const hash = blake2b256(concat(utf8(`shoal/keyring/${kind}/1`), ...parts), nameKey)
      return Buffer.from(copyOf(hash, 0, NAME_BYTES)).toString('hex')
    },
  }
}
