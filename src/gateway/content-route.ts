/**
 * `GET` and `HEAD` of a key: any spelling of a CHK or an ERIS URN as the path, and the content streams
 * (design §7). Statuses are honest: 404 nobody has it, 503 no peers, 504 not in time.
 * @module
 */
import type { Request, RequestHandler, Response } from 'express'

import { ShoalError } from '../errors.ts'
import type { ContentUri } from '../keys/uri.ts'
import { parseUri } from '../keys/uri.ts'
import type { FetchOptions, FetchOutcome, Node } from '../node.ts'
import { hangUpSignal } from './hang-up.ts'
import { servedType } from './media-type.ts'
import { methodError } from './problem.ts'
import { contentRange, entityTag, holdsTag, parseRange, rangeStillApplies } from './range.ts'
import { contentPolicy } from './safety.ts'
import type { ResponseHead } from './send-body.ts'
import { sendBody } from './send-body.ts'
import { fileName, flag, queryOf, rawPath, timeoutMs } from './target.ts'

type Found = Extract<FetchOutcome, { type: 'found' }>

/** 48 weeks: content under its hash never changes, and caches trust no promise over a year. */
const CACHE_FOR_EVER = 'public, max-age=29030400, immutable'
const KEY_ATTEMPT = /^\/(?:[^/]*(?:@|%40)|(?:urn|freenet|shoal)(?::|%3a))/i
/** RFC 8187 §3.2.1: what may stand in `filename*` as it is; encodeURIComponent leaves some more. */
const NOT_ATTR_CHAR = /['()*]/g

/** True where the first path segment can only be meant as a key: then errors are 400, not 404. */
export function isKeyAttempt(path: string): boolean {
  return KEY_ATTEMPT.test(path)
}

/** The error for keys that are well formed and not served yet. */
export function notServedYet(type: 'ssk' | 'usk' | 'ksk'): ShoalError {
  return new ShoalError(
    'E_NOT_IMPLEMENTED',
    `This is a well-formed ${type.toUpperCase()} key. This version cannot fetch those yet.`,
  )
}

/** Serves every path that is a key attempt; passes on all others. */
export function createContentRoute(node: Node): RequestHandler {
  return async (request, response, next) => {
    const path = rawPath(request)
    if (!isKeyAttempt(path)) {
      next()
      return
    }
    if (!['GET', 'HEAD'].includes(request.method)) throw methodError(response, 'GET, HEAD')
    const uri = parseUri(path.slice(1))
    if (uri.type !== 'chk') throw notServedYet(uri.type)
    const view = readView(request, uri)
    const options = fetchOptions(request, view.tag)
    if (holdsTag(request.headers['if-none-match'], view.tag)) {
      sendNotModified(response, view.tag)
      return
    }
    const outcome = await node.fetch(uri, { ...options, signal: hangUpSignal(response) })
    const found = foundOrThrow(outcome, response)
    const head = headOf(found, view)
    if (options.headOnly) sendHead(response, head, found.stream)
    else await sendBody(response, head, found.stream)
  }
}

/** How the content is to be shown, whatever it is. */
interface View {
  readonly tag: string
  readonly name: string | undefined
  readonly isDownload: boolean
}

function readView(request: Request, uri: ContentUri): View {
  const query = queryOf(request)
  return {
    tag: entityTag(uri),
    name: fileName(query, 'filename') ?? uri.name,
    isDownload: flag(query, 'download'),
  }
}

function fetchOptions(request: Request, tag: string): FetchOptions {
  const timeout = timeoutMs(queryOf(request))
  const isSameVersion = rangeStillApplies(request.get('If-Range'), tag)
  const range = isSameVersion ? parseRange(request.headers.range) : undefined
  return {
    // HEAD with a range answers as GET would: players ask so before they seek
    headOnly: request.method === 'HEAD',
    ...(range && { range }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
  }
}

function foundOrThrow(outcome: FetchOutcome, response: Response): Found {
  switch (outcome.type) {
    case 'found':
      return outcome
    case 'unsatisfiable-range':
      response.setHeader('Content-Range', contentRange(undefined, outcome.size))
      throw new ShoalError('E_RANGE', `The content has ${outcome.size} bytes.`)
    case 'not-found':
      throw new ShoalError('E_NOT_FOUND', 'No node that was asked holds this content.')
    case 'no-peers':
      throw new ShoalError('E_NO_PEERS', 'The node has no peers to ask.')
    case 'timed-out':
      throw new ShoalError('E_TIMEOUT', 'No complete answer came from the network in time.')
  }
}

function headOf(found: Found, view: View): ResponseHead {
  const { size, range } = found
  const type = servedType(found.contentType, view.name)
  const length = range === undefined ? size : range.last - range.first + 1
  const headers = {
    'Content-Type': type,
    'Content-Length': length,
    'Content-Disposition': disposition(view),
    'Content-Security-Policy': contentPolicy(type),
    'Accept-Ranges': 'bytes',
    ETag: view.tag,
    'Cache-Control': CACHE_FOR_EVER,
    ...(range && { 'Content-Range': contentRange(range, size) }),
  }
  return { status: range === undefined ? 200 : 206, headers, length }
}

function sendHead(response: Response, head: ResponseHead, stream: Found['stream']): void {
  response.writeHead(head.status, head.headers)
  response.end()
  stream.cancel().catch(() => {}) // nothing of it was wanted
}

function sendNotModified(response: Response, tag: string): void {
  // the policy depends on the type, which only the network knows: the cached response keeps its own
  response.removeHeader('Content-Security-Policy')
  response.writeHead(304, { ETag: tag, 'Cache-Control': CACHE_FOR_EVER })
  response.end()
}

/** RFC 6266; the plain `filename` is for clients that do not know the other. */
function disposition(view: View): string {
  const how = view.isDownload ? 'attachment' : 'inline'
  if (view.name === undefined) return how
  const plain = view.name.replace(/[^\x20-\x7e]|["%\\]/g, '_')
  const full = encodeURIComponent(view.name).replace(
    NOT_ATTR_CHAR,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${how}; filename="${plain}"; filename*=UTF-8''${full}`
}
