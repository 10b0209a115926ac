/**
 * Several ranges in one answer: `multipart/byteranges` (RFC 9110 §14.6). What a client asks for is
 * bounded first, so that no header makes an answer larger than the content, or of thousands of parts.
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto'

import type { ByteRange, RequestedRange } from '../node.ts'
import { contentRange } from './range.ts'

/** Parts of one answer; who asks for more gets the whole. */
const MAX_PARTS = 16
/** Ranges nearer to each other than the lines between two parts are one, bytes (RFC 9110 §15.3.7.2). */
const MERGED_GAP_BYTES = 80
const BOUNDARY_DIGITS = 24
/** Nobody who writes content can know a boundary, and HEAD names the same one as GET. */
const BOUNDARY_SECRET = randomBytes(32)

export type RangePlan =
  | { readonly type: 'whole' }
  | { readonly type: 'unsatisfiable' }
  | { readonly type: 'parts'; readonly parts: readonly ByteRange[] }

/**
 * What content of `size` bytes answers to `asked`, in the order asked: overlapping and near ranges are
 * one part, in the place of the first of them. More than 16 parts, or ranges that together are longer
 * than the content, mean the whole.
 */
export function planRanges(asked: readonly RequestedRange[], size: number): RangePlan {
  const ranges = asked.map((range) => satisfied(range, size)).filter((range) => range !== undefined)
  if (ranges.length === 0) return { type: 'unsatisfiable' }
  const bytes = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  if (bytes > size) return { type: 'whole' }
  const parts = merged(ranges)
  return parts.length > MAX_PARTS ? { type: 'whole' } : { type: 'parts', parts }
}

/** One answer of several parts, before any of its bytes is there. */
export interface Multipart {
  readonly contentType: string
  /** Bytes of the whole body. */
  readonly length: number
  /** What stands before each part. */
  readonly heads: readonly Uint8Array[]
  /** What stands after the last. */
  readonly tail: Uint8Array
}

/** `contentType` and `tag` are those of the content; `size`: all of its bytes. */
export function describeMultipart(
  parts: readonly ByteRange[],
  { contentType, tag, size }: { contentType: string; tag: string; size: number },
): Multipart {
  const boundary = boundaryOf(tag, parts)
  const heads = parts.map((part, index) => {
    const lines = [
      `${index === 0 ? '' : '\r\n'}--${boundary}`,
      `Content-Type: ${contentType}`,
      `Content-Range: ${contentRange(part, size)}`,
      '\r\n',
    ]
    return Buffer.from(lines.join('\r\n'), 'latin1')
  })
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1')
  const lines = heads.reduce((sum, head) => sum + head.length, tail.length)
  const bytes = parts.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length: lines + bytes,
    heads,
    tail,
  }
}

/** The body: `open` is called for one part after the other, when the one before it has been taken. */
export async function* multipartBody(
  { heads, tail }: Multipart,
  open: (part: number) => Promise<ReadableStream<Uint8Array>>,
): AsyncGenerator<Uint8Array, void> {
  for (const [part, head] of heads.entries()) {
    const stream = await open(part)
    try {
      yield head
      yield* stream
    } finally {
      await stream.cancel() // whoever stops at the head has not begun the stream
    }
  }
  yield tail
}

function satisfied(range: RequestedRange, size: number): ByteRange | undefined {
  if (range.type === 'suffix') {
    const isEmpty = range.length === 0 || size === 0
    return isEmpty ? undefined : { first: Math.max(0, size - range.length), last: size - 1 }
  }
  if (range.first >= size) return undefined
  return { first: range.first, last: Math.min(size - 1, range.last ?? size - 1) }
}

function merged(ranges: readonly ByteRange[]): ByteRange[] {
  const sorted = [...ranges.entries()].sort(([, a], [, b]) => a.first - b.first)
  const groups: { place: number; first: number; last: number }[] = []
  for (const [place, { first, last }] of sorted) {
    const group = groups.at(-1)
    if (group !== undefined && first - group.last - 1 < MERGED_GAP_BYTES) {
      group.last = Math.max(group.last, last)
      group.place = Math.min(group.place, place)
    } else groups.push({ place, first, last })
  }
  return groups.sort((a, b) => a.place - b.place).map(({ first, last }) => ({ first, last }))
}

function boundaryOf(tag: string, parts: readonly ByteRange[]): string {
  const what = `${tag} ${parts.map(({ first, last }) => `${first}-${last}`).join()}`
  return createHmac('sha256', BOUNDARY_SECRET).update(what).digest('hex').slice(0, BOUNDARY_DIGITS)
}
