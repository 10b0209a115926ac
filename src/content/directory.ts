/**
 * The codec of a folder's nodes (spec §5.5): entries in a node of level 0, children in one above. Pure
 * and strict: every directory has one spelling, and what it says of sizes holds in itself.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import { compare, concat, uint64, utf8, utf8Text } from '../keys/bytes.ts'
import { levelOf } from '../keys/eris.ts'
import type { ReadCapability, ReferenceKeyPair } from '../keys/eris.ts'
import { nameFault } from '../keys/uri.ts'
import { ByteReader } from './byte-reader.ts'
import { isContentType } from './manifest.ts'

/** Levels of nodes above the entries of one folder. */
export const MAX_DIRECTORY_LEVEL = 3
/** Folders inside folders, and names in a path. */
export const MAX_FOLDER_DEPTH = 64
/** Bytes of a node of entries before its packs and entries. */
export const NODE_HEADER_BYTES = 3
/** Bytes of one row of a node's pack table. */
export const PACK_BYTES = 73
const KINDS = ['inline', 'packed', 'tree', 'inline-folder', 'folder'] as const
/** Bytes of an entry beside its name, its type and what it holds. */
const FIXED_BYTES = { inline: 7, packed: 21, tree: 76, 'inline-folder': 14, folder: 74 } as const
const PAIR_BYTES = 64

/** Small files one after the other in one tree. */
export interface Pack {
  readonly size: number
  readonly root: ReadCapability
}

interface Named {
  /** NFC, as `nameFault` allows. */
  readonly name: string
}

interface Typed extends Named {
  /** undefined: by its name, when it is served. */
  readonly contentType: string | undefined
}

/** A file: here, in a pack, or in a tree of its own. */
export type FileEntry =
  | (Typed & { readonly type: 'inline'; readonly bytes: Uint8Array })
  | (Typed & {
      readonly type: 'packed'
      readonly size: number
      readonly pack: Pack
      readonly offset: number
    })
  | (Typed & { readonly type: 'tree'; readonly size: number; readonly root: ReadCapability })

/** A sub-folder: here, or in a manifest of its own. `size`: bytes of all files below. */
export type SubfolderEntry =
  | (Named & {
      readonly type: 'inline-folder'
      readonly size: number
      readonly entries: readonly DirectoryEntry[]
    })
  | (Named & ReferenceKeyPair & { readonly type: 'folder'; readonly size: number })

export type DirectoryEntry = FileEntry | SubfolderEntry

/** A node one level below: its manifest, and the first name in it. */
export interface DirectoryChild extends ReferenceKeyPair {
  readonly firstName: string
}

export type Directory =
  | { readonly level: 0; readonly entries: readonly DirectoryEntry[] }
  | { readonly level: number; readonly children: readonly DirectoryChild[] }

export function isSubfolder(entry: DirectoryEntry): entry is SubfolderEntry {
  return entry.type === 'inline-folder' || entry.type === 'folder'
}

/** Whether `directory` holds entries itself, rather than nodes that do. */
export function hasEntries(
  directory: Directory,
): directory is Extract<Directory, { entries: unknown }> {
  return 'entries' in directory
}

/** Order of names in a folder: that of their UTF-8 bytes, which is not that of strings. */
export function compareNames(a: string, b: string): number {
  return compare(utf8(a), utf8(b))
}

/** Bytes of the file, or of all files below the folder. */
export function sizeOfEntry(entry: DirectoryEntry): number {
  return entry.type === 'inline' ? entry.bytes.length : entry.size
}

/** Bytes that `entry` takes in a node, without rows of the pack table. */
export function lengthOfEntry(entry: DirectoryEntry): number {
  const length = FIXED_BYTES[entry.type] + utf8(entry.name).length
  if (entry.type === 'folder') return length
  if (entry.type === 'inline-folder') return length + lengthOfEntries(entry.entries)
  const typed = length + (entry.contentType?.length ?? 0)
  return entry.type === 'inline' ? typed + entry.bytes.length : typed
}

/** Bytes that `child` takes in a node. */
export function lengthOfChild(child: DirectoryChild): number {
  return 1 + utf8(child.firstName).length + PAIR_BYTES
}

