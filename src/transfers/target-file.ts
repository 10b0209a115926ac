/**
 * Where a download may end, and the file that it grows in: `<path>.part` beside the target, until it is
 * whole. Whoever can ask for downloads must not get other files overwritten by it, nor links followed.
 * @module
 */
import { createHash } from 'node:crypto'
import { constants, link, lstat, open, realpath, rename, rm, statfs } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'

import { syncFolder } from '../datastore/whole-file.ts'
import { ShoalError } from '../errors.ts'

const MAX_PATH_BYTES = 4096
const MAX_NAME_BYTES = 250 // with its ending it is a name that every file system takes
/** Ending of what is not whole yet. */
export const PART = '.part'
const READ_BYTES = 1024 * 1024
/** Left to others on a disk, bytes. */
const SPARE_BYTES = 64 * 1024 * 1024
/** O_NOFOLLOW is absent on Windows, where looking before has to do. */
const NO_LINK = constants.O_NOFOLLOW ?? 0
const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_LINK
const OLD_FILE = constants.O_RDWR | NO_LINK

/**
 * The path as it is kept: its folder without links. @throws ShoalError E_PATH for one that no download may
 * end at, E_EXISTS where something is there.
 */
export async function checkedPath(
  path: string,
  rules: { readonly overwrite: boolean; readonly forbidden: string | undefined },
): Promise<string> {
  const isPlain = isAbsolute(path) && resolve(path) === path && !/\p{Cc}/u.test(path)
  const isShort =
    Buffer.byteLength(path) <= MAX_PATH_BYTES && Buffer.byteLength(basename(path)) <= MAX_NAME_BYTES
  if (!isPlain || !isShort || basename(path) === '') {
    throw new ShoalError('E_PATH', 'The path has to be absolute, without "..", and not too long.')
  }
  const folder = await folderOf(path)
  const kept = join(folder, basename(path))
  const forbidden = rules.forbidden && (await realpath(rules.forbidden))
  if (forbidden !== undefined && isInside(kept, forbidden)) {
    throw new ShoalError('E_PATH', 'The data directory of the node is no place for downloads.')
  }
  await checkFree(kept, rules.overwrite)
  return kept
}

/** @throws ShoalError E_EXISTS where something is there, E_PATH where it may not be replaced. */
export async function checkFree(path: string, overwrite: boolean): Promise<void> {
  const found = await lstat(path).catch(absent)
  if (found === undefined) return
  const what = found.isDirectory() ? 'folder' : 'file'
  if (!overwrite) throw new ShoalError('E_EXISTS', `There is a ${what} at that path already.`)
  if (!found.isFile()) throw new ShoalError('E_PATH', 'What is at that path is no plain file.')
}

async function folderOf(path: string): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => undefined)
  const isFolder = folder !== undefined && (await lstat(folder)).isDirectory()
  if (!isFolder) throw new ShoalError('E_PATH', `The folder ${dirname(path)} is not there.`)
  return folder
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Where a download ends, and where it grows: on the way there, or beside it. */
export interface Place {
  readonly path: string
  readonly part: string
}

/** The file that a download grows in. All methods throw what the system says besides. */
export class PartFile {
  readonly #place: Place
  readonly #file: FileHandle

  private constructor(place: Place, file: FileHandle) {
    this.#place = place
    this.#file = file
  }

