/**
 * One insert at this node: INSERT, ACCEPT, DATA, RECEIPT, strictly nearer to the home at each hop.
 * The node that nobody nearer takes it from stores the block, and at home 0 has one neighbor keep a
 * copy (spec §9.5).
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { childCredit } from './context.ts'
import type { Context } from './context.ts'
import { MAX_COPY_TRIES } from './fetch.ts'
import { insertTail } from './held-copy.ts'
import type { Phase, RequestedMessage, TrafficClass } from './messages.ts'
import type { LinkNumber, PeerId, TimerId } from './ports.ts'
import { RING, distance } from './position.ts'

/** Time for 32 KiB to begin to arrive after an ACCEPT, ms: 3 KB/s and less is too slow to store for. */
const DATA_MS = 10_000
/** Copies that one home wants, and so the most that a receipt is believed. */
const MOST_COPIES = { 0: 2, 1: 1, 2: 1 } as const

export interface InsertTarget {
  readonly address: Address
  readonly home: Home
  readonly phase: Phase
  readonly trafficClass: TrafficClass
  readonly credit: number
  /** The connection and link it came over and its id there; undefined: this node's own. */
  readonly from:
    { readonly peer: PeerId; readonly link: LinkNumber; readonly id: number } | undefined
}

interface Attempt {
  readonly peer: PeerId
  readonly id: number
  readonly credit: number
  readonly sinceMs: number
  timer: TimerId
  /** ACCEPT or HAVE was said: only then can there be a receipt. */
  isTaken: boolean
}

export class Insert {
  readonly target: InsertTarget
  readonly #context: Context
  readonly #position: number
  readonly #ended: (copies: number) => void
  readonly #tried = new Set<PeerId>()
  /** What goes on from here: not always what was offered, where a superseding one is held. */
  #block: Block | undefined
  #credit: number
  #copies = 0
  #copyTries = 0
  #isResponsible = false
  #isCancelled = false
  #isOver = false
  #attempt: Attempt | undefined
  #dataTimer: TimerId | undefined

  /** `ended` is called once, with the copies that were acknowledged, unless `abort` came first. */
  constructor(context: Context, target: InsertTarget, ended: (copies: number) => void) {
    this.#context = context
    this.target = target
    this.#ended = ended
    this.#credit = target.credit
    this.#position = homePosition(target.address, target.home)
  }

  get awaitsData(): boolean {
    return this.#block === undefined
  }

