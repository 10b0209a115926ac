/**
 * Key URIs (spec §4): one parser for every spelling that people paste, one canonical form out. What
 * is malformed is refused here, before anything is sent, naming the part that is wrong.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Address } from './block.ts'
import { base32, base64url, concat, fromBase32, fromBase64url, utf8 } from './bytes.ts'
import { MAX_TREE_LEVEL } from './eris.ts'

/** A URI that names content by its bytes: what fetch takes. */
export interface ContentUri {
  readonly type: 'chk'
  /** Address of the tree's root block. */
  readonly reference: Address
  /** Opens the root block. */
  readonly readKey: Uint8Array
  /** Levels of inner nodes above the leaves; 0: the root block is the only leaf. */
  readonly level: number
  readonly kind: 'bare' | 'manifest'
  /** Last path segment, decoded; undefined where the URI has none. A hint, never trusted. */
  readonly name: string | undefined
}

/** A well-formed key under a publisher's name or a word. */
export interface PublisherUri {
  readonly type: 'ssk' | 'usk' | 'ksk'
}

export type ShoalUri = ContentUri | PublisherUri

/** Longest URI, characters: a name of 255 bytes, percent-encoded, fits five times. */
const MAX_URI_CHARACTERS = 4096
const MAX_NAME_BYTES = 255
const URN_PREFIX = 'urn:eris:'
const VERSION = 1
const SUITE = 1
/** `extra` of the publisher keys until their own section says more (spec §3.4). */
const PUBLISHER_EXTRA = [VERSION, SUITE, 0, 2]
const KINDS = ['bare', 'manifest'] as const
const MAX_EDITION = 2 ** 51 - 1
const BLOCK_SIZE_CODE = 0x0f // log2 of 32 KiB
const SMALL_BLOCK_SIZE_CODE = 0x0a // log2 of 1 KiB

/**
 * Any spelling of a key: `CHK@…`, `SSK@…`, `USK@…`, `KSK@…`, `urn:eris:…`, with `freenet:` or
 * `shoal:` in front, percent-encoded. @throws ShoalError E_URI naming the part that is wrong.
 */
export function parseUri(text: string): ShoalUri {
  if (text.length > MAX_URI_CHARACTERS) throw wrong('length', 'is over 4,096 characters')
  const plain = percentDecode(text).replace(/^(freenet:|shoal:)/, '')
  const [head = '', ...path] = plain.split('/')
  if (head.startsWith('urn:')) return parseUrn(head, path)
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
      checkName('word', [rest, ...path].join('/'))
      return { type: 'ksk' }
    default:
      throw wrong('scheme', 'must be CHK, SSK, USK or KSK, in capitals')
  }
}

/** The canonical `CHK@…[/name]`, for manifests and bare content alike (spec §4). */
export function formatUri(uri: ContentUri): string {
  const extra = Uint8Array.of(VERSION, SUITE, uri.level, KINDS.indexOf(uri.kind))
  const parts = [uri.reference, uri.readKey, extra].map(base64url)
  return `CHK@${parts.join(',')}${formatName(uri.name)}`
}

/** The canonical `urn:eris:…[/name]` of bare content. @throws RangeError for a manifest (a bug). */
export function formatUrn(uri: ContentUri): string {
  if (uri.kind !== 'bare') throw new RangeError('only bare content has an ERIS URN')
  const capability = concat(Uint8Array.of(BLOCK_SIZE_CODE, uri.level), uri.reference, uri.readKey)
  return `${URN_PREFIX}${base32(capability)}${formatName(uri.name)}`
}

/** What keeps `name` from being a path segment of a key (spec §4); undefined: nothing does. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (utf8(name).length > MAX_NAME_BYTES) return 'is longer than 255 bytes'
  if (name === '.' || name === '..') return 'must not be "." or ".."'
  if (/[/\\\p{Cc}\p{Cs}]/u.test(name)) {
    return 'has a slash, a backslash, a control character or half a character'
  }
  return undefined
}

function checkName(part: string, name: string): void {
  const fault = nameFault(name)
  if (fault !== undefined) throw wrong(part, fault)
}

function formatName(name: string | undefined): string {
  if (name === undefined) return ''
  const encoded = encodeURIComponent(name)
  return '/' + encoded.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function parseChk(text: string, path: string[]): ContentUri {
  const { first, second, extra } = keyParts(text, 'reference')
  checkVersion(extra)
  const [, , level = 0, kindNumber = 0] = extra
  const kind = KINDS[kindNumber]
  if (kind === undefined) throw wrong('extra', 'names a kind of content this version does not know')
  if (level > (kind === 'manifest' ? 0 : MAX_TREE_LEVEL)) {
    throw wrong('extra', 'names a tree level that no content has')
  }
  const name = onlyName(path)
  return { type: 'chk', reference: first as Address, readKey: second, level, kind, name }
}

function parseUrn(head: string, path: string[]): ContentUri {
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
    name: onlyName(path),
  }
}

function parseSsk(text: string, path: string[]): PublisherUri {
  checkPublisherKey(text)
  const [document = '', ...rest] = path
  checkName('document', document)
  checkPath(rest)
  return { type: 'ssk' }
}

function parseUsk(text: string, path: string[]): PublisherUri {
  checkPublisherKey(text)
  const [document = '', edition = '', ...rest] = path
  checkName('document', document)
  if (!/^(0|-?[1-9][0-9]*)$/.test(edition) || Math.abs(Number(edition)) > MAX_EDITION) {
    throw wrong('edition', 'is not a whole number')
  }
  checkPath(rest)
  return { type: 'usk' }
}

function checkPublisherKey(text: string): void {
  const { extra } = keyParts(text, 'public key')
  checkVersion(extra)
  if (extra.some((byte, i) => byte !== PUBLISHER_EXTRA[i])) {
    throw wrong('extra', 'is not that of a publisher key')
  }
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

function onlyName(path: string[]): string | undefined {
  const [name = '', ...more] = path
  if (more.length > 0) throw wrong('name', 'a key of one file has one name after it, not a path')
  if (name === '') return undefined
  checkName('name', name)
  return name
}

function checkPath(segments: string[]): void {
  // an empty last segment is the slash of a folder
  const names = segments.at(-1) === '' ? segments.slice(0, -1) : segments
  for (const name of names) checkName('path', name)
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
