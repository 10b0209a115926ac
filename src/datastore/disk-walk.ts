/**
 * Walking the store area of a disk store by ring position (spec §11.5).
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Home } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import type { DiskCore } from './disk-core.ts'
import { isCurrent } from './disk-core.ts'
import { clockwise, isInRange } from './eviction.ts'
import { indexPages } from './index-pages.ts'
import { BUCKETS, BUCKET_POSITIONS, bucketOf, bucketRange } from './keyspace.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexBounds, IndexEntry } from './sorted-index.ts'
import type { PositionRange, StoreEntry } from './store.ts'

const PAGE_ENTRIES = 256
/** One seek costs about as much as passing this many entries: decides which way to walk. */
const SEEK_ENTRIES = 16

/** Entries of the store area within `range`, once each. */
export async function* walkStore(
  core: DiskCore,
  range: PositionRange,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoreEntry> {
  core.gate.check()
  signal?.throwIfAborted()
  const queued = core.group.changes()
  for (const { record } of queued.values()) {
    signal?.throwIfAborted()
    const entry = toEntry(core, record, range)
    if (entry !== undefined) yield entry
  }
  for (const bounds of boundsOf(core, range)) {
    for await (const { key, value } of entriesWithin(core, bounds)) {
      signal?.throwIfAborted()
      if (queued.has(mapKey(key))) continue
      const entry = toEntry(core, decodeRecord(core.keys, key, value), range)
      if (entry !== undefined) yield entry
    }
  }
}

async function* entriesWithin(core: DiskCore, bounds: IndexBounds): AsyncGenerator<IndexEntry> {
  const index = {
    range: (within: IndexBounds, limit: number) =>
      core.gate.run(undefined, () => core.index.range(within, limit)),
  }
  for await (const page of indexPages(index, bounds, PAGE_ENTRIES)) yield* page
}

/** Bucket by bucket where the range is narrow, else the whole index once. */
function* boundsOf(core: DiskCore, range: PositionRange): Generator<IndexBounds> {
  const first = bucketOf(range.from)
  const last = bucketOf(range.to)
  const span = clockwise(range.from, range.to)
  // a range that ends in the bucket it began in, behind its start, has gone all the way round
  const wraps = first === last && span >= BUCKET_POSITIONS
  const buckets = wraps ? BUCKETS : ((last - first + BUCKETS) % BUCKETS) + 1
  const { entries, staleEntries } = core.table
  if (core.isRebuilt && buckets * SEEK_ENTRIES > entries + staleEntries) {
    yield {}
    return
  }
  for (let i = 0; i < buckets; i++) yield bucketRange(core.keys, (first + i) % BUCKETS)
}

function toEntry(
  core: DiskCore,
  record: IndexRecord | undefined,
  range: PositionRange,
): StoreEntry | undefined {
  if (record?.area !== 'store' || !isCurrent(core, record)) return undefined
  const home = record.homes as Home
  const address = addressIn(record)
  if (!isInRange(homePosition(address, home), range)) return undefined
  return { address, home, sequence: record.sequence }
}
