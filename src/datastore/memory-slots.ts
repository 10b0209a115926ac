/**
 * The slots of a store in memory: which block is in each, by the table and the areas that the disk
 * store uses. The memory of a block that was evicted is taken for the next one, unless somebody was given
 * the block: most of what is cached goes unread, and new buffers are what collections cost.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { copyOf, mapKey } from '../keys/bytes.ts'
import type { Rng } from '../runtime.ts'
import { Areas } from './areas.ts'
import type { RoomFor } from './areas.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import type { Shares } from './quota.ts'
import { SlotTable } from './slot-table.ts'
import type { SlotTenure, SlotUse } from './slot-table.ts'
import { SpareBuffers } from './spare-buffers.ts'
import type { Area } from './store.ts'

/** Buffers of evicted blocks that wait for the next one: as a rule it takes them at once. */
const MAX_SPARE = 16

/** A block in a slot. */
export interface Kept {
  readonly address: Address
  readonly tenure: SlotTenure
  block: Block
  /** Somebody was given the block: its bytes are never written again. */
  isLent: boolean
  sequence: number | undefined
  /** Area of the entry under each home. */
  homes: (Area | undefined)[]
}

export class MemorySlots {
  readonly table: SlotTable
  readonly areas: Areas
  readonly #ledger: OutboxLedger
  readonly #kept: (Kept | undefined)[] = []
  /** By address: what the areas hold, and content that the outbox pins. */
  readonly #named = new Map<string, Kept>()
  readonly #spare = new SpareBuffers(MAX_SPARE)

  constructor(options: {
    readonly shares: Shares
    readonly rng: Rng
    readonly ledger: OutboxLedger
  }) {
    const { shares, rng, ledger } = options
    this.table = new SlotTable(shares.slots, rng)
    this.table.extend(shares.slots)
    this.areas = new Areas({ table: this.table, shares, rng })
    this.#ledger = ledger
  }

  get usedBytes(): number {
    const { store, cache, outbox } = this.table.used
    return (store + cache + outbox) * BLOCK_BYTES
  }

  /** What store or cache hold of an address; undefined: nothing. */
  find(address: Address): Kept | undefined {
    const kept = this.#named.get(mapKey(address))
    return kept !== undefined && this.table.isCurrent(kept.tenure, 'area') ? kept : undefined
  }

  /** Content that only the outbox pins. */
  findPinned(address: Address): Kept | undefined {
    const kept = this.#named.get(mapKey(address))
    return kept !== undefined && this.table.isCurrent(kept.tenure, 'outbox') ? kept : undefined
  }

  /** Everything that store and cache hold. */
  *all(): Generator<Kept> {
    for (const kept of this.#named.values()) {
      if (this.table.isCurrent(kept.tenure, 'area')) yield kept
    }
  }

  /** Evicts until there is room, sparing `spared`. False: nothing more may go. */
  makeRoom(use: RoomFor, spared?: Kept): boolean {
    if (spared !== undefined) this.table.hold(spared.tenure.slot)
    let hasRoom = this.areas.hasRoom(use, this.#ledger.claimedBlocks)
    while (!hasRoom && this.areas.evictFor(use)) {
      this.#empty(this.table.lastFreed)
      hasRoom = this.areas.hasRoom(use, this.#ledger.claimedBlocks)
    }
    if (spared !== undefined) this.table.letGo(spared.tenure.slot)
    return hasRoom
  }

  /** A copy of the block, in a slot taken for `use`; `isNamed`: others find it by its address. */
  take(
    use: SlotUse,
    { address, block }: { readonly address: Address; readonly block: Block },
    isNamed: boolean,
  ): Kept | undefined {
    const tenure = this.makeRoom(use) ? this.table.take(use) : undefined
    if (tenure === undefined) return undefined
    this.table.letGo(tenure.slot)
    this.#drop(tenure.slot)
    const kept = {
      address,
      tenure,
      block: this.#ownCopy(block),
      isLent: false,
      sequence: undefined,
      homes: [],
    }
    this.#kept[tenure.slot] = kept
    if (isNamed) this.#named.set(mapKey(address), kept)
    return kept
  }

  #empty(slot: number): void {
    if (!this.table.isInUse(slot)) this.#drop(slot)
  }

  /** Forgets what was in a slot before. */
  #drop(slot: number): void {
    const last = this.#kept[slot]
    if (last === undefined) return
    this.#kept[slot] = undefined
    const name = mapKey(last.address)
    if (this.#named.get(name) === last) this.#named.delete(name)
    if (!last.isLent) this.#spare.giveBack(last.block)
  }

  /** A copy: the caller's bytes are often part of a larger network buffer. */
  #ownCopy(block: Block): Block {
    const copy = this.#spare.take()
    copy.set(block)
    return copy as Block
  }
}

/** The block for somebody outside the store. */
export function lend(kept: Kept): Block {
  kept.isLent = true
  return kept.block
}

/** Puts `block` in the place of the one that is kept. */
export function replaceBlock(kept: Kept, block: Block): void {
  if (kept.isLent) kept.block = copyOf(block) as Block
  else kept.block.set(block)
  kept.isLent = false
}
