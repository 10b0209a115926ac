/**
 * One key that people wait for: tries to get its beginning until it is here, is known not to come, or nobody
 * wants it any more. What was found is in the read cache then; the job itself holds no bytes.
 * @module
 */
import { ERROR_CODES, isShoalError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import type { ShoalUri } from '../../keys/uri.ts'
import type { FetchOptions, FetchProgress } from '../../node.ts'
import type { Clock } from '../../runtime.ts'
import type { Edition } from '../editions.ts'

/** How long one who looks at the page is kept waiting where the address has no `?timeout=`, ms. */
export const WAIT_MS = 60_000
/** How long a job that was told to keep trying does so, ms. */
export const KEPT_MS = 24 * 3600_000
/** Pauses of a job that keeps trying: from this one, doubled, to that one, ms. */
const FIRST_PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 600_000
/** Until the next try of a job that somebody looks at, ms: peers may be there by then. */
const SHORT_PAUSE_MS = 1000
/** What another try within the minute may mend; that nobody has it is an answer. */
const SOON_MENDED: ReadonlySet<ErrorCode> = new Set(['E_NO_PEERS', 'E_TIMEOUT'])
const NOTHING_YET: FetchProgress = { stage: 'manifest', foundBlocks: 0, tries: 0, waitingBlocks: 0 }

/** `trying` and `pausing` go on, the others are its end. */
export type WaitState = 'trying' | 'pausing' | 'found' | 'failed' | 'cancelled'

/** What is waited for: resolves when it is here, with the edition where the key names a document that has some. */
export type Open = (
  how: Required<Pick<FetchOptions, 'signal' | 'timeoutMs' | 'onprogress'>>,
) => Promise<Edition | undefined>

export interface WaitJobOptions {
  /** 128 random bits: who knows it may follow the job and end it. */
  readonly id: string
  readonly uri: ShoalUri
  readonly limitMs: number
  readonly open: Open
  readonly clock: Clock
}

export class WaitJob {
  readonly id: string
  readonly uri: ShoalUri
  readonly beganMs: number
  readonly #open: Open
  readonly #clock: Clock
  readonly #cancel = new AbortController()
  readonly #listeners = new Set<() => void>()
  #deadlineMs: number
  #state: WaitState = 'trying'
  #progress = NOTHING_YET
  #attempts = 0
  #attemptBeganMs = 0
  #untilMs = 0
  #endedMs = 0
  #pauses = 0
  #keptUntilMs: number | undefined
  #error: unknown
  #edition: Edition | undefined
  #stopPause = (): void => {}

  /** Begins at once. */
  constructor({ id, uri, limitMs, open, clock }: WaitJobOptions) {
    this.id = id
    this.uri = uri
    this.#open = open
    this.#clock = clock
    this.beganMs = clock.now()
    this.#deadlineMs = this.beganMs + limitMs
    void this.#try()
  }

  get state(): WaitState {
    return this.#state
  }

  get isOver(): boolean {
    return !['trying', 'pausing'].includes(this.#state)
  }

  /** Goes on without anybody looking. */
  get isKept(): boolean {
    return this.#keptUntilMs !== undefined
  }

  /** Of the try that runs, or of the last one. */
  get progress(): FetchProgress {
    return this.#progress
  }

  get attempts(): number {
    return this.#attempts
  }

  /** Since the try that runs began, ms. */
  get attemptMs(): number {
    return this.#clock.now() - this.#attemptBeganMs
  }

  /** Since its end, ms. */
  get overMs(): number {
    return this.#clock.now() - this.#endedMs
  }

  /** Until it gives up, ms; of a job that keeps trying, until this try ends or the next one begins. */
  get leftMs(): number {
    return this.isOver ? 0 : Math.max(0, this.#untilMs - this.#clock.now())
  }

  /** What the last try failed with. */
  get error(): unknown {
    return this.#error
  }

  /** The edition that was found. */
  get edition(): Edition | undefined {
    return this.#edition
  }

  /** Whether another try may ever help. */
  get isWorthKeeping(): boolean {
    return this.#error === undefined || canBeMended(this.#error)
  }

  /** Calls back at every change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Tries for `limitMs` from its beginning on, where that is longer than it would: somebody else waits so long. */
  extend(limitMs: number): void {
    const deadlineMs = this.beganMs + limitMs
    if (this.isOver || deadlineMs <= this.#deadlineMs) return
    this.#deadlineMs = deadlineMs
    if (!this.isKept) this.#untilMs = deadlineMs
    this.#tell()
  }

  /** Goes on for 24 hours, also after it has failed. */
  keep(): void {
    if (this.isKept || this.#state === 'found' || this.#state === 'cancelled') return
    this.#keptUntilMs = this.#clock.now() + KEPT_MS
    if (this.#state === 'failed') this.#pauseOrFail()
    else this.#tell()
  }

  /** Ends the try that runs. Idempotent. */
  cancel(): void {
    if (this.#state === 'cancelled') return
    this.#stopPause()
    this.#end('cancelled')
    this.#cancel.abort(new Error('nobody waits any more'))
  }

  async #try(): Promise<void> {
    this.#attemptBeganMs = this.#clock.now()
    this.#untilMs = this.isKept ? this.#attemptBeganMs + WAIT_MS : this.#deadlineMs
    this.#state = 'trying'
    this.#progress = NOTHING_YET
    this.#attempts++
    this.#tell()
    try {
      this.#edition = await this.#open({
        signal: this.#cancel.signal,
        timeoutMs: this.#untilMs - this.#attemptBeganMs,
        onprogress: (progress) => {
          this.#progress = progress
          this.#tell()
        },
      })
      if (!this.isOver) this.#end('found')
    } catch (error) {
      this.#error = error
      if (!this.isOver) this.#pauseOrFail()
    }
  }

  #pauseOrFail(): void {
    const pauseMs = this.#nextPauseMs()
    if (pauseMs === undefined) {
      this.#end('failed')
      return
    }
    this.#state = 'pausing'
    if (this.isKept) this.#untilMs = this.#clock.now() + pauseMs
    this.#stopPause = this.#clock.after(pauseMs, () => void this.#try())
    this.#tell()
  }

  /** undefined: no more tries. */
  #nextPauseMs(): number | undefined {
    if (!canBeMended(this.#error)) return undefined
    const isKept = this.#keptUntilMs !== undefined
    if (!isKept && !SOON_MENDED.has(this.#error.code)) return undefined
    const pauseMs = isKept
      ? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#pauses++)
      : SHORT_PAUSE_MS
    const lastMs = this.#keptUntilMs ?? this.#deadlineMs
    return this.#clock.now() + pauseMs < lastMs ? pauseMs : undefined
  }

  #end(state: 'found' | 'failed' | 'cancelled'): void {
    this.#state = state
    this.#endedMs = this.#clock.now()
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function canBeMended(error: unknown): error is Error & { readonly code: ErrorCode } {
  return isShoalError(error) && ERROR_CODES[error.code].retry
}
