/**
 * The folder that a download of a folder grows in: `<path>.part`, with what is whole in `files`, and the file
 * that comes in as `now` beside it, since below `files` any name may be one of the content.
 * @module
 */
import { lstat, mkdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { syncFolder } from '../datastore/whole-file.ts'
import { ShoalError } from '../errors.ts'
import { checkFolder, checkFree, PART } from './target-file.ts'

/** Names below the folder, each without fault. */
export type Names = readonly string[]

/** All methods throw what the system says besides. */
export class PartFolder {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /**
   * Opens `<path>.part`, or makes it. `isOurs`: it is of an earlier try. @throws ShoalError E_EXISTS where one
   * of another download, or the whole, is there, E_PATH where the folder around it, or it, is another one by now.
   */
  static async open(path: string, isOurs: boolean): Promise<PartFolder> {
    await checkFolder(path)
    await checkFree(path, false)
    const isNew = await makeFolder(path + PART)
    if (!isNew && !isOurs) {
      throw new ShoalError('E_EXISTS', 'There is a .part of another download at that path.')
    }
    const folder = new PartFolder(path)
    await folder.addFolder([])
    return folder
  }

  /** Where the file that comes in grows. */
  get part(): string {
    return join(this.#path + PART, 'now')
  }

  /** Where something belongs when it is whole. */
  placeOf(names: Names): string {
    return join(this.#path + PART, 'files', ...names)
  }

  /** @throws ShoalError E_EXISTS where the disk has something else under that name, E_PATH for a link. */
  async addFolder(names: Names): Promise<void> {
    const place = this.placeOf(names)
    await makeFolder(place)
    await checkSpelling(place)
  }

  /** Whether a file of so many bytes is there. @throws ShoalError E_EXISTS, E_PATH for what is no such file. */
  async has(names: Names, sizeBytes: number): Promise<boolean> {
    const place = this.placeOf(names)
    const found = await lstat(place).catch(() => undefined)
    if (found === undefined) return false
    await checkSpelling(place)
    if (found.isFile() && found.size === sizeBytes) return true
    throw changed()
  }

  /** Puts the whole where it belongs, at once. @throws ShoalError E_EXISTS, E_PATH */
  async finish(): Promise<void> {
    await checkFolder(this.#path)
    await checkFree(this.#path, false)
    await rename(this.placeOf([]), this.#path)
    await syncFolder(dirname(this.#path))
    await rm(this.#path + PART, { recursive: true, force: true })
  }
}

/** True where it was made, false where a folder was there. @throws ShoalError E_PATH for anything else. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, 0o700)
  } catch (error) {
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) throw error
    if (!found.isDirectory()) throw changed()
    return false
  }
  await syncFolder(dirname(path))
  return true
}

/** A disk that takes two names for one would have one file stand for the other. */
async function checkSpelling(place: string): Promise<void> {
  if ((await realpath(place)) === place) return
  throw new ShoalError('E_EXISTS', 'The disk takes two names of the folder for the same.')
}

function changed(): ShoalError {
  return new ShoalError('E_PATH', 'What was there of the download has been changed.')
}
