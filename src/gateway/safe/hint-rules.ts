/**
 * Elements that stay or go by what their attributes say: links to other files, statements about the page,
 * animations of other attributes, and scripts.
 * @module
 */
import type { Attribute } from './markup-reader.ts'

/** All that a `link` may be together; `preconnect`, `prefetch` and the like are what must not stay. */
const LINK_RELATIONS = new Set(['stylesheet', 'alternate', 'icon', 'shortcut', 'apple-touch-icon'])
const META_NAMES = new Set([
  'author',
  'color-scheme',
  'description',
  'generator',
  'keywords',
  'theme-color',
  'viewport',
])
/** `speculationrules` is what must not stay. */
const SCRIPT_TYPES = new Set([
  '',
  'application/ecmascript',
  'application/javascript',
  'application/json',
  'application/ld+json',
  'importmap',
  'module',
  'text/ecmascript',
  'text/javascript',
])
/** An animation writes these without the checks that they go through here. */
const NOT_ANIMATED = /(?:^|:)(?:href|src|style|class|on[^:]*)$/

/** True where a `link`, `meta`, `script` or animation may stay. */
export function isWanted(element: string, attributes: readonly Attribute[]): boolean {
  switch (element) {
    case 'link':
      return isWantedLink(valueOf(attributes, 'rel'))
    case 'meta':
      return (
        META_NAMES.has(valueOf(attributes, 'name') ?? '') &&
        valueOf(attributes, 'http-equiv') === undefined
      )
    case 'script':
      return SCRIPT_TYPES.has((valueOf(attributes, 'type') ?? '').split(';')[0]?.trim() ?? '')
    default:
      return !NOT_ANIMATED.test(valueOf(attributes, 'attributename') ?? '')
  }
}

/** Attributes that may stay once the element may. */
export function isPartOfHint(element: string, attribute: string): boolean {
  switch (element) {
    case 'link':
      return attribute === 'rel'
    case 'meta':
      return attribute === 'content'
    case 'script':
      return ['async', 'defer', 'nomodule'].includes(attribute)
    default:
      return false
  }
}

function isWantedLink(relation: string | undefined): boolean {
  const tokens = (relation ?? '').split(/\s+/).filter((token) => token !== '')
  return tokens.length > 0 && tokens.every((token) => LINK_RELATIONS.has(token))
}

/** In small letters and without spaces around it, as browsers compare it. */
function valueOf(attributes: readonly Attribute[], name: string): string | undefined {
  return attributes
    .find((attribute) => attribute.name.toLowerCase() === name)
    ?.value.trim()
    .toLowerCase()
}
