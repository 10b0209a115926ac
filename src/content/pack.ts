/**
 * Trees of a folder that is being inserted: packs of small files, and single files (spec §5.5.4).
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import { ErisEncoder } from '../keys/eris.ts'
import type { ReadCapability } from '../keys/eris.ts'
import type { BlockSink } from './block-sink.ts'
import type { Pack } from './directory.ts'

/** Longest pack: an edit near its beginning changes all that follows. */
const MAX_PACK_BYTES = 8 * 1024 * 1024

/** Where trees go, and what they are encoded with. */
export interface TreeTarget {
  readonly sink: BlockSink
  /** Convergence secret. */
  readonly secret: Uint8Array
}

/** A tree of `content`, which is read to its end. */
export async function addTreeOf(
  content: AsyncIterable<Uint8Array>,
  { sink, secret }: TreeTarget,
): Promise<ReadCapability> {
  const encoder = new ErisEncoder(secret, BLOCK_BYTES)
  for await (const piece of content) await sink.addAll(encoder.update(piece))
  return await sink.finish(encoder)
}

/** A pack that files are appended to; entries may name it before it has a root. */
export class OpenPack implements Pack {
  readonly #sink: BlockSink
  readonly #encoder: ErisEncoder
  #size = 0
  #root: ReadCapability | undefined

  constructor({ sink, secret }: TreeTarget) {
    this.#sink = sink
    this.#encoder = new ErisEncoder(secret, BLOCK_BYTES)
  }

  get size(): number {
    return this.#size
  }

  /** @throws RangeError before `close` (a bug). */
  get root(): ReadCapability {
    if (this.#root === undefined) throw new RangeError('the pack is still open')
    return this.#root
  }

  hasRoom(bytes: number): boolean {
    return this.#size + bytes <= MAX_PACK_BYTES
  }

  /** Takes `content` to its end; returns the offset of its first byte. */
  async append(content: AsyncIterable<Uint8Array>): Promise<number> {
    const offset = this.#size
    for await (const piece of content) {
      await this.#sink.addAll(this.#encoder.update(piece))
      this.#size += piece.length
    }
    return offset
  }

  async close(): Promise<void> {
    this.#root = await this.#sink.finish(this.#encoder)
  }
}
