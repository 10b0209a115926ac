/**
 * Key URIs (spec §4): one parser for every spelling that people paste, one canonical form out. What
 * is malformed is refused here, before anything is sent, naming the part that is wrong.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Address } from './block.ts'
import { base32, base64url, concat, fromBase32, fromBase64url } from './bytes.ts'
import { MAX_TREE_LEVEL } from './eris.ts'
import { MAX_EDITION, documentNameFault, nameFault } from './names.ts'
import { isPrimeOrderPoint } from './primitives.ts'

export { nameFault }

/** A URI that names content by its bytes. */
export interface ContentUri {
  readonly type: 'chk'
  /** Address of the tree's root block. */
  readonly reference: Address
  /** Opens the root block. */
  readonly readKey: Uint8Array
  /** Levels of inner nodes above the leaves; 0: the root block is the only leaf. */
  readonly level: number
  /** A `folder` is a manifest too, and the URI may go on with a path into it. */
  readonly kind: 'bare' | 'manifest' | 'folder'
  /** First path segment, decoded; undefined where the URI has none. A hint, never trusted. */
  readonly name: string | undefined
  /** What follows the name; always empty for bare content and single files. */
  readonly path: Path
}

/**
 * Path segments after what names the document, decoded. `[]`: nothing follows; a last segment `''`
 * is the slash that a folder ends with, so `['']` is the document's own slash.
 */
export type Path = readonly string[]

/** What a reader of a publisher's document needs, all of it in the URI. */
interface UnderPublisher {
  /** The publisher's master public key; never seen by the network. */
  readonly publicKey: Uint8Array
  readonly readKey: Uint8Array
  /** 1 to 255 bytes, NFC. */
  readonly document: string
  readonly path: Path
}

/** A document under a publisher's key that never changes. */
export interface SskUri extends UnderPublisher {
  readonly type: 'ssk'
}

/** One edition of a document, or where to begin looking for the newest one. */
export interface UskUri extends UnderPublisher {
  readonly type: 'usk'
  /** -MAX_EDITION to MAX_EDITION; negative: search from its magnitude on before answering. */
  readonly edition: number | 'latest'
}

/** A word that anyone may write to. */
export interface KskUri {
  readonly type: 'ksk'
  /** 1 to 255 bytes, NFC. */
  readonly word: string
  readonly path: Path
}

export type ShoalUri = ContentUri | SskUri | UskUri | KskUri

/** Longest URI, characters: a name of 255 bytes, percent-encoded, fits five times. */
const MAX_URI_CHARACTERS = 4096
const URN_PREFIX = 'urn:eris:'
const VERSION = 1
const SUITE = 1
/** `extra` of the publisher keys (spec §3.4). */
const PUBLISHER_EXTRA = Uint8Array.of(VERSION, SUITE, 0, 2)
/** By the last byte of `extra`; 2 is that of the publisher keys. */
const KINDS = ['bare', 'manifest', undefined, 'folder'] as const
const BLOCK_SIZE_CODE = 0x0f // log2 of 32 KiB
const SMALL_BLOCK_SIZE_CODE = 0x0a // log2 of 1 KiB

/**
 * Any spelling of a key: `CHK@…`, `SSK@…`, `USK@…`, `KSK@…`, `urn:eris:…`, with `freenet:` or
 * `shoal:` in front, percent-encoded. @throws ShoalError E_URI naming the part that is wrong.
 */
export function parseUri(text: string): ShoalUri {
  checkLength(text)
  const plain = percentDecode(text).replace(/^(freenet:|shoal:)/, '')
  const [head = '', ...path] = plain.split('/')
  if (head.startsWith('urn:')) return parseUrn(head, path)
  const uri = parseKey(head, path)
  checkLength(formatUri(uri)) // so that every key can be written in its canonical form
  return uri
}

function parseKey(head: string, path: Path): ShoalUri {
  const at = head.indexOf('@')
  if (at < 0)
    throw wrong('scheme', 'is missing: a key starts with CHK@, SSK@, USK@, KSK@ or urn:eris:')
  const scheme = head.slice(0, at)
  const rest = head.slice(at + 1)
  switch (scheme) {
    case 'CHK':
      return parseChk(rest, path)
    case 'SSK':
      return parseSsk(rest, path)
    case 'USK':
      return parseUsk(rest, path)
    case 'KSK':
      return { type: 'ksk', word: documentName('word', rest), path: normalPath(path) }
    default:
      throw wrong('scheme', 'must be CHK, SSK, USK or KSK, in capitals')
  }
}

