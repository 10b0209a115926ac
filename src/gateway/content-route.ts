/**
 * `GET` and `HEAD` of a key: any spelling of any key as the path, and the content streams (design §7).
 * Statuses are honest: 404 nobody has it, 503 no peers, 504 not in time.
 * @module
 */
import type { Request, RequestHandler, Response } from 'express'

import { ShoalError } from '../errors.ts'
import type { ShoalUri } from '../keys/uri.ts'
import { parseUri } from '../keys/uri.ts'
import type { FetchOutcome, Node } from '../node.ts'
import { findEdition } from './editions.ts'
import { hangUpSignal } from './hang-up.ts'
import { NoPathError, outcomeError } from './outcome-error.ts'
import { methodError } from './problem.ts'
import { contentRange, holdsTag, parseRange, rangeStillApplies } from './range.ts'
import { pathOf, sendRedirect, withSlash } from './redirect.ts'
import { isKeyAttempt } from './safe/key-path.ts'
import type { Sites } from './safe/sites.ts'
import { isBrowser, isFrame } from './safe/sites.ts'
import type { Ask, Version, Viewer } from './send-content.ts'
import {
  isRewritten,
  letGo,
  rewrittenVersion,
  sendFile,
  sendFolder,
  sendNotModified,
  versionByKey,
  versionOf,
  wantsJson,
} from './send-content.ts'
import { fileName, flag, queryOf, rawPath, rawQuery, timeoutMs } from './target.ts'

/** 48 weeks: content under its hash never changes, and caches trust no promise over a year. */
const CACHE_FOR_EVER = 'public, max-age=29030400, immutable'
/** Never superseded, but for the first hour another block of the same key may still take its place: s. */
const CACHE_FIXED = 'max-age=3600'
/** Under a word there may be something else at any time: whoever else writes to it may win. */
const CACHE_WORD = 'max-age=60'
const CACHE = { chk: CACHE_FOR_EVER, ssk: CACHE_FIXED, usk: CACHE_FIXED, ksk: CACHE_WORD } as const
const WORD_WARNING = 'anyone may write to this word'

/** Serves every path that is a key attempt; passes on all others. */
export function createContentRoute(node: Node, sites: Sites): RequestHandler {
  return async (request, response, next) => {
    const path = rawPath(request)
    if (!isKeyAttempt(path)) {
      next()
      return
    }
    if (!['GET', 'HEAD'].includes(request.method)) throw methodError(response, 'GET, HEAD')
    const uri = parseUri(path.slice(1))
    if (uri.type === 'ksk') response.setHeader('X-Shoal-Warning', WORD_WARNING)
    const viewer = {
      isBrowser: isBrowser(request),
      areScriptsAllowed: sites.areScriptsAllowed(request),
      isFrame: isFrame(request),
    }
    const ask = readAsk(request, response, uri, viewer)
    const target = needsOtherSpelling(uri, path)
    if (target !== undefined) redirect(ask, 301, target)
    else if (uri.type === 'usk') await serveEdition(node, ask, uri)
    else await serve(node, ask)
  }
}

function readAsk(request: Request, response: Response, uri: ShoalUri, viewer: Viewer): Ask {
  const query = queryOf(request)
  const waitMs = timeoutMs(query)
  return {
    request,
    response,
    uri,
    viewer,
    fileName: fileName(query, 'filename'),
    isDownload: flag(query, 'download'),
    fetchOptions: {
      signal: hangUpSignal(response),
      ...(waitMs !== undefined && { timeoutMs: waitMs }),
    },
    isPinned: flag(query, 'pinned'),
    cacheControl: CACHE[uri.type],
    headers: {},
  }
}

/** The links of a page are relative to its address: it needs real slashes, and a name for its folder. */
function needsOtherSpelling(uri: ShoalUri, path: string): ShoalUri | undefined {
  if (uri.type === 'chk') {
    if (uri.kind !== 'folder') return undefined
    if (uri.name === undefined) return { ...uri, name: 'folder', path: [''] }
  }
  return /%2f/i.test(path) ? uri : undefined
}

