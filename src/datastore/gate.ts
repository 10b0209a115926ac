/**
 * Lifecycle of a store: nothing starts after `close()`, and closing waits for what has started.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Abortable } from './store.ts'

export class Gate {
  #closed = false
  #running = 0
  #onidle: (() => void) | undefined

  get isClosed(): boolean {
    return this.#closed
  }

  /** Runs `task`. @throws ShoalError E_CLOSED after `close`; `signal.reason` where it has aborted. */
  async run<T>(options: Abortable | undefined, task: () => Promise<T>): Promise<T> {
    this.check()
    options?.signal?.throwIfAborted()
    this.#running++
    try {
      return await task()
    } finally {
      this.#running--
      if (this.#running === 0) this.#onidle?.()
    }
  }

  /** @throws ShoalError E_CLOSED after `close`. */
  check(): void {
    if (this.#closed) throw new ShoalError('E_CLOSED', 'the store is closed')
  }

  /** Lets nothing in any more; resolves when all that ran is done. */
  close(): Promise<void> {
    this.#closed = true
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onidle = resolve
    })
  }
}
