/**
 * Answers to what never becomes a request: Node's parser cannot read it, or there is no place for its
 * connection.
 * @module
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** Time for a client to finish sending what nobody will read, ms: a reset would hide the answer. */
const LINGER_MS = 500

export interface Refusal {
  readonly status: number
  readonly detail: string
  readonly code: 'E_REQUEST' | 'E_BUSY' | 'E_METHOD'
  /** More lines of its head. */
  readonly headers?: readonly string[]
}

/** The connections that were refused; what else comes on them is not answered. */
export class Refusals {
  readonly #refused = new WeakSet<Socket>()

  has(socket: Socket): boolean {
    return this.#refused.has(socket)
  }

  /** Answers and closes. Idempotent. */
  refuse(socket: Socket, refusal: Refusal): void {
    if (this.#refused.has(socket)) return
    this.#refused.add(socket)
    socket.on('error', () => {}) // it may have gone
    socket.end(rawProblem(refusal))
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => {
      clearTimeout(timer)
    })
  }
}

function rawProblem({ status, detail, code, headers = [] }: Refusal): string {
  const title = STATUS_CODES[status] ?? 'Error'
  const body = `${JSON.stringify({ type: 'about:blank', title, status, detail, code })}\n`
  return [
    `HTTP/1.1 ${status} ${title}`,
    ...headers,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Content-Security-Policy: default-src 'none'",
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
