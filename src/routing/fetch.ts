/**
 * One fetch at this node, for whoever joined it: try after try, each paid from credit, always to a
 * peer strictly nearer to the home, and a second one beside a first that is late; the node that nobody
 * is nearer than asks its neighbors once whether they hold a copy (spec §9.3).
 * @module
 */
import { homePosition, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { childCredit } from './context.ts'
import type { Context } from './context.ts'
import type { HeldCopy } from './held-copy.ts'
import type { Freshness, RequestedMessage, TrafficClass } from './messages.ts'
import type { Limits } from './peers.ts'
import type { PeerId, TimerId } from './ports.ts'
import { RING, distance } from './position.ts'
import { WaitList } from './wait-list.ts'
import type { FetchAnswer, Waiter } from './wait-list.ts'

/** Neighbors asked for a copy by the nearest node: the copies of home 0 are at the two nearest. */
export const MAX_COPY_TRIES = 3
/** An answer within so many round trips of its link is the peer's own: it asked nobody. */
const UNSPENT_ROUND_TRIPS = 1.5
/** Tries of which unspent credit is taken back: a bound on what one request can cost. */
const MAX_TAKEN_BACK = 3
/** Tries open at a time: one, and one more beside it when it is late. */
const MAX_OPEN_TRIES = 2
/** A try that is held is looked at again so soon, ms. */
export const LOOK_AGAIN_MS = 250
/** This near to the home, in hops, a node knows all that may hold the block. */
const NEAR_HOPS = 2
/**
 * Longest wait of a node that holds a signed block for a nearer one's, ms: less than the 1.5 s that who
 * asked waits at the least (spec §9.3).
 */
const HELD_WAIT_MS = 1000

export interface FetchTarget {
  readonly address: Address
  readonly home: Home
  readonly freshness: Freshness
  readonly trafficClass: TrafficClass
}

interface Attempt {
  readonly peer: PeerId
  readonly id: number
  readonly payer: Waiter | undefined
  readonly credit: number
  readonly sinceMs: number
  /** When it has failed, ms after `sinceMs`. */
  readonly silenceMs: number
  timer: TimerId
  /** So late that a second try may run beside it. */
  isLate: boolean
}

interface Next {
  readonly peer: PeerId
  readonly phase: 'greedy' | 'copy'
}

export class Fetch {
  readonly target: FetchTarget
  /** Peers asked so far. */
  readonly tried = new Set<PeerId>()
  readonly #context: Context
  readonly #position: number
  readonly #ended: () => void
  readonly #waiting: WaitList
  /** Whose credit is spent. */
  #payer: Waiter | undefined
  /** Who asked, and whom this node asked: nobody that a try may go to. */
  readonly #excluded = new Set<PeerId>()
  #credit = 0
  #copyTries = 0
  #hadLastTry = false
  readonly #attempts: Attempt[] = []
  /** Own copy of a signed block at freshness 2: what is answered where it supersedes what is found. */
  #held: HeldCopy | undefined
  #heldTimer: TimerId | undefined
  #sawNotFound = false
  #sawTimeOut = false
  /** The one that pays joined later: what it hears is no news of a search of its own. */
  #isJoinerPaying = false

  /** `ended` is called when nobody waits any more. */
  constructor(context: Context, target: FetchTarget, ended: () => void) {
    this.#context = context
    this.target = target
    this.#position = homePosition(target.address, target.home)
    this.#ended = ended
    this.#waiting = new WaitList(context, (late) => {
      this.#overdue(late)
    })
  }

  /** Whether a message is arriving of a peer that was asked: it may be the answer. */
  get isReceiving(): boolean {
    const { nowMs, peers } = this.#context
    return this.#attempts.some(({ peer }) => peers.isReceiving(peer, nowMs))
  }

  get holdsBlock(): boolean {
    return this.#held !== undefined
  }

  /**
   * `held`: this node's own copy, where a nearer node's may be newer. One in the store is the answer
   * when the first nearer peer has none, or has said nothing for a second.
   */
  join(waiter: Waiter, held?: HeldCopy): void {
    const { nowMs, patience } = this.#context
    const isOwn = waiter.peer === undefined
    const waitMs = isOwn ? Infinity : patience.deadlineMs(waiter.credit, this.#position)
    this.#waiting.add(waiter, nowMs + waitMs)
    if (waiter.peer !== undefined) this.#excluded.add(waiter.peer)
    this.#held = held ?? this.#held
    if (this.#waiting.size === 1) this.#begin(waiter)
    else this.#context.counters.joins++
    if (this.#waiting.size === 0) return
    this.#limitWait()
    this.#waiting.watch()
  }

  /** The waiter wants no answer any more; with the last one the fetch ends. */
  leave(waiter: Waiter): void {
    if (this.#waiting.remove(waiter)) this.#carryOn()
  }

  #begin(waiter: Waiter): void {
    this.#payer = waiter
    this.#credit = waiter.credit
    const { counters, failedRecently, nowMs } = this.#context
    const isVain =
      waiter.isStem !== true && failedRecently.isVain(this.target, waiter.credit, nowMs)
    if (isVain) {
      counters.failedRecently++
      this.#answerAll({ type: 'not-found' })
    } else this.#advance()
  }

  #limitWait(): void {
    if (this.#held?.area !== 'store') return
    this.#heldTimer ??= this.#context.after(HELD_WAIT_MS, () => {
      this.#answerAll(this.#fallback())
    })
  }

  /** These had to be answered by now: they are told that it took too long, the others go on waiting. */
  #overdue(late: readonly Waiter[]): void {
    this.#carryOn()
    for (const waiter of late) waiter.answer({ type: 'timed-out' })
  }

  /** Somebody waits no more: with the last one it ends, and without who paid the next one pays. */
  #carryOn(): void {
    const payer = this.#waiting.first
    if (payer === undefined) this.#end()
    else if (payer !== this.#payer) {
      this.#payer = payer
      this.#credit = payer.credit
      this.#isJoinerPaying = true
    }
  }

  /** Tries until one is under way that is not late yet, two are, or nothing is left to try. */
  #advance(): void {
    while (this.#waiting.size > 0 && this.#wantsTry()) {
      const next = this.#credit > 0 ? this.#chooseNext() : this.#lastTry()
      if (next !== undefined) this.#ask(next)
      else if (this.#attempts.length > 0) return
      else if (!this.#nextPayer()) this.#giveUp()
    }
  }

  #wantsTry(): boolean {
    const [open] = this.#attempts
    if (open === undefined) return true
    return this.#attempts.length < MAX_OPEN_TRIES && open.isLate && this.#held?.area !== 'store'
  }

  #chooseNext(): Next | undefined {
    const { peers } = this.#context
    if (this.#held?.area === 'store' && this.tried.size > 0) return undefined
    const nearer = this.tried.size === 0 ? this.#firstChoice() : this.#laterChoice()
    if (nearer !== undefined) return { peer: nearer, phase: 'greedy' }
    if (this.#held?.area === 'store') return undefined
    // nobody nearer said no, so as far as anyone knows this node is the nearest one
    if (this.#sawNotFound && this.#copyTries === 0) return undefined
    if (this.#copyTries >= MAX_COPY_TRIES) return undefined
    this.#copyTries++
    const neighbor = peers.nearest(this.#position, this.#limits(RING))
    return neighbor === undefined ? undefined : { peer: neighbor, phase: 'copy' }
  }

  /**
   * One more where the credit is spent, which costs nobody more than a message: close to the home every
   * node on the way has spent its one unit on the same holder, which may be a bad one. Not where only the
   * newest will do: a neighbor's copy may be older.
   */
  #lastTry(): Next | undefined {
    const { peers } = this.#context
    if (this.#hadLastTry || this.target.freshness === 2) return undefined
    if (peers.hopsTo(this.#position) > NEAR_HOPS) return undefined
    this.#hadLastTry = true
    const neighbor = peers.nearest(this.#position, this.#limits(RING))
    return neighbor === undefined ? undefined : { peer: neighbor, phase: 'copy' }
  }

  #firstChoice(): PeerId | undefined {
    const { counters, peers, rng } = this.#context
    const isOwn = this.#payer?.peer === undefined
    // the two nearest nodes hold home 0: who can ask but one asks either, so that a bad one hides nothing
    const { home, freshness } = this.target
    const isSecond = home === 0 && freshness < 2 && rng.below(2) === 0
    const limits = { ...this.#limits(this.#ownDistance), isOwn, isSecond }
    const choice = peers.firstChoice(this.#position, limits)
    if (choice?.isAhead === true) counters.lookAheads++
    return choice?.peer
  }

  #laterChoice(): PeerId | undefined {
    return this.#context.peers.nearest(this.#position, this.#limits(this.#ownDistance))
  }

  get #ownDistance(): number {
    return distance(this.#context.position, this.#position)
  }

  #limits(within: number): Limits {
    const avoided = this.#payer?.avoided
    return { within, excluded: this.#excluded, avoided, nowMs: this.#context.nowMs }
  }

  #ask({ peer, phase }: Next): void {
    const { counters, nowMs, patience } = this.#context
    if (this.#attempts.length > 0) counters.hedges++
    const credit = phase === 'copy' ? 1 : childCredit(this.#credit)
    this.#credit = Math.max(0, this.#credit - credit)
    this.tried.add(peer)
    this.#excluded.add(peer)
    const id = this.#context.ask(
      peer,
      { type: 'fetch', phase, credit, ...this.target },
      {
        address: this.target.address,
        answered: (message) => {
          this.#answered(attempt, message)
        },
        lost: () => {
          this.#failed(attempt, 'timed-out')
        },
      },
    )
    const silenceMs = patience.silenceMs(credit, this.#position)
    const lateMs = Math.min(silenceMs, patience.hedgeMs(this.#position))
    const timer = this.#context.after(lateMs, () => {
      this.#late(attempt, lateMs)
    })
    const attempt: Attempt = {
      peer,
      id,
      payer: this.#payer,
      credit,
      sinceMs: nowMs,
      silenceMs,
      timer,
      isLate: false,
    }
    this.#attempts.push(attempt)
  }

  /** Still no answer: another may be asked beside it, until it has been silent for too long. */
  #late(attempt: Attempt, lateMs: number): void {
    const { nowMs, tuning } = this.#context
    const again = (): void => this.#late(attempt, lateMs)
    if (this.#isHeld(attempt, lateMs + tuning.lateHoldMs, again)) return
    const leftMs = attempt.sinceMs + attempt.silenceMs - nowMs
    if (leftMs <= 0) {
      this.#silent(attempt)
      return
    }
    attempt.isLate = true
    attempt.timer = this.#context.after(leftMs, () => {
      this.#silent(attempt)
    })
    this.#advance()
  }

  /** While a message of its peer is arriving, a try waits on: until `mostMs` after it began. */
  #isHeld(attempt: Attempt, mostMs: number, again: () => void): boolean {
    const { nowMs, peers } = this.#context
    const leftMs = attempt.sinceMs + mostMs - nowMs
    if (leftMs <= 0 || !peers.isReceiving(attempt.peer, nowMs)) return false
    attempt.timer = this.#context.after(Math.min(LOOK_AGAIN_MS, leftMs), again)
    return true
  }

  #silent(attempt: Attempt): void {
    const { counters, nowMs, peers, tuning } = this.#context
    const again = (): void => this.#silent(attempt)
    if (this.#isHeld(attempt, attempt.silenceMs + tuning.silenceHoldMs, again)) return
    counters.silences++
    peers.timedOut(attempt.peer, attempt.sinceMs, nowMs)
    this.#sawTimeOut = true
    this.#takeBack(attempt)
    this.#cancel(attempt)
    this.#advance()
  }

  #answered(attempt: Attempt, message: RequestedMessage): void {
    switch (message.type) {
      case 'found':
        this.#context.peers.answered(attempt.peer, this.#context.nowMs)
        this.#found(attempt, message.block)
        break
      case 'not-found':
        this.#context.peers.answered(attempt.peer, this.#context.nowMs)
        this.#failed(attempt, 'not-found')
        break
      case 'timeout':
      case 'overload':
        this.#context.peers.answered(attempt.peer, this.#context.nowMs)
        this.#failed(attempt, 'timed-out')
        break
      case 'fetch':
      case 'insert':
      case 'accept':
      case 'have':
      case 'data':
      case 'receipt':
      case 'cancel':
        break // not answers to a FETCH: ignored
    }
  }

  #found(attempt: Attempt, block: Block): void {
    this.#close(attempt)
    const { address, home } = this.target
    this.#context.failedRecently.clear(address)
    if (this.#held !== undefined && supersedes(this.#held.block, block)) {
      this.#answerAll({ type: 'found', block: this.#held.block })
      return
    }
    const link = this.#waiting.cachedFor
    // of a signed block this also replaces an older copy in the store
    if (link !== undefined) this.#context.cache({ address, home, block, link })
    this.#answerAll({ type: 'found', block })
  }

  #failed(attempt: Attempt, how: 'not-found' | 'timed-out'): void {
    if (!this.#attempts.includes(attempt)) return // it was closed by what went before
    if (this.#isUnspent(attempt)) this.#takeBack(attempt)
    if (how === 'not-found') this.#sawNotFound = true
    else this.#sawTimeOut = true
    this.#close(attempt)
    this.#advance()
  }

  /** So soon that the peer can have asked nobody. */
  #isUnspent({ peer, sinceMs }: Attempt): boolean {
    const { nowMs, peers } = this.#context
    return nowMs - sinceMs < UNSPENT_ROUND_TRIPS * peers.rttOf(peer)
  }

  /** The peer spent nothing of its credit: what it got beyond this one try is had again. */
  #takeBack({ credit, payer }: Attempt): void {
    const isBounded = this.tried.size <= MAX_TAKEN_BACK
    if (isBounded && this.#payer === payer) this.#credit += credit - 1
  }

  /** The payer has nothing left: it is answered, and the next in line pays. */
  #nextPayer(): boolean {
    if (this.#credit > 0 || this.#waiting.size < 2) return false
    const spent = this.#payer as Waiter
    this.#waiting.remove(spent)
    const answer = this.#fallback()
    this.#remember(spent, answer)
    this.#carryOn()
    spent.answer(answer)
    return true
  }

  #giveUp(): void {
    const answer = this.#fallback()
    this.#remember(this.#payer as Waiter, answer)
    this.#answerAll(answer)
  }

  /** A search that went through to its end in vain answers for the next one for a while. */
  #remember({ credit, isStem }: Waiter, answer: FetchAnswer): void {
    if (answer.type !== 'not-found' || this.#isJoinerPaying || isStem === true) return
    this.#context.failedRecently.failed(this.target, credit, this.#context.nowMs)
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
    const waiting = this.#waiting.takeAll()
    this.#end()
    for (const waiter of waiting) waiter.answer(answer)
  }

  #end(): void {
    for (const attempt of this.#attempts.slice()) this.#cancel(attempt)
    this.#context.stop(this.#heldTimer)
    this.#waiting.end()
    this.#ended()
  }

  /** Takes a try back that is still open. */
  #cancel(attempt: Attempt): void {
    if (this.#close(attempt)) {
      this.#context.send(attempt.peer, { type: 'cancel', id: attempt.id })
    }
  }

  /** Forgets a try; false: its link is gone. */
  #close(attempt: Attempt): boolean {
    const index = this.#attempts.indexOf(attempt)
    if (index >= 0) this.#attempts.splice(index, 1)
    this.#context.stop(attempt.timer)
    return this.#context.forget(attempt.peer, attempt.id)
  }
}
