/**
 * URIs as the grammar of §4 writes them: one regular expression for each rule.
 * @module
 */
import { decodePoint, isPrimeOrder } from './ed25519.ts'
import { bytesOf, hex, join, ofBase32, ofBase64url, ofHex, toBase32, toBase64url } from './text.ts'

/** What a well-formed URI says; byte strings in hexadecimal. */
export type Parsed =
  | {
      readonly type: 'chk'
      readonly reference: string
      readonly readKey: string
      readonly level: number
      readonly kind: 'bare' | 'manifest' | 'folder'
      readonly name?: string
      /** Where there is one: what follows the name; `''` at the end is a trailing slash. */
      readonly path?: readonly string[]
      /** The canonical CHK. */
      readonly canonical: string
      /** The canonical ERIS URN, for bare content. */
      readonly urn?: string
    }
  | ({ readonly type: 'ssk' } & UnderPublisher)
  | ({ readonly type: 'usk'; readonly edition: number | 'latest' } & UnderPublisher)
  | {
      readonly type: 'ksk'
      readonly word: string
      readonly path: readonly string[]
      readonly canonical: string
    }

interface UnderPublisher {
  readonly publicKey: string
  readonly readKey: string
  readonly document: string
  readonly path: readonly string[]
  readonly canonical: string
}

/** Thrown for a malformed URI; `part` is the word by which a decoder must name what is wrong. */
export class Refused extends Error {
  readonly part: string

  constructor(part: string) {
    super(`malformed: ${part}`)
    this.part = part
  }
}

const NAME = /^[^/\\\u0000-\u001f\u007f-\u009f]+$/ // oxlint-disable-line no-control-regex
const EDITION = /^(0|-?[1-9][0-9]*)$/
const KINDS = ['bare', 'manifest', '', 'folder'] as const

/** @throws Refused */
export function parse(text: string): Parsed {
  check(text.length <= 4096, 'length')
  const plain = percentDecode(text)
  const [, scheme, rest = ''] = /^(?:freenet:|shoal:)?(CHK@|SSK@|USK@|KSK@|urn:eris:)(.*)$/s.exec(
    plain,
  ) ?? [undefined, undefined]
  const [body = '', ...path] = rest.split('/')
  if (scheme === 'urn:eris:') return parseUrn(body, path)
  const parsed = parseKey(scheme, body, path)
  check(parsed.canonical.length <= 4096, 'length')
  return parsed
}

function parseKey(scheme: string | undefined, body: string, path: string[]): Parsed {
  if (scheme === 'CHK@') return parseChk(body, path)
  if (scheme === 'SSK@') return parseSsk(body, path)
  if (scheme === 'USK@') return parseUsk(body, path)
  check(scheme === 'KSK@', 'scheme')
  const word = documentName(body, 'word')
  const inside = checkPath(path)
  const canonical = `KSK@${[word, ...inside].map(encodeName).join('/')}`
  return { type: 'ksk', word, path: inside, canonical }
}

function parseChk(body: string, path: string[]): Parsed {
  const { first, second, extra } = keyParts(body, 'reference')
  const [version, suite, level = 0, kind = 0] = extra
  check(version === 1 && suite === 1 && [0, 1, 3].includes(kind), 'extra')
  check(level <= (kind === 0 ? 5 : 0), 'extra')
  const of = { reference: first, readKey: second, level, kind }
  if (kind !== 3) return content(of, optionalName(path))
  const [name, ...rest] = path
  if (name === undefined || path.join('/') === '') return content(of, undefined, path)
  checkName(name, 'name')
  return content(of, name, checkPath(rest))
}

function parseUrn(body: string, path: string[]): Parsed {
  const bytes = body.length === 106 ? ofBase32(body) : undefined
  if (bytes === undefined) throw new Refused('urn')
  const [sizeCode, level = 0] = bytes
  check(sizeCode !== 0x0a, '1 KiB')
  check(sizeCode === 0x0f && level <= 5, 'urn')
  const pair = { reference: bytes.slice(2, 34), readKey: bytes.slice(34), level, kind: 0 }
  return content(pair, optionalName(path))
}

function parseSsk(body: string, path: string[]): Parsed {
  const key = publisherKey(body)
  const document = documentName(path[0] ?? '', 'document')
  const inside = checkPath(path.slice(1))
  const canonical = ['SSK@' + body, ...[document, ...inside].map(encodeName)].join('/')
  return { type: 'ssk', ...key, document, path: inside, canonical }
}

