/**
 * What a key of the keyring may be called (spec §11.8): something that can be typed on a command line
 * and written on one line of paper.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { utf8 } from '../keys/bytes.ts'
import { nameFault } from '../keys/names.ts'

/** Longest name, bytes of UTF-8. */
export const MAX_KEY_NAME_BYTES = 64

/** `name` in NFC. @throws ShoalError E_NAME saying what is wrong with it. */
export function checkedKeyName(name: string): string {
  const normal = name.normalize('NFC')
  const fault = keyNameFault(normal)
  if (fault !== undefined) throw new ShoalError('E_NAME', `The name of a key ${fault}.`)
  return normal
}

function keyNameFault(name: string): string | undefined {
  const fault = nameFault(name)
  if (fault !== undefined) return fault
  if (utf8(name).length > MAX_KEY_NAME_BYTES) return `is longer than ${MAX_KEY_NAME_BYTES} bytes`
  if (name.startsWith('-')) return 'must not begin with "-", like an option'
  if (name.trim() !== name) return 'must not begin or end with a space'
  if (/[\p{Zl}\p{Zp}]/u.test(name)) return 'has a line break'
  return undefined
}
