/**
 * `/api/v1/uploads`: inserts that come in parts and go on after a broken connection or a restart, in the
 * manner of draft-ietf-httpbis-resumable-upload. POST begins one, HEAD tells how far it is, PATCH goes
 * on, DELETE ends it; GET is the same in JSON, with the key once there is one.
 * @module
 */
import type { Request, RequestHandler, Response } from 'express'
import { Router } from 'express'

import { isShoalError, ShoalError } from '../../errors.ts'
import type { Node, UploadState } from '../../node.ts'
import { refuseForm } from '../form.ts'
import { hangUpSignal } from '../hang-up.ts'
import { fileOptions, sendCreated } from '../insert-route.ts'
import type { Answer } from '../openapi-schemas.ts'
import { refuseMethod } from '../problem.ts'
import { badQuery, queryOf, textOf } from '../target.ts'
import type { UploadPlaces } from '../upload.ts'
import {
  checkPartType,
  PART_TYPE,
  setUploadFields,
  totalBytes,
  uploadBytes,
  uploadComplete,
} from './upload-fields.ts'

const PATH = '/v1/uploads'
const TAG = /^[A-Za-z0-9_-]{1,64}$/
/** An upload ends after a day without a byte, s. */
const MAX_AGE_S = 86_400

interface Part {
  readonly id: string
  readonly offset: number
  readonly isLast: boolean
  readonly length: number | undefined
}

/** Routes below `/api`. */
export function createUploadRoutes(node: Node, places: UploadPlaces): Router {
  const routes = Router({ caseSensitive: true, strict: true })
  const limit = limitOf(places.maxBytes)
  routes.use(PATH, (_request, response, next) => {
    response.setHeader('Upload-Limit', limit)
    next()
  })
  routes
    .route(PATH)
    .post(createRoute(node, places))
    .options((_request, response) => {
      response.setHeader('Accept-Patch', PART_TYPE)
      response.status(204).end()
    })
    .all(refuseMethod('POST, OPTIONS'))
  routes
    .route(`${PATH}/:id`)
    .get(statusRoute(node))
    .patch(appendRoute(node, places))
    .delete(cancelRoute(node))
    .all(refuseMethod('GET, HEAD, PATCH, DELETE'))
  return routes
}

function createRoute(node: Node, places: UploadPlaces): RequestHandler {
  return async (request, response) => {
    refuseForm(request)
    const isLast = uploadComplete(request) ?? true
    const options = fileOptions(queryOf(request))
    const tag = tagOf(request)
    const length = totalBytes(request, 0, isLast)
    places.checkLength(length)
    const state = await node.uploads.create({
      ...options,
      ...(length !== undefined && { length }),
      ...(tag !== undefined && { tag }),
    })
    response.setHeader('Location', `/api${PATH}/${state.id}`)
    announce(request, response)
    // one that goes on: its sender has to look where
    if (state.offset > 0) sendState(response.status(200), state)
    else
      await take(node, places, {
        request,
        response,
        part: { id: state.id, offset: 0, isLast, length },
      })
  }
}

function statusRoute(node: Node): RequestHandler<{ id: string }> {
  return (request, response) => {
    const state = node.uploads.status(request.params.id)
    if (state === undefined) throw unknown()
    if (request.method === 'GET') sendState(response, state)
    else {
      setUploadFields(response, state)
      response.status(204).end()
    }
  }
}

function appendRoute(node: Node, places: UploadPlaces): RequestHandler<{ id: string }> {
  return async (request, response) => {
    checkPartType(request)
    const offset = uploadBytes(request, 'Upload-Offset')
    const isLast = uploadComplete(request)
    if (offset === undefined || isLast === undefined) {
      throw new ShoalError('E_REQUEST', 'A part needs Upload-Offset and Upload-Complete.')
    }
    const { id } = request.params
    const state = node.uploads.status(id)
    if (state === undefined) throw unknown()
    checkOffset(response, state, offset)
    const length = totalBytes(request, offset, isLast)
    places.checkLength(length ?? offset)
    await take(node, places, { request, response, part: { id, offset, isLast, length } })
  }
}

/** Before its lengths are: beside a wrong offset none can be right. @throws ShoalError E_OFFSET */
function checkOffset(response: Response, state: UploadState, offset: number): void {
  if (state.result !== undefined || state.offset === offset) return
  setUploadFields(response, state)
  throw new ShoalError('E_OFFSET', `The upload goes on at ${state.offset}, not at ${offset}.`)
}

function cancelRoute(node: Node): RequestHandler<{ id: string }> {
  return async (request, response) => {
    if (!(await node.uploads.cancel(request.params.id))) throw unknown()
    response.status(204).end()
  }
}

async function take(
  node: Node,
  places: UploadPlaces,
  { request, response, part }: { request: Request; response: Response; part: Part },
): Promise<void> {
  const { id, ...how } = part
  try {
    const state = await places.receive(
      request,
      (content) => node.uploads.append(id, { ...how, content, signal: hangUpSignal(response) }),
      part.offset,
    )
    if (state.result === undefined) {
      sendState(response.status(request.method === 'POST' ? 201 : 200), state)
      return
    }
    const { uri, size, type, insertId } = state.result
    setUploadFields(response, state)
    sendCreated(response, { uri, insertId }, { uri, size, type })
  } catch (error) {
    // who began elsewhere learns where to go on
    const state = isShoalError(error) && error.code === 'E_OFFSET' && node.uploads.status(id)
    if (state) setUploadFields(response, state)
    throw error
  }
}

function sendState(response: Response, state: UploadState): void {
  const { id, offset, length, result } = state
  setUploadFields(response, state)
  if (result !== undefined) {
    response.setHeader('Link', `</api/v1/inserts/${result.insertId}>; rel="status"`)
  }
  response.json({
    id,
    offset,
    complete: result !== undefined,
    ...(length !== undefined && { length }),
    ...(result !== undefined && { uri: result.uri, size: result.size, type: result.type }),
  } satisfies Answer<'Upload'>)
}

/** 104 (Upload Resumption Supported), for those who can use it: Node sends no such answer by itself. */
function announce(request: Request, response: Response): void {
  if (request.get('Upload-Complete') === undefined || request.httpVersion === '1.0') return
  const fields = ['Location', 'Upload-Limit'].map(
    (name) => `${name}: ${String(response.getHeader(name))}\r\n`,
  )
  response.socket?.write(`HTTP/1.1 104 Upload Resumption Supported\r\n${fields.join('')}\r\n`)
}

function tagOf(request: Request): string | undefined {
  const tag = textOf(queryOf(request), 'tag')
  if (tag !== undefined && !TAG.test(tag)) {
    throw badQuery('tag', 'has 1 to 64 characters of A-Z a-z 0-9 - _')
  }
  return tag
}

function limitOf(maxBytes: number): string {
  const size = Number.isFinite(maxBytes) ? `max-size=${maxBytes}, ` : ''
  return `${size}max-age=${MAX_AGE_S}`
}

function unknown(): ShoalError {
  return new ShoalError('E_ROUTE', 'There is no such upload.')
}
