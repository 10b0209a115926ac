/**
 * Callers that want the same thing at the same time share one call: it goes on while any of them
 * waits, and ends with the last one's abort.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { linkAbort, orAborted } from '../signals.ts'
import type { LinkedAbort } from '../signals.ts'

interface Call<T> {
  readonly result: Promise<T>
  readonly abort: LinkedAbort
  waiters: number
}

export class SharedCalls<T> {
  readonly #limit: number
  readonly #calls = new Map<string, Call<T>>()

  /** At most `limit` different calls at once; one more is E_BUSY. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Joins the call `name`, or starts it. Rejects as it does, or with `signal.reason`. */
  async run(
    name: string,
    signal: AbortSignal,
    task: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    const call = this.#calls.get(name) ?? this.#start(name, task)
    call.waiters++
    try {
      return await orAborted(call.result, signal)
    } finally {
      call.waiters--
      if (call.waiters === 0) this.#end(name, call, signal.reason)
    }
  }

  #start(name: string, task: (signal: AbortSignal) => Promise<T>): Call<T> {
    if (this.#calls.size >= this.#limit) {
      throw new ShoalError('E_BUSY', 'Too many names are being looked up; try again shortly.')
    }
    const abort = linkAbort([])
    const call = { result: task(abort.signal), abort, waiters: 0 }
    call.result.catch(() => {}) // told to who still waits
    this.#calls.set(name, call)
    return call
  }

  /** Nobody waits any more: who comes now begins anew. */
  #end(name: string, call: Call<T>, reason: unknown): void {
    if (this.#calls.get(name) === call) this.#calls.delete(name)
    call.abort.abort(reason)
  }
}
