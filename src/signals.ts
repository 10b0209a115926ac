/**
 * Joining abort signals without leaving anything behind on the long-lived ones.
 * @module
 */
import { setMaxListeners } from 'node:events'

export interface LinkedAbort {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** Lets go of the signals it follows; call it when the work is over. */
  unlink(): void
}

/**
 * A signal that aborts with the first of `signals`, or by itself. Its listeners are not counted:
 * hundreds of blocks in flight wait on one signal, and each takes its listener back.
 * `AbortSignal.any` would leave an entry in a node's closing signal for each request ever made.
 */
export function linkAbort(signals: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  const unhook = signals.map((signal) => {
    const follow = (): void => {
      controller.abort(signal?.reason)
    }
    if (signal?.aborted === true) follow()
    else signal?.addEventListener('abort', follow, { once: true })
    return (): void => signal?.removeEventListener('abort', follow)
  })
  return {
    signal: controller.signal,
    abort(reason) {
      controller.abort(reason)
    },
    unlink() {
      for (const each of unhook) each()
    },
  }
}

/** As `result`, unless `signal` aborts before it is there; then rejects with its reason at once. */
export function orAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    result.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', abort)
    })
  })
}
