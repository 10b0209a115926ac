/**
 * The near end of a circuit (spec §7.7): a stream of bytes through a relay, for Noise to run on.
 * @module
 */
import { Duplex } from 'streamx'

import { copyOf } from '../../keys/bytes.ts'
import { MAX_PAYLOAD_BYTES, WINDOW_BYTES, costOf } from '../relay-messages.ts'
import type { NoiseStream } from 'hyperdht'
import type { CircuitSide, RelayLink } from './relay-link.ts'

/** So much is read before it is acknowledged, bytes: few ACKs, and the sender never stops for one. */
const ACK_BYTES = WINDOW_BYTES / 4

type Done = (error: Error | null) => void

/** Whether a stream goes through a relay. */
export function isRelayed({ rawStream }: NoiseStream): boolean {
  return rawStream instanceof Circuit
}

/** Ends with its link, and with a CLOSE; whatever breaks the rules ends it, and never throws. */
export class Circuit extends Duplex implements CircuitSide {
  readonly isEnd = true
  readonly #link: RelayLink
  #number: number | undefined
  /** What may still be sent; nothing before the circuit is accepted. */
  #credit = 0
  #isAccepted = false
  #unsent: Uint8Array = new Uint8Array(0)
  #sent: Done | undefined
  /** Taken in, and not acknowledged: at most WINDOW_BYTES. */
  #owedBytes = 0

  private constructor(link: RelayLink) {
    super()
    this.#link = link
  }

  /** One to `target`; undefined: the relay was asked for too many of late. */
  static open(link: RelayLink, target: Uint8Array): Circuit | undefined {
    const circuit = new Circuit(link)
    circuit.#number = link.ask('open', target, circuit)
    return circuit.#number === undefined ? undefined : circuit
  }

  /** Accepts the one that the relay has begun under `number`. */
  static accept(link: RelayLink, number: number): Circuit {
    const circuit = new Circuit(link)
    circuit.#number = number
    link.take(number, circuit)
    link.send({ type: 'accept', circuit: number })
    circuit.#accepted()
    return circuit
  }

  onaccept(): void {
    if (this.#isAccepted) this.destroy()
    else this.#accepted()
  }

  onbytes(payload: Uint8Array): void {
    this.#owedBytes += costOf(payload.length)
    if (!this.#isAccepted || this.#owedBytes > WINDOW_BYTES) this.destroy()
    else this.push(copyOf(payload)) // kept until it is read
  }

  onack(bytes: number): void {
    this.#credit += bytes
    if (!this.#isAccepted || this.#credit > WINDOW_BYTES) this.destroy()
    else this.#pump()
  }

  onclose(): void {
    this.#number = undefined
    this.destroy()
  }

  /** Comes whenever its reader has taken what there was. */
  override _read(done: Done): void {
    if (this.#number !== undefined && this.#owedBytes >= ACK_BYTES) {
      this.#link.send({ type: 'ack', circuit: this.#number, bytes: this.#owedBytes })
      this.#owedBytes = 0
    }
    done(null)
  }

  override _write(bytes: Uint8Array, done: Done): void {
    this.#unsent = bytes
    this.#sent = done
    this.#pump()
  }

  override _predestroy(): void {
    if (this.#number !== undefined) this.#link.leave(this.#number)
    this.#number = undefined
    this.#sent?.(null)
    this.#sent = undefined
  }

  #accepted(): void {
    this.#isAccepted = true
    this.#credit = WINDOW_BYTES
    this.#pump()
  }

  #pump(): void {
    while (this.#number !== undefined && this.#unsent.length > 0) {
      const most = Math.min(this.#credit - costOf(0), MAX_PAYLOAD_BYTES)
      if (most <= 0) return
      const payload = this.#unsent.subarray(0, most)
      this.#unsent = this.#unsent.subarray(payload.length)
      this.#credit -= costOf(payload.length)
      this.#link.sendBytes(this.#number, payload)
    }
    const sent = this.#sent
    this.#sent = undefined
    sent?.(null)
  }
}
