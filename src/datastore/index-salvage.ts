/**
 * Making a damaged index anew of what can still be read (spec §11.5). RocksDB refuses all writes once a
 * compaction has met a block that it cannot read; this leaves out that block, some fifty entries. The
 * index of before is kept until the one that took its place has been opened by a later process.
 * @module
 */
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { makeFolder } from '../make-folder.ts'
import { indexPages } from './index-pages.ts'
import { readRange } from './index-range.ts'
import type { Index, IndexChange } from './sorted-index.ts'
import type { Database } from './rocks-handle.ts'
import { openDatabase } from './rocks-open.ts'
import { fileAt, syncFolder } from './whole-file.ts'

/** Beside the index: the copy, ... */
const COPY = '.new'
/** ... the index of before while the copy takes its place, and no longer, ... */
const OLD = '.old'
/** ... and afterwards. */
const DAMAGED = '.damaged'
export const SALVAGE_ENDINGS = [COPY, OLD, DAMAGED] as const

/** What the copy is made of. */
export interface SalvageSource extends Pick<Index, 'range'> {
  /** What it must have, whatever can be read. */
  readonly always: () => readonly IndexChange[]
  /** Throws where there is to be no copy any more. */
  readonly check: () => void
}

/**
 * Writes all that `source` can read to a new index beside `path`, for `takeSalvaged`, and reads it back.
 * Where that fails nothing is left of it.
 */
export async function salvageIndex(
  source: SalvageSource,
  path: string,
  writeBufferBytes: number,
): Promise<void> {
  const copy = path + COPY
  await rm(copy, { recursive: true, force: true })
  await makeFolder(copy)
  try {
    const copied = await withDatabase(copy, writeBufferBytes, (db) => fill(db, source))
    const there = await withDatabase(copy, writeBufferBytes, (db) => count(db, source))
    if (there < copied) throw new Error('the copy of the index is not whole')
  } catch (error) {
    await rm(copy, { recursive: true, force: true }).catch(() => {}) // a full disk needs the room
    throw error
  }
}

/**
 * Puts the copy in the place of the index, which nobody may have open and of which one is kept. Cut off
 * in between, `finishSalvage` undoes it.
 */
export async function takeSalvaged(path: string): Promise<void> {
  await dropDamaged(path)
  await rename(path, path + OLD)
  try {
    await rename(path + COPY, path)
  } catch (error) {
    await rename(path + OLD, path)
    throw error
  }
  await rename(path + OLD, path + DAMAGED)
  await syncFolder(dirname(path))
}

/**
 * Before the index is opened: where a process was killed just as it put a copy in place, the index is the
 * one of before again. It is the only one that is known to have all that was written.
 */
export async function finishSalvage(path: string): Promise<void> {
  if ((await fileAt(path + OLD)) === undefined) return
  if ((await fileAt(join(path, 'CURRENT'))) !== undefined) return // the copy is in place
  await rm(path, { recursive: true, force: true })
  await rename(path + OLD, path)
  await syncFolder(dirname(path))
}

/** Removes an unfinished copy: call it while the index is open, for whoever has it may be making one. */
export async function dropSalvage(path: string): Promise<void> {
  await rm(path + COPY, { recursive: true, force: true })
}

/** Removes the index of before: the one in its place, which must be there, is known to be good. */
export async function dropDamaged(path: string): Promise<void> {
  for (const ending of [OLD, DAMAGED]) await rm(path + ending, { recursive: true, force: true })
}

/** Where the index of before is kept. */
export function damagedPath(path: string): string {
  return path + DAMAGED
}

/** All or nothing; `undefined` deletes. */
export async function writeBatch(db: Database, changes: readonly IndexChange[]): Promise<void> {
  // autoDestroy: without it a batch that failed would keep close() waiting for ever
  const batch = db.write({ capacity: Math.max(1, changes.length), autoDestroy: true })
  for (const { key, value } of changes) {
    if (value === undefined) batch.tryDelete(key)
    else batch.tryPut(key, value)
  }
  await batch.flush()
}

/** How many entries it wrote. */
async function fill(to: Database, source: SalvageSource): Promise<number> {
  let entries = 0
  for await (const page of indexPages(source)) {
    source.check()
    await writeBatch(to, page)
    entries += page.length
  }
  await writeBatch(to, source.always())
  await to.flush()
  return entries
}

async function count(db: Database, { check }: SalvageSource): Promise<number> {
  let entries = 0
  const copy: Pick<Index, 'range'> = {
    range: (bounds, limit) => readRange(db, bounds, limit, rethrow),
  }
  for await (const page of indexPages(copy)) {
    check()
    entries += page.length
  }
  return entries
}

async function withDatabase<T>(
  path: string,
  writeBufferBytes: number,
  use: (db: Database) => Promise<T>,
): Promise<T> {
  const db = await openDatabase(path, writeBufferBytes)
  try {
    return await use(db)
  } finally {
    await db.close()
  }
}

function rethrow(error: unknown): never {
  throw error
}
