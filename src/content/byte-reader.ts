/**
 * Reads a structure from front to back; where it ends too early, that is E_DECODE.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { readUint64 } from '../keys/bytes.ts'

export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  /** A u64 of at most 2^53 - 1. */
  u64(): number {
    const value = readUint64(this.#bytes, this.#skip(8))
    if (value === undefined) throw new ShoalError('E_DECODE', 'A number is above 2^53 - 1.')
    return value
  }

  /** A view, not a copy. */
  take(length: number): Uint8Array {
    const from = this.#skip(length)
    return this.#bytes.subarray(from, from + length)
  }

  #skip(length: number): number {
    const from = this.#at
    if (length > this.#bytes.length - from) {
      throw new ShoalError('E_DECODE', 'A structure is cut off.')
    }
    this.#at = from + length
    return from
  }
}