  /** A new part. @throws ShoalError E_PATH where a folder is another one by now, E_EXISTS where a part is there. */
  static async create(place: Place): Promise<PartFile> {
    await checkFolder(place.path)
    const file = await open(place.part, NEW_FILE, 0o600).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? otherPart() : error
    })
    return new PartFile(place, file)
  }

  /** Opens the part of an earlier try and cuts it to `keptBytes`. @throws ShoalError E_PATH where it was changed. */
  static async reopen(place: Place, keptBytes: number): Promise<PartFile> {
    await checkFolder(place.path)
    const file = await open(place.part, OLD_FILE)
    const stat = await file.stat()
    if (stat.isFile() && stat.nlink === 1 && stat.size >= keptBytes) {
      await file.truncate(keptBytes)
      return new PartFile(place, file)
    }
    await file.close()
    throw changed()
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at + done)
      done += bytesWritten
    }
  }

  sync(): Promise<void> {
    return this.#file.datasync()
  }

  /** Whether the disk has what was kept of it. */
  holds(kept: Counted): Promise<boolean> {
    return holds(this.#file, kept)
  }

  /** Puts the whole file where it belongs, at once. @throws ShoalError E_EXISTS, E_PATH */
  async finish(overwrite: boolean): Promise<void> {
    const { path, part } = this.#place
    await this.#file.sync()
    const own = await this.#file.stat({ bigint: true })
    await this.#file.close()
    await checkFolder(path)
    await checkFree(path, overwrite)
    const named = await lstat(part, { bigint: true })
    if (named.ino !== own.ino || named.dev !== own.dev) throw changed()
    if (overwrite) await rename(part, path)
    else await renameToNew(part, path)
    await syncFolder(dirname(path))
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** What a download has on the disk, as `Chain` counts it. */
export interface Counted {
  readonly bytes: number
  readonly digest: string
  readonly pieceBytes: number
  readonly signal: AbortSignal
}

/** True where the whole is in its place: what a crash left between that and the record of it. @throws ShoalError E_PATH */
export async function isInPlace({ path }: Place, whole: Counted): Promise<boolean> {
  await checkFolder(path)
  const found = await lstat(path).catch(absent)
  if (found?.isFile() !== true || found.size !== whole.bytes) return false
  const file = await open(path, constants.O_RDONLY | NO_LINK)
  try {
    return await holds(file, whole)
  } finally {
    await file.close()
  }
}

async function holds(file: FileHandle, { bytes, digest, pieceBytes, signal }: Counted) {
  const chain = new Chain('', pieceBytes)
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  for (let at = 0; at < bytes;) {
    signal.throwIfAborted()
    const { bytesRead } = await file.read(buffer, 0, Math.min(READ_BYTES, bytes - at), at)
    if (bytesRead === 0) return false
    chain.add(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
  return chain.end() === digest
}

/** Whether anything has the name of the part. */
export async function hasPart({ part }: Place): Promise<boolean> {
  return (await lstat(part).catch(absent)) !== undefined
}

/**
 * Removes what a download has left; a link is removed, not followed, and nothing where the folder is
 * gone or leads elsewhere by now.
 */
export async function removePart({ path, part }: Place, isFolder = false): Promise<void> {
  if (await isSameFolder(path)) await rm(part, { force: true, recursive: isFolder })
}

/** @throws ShoalError E_STORE_FULL where the disk has no room for that much more. */
export async function checkRoom(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path))
  if (bavail * bsize >= bytes + SPARE_BYTES) return
  throw new ShoalError('E_STORE_FULL', 'The disk of that path has no room for the file.')
}

/** A hash over pieces of equal length that can go on from any of their ends. */
export class Chain {
  readonly #pieceBytes: number
  #digest: string
  #hash = createHash('sha256')
  #inPiece = 0

  constructor(digest: string, pieceBytes: number) {
    this.#pieceBytes = pieceBytes
    this.#digest = digest
  }

  /** Of all whole pieces. */
  get digest(): string {
    return this.#digest
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const take = Math.min(bytes.length - at, this.#pieceBytes - this.#inPiece)
      this.#hash.update(bytes.subarray(at, at + take))
      this.#inPiece += take
      at += take
      if (this.#inPiece === this.#pieceBytes) this.end()
    }
  }

  /** Ends a piece, a short one too; the digest of all. */
  end(): string {
    if (this.#inPiece === 0) return this.#digest
    this.#digest = createHash('sha256')
      .update(this.#digest)
      .update(this.#hash.digest())
      .digest('hex')
    this.#hash = createHash('sha256')
    this.#inPiece = 0
    return this.#digest
  }
}

/** As `rename`, but never over what came there a moment ago. @throws ShoalError E_EXISTS */
async function renameToNew(from: string, to: string): Promise<void> {
  const fault = await link(from, to).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  )
  if (fault === 'EEXIST') throw new ShoalError('E_EXISTS', 'There is a file at that path already.')
  // file systems without links have no such rename either
  await (fault === undefined ? rm(from) : rename(from, to))
}

/** @throws ShoalError E_PATH where the way to the folder leads over a link. */
export async function checkFolder(path: string): Promise<void> {
  if ((await folderOf(path)) === dirname(path)) return
  throw new ShoalError('E_PATH', 'The folder of the download leads somewhere else by now.')
}

async function isSameFolder(path: string): Promise<boolean> {
  return (await realpath(dirname(path)).catch(absent)) === dirname(path)
}

export function otherPart(): ShoalError {
  return new ShoalError('E_EXISTS', 'There is a .part of another download at that path.')
}

export function changed(): ShoalError {
  return new ShoalError('E_PATH', 'What was there of the download has been changed.')
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
