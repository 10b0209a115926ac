/**
 * Tagged fields, as manifests and signed documents have them (spec §5.1): `tag u8 ‖ length u32 ‖
 * value`, tags strictly ascending, even ones that are not known left out, odd ones refused.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat } from '../keys/bytes.ts'

export const FIELD_HEADER_BYTES = 5

export function encodeField(tag: number, value: Uint8Array): Uint8Array {
  const header = new Uint8Array(FIELD_HEADER_BYTES)
  header[0] = tag
  new DataView(header.buffer).setUint32(1, value.length, true)
  return concat(header, value)
}

/**
 * The known fields from `from` to the end, by tag; values are views. `what` begins the sentence of an
 * error. @throws ShoalError E_DECODE
 */
export function decodeFields(
  bytes: Uint8Array,
  { from, known, what }: { from: number; known: ReadonlySet<number>; what: string },
): Map<number, Uint8Array> {
  const wrong = (fault: string): ShoalError => new ShoalError('E_DECODE', `${what} ${fault}.`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const fields = new Map<number, Uint8Array>()
  let lastTag = -1
  for (let at = from; at < bytes.length;) {
    if (at + FIELD_HEADER_BYTES > bytes.length) throw wrong('is cut off')
    const tag = bytes[at] as number
    const end = at + FIELD_HEADER_BYTES + view.getUint32(at + 1, true)
    if (end > bytes.length) throw wrong('is cut off')
    if (tag <= lastTag) throw wrong('has fields out of order')
    if (known.has(tag)) fields.set(tag, bytes.subarray(at + FIELD_HEADER_BYTES, end))
    else if (tag % 2 === 1) throw wrong('needs a newer version of shoal')
    lastTag = tag
    at = end
  }
  return fields
}
