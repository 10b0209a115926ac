/**
 * What a fetch brought, as an HTTP answer: files with their ranges and tags, folders as listings.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http'

import type { Request, Response } from 'express'

import { ShoalError } from '../errors.ts'
import type { ShoalUri } from '../keys/uri.ts'
import type { FetchOptions, FetchOutcome, FolderEntry } from '../node.ts'
import { LISTING_POLICY, LISTING_VERSION, listingJson, listingPage } from './listing.ts'
import { servedType } from './media-type.ts'
import { titleOf } from './outcome-error.ts'
import { contentRange, entityTag } from './range.ts'
import type { Serving } from './safe/policy.ts'
import { rewrittenType, SCRIPT_POLICY, SEAL, servingOf } from './safe/policy.ts'
import { rewriteContent, REWRITER_VERSION } from './safe/rewrite-content.ts'
import { sendBody, sendText, unknownLength } from './send-body.ts'

export type Found = Extract<FetchOutcome, { type: 'found' }>
export type Folder = Extract<FetchOutcome, { type: 'folder' }>

/** Who asks, as far as it decides what is sent. */
export interface Viewer {
  /** Markup must not reach it as it came. */
  readonly isBrowser: boolean
  readonly areScriptsAllowed: boolean
  /** It shows the answer inside of a page, without a click: nothing must be saved there. */
  readonly isFrame: boolean
}

/** One request for a key, read and checked. */
export interface Ask {
  readonly request: Request
  readonly response: Response
  readonly uri: ShoalUri
  readonly viewer: Viewer
  /** Overrides the name that the key and the path give. */
  readonly fileName: string | undefined
  readonly isDownload: boolean
  /** The very edition that is named, whether there is a newer one or not. */
  readonly isPinned: boolean
  readonly fetchOptions: Pick<FetchOptions, 'timeoutMs'> & { readonly signal: AbortSignal }
  readonly cacheControl: string
  /** Headers of every answer to it but errors. */
  readonly headers: OutgoingHttpHeaders
}

