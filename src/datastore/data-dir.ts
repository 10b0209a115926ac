/**
 * The files of a data directory that belong to the store (spec §11.2): probing, the store key, and
 * opening index and slab in the right order.
 * @module
 */
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { STORE_SECRET_BYTES, createStoreSecret, deriveSealKeys } from '../keys/seal.ts'
import type { SealKeys } from '../keys/seal.ts'
import { makeFolder } from '../make-folder.ts'
import type { DiskPlan } from './quota.ts'
import { openRocksIndex } from './rocks-index.ts'
import type { Index } from './rocks-index.ts'
import { openSlab } from './slab.ts'
import type { Slab } from './slab.ts'
import { toStoreError } from './store-error.ts'

const KEY_FILE = 'store.key'
const SLAB_FILE = 'slab'
const INDEX_FOLDER = 'index'

export interface DataDir {
  readonly keys: SealKeys
  readonly index: Index
  readonly slab: Slab
}

/**
 * Opens or creates everything. @throws ShoalError E_STORE_LOCKED while another process has the
 * directory, E_STORE_FULL, E_STORE_IO; nothing stays open then.
 */
export async function openDataDir(path: string, plan: DiskPlan): Promise<DataDir> {
  const folder = join(path, INDEX_FOLDER)
  await probe(path, folder)
  // the lock of the index is the lock of the directory: nothing else is touched before it is held
  const index = await openRocksIndex(folder, {
    writeBufferBytes: plan.writeBufferBytes,
    maxBytes: plan.indexBytes,
    maxManifestBytes: plan.manifestBytes,
  })
  try {
    const keys = deriveSealKeys(await loadSecret(path))
    const slab = await openSlab(join(path, SLAB_FILE), plan.slots)
    await syncFolder(path)
    return { keys, index, slab }
  } catch (error) {
    await index.close()
    throw toStoreError(error)
  }
}

/** RocksDB spins for ever on a folder that it cannot create: create it, and write to it, first. */
async function probe(path: string, folder: string): Promise<void> {
  try {
    await makeFolder(folder)
    const file = join(folder, 'probe')
    await writeFile(file, '')
    await rm(file)
  } catch (error) {
    const known = toStoreError(error)
    if (known.code === 'E_STORE_FULL') throw known
    const message = 'the data directory cannot be created or written'
    throw new ShoalError('E_STORE_IO', message, { cause: error })
  }
}

/** The content of `store.key`; a new one where there is none. */
async function loadSecret(path: string): Promise<Uint8Array> {
  const file = join(path, KEY_FILE)
  const secret = await readFile(file).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (secret === undefined) return createSecret(path, file)
  if (secret.length === STORE_SECRET_BYTES) return secret
  throw new ShoalError('E_STORE_IO', `${KEY_FILE} in the data directory is damaged`)
}

/** Under its name only when it is whole and on the disk: half a key would lose the whole store. */
async function createSecret(path: string, file: string): Promise<Uint8Array> {
  const secret = createStoreSecret()
  const draft = `${file}.new`
  await rm(draft, { force: true })
  await writeSynced(draft, secret)
  await rename(draft, file)
  return secret
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes new names last; where folders cannot be opened (Windows) the file system does so itself. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined)
  if (handle === undefined) return
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
