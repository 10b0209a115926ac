/**
 * Another size for a store that is running (spec §11.4). Growing, it may use more slots as they are
 * filled. Shrinking, it first gives up what its new shares have no room for, moves what lies beyond the new
 * end, and cuts the slab only when all of that is on the disk for good; until then it is a whole store
 * of the old size, whatever happens.
 * @module
 */
import { setImmediate } from 'node:timers/promises'

import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import { knownRecords } from './disk-core.ts'
import type { DiskCore } from './disk-core.ts'
import { Mover } from './disk-move.ts'
import { checkSpace } from './disk-space.ts'
import type { ChangeWatch } from './group-commit.ts'
import { PAGE_ENTRIES } from './index-pages.ts'
import { outboxKey } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import { planOf, sharesOf } from './quota.ts'
import type { DiskPlan, Shares } from './quota.ts'
import type { IndexLimits } from './rocks-index.ts'
import type { IndexBounds, IndexEntry } from './sorted-index.ts'
import { toStoreError } from './store-error.ts'
import type { Abortable, Area, Outbox, StoreStats } from './store.ts'

/** Slots given up before others get a turn: about a millisecond's worth. */
const EVICTIONS_AT_ONCE = 256
/** And after so long in any case, ms: slots of an area that has few are hard to find. */
const TURN_MS = 4
/** Passes in a row without any success after which a slot that no entry names is given up. */
const PATIENT_PASSES = 3
/** Slots that are judged together. */
const MAX_IDLE = 65_536
/** Between passes in which nothing could be moved, ms: others are at work on it. */
const RETRY_MS = 100
/** Changes that may wait for a commit beside the blocks of others. */
const MAX_QUEUED = 2048
/** A sweep that was under way ends without having made the new filter; the next one does. */
const SWEEP_TRIES = 3
/** Free room on the disk that moving blocks wants, in spare rooms: the index may have to be opened again. */
const ROOM_SPARES = 2
/** Slot numbers are u32. */
const MAX_SLOTS = 2 ** 32

export class Resizer {
  readonly #core: DiskCore
  readonly #mover: Mover
  /** The quota to come. */
  #quotaBytes: number | undefined
  /** Slots in use above the limit when they were counted last, and those emptied before that. */
  #left = 0
  #running: Promise<void> | undefined
  #endPause: (() => void) | undefined
  #isStopped = false

  constructor(core: DiskCore, outbox: Pick<Outbox, 'get'>) {
    this.#core = core
    this.#mover = new Mover(core, outbox)
  }

