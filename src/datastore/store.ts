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
  /**
   * Number of the link for which the block is kept: the one that inserted it or asked for it; 0: this
   * node itself. Store shares and the cache's repeats are counted by it; it is never written down.
   */
  readonly link: number
}

/**
 * - `stored`: it is here now, under this home and area;
 * - `known`: it was here already, under this home, in this area or in `store`;
 * - `older`: a signed block that supersedes it is here (see `supersedes`), nothing changed;
 * - `refused`: it could not be written (disk full); the node goes on serving.
 */
export type PutResult = 'stored' | 'known' | 'older' | 'refused'

export interface GetOptions extends Abortable {
  readonly link?: number
}

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

/**
 * `ok`; `rebuilding`: after a crash, what is here is served, and puts are refused until memory knows the
 * slots again; `disk-full`, `disk-failing`: it goes on serving, and tries to write again by itself.
 */
export type StoreCondition = 'ok' | 'rebuilding' | 'disk-full' | 'disk-failing'

export interface StoreStatus {
  readonly condition: StoreCondition
  /** Hard ceiling over everything the store keeps on disk, bytes. */
  readonly quotaBytes: number
  /** Of the slab, how much is there, in [0, 1]: below 1 while it is being filled or grown. */
  readonly filledShare: number
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
  /** What `get` gives nobody else has: it may be written over. */
  readonly givesFresh?: true
  /**
   * Keeps a block under one home. One slot an address, whatever the homes: a second home of the same
   * block takes no further room. A signed block that supersedes the one held replaces it under all
   * homes. A full area evicts to make room; it never refuses for want of room alone.
   */
  put(request: PutRequest): Promise<PutResult>
  /**
   * The block under any home; undefined: not here, or no longer readable (its entry is dropped). `link`:
   * the peer that asks, for metrics and the order of the cache; without it the read leaves no trace.
   */
  get(address: Address, options?: GetOptions): Promise<StoredBlock | undefined>
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
  /** Blocks that the disk lost before they had them: the content should be inserted again. */
  readonly lostBlocks: number
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

/** Why a block went: spec §11.6. */
export const EVICTION_REASONS = [
  'out-of-range',
  'fullest-link',
  'random',
  'asked-once',
  'cold',
  'resize',
] as const
export type EvictionReason = (typeof EVICTION_REASONS)[number]

/** How long calls took: `counts[i]` of them at most `boundsMs[i]`, the last above all bounds. */
export interface Histogram {
  readonly boundsMs: readonly number[]
  readonly counts: readonly number[]
  readonly sumMs: number
}

export interface AreaStats {
  /** Most slots it may use, and slots it uses. */
  readonly slots: number
  readonly used: number
  /** Reads for peers that were answered from here. */
  readonly hits: number
  readonly evictions: Readonly<Record<EvictionReason, number>>
}

/** Counted since the store was opened, and only what was done for peers or by the store itself. */
export interface StoreStats extends StoreStatus {
  /** Bytes that the data directory takes on disk, as last measured. */
  readonly diskBytes: number
  /** Slots of the slab: planned, and there. */
  readonly slots: number
  readonly filledSlots: number
  /** After a crash: how much of the index is read again, in [0, 1]; 1: all of it. */
  readonly rebuiltShare: number
  readonly resize: { readonly quotaBytes: number; readonly slotsLeft: number } | undefined
  readonly store: AreaStats
  readonly cache: AreaStats
  readonly outbox: { readonly slots: number; readonly used: number }
  /** Reads for peers of what is not here. */
  readonly misses: number
  readonly puts: Readonly<Record<PutResult, number>>
  /** Bytes written to the slab, filling it included. */
  readonly bytesWritten: number
  /** Slots that a read could not open. */
  readonly verifyFailures: number
  readonly index: { readonly entries: number; readonly staleEntries: number }
  readonly scrub: {
    /** Slots looked at, those freed since they did not verify, and rounds over the whole store. */
    readonly checked: number
    readonly freed: number
    readonly rounds: number
  }
  readonly latency: { readonly get: Histogram; readonly put: Histogram; readonly commit: Histogram }
}

export interface CheckResult {
  readonly checked: number
  readonly freed: number
}

/** Looking after a store while it runs. */
export interface StoreCare {
  stats(): StoreStats
  /** Verifies every block that is here now, as fast as the disk goes; what does not verify is freed. */
  check(
    options?: Abortable & { readonly onprogress?: (checked: number, of: number) => void },
  ): Promise<CheckResult>
  /**
   * Another quota, from now on and for later starts. Resolves when the slab is as long as it may be: a
   * smaller one may have to move blocks first. Throws E_OPTION out of bounds, E_STORE_FULL where the disk
   * or the pending inserts have no room for it, E_BUSY while another resize runs.
   */
  resize(quotaBytes: number, options?: Abortable): Promise<void>
  /** Resolves when the store key has been destroyed under a running store, which then has stopped. */
  readonly destroyed: Promise<void>
}

/** What an opened store consists of; closing `blocks` closes all of it. */
export interface StorePair {
  readonly blocks: BlockStore
  readonly outbox: Outbox
  readonly care: StoreCare
  /** Seals what its node keeps beside it, and goes with the store key; undefined: nothing is kept. */
  readonly journalKey?: Uint8Array
}
