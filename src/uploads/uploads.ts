/**
 * The resumable uploads of a node: few at once, each with its record in the journal, and an end for those
 * that nobody goes on with.
 * @module
 */
import { isShoalError, ShoalError } from '../errors.ts'
import { spreadOf } from '../content/long-insert.ts'
import type { LongInsertContext, LongInsertRequest } from '../content/long-insert.ts'
import { checkContentType } from '../content/insert.ts'
import type { Outbox } from '../datastore/store.ts'
import type { Journal } from '../journal.ts'
import { randomBytes } from '../keys/primitives.ts'
import type { NodeUploads, UploadPart, UploadRequest, UploadState } from '../node-types.ts'
import { decodeUpload } from './upload-record.ts'
import type { UploadRecord } from './upload-record.ts'
import { recordName, UploadSession } from './upload-session.ts'

/** Uploads that are not forgotten, each with up to 16 MiB that it would have to be sent again. */
export const MAX_UPLOADS = 16
/** Whole ones whose result and spread are told, and beyond those that are under way. */
const MAX_WHOLE = 16
/** After this long without a byte an upload gives way to a new one that finds no place, ms. */
const IDLE_MS = 3_600_000
/** After this long it ends in any case, a whole one if it has spread: its sender had a night to come back, ms. */
const END_MS = 24 * 3_600_000
const SWEEP_MS = 600_000
/** Sent again in a second or two, bytes. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024
const ID_BYTES = 16
const ID = /^[0-9a-f]{32}$/

/** What an earlier run has left; a record that cannot be read is dropped. @throws ShoalError E_STORE_IO */
export async function readUploads(journal: Journal): Promise<readonly UploadRecord[]> {
  const records: UploadRecord[] = []
  for (const name of await journal.names()) {
    if (!name.startsWith(recordName(''))) continue
    const bytes = await journal.read(name)
    const record = bytes === undefined ? undefined : decodeUpload(bytes)
    if (record === undefined || recordName(record.id) !== name) await journal.remove(name)
    else records.push(record)
  }
  return records
}

export interface UploadsOptions {
  readonly journal: Journal
  readonly sink: LongInsertContext
  /** What a restart costs an upload at most; default CHECKPOINT_BYTES. */
  readonly checkpointBytes?: number
}

interface Place {
  readonly session: UploadSession
  touchedMs: number
}

export class Uploads implements NodeUploads {
  readonly #options: UploadsOptions
  readonly #places = new Map<string, Place>()
  #stopSweep: (() => void) | undefined
  #opening = 0

  constructor(options: UploadsOptions, records: readonly UploadRecord[]) {
    this.#options = options
    for (const record of records) this.#enter(record)
  }

  async create(request: UploadRequest): Promise<UploadState> {
    const { length, tag } = request
    checkContentType(request.contentType)
    const same = this.#withTag(tag)
    if (same !== undefined) {
      same.session.checkSame(insertRequestOf(request), length)
      return this.#touch(same).session.settle()
    }
    const place = await this.#open(request)
    await this.#keep(place)
    return place.session.state()
  }

  status(id: string): UploadState | undefined {
    return this.#places.get(id)?.session.settle()
  }

  async append(id: string, part: UploadPart): Promise<UploadState> {
    const place = ID.test(id) ? this.#places.get(id) : undefined
    if (place === undefined) throw new ShoalError('E_ROUTE', 'There is no such upload.')
    try {
      const state = await this.#touch(place).session.append(part)
      if (state.result !== undefined) await this.#forgetWhole(place)
      return state
    } catch (error) {
      // its word is somebody else's for ever: what has not left needs not to
      if (isShoalError(error) && error.code === 'E_COLLISION') await this.cancel(id)
      throw error
    }
  }

  async cancel(id: string): Promise<boolean> {
    const place = this.#places.get(id)
    if (place === undefined) return false
    this.#places.delete(id)
    await place.session.cancel()
    return true
  }

  /** How far an upload that ended with this insert has spread; undefined: none did. */
  spread(insertId: number, outbox: Outbox): ReturnType<typeof spreadOf> | undefined {
    for (const { session } of this.#places.values()) {
      if (session.result?.insertId === insertId) return spreadOf(session.segments, outbox)
    }
    return undefined
  }

