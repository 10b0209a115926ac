/**
 * TLV tails (spec §1.4), and how the wire says that something is malformed.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat, copyOf } from '../keys/bytes.ts'

/** A field of a TLV tail: even tags may be skipped, unknown odd ones make the whole malformed. */
export interface Field {
  readonly tag: number
  readonly value: Uint8Array
}

/** Each field as `tag u8 ‖ length u8 ‖ value`, without a length in front. Values have at most 255 bytes. */
export function encodeFields(fields: readonly Field[]): Uint8Array {
  return concat(
    ...fields.flatMap(({ tag, value }) => [Uint8Array.of(tag, checkedLength(value)), value]),
  )
}

/**
 * The fields of a TLV tail that fills `bytes` from `start` to the end, known to nobody yet: even ones
 * are given back, an odd one is malformed. @throws ShoalError E_MESSAGE_CODEC
 */
export function decodeTail(bytes: Uint8Array, start: number): Field[] {
  const fields: Field[] = []
  let at = start
  let lastTag = -1
  while (at < bytes.length) {
    const [tag = 0, length] = bytes.subarray(at, at + 2)
    if (length === undefined || at + 2 + length > bytes.length)
      throw malformed('has a cut-off field')
    if (tag <= lastTag) throw malformed('has fields out of order')
    if (tag % 2 === 1) throw malformed('has a field that must be understood and is not')
    fields.push({ tag, value: copyOf(bytes, at + 2, at + 2 + length) })
    lastTag = tag
    at += 2 + length
  }
  return fields
}

/** What a decoder throws: `what` ends a sentence that begins with "The message". */
export function malformed(what: string): ShoalError {
  return new ShoalError('E_MESSAGE_CODEC', `The message ${what}.`)
}

function checkedLength(value: Uint8Array): number {
  if (value.length > 255) throw new RangeError('a field is too long')
  return value.length
}
