/**
 * Which paths of the gateway are meant as keys.
 * @module
 */

const KEY_ATTEMPT = /^\/(?:[^/\\]*(?:@|%40)|(?:urn|freenet|shoal)(?::|%3a))/i

/** True where the first path segment can only be meant as a key: then errors are 400, not 404. */
export function isKeyAttempt(path: string): boolean {
  return KEY_ATTEMPT.test(path)
}
