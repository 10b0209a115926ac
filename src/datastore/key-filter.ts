/**
 * Which keys may be in the index, in a few bits each: no false "no", now and then a false "maybe". Most
 * look-ups of a node are for blocks that it does not have, and each would cost a trip to the disk.
 * @module
 */

/** With 2 probes and at most 4 keys a cell of 16 bits, one absent key in seven is a false "maybe". */
const BITS_PER_SLOT = 16
const PROBES = 2
/** Keys that may be added for each slot before the filter says "maybe" too often to be of use. */
const KEYS_PER_SLOT = 4
/** Keys are pseudo-random from here on (8 bytes of bucket name come first). */
const NAME_AT = 8

export class KeyFilter {
  readonly #bits: Uint8Array
  readonly #mask: number
  readonly #capacity: number
  #added = 0

  constructor(slots: number) {
    const bits = 2 ** Math.ceil(Math.log2(Math.max(1024, slots * BITS_PER_SLOT)))
    // one number addresses a bit: beyond 2^32 bits (8 TiB of slots) the filter only fills up sooner
    this.#mask = Math.min(bits, 2 ** 32) - 1
    this.#bits = new Uint8Array((this.#mask + 1) / 8)
    this.#capacity = slots * KEYS_PER_SLOT
  }

  /** Too many keys were added; those that were deleted since still count. */
  get isFull(): boolean {
    return this.#added > this.#capacity
  }

  add(key: Uint8Array): void {
    this.#added++
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = this.#bitOf(key, probe)
      const at = Math.floor(bit / 8)
      this.#bits[at] = (this.#bits[at] as number) | (1 << (bit % 8))
    }
  }

  mayHave(key: Uint8Array): boolean {
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = this.#bitOf(key, probe)
      if (((this.#bits[Math.floor(bit / 8)] as number) & (1 << (bit % 8))) === 0) return false
    }
    return true
  }

  #bitOf(key: Uint8Array, probe: number): number {
    let value = 0
    for (let i = 0; i < 4; i++) value = value * 256 + (key[NAME_AT + probe * 4 + i] as number)
    return value % (this.#mask + 1)
  }
}
