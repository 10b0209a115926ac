/**
 * The bytes inside the keyring's sealed files (spec §11.8). Only this node writes them: what does not
 * read well here was written by a later version.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat, copyOf, readUint64, uint64, utf8, utf8Text } from '../keys/bytes.ts'
import { PUBLISHER_SEED_BYTES } from '../keys/signed.ts'

const VERSION = 1
const PUBLIC_KEY_BYTES = 32
/** What a spread record keeps of an address: two of a site meet by chance in 2^64 / count² cases. */
export const PREFIX_BYTES = 8

/** One publisher of the keyring. */
export interface StoredKey {
  readonly name: string
  readonly seed: Uint8Array
  /** Newest edition of each document that this node published. */
  readonly editions: ReadonlyMap<string, number>
}

/** A publication made without peers: whether its edition was free must still be checked. */
export interface Claim {
  /** Name of the key. */
  readonly key: string
  readonly document: string
  readonly edition: number
  /** The document inside the edition's block (spec §5.6). */
  readonly body: Uint8Array
}

/** `u8 version ‖ u16 keys`, then for each `seed ‖ name ‖ u16 documents`, then `name ‖ u64 edition`. */
export function encodeKeys(keys: Iterable<StoredKey>): Uint8Array {
  const parts: Uint8Array[] = []
  let count = 0
  for (const { seed, name, editions } of keys) {
    count++
    parts.push(seed, shortText(name), uint16(editions.size))
    for (const [document, edition] of editions) parts.push(shortText(document), uint64(edition))
  }
  return concat(Uint8Array.of(VERSION), uint16(count), ...parts)
}

/** @throws ShoalError E_STORE_IO for another version. */
export function decodeKeys(bytes: Uint8Array): StoredKey[] {
  const reader = new Reader(bytes)
  if (reader.version() !== VERSION) throw unreadable()
  return Array.from({ length: reader.uint16() }, () => {
    const seed = reader.take(PUBLISHER_SEED_BYTES)
    const name = reader.shortText()
    const documents = Array.from({ length: reader.uint16() }, (): [string, number] => [
      reader.shortText(),
      reader.uint64(),
    ])
    return { name, seed, editions: new Map(documents) }
  })
}

/** `u8 version ‖ public key ‖ document ‖ u64 edition ‖ u16 length ‖ body`. */
export function encodeClaim(publicKey: Uint8Array, claim: Omit<Claim, 'key'>): Uint8Array {
  const { document, edition, body } = claim
  const place = concat(publicKey, shortText(document), uint64(edition))
  return concat(Uint8Array.of(VERSION), place, uint16(body.length), body)
}

/** undefined for another version. */
export function decodeClaim(
  bytes: Uint8Array,
): (Omit<Claim, 'key'> & { readonly publicKey: Uint8Array }) | undefined {
  const reader = new Reader(bytes)
  if (reader.version() !== VERSION) return undefined
  const publicKey = reader.take(PUBLIC_KEY_BYTES)
  const document = reader.shortText()
  const edition = reader.uint64()
  return { publicKey, document, edition, body: reader.take(reader.uint16()) }
}

/** Most addresses whose record has at most `bytes`. */
export function recordCapacity(bytes: number): number {
  return Math.floor((bytes - 1 - PUBLIC_KEY_BYTES - 4) / PREFIX_BYTES)
}

/** `u8 version ‖ public key ‖ u32 count ‖ first 8 bytes of each address`, of the first `count`. */
export function encodeRecord(
  publicKey: Uint8Array,
  addresses: Iterable<string>,
  count: number,
): Uint8Array {
  const prefixes = new Uint8Array(count * PREFIX_BYTES)
  let at = 0
  for (const address of addresses) {
    if (at === prefixes.length) break
    for (let i = 0; i < PREFIX_BYTES; i++) prefixes[at++] = address.charCodeAt(i)
  }
  const size = new Uint8Array(4)
  new DataView(size.buffer).setUint32(0, count, true)
  return concat(Uint8Array.of(VERSION), publicKey, size, prefixes)
}

/** The prefixes, one UTF-16 unit a byte; undefined for another version. */
export function decodeRecord(bytes: Uint8Array): Set<string> | undefined {
  const reader = new Reader(bytes)
  if (reader.version() !== VERSION) return undefined
  reader.take(PUBLIC_KEY_BYTES)
  const prefixes = new Set<string>()
  for (let left = reader.uint32(); left > 0; left--) {
    prefixes.add(String.fromCharCode(...reader.take(PREFIX_BYTES)))
  }
  return prefixes
}

/** Whose a claim or record is. */
export function ownerOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(1, 1 + PUBLIC_KEY_BYTES)
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  version(): number | undefined {
    return this.take(1)[0]
  }

  take(count: number): Uint8Array {
    const end = this.#at + count
    if (end > this.#bytes.length) throw unreadable()
    const taken = copyOf(this.#bytes, this.#at, end)
    this.#at = end
    return taken
  }

  uint16(): number {
    const [low = 0, high = 0] = this.take(2)
    return low + 256 * high
  }

  uint32(): number {
    return this.uint16() + 65_536 * this.uint16()
  }

  uint64(): number {
    return readUint64(this.take(8), 0) ?? Number.MAX_SAFE_INTEGER
  }

  shortText(): string {
    const [length = 0] = this.take(1)
    return utf8Text(this.take(length)) ?? ''
  }
}

function unreadable(): ShoalError {
  return new ShoalError('E_STORE_IO', 'The keyring was written by a later version of shoal.')
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >> 8)
}

/** `u8 length ‖ UTF-8`: names have at most 255 bytes. */
function shortText(text: string): Uint8Array {
  const bytes = utf8(text)
  return concat(Uint8Array.of(bytes.length), bytes)
}
