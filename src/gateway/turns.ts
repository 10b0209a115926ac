/**
 * One request of a connection after the other. Node hands over all that were sent ahead at once, and an
 * answer that still waits for its turn never hears that its connection has closed: what it holds would be
 * held for good.
 * @module
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests behind the one that is being answered; no browser sends any ahead. */
const MAX_WAITING = 64
/** How long a body that nobody reads is taken after the answer, ms: a reset would hide it from its sender. */
const UNREAD_MS = 2000

interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** The requests of all connections of a gateway. A connection that sends too many ahead is closed. */
export class Turns {
  readonly #serve: RequestListener
  /** The first of each line is being answered. */
  readonly #lines = new WeakMap<Socket, Turn[]>()

  /** `serve` gets each request when it is the first on its connection. */
  constructor(serve: RequestListener) {
    this.#serve = serve
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const line = this.#lineOf(socket)
    if (line.length > MAX_WAITING) {
      socket.destroy()
      return
    }
    line.push({ request, response })
    if (line.length === 1) this.#begin(line)
  }

  /** True where words about what came last on this connection would stand in the answer to something else. */
  owesAnswer(socket: Socket): boolean {
    const [first, ...rest] = this.#lineOf(socket)
    if (first === undefined) return false
    return rest.length > 0 || first.request.complete || first.response.headersSent
  }

  #lineOf(socket: Socket): Turn[] {
    const known = this.#lines.get(socket)
    if (known !== undefined) return known
    const line: Turn[] = []
    this.#lines.set(socket, line)
    return line
  }

  #begin(line: Turn[]): void {
    const [turn] = line
    if (turn === undefined) return
    const { request, response } = turn
    if (response.socket === null) {
      // the connection ended with the answer before; should it be open, nothing would ever end it
      line.length = 0
      request.socket.destroy()
      return
    }
    response.once('finish', () => {
      if (!request.complete) endUnread(request)
    })
    response.once('close', () => {
      line.shift()
      this.#begin(line)
    })
    this.#serve(request, response)
  }
}

/** The answer is complete, the request is not: its connection can carry nothing else. */
function endUnread(request: IncomingMessage): void {
  request.resume()
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, UNREAD_MS)
  request.once('close', () => {
    clearTimeout(timer)
  })
}
