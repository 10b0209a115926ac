/**
 * Opening the RocksDB of an index, and telling in one line why it does not open (spec §11.5).
 * @module
 */
import { chmod, readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'

import RocksDB from 'rocksdb-native'

import { ShoalError, isShoalError } from '../errors.ts'
import type { Database } from './rocks-handle.ts'
import { isDiskFull } from './store-error.ts'
import { fileAt } from './whole-file.ts'

/** RocksDB has no code for it: in another process, and in this one. */
const LOCKED = /while lock file|lock hold by current process/i
/** What the system refuses, as against what the files are. */
const REFUSED =
  /permission denied|not permitted|read-only|too many open|input\/output error|cannot allocate/i

const DATABASE_FILE = /^MANIFEST-|\.(?:sst|log)$/

/**
 * The database in `path`, a new one where it is empty. `path` must exist: RocksDB spins for ever where
 * it cannot be created. @throws ShoalError E_STORE_LOCKED while another process has it, E_STORE_FULL,
 * E_STORE_IO.
 */
export async function openDatabase(path: string, writeBufferBytes: number): Promise<Database> {
  const db = new RocksDB(path, {
    writeBufferSize: writeBufferBytes,
    maxBackgroundJobs: 2, // one flush, one compaction: a node is not the only program of its host
    maxOpenFiles: 64,
  })
  try {
    await db.ready()
  } catch (error) {
    const known = openError(error)
    if (known.code !== 'E_STORE_LOCKED') await removeLogs(path, LOG) // then they are somebody else's
    throw known
  }
  await removeLogs(path)
  await cutLogs(path)
  await keepPrivate(path)
  return {
    read: (options) => db.read(options),
    write: (options) => db.write(options),
    iterator: (bounds, options) => db.iterator(bounds, options),
    flush: () => db.flush(),
    compactRange: () => db.compactRange(),
    close: async () => {
      await db.close()
      await removeLogs(path, LOG)
    },
  }
}

/** Whether a process has the index in `path` open. One that is absent or damaged nobody has. */
export async function isIndexInUse(path: string): Promise<boolean> {
  if ((await fileAt(join(path, 'LOCK'))) === undefined) return false
  try {
    const db = await openDatabase(path, 1024 * 1024)
    await db.close()
    return false
  } catch (error) {
    return isShoalError(error) && error.code === 'E_STORE_LOCKED'
  }
}

/**
 * Whether an index that was whole once has lost the file that names its manifest. RocksDB would not always
 * refuse it: it takes the folder for that of a new database, and begins it.
 */
export async function hasLostManifestName(path: string): Promise<boolean> {
  const names = await namesIn(path)
  return !names.includes('CURRENT') && names.some((name) => DATABASE_FILE.test(name))
}

function openError(error: unknown): ShoalError {
  const options = { cause: error }
  const reason = error instanceof Error ? error.message : ''
  if (LOCKED.test(reason)) {
    return new ShoalError('E_STORE_LOCKED', 'another process is using this data directory')
  }
  if (isDiskFull(error)) return new ShoalError('E_STORE_FULL', 'the disk is full', options)
  if (REFUSED.test(reason)) {
    return new ShoalError('E_STORE_IO', 'the index of the data directory cannot be opened', options)
  }
  return damagedIndex(error)
}

/** Whether what `openDatabase` threw is the files' fault. It has had the lock then, or nobody can. */
export function isDamagedIndex(error: unknown): boolean {
  if (!isShoalError(error) || error.code !== 'E_STORE_IO') return false
  return error.cause instanceof Error && !REFUSED.test(error.cause.message)
}

export function damagedIndex(cause?: unknown): ShoalError {
  const message =
    'the index is damaged: remove the folder index in the data directory to start with an empty ' +
    'store; keys and identity stay'
  return new ShoalError('E_STORE_IO', message, { cause })
}

/** RocksDB's own log: of the database that is open last, and of those before, of which it keeps a thousand. */
const LOG = 'LOG'
const OLD_LOG = 'LOG.old.'

/**
 * Empties what RocksDB tells of itself: host, path, and when how much was flushed and deleted. It goes on
 * at its old end, so that the file then begins with a hole. Never throws.
 */
export async function cutLogs(path: string): Promise<void> {
  for (const name of await namesIn(path)) {
    // whoever tried to open it too has renamed the log that is in use
    const isLog = name === LOG || name.startsWith(OLD_LOG)
    if (isLog) await truncate(join(path, name)).catch(() => {})
  }
}

/** The old ones, and `last` where it is not written any more. */
async function removeLogs(path: string, last?: typeof LOG): Promise<void> {
  for (const name of await namesIn(path)) {
    const isOver = name === last || name.startsWith(OLD_LOG)
    if (isOver) await rm(join(path, name), { force: true }).catch(() => {})
  }
}

/** RocksDB leaves it to the umask who may read its files. */
async function keepPrivate(path: string): Promise<void> {
  for (const name of await namesIn(path)) {
    await chmod(join(path, name), 0o600).catch(() => {}) // it may be gone again
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}
