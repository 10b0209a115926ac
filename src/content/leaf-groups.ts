/**
 * Where opened leaves lie: some of them side by side, so that what has come together is handed on as one
 * piece. Large pieces cost less to hand on, to send and to collect.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'

/** 128 KiB: what the socket of a reader takes at once. */
const GROUP_LEAVES = 4

/** The leaves `first` to `last` of one reader, handed on in order. */
export class LeafGroups {
  readonly #first: number
  readonly #last: number
  /** By number, counted from `first`; those with leaves that are asked for and not handed on. */
  readonly #groups = new Map<number, Uint8Array>()
  #next: number

  constructor(first: number, last: number) {
    this.#first = first
    this.#last = last
    this.#next = first
  }

  /** Leaves from the next one on that lie in its group. */
  get leavesInReach(): number {
    return GROUP_LEAVES - ((this.#next - this.#first) % GROUP_LEAVES)
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

  /** Hands on the next `count` leaves, all of one group: where they begin, and their bytes. */
  take(count: number): { readonly leaf: number; readonly bytes: Uint8Array } {
    const leaf = this.#next
    const number = this.#groupOf(leaf)
    const at = leaf - this.#first - number * GROUP_LEAVES
    const group = this.#groups.get(number) as Uint8Array
    this.#next += count
    if (this.#groupOf(this.#next) !== number) this.#groups.delete(number)
    return { leaf, bytes: group.subarray(at * BLOCK_BYTES, (at + count) * BLOCK_BYTES) }
  }

  #groupOf(leaf: number): number {
    return Math.floor((leaf - this.#first) / GROUP_LEAVES)
  }
}
