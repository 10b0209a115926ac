/**
 * What makes a network the one it is (spec §6.1): its name, the key of a private one, and the kind of
 * position proof that its nodes ask of each other.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { copyOf } from '../keys/bytes.ts'
import { networkHash } from './position.ts'

/** The network that strangers share. */
export const PUBLIC_NETWORK = 'shoal'
/** Length of the key of a private network. */
export const NETWORK_KEY_BYTES = 32

/** Argon2id has to be run 2^difficultyBits times, on average, for one proof. */
export interface Puzzle {
  readonly kind: 1
  readonly difficultyBits: number
  readonly passes: number
  readonly memoryKib: number
}

export interface NetworkDefinition {
  readonly name: string
  /** N of the spec, 32 bytes; that of a private network follows from its key, too. */
  readonly hash: Uint8Array
  /** 32 bytes that all nodes of a private network share. A secret: never in a log or a message. */
  readonly key?: Uint8Array
  readonly proof: { readonly kind: 0 } | Puzzle
}

/**
 * Strangers cannot be told from each other: a position costs them some seconds, checking it some
 * milliseconds (docs/decisions/0018).
 */
export const PUBLIC_PUZZLE: Puzzle = { kind: 1, difficultyBits: 9, passes: 2, memoryKib: 16 * 1024 }

/**
 * The network of that name; with `key`, a private one. @throws ShoalError E_OPTION for a key of another
 * length, which the message does not tell.
 */
export function networkDefinition(name: string, key?: Uint8Array): NetworkDefinition {
  if (key !== undefined && key.length !== NETWORK_KEY_BYTES) {
    throw new ShoalError('E_OPTION', `networkKey: ${NETWORK_KEY_BYTES} bytes`)
  }
  const hash = networkHash(name, key)
  const isPublic = name === PUBLIC_NETWORK && key === undefined
  const proof = isPublic ? PUBLIC_PUZZLE : ({ kind: 0 } as const)
  return Object.freeze({ name, hash, proof, ...(key !== undefined && { key: copyOf(key) }) })
}
