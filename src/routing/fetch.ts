/**
 * One fetch at this node, for whoever joined it: try after try, each paid from credit, always to a
 * peer strictly nearer to the home; the node that nobody is nearer than asks its neighbors once
 * whether they hold a copy (spec §9.3).
 * @module
 */
import { homePosition, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { childCredit, silenceMs } from './context.ts'
import type { Context } from './context.ts'
import type { HeldCopy } from './held-copy.ts'
import type { Freshness, Message, TrafficClass } from './messages.ts'
import type { LinkNumber, PeerId, TimerId } from './ports.ts'
import { RING, distance } from './position.ts'

/** Neighbors asked for a copy by the nearest node: the copies of home 0 are at the two nearest. */
export const MAX_COPY_TRIES = 3
/**
 * Longest wait of a node that holds a signed block for a nearer one's, ms: less than the 1.5 s that who
 * asked waits at the least (spec §9.3).
 */
const HELD_WAIT_MS = 1000

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
  /** First hops that another home's request took: second choice here. */
  readonly avoided?: ReadonlySet<PeerId>
  answer(answer: FetchAnswer): void
}

export interface FetchTarget {
  readonly address: Address
  readonly home: Home
  readonly freshness: Freshness
  readonly trafficClass: TrafficClass
}

interface Attempt {
  readonly peer: PeerId
  readonly id: number
  readonly timer: TimerId
}

export class Fetch {
  readonly target: FetchTarget
  /** Peers asked so far. */
  readonly tried = new Set<PeerId>()
  readonly #context: Context
  readonly #position: number
  readonly #ended: () => void
  /** The first one pays; when its credit is spent it is answered and the next one pays. */
  readonly #waiters: Waiter[] = []
  #credit = 0
  #copyTries = 0
  #attempt: Attempt | undefined
  /** Own copy of a signed block at freshness 2: what is answered where it supersedes what is found. */
  #held: HeldCopy | undefined
  #heldTimer: TimerId | undefined
  #sawNotFound = false
  #sawTimeOut = false

  /** `ended` is called when nobody waits any more. */
  constructor(context: Context, target: FetchTarget, ended: () => void) {
    this.#context = context
    this.target = target
    this.#position = homePosition(target.address, target.home)
    this.#ended = ended
  }

  get waiters(): readonly Waiter[] {
    return this.#waiters
  }

  get holdsBlock(): boolean {
    return this.#held !== undefined
  }

  /**
   * `held`: this node's own copy, where a nearer node's may be newer. One in the store is the answer
   * when the first nearer peer has none, or has said nothing for a second.
   */
  join(waiter: Waiter, held?: HeldCopy): void {
    this.#waiters.push(waiter)
    this.#held = held ?? this.#held
    if (this.#waiters.length === 1) {
      this.#credit = waiter.credit
      this.#tryNext()
    }
    if (this.#waiters.length > 0) this.#limitWait()
  }

  /** The waiter wants no answer any more; with the last one the fetch ends. */
  leave(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter)
    if (index < 0) return
    this.#waiters.splice(index, 1)
    if (this.#waiters.length === 0) {
      this.#cancelAttempt()
      this.#end()
    } else if (index === 0) {
      this.#credit = (this.#waiters[0] as Waiter).credit
    }
  }

