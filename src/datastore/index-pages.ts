/**
 * Passing over the index in pages, so that no snapshot of it is kept alive (its old files would count
 * against the quota) and other work goes on in between.
 * @module
 */
import type { Index, IndexBounds, IndexEntry } from './sorted-index.ts'

/** A page costs three trips through the thread pool, whatever its size; this many take about 3 ms. */
export const PAGE_ENTRIES = 1024

/** All entries within `bounds`, a page at a time, as each page is when it is read. */
export async function* indexPages(
  index: Pick<Index, 'range'>,
  bounds: IndexBounds = {},
  pageEntries = PAGE_ENTRIES,
): AsyncGenerator<readonly IndexEntry[]> {
  for (let next = bounds; ;) {
    const page = await index.range(next, pageEntries)
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < pageEntries) return
    next = bounds.lte === undefined ? { gt: last.key } : { gt: last.key, lte: bounds.lte }
  }
}
