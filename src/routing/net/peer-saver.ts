/**
 * When the peers of a node are written for its next run (spec §7.1): not only at a clean end, for many
 * runs have none.
 * @module
 */
import { mapKey } from '../../keys/bytes.ts'
import type { Clock } from '../../runtime.ts'
import type { PeerRecord } from '../exchange.ts'
import type { PeerCache } from './peer-cache.ts'

/** From the first link to the first time: by then a newcomer has most of its links, ms. */
const FIRST_MS = 30_000
/** Looked at so often from then on, ms. */
const EVERY_MS = 180_000
/** So many that are not in the file are worth writing it. */
const ENOUGH_NEW = 4

export interface PeerSaverOptions {
  readonly cache: PeerCache
  readonly clock: Clock
  /** Those worth keeping now. */
  readonly peers: () => readonly PeerRecord[]
}

export class PeerSaver {
  readonly #options: PeerSaverOptions
  #saved: ReadonlySet<string> = new Set()
  #stop: (() => void) | undefined
  #saving: Promise<void> = Promise.resolve()

  constructor(options: PeerSaverOptions) {
    this.#options = options
  }

  /** There is a link; from the first one on the peers are saved. */
  linked(): void {
    if (this.#stop === undefined) this.#lookAfter(FIRST_MS)
  }

  /** Saves a last time, `forget`: not. Nothing is written any more once this has resolved. */
  async close({ forget }: { readonly forget: boolean }): Promise<void> {
    this.#stop?.()
    this.#stop = (): void => {}
    if (!forget) this.#save(1)
    await this.#saving
  }

  #lookAfter(delayMs: number): void {
    this.#stop = this.#options.clock.after(delayMs, () => {
      this.#lookAfter(EVERY_MS)
      this.#save(ENOUGH_NEW)
    })
  }

  /** If so many are new. A node that knows nobody keeps what it knew before. */
  #save(enoughNew: number): void {
    const peers = this.#options.peers()
    const keys = peers.map(({ publicKey }) => mapKey(publicKey))
    const isFirst = this.#saved.size === 0 && keys.length > 0
    const added = keys.filter((key) => !this.#saved.has(key)).length
    if (!isFirst && added < enoughNew) return
    this.#saved = new Set(keys)
    this.#saving = this.#saving.then(() => this.#options.cache.save(peers))
  }
}
