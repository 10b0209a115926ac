/**
 * A block changes its slot: all that names the one names the other from then on. Whoever has a block in
 * hand whose copy here cannot be read writes it anew that way (spec §11.5).
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { HOMES, isBlock, isHolding, isSameTenure, knownRecords, readSlot } from './disk-core.ts'
import type { DiskCore, FoundEntry, SlotContent } from './disk-core.ts'
import { writeSlot } from './disk-write.ts'
import { entryKey, outboxKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import type { SlotTenure } from './slot-table.ts'

interface MendRequest {
  readonly address: Address
  readonly block: Block
  readonly signal?: AbortSignal | undefined
}

/**
 * All entries of a content block, in areas and outbox, stale ones included. With the lock of the address.
 * @throws ShoalError E_STORE_IO where one cannot be read.
 */
export async function readEntries(core: DiskCore, address: Address): Promise<FoundEntry[]> {
  const { keys, ledger } = core
  const all: IndexKey[] = [
    ...HOMES.map((home) => entryKey(keys, address, home)),
    ...ledger.holders(address).map((insertId) => outboxKey(keys, insertId, address)),
  ]
  const records = await knownRecords(core, all)
  return all.flatMap((key, i): FoundEntry[] => {
    const record = records[i]
    return record === undefined ? [] : [{ key, record }]
  })
}

/**
 * Sees to it that a content block which is here can be relied on: its slot is read, and where that does not
 * open, or cannot be read, the block in hand goes to another slot, for areas and inserts alike. `gone`: it
 * is not in this slot any more; `none`: there is no room. With the lock of the address.
 */
export async function vouchFor(
  core: DiskCore,
  request: MendRequest,
  held: SlotContent,
): Promise<'whole' | 'mended' | 'gone' | 'none'> {
  const read = await readSlot(core, request.address, held)
  request.signal?.throwIfAborted()
  if (isBlock(read)) return 'whole'
  const entries = await readEntries(core, request.address)
  const content = await writeSlot(core, 'outbox', request)
  if (content === undefined) return 'none'
  const named = entries.filter(
    ({ record }) => isSameTenure(record, held) && isHolding(core, record),
  )
  if (named.length === 0) {
    core.table.giveBack(content.slot)
    return 'gone'
  }
  if (read === 'damaged') core.meter.verifyFailed()
  if (core.table.areaOf(held.slot) !== undefined) core.meter.wrote(BLOCK_BYTES)
  flipSlot(core, { from: held.slot, entries: named }, content)
  return 'mended'
}

/**
 * In one turn: `to`, just taken for the outbox and so out of everybody's sight, is what `from` was, and
 * `from` is free once the commit that says so is done. `entries`: those that hold and name `from`.
 */
export function flipSlot(
  { areas, table, group }: DiskCore,
  { from, entries }: { readonly from: number; readonly entries: readonly FoundEntry[] },
  to: SlotTenure & Partial<SlotContent>,
): void {
  const isPinned = table.isPinned(from)
  areas.inherit(to.slot, from)
  if (isPinned) table.unpin(from, 'after-commit')
  else table.unpin(to.slot)
  for (const { key, record } of entries) group.put(key, { ...record, ...to })
  table.letGo(to.slot)
}
