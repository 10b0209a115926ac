/**
 * One upload that may come in parts: what it has taken, and its record in the journal. Parts come one
 * after the other; a new one ends the one before, whose connection is then dead for its sender.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { abandon, LongInsert } from '../content/long-insert.ts'
import type { LongInsertContext } from '../content/long-insert.ts'
import { untilAborted } from '../content/block-sink.ts'
import type { Inserted } from '../content/insert.ts'
import { linkAbort } from '../signals.ts'
import type { Journal } from '../journal.ts'
import type { UploadPart, UploadState } from '../node-types.ts'
import { encodeUpload } from './upload-record.ts'
import type { UploadRecord } from './upload-record.ts'

export interface SessionContext {
  readonly sink: LongInsertContext
  readonly journal: Journal
  /** What a restart of the node costs at most. */
  readonly checkpointBytes: number
  /** The upload is in use. */
  readonly touched: () => void
}

/** Name of an upload's record in the journal. */
export function recordName(id: string): string {
  return `upload-${id}`
}

export class UploadSession {
  readonly #context: SessionContext
  #record: UploadRecord
  #insert: LongInsert
  /** Ends the part that comes in. */
  #stop = linkAbort([])
  #last: Promise<unknown> = Promise.resolve()
  #isCancelled = false
  #parts = 0

  constructor(record: UploadRecord, context: SessionContext) {
    this.#record = record
    this.#context = context
    this.#insert = this.#insertFrom(record)
  }

  get id(): string {
    return this.#record.id
  }

  get tag(): string | undefined {
    return this.#record.tag
  }

  get result(): Inserted | undefined {
    return this.#record.result
  }

  /** A part is coming in, or waits for the one before it. */
  get isTaking(): boolean {
    return this.#parts > 0
  }

  get segments(): LongInsert['segments'] {
    return this.#insert.segments
  }

  /** What it has taken, and takes no more of the part that comes in. */
  settle(): UploadState {
    this.#stop.abort(new ShoalError('E_REQUEST', 'The upload goes on over another connection.'))
    return this.state()
  }

  state(): UploadState {
    const { id, length, result } = this.#record
    return { id, offset: result?.size ?? this.#insert.size, length, result }
  }

  save(): Promise<void> {
    return this.#context.journal.write(recordName(this.id), encodeUpload(this.#record))
  }

  /** @throws ShoalError as `NodeUploads.append`; what the content throws. */
  append(part: UploadPart): Promise<UploadState> {
    this.settle()
    const stop = linkAbort([part.signal])
    this.#stop = stop
    this.#parts++
    return this.#inTurn(async () => {
      this.#check(part)
      try {
        await this.#take(part, stop.signal)
        if (part.isLast) await this.#finish()
        return this.state()
      } finally {
        stop.unlink()
        this.#parts--
        this.#context.touched()
      }
    })
  }

  /** Resolves when nothing of it is under way. */
  async close(): Promise<void> {
    this.settle()
    await this.#last
  }

  /** Forgets it, with everything that has not left the node. */
  cancel(): Promise<void> {
    this.settle()
    this.#isCancelled = true
    return this.#inTurn(async () => {
      await this.#insert.release()
      const { outbox } = this.#context.sink
      if (this.result === undefined) await abandon(this.segments, outbox)
      await this.#context.journal.remove(recordName(this.id))
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }

  #check({ offset, length }: UploadPart): void {
    if (this.#isCancelled) throw new ShoalError('E_ROUTE', 'There is no such upload.')
    if (this.result !== undefined) throw new ShoalError('E_REQUEST', 'The upload is complete.')
    const { size } = this.#insert
    // first: beside a wrong offset no length can be right
    if (offset !== size) {
      throw new ShoalError('E_OFFSET', `The upload goes on at ${size}, not at ${offset}.`)
    }
    const known = this.#record.length
    if (length === undefined || known === undefined || length === known) return
    throw new ShoalError('E_REQUEST', 'The upload was said to have another length before.')
  }

  async #take({ content, length, isLast }: UploadPart, signal: AbortSignal): Promise<void> {
    if (length !== undefined) this.#record = { ...this.#record, length }
    const limit = this.#record.length ?? Number.MAX_SAFE_INTEGER
    for await (const piece of untilAborted(content, signal)) {
      signal.throwIfAborted() // once the offset was told, nothing more is taken
      if (this.#insert.size + piece.length > limit) throw wrongLength()
      await this.#store(() => this.#insert.push(piece))
      const kept = this.#record.state?.size ?? 0
      const isDue = this.#insert.size - kept >= this.#context.checkpointBytes
      if (isDue) await this.#store(() => this.#checkpoint())
    }
    if (isLast && this.#record.length !== undefined && this.#insert.size !== limit) {
      throw wrongLength()
    }
  }

  /** Where the store fails, the upload goes back to where it was last kept. */
  async #store(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const failed = this.#insert
      this.#insert = this.#insertFrom(this.#record)
      await failed.release()
      throw error
    }
  }

  async #checkpoint(): Promise<void> {
    const state = await this.#insert.checkpoint()
    if (state === undefined) return
    this.#record = { ...this.#record, state }
    await this.save()
  }

  async #finish(): Promise<void> {
    // whether a word is free may not be found out in time: then nothing has to be sent again
    if (this.#record.request.word !== undefined) await this.#store(() => this.#checkpoint())
    await this.#store(async () => {
      const result = await this.#insert.finish()
      const { segments } = this.#insert
      // what opens it is in the result; its secret is needed no more
      const state = { size: result.size, secret: new Uint8Array(), snapshot: undefined, segments }
      this.#record = { ...this.#record, state, result }
    })
    await this.save()
  }

  #insertFrom({ request, state }: UploadRecord): LongInsert {
    return new LongInsert(request, this.#context.sink, state)
  }
}

function wrongLength(): ShoalError {
  return new ShoalError('E_REQUEST', 'The upload has another length than was said.')
}
