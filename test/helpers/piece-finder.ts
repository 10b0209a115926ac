/**
 * Looks for pieces of known bytes anywhere in other bytes: whoever has the disk and a list of what may
 * be on it would do the same.
 * @module
 */

/** Bits of a hash by which most places are passed over at once: one in sixty is looked at. */
const FILTER_BITS = 27
const BUCKET_BITS = 22
const GOLDEN = 0x9e3779b1

export class PieceFinder {
  readonly #pieceBytes: number
  /** All pieces, one after the other. */
  readonly #known: Buffer
  readonly #filter = new Uint32Array(1 << (FILTER_BITS - 5))
  /** First piece of each bucket, and the next one of each piece, both counted from 1. */
  readonly #heads = new Uint32Array(1 << BUCKET_BITS)
  readonly #next: Uint32Array

  /** Cuts each of `known` into pieces of `pieceBytes`, at least 4; what is left over is not looked for. */
  constructor(known: readonly Uint8Array[], pieceBytes: number) {
    this.#pieceBytes = pieceBytes
    this.#known = Buffer.concat(
      known.map((bytes) => bytes.subarray(0, bytes.length - (bytes.length % pieceBytes))),
    )
    this.#next = new Uint32Array(1 + this.#known.length / pieceBytes)
    for (let piece = 1; piece < this.#next.length; piece++) {
      const hash = hashOf(this.#known.readInt32LE((piece - 1) * pieceBytes))
      this.#filter[hash >>> 5] = (this.#filter[hash >>> 5] as number) | (1 << (hash & 31))
      const bucket = hash >>> (FILTER_BITS - BUCKET_BITS)
      this.#next[piece] = this.#heads[bucket] as number
      this.#heads[bucket] = piece
    }
  }

  /** How many places of `bytes` hold one of the pieces. */
  countIn(bytes: Uint8Array): number {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const last = bytes.length - this.#pieceBytes
    let found = 0
    let window = 0
    for (let at = 0; at < 3; at++) window = (window >>> 8) | ((bytes[at] as number) << 24)
    for (let at = 0; at <= last; at++) {
      window = (window >>> 8) | ((bytes[at + 3] as number) << 24)
      const hash = hashOf(window)
      if (((this.#filter[hash >>> 5] as number) & (1 << (hash & 31))) === 0) continue
      if (this.#isAt(view, at, this.#heads[hash >>> (FILTER_BITS - BUCKET_BITS)] as number)) found++
    }
    return found
  }

  #isAt(view: Buffer, at: number, first: number): boolean {
    const bytes = this.#pieceBytes
    const word = view.readInt32LE(at)
    for (let piece = first; piece > 0; piece = this.#next[piece] as number) {
      const from = (piece - 1) * bytes
      if (this.#known.readInt32LE(from) !== word) continue
      if (view.compare(this.#known, from, from + bytes, at, at + bytes) === 0) return true
    }
    return false
  }
}

function hashOf(word: number): number {
  return Math.imul(word, GOLDEN) >>> (32 - FILTER_BITS)
}
