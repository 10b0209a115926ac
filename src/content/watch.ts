/**
 * Watching names: the newest edition now, then each newer one (spec §9.8).
 * @module
 */
import { ShoalError, isShoalError } from '../errors.ts'
import type { DocumentKey } from '../keys/signed.ts'
import type { UskUri } from '../keys/uri.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import { keyOfUri, requestOf } from './names.ts'
import type { LookUpRequest, NameContext, NameTable } from './names.ts'

/** Pause between look-ups, ms: half of what a page may be old; three small requests each. */
const POLL_MS = 30_000
/** Another reader's look-up of this age saves a poll, ms. */
const MAX_POLL_AGE_MS = 15_000
/** All together at most two look-ups a second. */
const MAX_WATCHES = 64

export class WatchList {
  readonly #names: NameTable
  readonly #clock: Clock
  #open = 0

  constructor(options: { names: NameTable; clock: Clock }) {
    this.#names = options.names
    this.#clock = options.clock
  }

  /**
   * Editions of `uri`, ascending, as they become known; ends with `context.signal`. A watch counts
   * from its first `next()` to its end. @throws ShoalError E_BUSY with 64 watches open.
   */
  watch(uri: UskUri, context: NameContext): AsyncGenerator<number, void> {
    this.#checkRoom()
    return this.#run(keyOfUri(uri), requestOf(uri, 0), context)
  }

  async *#run(
    key: DocumentKey,
    first: LookUpRequest,
    context: NameContext,
  ): AsyncGenerator<number, void> {
    this.#checkRoom()
    this.#open++
    const news = new News(this.#clock, context.signal)
    const unhook = this.#names.onNewer(key, (edition) => {
      news.tell(edition)
    })
    try {
      for (let request = first; !context.signal.aborted;) {
        news.tell(await this.#poll(key, request, context))
        request = { ...first, isExhaustive: false, maxAgeMs: MAX_POLL_AGE_MS }
        yield* news.until(this.#clock.now() + POLL_MS)
      }
    } finally {
      unhook()
      this.#open--
    }
  }

  /** The newest edition, or -1 where that is not to be had now. */
  async #poll(key: DocumentKey, request: LookUpRequest, context: NameContext): Promise<number> {
    try {
      const outcome = await this.#names.lookUp(key, request, context)
      return outcome.type === 'found' ? outcome.edition : -1
    } catch (error) {
      if (context.signal.aborted || (isShoalError(error) && error.code === 'E_BUSY')) return -1
      throw error
    }
  }

  #checkRoom(): void {
    if (this.#open >= MAX_WATCHES) {
      throw new ShoalError('E_BUSY', 'Too many names are being watched; end another watch first.')
    }
  }
}

/** The newest edition heard of, and a wait that a newer one ends. */
class News {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #newest = -1
  #told = -1
  #wake: (() => void) | undefined

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  tell(edition: number): void {
    if (edition <= this.#newest) return
    this.#newest = edition
    this.#wake?.()
  }

  /** What has not been told, as it comes, until `dueMs` or the end of the watch. */
  async *until(dueMs: number): AsyncGenerator<number, void> {
    while (!this.#signal.aborted && (this.#isNews || this.#clock.now() < dueMs)) {
      if (this.#isNews) {
        this.#told = this.#newest
        yield this.#told
      } else await this.#wait(dueMs)
    }
  }

  get #isNews(): boolean {
    return this.#newest > this.#told
  }

  async #wait(dueMs: number): Promise<void> {
    const waiting = linkAbort([this.#signal])
    await new Promise<void>((resolve) => {
      const stop = this.#clock.after(dueMs - this.#clock.now(), resolve)
      this.#wake = () => {
        stop()
        resolve()
      }
      waiting.signal.addEventListener('abort', this.#wake, { once: true })
    })
    this.#wake = undefined
    waiting.unlink()
  }
}
