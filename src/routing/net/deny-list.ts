/**
 * Keys that are refused for a while: a bounded table, the oldest entry out first.
 * @module
 */
import { mapKey } from '../../keys/bytes.ts'
import type { Clock } from '../../runtime.ts'

/** How long a banned key is refused, ms (spec §7.5). */
export const BAN_MS = 3_600_000

/** A key costs nothing to make, so a ban only slows its holder down: no need to remember many. */
const MAX_ENTRIES = 1_024

export interface DenyList {
  add(publicKey: Uint8Array, forMs: number): void
  has(publicKey: Uint8Array): boolean
}

/** For at most `maxEntries` keys. */
export function createDenyList(clock: Clock, maxEntries = MAX_ENTRIES): DenyList {
  const until = new Map<string, number>()
  return {
    add(publicKey, forMs) {
      const id = mapKey(publicKey)
      until.delete(id)
      until.set(id, clock.now() + forMs)
      const [oldest] = until.keys()
      if (until.size > maxEntries && oldest !== undefined) until.delete(oldest)
    },
    has(publicKey) {
      const id = mapKey(publicKey)
      const end = until.get(id)
      if (end === undefined || clock.now() < end) return end !== undefined
      until.delete(id)
      return false
    },
  }
}