  /** What is under way: the size to come, and blocks still to be moved. */
  get state(): StoreStats['resize'] {
    if (this.#quotaBytes === undefined) return undefined
    const slotsLeft = Math.max(0, this.#left - this.#mover.moved)
    return { quotaBytes: this.#quotaBytes, slotsLeft }
  }

  /**
   * As `StoreCare.resize`. Aborted, or failed before the slab was cut, the store has the size it had,
   * less what it has evicted.
   */
  resize(quotaBytes: number, options?: Abortable): Promise<void> {
    if (this.#running !== undefined) {
      return Promise.reject(new ShoalError('E_BUSY', 'the store is being resized already'))
    }
    const running = this.#run(quotaBytes, options?.signal).finally(() => {
      this.#running = undefined
      this.#quotaBytes = undefined
      this.#left = 0
    })
    this.#running = running
    return running
  }

  /** The store is being closed: ends a resize as an abort does, and the sweep it may wait for. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#endPause?.()
    await Promise.all([this.#running?.catch(() => {}), this.#core.sweep.stop()])
  }

  async #run(quotaBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const plan = checkedPlan(quotaBytes)
    this.#quotaBytes = quotaBytes
    await this.#core.rebuilt
    this.#check(signal)
    try {
      if (plan.slots < this.#core.table.capacity) await this.#shrink(quotaBytes, plan, signal)
      else await this.#grow(quotaBytes, plan)
    } catch (error) {
      signal?.throwIfAborted()
      throw toStoreError(error)
    }
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted()
    if (this.#isStopped) throw new ShoalError('E_CLOSED', 'the store is closed')
  }

  /** The quota is recorded before it is used: the next open must not cut what was filled since. */
  async #grow(quotaBytes: number, plan: DiskPlan): Promise<void> {
    const { dir, table, space, index, fill, clock } = this.#core
    await space.measure()
    if (quotaBytes > this.#core.quotaBytes) {
      await checkSpace(dir.folder, Math.max(0, quotaBytes - space.usedBytes))
    }
    await dir.saveStoreBytes(quotaBytes)
    await dir.index.setLimits(limitsOf(plan))
    dir.spare.bytes = plan.spareBytes
    dir.spare.start(clock)
    this.#core.quotaBytes = quotaBytes
    if (plan.slots === table.capacity) return
    table.setCapacity(plan.slots)
    applyShares(this.#core)
    index.resize(plan.slots)
    this.#core.sweep.start()
    fill.start()
  }

  async #shrink(
    quotaBytes: number,
    plan: DiskPlan,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { table, fill, ledger, dir, clock } = this.#core
    checkOutbox(this.#core, plan)
    ledger.capacityBlocks = plan.outboxBlocks
    try {
      // an append under way ends first; from now on nothing new comes above the limit
      await fill.exclusively(async () => table.setLimit(plan.slots))
      await this.#makeRoom(plan)
      await this.#evictDown(plan, signal)
      applyShares(this.#core)
      await this.#empty(signal)
      await this.#cut(plan.slots)
    } finally {
      if (table.capacity > plan.slots) this.#giveUp()
      dir.spare.start(clock)
    }
    await this.#settleDown(quotaBytes, plan)
  }

  /**
   * On a full disk nothing can be moved before there is room: as many blocks as that takes are given up at
   * the very end of the slab, down to the first one that an insert needs, and the spare room is used.
   */
  async #makeRoom({ slots }: DiskPlan): Promise<void> {
    const { table, areas, slab, fill, space, dir } = this.#core
    const wantedBytes = ROOM_SPARES * dir.plan.spareBytes
    const free = await space.freeBytes().catch(() => Infinity)
    if (free >= wantedBytes) return
    await fill.exclusively(async () => {
      const count = Math.ceil((wantedBytes - free) / BLOCK_BYTES)
      const end = table.endOfKept(Math.max(slots, slab.slots - count))
      if (end >= slab.slots) return
      for (let slot = end; slot < slab.slots; slot++) areas.evictSlot(slot, 'resize')
      table.retreat(end)
      await slab.truncate(end)
    })
    if ((await space.freeBytes().catch(() => Infinity)) < wantedBytes) await dir.spare.release()
  }

  /** The store is of the old size again. */
  #giveUp(): void {
    const { table, fill } = this.#core
    table.setLimit(table.capacity)
    applyShares(this.#core)
    fill.start()
  }

  /** Before the shares are lowered: else the next put would have to evict all of it in one turn. */
  async #evictDown(shares: Shares, signal: AbortSignal | undefined): Promise<void> {
    const { table, areas, clock } = this.#core
    for (;;) {
      this.#check(signal)
      const endMs = clock.now() + TURN_MS
      for (let i = 0; i < EVICTIONS_AT_ONCE && clock.now() < endMs; i++) {
        const area = areaOver(this.#core, shares)
        if (area === undefined) return
        if (areas.evict(area, 'resize')) continue
        if (table.heldCount === 0) return
        await table.whenLetGo()
        break
      }
      await setImmediate()
    }
  }

  /** Passes over the index until no entry names a slot above the limit, and none is in use there. */
  async #empty(signal: AbortSignal | undefined): Promise<void> {
    const { table, group } = this.#core
    if (table.extent <= table.limit) return
    let idle: ReadonlySet<number> | undefined
    for (let fruitless = 0; ;) {
      // the entries of a slot that nobody holds are queued: after the commit the pass meets them
      if (fruitless > 0) idle = this.#idleAbove(idle)
      await group.commit()
      const left = this.#countLeft()
      const isLast = table.firstAboveLimit() === undefined
      await this.#pass(signal)
      if (isLast) return
      if (this.#countLeft() < left) {
        fruitless = 0
        idle = undefined
        continue
      }
      if (idle !== undefined && fruitless >= PATIENT_PASSES) await this.#giveUpNameless(idle)
      fruitless++
      await this.#pause(RETRY_MS)
    }
  }