/** The packs that `entries` use, each once, in order of first use. */
export function packsOf(entries: readonly DirectoryEntry[], found = new Set<Pack>()): Set<Pack> {
  for (const entry of entries) {
    if (entry.type === 'packed') found.add(entry.pack)
    if (entry.type === 'inline-folder') packsOf(entry.entries, found)
  }
  return found
}

/** The one spelling of `directory`. @throws ShoalError E_DECODE for what no decoder would take (a bug). */
export function encodeDirectory(directory: Directory): Uint8Array {
  if (!hasEntries(directory)) {
    const node = concat(Uint8Array.of(directory.level), ...directory.children.map(encodeChild))
    decodeDirectory(node, 0)
    return node
  }
  const packs = [...packsOf(directory.entries)]
  const numbers = new Map(packs.map((pack, number) => [pack, number]))
  const node = concat(
    Uint8Array.of(0),
    uint16(packs.length),
    ...packs.map((pack) => concat(uint64(pack.size), encodeRoot(pack.root))),
    ...directory.entries.map((entry) => encodeEntry(entry, numbers)),
  )
  decodeDirectory(node, totalOf(directory.entries))
  return node
}

/**
 * The directory in a manifest's node; `size` is what the manifest says that all files take, and is
 * checked where the node has entries. @throws ShoalError E_DECODE
 */
export function decodeDirectory(node: Uint8Array, size: number): Directory {
  const reader = new ByteReader(node)
  const level = reader.u8()
  if (level > MAX_DIRECTORY_LEVEL) throw undecodable('has too many levels')
  if (level > 0) return { level, children: decodeChildren(reader) }
  const table = new PackTable(decodePacks(reader))
  const entries = decodeEntries(reader, table, 0)
  table.checkAllUsed()
  if (totalOf(entries) !== size) throw undecodable('has a size that is not that of its files')
  return { level: 0, entries }
}

function encodeChild(child: DirectoryChild): Uint8Array {
  return concat(prefixed(utf8(child.firstName)), child.reference, child.readKey)
}

function encodeEntry(entry: DirectoryEntry, packs: ReadonlyMap<Pack, number>): Uint8Array {
  const kind = Uint8Array.of(KINDS.indexOf(entry.type))
  const head = concat(kind, prefixed(utf8(entry.name)))
  if (entry.type === 'folder') {
    return concat(head, uint64(entry.size), entry.reference, entry.readKey)
  }
  if (entry.type === 'inline-folder') {
    const entries = concat(...entry.entries.map((each) => encodeEntry(each, packs)))
    return concat(head, uint64(entry.size), uint32(entries.length), entries)
  }
  const typed = concat(head, prefixed(utf8(entry.contentType ?? '')))
  if (entry.type === 'inline') return concat(typed, uint32(entry.bytes.length), entry.bytes)
  if (entry.type === 'tree') return concat(typed, uint64(entry.size), encodeRoot(entry.root))
  const place = concat(uint16(packs.get(entry.pack) as number), uint64(entry.offset))
  return concat(typed, uint64(entry.size), place)
}

function encodeRoot({ level, reference, readKey }: ReadCapability): Uint8Array {
  return concat(Uint8Array.of(level), reference, readKey)
}

function decodeChildren(reader: ByteReader): DirectoryChild[] {
  const children: DirectoryChild[] = []
  const order = new NameOrder()
  while (!reader.isAtEnd) {
    const firstName = order.take(reader)
    children.push({ firstName, reference: reader.take(32), readKey: reader.take(32) })
  }
  if (children.length === 0) throw undecodable('has a node without children')
  return children
}

function decodePacks(reader: ByteReader): Pack[] {
  return Array.from({ length: reader.u16() }, () => {
    const size = reader.u64()
    return { size, root: decodeRoot(reader, size) }
  })
}

function decodeEntries(reader: ByteReader, packs: PackTable, depth: number): DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  const order = new NameOrder()
  while (!reader.isAtEnd) {
    const type = KINDS[reader.u8()]
    if (type === undefined) throw undecodable('has an entry of a kind this node does not know')
    const name = order.take(reader)
    if (type === 'inline-folder') entries.push(decodeInlineFolder(reader, { name, packs, depth }))
    else if (type === 'folder') entries.push(decodeFolder(reader, name))
    else entries.push(decodeFile(reader, { type, name, packs }))
  }
  return entries
}

