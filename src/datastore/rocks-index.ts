/**
 * The index on RocksDB: sorted keys to values, in batches. Knows nothing of what they mean.
 *
 * What RocksDB 10.5 does when a disk fails it (tried on a file system that was full and freed again, and
 * with files changed by hand): after one failed append, flush or compaction it refuses every write with
 * that first error, for ever, but goes on reading; closed and opened again it has all that it had
 * acknowledged. A block of a table with a wrong bit fails the reads that need it, an iterator as a whole,
 * and the next compaction, so in the end every write.
 * @module
 */
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { noise } from '../keys/seal.ts'
import type { DiskCondition } from './disk-condition.ts'
import { freeBytes } from './disk-space.ts'
import { readRange } from './index-range.ts'
import {
  damagedPath,
  dropDamaged,
  dropSalvage,
  finishSalvage,
  salvageIndex,
  takeSalvaged,
  writeBatch,
} from './index-salvage.ts'
import { ReadQueue } from './read-queue.ts'
import { RocksHandle } from './rocks-handle.ts'
import type { Database } from './rocks-handle.ts'
import { cutLogs, openDatabase } from './rocks-open.ts'
import type { Index, IndexBounds, IndexChange, IndexEntry, IndexValue } from './sorted-index.ts'
import { isDamage, toStoreError, unreadableIndex } from './store-error.ts'

export type { Index, IndexBounds, IndexChange, IndexEntry } from './sorted-index.ts'

export interface IndexLimits {
  readonly writeBufferBytes: number
  /** Bytes its directory may take; from two thirds on a write waits for a full compaction. */
  readonly maxBytes: number
  /** Bytes its manifest may take, which grows until the next open: above, it is opened again. */
  readonly maxManifestBytes: number
}

/** An index whose limits change with the size of the store. */
export interface ResizableIndex extends Index {
  /**
   * Other limits from now on. Resolves when the directory has been brought near them, which may take a
   * full compaction.
   */
  setLimits(limits: IndexLimits): Promise<void>
  /** The entries that it must have, whatever it is made anew of. Before this call no read makes it so. */
  keepAlways(entries: () => readonly IndexChange[]): void
}

export interface IndexOptions extends IndexLimits {
  readonly condition: Pick<DiskCondition, 'damaged' | 'mended' | 'unreadable' | 'readable'>
}

/** Writes and flushes between two looks at the directory: 16 x 256 entries are 0.7 MiB. */
const LOOK_EVERY = 16
/** Free bytes wanted for opening again beside the tables of two logs: `DiskPlan.spareBytes` in all. */
const OPEN_BYTES = 5 * 1024 * 1024
const PROBE_BYTES = 64 * 1024
/** After many tries in vain only every 32nd write tries again: reads wait about a second for it. */
const RARELY = 32
/** An index that is damaged more often than this has a disk that nobody should write to. */
const MAX_SALVAGES = 3

/**
 * Opens or creates the index. `path` must exist: RocksDB spins for ever where it cannot be created.
 * @throws ShoalError E_STORE_LOCKED while another process has it open, E_STORE_FULL, E_STORE_IO.
 */
export async function openRocksIndex(path: string, options: IndexOptions): Promise<ResizableIndex> {
  await finishSalvage(path)
  const index = await createIndex(path, options, (bytes) => openDatabase(path, bytes))
  await dropSalvage(path)
  return index
}

/**
 * The index over whatever `open` opens, with a write buffer of so many bytes: the seam by which tests hand
 * in a database that fails.
 */
export async function createIndex(
  path: string,
  options: IndexOptions,
  open: (writeBufferBytes: number) => Promise<Database>,
): Promise<ResizableIndex> {
  const current = { ...options }
  return new RocksIndex(
    await RocksHandle.create(() => open(current.writeBufferBytes)),
    path,
    current,
  )
}

