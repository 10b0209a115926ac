/**
 * `POST` and `PUT /api/v1/insert`: the raw body is the content, streamed as it comes in. 201 when its
 * last byte is safe in the outbox. The request's own Content-Type is ignored: most clients make it up.
 * @module
 */
import type { Request, RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import type { InsertOptions, Node } from '../node.ts'
import { hangUpSignal } from './hang-up.ts'
import { isMediaType } from './media-type.ts'
import { unlessStalled } from './stalled-upload.ts'
import { badQuery, fileName, flag, queryOf, textOf } from './target.ts'

/** Uploads at once, each holding a few blocks in memory; one more is answered 429. */
const MAX_UPLOADS = 16

/** Handles an insert from its first byte to the key. */
export function createInsertRoute(node: Node, uploadIdleMs: number): RequestHandler {
  let uploads = 0
  return async (request, response) => {
    const options = insertOptions(request)
    if (uploads >= MAX_UPLOADS) {
      throw new ShoalError('E_BUSY', `${MAX_UPLOADS} uploads are running already.`)
    }
    uploads++
    try {
      // the iterator must not take the socket with it: a full store still has to be told
      const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
      const content = unlessStalled(body, uploadIdleMs)
      const result = await node.insert(content, { ...options, signal: hangUpSignal(response) })
      response.status(201)
      response.setHeader('Location', `/${result.uri}`)
      response.setHeader('Link', `</api/v1/inserts/${result.insertId}>; rel="status"`)
      response.json({ uri: result.uri, size: result.size, type: result.type })
    } finally {
      uploads--
    }
  }
}

function insertOptions(request: Request): InsertOptions {
  const query = queryOf(request)
  const name = fileName(query, 'name')
  const contentType = textOf(query, 'type')
  if (contentType !== undefined && !isMediaType(contentType)) {
    throw badQuery('type', 'is not a media type such as text/plain')
  }
  return {
    convergent: flag(query, 'convergent'),
    bare: flag(query, 'urn'),
    ...(name !== undefined && { name }),
    ...(contentType !== undefined && { contentType }),
  }
}
