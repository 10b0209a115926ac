/**
 * Making a damaged index anew of what can still be read (spec §11.5). RocksDB refuses all writes once a
 * compaction has met a block that it cannot read; this leaves out that block, some fifty entries.
 * @module
 */
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

import { makeFolder } from '../make-folder.ts'
import { indexPages } from './index-pages.ts'
import type { Index, IndexChange } from './sorted-index.ts'
import type { Database } from './rocks-handle.ts'
import { isIndexInUse, openDatabase } from './rocks-open.ts'
import { fileAt, syncFolder } from './whole-file.ts'

/** The copy beside the index: unfinished, and whole. */
const DRAFT = '.new'
const WHOLE = '.mended'
export const SALVAGE_ENDINGS = [DRAFT, WHOLE] as const

/** Writes all that `from` can read to a new index beside `path`, for `takeSalvaged`. Reads only. */
export async function salvageIndex(
  from: Pick<Index, 'range'>,
  path: string,
  writeBufferBytes: number,
): Promise<void> {
  const draft = path + DRAFT
  await rm(draft, { recursive: true, force: true })
  await makeFolder(draft)
  const to = await openDatabase(draft, writeBufferBytes)
  try {
    for await (const page of indexPages(from)) await writeBatch(to, page)
    await to.flush()
  } finally {
    await to.close()
  }
  await rename(draft, path + WHOLE)
  await syncFolder(dirname(path))
}

/** Puts a whole copy, where there is one, in the place of the index, which nobody may have open. */
export async function takeSalvaged(path: string): Promise<void> {
  if ((await fileAt(path + WHOLE)) === undefined) return
  await rm(path, { recursive: true, force: true })
  await rename(path + WHOLE, path)
  await syncFolder(dirname(path))
}

/** What a process that was killed has left of this: call it before the index is opened. */
export async function finishSalvage(path: string): Promise<void> {
  const isLeft = (await fileAt(path + WHOLE)) !== undefined
  if (isLeft && !(await isIndexInUse(path))) await takeSalvaged(path)
}

/** Removes an unfinished copy: call it while the index is open, for whoever has it may be making one. */
export async function dropSalvage(path: string): Promise<void> {
  await rm(path + DRAFT, { recursive: true, force: true })
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
