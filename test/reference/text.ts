/**
 * Text forms of bytes, by strings of binary digits: base64url and base32 without padding (RFC 4648,
 * §1.3), hexadecimal for the vector files.
 * @module
 */

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export const toBase64url = (bytes: Uint8Array): string => toText(bytes, BASE64URL, 6)
export const toBase32 = (bytes: Uint8Array): string => toText(bytes, BASE32, 5)

/** The one byte string that has this spelling, or undefined. */
export const ofBase64url = (text: string) => ofText(text, BASE64URL, 6)
export const ofBase32 = (text: string) => ofText(text, BASE32, 5)

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function ofHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

/** UTF-8 bytes of text. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** `‖` of the specification. */
export function join(...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

function toText(bytes: Uint8Array, alphabet: string, width: number): string {
  const digits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = digits.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  return groups.map((group) => alphabet[parseInt(group.padEnd(width, '0'), 2)]).join('')
}

function ofText(text: string, alphabet: string, width: number): Uint8Array | undefined {
  const values = Array.from(text, (character) => alphabet.indexOf(character))
  if (values.includes(-1)) return undefined
  const digits = values.map((value) => value.toString(2).padStart(width, '0')).join('')
  const bytes = Uint8Array.from(digits.match(/.{8}/g) ?? [], (byte) => parseInt(byte, 2))
  // canonical: what is read must be what would be written
  return toText(bytes, alphabet, width) === text ? bytes : undefined
}
