/**
 * Getting room in a disk store, and putting blocks into slots (spec §11.5). Whether there is room is
 * decided in the turn in which it is taken: eviction asks nobody and waits for nothing.
 * @module
 */
import { crc32 } from 'node:zlib'

import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { sealSlot } from '../keys/seal.ts'
import type { RoomFor } from './areas.ts'
import type { DiskCore, SlotContent } from './disk-core.ts'
import type { IndexRecord } from './record.ts'
import type { SlotTenure, SlotUse } from './slot-table.ts'
import { isDiskFull } from './store-error.ts'

/**
 * Writes a block to a slot of its own, evicting for it as needed. The slot counts for `use` and is held:
 * call `table.letGo` in the turn in which its entries are queued. Undefined: there is no room.
 * Throws what the disk threw, holding nothing.
 */
export async function writeSlot(
  core: DiskCore,
  use: SlotUse,
  { address, block, signal }: { address: Address; block: Block; signal?: AbortSignal | undefined },
): Promise<SlotContent | undefined> {
  const tenure = await takeSlot(core, use, signal)
  if (tenure === undefined) return undefined
  try {
    const { sealed, nonce, tag } = sealSlot(core.keys, address, block, core.sealBuffers.take())
    await writeSealed(core, tenure.slot, sealed)
    const checksum = crc32(sealed)
    core.sealBuffers.giveBack(sealed)
    core.table.written()
    // the counters tell nothing of what the node inserts itself
    if (use !== 'outbox') core.meter.wrote(BLOCK_BYTES)
    return { ...tenure, nonce, tag, checksum }
  } catch (error) {
    if (isDiskFull(error)) core.table.giveBack(tenure.slot)
    else core.table.refused(tenure.slot)
    if (!core.gate.isClosed) core.condition.failed(error)
    throw error
  }
}

/** Once more where a sync of the slab failed meanwhile: what the write has brought may be lost. */
async function writeSealed(
  { slab, group }: DiskCore,
  slot: number,
  sealed: Uint8Array,
): Promise<void> {
  for (;;) {
    const failures = group.syncFailures
    await slab.write(slot, sealed)
    if (group.syncFailures === failures) return
  }
}

/** A waiting entry names a slot whose bytes are lost. An insert that was committed had its bytes synced. */
export function loseRecord({ areas, ledger }: DiskCore, record: IndexRecord): void {
  if (record.area === 'outbox') ledger.spoil(record.insertId)
  else areas.leave(record.slot)
}

/** A slot that counts for `use` and is held. Undefined: there is no room, and none can be made. */
async function takeSlot(
  core: DiskCore,
  use: SlotUse,
  signal: AbortSignal | undefined,
): Promise<SlotTenure | undefined> {
  const turn = use === 'store' ? 'store' : 'cache'
  return tryTake(core, use) ?? core.turns.runAlways(turn, () => waitForSlot(core, use, signal))
}

function tryTake({ areas, table, ledger, sweep }: DiskCore, use: SlotUse): SlotTenure | undefined {
  if (sweep.isBehind) return undefined
  while (!areas.hasRoom(use, ledger.claimedBlocks)) if (!areas.evictFor(use)) return undefined
  return table.take(use)
}

async function waitForSlot(
  core: DiskCore,
  use: SlotUse,
  signal: AbortSignal | undefined,
): Promise<SlotTenure | undefined> {
  const { areas, table, ledger, sweep } = core
  for (;;) {
    signal?.throwIfAborted()
    const taken = tryTake(core, use)
    if (taken !== undefined) return taken
    if (sweep.isBehind) await sweep.catchUp()
    else if (!areas.hasRoom(use, ledger.claimedBlocks) || !(await freeSlots(core))) {
      if (table.heldCount === 0) return undefined
      await table.whenLetGo()
    }
  }
}

/** Where there is room but no slot is free. False: nothing can be done about it now. */
async function freeSlots({ areas, table, fill, group }: DiskCore): Promise<boolean> {
  if (await fill.grow()) return true
  if (table.freeCount > 0) return true
  if (table.hasLimbo) {
    await group.commit()
    return true
  }
  // the slab stays shorter than the shares say: whatever gives up a slot
  return areas.evictFuller()
}

/**
 * Calls `act` in a turn in which there is room beside a slot that is here: for it to count for another
 * area, or for one more entry. `none`: there is no room; `gone`: `isHere` has become false.
 */
export async function withRoomBeside<T>(
  { areas, table, ledger }: DiskCore,
  use: RoomFor,
  { slot, isHere }: { readonly slot: number; readonly isHere: () => boolean },
  act: () => T,
): Promise<T | 'none' | 'gone'> {
  for (;;) {
    if (!isHere()) return 'gone'
    if (areas.hasRoom(use, ledger.claimedBlocks)) return act()
    if (table.sparing(slot, () => areas.evictFor(use))) continue
    if (use === 'entry') return act() // all slots but this one are being written: one more does no harm
    if (table.heldCount === 0) return 'none'
    await table.whenLetGo()
  }
}

/** Waits while too many changes are queued; rejects with the disk's error. */
export async function waitForCommit({ group }: DiskCore, signal?: AbortSignal): Promise<void> {
  while (group.isFull) {
    await group.commit()
    signal?.throwIfAborted()
  }
}
