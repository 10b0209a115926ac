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
  await rm(draft, { force: true })
  try {
    await withFile(draft, 'wx', async (file) => {
      await file.writeFile(bytes)
      await file.sync()
    })
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {}) // a full disk needs the room
    throw error
  }
  await syncFolder(dirname(path))
}

/** The content, undefined where there is no file; of one over `maxBytes` that many bytes and one. */
export async function readAtMost(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  if ((await fileAt(path)) === undefined) return undefined
  return withFile(path, 'r', async (file) => {
    const { size } = await file.stat()
    const bytes = new Uint8Array(Math.min(size, maxBytes + 1))
    let at = 0
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return bytes.subarray(0, at)
  })
}

export interface FileFound {
  readonly sizeBytes: number
  readonly isFile: boolean
  readonly isLink: boolean
}

/** What has this name, a link itself and not what it points to; undefined: nothing. */
export async function fileAt(path: string): Promise<FileFound | undefined> {
  try {
    const found = await lstat(path)
    return { sizeBytes: found.size, isFile: found.isFile(), isLink: found.isSymbolicLink() }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Bytes overwritten at once. */
const PIECE_BYTES = 1024 * 1024

/**
 * Overwrites a file in place, waits for the disk, and removes it; false: there was none. What a link
 * points to is never touched. How much an SSD keeps nobody can say from here.
 */
export async function eraseFile(path: string): Promise<boolean> {
  const found = await fileAt(path)
  if (found === undefined) return false
  if (found.isFile) {
    await chmod(path, 0o600).catch(() => {}) // a file of ours that somebody made unwritable
    // O_NOFOLLOW is absent on Windows, where the look above has to do
    await withFile(path, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0), async (file) => {
      for (let at = 0; at < found.sizeBytes; at += PIECE_BYTES) {
        const piece = noise(Math.min(PIECE_BYTES, found.sizeBytes - at))
        await file.write(piece, 0, piece.length, at)
      }
      await file.sync()
    })
  }
  await rm(path, { force: true })
  return true
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
