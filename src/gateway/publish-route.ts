/**
 * `POST /api/v1/publish`: an upload as for an insert, put under a name of one of this node's keys.
 * @module
 */
import type { RequestHandler } from 'express'

import type { Node, PublishOptions, PublishSource } from '../node.ts'
import { refuseForm } from './form.ts'
import { hangUpSignal } from './hang-up.ts'
import { mediaType, refuseWithFolder, sendCreated } from './insert-route.ts'
import { tarItems } from './tar-items.ts'
import { badQuery, documentName, fileName, flag, queryOf, textOf } from './target.ts'
import type { UploadPlaces } from './upload.ts'

/** Handles a publication from its first byte to the edition. */
export function createPublishRoute(node: Node, places: UploadPlaces): RequestHandler {
  return async (request, response) => {
    refuseForm(request)
    const query = queryOf(request)
    const options = publishOptions(query)
    const sourceOf = sourceReader(query)
    const result = await places.receive(request, (body) =>
      node.publish(sourceOf(body), { ...options, signal: hangUpSignal(response) }),
    )
    const { uri, edition, size, files, collisions, isConfirmed } = result
    sendCreated(response, result, {
      uri,
      edition,
      size,
      files,
      collisions,
      confirmed: isConfirmed,
    })
  }
}

function publishOptions(query: URLSearchParams): PublishOptions {
  const key = textOf(query, 'key')
  if (key === undefined) throw badQuery('key', 'is missing: the name of a key of this node')
  const document = documentName(query, 'document')
  if (document === undefined) throw badQuery('document', 'is missing: the name to publish under')
  return { key, document, fixed: flag(query, 'fixed') }
}

/** Reads the query at once, so that nothing of the body is taken where it is wrong. */
function sourceReader(query: URLSearchParams): (body: AsyncIterable<Uint8Array>) => PublishSource {
  if (flag(query, 'folder')) {
    refuseWithFolder(query, ['name', 'type'])
    return (body) => ({ type: 'folder', items: tarItems(body) })
  }
  const name = fileName(query, 'name')
  const contentType = mediaType(query)
  return (content) => ({
    type: 'file',
    content,
    ...(name !== undefined && { name }),
    ...(contentType !== undefined && { contentType }),
  })
}
