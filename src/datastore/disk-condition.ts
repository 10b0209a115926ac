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

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get current(): 'ok' | 'disk-full' | 'disk-failing' {
    return this.#current === 'ok' && this.#isDamaged ? 'disk-failing' : this.#current
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
  /** An index entry could not be read: what it named is lost. The log is told once. */
  damaged(): void {
    if (this.#isDamaged) return
    this.#isDamaged = true
    this.#logger.warn('store: parts of the index cannot be read; what they named is lost')
  }

  /** The index has been made anew. */
  mended(): void {
    this.#isDamaged = false
    this.#logger.info('store: the index has been made anew of what can be read')
  }
}
