/**
 * `store.json` (spec §11.2): the only file of the store that is not sealed. It is written last when a
 * data directory is made, so that where it is the rest is whole.
 * @module
 */
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { utf8, utf8Text } from '../keys/bytes.ts'
import { inTheWay } from './store-error.ts'
import { fileAt, readAtMost, replaceFile } from './whole-file.ts'

export const HEADER_FILE = 'store.json'
/** Version of everything that a data directory keeps of the store. */
export const FORMAT = 1
const MAX_BYTES = 4096

export interface StoreHeader {
  /** The quota, bytes. */
  readonly storeBytes: number
}

/**
 * The header of the store in `folder`, undefined where there is none. @throws ShoalError
 * E_STORE_FORMAT for another version, E_STORE_IO where it is damaged or no file.
 */
export async function readHeader(folder: string): Promise<StoreHeader | undefined> {
  const bytes = await bytesIn(folder)
  if (bytes === undefined) return undefined
  const { format, storeBytes } = fieldsOf(bytes)
  if (format === 0) {
    const advice = 'remove slab, index, store.key and store.json to start with an empty store'
    const message = `the data directory was made by an older shoal (format 0): ${advice}`
    throw new ShoalError('E_STORE_FORMAT', message)
  }
  if (isCount(format) && format > FORMAT) {
    throw new ShoalError(
      'E_STORE_FORMAT',
      `the data directory was made by a newer shoal (format ${format}; this one reads ${FORMAT}): update`,
    )
  }
  if (format === FORMAT && isCount(storeBytes)) return { storeBytes }
  throw damagedHeader()
}

export function damagedHeader(): ShoalError {
  const content = `{"format":${FORMAT},"storeBytes":N}`
  const message = `${HEADER_FILE} is damaged: put back a copy, or write ${content} into it, N being the size of the store`
  return new ShoalError('E_STORE_IO', message)
}

/** Resolves when it is on the disk for good. */
export async function writeHeader(folder: string, { storeBytes }: StoreHeader): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, storeBytes })}\n`
  await replaceFile(join(folder, HEADER_FILE), utf8(text))
}

async function bytesIn(folder: string): Promise<Uint8Array | undefined> {
  const path = join(folder, HEADER_FILE)
  const found = await fileAt(path)
  if (found !== undefined && !found.isFile && !found.isLink) throw inTheWay(HEADER_FILE)
  return readAtMost(path, MAX_BYTES).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EISDIR') throw inTheWay(HEADER_FILE)
    if (error.code !== 'ENOENT' && error.code !== 'ELOOP') throw error
    const message = `${HEADER_FILE} is a link that leads to no file: put the file itself in its place`
    throw new ShoalError('E_STORE_IO', message)
  })
}

function fieldsOf(bytes: Uint8Array): { readonly format?: unknown; readonly storeBytes?: unknown } {
  try {
    const value: unknown = JSON.parse(utf8Text(bytes) ?? '')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
