/**
 * One fetch at this node, for whoever joined it: try after try, each paid from credit, always to a
 * peer strictly nearer to the home; the node that nobody is nearer than asks its neighbors once
 * whether they hold a copy (spec §9.3).
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { childCredit, silenceMs } from './context.ts'
import type { Context } from './context.ts'
import type { Freshness, Message, TrafficClass } from './messages.ts'
import type { PeerId, TimerId } from './ports.ts'
import { RING, distance } from './position.ts'

/** Neighbors asked for a copy by the nearest node: the copies of home 0 are at the two nearest. */
export const MAX_COPY_TRIES = 3

export type FetchAnswer =
  | { readonly type: 'found'; readonly block: Block }
  | { readonly type: 'not-found' }
  | { readonly type: 'timed-out' }

/** Somebody who wants the block: a peer, or this node's own gateway. */
export interface Waiter {
  /** The link it came over; undefined: this node's own. */
  readonly peer: PeerId | undefined
  readonly credit: number
  /** It came in the greedy phase: what is found for it is cached on the way back. */
  readonly isCached: boolean
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

  join(waiter: Waiter): void {
    this.#waiters.push(waiter)
    if (this.#waiters.length > 1) return
    this.#credit = waiter.credit
    this.#tryNext()
  }

  /** The waiter wants no answer any more; with the last one the fetch ends. */
  leave(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter)
    if (index < 0) return
    this.#waiters.splice(index, 1)
    if (this.#waiters.length === 0) {
      this.#cancelAttempt()
      this.#ended()
    } else if (index === 0) {
      this.#credit = (this.#waiters[0] as Waiter).credit
    }
  }

  #tryNext(): void {
    while (this.#attempt === undefined && this.#waiters.length > 0) {
      const next = this.#credit > 0 ? this.#chooseNext() : undefined
      if (next !== undefined) this.#ask(next.peer, next.phase)
      else if (!this.#nextPayer()) this.#finish()
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
    const link = this.#attempt?.peer ?? 0
    this.#closeAttempt()
    if (this.#waiters.some((waiter) => waiter.isCached)) {
      const { address, home } = this.target
      this.#context.cache({ address, home, block, link })
    }
    this.#answerAll({ type: 'found', block })
  }

  #failed(how: 'not-found' | 'timed-out'): void {
    if (how === 'not-found') this.#sawNotFound = true
    else this.#sawTimeOut = true
    this.#closeAttempt()
    this.#tryNext()
  }

  /** The payer has nothing left: it is answered, and the next in line pays. */
  #nextPayer(): boolean {
    if (this.#credit > 0 || this.#waiters.length < 2) return false
    this.#waiters.shift()?.answer(this.#failure())
    this.#credit = (this.#waiters[0] as Waiter).credit
    return true
  }

  #finish(): void {
    this.#answerAll(this.#failure())
  }

  /** "Nobody has it" only if everybody who was asked said so, or if there was nobody to ask. */
  #failure(): FetchAnswer {
    return { type: this.#sawTimeOut ? 'timed-out' : 'not-found' }
  }

  #answerAll(answer: FetchAnswer): void {
    const waiters = this.#waiters.splice(0)
    this.#ended()
    for (const waiter of waiters) waiter.answer(answer)
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