function checkLength(text: string): void {
  if (text.length > MAX_URI_CHARACTERS) throw wrong('length', 'is over 4,096 characters')
}

/**
 * The one canonical form of a key (spec §4); of bare content its CHK. A path keeps its trailing
 * slash. @throws RangeError for a CHK with a path but no name, unless it is its slash (a bug).
 */
export function formatUri(uri: ShoalUri): string {
  switch (uri.type) {
    case 'chk':
      return formatChk(uri)
    case 'ssk':
      return formatPublisherKey('SSK', uri, [uri.document, ...uri.path])
    case 'usk':
      return formatPublisherKey('USK', uri, [uri.document, String(uri.edition), ...uri.path])
    case 'ksk':
      return `KSK@${[uri.word, ...uri.path].map(encodeName).join('/')}`
  }
}

/** The canonical `urn:eris:…[/name]` of bare content. @throws RangeError for a manifest (a bug). */
export function formatUrn(uri: ContentUri): string {
  if (uri.kind !== 'bare') throw new RangeError('only bare content has an ERIS URN')
  const capability = concat(Uint8Array.of(BLOCK_SIZE_CODE, uri.level), uri.reference, uri.readKey)
  return `${URN_PREFIX}${base32(capability)}${formatPath(contentPath(uri))}`
}

function formatChk(uri: ContentUri): string {
  const extra = Uint8Array.of(VERSION, SUITE, uri.level, KINDS.indexOf(uri.kind))
  const parts = [uri.reference, uri.readKey, extra].map(base64url)
  return `CHK@${parts.join(',')}${formatPath(contentPath(uri))}`
}

function contentPath({ name, path }: ContentUri): Path {
  if (name !== undefined) return [name, ...path]
  if (path.some((segment) => segment !== '')) throw new RangeError('a path needs a name before it')
  return path
}

function formatPublisherKey(scheme: string, uri: UnderPublisher, path: Path): string {
  const parts = [uri.publicKey, uri.readKey, PUBLISHER_EXTRA].map(base64url)
  return `${scheme}@${parts.join(',')}${formatPath(path)}`
}

function formatPath(path: Path): string {
  return path.map((segment) => `/${encodeName(segment)}`).join('')
}

