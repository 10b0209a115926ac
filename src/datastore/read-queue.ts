/**
 * Reads that come while others are under way travel together: one trip through the thread pool for
 * many keys instead of one each, which is what a busy node's time goes into.
 * @module
 */

import type { IndexValue } from './sorted-index.ts'

/** Trips at once: one is being answered while the next one is under way. */
const MAX_TRIPS = 2
/** Keys of one trip: more would keep the first of them waiting for the last. */
const MAX_KEYS = 128

type Values = readonly IndexValue[]

interface Waiting {
  readonly keys: readonly Uint8Array[]
  readonly resolve: (values: Values) => void
  readonly reject: (reason: unknown) => void
}

export class ReadQueue {
  readonly #read: (keys: readonly Uint8Array[]) => Promise<Values>
  /** As long as the callers are many: 32 look-ups a link, and the windows of the readers. */
  readonly #waiting: Waiting[] = []
  #trips = 0

  /** `read` gives the values of keys, in their order. */
  constructor(read: (keys: readonly Uint8Array[]) => Promise<Values>) {
    this.#read = read
  }

  get(keys: readonly Uint8Array[]): Promise<Values> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ keys, resolve, reject })
      this.#start()
    })
  }

  #start(): void {
    while (this.#trips < MAX_TRIPS && this.#waiting.length > 0) {
      const together: Waiting[] = []
      for (let keys = 0; keys < MAX_KEYS && this.#waiting.length > 0;) {
        const next = this.#waiting.shift() as Waiting
        together.push(next)
        keys += next.keys.length
      }
      this.#trips++
      void this.#travel(together).finally(() => {
        this.#trips--
        this.#start()
      })
    }
  }

  async #travel(together: readonly Waiting[]): Promise<void> {
    try {
      const values = await this.#read(together.flatMap(({ keys }) => keys))
      let at = 0
      for (const { keys, resolve } of together) resolve(values.slice(at, (at += keys.length)))
    } catch (error) {
      for (const { reject } of together) reject(error)
    }
  }
}
