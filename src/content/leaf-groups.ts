/**
 * Where opened leaves lie: some of them side by side, so that what has come together is handed on as one
 * piece. Large pieces cost less to hand on, to send and to collect.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'

/** 128 KiB: what the socket of a reader takes at once. */
const GROUP_LEAVES = 4

/** Room for the leaves `first` to `last` of one reader, handed on in order. */
export class LeafGroups {
  readonly #first: number
  readonly #last: number
  /** By number, counted from `first`; those with leaves that are here and not handed on. */
  readonly #groups = new Map<number, Uint8Array>()

  constructor(first: number, last: number) {
    this.#first = first
    this.#last = last
  }

  /** The bytes of one leaf, to be written before it is handed on. */
  placeOf(leaf: number): Uint8Array {
    const number = this.#groupOf(leaf)
    const begin = this.#first + number * GROUP_LEAVES
    const leaves = Math.min(GROUP_LEAVES, this.#last + 1 - begin)
    const group = this.#groups.get(number) ?? new Uint8Array(leaves * BLOCK_BYTES)
    this.#groups.set(number, group)
    return group.subarray((leaf - begin) * BLOCK_BYTES, (leaf + 1 - begin) * BLOCK_BYTES)
  }

  /** All leaves before `next` are handed on. */
  passed(next: number): void {
    for (const number of this.#groups.keys()) {
      if (number >= this.#groupOf(next) && next <= this.#last) continue
      this.#groups.delete(number)
    }
  }

  #groupOf(leaf: number): number {
    return Math.floor((leaf - this.#first) / GROUP_LEAVES)
  }
}

/** The same bytes in as few pieces as there are: what lies side by side in memory is one. */
export function joinAdjacent(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  for (const part of parts) {
    const before = joined.at(-1)
    const isNext =
      before?.buffer === part.buffer && before.byteOffset + before.length === part.byteOffset
    if (before === undefined || !isNext) joined.push(part)
    else
      joined.splice(
        -1,
        1,
        new Uint8Array(part.buffer, before.byteOffset, before.length + part.length),
      )
  }
  return joined
}
