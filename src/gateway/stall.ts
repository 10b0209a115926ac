/**
 * Streams that stand still end visibly: by a connection that breaks, since the head has promised more.
 * @module
 */
import type { ServerResponse } from 'node:http'

import { breakOff } from './hang-up.ts'

/** As long as the retries for one block take, ms: after that nothing more comes. */
export const SOURCE_STALL_MS = 30_000
/** A paused film may be read on; who takes nothing for this long has gone, ms. */
const READER_STALL_MS = 600_000

/** Watches one response while its body is sent. */
export class StallGuard {
  readonly #response: ServerResponse
  readonly #timer: NodeJS.Timeout
  #isWaiting = false

  /** `limitMs`: how long the source may give nothing. Begins to watch the reader at once. */
  constructor(response: ServerResponse, limitMs: number) {
    this.#response = response
    // the socket knows of bytes that went out, also where no write has come to its end
    response.setTimeout(READER_STALL_MS, () => {
      breakOff(response)
    })
    this.#timer = setTimeout(() => this.#check(), limitMs)
    this.#timer.unref()
  }

  /** The next bytes are asked of the source, or are here. */
  set isWaiting(isWaiting: boolean) {
    this.#isWaiting = isWaiting
    if (isWaiting) this.#timer.refresh()
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #check(): void {
    if (this.#isWaiting) breakOff(this.#response)
  }
}
