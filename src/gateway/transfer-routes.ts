/**
 * `/api/v1/transfers`: downloads to files of this machine, which the node goes on with by itself. Says
 * where files go, so that only programs and the gateway's own pages may ask, as everywhere in the API.
 * @module
 */
import type { RequestHandler, Response } from 'express'
import { Router } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node, TransferChange } from '../node.ts'
import { EventStream } from './event-stream.ts'
import type { Answer } from './openapi-schemas.ts'
import { isOfOwnMachine } from './own-machine.ts'
import { refuseMethod } from './problem.ts'
import { badQuery, flag, queryOf, textOf } from './target.ts'

const PATH = '/v1/transfers'
/** Pages and programs that look on; one more is answered 429. */
const MAX_LISTENERS = 64

/** Routes below `/api`. */
export function createTransferRoutes(node: Node): Router {
  const { transfers } = node
  const routes = Router({ caseSensitive: true, strict: true })
  routes
    .route(PATH)
    .get((_request, response) => {
      response.json({ transfers: transfers.list() } satisfies Answer<'Transfers'>)
    })
    .post(addRoute(node))
    .all(refuseMethod('GET, HEAD, POST'))
  routes.route(`${PATH}/events`).get(eventsRoute(node)).all(refuseMethod('GET, HEAD'))
  routes
    .route(`${PATH}/:id`)
    .get((request, response) => {
      response.json(transfers.get(idOf(request.params.id)) ?? unknown())
    })
    .patch(changeRoute(node))
    .delete(removeRoute(node))
    .all(refuseMethod('GET, HEAD, PATCH, DELETE'))
  return routes
}

function addRoute(node: Node): RequestHandler {
  return async (request, response) => {
    if (!isOfOwnMachine(request)) {
      throw new ShoalError(
        'E_ACCESS',
        'Only its own machine may have this node write files: as localhost, and through no proxy.',
      )
    }
    const query = queryOf(request)
    const priority = priorityOf(query)
    const transfer = await node.transfers.add({
      uri: needed(query, 'uri'),
      path: needed(query, 'path'),
      overwrite: flag(query, 'overwrite'),
      ...(priority !== undefined && { priority }),
    })
    response.setHeader('Location', `/api${PATH}/${transfer.id}`)
    response.status(201).json(transfer satisfies Answer<'Transfer'>)
  }
}

function changeRoute(node: Node): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const query = queryOf(request)
    const priority = priorityOf(query)
    const change: TransferChange = {
      ...(query.has('paused') && { paused: flag(query, 'paused') }),
      ...(priority !== undefined && { priority }),
    }
    response.json((await node.transfers.change(idOf(request.params.id), change)) ?? unknown())
  }
}

function removeRoute(node: Node): RequestHandler<{ id: string }> {
  return async (request, response) => {
    if (!(await node.transfers.remove(idOf(request.params.id)))) unknown()
    response.status(204).end()
  }
}

/** `transfer` events: all of them, then each that changes. */
function eventsRoute(node: Node): RequestHandler {
  let listeners = 0
  return (request, response) => {
    if (listeners >= MAX_LISTENERS) {
      throw new ShoalError('E_BUSY', `${MAX_LISTENERS} others follow the downloads already.`)
    }
    const events = new EventStream(response)
    if (request.method === 'HEAD') {
      events.end()
      return
    }
    listeners++
    for (const transfer of node.transfers.list()) events.send('transfer', transfer)
    const stop = node.transfers.onchange((transfer) => {
      // who does not read is told of later changes only
      if (!isBehind(response)) events.send('transfer', transfer)
    })
    response.once('close', () => {
      listeners--
      stop()
    })
  }
}

function isBehind(response: Response): boolean {
  return response.writableNeedDrain
}

function needed(query: URLSearchParams, parameter: string): string {
  const value = textOf(query, parameter)
  if (value === undefined) throw badQuery(parameter, 'is missing')
  return value
}

function priorityOf(query: URLSearchParams): number | undefined {
  const text = textOf(query, 'priority')
  if (text === undefined) return undefined
  if (!/^\d$/.test(text)) throw badQuery('priority', 'is 0 to 9')
  return Number(text)
}

/** @throws ShoalError E_ROUTE */
function idOf(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : unknown()
}

function unknown(): never {
  throw new ShoalError('E_ROUTE', 'There is no such download.')
}
