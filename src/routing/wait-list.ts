/**
 * Who waits for one fetch, in the order in which they came, and until when each can: whoever is not
 * answered in time gives this node up (spec §9.2).
 * @module
 */
import type { Block } from '../keys/block.ts'
import type { Context } from './context.ts'
import type { LinkNumber, PeerId, TimerId } from './ports.ts'

export type FetchAnswer =
  | { readonly type: 'found'; readonly block: Block }
  | { readonly type: 'not-found' }
  | { readonly type: 'timed-out' }

/** Somebody who wants the block: a peer, or this node's own gateway. */
export interface Waiter {
  /** The link it came over; undefined: this node's own. */
  readonly peer: PeerId | undefined
  readonly credit: number
  /**
   * The link for which what is found is cached on the way back, where the request came in the greedy
   * phase; else undefined: it leaves nothing.
   */
  readonly cachedFor: LinkNumber | undefined
  /** It came in the stem phase: no memory of failures is asked or fed. */
  readonly isStem?: boolean
  /** Peers that another home's request was sent to: second choice here. */
  readonly avoided?: ReadonlySet<PeerId>
  answer(answer: FetchAnswer): void
}

interface Waiting {
  readonly waiter: Waiter
  /** When it must have its answer; Infinity: whenever it comes. */
  readonly untilMs: number
}

export class WaitList {
  readonly #context: Context
  readonly #onlate: (late: readonly Waiter[]) => void
  #waiting: Waiting[] = []
  /** For whoever must be answered first. */
  #deadline: { readonly timer: TimerId; readonly atMs: number } | undefined

  /** `onlate` is given those whose time is over, when they are off the list already. */
  constructor(context: Context, onlate: (late: readonly Waiter[]) => void) {
    this.#context = context
    this.#onlate = onlate
  }

  get size(): number {
    return this.#waiting.length
  }

  /** Who came before all others that wait. */
  get first(): Waiter | undefined {
    return this.#waiting[0]?.waiter
  }

  /** The link for which what is found is cached: of several that of who came first. */
  get cachedFor(): LinkNumber | undefined {
    return this.#waiting.find(({ waiter }) => waiter.cachedFor !== undefined)?.waiter.cachedFor
  }

  /** Its time counts once `watch` is called. */
  add(waiter: Waiter, untilMs: number): void {
    this.#waiting.push({ waiter, untilMs })
  }

  /** False: it did not wait. */
  remove(waiter: Waiter): boolean {
    const index = this.#waiting.findIndex((one) => one.waiter === waiter)
    if (index >= 0) this.#waiting.splice(index, 1)
    return index >= 0
  }

  /** Who waits, in order; nobody does any more. */
  takeAll(): Waiter[] {
    const all = this.#waiting.map(({ waiter }) => waiter)
    this.#waiting = []
    return all
  }

  /** Sees to it that nobody who waits now does so for too long. */
  watch(): void {
    const atMs = this.#waiting.reduce((least, { untilMs }) => Math.min(least, untilMs), Infinity)
    if (atMs >= (this.#deadline?.atMs ?? Infinity)) return
    this.end()
    const timer = this.#context.after(atMs - this.#context.nowMs, () => {
      this.#deadline = undefined
      this.#past()
    })
    this.#deadline = { timer, atMs }
  }

  /** Nobody is watched any more. */
  end(): void {
    this.#context.stop(this.#deadline?.timer)
    this.#deadline = undefined
  }

  #past(): void {
    const { nowMs } = this.#context
    const late = this.#waiting.filter(({ untilMs }) => untilMs <= nowMs)
    this.#waiting = this.#waiting.filter(({ untilMs }) => untilMs > nowMs)
    this.watch()
    this.#onlate(late.map(({ waiter }) => waiter))
  }
}