function parseUsk(body: string, path: string[]): Parsed {
  const key = publisherKey(body)
  const document = documentName(path[0] ?? '', 'document')
  const text = path[1] ?? ''
  check(text === 'latest' || EDITION.test(text), 'edition')
  const edition = text === 'latest' ? text : Number(text)
  if (text !== 'latest') {
    check(BigInt(text) < 2n ** 51n && BigInt(text) > -(2n ** 51n), 'edition')
  }
  const inside = checkPath(path.slice(2))
  const canonical = ['USK@' + body, ...[document, text, ...inside].map(encodeName)].join('/')
  return { type: 'usk', ...key, document, edition, path: inside, canonical }
}

const prime = new Map<string, boolean>()

function publisherKey(body: string): { publicKey: string; readKey: string } {
  const { first, second, extra } = keyParts(body, 'public key')
  check(hex(extra) === '01010002', 'extra')
  const publicKey = hex(first)
  if (!prime.has(publicKey)) {
    const point = decodePoint(first)
    prime.set(publicKey, point !== undefined && isPrimeOrder(point))
  }
  check(prime.get(publicKey) === true, 'public key')
  return { publicKey, readKey: hex(second) }
}

function keyParts(body: string, firstName: string) {
  const parts = body.split(',')
  check(parts[2]?.length !== 7 && !body.includes('~'), 'Hyphanet')
  check(parts.length === 3, 'parts')
  const [first = '', second = '', extra = ''] = parts
  return {
    first: fixedBytes(first, 43, firstName),
    second: fixedBytes(second, 43, 'read key'),
    extra: fixedBytes(extra, 6, 'extra'),
  }
}

function fixedBytes(text: string, characters: number, part: string): Uint8Array {
  const bytes = text.length === characters ? ofBase64url(text) : undefined
  if (bytes === undefined) throw new Refused(part)
  return bytes
}

function optionalName(path: string[]): string | undefined {
  check(path.length <= 1, 'name')
  const [name = ''] = path
  if (name === '') return undefined
  checkName(name, 'name')
  return name
}

function checkPath(path: string[]): string[] {
  const names = path.map((name) => name.normalize('NFC'))
  for (const name of names.at(-1) === '' ? names.slice(0, -1) : names) checkName(name, 'path')
  return names
}

/** §3.4: NFC, a name, and nothing that could be taken for an edition. */
export function documentName(text: string, part: string): string {
  const name = text.normalize('NFC')
  check(!/^-?[0-9]+$/.test(name) && name !== 'latest', part)
  checkName(name, part)
  return name
}

function checkName(name: string, part: string): void {
  check(NAME.test(name) && name !== '.' && name !== '..', part)
  check(bytesOf(name).length <= 255 && !/\p{Cs}/u.test(name), part)
}

function content(
  of: { reference: Uint8Array; readKey: Uint8Array; level: number; kind: number },
  name: string | undefined,
  path: string[] = [],
): Parsed {
  const after = name === undefined ? path : [name, ...path]
  const end = after.map((segment) => `/${encodeName(segment)}`).join('')
  const extra = Uint8Array.of(1, 1, of.level, of.kind)
  const key = [of.reference, of.readKey, extra].map(toBase64url).join(',')
  const capability = join(Uint8Array.of(0x0f, of.level), of.reference, of.readKey)
  return {
    type: 'chk',
    reference: hex(of.reference),
    readKey: hex(of.readKey),
    level: of.level,
    kind: KINDS[of.kind] as 'bare' | 'manifest' | 'folder',
    ...(name === undefined ? {} : { name }),
    ...(path.length === 0 ? {} : { path }),
    canonical: `CHK@${key}${end}`,
    ...(of.kind === 0 ? { urn: `urn:eris:${toBase32(capability)}${end}` } : {}),
  }
}

function encodeName(name: string): string {
  const encodeByte = (byte: number): string => {
    const character = String.fromCharCode(byte)
    if (/[A-Za-z0-9._~-]/.test(character)) return character
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return Array.from(bytesOf(name), encodeByte).join('')
}

/** One pass over the whole text (RFC 3986 §2.1); what the escapes say must be UTF-8. */
function percentDecode(text: string): string {
  check(!/%(?![0-9A-Fa-f]{2})/.test(text), 'percent-encoding')
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    try {
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      return decoder.decode(ofHex(escapes.replaceAll('%', '')))
    } catch {
      throw new Refused('percent-encoding')
    }
  })
}

function check(holds: boolean, part: string): void {
  if (!holds) throw new Refused(part)
}
