/**
 * Small files of one folder, each written whole or not at all: the keyring must survive a power cut at
 * any moment. Names are ours alone.
 * @module
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { toStoreError } from '../datastore/store-error.ts'
import { DRAFT, discard, readAtMost, replaceFile } from '../datastore/whole-file.ts'
import { ShoalError } from '../errors.ts'
import { copyOf } from '../keys/bytes.ts'
import { makeFolder } from '../make-folder.ts'

export interface FileSize {
  readonly name: string
  readonly sizeBytes: number
}

/** All methods throw ShoalError E_STORE_IO naming the file, and E_STORE_FULL. */
export interface SmallFiles {
  /**
   * The content, undefined where there is no such file. Of a file over `maxBytes` it is that many bytes
   * and one: what is read is sealed, so that a part of it does not open.
   */
  read(name: string, maxBytes: number): Promise<Uint8Array | undefined>
  /** Resolves when the file would be found after a power cut; until then the old one would be. */
  write(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /** The one that was written the longest ago first; clears away what a crash left. */
  list(): Promise<readonly FileSize[]>
}

/** Files in `folder`, which is made if absent. `label` stands for it in messages. */
export async function openDiskFiles(folder: string, label: string): Promise<SmallFiles> {
  await telling(label, () => makeFolder(folder))
  return {
    read: (name, maxBytes) => telling(label + name, () => readAtMost(join(folder, name), maxBytes)),
    write: (name, bytes) => telling(label + name, () => replaceFile(join(folder, name), bytes)),
    remove: (name) => telling(label + name, () => discard(join(folder, name))),
    list: () => telling(label, () => listFiles(folder)),
  }
}

/** The same in memory, for a node without a data directory. */
export function createMemoryFiles(): SmallFiles {
  const files = new Map<string, Uint8Array>()
  return {
    read: (name) => {
      const bytes = files.get(name)
      return Promise.resolve(bytes && copyOf(bytes))
    },
    write: (name, bytes) => {
      files.delete(name)
      files.set(name, copyOf(bytes))
      return Promise.resolve()
    },
    remove: (name) => {
      files.delete(name)
      return Promise.resolve()
    },
    list: () =>
      Promise.resolve([...files].map(([name, bytes]) => ({ name, sizeBytes: bytes.length }))),
  }
}

async function telling<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const known = toStoreError(error)
    if (known.code === 'E_STORE_FULL') throw known
    const message = `${what} in the data directory cannot be read or written`
    throw new ShoalError('E_STORE_IO', message, { cause: error })
  }
}

async function listFiles(folder: string): Promise<readonly FileSize[]> {
  const files: (FileSize & { readonly writtenMs: number })[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (!entry.isFile()) continue
    if (entry.name.endsWith(DRAFT)) {
      await discard(path)
      continue
    }
    const { size, mtimeMs } = await stat(path)
    files.push({ name: entry.name, sizeBytes: size, writtenMs: mtimeMs })
  }
  return files.sort((a, b) => a.writtenMs - b.writtenMs)
}
