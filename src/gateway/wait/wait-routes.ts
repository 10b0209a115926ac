/**
 * `/api/v1/waits`: what is waited for. One wait is known by its random id, to the page that shows it and to
 * nobody else, also on the origin of a site; the list, which names keys, is for the main origin alone.
 * @module
 */
import type { Request, RequestHandler } from 'express'
import { Router } from 'express'

import { ShoalError } from '../../errors.ts'
import type { ShoalUri } from '../../keys/uri.ts'
import { formatUri } from '../../keys/uri.ts'
import { checkOrigin } from '../access.ts'
import { EventStream } from '../event-stream.ts'
import { isSiteHost, mayLearnLocality } from '../locality.ts'
import { refuseUnknownParameters } from '../openapi.ts'
import type { Answer } from '../openapi-schemas.ts'
import { titleOf } from '../outcome-error.ts'
import { refuseMethod } from '../problem.ts'
import { viewOf } from './wait-view.ts'
import type { Waits } from './waits.ts'

const PATH = '/v1/waits'
/** How often the time left is told where nothing else changes, ms. */
const TICK_MS = 1000

type OneWait = RequestHandler<{ id: string }>

/** Routes below `/api`; they see to their own access. */
export function createWaitRoutes(waits: Waits): Router {
  const router = Router({ caseSensitive: true, strict: true })
  router.use(PATH, checkOrigin, refuseUnknownParameters)
  router.use(PATH, (_request, response, next) => {
    response.setHeader('Cache-Control', 'no-store')
    next()
  })
  router.route(PATH).get(listRoute(waits)).all(refuseMethod('GET, HEAD'))
  router
    .route(`${PATH}/:id`)
    .get(showRoute(waits))
    .delete(cancelRoute(waits))
    .all(refuseMethod('GET, HEAD, DELETE'))
  router.route(`${PATH}/:id/events`).get(eventsRoute(waits)).all(refuseMethod('GET, HEAD'))
  router.route(`${PATH}/:id/keep`).post(keepRoute(waits)).all(refuseMethod('POST'))
  return router
}

function listRoute(waits: Waits): RequestHandler {
  return (request: Request, response) => {
    if (isSiteHost(request.headers) || !mayLearnLocality(request.headers)) {
      throw new ShoalError(
        'E_ACCESS',
        'What this node looks for is told to programs and people only.',
      )
    }
    const kept = waits.kept.map((job) => ({
      id: job.id,
      uri: formatUri(job.uri),
      name: nameIn(job.uri),
      ...viewOf(job),
    }))
    response.json({ waits: kept } satisfies Answer<'Waits'>)
  }
}

/** What people call it; empty for a key that tells no name. */
function nameIn(uri: ShoalUri): string {
  const document = uri.type === 'chk' && uri.name === undefined ? '' : titleOf(uri)
  return [document, ...uri.path].filter((part) => part !== '').join('/')
}

function showRoute(waits: Waits): OneWait {
  return (request, response) => {
    const job = waits.find(request.params.id)
    waits.poll(job) // a page that asks now and then is one that looks
    response.json(viewOf(job) satisfies Answer<'Wait'>)
  }
}

function cancelRoute(waits: Waits): OneWait {
  return (request, response) => {
    waits.cancel(waits.find(request.params.id))
    response.status(204).end()
  }
}

function keepRoute(waits: Waits): OneWait {
  return (request, response) => {
    const job = waits.find(request.params.id)
    waits.keep(job)
    response.json(viewOf(job) satisfies Answer<'Wait'>)
  }
}

/** Server-sent events: `wait`, with all there is to tell, at every change and once a second; ends with the wait. */
function eventsRoute(waits: Waits): OneWait {
  return (request, response) => {
    const job = waits.find(request.params.id)
    const events = new EventStream(response)
    if (request.method === 'HEAD') {
      events.end()
      return
    }
    const leave = waits.view(job)
    const tell = (): void => {
      // one who does not read hears of the end alone
      if (job.isOver || !response.writableNeedDrain) events.send('wait', viewOf(job))
      if (job.isOver) stop()
    }
    const ignore = job.onChange(tell)
    const ticks = setInterval(tell, TICK_MS)
    const stop = (): void => {
      clearInterval(ticks)
      ignore()
      events.end()
    }
    response.once('close', () => {
      stop()
      leave()
    })
    tell()
  }
}
