/**
 * Reading a run of the index that may be damaged in places (spec §11.5). RocksDB's iterator stops at the
 * first block of a file that it cannot read; here it goes on behind it.
 * @module
 */
import type { Database } from './rocks-handle.ts'
import type { IndexBounds, IndexEntry } from './sorted-index.ts'

/** Keys begin with 64 pseudo-random bits, so that this is a distance between them. */
const KEY_SPACE = 2n ** 64n
/** First and least step over what cannot be read: a quarter of a million of them make all keys. */
const STEP = 2n ** 46n

/**
 * The first `limit` entries within `bounds` that can be read, in order. `onunreadable` hears of each
 * failure, and throws where there is to be no reading on; holds no snapshot afterwards.
 */
export async function readRange(
  db: Database,
  bounds: IndexBounds,
  limit: number,
  onunreadable: (error: unknown) => void,
): Promise<IndexEntry[]> {
  const found: IndexEntry[] = []
  let next: IndexBounds | undefined = bounds
  for (let size = limit; next !== undefined && found.length < limit;) {
    const wanted = Math.min(size, limit - found.length)
    const page = await tryPage(db, next, wanted, onunreadable)
    if (page === undefined && size > 1) {
      size = wanted >> 1 || 1 // a page fails as a whole: nearer and nearer to what cannot be read
    } else if (page === undefined) {
      next = await boundsBehind(db, next, onunreadable)
    } else {
      found.push(...page)
      if (page.length < wanted) return found
      next = after(page.at(-1) as IndexEntry, bounds)
      size = Math.min(limit, size * 2)
    }
  }
  return found
}

async function tryPage(
  db: Database,
  bounds: IndexBounds,
  limit: number,
  onunreadable: (error: unknown) => void,
): Promise<IndexEntry[] | undefined> {
  try {
    return await readPage(db, bounds, limit)
  } catch (error) {
    onunreadable(error)
    return undefined
  }
}

async function readPage(db: Database, bounds: IndexBounds, limit: number): Promise<IndexEntry[]> {
  const found: IndexEntry[] = []
  // one more than the limit: a full page would cost another trip to learn that it was the last
  const iterator = db.iterator({ ...bounds }, { capacity: limit + 1, limit })
  for await (const { key, value } of iterator) found.push({ key, value })
  return found
}

/** The bounds from where the index can be read again; undefined: nowhere within them. */
async function boundsBehind(
  db: Database,
  bounds: IndexBounds,
  onunreadable: (error: unknown) => void,
): Promise<IndexBounds | undefined> {
  const canRead = async (from: bigint): Promise<boolean> =>
    (await tryPage(db, { gte: keyAt(from) }, 1, onunreadable)) !== undefined
  let bad = placeOf(bounds.gt ?? bounds.gte)
  let step = STEP
  while (bad + step < KEY_SPACE && !(await canRead(bad + step))) {
    bad += step
    step *= 2n
  }
  let good = bad + step
  while (good - bad > STEP) {
    const middle = (good + bad) / 2n
    if (middle < KEY_SPACE && !(await canRead(middle))) bad = middle
    else good = middle
  }
  return good < KEY_SPACE ? withLower({ gte: keyAt(good) }, bounds) : undefined
}

function after({ key }: IndexEntry, bounds: IndexBounds): IndexBounds {
  return withLower({ gt: key }, bounds)
}

function withLower(lower: IndexBounds, { lte }: IndexBounds): IndexBounds {
  return lte === undefined ? lower : { ...lower, lte }
}

function placeOf(key: Uint8Array | undefined): bigint {
  const bytes = new Uint8Array(8)
  bytes.set(key?.subarray(0, 8) ?? [])
  return new DataView(bytes.buffer).getBigUint64(0)
}

function keyAt(place: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, place)
  return bytes
}
