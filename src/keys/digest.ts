/**
 * The hashes of networks, positions and their proofs (spec §6, §7.6): what routing may name of the
 * primitives. Nothing here decrypts.
 * @module
 */
import { concat } from './bytes.ts'
import { argon2id, blake2b256 } from './primitives.ts'

/** BLAKE2b-256 of the parts, joined; keyed with `secret` where there is one, 16 to 64 bytes. */
export function digest(parts: readonly Uint8Array[], secret?: Uint8Array): Uint8Array {
  return blake2b256(concat(...parts), secret)
}

/** Argon2id, 32 bytes, in the thread pool. `salt`: 16 bytes. */
export function slowDigest(
  password: Uint8Array,
  salt: Uint8Array,
  cost: { readonly passes: number; readonly memoryKib: number },
): Promise<Uint8Array> {
  const { passes, memoryKib } = cost
  return argon2id(password, salt, { passes, memoryBytes: memoryKib * 1024 })
}
