/**
 * The contract of every block store, and of the outbox (spec §11). Blocks, not meanings: nothing
 * here can name a key that opens one. `test/suites/` holds one suite that every store must pass.
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'

/**
 * `store`: blocks this node is responsible for, fed by inserts and repair, never by reads.
 * `cache`: what passes by in the greedy phase.
 */
export type Area = 'store' | 'cache'

export interface Abortable {
  readonly signal?: AbortSignal
}

export interface PutRequest extends Abortable {
  readonly address: Address
  readonly home: Home
  /** Verified against `address` by the caller: a store never checks that again. */
  readonly block: Block
  readonly area: Area
  /** Number of the link that brought the block, for per-link quotas; 0: none did. */
  readonly link: number
}

/**
 * - `stored`: it is here now, under this home and area;
 * - `known`: it was here already, under this home, in this area or in `store`;
 * - `older`: a signed block that supersedes it is here (see `supersedes`), nothing changed;
 * - `refused`: it could not be written (disk full); the node goes on serving.
 */
export type PutResult = 'stored' | 'known' | 'older' | 'refused'

export interface StoredBlock {
  readonly block: Block
  /** `store` where any home's entry is in the store. */
  readonly area: Area
}

/** A run of ring positions, clockwise from `from` to `to`, both included; may wrap past zero. */
export interface PositionRange {
  readonly from: number
  readonly to: number
}

export interface StoreEntry {
  readonly address: Address
  readonly home: Home
  /** Sequence of a signed block, undefined for content. */
  readonly sequence: number | undefined
}

export interface StoreStatus {
  /** Hard ceiling over everything the store keeps on disk, bytes. */
  readonly quotaBytes: number
  /** Bytes of the slots in use, outbox included. */
  readonly usedBytes: number
  /** Blocks held in the store and cache areas (an address under two homes counts once). */
  readonly blocks: number
}

/**
 * A bounded set of blocks. All methods may run at the same time, in any number; a block whose `put`
 * has resolved is found by the next `get`, unless it was evicted. After `close()` every method
 * rejects with E_CLOSED; `close` itself may be called again.
 */
export interface BlockStore {
  /**
   * Keeps a block under one home. One slot an address, whatever the homes: a second home of the same
   * block takes no further room. A signed block that supersedes the one held replaces it under all
   * homes. A full area evicts to make room; it never refuses for want of room alone.
   */
  put(request: PutRequest): Promise<PutResult>
  /** The block under any home; undefined: not here, or no longer readable (its entry is dropped). */
  get(address: Address, options?: Abortable): Promise<StoredBlock | undefined>
  /** Whether the address is here, and in which area; reads no block. Takes the index's word. */
  has(
    address: Address,
    options?: Abortable,
  ): Promise<(Omit<StoreEntry, 'home'> & { area: Area }) | undefined>
  /** Every entry of the store area (not of the cache) whose home position is in `range`, once each,
   * in no promised order; entries put or evicted meanwhile may or may not appear. */
  walk(range: PositionRange, options?: Abortable): AsyncIterable<StoreEntry>
  /** The positions this node is responsible for: what lies outside is evicted first. */
  setRange(range: PositionRange): void
  status(): StoreStatus
  close(): Promise<void>
}

/** One block of an own insert, waiting for its copies. */
export interface OutboxEntry {
  readonly insertId: number
  readonly address: Address
  /** Homes that still want copies, in ascending order; never empty. */
  readonly homesLeft: readonly Home[]
}

export interface OutboxInsert {
  readonly insertId: number
  /** Blocks added so far; the final number once `committed`. */
  readonly blocks: number
  /** Blocks that have every copy they want. */
  readonly spreadBlocks: number
  readonly committed: boolean
}

/**
 * Own inserts, pinned until enough copies are acknowledged. It shares the slots of the store beside
 * it, is sealed alike, and is given to the local gateway only: no method of `BlockStore` sees it.
 */
export interface Outbox {
  /** A new insert; its number is at least 1 and never used again. */
  begin(): Promise<number>
  /**
   * Keeps a block for `insertId`. Adding the same address to the same insert again is `added` and
   * changes nothing. `full`: nothing was kept; wait for `room` and call again.
   */
  add(request: {
    readonly insertId: number
    readonly address: Address
    readonly block: Block
    readonly homes: readonly Home[]
    readonly signal?: AbortSignal
  }): Promise<'added' | 'full'>
  /** Resolves when everything added is on the disk for good: only then may the user be told. */
  commit(insertId: number): Promise<void>
  /** Forgets an insert that was not committed, with all its blocks (no-op for any other). An insert
   * left uncommitted by a crash is discarded when the outbox is opened. */
  discard(insertId: number): Promise<void>
  /** The block; of several signed ones that inserts hold, the one that supersedes the others. */
  get(address: Address, options?: Abortable): Promise<Block | undefined>
  /** Pending entries, oldest first. The iteration stays valid while entries come and go. */
  entries(): IterableIterator<OutboxEntry>
  /** One home of a block has its copies; with the last one the block leaves the outbox. */
  homeDone(entry: OutboxEntry, home: Home): Promise<void>
  /** Resolves when an entry has left; at once when nothing is pending. */
  room(options?: Abortable): Promise<void>
  /** State of an insert. The last 1,000 finished ones are remembered, in memory; else undefined. */
  insert(insertId: number): OutboxInsert | undefined
  readonly pendingBlocks: number
  /** Most blocks it can hold: half of the cache share (spec §11.4). */
  readonly capacityBlocks: number
}

/** What an opened store consists of; closing `blocks` closes both. */
export interface StorePair {
  readonly blocks: BlockStore
  readonly outbox: Outbox
}
