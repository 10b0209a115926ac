/**
 * Knows of the slow hash of words while the thread pool runs it. That takes real time, in which a
 * simulated clock would let hours pass on a busy machine: it stands still instead.
 * @module
 */
import sodium from 'sodium-native'

const running = new Set<Promise<void>>()
const hash = sodium.crypto_pwhash_async
sodium.crypto_pwhash_async = (...args: Parameters<typeof hash>) => {
  const work = hash(...args).finally(() => running.delete(work))
  running.add(work)
  return work
}

/** Resolves when no slow hash is running, at once if none is. */
export async function poolWorkEnds(): Promise<void> {
  if (running.size > 0) await Promise.allSettled(running)
}
