/**
 * One number for each peer's public key, kept while the process runs: shares of the store are counted by
 * it, and a peer that connects again must not begin with fresh ones. In memory only.
 * @module
 */
import { mapKey } from '../../keys/bytes.ts'
import type { LinkNumber } from '../ports.ts'

/** Keys that are remembered, some 400 KiB; of those without a connection the oldest go first. */
export const MAX_LINK_NUMBERS = 4096

interface Entry {
  readonly link: LinkNumber
  connections: number
}

export class LinkNumbers {
  /** By public key, in the order of their last connection. */
  readonly #entries = new Map<string, Entry>()
  #next = 1

  /** The number of this key, which is in use until as many calls of `closed`. */
  opened(publicKey: Uint8Array): LinkNumber {
    const id = mapKey(publicKey)
    const entry = this.#entries.get(id) ?? { link: this.#next++, connections: 0 }
    entry.connections++
    this.#entries.delete(id)
    this.#entries.set(id, entry)
    this.#forgetOldest()
    return entry.link
  }

  closed(publicKey: Uint8Array): void {
    const entry = this.#entries.get(mapKey(publicKey))
    if (entry !== undefined) entry.connections--
  }

  #forgetOldest(): void {
    if (this.#entries.size <= MAX_LINK_NUMBERS) return
    for (const [id, { connections }] of this.#entries) {
      if (connections > 0) continue
      this.#entries.delete(id)
      return
    }
  }
}