function decodeInlineFolder(
  reader: ByteReader,
  { name, packs, depth }: { name: string; packs: PackTable; depth: number },
): DirectoryEntry {
  if (depth >= MAX_FOLDER_DEPTH) throw undecodable('nests too deep')
  const size = reader.u64()
  const entries = decodeEntries(new ByteReader(reader.take(reader.u32())), packs, depth + 1)
  if (totalOf(entries) !== size) throw undecodable('has a size that is not that of its files')
  return { type: 'inline-folder', name, size, entries }
}

function decodeFolder(reader: ByteReader, name: string): DirectoryEntry {
  const size = reader.u64()
  return { type: 'folder', name, size, reference: reader.take(32), readKey: reader.take(32) }
}

function decodeFile(
  reader: ByteReader,
  { type, name, packs }: { type: FileEntry['type']; name: string; packs: PackTable },
): FileEntry {
  const contentType = decodeContentType(reader.take(reader.u8()))
  if (type === 'inline') {
    return { type, name, contentType, bytes: reader.take(reader.u32()) }
  }
  const size = reader.u64()
  if (size === 0) throw undecodable('has an empty file that is not inline')
  if (type === 'tree') return { type, name, contentType, size, root: decodeRoot(reader, size) }
  const pack = packs.use(reader.u16())
  const offset = reader.u64()
  if (offset > pack.size - size) throw undecodable('has a file that ends after its pack')
  return { type, name, contentType, size, pack, offset }
}

function decodeContentType(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined
  const text = utf8Text(bytes)
  if (text === undefined || !isContentType(text)) throw undecodable('has a malformed content type')
  return text
}

function decodeRoot(reader: ByteReader, size: number): ReadCapability {
  const level = reader.u8()
  if (level !== levelOf(size, BLOCK_BYTES)) {
    throw undecodable('has a tree that does not fit its size')
  }
  return { blockBytes: BLOCK_BYTES, level, reference: reader.take(32), readKey: reader.take(32) }
}

/** Sum of the sizes of `entries`. @throws ShoalError E_DECODE above 2^53 - 1. */
function totalOf(entries: readonly DirectoryEntry[]): number {
  // each is at most 2^53 - 1 and there are few, so a sum above that cannot come back below
  const total = entries.reduce((sum, entry) => sum + sizeOfEntry(entry), 0)
  if (!Number.isSafeInteger(total)) throw undecodable('is larger than any content')
  return total
}

function lengthOfEntries(entries: readonly DirectoryEntry[]): number {
  return entries.reduce((sum, entry) => sum + lengthOfEntry(entry), 0)
}

/** Names as they come: well-formed, and each greater than the one before. */
class NameOrder {
  #last: Uint8Array | undefined

  take(reader: ByteReader): string {
    const bytes = reader.take(reader.u8())
    const name = utf8Text(bytes)
    if (name === undefined || nameFault(name) !== undefined || name !== name.normalize('NFC')) {
      throw undecodable('has a name that no file can have')
    }
    if (this.#last !== undefined && compare(this.#last, bytes) >= 0) {
      throw undecodable('has names out of order')
    }
    this.#last = bytes
    return name
  }
}

/** Packs are numbered in the order of their first use, and each is used. */
class PackTable {
  readonly #packs: readonly Pack[]
  #used = 0

  constructor(packs: readonly Pack[]) {
    this.#packs = packs
  }

  use(number: number): Pack {
    const pack = this.#packs[number]
    if (pack === undefined || number > this.#used) throw undecodable('has packs out of order')
    this.#used = Math.max(this.#used, number + 1)
    return pack
  }

  checkAllUsed(): void {
    if (this.#used !== this.#packs.length) throw undecodable('has a pack that no file is in')
  }
}

function prefixed(bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(bytes.length), bytes)
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function uint32(value: number): Uint8Array {
  return uint64(value).subarray(0, 4)
}

function undecodable(what: string): ShoalError {
  return new ShoalError('E_DECODE', `The folder ${what}.`)
}
