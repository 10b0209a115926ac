/**
 * Filling the slab with random bytes behind a node that serves already (spec §11.2): slowly in the
 * background, and at once for a put that finds no free slot.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Clock, Logger } from '../runtime.ts'
import type { DiskSpace } from './disk-space.ts'
import { KeyedLock } from './keyed-lock.ts'
import { reserveOf } from './quota.ts'
import { UNSYNCED_SLOTS } from './slab.ts'
import type { Slab } from './slab.ts'
import type { SlotTable } from './slot-table.ts'
import { isDiskFull } from './store-error.ts'
import type { StoreMeter } from './store-meter.ts'

/** What is appended before others get their turn, 1 MiB. */
const APPEND_SLOTS = 32
/** Appends between two pauses in the background: 4 MiB. */
const APPENDS_AT_ONCE = 4
/** Pause after 4 MiB, ms: at most 64 MiB/s. */
const LEAST_PAUSE_MS = 62
/** And so many times what they took: at most a quarter of the disk's time. */
const PAUSE_FACTOR = 3
/** A disk that was full is tried again after this, ms. */
const RETRY_MS = 60_000
/** A longer filling is worth two lines in the log. */
const LOGGED_BYTES = 1024 ** 3

export interface FillerParts {
  readonly slab: Slab
  readonly table: SlotTable
  readonly clock: Clock
  readonly logger: Logger
  readonly meter: StoreMeter
  readonly space: Pick<DiskSpace, 'freeBytes' | 'besideSlabBytes'>
  /** Called when `slotsInReach` has changed: shares follow it. */
  readonly onchange: () => void
}

export class Filler {
  readonly #parts: FillerParts
  /** Appends, cuts and syncs of the filling take turns. */
  readonly #turns = new KeyedLock()
  #cancelTimer: (() => void) | undefined
  #working: Promise<void> | undefined
  #growing: Promise<boolean> | undefined
  #unsyncedSlots = 0
  /** Why it cannot go on, and when it is tried again. */
  #stuck: { readonly isFull: boolean; readonly untilMs: number } | undefined
  #isLogging = false
  #isStopped = false

  constructor(parts: FillerParts) {
    this.#parts = parts
  }

  /** Of the slots planned, how many are there, in [0, 1]. */
  get filledShare(): number {
    const { slab, table } = this.#parts
    return Math.min(1, slab.slots / Math.max(1, table.limit))
  }

  /** The disk has no room for the rest of the slab: the store has the slots that are there. */
  get isDiskFull(): boolean {
    return this.#stuck?.isFull === true && this.filledShare < 1
  }

  /** Slots to reckon with: those planned, or those that are there while the disk takes no more. */
  get slotsInReach(): number {
    const { slab, table } = this.#parts
    return this.#stuck === undefined ? table.limit : Math.min(slab.slots, table.limit)
  }