  #limitWait(): void {
    if (this.#held?.area !== 'store') return
    this.#heldTimer ??= this.#context.after(HELD_WAIT_MS, () => {
      this.#cancelAttempt()
      this.#answerAll(this.#fallback())
    })
  }

  #tryNext(): void {
    while (this.#attempt === undefined && this.#waiters.length > 0) {
      const next = this.#credit > 0 ? this.#chooseNext() : undefined
      if (next !== undefined) this.#ask(next.peer, next.phase)
      else if (!this.#nextPayer()) this.#answerAll(this.#fallback())
    }
  }

  #chooseNext(): { peer: PeerId; phase: 'greedy' | 'copy' } | undefined {
    const excluded = new Set(this.tried)
    for (const waiter of this.#waiters) if (waiter.peer !== undefined) excluded.add(waiter.peer)
    const { nowMs, peers, position } = this.#context
    const avoided = this.#waiters[0]?.avoided ?? new Set<PeerId>()
    const within = distance(position, this.#position)
    const nearer = peers.nearest(this.#position, { within, excluded, avoided, nowMs })
    if (nearer !== undefined) return { peer: nearer, phase: 'greedy' }
    if (this.#held?.area === 'store') return undefined
    // nobody nearer said no, so as far as anyone knows this node is the nearest one
    if (this.#sawNotFound && this.#copyTries === 0) return undefined
    if (this.#copyTries >= MAX_COPY_TRIES) return undefined
    this.#copyTries++
    const neighbor = peers.nearest(this.#position, { within: RING, excluded, nowMs })
    return neighbor === undefined ? undefined : { peer: neighbor, phase: 'copy' }
  }

  #ask(peer: PeerId, phase: 'greedy' | 'copy'): void {
    const credit = phase === 'copy' ? 1 : childCredit(this.#credit)
    this.#credit -= credit
    this.tried.add(peer)
    const { address } = this.target
    const request = { type: 'fetch', phase, credit, ...this.target } as const
    const id = this.#context.ask(peer, request, {
      address,
      answered: (message) => {
        this.#answered(message)
      },
      lost: () => {
        this.#failed('timed-out')
      },
    })
    const timer = this.#context.after(silenceMs(credit), () => {
      this.#context.peers.timedOut(peer, this.#context.nowMs)
      this.#cancelAttempt()
      this.#failed('timed-out')
    })
    this.#attempt = { peer, id, timer }
  }

  #answered(message: Message): void {
    const isAnswer = message.type === 'found' || message.type === 'not-found'
    if (isAnswer && this.#attempt !== undefined) this.#context.peers.answered(this.#attempt.peer)
    if (message.type === 'found') this.#found(message.block)
    else if (message.type === 'not-found') this.#failed('not-found')
    else if (message.type === 'timeout' || message.type === 'overload') this.#failed('timed-out')
  }

  #found(block: Block): void {
    this.#closeAttempt()
    if (this.#held !== undefined && supersedes(this.#held.block, block)) {
      this.#answerAll({ type: 'found', block: this.#held.block })
      return
    }
    const link = this.#waiters.find(({ cachedFor }) => cachedFor !== undefined)?.cachedFor
    if (link !== undefined) {
      const { address, home } = this.target
      // of a signed block this also replaces an older copy in the store
      this.#context.cache({ address, home, block, link })
    }
    this.#answerAll({ type: 'found', block })
  }

  #failed(how: 'not-found' | 'timed-out'): void {
    if (how === 'not-found') this.#sawNotFound = true
    else this.#sawTimeOut = true
    this.#closeAttempt()
    if (this.#held?.area === 'store') this.#answerAll(this.#fallback())
    else this.#tryNext()
  }

  /** The payer has nothing left: it is answered, and the next in line pays. */
  #nextPayer(): boolean {
    if (this.#credit > 0 || this.#waiters.length < 2) return false
    this.#waiters.shift()?.answer(this.#fallback())
    this.#credit = (this.#waiters[0] as Waiter).credit
    return true
  }

  /**
   * The answer where no other node gave a block: the copy of this one's store, else why not. "Nobody has
   * it" only if everybody who was asked said so, or if there was nobody to ask.
   */
  #fallback(): FetchAnswer {
    if (this.#held?.area === 'store') return { type: 'found', block: this.#held.block }
    return { type: this.#sawTimeOut ? 'timed-out' : 'not-found' }
  }

  #answerAll(answer: FetchAnswer): void {
    const waiters = this.#waiters.splice(0)
    this.#end()
    for (const waiter of waiters) waiter.answer(answer)
  }

  #end(): void {
    this.#context.stop(this.#heldTimer)
    this.#heldTimer = undefined
    this.#ended()
  }

  #cancelAttempt(): void {
    if (this.#attempt === undefined) return
    const { peer, id } = this.#attempt
    this.#closeAttempt()
    this.#context.send(peer, { type: 'cancel', id })
  }

  #closeAttempt(): void {
    if (this.#attempt === undefined) return
    this.#context.stop(this.#attempt.timer)
    this.#context.forget(this.#attempt.peer, this.#attempt.id)
    this.#attempt = undefined
  }
}
