/**
 * Small things done with bytes, without `Buffer`: joining, comparing, little-endian numbers,
 * text encodings in their one canonical form (spec §1.3).
 * @module
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text of UTF-8 bytes, or undefined where they are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** A copy of a part, always a plain Uint8Array: a Buffer's own `slice` would be a view. */
export function copyOf(bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to))
}

/** Lexicographic order: negative, 0 or positive. Not constant-time: for public values only. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compare(a, b) === 0
}

/** One UTF-16 unit a byte: the cheapest faithful key for a Map or Set. */
export function mapKey(bytes: Uint8Array): string {
  // apply takes a typed array as it is, five times as fast as spreading it
  return String.fromCharCode.apply(null, bytes as unknown as number[])
}

/** The 6-byte big-endian number at the start of `bytes`, in [0, 2^48). */
export function readUint48(bytes: Uint8Array): number {
  let value = 0
  for (let i = 0; i < 6; i++) value = value * 256 + (bytes[i] as number)
  return value
}

/** 6 bytes, big endian. `value` is a whole number in [0, 2^48). */
export function uint48(value: number): Uint8Array {
  const out = new Uint8Array(6)
  const view = new DataView(out.buffer)
  view.setUint16(0, Math.floor(value / 2 ** 32))
  view.setUint32(2, value % 2 ** 32)
  return out
}

/** 8 bytes, little endian. `value` is a whole number in [0, 2^53 - 1]. */
export function uint64(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true)
  return out
}

/** The little-endian u64 at `at`, or undefined above 2^53 - 1. */
export function readUint64(bytes: Uint8Array, at: number): number | undefined {
  const value = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigUint64(at, true)
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value)
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  return encodeBits(bytes, BASE64URL, 6)
}

/** base32 without padding, upper case (RFC 4648 §6), as ERIS URNs write it. */
export function base32(bytes: Uint8Array): string {
  return encodeBits(bytes, BASE32, 5)
}

/** The bytes of canonical base64url, or undefined: foreign characters, padding, set spare bits. */
export function fromBase64url(text: string): Uint8Array | undefined {
  return decodeBits(text, BASE64URL, 6)
}

/** The bytes of canonical upper-case base32, or undefined. */
export function fromBase32(text: string): Uint8Array | undefined {
  return decodeBits(text, BASE32, 5)
}

function encodeBits(bytes: Uint8Array, alphabet: string, width: number): string {
  let out = ''
  let pending = 0
  let bits = 0
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= width) {
      bits -= width
      out += alphabet.charAt((pending >> bits) & ((1 << width) - 1))
    }
    pending &= (1 << bits) - 1
  }
  return bits === 0 ? out : out + alphabet.charAt((pending << (width - bits)) & ((1 << width) - 1))
}

function decodeBits(text: string, alphabet: string, width: number): Uint8Array | undefined {
  const out = new Uint8Array(Math.floor((text.length * width) / 8))
  // a length that no number of bytes encodes to
  if (Math.ceil((out.length * 8) / width) !== text.length) return undefined
  let pending = 0
  let bits = 0
  let at = 0
  for (const character of text) {
    const value = alphabet.indexOf(character)
    if (value < 0) return undefined
    pending = (pending << width) | value
    bits += width
    if (bits >= 8) {
      bits -= 8
      out[at++] = pending >> bits
      pending &= (1 << bits) - 1
    }
  }
  return pending === 0 ? out : undefined
}