function encodeName(name: string): string {
  const encoded = encodeURIComponent(name)
  return encoded.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function checkName(part: string, name: string): void {
  const fault = nameFault(name)
  if (fault !== undefined) throw wrong(part, fault)
}

function parseChk(text: string, path: Path): ContentUri {
  const { first, second, extra } = keyParts(text, 'reference')
  checkVersion(extra)
  const [, , level = 0, kindNumber = 0] = extra
  const kind = KINDS[kindNumber]
  if (kind === undefined) throw wrong('extra', 'names a kind of content this version does not know')
  if (level > (kind === 'bare' ? MAX_TREE_LEVEL : 0)) {
    throw wrong('extra', 'names a tree level that no content has')
  }
  const after = kind === 'folder' ? nameAndPath(path) : onlyName(path)
  return { type: 'chk', reference: first as Address, readKey: second, level, kind, ...after }
}

function parseUrn(head: string, path: Path): ContentUri {
  if (!head.startsWith(URN_PREFIX)) throw wrong('scheme', 'must be urn:eris: in lower case')
  const bytes = fromBase32(head.slice(URN_PREFIX.length))
  if (bytes?.length !== 66) throw wrong('urn', 'is not 106 characters of canonical base32')
  const [sizeCode, level = 0] = bytes
  if (sizeCode === SMALL_BLOCK_SIZE_CODE) {
    throw wrong('urn', 'has a block size of 1 KiB; this network stores 32 KiB blocks only')
  }
  if (sizeCode !== BLOCK_SIZE_CODE) throw wrong('urn', 'has an unknown block size')
  if (level > MAX_TREE_LEVEL) throw wrong('urn', 'names a tree level that no content has')
  return {
    type: 'chk',
    reference: bytes.slice(2, 34) as Address,
    readKey: bytes.slice(34),
    level,
    kind: 'bare',
    ...onlyName(path),
  }
}

function parseSsk(text: string, path: Path): SskUri {
  const key = publisherKey(text)
  const [document = '', ...rest] = path
  return {
    type: 'ssk',
    ...key,
    document: documentName('document', document),
    path: normalPath(rest),
  }
}

function parseUsk(text: string, path: Path): UskUri {
  const key = publisherKey(text)
  const [name = '', edition = '', ...rest] = path
  const document = documentName('document', name)
  return { type: 'usk', ...key, document, edition: parseEdition(edition), path: normalPath(rest) }
}

function parseEdition(text: string): number | 'latest' {
  if (text === 'latest') return text
  if (!/^(0|-?[1-9][0-9]*)$/.test(text) || Math.abs(Number(text)) > MAX_EDITION) {
    throw wrong('edition', 'is neither "latest" nor a whole number below 2^51')
  }
  return Number(text)
}

function publisherKey(text: string): { publicKey: Uint8Array; readKey: Uint8Array } {
  const { first, second, extra } = keyParts(text, 'public key')
  checkVersion(extra)
  if (extra.some((byte, i) => byte !== PUBLISHER_EXTRA[i])) {
    throw wrong('extra', 'is not that of a publisher key')
  }
  if (!isPrimeOrderPoint(first)) throw wrong('public key', 'is one that no publisher can have')
  return { publicKey: first, readKey: second }
}

function keyParts(text: string, firstName: string) {
  const parts = text.split(',')
  // their five bytes begin with 0 or with 1, 0; ours with the two versions, 1, 1
  if (/^(AA[\w~-]{5}|AQA[\w~-]{4})$/.test(parts[2] ?? '') || text.includes('~')) {
    throw wrong('extra', 'this is a Hyphanet key; shoal cannot fetch those')
  }
  if (parts.length !== 3) throw wrong('key', 'must have three parts, separated by commas')
  const [first = '', second = '', extra = ''] = parts
  return {
    first: exactBytes(firstName, first, 32),
    second: exactBytes('read key', second, 32),
    extra: exactBytes('extra', extra, 4),
  }
}

function exactBytes(part: string, text: string, length: number): Uint8Array {
  const characters = Math.ceil((length * 8) / 6)
  const has = text.length
  if (has !== characters) throw wrong(part, `must have ${characters} characters, not ${has}`)
  const bytes = fromBase64url(text)
  if (bytes === undefined) throw wrong(part, 'is not canonical base64url')
  return bytes
}

function checkVersion(extra: Uint8Array): void {
  if (extra[0] !== VERSION) throw wrong('extra', 'names a format version this node does not know')
  if (extra[1] !== SUITE) throw wrong('extra', 'names a cipher suite this node does not know')
}

/** After a single file: a name or nothing. A slash at the end says nothing. */
function onlyName(path: Path): Pick<ContentUri, 'name' | 'path'> {
  const [name = '', ...more] = path
  if (more.length > 0) throw wrong('name', 'a key of one file has one name after it, not a path')
  if (name === '') return { name: undefined, path: [] }
  checkName('name', name)
  return { name, path: [] }
}

/** After a folder: its name and a path into it, or only its slash. */
function nameAndPath(path: Path): Pick<ContentUri, 'name' | 'path'> {
  const [name, ...rest] = path
  if (name === undefined || (name === '' && rest.length === 0)) return { name: undefined, path }
  checkName('name', name)
  return { name, path: normalPath(rest) }
}

function documentName(part: string, text: string): string {
  const name = text.normalize('NFC')
  const fault = documentNameFault(name)
  if (fault !== undefined) throw wrong(part, fault)
  return name
}

/** Names in folders are NFC (spec §5), so a path is too. */
function normalPath(path: Path): Path {
  const names = path.map((name) => name.normalize('NFC'))
  // an empty last segment is the slash of a folder
  for (const name of names.at(-1) === '' ? names.slice(0, -1) : names) checkName('path', name)
  return names
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong('percent-encoding', 'is malformed')
  }
}

function wrong(part: string, what: string): ShoalError {
  return new ShoalError('E_URI', `Not a valid key: ${part}: ${what}.`)
}
