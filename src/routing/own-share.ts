/**
 * How the last first tries of this node's own requests were spread over its links: nobody who advertises
 * links that he has not may draw most of a node's requests to himself (spec §9.1).
 * @module
 */
import type { LinkNumber } from './ports.ts'

/** First tries that are remembered: the sliding window in which a share is counted. */
const WINDOW = 100
/** So many first tries any peer may get, however few there were: chance alone gives some peers more. */
const ALWAYS_ALLOWED = 10

export class OwnShare {
  readonly #share: number
  /** Link numbers. Made with the first own request: most routers of a simulation have none. */
  #window: Uint32Array | undefined
  #filled = 0
  #next = 0

  /** `share`: the most of the last 100 that one link may have, in [0, 1]; 1: all. */
  constructor(share: number) {
    this.#share = share
  }

  /** Remembers that `link` got a first try; the oldest one is forgotten. */
  took(link: LinkNumber): void {
    this.#window ??= new Uint32Array(WINDOW)
    this.#window[this.#next] = link
    this.#next = (this.#next + 1) % WINDOW
    this.#filled = Math.min(WINDOW, this.#filled + 1)
  }

  /** Whether one more would give `link` more than its share. */
  isFull(link: LinkNumber): boolean {
    const allowed = Math.max(ALWAYS_ALLOWED, this.#share * this.#filled)
    return this.#filled >= ALWAYS_ALLOWED && this.#countOf(link) >= Math.floor(allowed)
  }

  #countOf(link: LinkNumber): number {
    let count = 0
    const window = this.#window as Uint32Array
    for (let index = 0; index < this.#filled; index++) if (window[index] === link) count++
    return count
  }
}
