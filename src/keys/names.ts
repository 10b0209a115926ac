/**
 * What names may be (spec §4): path segments of keys, documents of publishers, words.
 * @module
 */
import { utf8 } from './bytes.ts'

/** Greatest edition: with the offset of a head (spec §3.6) it stays below 2^53. */
export const MAX_EDITION = 2 ** 51 - 1
const MAX_NAME_BYTES = 255

/** What keeps `name` from being a path segment of a key (spec §4); undefined: nothing does. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (utf8(name).length > MAX_NAME_BYTES) return 'is longer than 255 bytes'
  if (name === '.' || name === '..') return 'must not be "." or ".."'
  if (/[/\\\p{Cc}\p{Cs}]/u.test(name)) {
    return 'has a slash, a backslash, a control character or half a character'
  }
  return undefined
}

/** What keeps `name`, in NFC, from naming a document or being a KSK's word; undefined: nothing does. */
export function documentNameFault(name: string): string | undefined {
  if (/^-?[0-9]+$/.test(name) || name === 'latest') return 'looks like an edition'
  return nameFault(name)
}
