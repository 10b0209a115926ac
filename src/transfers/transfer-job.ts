/**
 * One download to disk. Its phase is what is wanted of it and how it stands; its files belong to the one try
 * that may be under way. A command changes the phase and asks that try to end, and never touches a file
 * before it has ended; a new try begins only after that.
 *
 *     queued ── start ──► running ──► done
 *       ▲                 │  │ │
 *       │                 │  │ └──► failed ──┐
 *       ├─ time, resume ─ waiting            │  from each of them but `done`: pause ──► paused
 *       └─ resume ───────────────────────────┴── paused
 *
 * A try that was asked to end says nothing about the phase any more, but for one thing: what it has put in
 * its place is `done`, whatever was wanted meanwhile.
 * @module
 */
import { isShoalError, ShoalError } from '../errors.ts'
import type { Journal } from '../journal.ts'
import { parseUri } from '../keys/uri.ts'
import type { Node, Transfer, TransferPhase } from '../node-types.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import type { LinkedAbort } from '../signals.ts'
import { downloadFolder, isFolderUri } from './download-folder.ts'
import { download } from './download.ts'
import { PART, removePart } from './target-file.ts'
import { encodeTransfer, transferRecord } from './transfer-records.ts'
import type { KeptTransfer } from './transfer-records.ts'

/** Until the next look for what nobody has, ms; doubles. */
const FIRST_WAIT_MS = 10_000
const LONGEST_WAIT_MS = 600_000
/** Changes of progress are told no more often, ms. */
const TELL_MS = 500
/** Of less time no rate can be told, ms. */
const LEAST_RATED_MS = 1000
const FAULTS = { 'not-found': 'E_NOT_FOUND', 'no-peers': 'E_NO_PEERS', 'timed-out': 'E_TIMEOUT' }
/** What may be over by itself. */
const PASSING: ReadonlySet<string> = new Set([
  'E_TIMEOUT',
  'E_NOT_FOUND',
  'E_NO_PEERS',
  'E_BUSY',
  'E_CLOSED', // the node ends: it goes on with the next start
])

export interface JobContext {
  readonly journal: Journal
  readonly fetch: Node['fetch']
  readonly clock: Clock
  /** What a crash costs a download at most. */
  readonly pieceBytes: number
  readonly onchange: (transfer: Transfer) => void
  /** Something may begin: a try has ended, or a wait is over. */
  readonly onidle: () => void
}

interface Try {
  readonly stop: LinkedAbort
  /** Resolves when it does nothing more. Never rejects. */
  readonly ended: Promise<void>
  readonly startedMs: number
  readonly fromBytes: number
}

interface Wait {
  readonly endMs: number
  readonly cancel: () => void
}

export class TransferJob {
  readonly #context: JobContext
  readonly part: string
  readonly isFolder: boolean
  #now: KeptTransfer
  #try: Try | undefined
  #wait: Wait | undefined
  #waits = 0
  #erased: Promise<void> | undefined
  #lastSave: Promise<void> = Promise.resolve()

  constructor(now: KeptTransfer, context: JobContext) {
    this.#now = now
    this.#context = context
    this.part = now.path + PART
    this.isFolder = isFolderUri(parseUri(now.uri))
  }

  get now(): KeptTransfer {
    return this.#now
  }

  /** A try is under way, maybe one that was asked to end. */
  get isBusy(): boolean {
    return this.#try !== undefined
  }

  /** Resolves when nothing is left of it; undefined: it is not being removed. */
  get erased(): Promise<void> | undefined {
    return this.#erased
  }

  shown(): Transfer {
    const { id, uri, path, phase, priority, doneBytes, sizeBytes, fault } = this.#now
    const now = this.#context.clock.now()
    return {
      id,
      uri,
      path,
      phase,
      priority,
      doneBytes,
      sizeBytes,
      fault,
      bytesPerSecond: phase === 'running' ? this.#rate(now) : undefined,
      nextTryMs: this.#wait && Math.max(0, this.#wait.endMs - now),
    }
  }

  set(change: Partial<KeptTransfer>, isTold = true): void {
    this.#now = { ...this.#now, ...change }
    if (isTold) this.#context.onchange(this.shown())
  }

  /** Begins a try of what is queued; none may be under way. */
  start(): void {
    const { clock, onidle } = this.#context
    const stop = linkAbort([])
    this.set({ phase: 'running', fault: undefined })
    const work = this.#run(stop.signal)
      .then(() => this.save())
      .catch(() => {}) // a journal that cannot be written: the next start finds what is on the disk
    const ended = work.then(() => {
      this.#try = undefined
      onidle()
    })
    this.#try = { stop, ended, startedMs: clock.now(), fromBytes: this.#now.doneBytes }
  }