  /** Answers an INSERT: asks for the block, or says that it is here and goes on with it. */
  begin(held: Block | undefined): void {
    const { from } = this.target
    if (from === undefined) return
    if (held !== undefined) {
      this.#context.send(from.peer, { type: 'have', id: from.id })
      this.#block = held
      this.#goOn()
      return
    }
    this.#context.send(from.peer, { type: 'accept', id: from.id })
    this.#dataTimer = this.#context.after(DATA_MS, () => {
      this.#end()
    })
  }

  /** The verified block is here: hand it on. */
  proceed(block: Block): void {
    this.#context.stop(this.#dataTimer)
    this.#block = block
    const { address, home, from, phase } = this.target
    if (from !== undefined && phase === 'greedy') {
      this.#context.cache({ address, home, block, link: from.link })
    }
    this.#goOn()
  }

  /** No receipt is wanted: no further peer is asked, but a block that is here is kept. */
  cancel(): void {
    this.#isCancelled = true
    this.senderLost()
  }

  /** Nobody waits for the receipt; a block that is here goes on its way all the same. */
  senderLost(): void {
    if (this.#block !== undefined) return
    this.#context.stop(this.#dataTimer)
    this.#end()
  }

  /** For an own insert: takes back what is open; copies that are on their way may still be kept. */
  abort(): void {
    this.#isOver = true
    if (this.#attempt !== undefined) {
      this.#context.send(this.#attempt.peer, { type: 'cancel', id: this.#attempt.id })
    }
    this.#closeAttempt()
  }

  /** One more step: a nearer peer, then this node's own store, then a neighbor for the copy. */
  #goOn(): void {
    if (this.#isOver) return
    const nearer = this.#isResponsible ? undefined : this.#nearerPeer()
    if (nearer !== undefined) this.#ask(nearer, 'greedy')
    else if (!this.#isResponsible && this.#copies === 0) this.#storeHere()
    else {
      const neighbor = this.#isResponsible ? this.#copyPeer() : undefined
      if (neighbor !== undefined) this.#ask(neighbor, 'copy')
      else this.#end()
    }
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#ended(this.#copies)
  }

  #nearerPeer(): PeerId | undefined {
    const isOver = this.target.phase === 'copy' || this.#copies > 0 || this.#isCancelled
    if (isOver || this.#credit === 0) return undefined
    const { nowMs, peers, position } = this.#context
    const within = distance(position, this.#position)
    const limits = { within, excluded: this.#tried, nowMs }
    if (this.#tried.size > 0) return peers.nearest(this.#position, limits)
    const isOwn = this.target.from === undefined
    return peers.firstChoice(this.#position, { ...limits, isOwn })?.peer
  }

  /**
   * The next nearest peer, where this home wants a second copy and has none yet. Often it is the one
   * who sent the insert here.
   */
  #copyPeer(): PeerId | undefined {
    const { home, phase } = this.target
    if (home !== 0 || phase === 'copy' || this.#copies > 1 || this.#isCancelled) return undefined
    if (this.#copyTries >= MAX_COPY_TRIES) return undefined
    this.#copyTries++
    const { nowMs, peers } = this.#context
    return peers.nearest(this.#position, { within: RING, excluded: this.#tried, nowMs })
  }

  /** Nobody nearer took it: this node is responsible. It counts once it is written. */
  #storeHere(): void {
    this.#isResponsible = true
    const { address, home, from } = this.target
    const block = this.#block as Block
    this.#context.store({ address, home, block, link: from?.link ?? 0 }, (isKept, inPlace) => {
      this.#block = inPlace // the copy must not be of an edition that is superseded here
      if (isKept) this.#copies++
      this.#goOn()
    })
  }

  #ask(peer: PeerId, phase: 'greedy' | 'copy'): void {
    const credit = phase === 'copy' ? 1 : childCredit(this.#credit)
    this.#credit -= phase === 'copy' ? 0 : credit
    this.#tried.add(peer)
    const { address, home, trafficClass } = this.target
    const tail = insertTail(address, this.#block as Block)
    const id = this.#context.ask(
      peer,
      { type: 'insert', phase, trafficClass, freshness: 0, home, credit, address, tail },
      {
        address,
        answered: (message) => {
          this.#answered(message)
        },
        lost: () => {
          this.#failed()
        },
      },
    )
    const timer = this.#context.after(this.#context.patience.acceptMs(), () => {
      this.#silent()
    })
    const sinceMs = this.#context.nowMs
    this.#attempt = { peer, id, credit, sinceMs, timer, isTaken: false }
  }

  #answered(message: RequestedMessage): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    switch (message.type) {
      case 'accept':
        if (attempt.isTaken) break
        this.#context.send(attempt.peer, {
          type: 'data',
          id: attempt.id,
          block: this.#block as Block,
        })
        this.#awaitReceipt(attempt)
        break
      case 'have':
        if (!attempt.isTaken) this.#awaitReceipt(attempt)
        break
      case 'receipt':
        if (attempt.isTaken) this.#received(message.copies)
        break
      case 'not-found':
      case 'overload':
      case 'timeout':
        this.#context.peers.answered(attempt.peer, this.#context.nowMs)
        this.#failed()
        break
      case 'fetch':
      case 'insert':
      case 'found':
      case 'data':
      case 'cancel':
        break // not answers to an INSERT: ignored
    }
  }

  #awaitReceipt(attempt: Attempt): void {
    attempt.isTaken = true
    this.#context.stop(attempt.timer)
    const waitMs = this.#context.patience.receiptMs(attempt.credit, this.#position)
    attempt.timer = this.#context.after(waitMs, () => {
      this.#silent()
    })
  }

  #silent(): void {
    if (this.#attempt === undefined) return
    const { peer, id, sinceMs } = this.#attempt
    this.#context.counters.silences++
    this.#context.peers.timedOut(peer, sinceMs, this.#context.nowMs)
    this.#context.send(peer, { type: 'cancel', id })
    this.#failed()
  }

  /** Also after a HAVE: a copy that nobody vouches for with a receipt is none. */
  #failed(): void {
    this.#closeAttempt()
    this.#goOn()
  }

  #received(copies: number): void {
    if (this.#attempt !== undefined) {
      this.#context.peers.answered(this.#attempt.peer, this.#context.nowMs)
    }
    this.#closeAttempt()
    this.#copies = Math.min(MOST_COPIES[this.target.home], this.#copies + copies)
    this.#goOn()
  }

  #closeAttempt(): void {
    if (this.#attempt === undefined) return
    this.#context.stop(this.#attempt.timer)
    this.#context.forget(this.#attempt.peer, this.#attempt.id)
    this.#attempt = undefined
  }
}
