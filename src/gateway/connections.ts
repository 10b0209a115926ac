/**
 * How many connections a gateway has: a few for each client of another machine, so that no one can take them
 * all. Who comes beyond is told so, except over TLS.
 * @module
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

import { clientOf, isFromLoopback } from './client-table.ts'
import type { Refusal, Refusals } from './refusals.ts'

/** Connections that are served at once; a browser opens 6 to a host. */
export const MAX_CONNECTIONS = 512
/** Those of one client of another machine; this machine's may come from a proxy, for many. */
const MAX_CLIENT_CONNECTIONS = 64
/** Those being refused at once; beyond they are closed without a word. */
const MAX_REFUSED = 512
/** As `problem.ts`: time until trying again makes sense, s. */
const RETRY_AFTER_S = 5

const FULL: Refusal = {
  status: 503,
  detail: 'This gateway has as many connections as it can serve.',
  code: 'E_BUSY',
  headers: [`Retry-After: ${RETRY_AFTER_S}`],
}

interface Limits {
  readonly refusals: Refusals
  /** What comes on a connection first is a handshake: nobody could read words before it. */
  readonly isTls: boolean
  /** Whose connections are counted together only; default: those of this machine. */
  readonly isExempt?: (socket: Socket) => boolean
}

/** Bounds the connections of `server` from the moment they are made, whether they say anything or not. */
export function limitConnections(
  server: Server,
  { refusals, isTls, isExempt = (socket) => isFromLoopback({ socket }) }: Limits,
): void {
  const places = new Places()
  server.maxConnections = MAX_CONNECTIONS + MAX_REFUSED
  server.on('connection', (socket: Socket) => {
    if (socket.remoteAddress === undefined) {
      socket.destroy() // a reset came right behind it: nobody knows whose it was
      return
    }
    const client = clientOf({ socket })
    if (!places.take(client, isExempt(socket))) {
      if (isTls) socket.destroy()
      else refusals.refuse(socket, FULL)
      return
    }
    socket.once('close', () => {
      places.giveBack(client)
    })
  })
}

/** Gives a way to end all connections, those in their handshake too, of which HTTP knows nothing yet. */
export function keepConnections(server: Server): () => void {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return () => {
    for (const socket of open) socket.destroy()
  }
}

/** The places for connections. As many entries as connections at most. */
export class Places {
  readonly #ofClients = new Map<string, number>()
  #taken = 0

  /** False where there is none, for this client or at all. */
  take(client: string, isOfThisMachine: boolean): boolean {
    const own = this.#ofClients.get(client) ?? 0
    const isFull = own >= MAX_CLIENT_CONNECTIONS && !isOfThisMachine
    if (isFull || this.#taken >= MAX_CONNECTIONS) return false
    this.#taken++
    this.#ofClients.set(client, own + 1)
    return true
  }

  giveBack(client: string): void {
    const own = this.#ofClients.get(client) ?? 0
    this.#taken--
    if (own > 1) this.#ofClients.set(client, own - 1)
    else this.#ofClients.delete(client)
  }
}