class RocksIndex implements ResizableIndex {
  readonly #path: string
  /** Its limits change: whoever opens the database again looks here. */
  readonly #options: { -readonly [Key in keyof IndexOptions]: IndexOptions[Key] }
  readonly #handle: RocksHandle
  readonly #reads = new ReadQueue((keys) => this.#read(keys))
  #untilLook = LOOK_EVERY
  /** Why the last write failed, or what a read has met; undefined: all is well. */
  #fault: unknown
  #mending: Promise<void> | undefined
  /** Since the last write that went through. */
  #mends = 0
  #salvages = 0
  /** Whether the index of before may be there still: that of another process, too. */
  #hasDamaged = true
  #always: (() => readonly IndexChange[]) | undefined
  /** Writes and flushes under way: what is copied meanwhile might not have them. */
  #writes = 0
  #onwritten: (() => void) | undefined
  #isClosing = false

  constructor(handle: RocksHandle, path: string, options: IndexOptions) {
    this.#handle = handle
    this.#path = path
    this.#options = options
  }

  async setLimits(limits: IndexLimits): Promise<void> {
    const isOtherBuffer = limits.writeBufferBytes !== this.#options.writeBufferBytes
    Object.assign(this.#options, limits)
    if (isOtherBuffer) await this.#handle.reopen()
    this.#untilLook = 1
    await this.flush()
    this.#untilLook = 1 // what was flushed counts too
    await this.write([])
  }

  keepAlways(entries: () => readonly IndexChange[]): void {
    this.#always = entries
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly IndexValue[]> {
    return this.#reads.get(keys)
  }

  write(changes: readonly IndexChange[]): Promise<void> {
    return this.#change((db) => writeBatch(db, changes))
  }

  range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]> {
    const onunreadable = (error: unknown): void => {
      this.#unreadable(error)
      // what the disk refuses now may be there the next time: it must not be taken for absent
      if (!isDamage(error)) throw unreadableIndex(error)
    }
    return this.#handle.use(async (db) => {
      const page = await readRange(db, bounds, limit, onunreadable)
      this.#options.condition.readable()
      return page
    })
  }

  flush(): Promise<void> {
    return this.#change((db) => db.flush())
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#mending?.catch(() => {})
    await this.#handle.close()
  }

  async #read(keys: readonly Uint8Array[]): Promise<readonly IndexValue[]> {
    const values = await this.#handle
      .use((db) => this.#readFrom(db, keys))
      .catch((error: unknown): IndexValue[] => {
        if (this.#isClosing) throw error
        return keys.map(() => this.#unreadable(error))
      })
    if (values.includes('unreadable')) this.#mendSoon()
    else this.#options.condition.readable()
    return values
  }

  #readFrom(db: Database, keys: readonly Uint8Array[]): Promise<IndexValue[]> {
    const batch = db.read({ capacity: keys.length, autoDestroy: true })
    const values = keys.map((key) =>
      batch.get(key).then(
        (value) => value ?? undefined,
        (error: unknown) => this.#unreadable(error),
      ),
    )
    batch.tryFlush()
    return Promise.all(values)
  }

  #unreadable(error: unknown): 'unreadable' {
    const { condition } = this.#options
    if (isDamage(error)) {
      condition.damaged()
      this.#fault ??= error
    } else condition.unreadable()
    return 'unreadable'
  }

  /** What cannot be read because the index is at fault makes nobody write, who would mend it. */
  #mendSoon(): void {
    const isAtFault = this.#fault !== undefined || !this.#handle.isOpen
    if (this.#always === undefined || !isAtFault || this.#isWaiting || this.#isClosing) return
    if (this.#salvages === MAX_SALVAGES && this.#handle.isOpen) return
    void this.write([]).catch(() => {}) // which is tried again with the next read
  }

  async #change(task: (db: Database) => Promise<void>): Promise<void> {
    // the last look is in the turn in which the write is counted
    for (let wait = this.#obstacle(); wait !== undefined; wait = this.#obstacle()) await wait
    this.#writes++
    try {
      await this.#look()
      await this.#handle.use(task)
      this.#mends = 0
    } catch (error) {
      this.#fault = error
      throw error
    } finally {
      if (--this.#writes === 0) this.#onwritten?.()
    }
  }

  /** What a write has to wait for; rejects where it cannot be written. */
  #obstacle(): Promise<void> | undefined {
    if (this.#isWaiting) return this.#mending ?? this.#handle.swapping?.catch(() => {})
    return this.#fault === undefined && this.#handle.isOpen ? undefined : this.#mend()
  }

  get #isWaiting(): boolean {
    return this.#mending !== undefined || this.#handle.swapping !== undefined
  }

  /** Now and then: keeps the directory within what the quota reserves for it. */
  async #look(): Promise<void> {
    if (--this.#untilLook > 0) return
    this.#untilLook = LOOK_EVERY
    await cutLogs(this.#path)
    const sizes = await fileSizes(this.#path)
    let manifest = 0
    for (const [name, bytes] of sizes) if (name.startsWith('MANIFEST')) manifest += bytes
    const bytes = sumOf(sizes)
    await this.#keepWithin(bytes)
    const isLarge = bytes > (this.#options.maxBytes * 2) / 3
    if (manifest > this.#options.maxManifestBytes) await this.#handle.reopen()
    else if (isLarge) await this.#handle.use((db) => db.compactRange())
  }

  #mend(): Promise<void> {
    this.#mending ??= this.#mendOnce().finally(() => {
      this.#mending = undefined
    })
    return this.#mending
  }

  /** Opens the database again, or makes it anew; throws the fault where it is not time for that. */
  async #mendOnce(): Promise<void> {
    if (this.#isClosing) throw new ShoalError('E_CLOSED', 'the index is closing')
    const fault = this.#fault ?? unreadableIndex()
    const isDamaged = isDamage(fault) && this.#handle.isOpen
    const copyBytes = isDamaged ? await sizeOf(this.#path) : 0
    await this.#probe(OPEN_BYTES + 2 * this.#options.writeBufferBytes + copyBytes)
    const tries = ++this.#mends
    const isDue = (tries & (tries - 1)) === 0 || tries % RARELY === 0
    if (!isDue || (isDamaged && this.#salvages === MAX_SALVAGES))
      throw fault instanceof Error ? fault : toStoreError(fault)
    if (isDamaged) await this.#salvage()
    else await this.#handle.reopen()
    this.#fault = undefined
  }

  /** Before anything is closed: a database that cannot write can read, one that is closed cannot. */
  async #probe(neededBytes: number): Promise<void> {
    const file = join(this.#path, 'probe')
    await writeFile(file, noise(PROBE_BYTES))
    await rm(file, { force: true })
    if ((await freeBytes(this.#path)) >= neededBytes) return
    throw new ShoalError('E_STORE_FULL', 'the disk is full')
  }

  /** While it is copied the index cannot be written, so that the copy is of one moment. */
  async #salvage(): Promise<void> {
    if (this.#writes > 0) {
      await new Promise<void>((resolve) => {
        this.#onwritten = resolve
      })
      this.#onwritten = undefined
    }
    const check = (): void => {
      if (this.#isClosing) throw new ShoalError('E_CLOSED', 'the index is closing')
    }
    const source = {
      // a disk that refuses to read ends it: the copy would lack what is not lost
      range: (bounds: IndexBounds, limit: number) => this.range(bounds, limit),
      always: () => this.#always?.() ?? [],
      check,
    }
    await salvageIndex(source, this.#path, this.#options.writeBufferBytes)
    await this.#handle.reopen(async () => {
      await takeSalvaged(this.#path)
      this.#salvages++
      this.#hasDamaged = true
      this.#untilLook = 1
      this.#options.condition.mended()
    })
  }

  /** The index of before is kept as long as both have room in what the quota reserves for one. */
  async #keepWithin(indexBytes: number): Promise<void> {
    if (!this.#hasDamaged) return
    const damagedBytes = await sizeOf(damagedPath(this.#path))
    const isTooMuch = indexBytes + damagedBytes > (this.#options.maxBytes * 2) / 3
    if (isTooMuch) await dropDamaged(this.#path)
    this.#hasDamaged = damagedBytes > 0 && !isTooMuch
  }
}

async function sizeOf(path: string): Promise<number> {
  return sumOf(await fileSizes(path))
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

function sumOf(sizes: ReadonlyMap<string, number>): number {
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
}
