/**
 * Writing slots once more after a sync that failed (spec §11.5): the system may count as written what
 * never came to the disk.
 * @module
 */
import { crc32 } from 'node:zlib'

import { BLOCK_BYTES } from '../keys/block.ts'
import type { IndexRecord } from './record.ts'
import type { Slab } from './slab.ts'
import type { SlotTable } from './slot-table.ts'

/**
 * Writes to the slot of a record what is in it, so that the next sync vouches for it. False: other bytes are
 * there by now, or none that can be read. Rejects where they cannot be written.
 */
export async function rewriteSlot(
  { slab, table }: { readonly slab: Slab; readonly table: SlotTable },
  record: IndexRecord,
): Promise<boolean> {
  const { slot, area, checksum } = record
  if (area === 'insert' || area === 'meta') return true
  const isCurrent = (): boolean => table.isCurrent(record, area === 'outbox' ? 'outbox' : 'area')
  if (!isCurrent()) return true
  table.hold(slot)
  try {
    const sealed = new Uint8Array(BLOCK_BYTES)
    const isRead = await slab.read(slot, (bytes) => sealed.set(bytes)).then(yes, no)
    if (!isCurrent()) return true // the slot is somebody else's
    if (!isRead || crc32(sealed) !== checksum) return false
    await slab.write(slot, sealed)
    return true
  } finally {
    table.letGo(slot)
  }
}

/**
 * Those of `items`, at most `most`, for which `isGood` says no: found by halves, so that one bad one among
 * 768 takes some twenty questions. A question about several says no where one of them is bad.
 */
export async function findBad<T>(
  items: readonly T[],
  isGood: (items: readonly T[]) => Promise<boolean>,
  most: number,
): Promise<T[]> {
  if (most === 0 || items.length === 0 || (await isGood(items))) return []
  if (items.length === 1) return [...items]
  const half = items.length >>> 1
  const first = await findBad(items.slice(0, half), isGood, most)
  const second = await findBad(items.slice(half), isGood, most - first.length)
  return [...first, ...second]
}

/** Filling the slab syncs it, too. The slab to be given to it: `onfailure` is told of a sync that fails. */
export function withSyncAlarm(slab: Slab, onfailure: () => void): Slab {
  return {
    get slots() {
      return slab.slots
    },
    read: (slot, use) => slab.read(slot, use),
    lend: (use) => slab.lend(use),
    write: (slot, sealed) => slab.write(slot, sealed),
    extend: (count) => slab.extend(count),
    truncate: (slots) => slab.truncate(slots),
    close: () => slab.close(),
    sync: () =>
      slab.sync().catch((error: unknown) => {
        onfailure()
        throw error
      }),
  }
}

function yes(): boolean {
  return true
}

function no(): boolean {
  return false
}
