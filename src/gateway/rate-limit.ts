/**
 * How often a client of a remote gateway may ask: a bucket of requests for each, filled again all the
 * time. This machine itself is not limited.
 * @module
 */
import type { RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { clientOf, ClientTable, isFromLoopback } from './client-table.ts'

/** Requests at once: a page with a few hundred pictures. */
export const BURST = 300
/** Requests a second after that. */
export const RATE = 50

interface Bucket {
  readonly left: number
  readonly atMs: number
}

/** Refuses what comes too fast. @throws ShoalError E_BUSY, E_ACCESS where the connection is gone already */
export function createRateLimit(clock: Pick<Clock, 'now'>): RequestHandler {
  const buckets = new ClientTable<Bucket>()
  return (request, _response, next) => {
    if (isFromLoopback(request)) {
      next()
      return
    }
    const client = clientOf(request)
    const atMs = clock.now()
    const before = buckets.get(client) ?? { left: BURST, atMs }
    const left = Math.min(BURST, before.left + ((atMs - before.atMs) * RATE) / 1000)
    buckets.set(client, { left: Math.max(0, left - 1), atMs })
    if (left < 1) throw new ShoalError('E_BUSY', `This gateway takes ${RATE} requests a second.`)
    next()
  }
}
