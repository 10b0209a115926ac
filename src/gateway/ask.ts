/**
 * One request for a key, read and checked before anything is looked for.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http'

import type { Request, Response } from 'express'

import { ShoalError } from '../errors.ts'
import type { ContentUri, ShoalUri } from '../keys/uri.ts'
import type { FetchOptions } from '../node.ts'
import type { Edition } from './editions.ts'
import { hangUpSignal } from './hang-up.ts'
import { mayLearnLocality } from './locality.ts'
import type { Sites } from './safe/sites.ts'
import { isBrowser, isFrame } from './safe/sites.ts'
import { fileName, flag, queryOf, timeoutMs } from './target.ts'

/** Who asks, as far as it decides what is sent. */
export interface Viewer {
  /** Markup must not reach it as it came. */
  readonly isBrowser: boolean
  readonly areScriptsAllowed: boolean
  /** What a page loads must come with the login of its reader. */
  readonly needsLogin: boolean
  /** It shows the answer inside of a page, without a click: nothing must be saved there. */
  readonly isFrame: boolean
  /** It may know what is on this node. */
  readonly mayLearnLocality: boolean
}

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
  /** The newest edition, where it was looked up for this request already. */
  readonly edition?: Edition
  /** What the key names is wanted as JSON, not its bytes. */
  readonly isInfo: boolean
  /** The same, if it is a file: JSON of a folder is its listing. */
  readonly isInfoOfFile: boolean
  readonly fetchOptions: Pick<FetchOptions, 'timeoutMs' | 'isLocalOnly'> & {
    readonly signal: AbortSignal
  }
  /** How long a stream may give nothing, ms; undefined: SOURCE_STALL_MS. */
  readonly stallMs: number | undefined
  readonly cacheControl: string
  /** Headers of every answer to it but errors. */
  readonly headers: OutgoingHttpHeaders
}

/** 48 weeks: content under its hash never changes, and caches trust no promise over a year. */
const CACHE_FOR_EVER = 'public, max-age=29030400, immutable'
/** Never superseded, but for the first hour another block of the same key may still take its place: s. */
export const CACHE_FIXED = 'max-age=3600'
/** Under a word there may be something else at any time: whoever else writes to it may win. */
const CACHE_WORD = 'max-age=60'
const CACHE = { chk: CACHE_FOR_EVER, ssk: CACHE_FIXED, usk: CACHE_FIXED, ksk: CACHE_WORD } as const
const ONLY_IF_CACHED = /(?:^|[ ,])only-if-cached(?:$|[ ,])/i

/** @throws ShoalError E_QUERY; E_ACCESS where a page asks what is on this node. */
export function readAsk(
  request: Request,
  response: Response,
  { uri, sites, stallMs }: { uri: ShoalUri; sites: Sites; stallMs: number | undefined },
): Ask {
  const query = queryOf(request)
  const { headers } = request
  const isJsonAlone = headers.accept?.trim() === 'application/json'
  const isTold = mayLearnLocality(headers)
  const givenMs = timeoutMs(query, headers)
  // what comes in a tenth of a second was here: a page could see by what it loads instead
  const waitMs = isTold ? givenMs : undefined
  const isInfo = flag(query, 'info')
  const isLocalOnly = ONLY_IF_CACHED.test(headers['cache-control'] ?? '')
  if ((isInfo || isLocalOnly) && !isTold) {
    throw new ShoalError('E_ACCESS', 'What is on this node is told to programs and people only.')
  }
  return {
    request,
    response,
    uri,
    viewer: {
      isBrowser: isBrowser(request),
      areScriptsAllowed: sites.areScriptsAllowed(request),
      needsLogin: sites.needsLogin(request),
      isFrame: isFrame(request),
      mayLearnLocality: isTold,
    },
    fileName: fileName(query, 'filename'),
    isDownload: flag(query, 'download'),
    isPinned: flag(query, 'pinned'),
    isInfo,
    // a page that asks for JSON means a file that is JSON
    isInfoOfFile: isJsonAlone && isTold && uri.path.at(-1) !== '',
    fetchOptions: {
      signal: hangUpSignal(response),
      isLocalOnly,
      ...(waitMs !== undefined && { timeoutMs: waitMs }),
    },
    stallMs,
    cacheControl: CACHE[uri.type],
    headers: {},
  }
}

/** Keys of one file's bytes. */
export function isFileKey(uri: ShoalUri): uri is ContentUri {
  return uri.type === 'chk' && uri.kind !== 'folder'
}

/** Programs that ask for JSON get listings so, also where there is an `index.html`. */
export function wantsJson({ request }: Ask): boolean {
  const accept = request.headers.accept ?? ''
  return accept.includes('application/json') && !accept.includes('text/html')
}
