/**
 * Which keys may be in the index, in a few bits each: no false "no", now and then a false "maybe". Most
 * look-ups of a node are for blocks that it does not have, and each would cost a trip to the disk.
 * @module
 */

/** With 2 probes and 2.5 keys a cell of 8 bits, one absent key in five is a false "maybe". */
const BITS_PER_SLOT = 8
const PROBES = 2
/** Keys a slot beyond which the filter says "maybe" too often to be of use. */
const KEYS_PER_SLOT = 2.5
/** A smaller store has a filter for so many slots all the same. */
const LEAST_SLOTS = 1024
/** Keys are pseudo-random from here on (8 bytes of bucket name come first). */
const NAME_AT = 8

export class KeyFilter {
  readonly #bits: Uint8Array
  readonly #bitCount: number
  readonly #capacity: number
  #added = 0

  constructor(slots: number) {
    const room = Math.max(LEAST_SLOTS, slots)
    // four bytes of a key address a bit: beyond 2^32 bits (16 TiB of slots) it only fills up sooner
    this.#bitCount = Math.min(room * BITS_PER_SLOT, 2 ** 32)
    this.#bits = new Uint8Array(this.#bitCount / 8)
    this.#capacity = room * KEYS_PER_SLOT
  }

  /** Too many keys were added; those that were deleted since still count. */
  get isFull(): boolean {
    return this.#added > this.#capacity
  }

  /** Keys added since it was made or cleared. */
  get added(): number {
    return this.#added
  }

  /** Its own bits, for the state file. */
  get bits(): Uint8Array {
    return this.#bits
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

  clear(): void {
    this.#bits.fill(0)
    this.#added = 0
  }

  /** After the bits were filled in place: they hold `added` keys. */
  restored(added: number): void {
    this.#added = added
  }

  #bitOf(key: Uint8Array, probe: number): number {
    let value = 0
    for (let i = 0; i < 4; i++) value = value * 256 + (key[NAME_AT + probe * 4 + i] as number)
    return value % this.#bitCount
  }
}