  /** Slots in use above the limit that nobody works on, not all if there are many; `among`: of those. */
  #idleAbove(among?: ReadonlySet<number>): ReadonlySet<number> {
    const { table } = this.#core
    const idle = new Set<number>()
    for (let slot = table.limit; slot < table.extent && idle.size < MAX_IDLE; slot++) {
      if (!table.isInUse(slot) || table.isHeld(slot)) continue
      if (among === undefined || among.has(slot)) idle.add(slot)
    }
    return idle
  }

  async #pass(signal: AbortSignal | undefined): Promise<void> {
    const { index, group } = this.#core
    for (let bounds: IndexBounds = {}; ;) {
      const watch = group.watch()
      try {
        const page = await index.range(bounds, PAGE_ENTRIES)
        for (const entry of page) await this.#settle(entry, watch, signal)
        const last = page.at(-1)
        if (last === undefined || page.length < PAGE_ENTRIES) return
        bounds = { gt: last.key }
      } finally {
        watch.stop()
      }
    }
  }

  async #settle(
    entry: IndexEntry,
    watch: ChangeWatch,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { group } = this.#core
    this.#check(signal)
    if (group.isFull || group.size > MAX_QUEUED) await group.commit()
    await this.#mover.settle(entry, watch)
  }

  /** Slots in use above the limit. */
  #countLeft(): number {
    const { table } = this.#core
    let left = 0
    for (let slot = table.limit; slot < table.extent; slot++) if (table.isInUse(slot)) left++
    this.#left = left + this.#mover.moved
    return left
  }

  /** Blocks whose entries cannot be read: nobody finds them any more. */
  async #giveUpNameless(idle: ReadonlySet<number>): Promise<void> {
    const { table, areas, logger } = this.#core
    const isAnyPinned = [...idle].some((slot) => table.isPinned(slot))
    const named = isAnyPinned ? await this.#outboxSlots() : new Set<number>()
    let count = 0
    for (const slot of this.#idleAbove(idle)) {
      if (named.has(slot)) continue // an insert still names it: the next pass moves it
      areas.evictSlot(slot, 'resize')
      table.unpin(slot)
      count++
    }
    if (count > 0) logger.warn(`store: ${count} blocks were lost, their entries cannot be read`)
  }

  /** Slots that blocks of inserts are in, as their entries say now. Rejects with the disk's error. */
  async #outboxSlots(): Promise<ReadonlySet<number>> {
    const { ledger, keys, table } = this.#core
    const slots = new Set<number>()
    let page: IndexKey[] = []
    const read = async (): Promise<void> => {
      for (const record of await knownRecords(this.#core, page)) {
        if (record !== undefined && table.isCurrent(record, 'outbox')) slots.add(record.slot)
      }
      page = []
    }
    for (const { insertId, address } of ledger.kept()) {
      page.push(outboxKey(keys, insertId, address))
      if (page.length >= PAGE_ENTRIES) await read()
    }
    await read()
    return slots
  }

  /** Everything that was moved is on the disk for good before what it was moved from goes. */
  async #cut(slots: number): Promise<void> {
    const { group, index, fill, slab, table } = this.#core
    await group.commit()
    await index.flush()
    await fill.exclusively(async () => {
      await slab.truncate(slots)
      table.setCapacity(slots)
    })
  }

  /** The slab is cut: now the rest of the directory is made as small as the new quota wants it. */
  async #settleDown(quotaBytes: number, plan: DiskPlan): Promise<void> {
    const { dir, group, index, sweep, fill, space, clock } = this.#core
    this.#core.quotaBytes = quotaBytes
    dir.spare.bytes = plan.spareBytes
    dir.spare.start(clock)
    applyShares(this.#core)
    await dir.saveStoreBytes(quotaBytes)
    index.resize(plan.slots)
    for (let tries = 0; tries < SWEEP_TRIES && !index.isTrusted; tries++) await sweep.catchUp()
    await group.commit()
    await dir.index.setLimits(limitsOf(plan))
    await space.measure()
    fill.start()
  }

  async #pause(pauseMs: number): Promise<void> {
    if (this.#isStopped) return
    await new Promise<void>((resolve) => {
      const cancel = this.#core.clock.after(pauseMs, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
    this.#endPause = undefined
  }
}

/**
 * Shares and the outbox of a store that has, or will have, `fill.slotsInReach` slots. While the slab cannot
 * become as long as planned no area has to give up what it holds: slots in need are made free one by one.
 */
export function applyShares({ areas, ledger, fill, table }: DiskCore): void {
  const shares = sharesOf(fill.slotsInReach)
  ledger.capacityBlocks = shares.outboxBlocks
  const { used, entries } = table
  const isShort = fill.slotsInReach < table.limit
  areas.shares = isShort
    ? {
        ...shares,
        storeSlots: Math.max(shares.storeSlots, used.store),
        cacheSlots: Math.max(shares.cacheSlots, used.cache + ledger.claimedBlocks),
        maxEntries: Math.max(shares.maxEntries, entries),
      }
    : shares
}

/** The area that has more than `shares` give it; undefined: neither. */
function areaOver({ table, ledger }: DiskCore, shares: Shares): Area | undefined {
  const { used, entries } = table
  if (used.store > shares.storeSlots) return 'store'
  if (used.cache > Math.max(0, shares.cacheSlots - ledger.claimedBlocks)) return 'cache'
  if (entries <= shares.maxEntries) return undefined
  return used.store > used.cache ? 'store' : 'cache'
}

function limitsOf({ writeBufferBytes, indexBytes, manifestBytes }: DiskPlan): IndexLimits {
  return { writeBufferBytes, maxBytes: indexBytes, maxManifestBytes: manifestBytes }
}

function checkedPlan(quotaBytes: number): DiskPlan {
  const plan = planOf(quotaBytes)
  if (Number.isSafeInteger(quotaBytes) && plan.slots >= 1 && plan.slots < MAX_SLOTS) return plan
  throw new ShoalError('E_OPTION', 'storeBytes: too small for a single block, or too large')
}

/** Own inserts are never given up. */
function checkOutbox({ ledger }: DiskCore, { outboxBlocks }: DiskPlan): void {
  const pending = ledger.claimedBlocks
  if (pending <= outboxBlocks) return
  const size = (blocks: number): string => `${Math.ceil((blocks * BLOCK_BYTES) / 1024 ** 2)} MiB`
  const message =
    `${size(pending)} of inserts wait to be spread, and a store of that size has room for ` +
    `${size(outboxBlocks)} of them: wait for them, or choose a larger size`
  throw new ShoalError('E_STORE_FULL', message)
}
