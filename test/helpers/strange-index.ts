/**
 * A RocksDB that a test makes refuse, err or wait, under a real index or a whole store.
 * @module
 */
import { join } from 'node:path'

import { openDataDir } from '../../src/datastore/data-dir.ts'
import type { DataDir } from '../../src/datastore/data-dir.ts'
import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { createDiskStore } from '../../src/datastore/disk-store.ts'
import { createIndex } from '../../src/datastore/rocks-index.ts'
import type { Database } from '../../src/datastore/rocks-handle.ts'
import { openDatabase } from '../../src/datastore/rocks-open.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { silentLogger } from '../../src/runtime.ts'
import type { Logger } from '../../src/runtime.ts'
import { equals } from '../../src/keys/bytes.ts'
import { FailingDisk } from './fault-disk.ts'
import { SMALL_BYTES } from './fault-folder.ts'
import { createSeededRng } from './rng.ts'

/** As RocksDB words them. */
export const REFUSED =
  'While pread offset 0 len 4096: /x/corrupt/index/000007.sst: Input/output error'
export const DAMAGED = 'block checksum mismatch: stored = 1, computed = 2 in /x/index/000007.sst'

export class StrangeDatabase {
  /** What every read says. */
  readFault: string | undefined
  /** What every page says. */
  rangeFault: string | undefined
  /** A key whose block does not verify. */
  damagedKey: Uint8Array | undefined
  flushFault: string | undefined
  canOpen = true
  opened = 0
  /** Pauses before each of them, ms. */
  readonly delays = { open: 0, compact: 0, page: 0 }

  /** Opens `path` with these faults. */
  readonly open = async (path: string, bytes: number): Promise<Database> => {
    await pause(this.delays.open)
    if (!this.canOpen) throw systemError('EMFILE', 'While open a file: Too many open files')
    this.opened++
    const db = await openDatabase(path, bytes)
    return {
      write: db.write,
      close: db.close,
      flush: async () => {
        if (this.flushFault !== undefined) throw systemError('EIO', this.flushFault)
        await db.flush()
      },
      compactRange: async () => {
        await pause(this.delays.compact)
        await db.compactRange()
      },
      read: (how) => {
        const batch = db.read(how)
        const get = batch.get.bind(batch)
        batch.get = async (key) => {
          const value = await get(key)
          this.#check(key)
          return value
        }
        return batch
      },
      iterator: (bounds, how) => this.#iterate(() => db.iterator(bounds, how)),
    }
  }

  /** One that is opened and not read would keep the database from closing. */
  #iterate(open: () => ReturnType<Database['iterator']>): ReturnType<Database['iterator']> {
    const pages = async function* (this: StrangeDatabase): AsyncGenerator {
      await pause(this.delays.page)
      if (this.rangeFault !== undefined) throw systemError('EIO', this.rangeFault)
      for await (const entry of open()) {
        this.#check(entry.key)
        yield entry
      }
    }
    return pages.call(this) as unknown as ReturnType<Database['iterator']>
  }

  #check(key: Uint8Array): void {
    if (this.readFault !== undefined) throw systemError('EIO', this.readFault)
    if (this.damagedKey !== undefined && equals(this.damagedKey, key)) {
      throw systemError('EIO', DAMAGED)
    }
  }
}

export interface StrangeStore {
  readonly store: StorePair
  readonly dir: DataDir
  readonly db: StrangeDatabase
  readonly condition: DiskCondition
}

/** The store of `path` over a database that a test may make strange, with `prepare` before. Its waits are short. */
export async function openStrangeStore(
  path: string,
  logger: Logger = silentLogger,
  prepare: (db: StrangeDatabase) => void = () => {},
): Promise<StrangeStore> {
  const sizes = { storeBytes: undefined, defaultBytes: SMALL_BYTES, passphrase: undefined }
  const dir = await openDataDir(path, { ...sizes, logger })
  await dir.index.close()
  const db = new StrangeDatabase()
  prepare(db)
  const condition = new DiskCondition(logger)
  const { writeBufferBytes, indexBytes, manifestBytes } = dir.plan
  const limits = { writeBufferBytes, maxBytes: indexBytes, maxManifestBytes: manifestBytes }
  const folder = join(path, 'index')
  const open = (bytes: number): Promise<Database> => db.open(folder, bytes)
  const index = await createIndex(folder, { ...limits, condition }, open)
  const { clock } = new FailingDisk()
  const runtime = { rng: createSeededRng(1), clock, logger }
  const strange = { ...dir, index, condition }
  const store = await createDiskStore(strange, dir.plan, runtime)
  return { store, dir: strange, db, condition }
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
}
