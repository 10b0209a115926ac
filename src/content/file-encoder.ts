/**
 * One file on its way into blocks (spec §5): holds back as much as could be inline in its manifest, and
 * makes a tree once there is more.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import { concat } from '../keys/bytes.ts'
import { ErisEncoder } from '../keys/eris.ts'
import type { EncodedBlock, ReadCapability } from '../keys/eris.ts'
import type { ManifestBody } from './manifest.ts'

/** Puts the rest of a tree where its blocks go. */
interface TreeEnd {
  finish(encoder: ErisEncoder): Promise<ReadCapability>
}

export class FileEncoder {
  /** Bytes pushed. */
  size = 0
  readonly #secret: Uint8Array
  readonly #inlineBytes: number
  #head: Uint8Array[] = []
  #encoder: ErisEncoder | undefined

  /** `inlineBytes`: up to this many are no tree. */
  constructor(secret: Uint8Array, inlineBytes: number) {
    this.#secret = secret
    this.#inlineBytes = inlineBytes
  }

  /** One that goes on where another was when it made `snapshot`. */
  static resume(secret: Uint8Array, size: number, snapshot: Uint8Array): FileEncoder {
    const file = new FileEncoder(secret, 0)
    file.size = size
    file.#encoder = ErisEncoder.resume(secret, BLOCK_BYTES, snapshot)
    return file
  }

  /** Undefined while everything may still be inline. */
  snapshot(): Uint8Array | undefined {
    return this.#encoder?.snapshot()
  }

  /** The blocks that are full with this piece; iterate them to their end before the next call. */
  push(piece: Uint8Array): Generator<EncodedBlock, void> {
    this.size += piece.length // at once, not when the first block is asked for
    return this.#blocksOf(piece)
  }

  *#blocksOf(piece: Uint8Array): Generator<EncodedBlock, void> {
    if (this.#encoder !== undefined) {
      yield* this.#encoder.update(piece)
      return
    }
    this.#head.push(piece)
    if (this.size <= this.#inlineBytes) return
    const head = concat(...this.#head)
    this.#head = []
    yield* this.#treeOf().update(head)
  }

  /** Where the bytes are; call it once, at the end. */
  async finish(end: TreeEnd): Promise<ManifestBody> {
    if (this.#encoder === undefined) return { type: 'inline', bytes: concat(...this.#head) }
    return { type: 'tree', root: await this.finishTree(end) }
  }

  /** As `finish`, of content that has no manifest: always a tree. */
  async finishTree(end: TreeEnd): Promise<ReadCapability> {
    return end.finish(this.#treeOf())
  }

  #treeOf(): ErisEncoder {
    return (this.#encoder ??= new ErisEncoder(this.#secret, BLOCK_BYTES))
  }
}
