/**
 * Position proofs (spec §6.4): what a node does once so that its position counts, and how others check
 * it. The work is done in the thread pool; nothing here blocks the event loop.
 * @module
 */
import { concat, copyOf, equals, mapKey, uint64, utf8 } from '../keys/bytes.ts'
import { digest, slowDigest } from '../keys/digest.ts'
import { NO_PROOF, PUZZLE_PROOF_BYTES, isPuzzleProof } from './handshake.ts'
import type { NetworkDefinition, Puzzle } from './network.ts'

const LABEL = utf8('shoal/proof/1')
const SALT_BYTES = 16
/** Kind u8, then the nonce. */
const NONCE_END = 9
/**
 * The end of the slow hash, which the proof repeats: the position follows from it, so nobody can look
 * for a nonce of a wanted position first and solve the puzzle for that alone.
 */
const TAG_BYTES = PUZZLE_PROOF_BYTES - NONCE_END
/** Nonces tried at a time: half of the thread pool, the other half goes on reading blocks. */
const SOLVERS = 2
/** Proofs checked at a time: half of the thread pool as well. */
const MAX_VERIFYING = 2
/** Proofs that wait to be checked; more are refused. */
const MAX_WAITING = 64
/** Nodes whose proof was good once. */
const MAX_VERIFIED = 4096

export interface SolveOptions {
  readonly signal?: AbortSignal
  /** Told of how many slow hashes there were, after each. */
  readonly onprogress?: (tries: number) => void
}

/** Whether `proof` is one that `definition` asks for and is that of `publicKey`. Rejects where it cannot be computed, as without memory. */
export async function verifyProof(
  definition: NetworkDefinition,
  publicKey: Uint8Array,
  proof: Uint8Array,
): Promise<boolean> {
  const { proof: wanted } = definition
  if (wanted.kind === 0) return equals(proof, NO_PROOF)
  if (!isPuzzleProof(proof)) return false
  const of = { publicKey, nonce: proof.subarray(1, NONCE_END) }
  const hash = await puzzleHash(definition, wanted, of)
  return isSolved(wanted, hash) && equals(proof.subarray(NONCE_END), tagOf(hash))
}

/**
 * A proof for `publicKey`: at once for kind 0, else after 2^difficultyBits slow hashes on average. The
 * same every time. Rejects with the reason of `signal`.
 */
export async function solveProof(
  definition: NetworkDefinition,
  publicKey: Uint8Array,
  options: SolveOptions = {},
): Promise<Uint8Array> {
  const { proof: wanted } = definition
  options.signal?.throwIfAborted()
  if (wanted.kind === 0) return NO_PROOF
  const search = new Search(definition, publicKey, wanted)
  await Promise.all(Array.from({ length: SOLVERS }, () => search.run(options)))
  return search.proof
}

/** Solvers that share one line of nonces. */
class Search {
  readonly #definition: NetworkDefinition
  readonly #publicKey: Uint8Array
  readonly #puzzle: Puzzle
  #next = 0
  #tries = 0
  /** The least good nonce so far: which solver is faster must not decide. */
  #found = Infinity
  #proof: Uint8Array = NO_PROOF

  constructor(definition: NetworkDefinition, publicKey: Uint8Array, puzzle: Puzzle) {
    this.#definition = definition
    this.#publicKey = publicKey
    this.#puzzle = puzzle
  }

  get proof(): Uint8Array {
    return this.#proof
  }

  async run(options: SolveOptions): Promise<void> {
    while (this.#next < this.#found) {
      const number = this.#next++
      const nonce = uint64(number)
      const of = { publicKey: this.#publicKey, nonce }
      const hash = await puzzleHash(this.#definition, this.#puzzle, of)
      options.signal?.throwIfAborted()
      if (number < this.#found && isSolved(this.#puzzle, hash)) {
        this.#found = number
        this.#proof = concat(Uint8Array.of(this.#puzzle.kind), nonce, tagOf(hash))
      }
      options.onprogress?.(++this.#tries)
    }
  }
}

export type ProofVerdict = 'valid' | 'invalid' | 'busy'

/** Checks the proofs that others show, a bounded number at a time, and remembers the good ones. */
export class ProofVerifier {
  readonly #definition: NetworkDefinition
  /** By public key and proof, the oldest first. */
  readonly #verified = new Set<string>()
  /** Those that wait or are being checked, so that nobody's is checked twice at the same time. */
  readonly #pending = new Map<string, Promise<ProofVerdict>>()
  readonly #waiting: (() => void)[] = []
  #verifying = 0

  constructor(definition: NetworkDefinition) {
    this.#definition = definition
  }

  /** What can be said at once: that it is good or cannot be; undefined: it has to be verified. */
  known(publicKey: Uint8Array, proof: Uint8Array): boolean | undefined {
    if (this.#definition.proof.kind === 0) return equals(proof, NO_PROOF)
    if (!isPuzzleProof(proof)) return false
    return this.#verified.has(mapKey(concat(publicKey, proof))) || undefined
  }

  /** Never rejects. `busy`: 64 others wait already, or there is no memory for it; nothing was checked. */
  verify(publicKey: Uint8Array, proof: Uint8Array): Promise<ProofVerdict> {
    const known = this.known(publicKey, proof)
    if (known !== undefined) return Promise.resolve(known ? 'valid' : 'invalid')
    const key = mapKey(concat(publicKey, proof))
    const pending = this.#pending.get(key)
    if (pending !== undefined) return pending
    if (this.#waiting.length >= MAX_WAITING) return Promise.resolve('busy')
    const verdict = this.#check(key, publicKey, proof)
    this.#pending.set(key, verdict)
    return verdict
  }

  async #check(key: string, publicKey: Uint8Array, proof: Uint8Array): Promise<ProofVerdict> {
    if (this.#verifying < MAX_VERIFYING) this.#verifying++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    // without memory for it nothing is known: no fault of whoever shows it
    const isValid = await verifyProof(this.#definition, publicKey, proof).catch(() => undefined)
    const next = this.#waiting.shift()
    if (next === undefined) this.#verifying--
    else next() // takes over the place
    this.#pending.delete(key)
    if (isValid === undefined) return 'busy'
    if (isValid) this.#remember(key)
    return isValid ? 'valid' : 'invalid'
  }

  #remember(key: string): void {
    this.#verified.add(key)
    if (this.#verified.size <= MAX_VERIFIED) return
    const [oldest] = this.#verified
    if (oldest !== undefined) this.#verified.delete(oldest)
  }
}

function puzzleHash(
  definition: NetworkDefinition,
  puzzle: Puzzle,
  of: { readonly publicKey: Uint8Array; readonly nonce: Uint8Array },
): Promise<Uint8Array> {
  const password = concat(definition.hash, of.publicKey, of.nonce)
  const salt = digest([LABEL, definition.hash]).subarray(0, SALT_BYTES)
  return slowDigest(password, salt, puzzle)
}

function tagOf(hash: Uint8Array): Uint8Array {
  return copyOf(hash, hash.length - TAG_BYTES)
}

function isSolved({ difficultyBits }: Puzzle, hash: Uint8Array): boolean {
  return leadingZeroBits(hash) >= difficultyBits
}

function leadingZeroBits(bytes: Uint8Array): number {
  const first = bytes.findIndex((byte) => byte !== 0)
  if (first < 0) return 8 * bytes.length
  return 8 * first + Math.clz32(bytes[first] as number) - 24
}
