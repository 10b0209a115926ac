/**
 * Passes bytes on between two links of this node, for two peers that cannot reach each other (spec
 * §7.7). They are ciphertext here: who talks with whom and how much is all there is to see.
 * @module
 */
import { costOf, WINDOW_BYTES } from '../relay-messages.ts'
import type { Clock } from '../../runtime.ts'
import type { CircuitSide, RelayLink } from './relay-link.ts'

/** Circuits passed on at a time, in all; one more is refused. Each holds two windows at most. */
export const MAX_RELAYED = 16
/** And on one link, whoever began them. */
export const MAX_RELAYED_PER_LINK = 4
/** One that is not accepted by then ends, ms. */
export const ACCEPT_TIMEOUT_MS = 10_000

export interface RelayCounters {
  /** Circuits that were accepted. */
  circuits: number
  refused: number
  /** Payload that was passed on. */
  bytes: number
}

export class Relay {
  readonly counters: RelayCounters = { circuits: 0, refused: 0, bytes: 0 }
  readonly #clock: Clock
  #open = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Circuits that are open or asked for, at most MAX_RELAYED. */
  get size(): number {
    return this.#open
  }

  /** One that `from` wants, under its number there; `to`: the link with its target, if there is one. */
  open(from: RelayLink, circuit: number, to: RelayLink | undefined): void {
    const halves = [new Half(this.counters), new Half(this.counters)] as const
    const [caller, called] = halves
    const number = this.#hasRoom(from, to)
      ? to.ask('invite', from.remotePublicKey, called)
      : undefined
    if (to === undefined || number === undefined) {
      this.counters.refused++
      from.refuse(circuit)
      return
    }
    this.#open++
    from.take(circuit, caller)
    const stopTimer = this.#clock.after(ACCEPT_TIMEOUT_MS, () => called.end())
    const onend = (): void => {
      stopTimer()
      this.#open--
    }
    const onaccepted = (): void => {
      stopTimer()
      this.counters.circuits++
    }
    caller.join(called, { link: from, circuit, onend })
    called.join(caller, { link: to, circuit: number, onend, onaccepted })
  }

  #hasRoom(from: RelayLink, to: RelayLink | undefined): to is RelayLink {
    if (to === undefined || to === from || this.#open >= MAX_RELAYED) return false
    return [from, to].every((link) => link.count(false) < MAX_RELAYED_PER_LINK)
  }
}

interface Place {
  readonly link: RelayLink
  readonly circuit: number
  /** The circuit is over: comes once for both halves together. */
  readonly onend: () => void
  /** Only for the side that was asked. */
  readonly onaccepted?: () => void
}

/** A circuit on one of its two links. Whatever breaks its rules ends the circuit, not the link. */
class Half implements CircuitSide {
  readonly isEnd = false
  readonly #counters: RelayCounters
  #other: Half = this
  #place: Place | undefined
  #isAccepted = false
  /** Of what came from here, what the far end has not acknowledged yet: at most WINDOW_BYTES. */
  #openBytes = 0

  constructor(counters: RelayCounters) {
    this.#counters = counters
  }

  join(other: Half, place: Place): void {
    this.#other = other
    this.#place = place
  }

  onaccept(): void {
    const { onaccepted } = this.#place ?? {}
    if (onaccepted === undefined || this.#isAccepted) return this.end()
    onaccepted()
    this.#isAccepted = true
    this.#other.#isAccepted = true
    this.#other.#send('accept')
  }

  onbytes(payload: Uint8Array): void {
    this.#openBytes += costOf(payload.length)
    if (!this.#isAccepted || this.#openBytes > WINDOW_BYTES) return this.end()
    this.#counters.bytes += payload.length
    const { link, circuit } = this.#other.#place as Place
    link.sendBytes(circuit, payload)
  }

  onack(bytes: number): void {
    const other = this.#other
    if (bytes > other.#openBytes) return this.end()
    other.#openBytes -= bytes
    other.#place?.link.send({ type: 'ack', circuit: other.#place.circuit, bytes })
  }

  onclose(): void {
    this.end()
  }

  /** Ends the circuit on both links. Again: nothing. */
  end(): void {
    const place = this.#place
    if (place === undefined) return
    const other = this.#other.#place
    this.#place = undefined
    this.#other.#place = undefined
    place.onend()
    for (const each of [place, other]) each?.link.leave(each.circuit)
  }

  #send(type: 'accept'): void {
    if (this.#place !== undefined) {
      this.#place.link.send({ type, circuit: this.#place.circuit })
    }
  }
}
