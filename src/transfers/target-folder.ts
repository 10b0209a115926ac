/**
 * The folder that a download of a folder grows in: `<path>.part`, with what is whole in `files`, and the file
 * that comes in as `now` beside it, since below `files` any name may be one of the content.
 * @module
 */
import { lstat, mkdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { syncFolder } from '../datastore/whole-file.ts'
import { ShoalError } from '../errors.ts'
import { changed, checkFolder, checkFree, otherPart, PART } from './target-file.ts'

/** Names below the folder, each without fault. */
export type Names = readonly string[]

/** All methods throw what the system says besides. */
export class PartFolder {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Makes `<path>.part`. @throws ShoalError E_EXISTS, E_PATH where something has that name. */
  static async make(path: string): Promise<void> {
    await checkPlace(path)
    if (!(await makeFolder(path + PART))) throw otherPart()
  }

  /** Opens `<path>.part` of an earlier try, or makes it anew. @throws ShoalError E_PATH where it is something else. */
  static async open(path: string): Promise<PartFolder> {
    await checkPlace(path)
    await makeFolder(path + PART)
    const folder = new PartFolder(path)
    await folder.addFolder([])
    return folder
  }

  /** @throws ShoalError E_EXISTS where a part is there, E_PATH where it is no folder. */
  static async checkNone(path: string): Promise<void> {
    const found = await lstat(path + PART).catch(() => undefined)
    if (found !== undefined) throw found.isDirectory() ? otherPart() : changed()
  }

  /** True where the whole, which nothing was missing of, is in its place: a crash left no record of that. */
  static async isInPlace(path: string): Promise<boolean> {
    await checkFolder(path)
    const folder = new PartFolder(path)
    const [files, whole] = await Promise.all(
      [folder.placeOf([]), path].map((each) => lstat(each).catch(() => undefined)),
    )
    return files === undefined && whole?.isDirectory() === true
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
    await checkPlace(this.#path)
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

async function checkPlace(path: string): Promise<void> {
  await checkFolder(path)
  await checkFree(path, false)
}
