/**
 * `GET` and `HEAD` of a key: any spelling of any key as the path, and the content streams (design §7).
 * Statuses are honest: 404 nobody has it, 503 no peers, 504 not in time.
 * @module
 */
import type { RequestHandler } from 'express'

import type { ShoalUri } from '../keys/uri.ts'
import { parseUri } from '../keys/uri.ts'
import type { Node } from '../node.ts'
import type { Ask } from './ask.ts'
import { CACHE_FIXED, readAsk } from './ask.ts'
import { findEdition } from './editions.ts'
import { isInfoSent } from './info-route.ts'
import { methodError } from './problem.ts'
import { isKeyAttempt } from './safe/key-path.ts'
import type { Sites } from './safe/sites.ts'
import { redirect, serveContent } from './serve-content.ts'
import { rawPath } from './target.ts'
import { attend } from './wait/attend.ts'
import { Waits } from './wait/waits.ts'

const WORD_WARNING = 'anyone may write to this word'

export interface ContentRouteOptions {
  /** How long a stream may give nothing, ms; default SOURCE_STALL_MS. */
  readonly stallMs?: number
  /** Where browsers wait; default: a place of its own. */
  readonly waits?: Waits
}

/** Serves every path that is a key attempt; passes on all others. */
export function createContentRoute(
  node: Node,
  sites: Sites,
  { stallMs, waits = new Waits({ node }) }: ContentRouteOptions = {},
): RequestHandler {
  return async (request, response, next) => {
    const path = rawPath(request)
    if (!isKeyAttempt(path)) {
      next()
      return
    }
    if (!['GET', 'HEAD'].includes(request.method)) throw methodError(response, 'GET, HEAD')
    const uri = parseUri(path.slice(1))
    if (uri.type === 'ksk') response.setHeader('X-Shoal-Warning', WORD_WARNING)
    const ask = readAsk(request, response, { uri, sites, stallMs })
    const target = needsOtherSpelling(uri, path)
    if (target !== undefined) {
      redirect(ask, 301, target)
      return
    }
    const ready = await attend(waits, ask)
    if (ready === undefined) return
    if (uri.type === 'usk') await serveEdition(node, ready, { uri, sites })
    else await serve(node, ready)
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

async function serveEdition(
  node: Node,
  ask: Ask,
  { uri, sites }: { uri: ShoalUri & { type: 'usk' }; sites: Sites },
): Promise<void> {
  if (ask.isPinned && uri.edition !== 'latest' && uri.edition >= 0) {
    await serve(node, { ...ask, cacheControl: CACHE_FIXED })
    return
  }
  if (ask.fetchOptions.isLocalOnly === true) {
    await serve(node, { ...ask, cacheControl: 'no-cache' }) // a look-up would ask others
    return
  }
  const isReload = /no-cache|max-age=0/.test(ask.request.headers['cache-control'] ?? '')
  const edition = ask.edition ?? (await findEdition(node, uri, { ...ask.fetchOptions, isReload }))
  const { cacheControl, link } = edition
  const inEdition = { ...ask, cacheControl, headers: { Link: link } }
  if (edition.isElsewhere) {
    sites.leadTo(edition.uri)
    redirect(inEdition, 307, edition.uri)
  } else await serve(node, inEdition)
}

async function serve(node: Node, ask: Ask): Promise<void> {
  if (!(await isInfoSent(node, ask))) await serveContent(node, ask)
}
