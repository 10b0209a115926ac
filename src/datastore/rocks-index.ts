/**
 * The index on RocksDB: sorted keys to values, in batches. Knows nothing of what they mean.
 * @module
 */
import { readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'

import RocksDB from 'rocksdb-native'

import { ShoalError } from '../errors.ts'
import { ReadQueue } from './read-queue.ts'

export interface IndexChange {
  readonly key: Uint8Array
  /** undefined deletes. */
  readonly value: Uint8Array | undefined
}

export interface IndexEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface IndexBounds {
  readonly gt?: Uint8Array
  readonly gte?: Uint8Array
  readonly lte?: Uint8Array
}

export interface Index {
  /** The values of `keys`, in one trip. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>
  /** All or nothing; survives the end of the process, and with `flush` a power cut. */
  write(changes: readonly IndexChange[]): Promise<void>
  /** The first `limit` entries within `bounds`, in order. Holds no snapshot afterwards. */
  range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]>
  flush(): Promise<void>
  close(): Promise<void>
}

export interface IndexOptions {
  readonly writeBufferBytes: number
  /** Bytes its directory may take; from two thirds on a write waits for a full compaction. */
  readonly maxBytes: number
  /** Bytes its manifest may take, which grows until the next open: above, it is opened again. */
  readonly maxManifestBytes: number
}

/** RocksDB has no code for it: in another process, and in this one. */
const LOCKED = /while lock file|lock hold by current process/i
/** RocksDB never cuts its own LOG while it runs (6 KiB a flush); above this we do, bytes. */
const MAX_LOG_BYTES = 1024 * 1024
/** Writes and flushes between two looks at the directory: 16 x 256 entries are 0.7 MiB. */
const LOOK_EVERY = 16

/**
 * Opens or creates the index. `path` must exist: RocksDB spins for ever where it cannot be created.
 * @throws ShoalError E_STORE_LOCKED while another process has it open, E_STORE_IO.
 */
export async function openRocksIndex(path: string, options: IndexOptions): Promise<Index> {
  return new RocksIndex(await openDatabase(path, options), path, options)
}

async function openDatabase(path: string, options: IndexOptions): Promise<RocksDB> {
  const db = new RocksDB(path, {
    writeBufferSize: options.writeBufferBytes,
    maxBackgroundJobs: 2, // one flush, one compaction: a node is not the only program of its host
    maxOpenFiles: 64,
  })
  try {
    await db.ready()
  } catch (error) {
    throw openError(error)
  }
  await removeOldLogs(path)
  return db
}

class RocksIndex implements Index {
  readonly #path: string
  readonly #options: IndexOptions
  readonly #reads = new ReadQueue((keys) => this.#read(keys))
  #db: RocksDB
  #untilLook = LOOK_EVERY
  #calls = 0
  #onidle: (() => void) | undefined
  #reopening: Promise<void> | undefined

  constructor(db: RocksDB, path: string, options: IndexOptions) {
    this.#db = db
    this.#path = path
    this.#options = options
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#reads.get(keys)
  }

  #read(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#call(async (db) => {
      const batch = db.read({ capacity: keys.length, autoDestroy: true })
      const values = keys.map((key) => batch.get(key))
      batch.tryFlush()
      return (await Promise.all(values)).map((value) => value ?? undefined)
    })
  }

  async write(changes: readonly IndexChange[]): Promise<void> {
    await this.#look()
    await this.#call(async (db) => {
      // autoDestroy: without it a batch that failed would keep close() waiting for ever
      const batch = db.write({ capacity: Math.max(1, changes.length), autoDestroy: true })
      for (const { key, value } of changes) {
        if (value === undefined) batch.tryDelete(key)
        else batch.tryPut(key, value)
      }
      await batch.flush()
    })
  }

  range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]> {
    return this.#call(async (db) => {
      const found: IndexEntry[] = []
      // one more than the limit: a full page would cost another trip to learn that it was the last
      const iterator = db.iterator({ ...bounds }, { capacity: limit + 1, limit })
      for await (const { key, value } of iterator) found.push({ key, value })
      return found
    })
  }

  async flush(): Promise<void> {
    await this.#look()
    await this.#call((db) => db.flush())
  }

  async close(): Promise<void> {
    await this.#reopening?.catch(() => {})
    await this.#db.close()
  }

  async #call<T>(task: (db: RocksDB) => Promise<T>): Promise<T> {
    while (this.#reopening !== undefined) await this.#reopening
    this.#calls++
    try {
      return await task(this.#db)
    } finally {
      this.#calls--
      if (this.#calls === 0) this.#onidle?.()
    }
  }

  /** Now and then: keeps the directory within what the quota reserves for it. */
  async #look(): Promise<void> {
    if (--this.#untilLook > 0) return
    this.#untilLook = LOOK_EVERY
    const sizes = await fileSizes(this.#path)
    if ((sizes.get('LOG') ?? 0) > MAX_LOG_BYTES) {
      await truncate(join(this.#path, 'LOG')).catch(() => {})
    }
    let sum = 0
    let manifest = 0
    for (const [name, bytes] of sizes) {
      sum += bytes
      if (name.startsWith('MANIFEST')) manifest += bytes
    }
    if (manifest > this.#options.maxManifestBytes) await this.#reopen()
    else if (sum > (this.#options.maxBytes * 2) / 3) await this.#call((db) => db.compactRange())
  }

  /** Starts a new manifest; calls made meanwhile wait. */
  #reopen(): Promise<void> {
    this.#reopening ??= this.#reopenIdle().finally(() => {
      this.#reopening = undefined
    })
    return this.#reopening
  }

  async #reopenIdle(): Promise<void> {
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        this.#onidle = resolve
      })
      this.#onidle = undefined
    }
    await this.#db.close()
    this.#db = await openDatabase(this.#path, this.#options)
  }
}

function openError(error: unknown): ShoalError {
  const options = { cause: error }
  if (error instanceof Error && LOCKED.test(error.message)) {
    const message = 'another process is using this data directory'
    return new ShoalError('E_STORE_LOCKED', message, options)
  }
  return new ShoalError('E_STORE_IO', 'the index of the data directory cannot be opened', options)
}

/** Every open leaves the LOG of the run before as LOG.old.<time>, and RocksDB keeps a thousand. */
async function removeOldLogs(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (name.startsWith('LOG.old.')) await rm(join(path, name), { force: true })
  }
}

/** Bytes that each file of the folder takes on the disk, by name. */
async function fileSizes(path: string): Promise<Map<string, number>> {
  const names = await readdir(path).catch(() => [])
  const sizes = await Promise.all(names.map((name) => allocatedBytes(join(path, name))))
  return new Map(names.map((name, i) => [name, sizes[i] ?? 0]))
}

/** Bytes that a file takes on the disk; 0 where it is gone (RocksDB removes files at any time). */
async function allocatedBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * 512
  } catch {
    return 0
  }
}
