/**
 * Bytes of a page as text: the encoding that its type, its first bytes or its own words name, by the
 * names and rules of the Encoding standard. What we send on is UTF-8 always, and says so: then nothing
 * depends on whether a browser would have found another encoding.
 * @module
 */

import { TextDecoder } from 'node:util'

/** How far into a page it may name its encoding, bytes: as the HTML standard has it. */
const PREFIX_BYTES = 1024
const OF_TYPE = /;\s*charset\s*=\s*"?([^\s";]+)/i
const OF_META = /<meta[^>]{0,256}?charset\s*=\s*["']?\s*([^\s"'/>;]+)/i
const OF_XML = /^<\?xml[^>]{0,256}?encoding\s*=\s*["']([^"']+)/
/** A page that says so in readable bytes is not in UTF-16 (HTML standard §13.2.3.2). */
const WIDE = /^utf-16/

/** The text in pieces of at most 64 KiB. Bytes that are none in the encoding become U+FFFD. */
export async function* decodeText(
  contentType: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void> {
  let decoder: TextDecoder | undefined
  let prefix = new Uint8Array(0)
  for await (const piece of bytes) {
    if (decoder !== undefined) {
      yield* decodePiece(decoder, piece)
      continue
    }
    prefix = Buffer.concat([prefix, piece])
    if (prefix.length < PREFIX_BYTES) continue
    decoder = new TextDecoder(encodingOf(contentType, prefix))
    yield* decodePiece(decoder, prefix)
  }
  if (decoder === undefined) {
    decoder = new TextDecoder(encodingOf(contentType, prefix))
    yield* decodePiece(decoder, prefix)
  }
  yield decoder.decode()
}

/** A network piece may hold a whole part of a file; each character of it is at least one byte. */
const PIECE_BYTES = 64 * 1024

function* decodePiece(decoder: TextDecoder, piece: Uint8Array): Generator<string, void> {
  for (let at = 0; at < piece.length; at += PIECE_BYTES) {
    yield decoder.decode(piece.subarray(at, at + PIECE_BYTES), { stream: true })
  }
}

/** A label that TextDecoder knows. */
export function encodingOf(contentType: string, prefix: Uint8Array): string {
  const marked = markedEncoding(prefix)
  if (marked !== undefined) return marked
  const ofType = knownLabel(OF_TYPE.exec(contentType)?.[1])
  if (ofType !== undefined) return ofType
  const text = new TextDecoder('latin1').decode(prefix.subarray(0, PREFIX_BYTES))
  const named = knownLabel((OF_XML.exec(text) ?? OF_META.exec(text))?.[1])
  return named === undefined || WIDE.test(named) ? 'utf-8' : named
}

/** By a byte order mark, or by how `<` looks in UTF-16. */
function markedEncoding([first, second, third]: Uint8Array): string | undefined {
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8'
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  if (first === 0x3c && second === 0) return 'utf-16le'
  if (first === 0 && second === 0x3c) return 'utf-16be'
  return undefined
}

function knownLabel(label: string | undefined): string | undefined {
  if (label === undefined) return undefined
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined // a name that nobody knows is no statement
  }
}
