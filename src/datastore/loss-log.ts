/**
 * Tells of lost blocks of inserts: a damaged disk has thousands of them, and one line a minute says it too.
 * @module
 */
import type { Clock, Logger } from '../runtime.ts'

/** Between two lines at least, ms. */
const PAUSE_MS = 60_000

export class LossLog {
  readonly #clock: Clock
  readonly #logger: Logger
  #untold = 0
  #told = 0
  #toldAtMs = -Infinity
  #cancelTimer: (() => void) | undefined

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock
    this.#logger = logger
  }

  /** One more block was lost. */
  add(): void {
    this.#untold++
    const waitMs = this.#toldAtMs + PAUSE_MS - this.#clock.now()
    if (waitMs <= 0) this.tell()
    else this.#cancelTimer ??= this.#clock.after(waitMs, () => this.tell())
  }

  /** Tells of those that nobody was told of; nothing where there are none. Leaves no timer. */
  tell(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#untold === 0) return
    const more = this.#told > 0 ? 'more ' : ''
    const blocks = this.#untold === 1 ? 'block' : 'blocks'
    this.#logger.warn(`store: ${this.#untold} ${more}${blocks} of inserts cannot be read any more`)
    this.#told += this.#untold
    this.#untold = 0
    this.#toldAtMs = this.#clock.now()
  }
}
