/**
 * The `Range` header (RFC 9110 §14): which bytes are asked for, and what the answer says of them.
 * @module
 */
import type { ByteRange, RequestedRange } from '../node.ts'

/** A longer header, or more ranges in it, are answered with the whole: no player asks so. */
const MAX_HEADER_CHARACTERS = 2048
const MAX_SPECS = 100
const UNIT = /^bytes=/i
const SPEC = /^(\d*)-(\d*)$/

/**
 * The ranges that a `Range` header asks for, at least one; undefined (the whole) where there is none,
 * where any of them is malformed, and where there are too many: RFC 9110 §14.2 lets a server ignore those.
 */
export function parseRanges(header: string | undefined): readonly RequestedRange[] | undefined {
  if (header === undefined || header.length > MAX_HEADER_CHARACTERS || !UNIT.test(header)) {
    return undefined
  }
  const specs = header
    .slice(header.indexOf('=') + 1)
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '') // RFC 9110 §5.6.1.2: empty elements count for nothing
  if (specs.length === 0 || specs.length > MAX_SPECS) return undefined
  const ranges: RequestedRange[] = []
  for (const spec of specs) {
    const range = parseSpec(spec)
    if (range === undefined) return undefined
    ranges.push(range)
  }
  return ranges
}

/** `bytes 0-99/1234`; the whole size alone where no byte was in the range. */
export function contentRange(range: ByteRange | undefined, size: number): string {
  return range === undefined ? `bytes */${size}` : `bytes ${range.first}-${range.last}/${size}`
}

function parseSpec(spec: string): RequestedRange | undefined {
  const [, first = '', last = ''] = SPEC.exec(spec) ?? []
  if (first === '') return last === '' ? undefined : { type: 'suffix', length: bounded(last) }
  const end = last === '' ? undefined : bounded(last)
  if (end !== undefined && end < bounded(first)) return undefined
  return { type: 'from-to', first: bounded(first), last: end }
}

/** No content is that large, so what lies beyond is as good as the bound, and stays exact. */
function bounded(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}
