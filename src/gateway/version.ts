/**
 * Versions of what a key names, told apart by strong tags: of a file, of the same file written anew for a
 * browser, of a generated listing.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http'

import type { FetchOutcome } from '../node.ts'
import type { Ask } from './ask.ts'
import { isFileKey, wantsJson } from './ask.ts'
import { entityTag } from './conditions.ts'
import type { Found } from './file-serving.ts'
import { fileServing } from './file-serving.ts'
import { LISTING_VERSION } from './listing.ts'
import { REWRITER_VERSION } from './safe/rewrite-content.ts'

export type Folder = Extract<FetchOutcome, { type: 'folder' }>

/** One version, and the headers that 200 and 304 have in common. */
export interface Version {
  readonly tag: string
  readonly headers: OutgoingHttpHeaders
}

/** A generated page changes with the gateway, whatever it lists: 1 hour, s. */
const LISTING_MAX_AGE_S = 3600
/** A key of a file gives programs JSON, browsers get markup written anew, and frames no file to save. */
const FILE_VARY = 'Accept, Sec-Fetch-Dest'

/**
 * The version that a key of one file's bytes names, where it is sent as it came. What a browser is sent
 * depends on the type, which a fetch tells; and so it is with all other keys.
 */
export function versionByKey(ask: Ask): Version | undefined {
  const { uri, viewer } = ask
  return isFileKey(uri) && !viewer.isBrowser ? versionWith(ask, entityTag(uri)) : undefined
}

/** What was found, as it is sent; undefined where nothing was. */
export function versionOf(ask: Ask, outcome: FetchOutcome): Version | undefined {
  switch (outcome.type) {
    case 'found':
      return fileVersion(ask, outcome)
    case 'folder':
      return listingVersion(ask, outcome)
    case 'unsatisfiable-range':
    case 'slash-missing':
    case 'no-such-path':
    case 'not-found':
    case 'no-peers':
    case 'timed-out':
    case 'not-local':
      return undefined
  }
}

/** The version of a file as it is sent. */
export function fileVersion(ask: Ask, found: Found): Version {
  const tag = isFileKey(ask.uri) ? entityTag(ask.uri) : `"${found.identity}"`
  if (fileServing(ask, found).rewrite === undefined) return versionWith(ask, tag)
  const { areScriptsAllowed, needsLogin } = ask.viewer
  const policy = areScriptsAllowed ? 's' : needsLogin ? 'l' : ''
  // a later gateway may leave out more; and of a page that may lose its scripts no cache keeps a copy,
  // which the way back would show without asking
  const asking = { ...ask, cacheControl: areScriptsAllowed ? 'no-store' : 'no-cache' }
  return versionWith(asking, `${tag.slice(0, -1)}.r${REWRITER_VERSION}${policy}"`)
}

/** The version of a folder's listing as it is sent. */
export function listingVersion(ask: Ask, { identity }: Folder): Version {
  const tag = `"${identity}.${wantsJson(ask) ? 'json' : 'html'}${LISTING_VERSION}"`
  const isForEver = ask.cacheControl.includes('immutable')
  const cacheControl = isForEver ? `max-age=${LISTING_MAX_AGE_S}` : ask.cacheControl
  const headers = { ETag: tag, 'Cache-Control': cacheControl, Vary: 'Accept', ...ask.headers }
  return { tag, headers }
}

function versionWith({ cacheControl, headers }: Ask, tag: string): Version {
  return {
    tag,
    headers: { ETag: tag, 'Cache-Control': cacheControl, Vary: FILE_VARY, ...headers },
  }
}
