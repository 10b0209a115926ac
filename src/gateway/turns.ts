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
/**
 * How long a connection may go without a request after an answer, ms. Node closes one that says nothing after
 * 5 s and gives a head 10 s, but blank lines in front of it are neither.
 */
export const IDLE_MS = 20_000

interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

interface Line {
  readonly socket: Socket
  /** The first is being answered. */
  readonly turns: Turn[]
  idleTimer?: NodeJS.Timeout
}

/** The requests of all connections of a gateway. A connection that sends too many ahead is closed. */
export class Turns {
  readonly #serve: RequestListener
  readonly #idleMs: number
  readonly #lines = new WeakMap<Socket, Line>()

  /** `serve` gets each request when it is the first on its connection; `idleMs`: default IDLE_MS. */
  constructor(serve: RequestListener, { idleMs = IDLE_MS }: { readonly idleMs?: number } = {}) {
    this.#serve = serve
    this.#idleMs = idleMs
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const line = this.#lineOf(socket)
    clearTimeout(line.idleTimer)
    if (line.turns.length > MAX_WAITING) {
      socket.destroy()
      return
    }
    line.turns.push({ request, response })
    if (line.turns.length === 1) this.#begin(line)
  }

  /** True where words about what came last on this connection would stand in the answer to something else. */
  owesAnswer(socket: Socket): boolean {
    const [first, ...rest] = this.#lineOf(socket).turns
    if (first === undefined) return false
    return rest.length > 0 || first.request.complete || first.response.headersSent
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket)
    if (known !== undefined) return known
    const line: Line = { socket, turns: [] }
    this.#lines.set(socket, line)
    socket.once('close', () => {
      clearTimeout(line.idleTimer)
    })
    return line
  }

  #begin(line: Line): void {
    const [turn] = line.turns
    if (turn === undefined) {
      this.#rest(line)
      return
    }
    const { request, response } = turn
    if (response.socket === null) {
      // the connection ended with the answer before; should it be open, nothing would ever end it
      line.turns.length = 0
      line.socket.destroy()
      return
    }
    response.once('finish', () => {
      if (!request.complete) endUnread(request)
    })
    response.once('close', () => {
      line.turns.shift()
      this.#begin(line)
    })
    this.#serve(request, response)
  }

  #rest(line: Line): void {
    if (line.socket.destroyed) return
    line.idleTimer = setTimeout(() => {
      line.socket.destroy()
    }, this.#idleMs)
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
