/**
 * Pushes what is in the outbox until enough copies are acknowledged (spec §9.5, §11.4): own inserts
 * survive restarts and lonely hours, and leave the outbox only when others hold them.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { linkAbort } from '../signals.ts'
import type { Outbox, OutboxEntry } from '../datastore/store.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import type { Clock } from '../runtime.ts'

/** Blocks pushed at once, 1 MiB: as many as keep a link busy, few enough to leave it to readers. */
const MAX_PARALLEL_PUSHES = 32
/** Pause after a pass in which something did not get its copies, ms; doubles up to the longest. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** Copies wanted at each home (design §4), fewer where fewer nodes are known. */
const COPIES: Record<Home, number> = { 0: 2, 1: 1, 2: 1 }

export interface SpreaderOptions {
  readonly outbox: Outbox
  readonly clock: Clock
  /** Peers connected now. */
  readonly peers: () => number
  /** Copies acknowledged for one block at one home. */
  readonly insertBlock: (
    address: Address,
    block: Block,
    options: { home: Home; signal: AbortSignal },
  ) => Promise<number>
  /** Whether a block must stay here for now (spec §9.8); default: none must. */
  readonly isHeld?: (address: Address) => boolean
}

export class Spreader {
  readonly #options: SpreaderOptions
  readonly #stop = linkAbort([])
  readonly #pushes = new Set<Promise<void>>()
  #pauseMs = FIRST_PAUSE_MS
  #isRunning = false
  /** Something came while a pass was running: it is not over. */
  #isStale = false
  #hasFailed = false
  /** Some block got its copies in this pass: what failed is not the whole network. */
  #hasProgressed = false
  #isLongPause = false
  #cancelPause: (() => void) | undefined

  constructor(options: SpreaderOptions) {
    this.#options = options
  }

  /** There is a new entry. Cheap, and may be called for each: it waits for the shortest pause at most. */
  wake(): void {
    this.#isStale = true
    if (this.#isRunning || this.#stop.signal.aborted) return
    if (this.#cancelPause === undefined) this.#start()
    else if (this.#isLongPause) {
      this.#cancelPause()
      this.#pauseMs = FIRST_PAUSE_MS
      this.#pause()
    }
  }

  /** A peer has come: what failed before may succeed now. */
  retryNow(): void {
    this.#pauseMs = FIRST_PAUSE_MS
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.wake()
  }

  async close(): Promise<void> {
    this.#stop.abort(new ShoalError('E_CLOSED', 'The node is closing.'))
    this.#cancelPause?.()
    await Promise.all(this.#pushes)
  }

  #start(): void {
    if (this.#stop.signal.aborted || this.#options.peers() === 0) return
    this.#isRunning = true
    void this.#pass().finally(() => {
      this.#isRunning = false
      this.#afterPass()
    })
  }

  /** Walks the outbox, oldest first; entries that come meanwhile are met at the end. */
  async #pass(): Promise<void> {
    this.#hasFailed = false
    this.#hasProgressed = false
    do {
      this.#isStale = false
      for (const entry of this.#options.outbox.entries()) {
        if (this.#stop.signal.aborted || this.#options.peers() === 0) return
        if (this.#options.isHeld?.(entry.address) === true) continue
        this.#push(entry)
        if (this.#pushes.size >= MAX_PARALLEL_PUSHES) await Promise.race(this.#pushes)
      }
      await Promise.all(this.#pushes)
    } while (this.#isStale && !this.#hasFailed)
  }

  #afterPass(): void {
    const { outbox, peers } = this.#options
    if (this.#stop.signal.aborted || outbox.pendingBlocks === 0 || peers() === 0) return
    if (this.#hasProgressed) this.#pauseMs = FIRST_PAUSE_MS
    this.#pause()
  }

  #pause(): void {
    const pauseMs = this.#pauseMs
    this.#isLongPause = pauseMs > FIRST_PAUSE_MS
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    this.#cancelPause = this.#options.clock.after(pauseMs, () => {
      this.#cancelPause = undefined
      this.#start()
    })
  }

  #push(entry: OutboxEntry): void {
    const push = this.#pushEntry(entry)
      .catch(() => {
        this.#hasFailed = true // the disk or the end of the node; the entry stays
      })
      .finally(() => {
        this.#pushes.delete(push)
      })
    this.#pushes.add(push)
  }

  async #pushEntry(entry: OutboxEntry): Promise<void> {
    const { outbox, insertBlock, peers } = this.#options
    const { signal } = this.#stop
    const block = await outbox.get(entry.address, { signal })
    if (block === undefined) {
      this.#hasFailed = true
      return
    }
    const pushes = entry.homesLeft.map(async (home) => {
      const copies = await insertBlock(entry.address, block, { home, signal })
      const wanted = Math.min(COPIES[home], peers() + 1)
      if (copies === 0 || copies < wanted) {
        this.#hasFailed = true
        return
      }
      await outbox.homeDone(entry, home)
      this.#hasProgressed = true
    })
    await Promise.all(pushes)
  }
}
