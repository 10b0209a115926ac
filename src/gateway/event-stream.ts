/**
 * Server-sent events (HTML Living Standard §9.2) on a response: a reader that goes away, or does not
 * read, costs nothing more.
 * @module
 */
import type { ServerResponse } from 'node:http'

import { unknownLength } from './send-body.ts'

/** How long a reader waits before it connects again, ms. */
const RETRY_MS = 5000
/** Nothing on the way takes a connection with so much life for dead, ms. */
const HEARTBEAT_MS = 15_000

export class EventStream {
  readonly #response: ServerResponse
  readonly #heartbeat: NodeJS.Timeout

  /** Sends the head at once: the reader knows that it is connected. */
  constructor(response: ServerResponse) {
    this.#response = response
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      ...unknownLength(response.req),
    })
    response.write(`retry: ${RETRY_MS}\n\n`)
    this.#heartbeat = setInterval(() => {
      if (!response.writableNeedDrain) response.write(':\n\n')
    }, HEARTBEAT_MS)
    this.#heartbeat.unref()
    response.once('close', () => {
      clearInterval(this.#heartbeat)
    })
  }

  /** `event` is a word; `value` goes as one line of JSON. */
  send(event: string, value: unknown): void {
    this.#response.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`)
  }

  /** Idempotent. */
  end(): void {
    clearInterval(this.#heartbeat)
    this.#response.end()
  }
}