/** A generated page changes with the gateway, whatever it lists: 1 hour, s. */
const LISTING_MAX_AGE_S = 3600
/** RFC 8187 §3.2.1: what may stand in `filename*` as it is; encodeURIComponent leaves some more. */
const NOT_ATTR_CHAR = /['()*]/g

/** One version of a document, by its strong tag, and the headers that 200 and 304 have in common. */
export interface Version {
  readonly tag: string
  readonly headers: OutgoingHttpHeaders
}

/** The version that a key of one file's bytes names; of all other keys a fetch tells it. */
export function versionByKey(ask: Ask): Version | undefined {
  const { uri } = ask
  return uri.type === 'chk' && uri.kind !== 'folder' ? fileVersion(ask, entityTag(uri)) : undefined
}

/** What was found; undefined where nothing was. */
export function versionOf(ask: Ask, outcome: FetchOutcome): Version | undefined {
  switch (outcome.type) {
    case 'found':
      return versionByKey(ask) ?? fileVersion(ask, `"${outcome.identity}"`)
    case 'folder':
      return listingVersion(ask, outcome)
    case 'unsatisfiable-range':
    case 'slash-missing':
    case 'no-such-path':
    case 'not-found':
    case 'no-peers':
    case 'timed-out':
      return undefined
  }
}

/** Ends what an outcome still holds. */
export function letGo(outcome: FetchOutcome): void {
  if (outcome.type === 'found') outcome.stream.cancel().catch(() => {}) // nothing of it was wanted
  if (outcome.type === 'folder')
    outcome.entries[Symbol.asyncIterator]()
      .return?.()
      .catch(() => {})
}

/** The version that a browser holds where it was sent `version` written anew. */
export function rewrittenVersion(ask: Ask, version: Version): Version {
  const scripts = ask.viewer.areScriptsAllowed ? 's' : ''
  const tag = `${version.tag.slice(0, -1)}.r${REWRITER_VERSION}${scripts}"`
  // a reader takes a permission back, and a later gateway may leave out more
  const varying = { ETag: tag, 'Cache-Control': 'no-cache', Vary: 'Accept, Sec-Fetch-Dest' }
  return { tag, headers: { ...version.headers, ...varying } }
}

/** True where the file that was found is sent written anew, which has no ranges. */
export function isRewritten(ask: Ask, outcome: FetchOutcome): boolean {
  return outcome.type === 'found' && rewriteOf(ask, servingFor(ask, outcome)) !== undefined
}

/** A file, or the part of it that was asked for. */
export async function sendFile(ask: Ask, found: Found): Promise<void> {
  const { request, response } = ask
  const { size, range } = found
  if (ask.viewer.isFrame && mustBeSaved(ask, found)) {
    letGo(found)
    throw new ShoalError('E_ACCESS', 'A page may not save a file without a click.')
  }
  if (isRewritten(ask, found)) {
    await sendRewritten(ask, found)
    return
  }
  const status = range === undefined ? 200 : 206
  const length = range === undefined ? size : range.last - range.first + 1
  const headers = { ...fileHeaders(ask, found), 'Content-Length': length }
  if (request.method !== 'HEAD') {
    await sendBody(response, { status, headers, length }, found.stream)
    return
  }
  response.writeHead(status, headers)
  response.end()
  letGo(found)
}

/** A page for a browser: its length is known at its end only. */
async function sendRewritten(ask: Ask, found: Found): Promise<void> {
  const { request, response } = ask
  const headers = { ...rewrittenHeaders(ask, found), ...unknownLength(request) }
  if (request.method === 'HEAD') {
    response.writeHead(200, headers)
    response.end()
    letGo(found)
    return
  }
  const page = rewriteContent({
    syntax: rewriteOf(ask, servingFor(ask, found)) ?? 'html',
    areScriptsAllowed: ask.viewer.areScriptsAllowed,
    contentType: found.contentType ?? '',
    bytes: found.stream,
  })
  await sendText(response, headers, page)
}

/** The generated listing; programs that ask for JSON get that. */
export async function sendFolder(ask: Ask, folder: Folder): Promise<void> {
  const { request, response, uri } = ask
  const isJson = wantsJson(ask)
  const entries = folder.entries[Symbol.asyncIterator]()
  // an error before the first entry still becomes an answer of its own, on HEAD too
  const first = await entries.next()
  const headers = {
    'Content-Type': isJson ? 'application/json' : 'text/html; charset=utf-8',
    'Content-Security-Policy': LISTING_POLICY,
    ...listingVersion(ask, folder).headers,
    ...unknownLength(request),
  }
  if (request.method === 'HEAD') {
    response.writeHead(200, headers)
    response.end()
    await entries.return?.()
    return
  }
  const listed = { title: titleOf(uri), path: uri.path, isWord: uri.type === 'ksk' }
  const make = isJson ? listingJson : listingPage
  await sendText(response, headers, make(listed, withFirst(first, entries)))
}

/** The client's copy is still right. */
export function sendNotModified(response: Response, version: Version): void {
  // the policy depends on the type, which only the network knows: the cached response keeps its own
  response.removeHeader('Content-Security-Policy')
  response.writeHead(304, version.headers)
  response.end()
}

function fileVersion(ask: Ask, tag: string): Version {
  // a folder's own address gives programs its listing
  const vary = ask.uri.path?.at(-1) === '' ? { Vary: 'Accept' } : {}
  return { tag, headers: { ETag: tag, 'Cache-Control': ask.cacheControl, ...vary, ...ask.headers } }
}

function listingVersion(ask: Ask, { identity }: Folder): Version {
  const tag = `"${identity}.${wantsJson(ask) ? 'json' : 'html'}${LISTING_VERSION}"`
  const isForEver = ask.cacheControl.includes('immutable')
  const cacheControl = isForEver ? `max-age=${LISTING_MAX_AGE_S}` : ask.cacheControl
  const headers = { ETag: tag, 'Cache-Control': cacheControl, Vary: 'Accept', ...ask.headers }
  return { tag, headers }
}

function servingFor(ask: Ask, found: Found): Serving {
  return servingOf(servedType(found.contentType, nameFor(ask, found)))
}

function nameFor(ask: Ask, found: Found): string | undefined {
  return ask.fileName ?? found.name
}

function mustBeSaved(ask: Ask, found: Found): boolean {
  return ask.isDownload || servingFor(ask, found).disposition === 'attachment'
}

function rewriteOf(ask: Ask, { rewrite }: Serving): Serving['rewrite'] {
  return ask.viewer.isBrowser && !ask.isDownload ? rewrite : undefined
}

function fileHeaders(ask: Ask, found: Found): OutgoingHttpHeaders {
  const { size, range } = found
  const serving = servingFor(ask, found)
  return {
    'Content-Type': serving.contentType,
    'Content-Disposition': disposition(nameFor(ask, found), mustBeSaved(ask, found)),
    'Content-Security-Policy': serving.policy,
    'Accept-Ranges': 'bytes',
    ...versionOf(ask, found)?.headers,
    ...(range && { 'Content-Range': contentRange(range, size) }),
  }
}

function rewrittenHeaders(ask: Ask, found: Found): OutgoingHttpHeaders {
  const { rewrite, policy } = servingFor(ask, found)
  const version = versionOf(ask, found)
  const { areScriptsAllowed } = ask.viewer
  return {
    'Content-Type': rewrittenType(rewrite ?? 'html'),
    'Content-Disposition': disposition(nameFor(ask, found), false),
    'Content-Security-Policy': areScriptsAllowed ? SCRIPT_POLICY : policy,
    ...(areScriptsAllowed && { 'Connection-Allowlist': SEAL }),
    ...(version && rewrittenVersion(ask, version).headers),
  }
}

/** RFC 6266; the plain `filename` is for clients that do not know the other. */
function disposition(name: string | undefined, isDownload: boolean): string {
  const how = isDownload ? 'attachment' : 'inline'
  if (name === undefined) return how
  const plain = name.replace(/[^\x20-\x7e]|["%\\]/g, '_')
  const full = encodeURIComponent(name).replace(
    NOT_ATTR_CHAR,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${how}; filename="${plain}"; filename*=UTF-8''${full}`
}

/** Programs that ask for JSON get listings so, also where there is an `index.html`. */
export function wantsJson({ request }: Ask): boolean {
  const accept = request.headers.accept ?? ''
  return accept.includes('application/json') && !accept.includes('text/html')
}

async function* withFirst(
  first: IteratorResult<FolderEntry>,
  rest: AsyncIterator<FolderEntry>,
): AsyncGenerator<FolderEntry, void> {
  try {
    for (let step = first; step.done !== true; step = await rest.next()) yield step.value
  } finally {
    await rest.return?.()
  }
}
