/**
 * Names of blocks that left the cache's small queue unasked, two bytes each, with the link that had
 * brought them (spec §11.6). A name is 10 bits within a set of 8, so one stranger in 128 is taken for
 * one that was here: it gets into the main queue and leaves it first.
 * @module
 */

/** Names kept in one set; the oldest goes first. */
const WAYS = 8
/** Tags are 1 to this, so that no cell in use is 0. */
const TAGS = 1023
const TAG_BITS = 10

export class GhostList {
  readonly #cells: Uint16Array
  readonly #sets: number

  /** Room for `names`, rounded up to whole sets. */
  constructor(names: number) {
    this.#sets = Math.max(1, Math.ceil(names / WAYS))
    this.#cells = new Uint16Array(this.#sets * WAYS)
  }

  get bytes(): number {
    return this.#cells.byteLength
  }

  /** Remembers 32 bits of a name under a link code in [0, 64). */
  remember(fingerprint: number, code: number): void {
    const start = this.#startOf(fingerprint)
    this.#cells.copyWithin(start + 1, start, start + WAYS - 1)
    this.#cells[start] = (code << TAG_BITS) | tagOf(fingerprint)
  }

  /** The code under which a name is remembered, which is forgotten now; undefined: it is not. */
  take(fingerprint: number): number | undefined {
    const start = this.#startOf(fingerprint)
    const tag = tagOf(fingerprint)
    for (let at = start; at < start + WAYS; at++) {
      const cell = this.#cells[at] as number
      if ((cell & ((1 << TAG_BITS) - 1)) !== tag) continue
      this.#cells.copyWithin(at, at + 1, start + WAYS)
      this.#cells[start + WAYS - 1] = 0
      return cell >>> TAG_BITS
    }
    return undefined
  }

  clear(): void {
    this.#cells.fill(0)
  }

  #startOf(fingerprint: number): number {
    return Math.floor((fingerprint / 2 ** 32) * this.#sets) * WAYS
  }
}

/** From the lower bits: the upper ones choose the set. */
function tagOf(fingerprint: number): number {
  return 1 + (fingerprint % TAGS)
}
