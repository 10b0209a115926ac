/**
 * A fetch of the newest edition for this node itself: all homes at once with freshness 2, and of what
 * they hold the signed block that supersedes the others (spec §9.4).
 * @module
 */
import { homePosition, supersedes } from '../keys/block.ts'
import type { Block, Home } from '../keys/block.ts'
import type { Context } from './context.ts'
import type { Fetch, FetchTarget } from './fetch.ts'
import type { HeldCopy } from './held-copy.ts'
import { MAX_CREDIT } from './messages.ts'
import type { FetchResult, PeerId, TimerId } from './ports.ts'
import { distance } from './position.ts'
import type { FetchAnswer, Waiter } from './wait-list.ts'

/** How long the other homes are waited for once one has answered with a block, at the least, ms. */
const OTHER_HOMES_MS = 1000
const NONE: ReadonlySet<PeerId> = new Set()

export interface NewestFetchOptions {
  readonly context: Context
  readonly target: Omit<FetchTarget, 'home'>
  /** At least one. */
  readonly homes: readonly Home[]
  /** This node's own copy: one more to compare, and the last resort. */
  readonly held: HeldCopy | undefined
  /** Joins or begins the fetch of one home. */
  readonly start: (target: FetchTarget, waiter: Waiter) => Fetch
  readonly finish: (result: FetchResult) => void
}

export class NewestFetch {
  readonly #options: NewestFetchOptions
  readonly #running = new Map<Home, { readonly fetch: Fetch; readonly waiter: Waiter }>()
  /** Homes that have not answered. */
  readonly #open: Set<Home>
  #best: Block | undefined
  #sawTimeOut = false
  #timer: TimerId | undefined
  #isDone = false

  constructor(options: NewestFetchOptions) {
    this.#options = options
    this.#open = new Set(options.homes)
    this.#best = options.held?.block
  }

  begin(): void {
    const { context, homes } = this.#options
    if (context.peers.size === 0) this.#end('no-peers')
    for (const home of homes) if (!this.#isDone) this.#startHome(home)
  }

  abort(): void {
    this.#isDone = true
    this.#release()
  }

  #startHome(home: Home): void {
    const { context, target, start } = this.#options
    const drawn = context.rng.below(2) === 0 ? MAX_CREDIT / 2 : MAX_CREDIT
    const waiter: Waiter = {
      peer: undefined,
      // who is responsible itself asks one neighbor: what came while this node was away went there
      credit: this.#isOwn(home) ? 1 : drawn,
      cachedFor: undefined, // own reads leave nothing in the store
      answer: (answer) => {
        this.#answered(home, answer)
      },
    }
    const fetch = start({ ...target, home }, waiter)
    if (this.#open.has(home) && !this.#isDone) this.#running.set(home, { fetch, waiter })
  }

  /** Whether this node's own store has the copy of that home, as far as its peers tell. */
  #isOwn(home: Home): boolean {
    const { context, target, held } = this.#options
    if (held?.area !== 'store') return false
    const position = homePosition(target.address, home)
    const within = distance(context.position, position)
    const { nowMs, peers } = context
    return peers.nearest(position, { within, excluded: NONE, nowMs }) === undefined
  }

  #answered(home: Home, answer: FetchAnswer): void {
    this.#running.delete(home)
    this.#open.delete(home)
    if (this.#isDone) return
    if (answer.type === 'timed-out') this.#sawTimeOut = true
    if (answer.type === 'found') this.#found(answer.block)
    if (this.#open.size === 0) this.#end(this.#sawTimeOut ? 'timed-out' : 'not-found')
  }

  #found(block: Block): void {
    if (this.#best === undefined || supersedes(block, this.#best)) this.#best = block
    this.#timer ??= this.#options.context.after(this.#otherHomesMs(), () => {
      this.#end('timed-out')
    })
  }

  /** As long as an answer from the farthest of the homes that are still open takes as a rule, or more. */
  #otherHomesMs(): number {
    const { context, target } = this.#options
    let longest = OTHER_HOMES_MS
    for (const home of this.#open) {
      longest = Math.max(longest, context.patience.tripMs(homePosition(target.address, home)))
    }
    return longest
  }

  /** Ends with the best block, or for want of one with `why`. */
  #end(why: 'not-found' | 'timed-out' | 'no-peers'): void {
    const best = this.#best
    this.#isDone = true
    this.#release()
    this.#options.finish(best === undefined ? { type: why } : { type: 'found', block: best })
  }

  #release(): void {
    this.#options.context.stop(this.#timer)
    this.#timer = undefined
    for (const { fetch, waiter } of this.#running.values()) fetch.leave(waiter)
    this.#running.clear()
  }
}
