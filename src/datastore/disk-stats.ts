/**
 * What a disk store tells of itself.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { DiskCore } from './disk-core.ts'
import type { Resizer } from './disk-resize.ts'
import type { Scrubber } from './disk-scrub.ts'
import { statusOf } from './disk-status.ts'
import type { AreaStats, Area, StoreStats } from './store.ts'

/** All counters at this moment; nothing is read from the disk for it. */
export function statsOf(
  core: DiskCore,
  { resizer, scrubber }: { resizer: Pick<Resizer, 'state'>; scrubber: Pick<Scrubber, 'counters'> },
): StoreStats {
  const { areas, table, slab, space, ledger } = core
  const { hits, ...counted } = core.meter.stats()
  const evictions = areas.evictions
  const { storeSlots, cacheSlots } = areas.shares
  const areaStats = (area: Area, slots: number): AreaStats => {
    return { slots, used: table.used[area], hits: hits[area], evictions: evictions[area] }
  }
  return {
    ...statusOf(core),
    ...counted,
    // the slab's length is known; what lies beside it is as large as when it was last looked at
    diskBytes: slab.slots * BLOCK_BYTES + space.besideSlabBytes,
    slots: table.limit,
    filledSlots: Math.min(slab.slots, table.limit),
    rebuiltShare: core.rebuiltShare,
    resize: resizer.state,
    store: areaStats('store', storeSlots),
    cache: areaStats('cache', cacheSlots),
    outbox: { slots: ledger.capacityBlocks, used: ledger.pendingBlocks },
    index: { entries: table.entries, staleEntries: table.staleEntries },
    scrub: scrubber.counters,
  }
}
