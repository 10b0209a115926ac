/**
 * Conditional requests (RFC 9110 §13): the version that the client holds already, and the one that it
 * means. Versions are told apart by strong tags; dates are ignored, nothing here has any. A tag stands
 * for the key, and nobody can get from it to the key.
 * @module
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

import type { ContentUri } from '../keys/uri.ts'

const TAG_LABEL = 'shoal/etag/1'
const ANY = '*'

/** Strong tag of what a key names: the same for all its spellings and names. */
export function entityTag(uri: ContentUri): string {
  const hash = createHash('sha256')
  hash.update(TAG_LABEL).update(uri.kind).update(Uint8Array.of(uri.level))
  hash.update(uri.reference).update(uri.readKey)
  return `"${hash.digest('base64url')}"`
}

/** Whether the answer depends on the version that there is. */
export function isConditional(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-match'] !== undefined ||
    headers['if-none-match'] !== undefined ||
    (headers['if-range'] !== undefined && headers.range !== undefined)
  )
}

/** Whether it depends on there being any: a tag that is known from the key does not say that. */
export function asksForAny(headers: IncomingHttpHeaders): boolean {
  return [headers['if-match'], headers['if-none-match']].some((tags) => tags?.trim() === ANY)
}

/**
 * In the order of RFC 9110 §13.2.2, for a GET or HEAD of content that is there as `tag`: `failed` is
 * 412, `held` is 304.
 */
export function checkConditions(
  headers: IncomingHttpHeaders,
  tag: string,
): 'passed' | 'failed' | 'held' {
  const wanted = headers['if-match']
  if (wanted !== undefined && !namesStrongly(wanted, tag)) return 'failed'
  const held = headers['if-none-match']
  return held !== undefined && namesWeakly(held, tag) ? 'held' : 'passed'
}

/** `If-Range`, by the strong comparison: a weak tag or a date means another version. */
export function rangeStillApplies(header: string | undefined, tag: string | undefined): boolean {
  return header === undefined || header.trim() === tag
}

function namesStrongly(header: string, tag: string): boolean {
  return header.trim() === ANY || tagsIn(header).includes(tag)
}

function namesWeakly(header: string, tag: string): boolean {
  if (header.trim() === ANY) return true
  return tagsIn(header).some((entry) => entry.replace(/^W\//, '') === tag)
}

/** Our own tags have no commas. */
function tagsIn(header: string): string[] {
  return header.split(',').map((entry) => entry.trim())
}
