/**
 * Putting blocks into slots of a disk store (spec §11.5).
 * @module
 */
import type { Address, Block } from '../keys/block.ts'
import { sealSlot } from '../keys/seal.ts'
import type { DiskCore, SlotContent } from './disk-core.ts'
import { withRoom } from './disk-eviction.ts'
import type { SlotUse } from './slot-table.ts'

/**
 * Writes a block to a slot of its own, evicting for it as needed. The slot has one reference of
 * `use` and is on hold: call `table.doneWriting` in the same turn, with its entries queued. Undefined: there is no room.
 * Throws what the disk threw, holding nothing.
 */
export async function writeSlot(
  core: DiskCore,
  use: SlotUse,
  address: Address,
  block: Block,
): Promise<SlotContent | undefined> {
  const { table } = core
  const tenure = await withRoom(core, use, () => {
    const taken = table.take(use)
    if (taken !== undefined) table.holdForWriting(taken.slot)
    return taken
  })
  if (tenure === undefined) return undefined
  try {
    const { sealed, nonce, tag } = sealSlot(core.keys, address, block)
    await core.slab.write(tenure.slot, sealed)
    return { ...tenure, nonce, tag }
  } catch (error) {
    table.release(tenure.slot, use)
    table.doneWriting(tenure.slot)
    throw error
  }
}

/** Waits while too many changes are queued; rejects with the disk's error. */
export async function waitForCommit(core: DiskCore, signal?: AbortSignal): Promise<void> {
  while (core.group.isFull) {
    await core.group.commit()
    signal?.throwIfAborted()
  }
}
