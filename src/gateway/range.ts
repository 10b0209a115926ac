/**
 * What a request asks for besides the whole: its range, and the version it already holds (RFC 9110
 * §13, §14). The tag stands for the key, and nobody can get from it to the key.
 * @module
 */
import { createHash } from 'node:crypto'

import type { ContentUri } from '../keys/uri.ts'
import type { ByteRange, RequestedRange } from '../node.ts'

const ONE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i
const TAG_LABEL = 'shoal/etag/1'

/**
 * The range that a `Range` header asks for; undefined (the whole) where there is none, where it is
 * malformed, and where it names several: RFC 9110 §14.2 lets a server ignore those.
 */
export function parseRange(header: string | undefined): RequestedRange | undefined {
  const match = ONE_RANGE.exec(header ?? '')
  const [, first = '', last = ''] = match ?? []
  if (first === '') return last === '' ? undefined : { type: 'suffix', length: bounded(last) }
  const range = {
    type: 'from-to',
    first: bounded(first),
    last: last === '' ? undefined : bounded(last),
  } as const
  return range.last !== undefined && range.last < range.first ? undefined : range
}

/** `bytes 0-99/1234`; the whole size alone where no byte was in the range. */
export function contentRange(range: ByteRange | undefined, size: number): string {
  return range === undefined ? `bytes */${size}` : `bytes ${range.first}-${range.last}/${size}`
}

/** Strong tag of what a key names: the same for all its spellings and names. */
export function entityTag(uri: ContentUri): string {
  const hash = createHash('sha256')
  hash.update(TAG_LABEL).update(uri.kind).update(Uint8Array.of(uri.level))
  hash.update(uri.reference).update(uri.readKey)
  return `"${hash.digest('base64url')}"`
}

/** `If-None-Match`, by the weak comparison. `*` is ignored: only the network could answer it. */
export function holdsTag(header: string | undefined, tag: string): boolean {
  const tags = (header ?? '').split(',').map((entry) => entry.trim().replace(/^W\//, ''))
  return tags.includes(tag)
}

/** `If-Range`, by the strong comparison: a weak tag or a date means another version. */
export function rangeStillApplies(header: string | undefined, tag: string): boolean {
  return header === undefined || header.trim() === tag
}

/** No content is that large, so what lies beyond is as good as the bound, and stays exact. */
function bounded(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}
