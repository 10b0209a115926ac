/**
 * Noticing that the store key was destroyed under a running store (spec §11.11).
 * @module
 */
import type { Clock } from '../runtime.ts'
import { isKeyFile } from './store-key.ts'

/** Time between two looks, ms: one `stat` each. */
const LOOK_EVERY_MS = 1000

/**
 * Calls `ondestroyed` once when `store.key` in `folder` is gone or no key any more; one that was
 * replaced, for another passphrase, is there. Returns what ends the watch.
 */
export function watchKey(folder: string, clock: Clock, ondestroyed: () => void): () => void {
  let isStopped = false
  let cancel = clock.after(LOOK_EVERY_MS, look)

  function look(): void {
    isKeyFile(folder).then(
      (isThere) => {
        if (isStopped) return
        if (isThere) cancel = clock.after(LOOK_EVERY_MS, look)
        else stopAnd(ondestroyed)
      },
      () => {
        // a disk that does not answer has destroyed nothing
        if (!isStopped) cancel = clock.after(LOOK_EVERY_MS, look)
      },
    )
  }

  function stopAnd(then: () => void): void {
    isStopped = true
    then()
  }

  return () => {
    isStopped = true
    cancel()
  }
}
