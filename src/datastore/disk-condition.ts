/**
 * Whether the disk takes what is written to it. A store that cannot write goes on serving, says so, and
 * tries again.
 * @module
 */
import type { Logger } from '../runtime.ts'
import { isDiskFull } from './store-error.ts'

export class DiskCondition {
  readonly #logger: Logger
  #current: 'ok' | 'disk-full' | 'disk-failing' = 'ok'
  /** Parts of the index could not be read: no write that goes through changes that. */
  #isDamaged = false
  #damages = 0
  /** The index could not be read when that was last tried. */
  #isUnreadable = false
  #hasToldUnreadable = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get current(): 'ok' | 'disk-full' | 'disk-failing' {
    const isFailing = this.#isDamaged || this.#isUnreadable
    return this.#current === 'ok' && isFailing ? 'disk-failing' : this.#current
  }

  /** How often damage of the index was met: a pass in which that happens has not met every entry. */
  get damages(): number {
    return this.#damages
  }

  /** A write failed; the log is told once for each change. */
  failed(error: unknown): void {
    const now = isDiskFull(error) ? 'disk-full' : 'disk-failing'
    if (now === this.#current) return
    this.#current = now
    const what = now === 'disk-full' ? 'the disk is full' : 'the disk refuses writes'
    this.#logger.warn(`store: ${what}; the node serves what it has and tries again`)
  }

  /** A write went through. */
  succeeded(): void {
    if (this.#current === 'ok') return
    this.#current = 'ok'
    this.#logger.info('store: the disk can be written again')
  }

  /** Index entries are damaged: what they named is lost. The log is told once. */
  damaged(): void {
    this.#damages++
    if (this.#isDamaged) return
    this.#isDamaged = true
    this.#logger.warn('store: parts of the index are damaged; what they named is lost')
  }

  /** The disk refused to read the index, which loses nothing. The log is told once. */
  unreadable(): void {
    this.#isUnreadable = true
    if (this.#hasToldUnreadable) return
    this.#hasToldUnreadable = true
    this.#logger.warn('store: the index cannot be read at the moment; the node tries again')
  }

  /** The index could be read. */
  readable(): void {
    this.#isUnreadable = false
  }

  /** The index has been made anew. */
  mended(): void {
    this.#isDamaged = false
    this.#logger.info('store: the index has been made anew of what can be read')
  }
}
