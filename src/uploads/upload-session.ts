/**
 * One upload that may come in parts: what it has taken, and its record in the journal. Parts come one
 * after the other; a new one ends the one before, whose connection is then dead for its sender.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { abandon, LongInsert } from '../content/long-insert.ts'
import type { LongInsertContext, LongInsertRequest } from '../content/long-insert.ts'
import { untilAborted } from '../content/block-sink.ts'
import type { Inserted } from '../content/insert.ts'
import { linkAbort, orAborted } from '../signals.ts'
import type { LinkedAbort } from '../signals.ts'
import type { Journal } from '../journal.ts'
import type { UploadPart, UploadState } from '../node-types.ts'
import { encodeUpload } from './upload-record.ts'
import type { UploadRecord } from './upload-record.ts'
import { Turns } from './turns.ts'

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
  /** Ends what waits for room in the outbox. */
  readonly #end: LinkedAbort
  readonly #turns = new Turns()
  #isCancelled = false
  #underWay = 0

  constructor(record: UploadRecord, context: SessionContext) {
    this.#record = record
    this.#context = context
    this.#end = linkAbort([context.sink.signal])
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

  /** A part is coming in, or waits for the one before it, or the record is being written. */
  get isBusy(): boolean {
    return this.#underWay > 0
  }

  get segments(): LongInsert['segments'] {
    return this.#insert.segments
  }

  /** @throws ShoalError E_EXISTS where another upload is meant; a length may be unsaid. */
  checkSame(request: LongInsertRequest, length: number | undefined): void {
    const known = this.#record.request
    const { name, contentType, word, isConvergent, isBare } = request
    const isSame =
      name === known.name &&
      contentType === known.contentType &&
      word === known.word &&
      isConvergent === known.isConvergent &&
      isBare === known.isBare
    if (!isSame || !this.#mayHave(length)) {
      throw new ShoalError('E_EXISTS', 'Another upload is under way with that tag.')
    }
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

  async save(): Promise<void> {
    this.#underWay++
    try {
      await this.#context.journal.write(recordName(this.id), encodeUpload(this.#record))
    } finally {
      this.#underWay--
    }
  }

  /**
   * Who goes away is not waited for: what was taken may still be on its way to a full outbox.
   * @throws ShoalError as `NodeUploads.append`; what the content throws.
   */
  async append(part: UploadPart): Promise<UploadState> {
    this.settle()
    const stop = linkAbort([part.signal])
    this.#stop = stop
    this.#underWay++
    const isLate = this.result !== undefined
    const taking = this.#turns.run(() => this.#appendNow(part, isLate, stop.signal), stop.signal)
    try {
      return await orAborted(taking, stop.signal)
    } finally {
      stop.unlink()
      this.#underWay--
      this.#context.touched()
    }
  }

  /** Resolves when nothing of it is under way. */
  close(): Promise<void> {
    this.settle()
    return this.#turns.run(() => Promise.resolve())
  }

  /** Forgets it, with everything that has not left the node. */
  cancel(): Promise<void> {
    this.settle()
    this.#isCancelled = true
    this.#end.abort(gone())
    this.#end.unlink()
    return this.#turns.run(async () => {
      await this.#insert.release()
      const { outbox } = this.#context.sink
      if (this.result === undefined) await abandon(this.segments, outbox)
      await this.#context.journal.remove(recordName(this.id))
    })
  }

  async #appendNow(part: UploadPart, isLate: boolean, signal: AbortSignal): Promise<UploadState> {
    this.#check(part, isLate)
    await this.#take(part, signal)
    if (part.isLast && this.result === undefined) await this.#finish()
    return this.state()
  }

  /** `isLate`: it came when the upload was whole already, and not while it still waited for room. */
  #check({ offset, length }: UploadPart, isLate: boolean): void {
    if (this.#isCancelled) throw gone()
    if (isLate) throw new ShoalError('E_REQUEST', 'The upload is complete.')
    const size = this.state().offset
    // first: beside a wrong offset no length can be right
    if (offset !== size) {
      throw new ShoalError('E_OFFSET', `The upload goes on at ${size}, not at ${offset}.`)
    }
    if (!this.#mayHave(length)) throw wrongLength()
  }

  /** Neither another length than was said before, nor fewer bytes than it has taken. */
  #mayHave(length: number | undefined): boolean {
    const known = this.#record.length
    if (length === undefined) return true
    return known === undefined ? length >= this.state().offset : length === known
  }

  async #take({ content, length, isLast }: UploadPart, signal: AbortSignal): Promise<void> {
    if (length !== undefined) this.#record = { ...this.#record, length }
    const limit = this.result?.size ?? this.#record.length ?? Number.MAX_SAFE_INTEGER
    for await (const piece of untilAborted(content, signal)) {
      signal.throwIfAborted() // once the offset was told, nothing more is taken
      if (this.#insert.size + piece.length > limit) throw wrongLength()
      await this.#store(() => this.#push(piece))
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

  async #push(piece: Uint8Array): Promise<void> {
    await this.#insert.push(piece)
    const kept = this.#record.state?.size ?? 0
    if (this.#insert.size - kept >= this.#context.checkpointBytes) await this.#checkpoint()
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
      // the outbox knows the number of its last segment, and would tell of that alone
      const ownNumber = this.segments.length === 0 ? undefined : await this.#takeNumber()
      const inserted = await this.#insert.finish()
      const result = { ...inserted, insertId: ownNumber ?? inserted.insertId }
      const { segments } = this
      // what opens it is in the result; its secret is needed no more
      const state = { size: result.size, secret: new Uint8Array(), snapshot: undefined, segments }
      this.#record = { ...this.#record, state, result }
    })
    // all is in the outbox: without the record only a restart no longer knows what became of it
    await this.save().catch(() => {})
  }

  /** Of an insert that never is: numbers are not used again. */
  async #takeNumber(): Promise<number> {
    const { outbox } = this.#context.sink
    const insertId = await outbox.begin()
    await outbox.discard(insertId)
    return insertId
  }

  #insertFrom({ request, state }: UploadRecord): LongInsert {
    return new LongInsert(request, { ...this.#context.sink, signal: this.#end.signal }, state)
  }
}

function gone(): ShoalError {
  return new ShoalError('E_ROUTE', 'There is no such upload.')
}

function wrongLength(): ShoalError {
  return new ShoalError('E_REQUEST', 'The upload has another length than was said.')
}
