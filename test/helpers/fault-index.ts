/**
 * The index of a data directory without a store around it.
 * @module
 */
import { join } from 'node:path'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { openRocksIndex } from '../../src/datastore/rocks-index.ts'
import type { Index, IndexEntry } from '../../src/datastore/rocks-index.ts'
import { silentLogger } from '../../src/runtime.ts'

const MIB = 1024 * 1024

/** The folder `index` in `path` must be there. */
export function openIndex(path: string): Promise<Index> {
  return openRocksIndex(join(path, 'index'), {
    writeBufferBytes: MIB,
    maxBytes: 64 * MIB,
    maxManifestBytes: 4 * MIB,
    condition: new DiskCondition(silentLogger),
  })
}

/** All entries, at most 100,000. */
export async function entriesIn(path: string): Promise<readonly IndexEntry[]> {
  const index = await openIndex(path)
  try {
    return await index.range({}, 100_000)
  } finally {
    await index.close()
  }
}
