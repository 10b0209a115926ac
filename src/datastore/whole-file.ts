/**
 * Small files that are there whole or not at all, whatever happens while they are written.
 * @module
 */
import { chmod, constants, lstat, open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

import { noise } from '../keys/seal.ts'

/** Ending of a file that is not whole yet; one that a crash left behind is never read. */
export const DRAFT = '.new'

/** Resolves when the file would be found after a power cut; until then the old one would be. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = path + DRAFT
  await discard(draft)
  try {
    await writeDraft(draft, bytes)
    await rename(draft, path)
  } catch (error) {
    await discard(draft).catch(() => {})
    throw error
  }
  await syncFolder(dirname(path))
}

/**
 * Writes a new file to its end, and removes it where that fails. Resolves with its inode. @throws EEXIST
 * where there is one already, which is left alone.
 */
export function writeDraft(draft: string, bytes: Uint8Array): Promise<number> {
  return withFile(draft, 'wx', async (file) => {
    try {
      await file.writeFile(bytes)
      await file.sync()
      return (await file.stat()).ino
    } catch (error) {
      await discard(draft).catch(() => {}) // a full disk needs the room
      throw error
    }
  })
}

/** Removes what may hold a secret: overwritten first, or, where the disk refuses that, as it is. */
export async function discard(path: string): Promise<void> {
  await eraseFile(path).catch(() => rm(path, { force: true }))
}

/** The content, undefined where there is no file; of one over `maxBytes` that many bytes and one. */
export async function readAtMost(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  if ((await fileAt(path)) === undefined) return undefined
  return withFile(path, 'r', (file) => contentOf(file, maxBytes))
}

/** The content of an open file; of one over `maxBytes` that many bytes and one. */
export async function contentOf(file: FileHandle, maxBytes: number): Promise<Uint8Array> {
  const { size } = await file.stat()
  const bytes = new Uint8Array(Math.min(size, maxBytes + 1))
  let at = 0
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, at)
    if (bytesRead === 0) break
    at += bytesRead
  }
  return bytes.subarray(0, at)
}

export interface FileFound {
  readonly sizeBytes: number
  readonly isFile: boolean
  readonly isFolder: boolean
  readonly isLink: boolean
  /** Two names with the same one are one file. */
  readonly inode: number
  /** When it was last written, ms since 1970. */
  readonly writtenMs: number
}

/** What has this name, a link itself and not what it points to; undefined: nothing. */
export async function fileAt(path: string): Promise<FileFound | undefined> {
  try {
    const found = await lstat(path)
    return {
      sizeBytes: found.size,
      isFile: found.isFile(),
      isFolder: found.isDirectory(),
      isLink: found.isSymbolicLink(),
      inode: found.ino,
      writtenMs: found.mtimeMs,
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Bytes overwritten at once. */
const PIECE_BYTES = 1024 * 1024
/** Files put under a name while it is erased that are followed, one after the other. */
const MAX_SUCCESSORS = 8
/** O_NOFOLLOW is absent on Windows, where looking before has to do. */
const OWN_FILE = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)

/** Opens a file for reading and writing, never what a link leads to. */
export function withOwnFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  return withFile(path, OWN_FILE, use)
}

/**
 * Overwrites a file in place, waits for the disk, and removes it, and so what another process renames to
 * its place meanwhile; false: there was none. What a link points to is never touched. How much an SSD
 * keeps nobody can say from here.
 */
export async function eraseFile(path: string): Promise<boolean> {
  let hasErased = false
  for (let files = 0; files < MAX_SUCCESSORS; files++) {
    const found = await fileAt(path)
    if (found === undefined) return hasErased
    const inode = found.isFile ? await overwriteAt(path) : found.inode
    hasErased ||= inode !== undefined
    if ((await fileAt(path))?.inode !== inode) continue
    await rm(path, { force: true })
    return hasErased
  }
  throw new Error('a file that is being erased is written again and again')
}

/** The inode of what was overwritten; undefined: it was renamed or removed just now. */
async function overwriteAt(path: string): Promise<number | undefined> {
  await chmod(path, 0o600).catch(() => {}) // a file of ours that somebody made unwritable
  try {
    return await withOwnFile(path, async (file) => {
      await overwrite(file)
      return (await file.stat()).ino
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Random bytes over all that an open file holds. Resolves when they are on the disk. */
export async function overwrite(file: FileHandle): Promise<void> {
  const { size } = await file.stat()
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const piece = noise(Math.min(PIECE_BYTES, size - at))
    await file.write(piece, 0, piece.length, at)
  }
  await file.sync()
}

/** Makes new names last; where folders cannot be opened (Windows) the file system does so itself. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  if (folder === undefined) return
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** For its owner only where it is created. */
export async function withFile<T>(
  path: string,
  flags: string | number,
  use: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags, 0o600)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}
