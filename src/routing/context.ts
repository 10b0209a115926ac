/**
 * What the parts of the router share: the outputs of the input at hand, timers, peers, and the table
 * of requests that wait for an answer.
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'
import type { Rng } from '../runtime.ts'
import type { Message, RequestMessage } from './messages.ts'
import { PeerTable } from './peers.ts'
import type { Input, LinkNumber, Output, PeerId, Ticket, TimerId } from './ports.ts'

/** Silence one unit of credit buys from a peer, ms (design trial: 500 ms a unit, plus 1 s). */
const SILENCE_PER_CREDIT_MS = 500
const SILENCE_BASE_MS = 1000

/** Time a peer with `credit` may be silent before it counts as failed, ms (spec §9.2). */
export function silenceMs(credit: number): number {
  return credit * SILENCE_PER_CREDIT_MS + SILENCE_BASE_MS
}

/** Credit for the next child out of what is left: half, at least 1 (spec §9.2). */
export function childCredit(left: number): number {
  return Math.max(1, Math.floor(left / 2))
}

/** Who gets the answers to a request that this node sent. */
export interface Asker {
  readonly address: Address
  answered(message: Message): void
  /** The peer is gone. */
  lost(): void
}

export class Context {
  readonly peers = new PeerTable()
  readonly rng: Rng
  /** Own ring position. */
  readonly position: number
  nowMs = 0
  #outputs: Output[] = []
  #nextTimer = 1
  readonly #timers = new Map<TimerId, () => void>()
  #nextTicket = 1
  readonly #writes = new Map<Ticket, (isKept: boolean, block: Block) => void>()
  #nextId = 1
  readonly #asked = new Map<PeerId, Map<number, Asker>>()

  constructor(options: { position: number; rng: Rng }) {
    this.position = options.position
    this.rng = options.rng
  }

  emit(output: Output): void {
    this.#outputs.push(output)
  }

  send(to: PeerId, message: Message): void {
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
    this.#writes.set(ticket, done)
    this.emit({ type: 'keep', area: 'store', ticket, ...what })
  }

  /** Has a block cached if there is room. */
  cache(what: { address: Address; home: Home; block: Block; link: LinkNumber }): void {
    this.emit({ type: 'keep', area: 'cache', ticket: undefined, ...what })
  }

  written({ ticket, isKept, block }: Extract<Input, { type: 'kept' }>): void {
    const done = this.#writes.get(ticket)
    this.#writes.delete(ticket)
    done?.(isKept, block)
  }

  /** Sends a request and remembers who wants the answer; returns its id on that link. */
  ask(to: PeerId, request: Omit<RequestMessage, 'id'>, asker: Asker): number {
    const id = this.#nextId
    this.#nextId = (this.#nextId + 1) % 2 ** 32
    let open = this.#asked.get(to)
    if (open === undefined) this.#asked.set(to, (open = new Map<number, Asker>()))
    open.set(id, asker)
    this.peers.opened(to, this.nowMs)
    this.send(to, { ...request, id })
    return id
  }

  askerOf(peer: PeerId, id: number): Asker | undefined {
    return this.#asked.get(peer)?.get(id)
  }

  /** No answer is wanted any more; later ones are ignored. */
  forget(peer: PeerId, id: number): void {
    if (this.#asked.get(peer)?.delete(id) === true) this.peers.closed(peer)
  }

  peerUp(peer: PeerId, position: number): void {
    this.peers.add(peer, position)
  }

  peerDown(peer: PeerId): void {
    this.peers.remove(peer)
    const open = this.#asked.get(peer)
    this.#asked.delete(peer)
    for (const asker of open?.values() ?? []) asker.lost()
  }

  get openRequests(): number {
    let sum = 0
    for (const open of this.#asked.values()) sum += open.size
    return sum
  }

  get openTimers(): number {
    return this.#timers.size
  }
}
