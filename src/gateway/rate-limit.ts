/**
 * How often a client of a remote gateway may ask: a bucket of requests for each, filled again all the
 * time, and a larger one for the network that it is in. This machine itself is not limited.
 * @module
 */
import type { RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { clientOf, ClientTable, isFromLoopback, networkOf } from './client-table.ts'

/** Requests at once: a page with a few hundred pictures. */
export const BURST = 300
/** Requests a second after that. */
export const RATE = 50
/** What a network may ask, in clients: one subscriber of IPv6 has up to 65,536 of them. */
export const NETWORK_CLIENTS = 4

interface Bucket {
  readonly left: number
  readonly atMs: number
}

/** Refuses what comes too fast. @throws ShoalError E_BUSY, E_ACCESS where the connection is gone already */
export function createRateLimit(clock: Pick<Clock, 'now'>): RequestHandler {
  const clients = new Buckets(clock, 1)
  const networks = new Buckets(clock, NETWORK_CLIENTS)
  return (request, _response, next) => {
    if (isFromLoopback(request)) {
      next()
      return
    }
    const [client, network] = [clientOf(request), networkOf(request)]
    // what is refused costs the others of the network nothing
    if (clients.left(client) < 1 || networks.left(network) < 1) {
      throw new ShoalError('E_BUSY', `This gateway takes ${RATE} requests a second.`)
    }
    clients.take(client)
    networks.take(network)
    next()
  }
}

class Buckets {
  readonly #table = new ClientTable<Bucket>()
  readonly #clock: Pick<Clock, 'now'>
  readonly #share: number

  /** Each is for as many clients as `share` says. */
  constructor(clock: Pick<Clock, 'now'>, share: number) {
    this.#clock = clock
    this.#share = share
  }

  left(name: string): number {
    const nowMs = this.#clock.now()
    const { left, atMs } = this.#table.get(name) ?? { left: Number.POSITIVE_INFINITY, atMs: nowMs }
    return Math.min(BURST * this.#share, left + ((nowMs - atMs) * RATE * this.#share) / 1000)
  }

  take(name: string): void {
    this.#table.set(name, { left: this.left(name) - 1, atMs: this.#clock.now() })
  }
}