  /** Resolves when nothing is under way; what was kept goes on after a restart. */
  async close(): Promise<void> {
    this.#stopSweep?.()
    await Promise.all([...this.#places.values()].map(({ session }) => session.close()))
  }

  /** @throws ShoalError E_BUSY; for a word as `beginWord` */
  async #open(request: UploadRequest): Promise<Place> {
    const { length, tag, word, convergent = false } = request
    this.#opening++
    try {
      const secret = word && (await this.#options.sink.words.beginWord(word, convergent))
      await this.#makeRoom()
      const id = Buffer.from(randomBytes(ID_BYTES)).toString('hex')
      const state = secret ? { size: 0, secret, snapshot: undefined, segments: [] } : undefined
      const how = insertRequestOf(request)
      return this.#enter({ id, tag, length, request: how, state, result: undefined })
    } finally {
      this.#opening--
    }
  }

  #enter(record: UploadRecord): Place {
    const { sink, checkpointBytes = CHECKPOINT_BYTES } = this.#options
    const touched = (): void => {
      this.#touch(place)
    }
    const place: Place = {
      session: new UploadSession(record, { ...this.#options, checkpointBytes, touched }),
      touchedMs: sink.clock.now(),
    }
    this.#places.set(record.id, place)
    this.#stopSweep ??= sink.clock.after(SWEEP_MS, () => {
      this.#sweep()
    })
    return place
  }

  /** Without its first record there is no upload. */
  async #keep({ session }: Place): Promise<void> {
    try {
      await session.save()
    } catch (error) {
      await this.cancel(session.id).catch(() => {}) // it fails for the same reason
      throw error
    }
  }

  #touch(place: Place): Place {
    place.touchedMs = this.#options.sink.clock.now()
    return place
  }

  #withTag(tag: string | undefined): Place | undefined {
    if (tag === undefined) return undefined
    return [...this.#places.values()].find(
      ({ session }) => session.tag === tag && session.result === undefined,
    )
  }

  #under(isWhole: boolean): Place[] {
    return [...this.#places.values()]
      .filter(({ session }) => (session.result !== undefined) === isWhole)
      .sort((a, b) => a.touchedMs - b.touchedMs)
  }

  /** One that has no byte goes at once, else the one idle the longest. @throws ShoalError E_BUSY */
  async #makeRoom(): Promise<void> {
    const begun = this.#under(false)
    if (begun.length + this.#opening <= MAX_UPLOADS) return
    const now = this.#options.sink.clock.now()
    const free = begun.filter(({ session }) => !session.isBusy)
    const idle =
      free.find(({ session }) => session.state().offset === 0) ??
      free.find(({ touchedMs }) => now - touchedMs >= IDLE_MS)
    if (idle === undefined) {
      throw new ShoalError('E_BUSY', `${MAX_UPLOADS} uploads are under way already.`)
    }
    await this.cancel(idle.session.id)
  }

  /** The oldest goes, one that has spread first. The new one is still to be told to its sender. */
  async #forgetWhole(newest: Place): Promise<void> {
    const whole = this.#under(true)
    if (whole.length <= MAX_WHOLE) return
    const older = whole.filter((place) => place !== newest)
    const gone = older.find((place) => this.#hasSpread(place)) ?? older[0]
    // a disk that fails keeps the record; it is forgotten after the next start
    if (gone !== undefined) await this.cancel(gone.session.id).catch(() => {})
  }

  #hasSpread({ session }: Place): boolean {
    const { blocks, spreadBlocks } = spreadOf(session.segments, this.#options.sink.outbox)
    return spreadBlocks >= blocks
  }

  #sweep(): void {
    const { clock } = this.#options.sink
    this.#stopSweep = undefined
    for (const place of this.#places.values()) {
      const { session, touchedMs } = place
      if (session.isBusy || clock.now() - touchedMs < END_MS) continue
      // a disk that fails keeps the record; the next start ends it
      if (session.result === undefined || this.#hasSpread(place))
        void this.cancel(session.id).catch(() => {})
    }
    if (this.#places.size > 0) {
      this.#stopSweep = clock.after(SWEEP_MS, () => {
        this.#sweep()
      })
    }
  }
}

function insertRequestOf(request: UploadRequest): LongInsertRequest {
  const { name, contentType, word, convergent = false, bare = false } = request
  return { name: name ?? word, contentType, word, isConvergent: convergent, isBare: bare }
}
