/**
 * What people paste for a key: `CHK@…`, Freenet's spellings, or a whole URL out of a browser. Only
 * enough is understood here to send it as a path; what is wrong with a key the gateway says.
 * @module
 */
import { UsageError } from './failures.ts'

export interface PastedKey {
  /** Percent-encoded path, with the leading slash. */
  readonly path: string
  /** The local gateway that a pasted URL names; never a foreign host. */
  readonly gateway: URL | undefined
}

/** In front of the gateway's name where an address comes from a page of a site. */
const SITE_LABEL = /^[a-z2-7]{52}\.(?=localhost)/i
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i

/** @throws UsageError for what cannot be a key. */
export function parsePastedKey(text: string): PastedKey {
  const trimmed = text.trim()
  // Taken apart by hand: `new URL` would resolve `..` in a name.
  const [, scheme, authority, rest] = /^(https?):\/\/([^/?#]*)(\/[^?#]*)/i.exec(trimmed) ?? []
  const path = encodePath(rest ?? `/${trimmed}`)
  if (!looksLikeKey(path)) {
    throw new UsageError(`URI: a key such as CHK@… or urn:eris:…, not ${JSON.stringify(text)}`)
  }
  const host = (authority ?? '').replace(SITE_LABEL, '')
  return { path, gateway: LOOPBACK.test(host) ? new URL(`${scheme}://${host}/`) : undefined }
}

/** What a path may hold stays as it is, valid percent escapes too; all else is escaped. */
function encodePath(path: string): string {
  return path.replace(/%(?![0-9a-f]{2})|[^\w\-.~!$&'()*+,;=:@/%]/giu, (character) =>
    encodeURIComponent(character.replace(/\p{Surrogate}/u, '\ufffd')),
  )
}

/** The gateway's own rule (first segment with `@`, or a urn): all else is a page or the API. */
function looksLikeKey(path: string): boolean {
  const first = path.split('/')[1] ?? ''
  return /@|%40/i.test(first) || /^((freenet|shoal):)?urn(:|%3a)/i.test(first)
}
