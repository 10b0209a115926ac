/**
 * `/api/v1/lookup`, `watch` and `announce`: what is known of the editions of a document. Its URI comes
 * in the query, in any spelling.
 * @module
 */
import type { Request, RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import type { UskUri } from '../keys/uri.ts'
import { formatUri, parseUri } from '../keys/uri.ts'
import type { Node } from '../node.ts'
import { EventStream } from './event-stream.ts'
import { explainFull } from './full-disk.ts'
import { hangUpSignal } from './hang-up.ts'
import { statusLink } from './insert-route.ts'
import { outcomeError } from './outcome-error.ts'
import { badQuery, queryOf, textOf, timeoutMs } from './target.ts'

/** Watches at once, each asking the network now and then; one more is answered 429. */
const MAX_WATCHES = 64

/** The newest edition, asked of the network now. */
export function createLookUpRoute(node: Node): RequestHandler {
  return async (request, response) => {
    const uri = uskOf(request)
    const waitMs = timeoutMs(queryOf(request))
    const outcome = await node.lookUp(uri, {
      signal: hangUpSignal(response),
      ...(waitMs !== undefined && { timeoutMs: waitMs }),
    })
    if (outcome.type !== 'found') {
      throw outcomeError(node, outcome.type, `No edition of "${uri.document}" was found.`)
    }
    const { edition, ageMs } = outcome
    response.json({ edition, uri: formatUri({ ...uri, edition }), ageMs: Math.round(ageMs) })
  }
}

/** Server-sent events: `edition`, once for the newest one now and again for each newer one. */
export function createWatchRoute(node: Node): RequestHandler {
  let watches = 0
  return async (request, response) => {
    const uri = uskOf(request)
    if (watches >= MAX_WATCHES) {
      throw new ShoalError('E_BUSY', `${MAX_WATCHES} names are being watched already.`)
    }
    const events = new EventStream(response)
    if (request.method === 'HEAD') {
      events.end()
      return
    }
    watches++
    try {
      for await (const edition of node.watch(uri, { signal: hangUpSignal(response) })) {
        events.send('edition', { edition, uri: formatUri({ ...uri, edition }) })
      }
    } finally {
      watches--
      events.end()
    }
  }
}

/** Inserts the head and its edition again, so that they last. */
export function createAnnounceRoute(node: Node): RequestHandler {
  return async (request, response) => {
    const uri = uskOf(request)
    const announcing = node.announce(uri, { signal: hangUpSignal(response) })
    const { edition, insertId } = await announcing.catch((error: unknown) => {
      throw explainFull(error, node)
    })
    response.status(202)
    response.setHeader('Link', statusLink(insertId))
    response.json({ edition, uri: formatUri({ ...uri, edition }) })
  }
}

function uskOf(request: Request): UskUri {
  const text = textOf(queryOf(request), 'uri')
  if (text === undefined) throw badQuery('uri', 'is missing: a key that begins with USK@')
  const uri = parseUri(text)
  if (uri.type !== 'usk') throw badQuery('uri', 'is not a key that begins with USK@')
  return uri
}
