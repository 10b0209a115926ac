/**
 * Blocks that this node's own readers fetched, in memory only, the longest unused out first: seeking
 * and reloading do not fetch twice, and neither disk nor network learn what was read.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'

export class ReadCache {
  readonly #capacity: number
  /** In order of last use. */
  readonly #blocks = new Map<string, Block>()

  /** `limitBytes` of memory; 0 keeps nothing. */
  constructor(limitBytes: number) {
    this.#capacity = Math.floor(limitBytes / BLOCK_BYTES)
  }

  get(address: Address): Block | undefined {
    const name = mapKey(address)
    const block = this.#blocks.get(name)
    if (block === undefined) return undefined
    this.#blocks.delete(name)
    this.#blocks.set(name, block)
    return block
  }

  put(address: Address, block: Block): void {
    if (this.#capacity === 0) return
    const name = mapKey(address)
    this.#blocks.delete(name)
    this.#blocks.set(name, block)
    if (this.#blocks.size <= this.#capacity) return
    const oldest = this.#blocks.keys().next()
    if (oldest.done !== true) this.#blocks.delete(oldest.value)
  }
}
