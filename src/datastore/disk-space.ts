/**
 * How much of a disk is free, and how much of it a folder takes (spec §11.4).
 * @module
 */
import { lstat, readdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Clock } from '../runtime.ts'
import { toStoreError } from './store-error.ts'

/** A measured size is taken to hold for so long, ms: looking at every file costs some trips. */
const MEASURE_EVERY_MS = 10_000
const MIB = 1024 ** 2
const GIB = 1024 ** 3

/** Bytes that this user may still write to the file system of `path`, which must exist. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

/** Bytes that a file, or a folder with all in it, takes on the disk; links are not followed. 0: gone. */
export async function allocatedBytes(path: string): Promise<number> {
  const found = await lstat(path).catch(() => undefined) // files go at any time while RocksDB works
  if (found === undefined) return 0
  let sum = found.blocks * 512
  if (!found.isDirectory()) return sum
  for (const name of await readdir(path).catch(() => [])) {
    sum += await allocatedBytes(join(path, name))
  }
  return sum
}

/**
 * @throws ShoalError E_STORE_FULL unless the disk of `path` has `neededBytes` free, E_STORE_IO where it
 * cannot be asked. `option` is where a person has named the size.
 */
export async function checkSpace(
  path: string,
  neededBytes: number,
  option = 'SIZE',
): Promise<void> {
  const free = await freeBytes(path).catch((error: unknown) => {
    throw toStoreError(error)
  })
  if (free >= neededBytes) return
  const message =
    `the disk has ${formatSize(free)} free, the store needs ${formatSize(neededBytes)} more: ` +
    `a smaller ${option}, or room`
  throw new ShoalError('E_STORE_FULL', message)
}

/** The size of a data directory, as measured in the background, and the disk it is on. */
export class DiskSpace {
  readonly #folder: string
  readonly #slab: { readonly slots: number }
  readonly #clock: Clock
  #bytes = 0
  #bytesBeside = 0
  #measuredAt = -Infinity
  #measuring: Promise<void> | undefined

  constructor(folder: string, slab: { readonly slots: number }, clock: Clock) {
    this.#folder = folder
    this.#slab = slab
    this.#clock = clock
    void this.measure()
  }

  /** Bytes the folder took when last measured, at once; a look at it follows where that is 10 s ago. */
  get usedBytes(): number {
    this.#refresh()
    return this.#bytes
  }

  /** The same without the slab. */
  get besideSlabBytes(): number {
    this.#refresh()
    return this.#bytesBeside
  }

  freeBytes(): Promise<number> {
    return freeBytes(this.#folder)
  }

  /** Measures now; several calls share one look. */
  measure(): Promise<void> {
    this.#measuring ??= this.#look().finally(() => {
      this.#measuring = undefined
    })
    return this.#measuring
  }

  #refresh(): void {
    if (this.#clock.now() - this.#measuredAt >= MEASURE_EVERY_MS) void this.measure()
  }

  async #look(): Promise<void> {
    this.#measuredAt = this.#clock.now()
    this.#bytes = await allocatedBytes(this.#folder)
    this.#bytesBeside = Math.max(0, this.#bytes - this.#slab.slots * BLOCK_BYTES)
  }
}

/** Whole MiB, rounded up, or GiB with one decimal. */
export function formatSize(bytes: number): string {
  return bytes < GIB ? `${Math.ceil(bytes / MIB)} MiB` : `${(bytes / GIB).toFixed(1)} GiB`
}
