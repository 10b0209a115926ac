/**
 * Looks through a folder on disk in the order in which a node wants it: depth first, the names of each
 * folder by their NFC UTF-8 bytes. Holds the names of the folders on the way to where it is, no more.
 * @module
 */
import { constants, type Stats } from 'node:fs'
import { access, lstat, open, readdir, type FileHandle } from 'node:fs/promises'
import { compare, utf8, utf8Text } from '../keys/bytes.ts'
import { nameFault } from '../keys/names.ts'
import { systemCode } from './failures.ts'

/** As deep as a node takes them; also bounds what the walk holds. */
const MAX_DEPTH = 64

/** One thing in a folder. `path` is relative, joined by `/`, and what it is called in the network. */
export type WalkEntry =
  | {
      readonly type: 'file'
      readonly path: string
      /** Where it is on disk: bytes, since names there need not be text. */
      readonly source: Buffer
      readonly size: number
    }
  | { readonly type: 'folder'; readonly path: string }
  /** What cannot be inserted, and why; nothing below it is looked at. */
  | { readonly type: 'fault'; readonly path: string; readonly what: string }

/** What the walk asks of a disk. Each rejects with the system's errors. */
export interface Disk {
  readNames(folder: Buffer): Promise<Buffer[]>
  /** Of the thing itself: links are not followed. */
  stat(path: Buffer): Promise<Stats>
  checkReadable(path: Buffer): Promise<void>
  open(path: Buffer): Promise<FileHandle>
}

export const DISK: Disk = {
  readNames: (folder) => readdir(folder, { encoding: 'buffer' }),
  stat: (path) => lstat(path),
  checkReadable: (path) => access(path, constants.R_OK),
  open: (path) => open(path, 'r'),
}

interface Name {
  readonly name: string
  /** Its bytes on disk, where they are others than those of `name`. */
  readonly onDisk: Uint8Array | undefined
  /** What keeps it out of a key; undefined: nothing does. */
  readonly fault: string | undefined
}

interface Level {
  readonly source: Buffer
  /** Path of the folder with its slash; empty for the outermost. */
  readonly prefix: string
  readonly names: readonly Name[]
  next: number
}

/**
 * All that is below `root`, without itself. A folder comes before what is in it.
 * @throws what the system says of `root`; all else that cannot be read is an entry of type `fault`.
 */
export async function* walkFolder(root: string, disk: Disk): AsyncGenerator<WalkEntry, void> {
  const levels = [await openLevel(Buffer.from(root), '', disk)]
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.names[level.next++]
    if (name === undefined) {
      levels.pop()
      continue
    }
    const fault = name.fault ?? depthFault(levels.length)
    const entry = fault ?? (await unlessUnreadable(() => look(level, name, disk)))
    const path = level.prefix + name.name
    if (typeof entry === 'string') {
      yield { type: 'fault', path, what: entry }
    } else if ('size' in entry) {
      yield { type: 'file', path, ...entry }
    } else {
      yield { type: 'folder', path }
      levels.push(entry)
    }
  }
}

function depthFault(depth: number): string | undefined {
  return depth > MAX_DEPTH ? `lies more than ${MAX_DEPTH} folders deep` : undefined
}

/** What `read` gives, or the words for why the system did not let it. */
async function unlessUnreadable<T>(read: () => Promise<T>): Promise<T | string> {
  try {
    return await read()
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    return `cannot be read (${code})`
  }
}

async function look(
  { source, prefix }: Level,
  { onDisk, name }: Name,
  disk: Disk,
): Promise<Level | { readonly source: Buffer; readonly size: number } | string> {
  const path = Buffer.concat([source, Buffer.from('/'), onDisk ?? utf8(name)])
  const stat = await disk.stat(path)
  if (stat.isDirectory()) return openLevel(path, `${prefix}${name}/`, disk)
  if (!stat.isFile()) return describeKind(stat)
  await disk.checkReadable(path)
  return { source: path, size: stat.size }
}

function describeKind(stat: Stats): string {
  if (stat.isSymbolicLink()) return 'is a symbolic link'
  if (stat.isSocket()) return 'is a socket'
  if (stat.isFIFO()) return 'is a named pipe'
  return 'is a device'
}

async function openLevel(source: Buffer, prefix: string, disk: Disk): Promise<Level> {
  return { source, prefix, names: sortNames(await disk.readNames(source)), next: 0 }
}

/** By the bytes of the names in NFC; of two that are equal so, the second is at fault. */
function sortNames(found: readonly Buffer[]): readonly Name[] {
  const names = found
    .map((onDisk) => {
      const text = utf8Text(onDisk)?.normalize('NFC')
      const name = text ?? onDisk.toString('utf8')
      return { onDisk, name, text, bytes: utf8(name) }
    })
    .sort((a, b) => compare(a.bytes, b.bytes) || compare(a.onDisk, b.onDisk))
  return names.map(({ onDisk, name, text, bytes }, at) => ({
    name,
    onDisk: compare(bytes, onDisk) === 0 ? undefined : onDisk,
    fault: describeFault(text, names[at - 1]?.text),
  }))
}

function describeFault(text: string | undefined, previous: string | undefined): string | undefined {
  if (text === undefined) return 'has a name that is not UTF-8'
  if (text === previous) return 'has the name of another one, written with other Unicode characters'
  const fault = nameFault(text)
  return fault === undefined ? undefined : `has a name that ${fault}`
}
