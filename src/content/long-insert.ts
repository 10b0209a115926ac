/**
 * An insert that outlives the connections it comes over, and the process (spec §11.12): from time to time
 * what it has made so far is committed as a segment, and its state told, from which another process goes
 * on. The blocks of a segment spread like any others; nobody can open them before the rest is there.
 * @module
 */
import type { Outbox } from '../datastore/store.ts'
import { BlockSink } from './block-sink.ts'
import type { SinkContext } from './block-sink.ts'
import type { ClientInsert } from './client-insert.ts'
import { MAX_INLINE_MANIFEST_BYTES } from './document.ts'
import { FileEncoder } from './file-encoder.ts'
import {
  convergenceSecretFor,
  frozenTypeOf,
  insertedOf,
  NO_INLINE_BYTES,
  textOf,
  uriOf,
} from './insert.ts'
import type { Inserted, InsertRequest } from './insert.ts'
import { encodeManifest, maxInlineBytes } from './manifest.ts'

/** A committed part of an insert, itself an insert of the outbox. */
export interface Segment {
  readonly insertId: number
  readonly blocks: number
}

/** From which an insert goes on. Secret: it opens what was inserted. */
export interface LongInsertState {
  /** Bytes taken so far. */
  readonly size: number
  readonly secret: Uint8Array
  /** Of the encoder; undefined before the first full block. */
  readonly snapshot: Uint8Array | undefined
  readonly segments: readonly Segment[]
}

/** `name` is that of a word's content, too, where it has none of its own: it gives the type. */
export interface LongInsertRequest extends InsertRequest {
  /** KSK word that it goes under; undefined: none. */
  readonly word?: string | undefined
}

/** How content gets under a word, as `Publications` does it. */
export interface WordInserts {
  beginWord(word: string, isConvergent: boolean): Promise<Uint8Array>
  publishWord(word: string, manifest: Uint8Array, insert: ClientInsert): Promise<string>
}

export type LongInsertContext = SinkContext & { readonly words: WordInserts }

export class LongInsert {
  readonly #request: LongInsertRequest
  readonly #context: LongInsertContext
  readonly #secret: Uint8Array
  readonly #file: FileEncoder
  readonly #segments: Segment[]
  #sink: BlockSink | undefined

  /** `state`: of an insert of the same request; undefined: a new one, under no word. */
  constructor(
    request: LongInsertRequest,
    context: LongInsertContext,
    state: LongInsertState | undefined,
  ) {
    this.#request = request
    this.#context = context
    this.#secret = state?.secret ?? convergenceSecretFor(request.isConvergent || request.isBare)
    this.#segments = [...(state?.segments ?? [])]
    this.#file =
      state?.snapshot === undefined
        ? new FileEncoder(this.#secret, inlineBytesOf(request))
        : FileEncoder.resume(this.#secret, state.size, state.snapshot)
  }

  /** Bytes taken, those that are being taken included. */
  get size(): number {
    return this.#file.size
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** After an error only `release` may be called. @throws ShoalError E_STORE_FULL, E_STORE_IO */
  async push(piece: Uint8Array): Promise<void> {
    const blocks = this.#file.push(piece)
    await (this.#sink ?? (await this.#open())).addAll(blocks)
  }

  /** Ends a segment; undefined while there is no block to keep. @throws as `push`. */
  async checkpoint(): Promise<LongInsertState | undefined> {
    const snapshot = this.#file.snapshot()
    if (snapshot === undefined) return undefined
    await this.#commit()
    return { size: this.size, secret: this.#secret, snapshot, segments: [...this.#segments] }
  }

  /**
   * Resolves when all is safe in the outbox, and under its word; call it once. @throws as `push`, and what
   * `publishWord` throws.
   */
  async finish(): Promise<Inserted> {
    const sink = this.#sink ?? (await this.#open())
    const { size } = this
    const uri = await this.#finishInto(sink)
    await this.#commit()
    return insertedOf(this.#request, { uri, size, insertId: sink.insertId })
  }

  /** Gives up what was not committed. */
  async release(): Promise<void> {
    const sink = this.#sink
    this.#sink = undefined
    if (sink !== undefined) await this.#context.outbox.discard(sink.insertId)
  }

  async #finishInto(sink: BlockSink): Promise<string> {
    const { isBare, word } = this.#request
    if (isBare) return textOf(uriOf(await this.#file.finishTree(sink), 'bare'), this.#request)
    const contentType = frozenTypeOf(this.#request)
    const { size } = this
    const manifest = encodeManifest({ size, contentType, body: await this.#file.finish(sink) })
    if (word === undefined) {
      return textOf(uriOf(await sink.addTree(manifest, this.#secret), 'manifest'), this.#request)
    }
    const { signal, words } = this.#context
    const sending = (): void => {
      signal.throwIfAborted()
    }
    return words.publishWord(word, manifest, { sink, signal, sending })
  }

  async #open(): Promise<BlockSink> {
    this.#sink = new BlockSink(await this.#context.outbox.begin(), this.#context)
    return this.#sink
  }

  async #commit(): Promise<void> {
    const sink = this.#sink
    if (sink === undefined) return
    await sink.settle()
    await sink.commit()
    const { insertId } = sink
    this.#segments.push({ insertId, blocks: this.#context.outbox.insert(insertId)?.blocks ?? 0 })
    this.#sink = undefined
  }
}

/** Takes back segments of an insert that will never be whole: what has not left yet is not sent. */
export async function abandon(segments: readonly Segment[], outbox: Outbox): Promise<void> {
  const insertIds = new Set(segments.map(({ insertId }) => insertId))
  for (const entry of outbox.entries()) {
    if (!insertIds.has(entry.insertId)) continue
    for (const home of entry.homesLeft) await outbox.homeDone(entry, home)
  }
}

/** How far an insert of several segments has spread. */
export function spreadOf(
  segments: readonly Segment[],
  outbox: Outbox,
): { blocks: number; spreadBlocks: number; lostBlocks: number } {
  const sum = { blocks: 0, spreadBlocks: 0, lostBlocks: 0 }
  for (const { insertId, blocks } of segments) {
    // one that the outbox has forgotten had every copy it wanted
    const known = outbox.insert(insertId) ?? { blocks, spreadBlocks: blocks, lostBlocks: 0 }
    sum.blocks += known.blocks
    sum.spreadBlocks += known.spreadBlocks
    sum.lostBlocks += known.lostBlocks
  }
  return sum
}

function inlineBytesOf(request: LongInsertRequest): number {
  if (request.isBare) return NO_INLINE_BYTES
  // under a word the manifest lies in a signed block
  const manifestBytes = request.word === undefined ? undefined : MAX_INLINE_MANIFEST_BYTES
  return maxInlineBytes(frozenTypeOf(request), manifestBytes)
}
