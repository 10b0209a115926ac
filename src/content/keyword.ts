/**
 * KSK words and the keys that they give (spec §3.7). Deriving one takes 64 MiB and a tenth of a second,
 * so the last ones are remembered, in memory only, and few are derived at once.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { keywordPublisher } from '../keys/signed.ts'
import type { DocumentKey, Publisher } from '../keys/signed.ts'

/** Words remembered: what one person has open. */
const MAX_WORDS = 64
/** Derivations at once, 128 MiB and two cores. */
const MAX_RUNNING = 2
/** Words waiting for their turn; the last of them waits about 20 s. */
const MAX_WAITING = 256

export interface KeywordPair {
  readonly publisher: Publisher
  readonly key: DocumentKey
}

export class Keywords {
  readonly #derive: (word: string) => Promise<KeywordPair>
  /** In order of last use; also those being derived, so that callers share. */
  readonly #pairs = new Map<string, Promise<KeywordPair>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** `derive`: the seam of the tests. */
  constructor(derive: (word: string) => Promise<KeywordPair> = keywordPublisher) {
    this.#derive = derive
  }

  /** @throws ShoalError E_NAME, or E_BUSY with too many words waiting. */
  async of(word: string): Promise<KeywordPair> {
    const pair = this.#pairs.get(word) ?? this.#inTurn(word)
    this.#pairs.delete(word)
    this.#pairs.set(word, pair)
    if (this.#pairs.size > MAX_WORDS) {
      const oldest = this.#pairs.keys().next()
      if (oldest.done !== true) this.#pairs.delete(oldest.value)
    }
    try {
      return await pair
    } catch (error) {
      if (this.#pairs.get(word) === pair) this.#pairs.delete(word)
      throw error
    }
  }

  async #inTurn(word: string): Promise<KeywordPair> {
    if (this.#running < MAX_RUNNING) this.#running++
    else if (this.#waiting.length >= MAX_WAITING) {
      throw new ShoalError('E_BUSY', 'Too many words at once; try again shortly.')
    } else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await this.#derive(word)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next() // which takes this turn over
    }
  }
}