  /** Fills in the background from now on; call it again when the table's limit has changed. */
  start(): void {
    this.#cancelTimer?.()
    if (this.#working === undefined) this.#schedule(0)
  }

  /** Resolves when nothing is written any more, which is after 1 MiB at the latest. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    await this.#working
    await this.exclusively(async () => {})
  }

  /** For a put in need: appends 1 MiB now. False: all slots are there, or the disk takes no more. */
  grow(): Promise<boolean> {
    this.#growing ??= this.#grow().finally(() => {
      this.#growing = undefined
    })
    return this.#growing
  }

  /** Runs `task` while nothing is appended: for those who move the end of the slab. */
  exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.#turns.runAlways('slab', task)
  }

  async #grow(): Promise<boolean> {
    if (this.#stuck !== undefined && this.#parts.clock.now() < this.#stuck.untilMs) return false
    return this.exclusively(async () => this.#parts.table.freeCount > 0 || this.#append())
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return
    this.#cancelTimer = this.#parts.clock.after(delayMs, () => {
      this.#working = this.#work().then((pauseMs) => {
        this.#working = undefined
        if (this.#isAtWork()) this.#schedule(pauseMs)
        else this.#logEnd()
      })
    })
  }

  #isAtWork(): boolean {
    const { slab, table } = this.#parts
    return slab.slots < table.limit || this.#stuck !== undefined
  }

  /** Appends 4 MiB. How long to pause then, ms. */
  async #work(): Promise<number> {
    const { slab, table, clock } = this.#parts
    const startedAtMs = clock.now()
    this.#logStart()
    for (let i = 0; i < APPENDS_AT_ONCE && !this.#isStopped; i++) {
      await this.exclusively(() => this.#append())
      if (this.#stuck !== undefined) break
    }
    const isDone = slab.slots >= table.limit
    if (this.#unsyncedSlots >= UNSYNCED_SLOTS / 2 || isDone) {
      await this.exclusively(() => this.#sync(isDone))
    }
    if (this.#stuck !== undefined) return RETRY_MS
    return Math.max(LEAST_PAUSE_MS, PAUSE_FACTOR * (clock.now() - startedAtMs))
  }

  /** Never rejects: a disk that fails only ends the filling for a while. */
  async #append(): Promise<boolean> {
    const { slab, table, meter } = this.#parts
    const [before, wasStuck] = [slab.slots, this.#stuck !== undefined]
    const count = Math.min(APPEND_SLOTS, table.limit - before)
    if (count <= 0 || this.#isStopped) return false
    try {
      if (!(await this.#hasRoom(count))) throw new FullDiskError()
      await slab.extend(count)
      this.#setStuck(undefined)
    } catch (error) {
      this.#setStuck(error)
    }
    const slots = slab.slots - before // also of an append that failed half-way
    table.extend(slab.slots)
    if (slots > 0 && wasStuck && this.#stuck !== undefined) this.#parts.onchange()
    meter.wrote(slots * BLOCK_BYTES)
    this.#unsyncedSlots += slots
    return slots > 0
  }

  /** Whether the index can grow as planned beside `count` more slots. */
  async #hasRoom(count: number): Promise<boolean> {
    const { space, table } = this.#parts
    const free = await space.freeBytes().catch(() => Infinity) // then the write itself tells
    const reserve = Math.max(0, reserveOf(table.limit) - space.besideSlabBytes)
    return free >= count * BLOCK_BYTES + reserve
  }

  async #sync(isDone: boolean): Promise<void> {
    try {
      if (this.#unsyncedSlots > 0) await this.#parts.slab.sync()
      this.#unsyncedSlots = 0
      if (isDone) this.#setStuck(undefined)
    } catch (error) {
      this.#setStuck(error)
    }
  }

  #setStuck(error: unknown): void {
    const before = this.#stuck
    const isFull = isDiskFull(error)
    this.#stuck =
      error === undefined ? undefined : { isFull, untilMs: this.#parts.clock.now() + RETRY_MS }
    if (before?.isFull === this.#stuck?.isFull) return
    this.#logStuck()
    this.#parts.onchange()
  }

  #logStuck(): void {
    const { logger, slab } = this.#parts
    const there = `${Math.floor((slab.slots * BLOCK_BYTES) / 1024 ** 2)} MiB`
    if (this.#stuck === undefined) logger.info('store: the slab can be filled again')
    else if (this.#stuck.isFull) logger.warn(`store: no room on the disk, it works with ${there}`)
    else logger.warn(`store: the disk refuses to take more, it works with ${there}`)
  }

  #logStart(): void {
    const { slab, table, logger } = this.#parts
    const bytes = (table.limit - slab.slots) * BLOCK_BYTES
    if (this.#isLogging || bytes < LOGGED_BYTES) return
    this.#isLogging = true
    logger.info(`store: filling ${(bytes / 1024 ** 3).toFixed(1)} GiB with random bytes`)
  }

  #logEnd(): void {
    if (this.#isLogging) this.#parts.logger.info('store: all of it is filled')
    this.#isLogging = false
  }
}

/** What statfs says before the disk does. */
class FullDiskError extends Error {
  readonly code = 'ENOSPC'
}
