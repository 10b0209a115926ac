/**
 * Content types: what a file is served as, and whether a browser may show it without a sandbox.
 * @module
 */
import mime from 'mime'

const FALLBACK = 'application/octet-stream'
/** The manifest has one byte for the length (spec §5.1). */
const MAX_TYPE_BYTES = 255
const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const PARAMETER = `[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|"[^"\\\\\\u0000-\\u001f\\u007f-\\uffff]*")`
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:${PARAMETER})*$`)

/** What a browser paints and never executes; SVG is a document with scripts and is not among them. */
const RASTER_IMAGES = new Set(
  ['apng', 'avif', 'bmp', 'gif', 'jpeg', 'jpg', 'jxl', 'png', 'webp', 'x-icon'].map(
    (subtype) => `image/${subtype}`,
  ),
)
RASTER_IMAGES.add('image/vnd.microsoft.icon')
/** No `+`: whatever the main type, browsers render a subtype that ends in `+xml` as a document. */
const SOUND_OR_FILM = /^(audio|video)\/[a-z0-9.-]+$/

/** `type/subtype` with parameters (RFC 9110 §8.3.1), at most 255 bytes. */
export function isMediaType(text: string): boolean {
  return text.length <= MAX_TYPE_BYTES && MEDIA_TYPE.test(text)
}

/**
 * What content is served as: the manifest's type, else the one its name gives. Text without a charset
 * is UTF-8, the only encoding that HTML may have today; a file in another one says so in its type.
 */
export function servedType(manifestType: string | undefined, name: string | undefined): string {
  const type = manifestType ?? typeOfName(name)
  if (!isMediaType(type)) return FALLBACK
  return /^text\//i.test(type) && !/;\s*charset=/i.test(type) ? `${type}; charset=utf-8` : type
}

/** True for sound, film and raster images: what may be shown without a sandbox (threat model §4). */
export function isInert(contentType: string): boolean {
  const essence = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  return RASTER_IMAGES.has(essence) || SOUND_OR_FILM.test(essence)
}

function typeOfName(name: string | undefined): string {
  // the slash: without one, `mime` takes a file called "html" for an extension
  return (name === undefined ? null : mime.getType(`/${name}`)) ?? FALLBACK
}
