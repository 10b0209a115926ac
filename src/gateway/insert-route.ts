/**
 * `POST` and `PUT /api/v1/insert`: the raw body is the content, streamed as it comes in, or with
 * `folder=1` a tar of it. 201 when its last byte is safe in the outbox. Of a POST of `multipart/form-data`
 * the file is the content; any other Content-Type is ignored: most clients make it up.
 * @module
 */
import type { Request, RequestHandler, Response } from 'express'

import type { InsertFolderOptions, InsertOptions, Node } from '../node.ts'
import { isForm, withForm } from './form.ts'
import { hangUpSignal } from './hang-up.ts'
import { isMediaType } from './media-type.ts'
import { tarItems } from './tar-items.ts'
import { badQuery, documentName, fileName, flag, queryOf, textOf } from './target.ts'
import type { UploadPlaces } from './upload.ts'

const WORD_WARNING = 'Anyone may write to this word: what readers find under it may not be yours.'

/** Handles an insert from its first byte to the key. */
export function createInsertRoute(node: Node, places: UploadPlaces): RequestHandler {
  return async (request, response) => {
    const query = queryOf(request)
    if (flag(query, 'folder') && !isForm(request))
      await insertFolder(node, { request, response, query }, places)
    else await insertFile(node, { request, response, query }, places)
  }
}

interface Exchange {
  readonly request: Request
  readonly response: Response
  readonly query: URLSearchParams
}

async function insertFile(
  node: Node,
  { request, response, query }: Exchange,
  places: UploadPlaces,
): Promise<void> {
  const insert = async (content: AsyncIterable<Uint8Array>, given: URLSearchParams) => {
    const options = fileOptions(given)
    return node.insert(content, { ...options, signal: hangUpSignal(response) })
  }
  const { uri, size, type, insertId } = await places.receive(request, (body) =>
    isForm(request)
      ? withForm(request, body, { query, use: (form) => insert(form.content, form.query) })
      : insert(body, query),
  )
  sendCreated(response, { uri, insertId }, { uri, size, type })
}

async function insertFolder(
  node: Node,
  { request, response, query }: Exchange,
  places: UploadPlaces,
): Promise<void> {
  const options = folderOptions(query)
  const { uri, size, files, insertId } = await places.receive(request, (body) =>
    node.insertFolder(tarItems(body), { ...options, signal: hangUpSignal(response) }),
  )
  sendCreated(response, { uri, insertId }, { uri, size, files })
}

/** 201, and where to find what was made and how far it has spread. */
export function sendCreated(
  response: Response,
  { uri, insertId }: { readonly uri: string; readonly insertId: number },
  answer: Readonly<Record<string, unknown>>,
): void {
  response.status(201)
  response.setHeader('Location', `/${uri}`)
  response.setHeader('Link', statusLink(insertId))
  response.json({ ...answer, ...(uri.startsWith('KSK@') && { warning: WORD_WARNING }) })
}

/** `Link` header to the spread of an insert. */
export function statusLink(insertId: number): string {
  return `</api/v1/inserts/${insertId}>; rel="status"`
}

/** `?type=`. @throws ShoalError E_QUERY */
export function mediaType(query: URLSearchParams): string | undefined {
  const type = textOf(query, 'type')
  if (type !== undefined && !isMediaType(type)) {
    throw badQuery('type', 'is not a media type such as text/plain')
  }
  return type
}

/** Refuses parameters that say nothing about a folder. @throws ShoalError E_QUERY */
export function refuseWithFolder(query: URLSearchParams, parameters: readonly string[]): void {
  for (const parameter of parameters) {
    if (query.has(parameter)) throw badQuery(parameter, 'cannot be said of a folder')
  }
}

/** What the parameters say of one file. @throws ShoalError E_QUERY, E_NAME */
export function fileOptions(query: URLSearchParams): InsertOptions {
  if (flag(query, 'folder')) throw badQuery('folder', 'is not said of one file')
  const contentType = mediaType(query)
  const bare = flag(query, 'urn')
  const common = commonOptions(query)
  if (bare && common.word !== undefined) throw badQuery('urn', 'has no word: give one or the other')
  return { ...common, bare, ...(contentType !== undefined && { contentType }) }
}

function folderOptions(query: URLSearchParams): InsertFolderOptions {
  refuseWithFolder(query, ['type', 'urn'])
  return commonOptions(query)
}

function commonOptions(query: URLSearchParams) {
  const name = fileName(query, 'name')
  const word = documentName(query, 'word')
  return {
    convergent: flag(query, 'convergent'),
    ...(name !== undefined && { name }),
    ...(word !== undefined && { word }),
  }
}
