/**
 * Where a link of a page from the network may lead: into the network, or to our own page that shows an
 * outside address and does not fetch it. The rules are those of the URL standard for what comes first:
 * a scheme, or two slashes, leads elsewhere; all else stays on the site.
 * @module
 */
import { isKeyAttempt } from './key-path.ts'

/** Path of the page that shows an address outside of the network. */
export const OUTSIDE_PATH = '/outside'

/**
 * `page`: followed by a click. `resource`: loaded with the page. `picture`, `media`: resources that may
 * also be in the link itself. `pictures`: several, as in `srcset`. `local`: a part of the same document.
 */
export type LinkKind = 'page' | 'resource' | 'picture' | 'media' | 'pictures' | 'local'

type Place = 'inside' | 'outside' | 'data' | 'nowhere'

interface Destination {
  readonly place: Place
  readonly url: string
}

const SCHEME = /^([a-z][a-z0-9+.-]*):/i
const TWO_SLASHES = /^[/\\]{2}/
const KEY_SCHEME = /^(?:freenet|shoal|urn):/i
/** Old pages name the gateway itself. */
const OWN_GATEWAY = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?=\/)/i
/** Leads nowhere that an address could show, or is a program. */
const NOWHERE = new Set(['javascript', 'vbscript', 'blob', 'filesystem', 'about', 'file'])
const DATA: { readonly [kind in LinkKind]?: RegExp } = {
  picture: /^data:image\//i,
  media: /^data:(?:image|audio|video)\//i,
}
/** What is not above it stands for nothing at either end of a link: it and all control characters. */
const SPACE = 0x20
const LONE_SURROGATE = /\p{Surrogate}/gu
/** Longest address that our page shows, characters; a longer link is left out. */
const MAX_OUTSIDE_CHARACTERS = 4096

/** The link as it may stand in the page; undefined: the attribute must go. */
export function safeLink(value: string, kind: LinkKind): string | undefined {
  if (kind === 'pictures') return safePictures(value)
  const { place, url } = destinationOf(value)
  if (kind === 'local') return url.startsWith('#') ? url : undefined
  switch (place) {
    case 'inside':
      return url
    case 'outside':
      return kind === 'page' ? outsideLink(url) : undefined
    case 'data':
      return DATA[kind]?.test(url) ? url : undefined
    case 'nowhere':
      return undefined
  }
}

/** A path on this gateway that shows `url`. */
function outsideLink(url: string): string | undefined {
  if (url.length > MAX_OUTSIDE_CHARACTERS) return undefined
  return `${OUTSIDE_PATH}?to=${encodeURIComponent(url.replace(LONE_SURROGATE, '\ufffd'))}`
}

function destinationOf(value: string): Destination {
  const url = stripped(value)
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined) return { place: TWO_SLASHES.test(url) ? 'outside' : 'inside', url }
  if (scheme === 'data') return { place: 'data', url }
  if (KEY_SCHEME.test(url)) return { place: 'inside', url: `/${url}` }
  const path = url.replace(OWN_GATEWAY, '')
  if (path !== url && isKeyAttempt(path)) return { place: 'inside', url: path }
  return { place: NOWHERE.has(scheme) ? 'nowhere' : 'outside', url }
}

/** Without what the URL parser of a browser takes away before it reads anything. */
function stripped(value: string): string {
  const text = value.replace(/[\t\n\r]/g, '')
  let start = 0
  let end = text.length
  // not by an expression that looks for the end: it would try again from every space of a million
  while (start < end && text.charCodeAt(start) <= SPACE) start++
  while (start < end && text.charCodeAt(end - 1) <= SPACE) end--
  return text.slice(start, end)
}

/**
 * A `srcset`, if every candidate stays inside. A candidate of the standard begins where one of these
 * pieces does, and how it begins decides where it leads.
 */
function safePictures(value: string): string | undefined {
  const isInside = value.split(',').every((piece) => destinationOf(piece).place === 'inside')
  return isInside ? value : undefined
}
