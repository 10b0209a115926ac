/**
 * How the node is and how far an insert has spread: asked for once, or followed as server-sent events.
 * @module
 */
import type { Request, Response } from 'express'
import { Router } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import { EventStream } from './event-stream.ts'
import type { Answer } from './openapi-schemas.ts'
import { refuseMethod } from './problem.ts'

/** How often what is followed is looked at, ms: a person reads no faster. */
const LOOK_MS = 1000
/** Pages and programs that follow, all together; one more is answered 429. */
const MAX_FOLLOWERS = 64

/** What is followed, as it is now: its name, its value, and whether it will not change any more. */
interface Look {
  readonly event: string
  readonly value: Answer<'Status'> | Answer<'Spread'>
  readonly isOver: boolean
}

/** Routes below `/api`. */
export function createStatusRoutes(node: Node): Router {
  const routes = Router({ caseSensitive: true, strict: true })
  const follow = createFollow()
  const onlyGet = refuseMethod('GET, HEAD')
  routes
    .route('/v1/status')
    .get((_request, response) => {
      response.json(node.status() satisfies Answer<'Status'>)
    })
    .all(onlyGet)
  routes
    .route('/v1/status/events')
    .get((request, response) => {
      follow(request, response, () => ({ event: 'status', value: node.status(), isOver: false }))
    })
    .all(onlyGet)
  routes
    .route('/v1/inserts/:id')
    .get((request, response) => {
      response.json(spreadOf(node, request.params.id))
    })
    .all(onlyGet)
  routes
    .route('/v1/inserts/:id/events')
    .get((request, response) => {
      follow(request, response, () => {
        const value = spreadOf(node, request.params.id)
        return { event: 'spread', value, isOver: value.spreadBlocks === value.blocks }
      })
    })
    .all(onlyGet)
  return routes
}

/** An event at once, and one for each change; the stream ends with what it follows. */
function createFollow() {
  let followers = 0
  return (request: Request, response: Response, look: () => Look): void => {
    if (followers >= MAX_FOLLOWERS) {
      throw new ShoalError('E_BUSY', `${MAX_FOLLOWERS} others follow the node already.`)
    }
    const first = look()
    const events = new EventStream(response)
    if (request.method === 'HEAD') {
      events.end()
      return
    }
    followers++
    let sent = ''
    const send = ({ event, value, isOver }: Look): void => {
      const text = JSON.stringify(value)
      if (text !== sent) events.send(event, value)
      sent = text
      if (isOver) events.end()
    }
    const timer = setInterval(() => {
      if (response.writableNeedDrain) return // who does not read is told of the newest state later
      const now = orUndefined(look)
      if (now === undefined) events.end()
      else send(now)
    }, LOOK_MS)
    response.once('close', () => {
      clearInterval(timer)
      followers--
    })
    send(first)
  }
}

/** Undefined where an insert is not kept in mind any more. */
function orUndefined(look: () => Look): Look | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/** @throws ShoalError E_ROUTE */
function spreadOf(node: Node, id: string): Answer<'Spread'> {
  const status = /^\d{1,15}$/.test(id) ? node.insertStatus(Number(id)) : undefined
  if (status === undefined) throw new ShoalError('E_ROUTE', 'There is no such insert.')
  const { blocks, spreadBlocks, lostBlocks, peers } = status
  return { blocks, spreadBlocks, lostBlocks, peers }
}
