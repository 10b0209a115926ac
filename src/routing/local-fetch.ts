/**
 * A fetch of this node's own: home 0 at once, the other homes at its not-found or after silence,
 * along another first hop where there is one; the first block wins (spec §9.4).
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Home } from '../keys/block.ts'
import type { Context } from './context.ts'
import { LOOK_AGAIN_MS } from './fetch.ts'
import type { Fetch, FetchTarget } from './fetch.ts'
import { MAX_CREDIT } from './messages.ts'
import type { FetchResult, PeerId, TimerId } from './ports.ts'
import type { FetchAnswer, Waiter } from './wait-list.ts'

export class LocalFetch {
  readonly #context: Context
  readonly #start: (target: FetchTarget, waiter: Waiter) => Fetch
  readonly #target: Omit<FetchTarget, 'home'>
  readonly #finish: (result: FetchResult) => void
  readonly #waiting: Home[]
  readonly #running = new Map<Fetch, Waiter>()
  /** Peers that were asked for any home: the next home goes another way. */
  readonly #asked = new Set<PeerId>()
  #timer: TimerId | undefined
  #sawTimeOut = false
  #isDone = false

  constructor(options: {
    context: Context
    target: Omit<FetchTarget, 'home'>
    homes: readonly Home[]
    /** Joins or begins the fetch of one home. */
    start: (target: FetchTarget, waiter: Waiter) => Fetch
    finish: (result: FetchResult) => void
  }) {
    this.#context = options.context
    this.#target = options.target
    this.#start = options.start
    this.#finish = options.finish
    this.#waiting = [...options.homes]
  }

  begin(): void {
    if (this.#context.peers.size === 0) {
      this.#end({ type: 'no-peers' })
      return
    }
    const first = this.#waiting[0] as Home
    this.#startHome()
    if (this.#isDone || this.#waiting.length === 0) return
    const position = homePosition(this.#target.address, first)
    const { nowMs, patience, tuning } = this.#context
    const delayMs = patience.otherHomesMs(position)
    this.#startOthersAfter(delayMs, nowMs + delayMs + tuning.lateHoldMs)
  }

  abort(): void {
    this.#isDone = true
    this.#release()
  }

  /** While the block may be arriving they wait on, at most until `lastMs`. */
  #startOthersAfter(delayMs: number, lastMs: number): void {
    this.#timer = this.#context.after(delayMs, () => {
      const leftMs = lastMs - this.#context.nowMs
      const isReceiving = [...this.#running.keys()].some((fetch) => fetch.isReceiving)
      if (leftMs > 0 && isReceiving) {
        this.#startOthersAfter(Math.min(LOOK_AGAIN_MS, leftMs), lastMs)
      } else this.#startOthers()
    })
  }

  #startOthers(): void {
    this.#context.stop(this.#timer)
    this.#timer = undefined
    for (const fetch of this.#running.keys()) this.#noteAsked(fetch)
    while (this.#waiting.length > 0 && !this.#isDone) this.#startHome()
  }

  #startHome(): void {
    const home = this.#waiting.shift() as Home
    // 8 or 16 at random, as the exit of a stem will draw; by itself it hides no origin
    const credit = this.#context.rng.below(2) === 0 ? MAX_CREDIT / 2 : MAX_CREDIT
    let fetch: Fetch | undefined
    let early: FetchAnswer | undefined
    const waiter: Waiter = {
      peer: undefined,
      credit,
      cachedFor: undefined, // own reads go to a private cache in memory, and nowhere else
      avoided: new Set(this.#asked),
      answer: (answer) => {
        if (fetch === undefined) early = answer
        else this.#answered(fetch, answer)
      },
    }
    fetch = this.#start({ ...this.#target, home }, waiter)
    this.#noteAsked(fetch)
    if (early === undefined) this.#running.set(fetch, waiter)
    else this.#answered(fetch, early)
  }

  #answered(fetch: Fetch, answer: FetchAnswer): void {
    this.#running.delete(fetch)
    this.#noteAsked(fetch)
    if (this.#isDone) return
    if (answer.type === 'found') {
      this.#end({ type: 'found', block: answer.block })
      return
    }
    if (answer.type === 'timed-out') this.#sawTimeOut = true
    this.#startOthers()
    if (this.#running.size > 0 || this.#isDone) return
    this.#end({ type: this.#sawTimeOut ? 'timed-out' : 'not-found' })
  }

  #noteAsked(fetch: Fetch): void {
    for (const peer of fetch.tried) this.#asked.add(peer)
  }

  #end(result: FetchResult): void {
    this.#isDone = true
    this.#release()
    this.#finish(result)
  }

  #release(): void {
    this.#context.stop(this.#timer)
    this.#timer = undefined
    for (const [fetch, waiter] of this.#running) fetch.leave(waiter)
    this.#running.clear()
  }
}
