/**
 * A slot that the disk takes bytes for and then loses them (spec §11.5): what is in it, which is still in the
 * memory of the system as a rule, goes to another slot before anything on the disk names this one.
 * @module
 */
import { crc32 } from 'node:zlib'

import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import { isHolding, isSameTenure } from './disk-core.ts'
import type { DiskCore, FoundEntry } from './disk-core.ts'
import { flipSlot, readEntries } from './disk-mend.ts'
import { addressIn } from './record.ts'
import type { IndexRecord } from './record.ts'

/**
 * Sets the slot of a waiting record aside, and moves what is in it; false: that cannot be read any more. A
 * block of the cache, whose address nobody knows, leaves it. For the commit alone, which waits for nobody:
 * while somebody works on the address it rejects, and is to be called again.
 */
export async function leaveBadSlot(core: DiskCore, record: IndexRecord): Promise<boolean> {
  const { table, areas, lock } = core
  const { slot } = record
  if (!isHolding(core, record)) return true
  table.shun(slot)
  if (record.area === 'cache') {
    areas.leave(slot)
    return true
  }
  const address = addressIn(record)
  // who has the lock may wait for this very commit
  if (!lock.isFree(mapKey(address))) throw new ShoalError('E_STORE_IO', 'a slot cannot be written')
  return lock.runAlways(mapKey(address), async () => {
    table.hold(slot)
    try {
      return await move(core, record, address)
    } finally {
      table.letGo(slot)
    }
  })
}

async function move(core: DiskCore, record: IndexRecord, address: Address): Promise<boolean> {
  const { slab, table } = core
  const sealed = new Uint8Array(BLOCK_BYTES)
  const isRead = await slab.read(record.slot, (bytes) => sealed.set(bytes)).then(yes, no)
  if (!isRead || crc32(sealed) !== record.checksum) return false
  const all = await readEntries(core, address)
  const to = takeOther(core)
  try {
    await slab.write(to, sealed)
  } catch (error) {
    table.setAside(to)
    throw error
  }
  const entries = all.filter((entry) => isOf(core, entry, record))
  if (entries.length === 0) table.giveBack(to)
  else flipSlot(core, { from: record.slot, entries }, table.tenure(to))
  return true
}

function isOf(core: DiskCore, { record }: FoundEntry, of: IndexRecord): boolean {
  return isSameTenure(record, of) && isHolding(core, record)
}

function takeOther({ table, areas }: DiskCore): number {
  for (;;) {
    const taken = table.take('outbox')
    if (taken !== undefined) return taken.slot
    if (!areas.evictFor('outbox') && !areas.evictFuller()) {
      throw new ShoalError('E_STORE_FULL', 'no slot is free to move a block to')
    }
  }
}

function yes(): boolean {
  return true
}

function no(): boolean {
  return false
}
