/**
 * The circuits of one link, whoever began them: gives each its number, hands it what comes, and lets the
 * bytes of all of them leave beside the link's own frames (spec §7.7).
 * @module
 */
import { copyOf } from '../../keys/bytes.ts'
import { isShoalError } from '../../errors.ts'
import { Allowance } from '../allowance.ts'
import { decodeCircuitMessage, encodeCircuitHeader } from '../relay-messages.ts'
import type { Clock } from '../../runtime.ts'
import type { CircuitMessage } from '../relay-messages.ts'

/** Circuits that a peer may ask for. A node asks each peer for no more. */
const REQUESTS = { perSecond: 1, burst: 8 }
/** Whoever asks for ten times as many loses the link. */
const TOLERATED = { perSecond: 10, burst: 80 }

/** What one end of a circuit is on one link: of a circuit that ends here, or one that goes on. */
export interface CircuitSide {
  /** It ends in this node, and is not passed on. */
  readonly isEnd: boolean
  onaccept(): void
  /** A view, good until the call returns unless it is copied. */
  onbytes(payload: Uint8Array): void
  onack(bytes: number): void
  /** Last call; comes once, and not after an own `leave`. */
  onclose(): void
}

export interface RelayLinkOptions {
  readonly remotePublicKey: Uint8Array
  /** Whether this node dialed the link: whose circuits have odd numbers. */
  readonly isInitiator: boolean
  readonly clock: Clock
  /** Copies what it is given. False: what is not urgent waits for `drained`. */
  readonly send: (header: Uint8Array, payload?: Uint8Array) => boolean
  /** OPEN: the peer wants a circuit through this node. */
  readonly onopen: (circuit: number, target: Uint8Array) => void
  /** INVITE: somebody wants a circuit to this node, through the peer. */
  readonly oninvite: (circuit: number, from: Uint8Array) => void
  /** The peer broke the protocol. */
  readonly onbreach: () => void
}

interface Waiting {
  readonly circuit: number
  readonly payload: Uint8Array
}

export class RelayLink {
  readonly #options: RelayLinkOptions
  readonly #sides = new Map<number, CircuitSide>()
  /** Payloads that wait for the link: no more than the windows of its circuits. */
  #waiting: Waiting[] = []
  #isDrained = true
  #isOver = false
  /** The number of the next circuit that begins here: they do not run out in the life of a link. */
  #next: number
  readonly #asked = new Allowance(REQUESTS)
  readonly #tolerated = new Allowance(TOLERATED)
  readonly #asking = new Allowance(REQUESTS)

  constructor(options: RelayLinkOptions) {
    this.#options = options
    this.#next = options.isInitiator ? 1 : 2
  }

  get remotePublicKey(): Uint8Array {
    return this.#options.remotePublicKey
  }

  /** Circuits on this link that end here, or that are passed on. */
  count(isEnd: boolean): number {
    let count = 0
    for (const side of this.#sides.values()) if (side.isEnd === isEnd) count++
    return count
  }

  /** Bytes that wait for the link. */
  get waitingBytes(): number {
    return this.#waiting.reduce((sum, { payload }) => sum + payload.length, 0)
  }

  /** Asks the peer for a circuit; its number, or undefined where it was asked for too many of late. */
  ask(type: 'open' | 'invite', publicKey: Uint8Array, side: CircuitSide): number | undefined {
    if (this.#isOver || !this.#asking.take(this.#options.clock.now())) return undefined
    const circuit = this.#next
    this.#next += 2
    this.#sides.set(circuit, side)
    this.send({ type, circuit, publicKey })
    return circuit
  }

  /** Takes a circuit that the peer has asked for. */
  take(circuit: number, side: CircuitSide): void {
    this.#sides.set(circuit, side)
  }

  /** Ends a circuit from this side, or refuses it. Again: nothing. */
  leave(circuit: number): void {
    if (!this.#sides.delete(circuit)) return
    this.#forgetWaiting(circuit)
    this.refuse(circuit)
  }

  refuse(circuit: number): void {
    this.send({ type: 'close', circuit })
  }

  /** What is not payload does not wait: it is little, and answers what came. */
  send(message: Exclude<CircuitMessage, { type: 'bytes' }>): void {
    if (!this.#isOver) this.#isDrained = this.#options.send(encodeCircuitHeader(message))
  }

  /** Now, or when the link is drained. The caller keeps to the window. */
  sendBytes(circuit: number, payload: Uint8Array): void {
    if (this.#isOver) return
    if (this.#isDrained && this.#waiting.length === 0) this.#write({ circuit, payload })
    else this.#waiting.push({ circuit, payload: copyOf(payload) })
  }

  /**
   * The link takes more. It had the turn before; one payload leaves now even if it took all the room, so
   * that neither starves the other.
   */
  drained(): void {
    this.#isDrained = true
    while (this.#isDrained) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#write(next)
    }
  }

  /** One message of the channel. Never throws. */
  receive(bytes: Uint8Array): void {
    if (this.#isOver) return
    const message = this.#decode(bytes)
    if (message === undefined) return
    if (message.type === 'open' || message.type === 'invite') return this.#request(message)
    // what is not known was closed a moment ago
    const side = this.#sides.get(message.circuit)
    switch (message.type) {
      case 'accept':
        return side?.onaccept()
      case 'bytes':
        return side?.onbytes(message.payload)
      case 'ack':
        return side?.onack(message.bytes)
      case 'close':
        return this.#closed(message.circuit)
    }
  }

  /** The link is gone, and all its circuits with it. */
  end(): void {
    this.#isOver = true
    for (const circuit of this.#sides.keys()) this.#closed(circuit)
  }

  #decode(bytes: Uint8Array): CircuitMessage | undefined {
    try {
      return decodeCircuitMessage(bytes)
    } catch (error) {
      if (!isShoalError(error)) throw error
      this.#options.onbreach()
      return undefined
    }
  }

  #request(message: Extract<CircuitMessage, { type: 'open' | 'invite' }>): void {
    const { clock, isInitiator, onopen, oninvite, onbreach } = this.#options
    const { circuit, publicKey } = message
    const nowMs = clock.now()
    const isTheirs = (circuit % 2 === 1) !== isInitiator
    if (!isTheirs || this.#sides.has(circuit) || !this.#tolerated.take(nowMs)) onbreach()
    else if (!this.#asked.take(nowMs)) this.refuse(circuit)
    else if (message.type === 'open') onopen(circuit, publicKey)
    else oninvite(circuit, publicKey)
  }

  #closed(circuit: number): void {
    const side = this.#sides.get(circuit)
    this.#sides.delete(circuit)
    this.#forgetWaiting(circuit)
    side?.onclose()
  }

  #forgetWaiting(circuit: number): void {
    this.#waiting = this.#waiting.filter((one) => one.circuit !== circuit)
  }

  #write({ circuit, payload }: Waiting): void {
    const header = encodeCircuitHeader({ type: 'bytes', circuit, payload })
    this.#isDrained = this.#options.send(header, payload)
  }
}
