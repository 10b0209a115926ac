/**
 * What the parts of the router share: the outputs of the input at hand, timers, peers, and the table
 * of requests that wait for an answer.
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'
import type { Rng } from '../runtime.ts'
import { FailedRecently } from './failed-recently.ts'
import { Hints } from './hints.ts'
import type { HasMessage, RequestMessage, RequestedMessage } from './messages.ts'
import { Patience } from './patience.ts'
import { PeerTable } from './peers.ts'
import type { Input, LinkNumber, Output, PeerId, RouterStats, Ticket, TimerId } from './ports.ts'
import { DEFAULT_TUNING } from './tuning.ts'
import type { Tuning } from './tuning.ts'

/** Credit for the next child out of what is left: half, at least 1 (spec §9.2). */
export function childCredit(left: number): number {
  return Math.max(1, Math.floor(left / 2))
}

/** Who gets the answers to a request that this node sent. */
export interface Asker {
  readonly address: Address
  answered(message: RequestedMessage): void
  /** The peer is gone. */
  lost(): void
}

interface Asked {
  readonly peer: PeerId
  readonly asker: Asker
}

type Counters = { -readonly [name in keyof RouterStats]: number }

export class Context {
  readonly tuning: Tuning
  readonly peers: PeerTable
  readonly patience: Patience
  readonly failedRecently: FailedRecently
  readonly hints = new Hints()
  readonly rng: Rng
  /** Own ring position. */
  readonly position: number
  readonly counters: Counters = {
    fetchesSent: 0,
    hedges: 0,
    lookAheads: 0,
    joins: 0,
    silences: 0,
    failedRecently: 0,
    hintsSent: 0,
    hintsIgnored: 0,
    overShare: 0,
  }
  nowMs = 0
  #outputs: Output[] = []
  #nextTimer = 1
  readonly #timers = new Map<TimerId, () => void>()
  #nextTicket = 1
  readonly #writes = new Map<Ticket, (isKept: boolean, block: Block) => void>()
  #nextId = 1
  /** Requests that wait for an answer, by id: this node numbers them over all of its links. */
  readonly #asked = new Map<number, Asked>()

  constructor(options: { position: number; rng: Rng; tuning?: Partial<Tuning> | undefined }) {
    this.position = options.position
    this.rng = options.rng
    this.tuning = options.tuning ? { ...DEFAULT_TUNING, ...options.tuning } : DEFAULT_TUNING
    this.peers = new PeerTable(options.position, this.tuning)
    this.patience = new Patience(this.tuning, this.peers)
    this.failedRecently = new FailedRecently(this.tuning.failedRecentlyMs)
  }

  emit(output: Output): void {
    this.#outputs.push(output)
  }

  send(to: PeerId, message: RequestedMessage | HasMessage): void {
    this.#outputs.push({ type: 'send', to, message })
  }

  takeOutputs(): Output[] {
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }

  after(delayMs: number, run: () => void): TimerId {
    const timer = this.#nextTimer++
    this.#timers.set(timer, run)
    this.emit({ type: 'start-timer', timer, delayMs })
    return timer
  }

  stop(timer: TimerId | undefined): void {
    if (timer !== undefined && this.#timers.delete(timer)) this.emit({ type: 'stop-timer', timer })
  }

  timerFired(timer: TimerId): void {
    const run = this.#timers.get(timer) // none: it was stopped when it was due already
    this.#timers.delete(timer)
    run?.()
  }

  /** Has a block put into the store; `done` hears whether it could be written, and what is there. */
  store(
    what: { address: Address; home: Home; block: Block; link: LinkNumber },
    done: (isKept: boolean, block: Block) => void,
  ): void {
    const ticket = this.#nextTicket++
    this.#writes.set(ticket, (isKept, block) => {
      if (isKept) this.tellHere(what.address)
      done(isKept, block)
    })
    this.emit({ type: 'keep', area: 'store', ticket, ...what })
  }

  /** Has a block cached if there is room. */
  cache(what: { address: Address; home: Home; block: Block; link: LinkNumber }): void {
    this.emit({ type: 'keep', area: 'cache', ticket: undefined, ...what })
    this.tellHere(what.address)
  }

  /** The block is kept here, or by `teller`, as it says: who was told not-found hears of it. */
  tellHere(address: Address, teller?: PeerId): void {
    for (const peer of this.hints.take(address, this.nowMs)) {
      if (peer === teller) continue
      this.counters.hintsSent++
      this.send(peer, { type: 'has', address })
    }
  }

  written({ ticket, isKept, block }: Extract<Input, { type: 'kept' }>): void {
    const done = this.#writes.get(ticket)
    this.#writes.delete(ticket)
    done?.(isKept, block)
  }

  /** Sends a request and remembers who wants the answer; returns its id on that link. */
  ask(to: PeerId, request: Omit<RequestMessage, 'id'>, asker: Asker): number {
    while (this.#asked.has(this.#nextId)) this.#nextId = (this.#nextId + 1) % 2 ** 32
    const id = this.#nextId
    this.#nextId = (id + 1) % 2 ** 32
    this.#asked.set(id, { peer: to, asker })
    this.peers.opened(to, this.nowMs)
    if (request.type === 'fetch') this.counters.fetchesSent++
    this.send(to, { ...request, id })
    return id
  }

  askerOf(peer: PeerId, id: number): Asker | undefined {
    const asked = this.#asked.get(id)
    return asked?.peer === peer ? asked.asker : undefined
  }

  /** No answer is wanted any more; later ones are ignored. False: the link is gone already. */
  forget(peer: PeerId, id: number): boolean {
    const isOpen = this.#asked.delete(id)
    if (isOpen) this.peers.closed(peer)
    return isOpen
  }

  peerUp(peer: Extract<Input, { type: 'peer-up' }>): void {
    const { peer: id, link, position, rttMs } = peer
    this.peers.add({ id, link, position, rttMs })
  }

  peerDown(peer: PeerId): void {
    this.peers.remove(peer)
    this.hints.closed(peer)
    const lost: Asker[] = []
    for (const [id, asked] of this.#asked) {
      if (asked.peer !== peer) continue
      this.#asked.delete(id)
      lost.push(asked.asker)
    }
    for (const asker of lost) asker.lost()
  }

  get openRequests(): number {
    return this.#asked.size
  }

  get openTimers(): number {
    return this.#timers.size
  }
}
