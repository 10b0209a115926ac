/**
 * What people paste for a key.
 * @module
 */
import { ShoalError } from '../errors.ts'

/** A whole address, also without `http://`, as browsers show it: what counts is its path. */
const WEB_ADDRESS =
  /^(?:https?:\/\/[^/]*|(?:(?:[a-z2-7]{52}\.)?localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?)?\/([^?#]*)/i

/** The key that was pasted alone or as a whole address of some gateway, unchecked. @throws ShoalError E_URI */
export function keyInPasted(text: string): string {
  const trimmed = text.trim()
  const key = WEB_ADDRESS.exec(trimmed)?.[1] ?? trimmed
  if (key === '') throw new ShoalError('E_URI', 'Not a valid key: nothing was pasted.')
  return key
}
