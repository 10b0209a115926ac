/**
 * A publisher key as a text that can be kept on paper and typed in again (spec §11.8).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { base32, concat, copyOf, equals, fromBase32, utf8 } from '../keys/bytes.ts'
import { blake2b256 } from '../keys/primitives.ts'
import { PUBLISHER_SEED_BYTES } from '../keys/signed.ts'

/** Longest text that is looked at, characters: ours have at most 150. */
export const MAX_KEY_TEXT_CHARACTERS = 4096

const LABEL = 'shoal-publisher-key-'
const TITLE = /^shoal-publisher-key-(\S*)(?:\s+(.*))?$/i
const VERSION = 1
const CHECKSUM_BYTES = 4
const GROUP = /.{5}/g
/** 37 bytes in base32: twelve groups of five. */
const CHARACTERS = 60
/** Digits that base32 does not have, and the letters that they were written for. */
const MISREAD: Readonly<Record<string, string>> = { '0': 'O', '1': 'I', '8': 'B' }

export interface KeyText {
  /** As it stands in the text, unchecked; undefined where there is none. */
  readonly name: string | undefined
  readonly seed: Uint8Array
}

/** Two lines: what it is with the name, and the seed with its checksum. Ends without a line break. */
export function formatKeyText(name: string, seed: Uint8Array): string {
  const secret = concat(Uint8Array.of(VERSION), seed)
  const all = concat(secret, checksumOf(secret))
  const groups = base32(all).match(GROUP) ?? []
  secret.fill(0)
  all.fill(0)
  return `${LABEL}${VERSION} ${name}\n${groups.join('-')}`
}

/**
 * Reads such a text, however it was typed: spaces, dashes and line breaks anywhere in the key, small
 * letters, digits that look like letters, without the line of the name. @throws ShoalError E_KEY
 */
export function parseKeyText(text: string): KeyText {
  if (text.length > MAX_KEY_TEXT_CHARACTERS) throw wrong('it is too long')
  // trim takes a byte order mark too
  const lines = text.trim().split(/\r\n|\r|\n/)
  const [, version, name] = TITLE.exec(lines[0]?.trim() ?? '') ?? []
  if (version !== undefined) lines.shift()
  if (version !== undefined && version !== String(VERSION)) throw unknownVersion()
  return { name: name?.trim() === '' ? undefined : name?.trim(), seed: seedIn(lines.join('')) }
}

function seedIn(typed: string): Uint8Array {
  const letters = typed.replace(/[\s\p{Pd}]/gu, '').toUpperCase()
  const characters = letters.replace(/[018]/g, (digit) => MISREAD[digit] ?? digit)
  if (/[^A-Z2-7]/.test(characters)) throw wrong('it has a character that is in no key')
  if (characters.length !== CHARACTERS) {
    throw wrong(`its key has ${characters.length} characters, not ${CHARACTERS}`)
  }
  const all = fromBase32(characters)
  const secret = all?.subarray(0, 1 + PUBLISHER_SEED_BYTES)
  if (secret === undefined || !equals(checksumOf(secret), all?.subarray(secret.length) ?? secret)) {
    throw wrong('a character of its key is not the one that was written down')
  }
  if (secret[0] !== VERSION) throw unknownVersion()
  const seed = copyOf(secret, 1)
  all?.fill(0)
  return seed
}

function checksumOf(secret: Uint8Array): Uint8Array {
  return blake2b256(concat(utf8('shoal/key-text/1'), secret)).subarray(0, CHECKSUM_BYTES)
}

function unknownVersion(): ShoalError {
  return wrong('it is of a version that this node does not know')
}

function wrong(what: string): ShoalError {
  return new ShoalError('E_KEY', `Not an exported publisher key: ${what}.`)
}