async function serveEdition(node: Node, ask: Ask, uri: ShoalUri & { type: 'usk' }): Promise<void> {
  if (ask.isPinned && uri.edition !== 'latest' && uri.edition >= 0) {
    await serve(node, { ...ask, cacheControl: CACHE_FIXED })
    return
  }
  const isReload = /no-cache|max-age=0/.test(ask.request.headers['cache-control'] ?? '')
  const edition = await findEdition(node, uri, { ...ask.fetchOptions, isReload })
  const { cacheControl, link } = edition
  const inEdition = { ...ask, cacheControl, headers: { Link: link } }
  if (edition.isElsewhere) redirect(inEdition, 307, edition.uri)
  else await serve(node, inEdition)
}

async function serve(node: Node, ask: Ask): Promise<void> {
  const probed = await probeWhereNeeded(node, ask)
  const version = probed === undefined ? versionByKey(ask) : versionOf(ask, probed)
  const held = version === undefined ? undefined : heldVersion(ask, version)
  if (held !== undefined) {
    sendNotModified(ask.response, held)
    return
  }
  const isMissing = probed !== undefined && version === undefined
  const outcome = isMissing ? probed : await fetchVersion(node, ask, version?.tag)
  switch (outcome.type) {
    case 'found':
      await sendFile(ask, outcome)
      return
    case 'folder':
      await sendFolder(ask, outcome)
      return
    case 'slash-missing':
      redirect(ask, 301, withSlash(ask.uri))
      return
    case 'no-such-path':
      throw new NoPathError(ask.uri)
    case 'unsatisfiable-range':
      ask.response.setHeader('Content-Range', contentRange(undefined, outcome.size))
      throw new ShoalError('E_RANGE', `The content has ${outcome.size} bytes.`)
    case 'not-found':
    case 'no-peers':
    case 'timed-out':
      throw outcomeError(node, outcome.type, 'No node that was asked holds this content.')
  }
}

/** The version that the client says it holds, if it is the right one still. */
function heldVersion(ask: Ask, version: Version): Version | undefined {
  const versions = ask.viewer.isBrowser ? [version, rewrittenVersion(ask, version)] : [version]
  return versions.find(({ tag }) => holdsTag(ask.request.headers['if-none-match'], tag))
}

/** Finds out the version where the request's headers depend on it and the key does not tell it. */
async function probeWhereNeeded(node: Node, ask: Ask): Promise<FetchOutcome | undefined> {
  const { headers } = ask.request
  const isConditional =
    headers['if-none-match'] !== undefined ||
    (headers['if-range'] !== undefined && headers.range !== undefined)
  if (!isConditional || versionByKey(ask) !== undefined) return undefined
  const outcome = await node.fetch(ask.uri, {
    ...ask.fetchOptions,
    headOnly: true,
    listing: wantsJson(ask),
  })
  letGo(outcome)
  return outcome
}

/** The part that is asked for of the version that has `tag`, else the whole. */
async function fetchVersion(node: Node, ask: Ask, tag: string | undefined): Promise<FetchOutcome> {
  const { request, uri } = ask
  // HEAD with a range answers as GET would: players ask so before they seek
  const isHead = request.method === 'HEAD'
  const options = { ...ask.fetchOptions, headOnly: isHead, listing: wantsJson(ask) }
  const isSameVersion = rangeStillApplies(request.get('If-Range'), tag ?? '')
  const range = isSameVersion ? parseRange(request.headers.range) : undefined
  if (range === undefined) return await node.fetch(uri, options)
  const outcome = await node.fetch(uri, { ...options, range })
  const found = versionOf(ask, outcome)?.tag
  const isSame = tag === undefined || found === undefined || found === tag
  if (isSame && !isRewritten(ask, outcome)) return outcome
  letGo(outcome) // a word that was written to since its tag was read, or a page without ranges
  return await node.fetch(uri, options)
}

function redirect(ask: Ask, status: 301 | 307, uri: ShoalUri): void {
  sendRedirect(ask.response, status, {
    Location: `${pathOf(uri)}${rawQuery(ask.request)}`,
    'Cache-Control': ask.cacheControl,
    ...ask.headers,
  })
}