  /** It is to stand still; resolves when it does. What is whole meanwhile is done all the same. */
  async stop(phase: TransferPhase, fault?: string): Promise<void> {
    if (this.#now.phase === 'done') return
    this.#cancelWait()
    this.set({ phase, fault })
    await this.#halt()
  }

  /** It is to go on, as soon as there is room and the try of before has ended. */
  resume(): void {
    const { phase } = this.#now
    if (phase !== 'paused' && phase !== 'failed' && phase !== 'waiting') return
    this.#cancelWait()
    this.#waits = 0
    this.set({ phase: 'queued', fault: undefined })
  }

  /** Resolves when nothing is under way, for the next start to go on with. */
  async close(): Promise<void> {
    await this.#halt()
    await this.#erased?.catch(() => {})
    await this.#lastSave.catch(() => {})
  }

  async #halt(): Promise<void> {
    this.#cancelWait()
    this.#try?.stop.abort(new ShoalError('E_CLOSED', 'The download was stopped.'))
    await this.#try?.ended
  }

  /** Its record, one after the other: the last one has what counts. @throws ShoalError E_STORE_IO, E_STORE_FULL */
  save(): Promise<void> {
    return this.#afterSave(async () => {
      if (this.#erased !== undefined) return
      await this.#context.journal.write(transferRecord(this.#now.id), encodeTransfer(this.#now))
    })
  }

  /**
   * Ends it and removes what is not whole, and its record. @throws ShoalError E_STORE_IO where the disk
   * does not let go of it: it is still there.
   */
  erase(): Promise<void> {
    this.#erased ??= this.#erase().catch((error: unknown) => {
      this.#erased = undefined
      this.set({ phase: 'failed', fault: faultOf(error) })
      throw new ShoalError('E_STORE_IO', 'What there is of the download cannot be removed.')
    })
    return this.#erased
  }

  async #erase(): Promise<void> {
    await this.#halt()
    const { phase, kept, path, id } = this.#now
    // without an identity nothing of it was ever there: a .part would be of somebody else
    if (phase !== 'done' && kept.identity !== undefined) {
      await removePart({ path, part: this.part }, this.isFolder)
    }
    await this.#afterSave(() => this.#context.journal.remove(transferRecord(id)))
  }

  #afterSave(work: () => Promise<void>): Promise<void> {
    const save = this.#lastSave.catch(() => {}).then(work)
    this.#lastSave = save
    return save
  }

  async #run(signal: AbortSignal): Promise<void> {
    const fault = await this.#download(signal).catch(faultOf)
    if (fault === undefined) {
      this.set({ phase: 'done', doneBytes: this.#now.sizeBytes ?? 0, fault })
    } else if (signal.aborted) {
      return // who stopped it has said what it is
    } else if (PASSING.has(fault)) {
      this.#waitFor(fault)
    } else this.set({ phase: 'failed', fault })
  }

  /** The fault of what is missing; undefined: it is in its place. */
  async #download(signal: AbortSignal): Promise<string | undefined> {
    const { uri, path, overwrite, kept } = this.#now
    const { clock, fetch, pieceBytes } = this.#context
    let toldMs = Number.NEGATIVE_INFINITY
    const take = this.isFolder ? downloadFolder : download
    const missing = await take(
      {
        uri,
        path,
        part: this.part,
        overwrite,
        kept,
        pieceBytes,
        signal,
        onsize: (sizeBytes) => {
          this.#waits = 0
          this.set({ sizeBytes })
        },
        onbytes: (doneBytes) => {
          const isDue = clock.now() - toldMs >= TELL_MS
          if (isDue) toldMs = clock.now()
          this.set({ doneBytes }, isDue)
        },
        onkept: async (now) => {
          this.set({ kept: now, doneBytes: now.bytes }, false)
          await this.save()
        },
      },
      fetch,
    )
    return missing && FAULTS[missing]
  }

  #waitFor(fault: string): void {
    const { clock, onidle } = this.#context
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#waits++)
    const cancel = clock.after(waitMs, () => {
      this.#wait = undefined
      this.set({ phase: 'queued' })
      onidle()
    })
    this.#wait = { cancel, endMs: clock.now() + waitMs }
    this.set({ phase: 'waiting', fault })
  }

  #cancelWait(): void {
    this.#wait?.cancel()
    this.#wait = undefined
  }

  #rate(nowMs: number): number | undefined {
    const { startedMs = nowMs, fromBytes = 0 } = this.#try ?? {}
    const lastedMs = nowMs - startedMs
    if (lastedMs < LEAST_RATED_MS) return undefined
    return Math.round((Math.max(0, this.#now.doneBytes - fromBytes) * 1000) / lastedMs)
  }
}

function faultOf(error: unknown): string {
  if (isShoalError(error)) return error.code
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'E_STORE_FULL' : 'E_STORE_IO'
}
