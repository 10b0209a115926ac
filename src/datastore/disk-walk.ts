/**
 * Walking the store area of a disk store by ring position (spec §11.5).
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Home } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import type { DiskCore, FoundEntry } from './disk-core.ts'
import { isCurrent, isSameTenure, readRecords } from './disk-core.ts'
import { clockwise, isInRange } from './eviction.ts'
import { indexPages } from './index-pages.ts'
import { BUCKETS, BUCKET_POSITIONS, bucketOf, bucketRange, foundKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexBounds, IndexEntry } from './sorted-index.ts'
import { toStoreError } from './store-error.ts'
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
  yield* entriesOf(core, [...queued.values()], { range, signal, moves: core.table.moves })
  for (const bounds of boundsOf(core, range)) {
    let { moves } = core.table
    for await (const page of pagesWithin(core, bounds)) {
      const met = page.filter(({ key }) => !queued.has(mapKey(key)))
      const entries = met.map(({ key, value }) => {
        return { key: foundKey(key), record: decodeRecord(core.keys, key, value) }
      })
      yield* entriesOf(core, entries, { range, signal, moves })
      moves = core.table.moves
    }
  }
}

interface Walk {
  readonly range: PositionRange
  readonly signal: AbortSignal | undefined
  /** `DiskTable.moves` before the entries were read. */
  readonly moves: number
}

interface Met {
  readonly key: IndexKey
  readonly record: IndexRecord | undefined
}

/** Of the entries given those that hold. What has been moved or replaced since is looked up again. */
async function* entriesOf(
  core: DiskCore,
  entries: readonly Met[],
  { range, signal, moves }: Walk,
): AsyncGenerator<StoreEntry> {
  for (let met = entries; met.length > 0;) {
    const stale: FoundEntry[] = []
    for (const { key, record } of met) {
      signal?.throwIfAborted()
      if (record?.area !== 'store') continue
      const entry = toEntry(record, range)
      if (entry === undefined) continue
      if (isCurrent(core, record)) yield entry
      else stale.push({ key, record })
    }
    if (core.table.moves === moves) return
    moves = core.table.moves
    met = await readMoved(core, stale)
  }
}

/** Those of the entries that name another slot by now. The others were evicted, or cannot be read. */
async function readMoved(core: DiskCore, stale: readonly FoundEntry[]): Promise<Met[]> {
  const keys = stale.map(({ key }) => key)
  const records = await core.gate.run(undefined, () => readRecords(core, keys))
  return stale.flatMap(({ key, record: before }, i): Met[] => {
    const record = records[i]
    if (record === undefined || record === 'unreadable') return []
    return isSameTenure(record, before) ? [] : [{ key, record }]
  })
}

async function* pagesWithin(
  core: DiskCore,
  bounds: IndexBounds,
): AsyncGenerator<readonly IndexEntry[]> {
  const index = {
    range: (within: IndexBounds, limit: number) =>
      core.gate.run(undefined, () => core.index.range(within, limit)).catch(throwStoreError),
  }
  yield* indexPages(index, bounds, PAGE_ENTRIES)
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

function toEntry(record: IndexRecord, range: PositionRange): StoreEntry | undefined {
  const home = record.homes as Home
  const address = addressIn(record)
  if (!isInRange(homePosition(address, home), range)) return undefined
  return { address, home, sequence: record.sequence }
}

function throwStoreError(error: unknown): never {
  throw toStoreError(error)
}
