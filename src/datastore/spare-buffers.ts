/**
 * Buffers of one slot that are used again: a new one is 32 KiB to be zeroed, and to be collected.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'

export class SpareBuffers {
  readonly #most: number
  readonly #spare: Uint8Array[] = []

  /** `most`: so many are kept; more that are given back are left to be collected. */
  constructor(most: number) {
    this.#most = most
  }

  /** 32 KiB with whatever was in them. */
  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(BLOCK_BYTES)
  }

  /** Nobody reads or writes it any more. */
  giveBack(buffer: Uint8Array): void {
    if (this.#spare.length < this.#most) this.#spare.push(buffer)
  }
}
