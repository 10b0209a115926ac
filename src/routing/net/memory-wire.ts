/**
 * One link of the memory network, seen from both sides: latency, bandwidth, loss, and how it ends.
 * @module
 */
import { concat, copyOf } from '../../keys/bytes.ts'
import { MAX_FRAME_BYTES } from './transport.ts'
import type { Clock, Rng } from '../../runtime.ts'
import type { Link, LinkEnds, LinkHandlers } from './transport.ts'

/** Above this many bytes that have not left yet, a sender is told to wait. */
const MAX_QUEUED_BYTES = 256 * 1024
/** Losses are drawn in millionths. */
const LOSS_SCALE = 1_000_000

export interface WireSide {
  readonly publicKey: Uint8Array
  handshake(of: LinkEnds): Uint8Array
  onlink(link: Link): LinkHandlers | undefined
  onban(remotePublicKey: Uint8Array): void
}

export interface WireOptions {
  readonly clock: Clock
  readonly rng: Rng
  readonly latencyMs: (from: Uint8Array, to: Uint8Array) => number
  readonly lossRate?: number
  readonly bytesPerMs?: number
  /** The dialer first. */
  readonly sides: readonly [WireSide, WireSide]
  readonly channelBinding: Uint8Array
  readonly isRelayed: boolean
  /** One side did not take the link; `onend` follows for both. */
  onrefused(): void
  /** It is over for the side with this key, which hears of it next. Comes once for each. */
  onend(publicKey: Uint8Array): void
}

export interface Wire {
  /** Offers the link to the side that was dialed, and if it takes it to the dialer. */
  connect(): void
  /** From now on nothing arrives, and nobody is told. */
  silence(): void
  /** Ends it for both sides at once. */
  drop(): void
  /** Ends it as `Link.close` does on that side. */
  close(publicKey: Uint8Array): void
  /** Ends it for one side at once, and for the other when word has reached it. */
  leave(publicKey: Uint8Array): void
}

export function createWire(options: WireOptions): Wire {
  const ends = options.sides.map((side) => new End(options, side)) as [End, End]
  const [dialer, dialed] = ends
  dialer.join(dialed)
  dialed.join(dialer)
  const endOf = (publicKey: Uint8Array): End =>
    dialer.side.publicKey === publicKey ? dialer : dialed
  return {
    connect: () => {
      if (dialed.connect() && dialer.connect()) return
      options.onrefused()
    },
    close: (publicKey) => endOf(publicKey).close(false),
    silence: () => ends.forEach((end) => end.silence()),
    drop: () => ends.forEach((end) => end.finish()),
    leave: (publicKey) => {
      const end = endOf(publicKey)
      end.finish()
      end.notifyPeer()
    },
  }
}

class End {
  readonly side: WireSide
  readonly #options: WireOptions
  #peer: End = this
  #handlers: LinkHandlers | undefined
  #state: 'up' | 'closing' | 'finished' = 'up'
  #isSilent = false
  /** The first frame says that the link is taken, so that one is never lost. */
  #hasSent = false
  #queuedBytes = 0
  /** When the last byte handed in so far has left, ms. */
  #freeAtMs = 0
  #stalled = false

  constructor(options: WireOptions, side: WireSide) {
    this.#options = options
    this.side = side
  }

  join(peer: End): void {
    this.#peer = peer
  }

  /** Offers the link to this side. False: it did not take it. */
  connect(): boolean {
    if (this.#state !== 'up') return false
    const { latencyMs } = this.#options
    const [here, there] = [this.side.publicKey, this.#peer.side.publicKey]
    this.#handlers = this.side.onlink({
      ...this.#ends(),
      remoteHandshake: copyOf(this.#peer.side.handshake(this.#peer.#ends())),
      remoteHost: undefined,
      isRelayed: this.#options.isRelayed,
      rttMs: latencyMs(here, there) + latencyMs(there, here),
      send: (frame, rest) => this.#send(rest === undefined ? frame : concat(frame, rest)),
      close: ({ ban = false } = {}) => this.close(ban),
    })
    if (this.#handlers === undefined) this.close(false)
    return this.#handlers !== undefined
  }

  #ends(): LinkEnds {
    const { channelBinding, sides } = this.#options
    const remotePublicKey = this.#peer.side.publicKey
    return { remotePublicKey, channelBinding, isInitiator: sides[0] === this.side }
  }

  silence(): void {
    this.#isSilent = true
  }

  finish(): void {
    if (this.#state === 'finished') return
    this.#state = 'finished'
    this.#options.onend(this.side.publicKey)
    this.#handlers?.onclose()
  }

  /** After all that was sent before. */
  notifyPeer(): void {
    this.#options.clock.after(this.#arrivalMs(), () => this.#peer.finish())
  }

  /** Both sides are told later: never inside the call that closed it. */
  close(ban: boolean): void {
    if (this.#state !== 'up') return
    this.#state = 'closing'
    if (ban) this.side.onban(this.#peer.side.publicKey)
    this.#options.clock.after(0, () => this.finish())
    this.notifyPeer()
  }

  #send(frame: Uint8Array): boolean {
    const { clock, rng, lossRate = 0, bytesPerMs = Infinity } = this.#options
    if (this.#state !== 'up') return false
    const beginsMs = Math.max(this.#freeAtMs, clock.now())
    this.#freeAtMs = beginsMs + frame.length / bytesPerMs
    this.#queuedBytes += frame.length
    const leavesInMs = this.#freeAtMs - clock.now()
    if (leavesInMs > 0) clock.after(leavesInMs, () => this.#left(frame.length))
    else this.#left(frame.length)
    const canBeLost = this.#hasSent && lossRate > 0
    this.#hasSent = true
    const isLost = canBeLost && rng.below(LOSS_SCALE) < lossRate * LOSS_SCALE
    if (!isLost) {
      const takesMs = this.#freeAtMs - beginsMs
      if (takesMs > 0) clock.after(this.#arrivalMs() - takesMs, () => this.#peer.#progress())
      clock.after(this.#arrivalMs(), () => this.#peer.#receive(frame))
    }
    const isDrained = this.#queuedBytes <= MAX_QUEUED_BYTES
    this.#stalled ||= !isDrained
    return isDrained
  }

  #arrivalMs(): number {
    const { clock, latencyMs } = this.#options
    const queueMs = Math.max(0, this.#freeAtMs - clock.now())
    return queueMs + latencyMs(this.side.publicKey, this.#peer.side.publicKey)
  }

  #left(bytes: number): void {
    this.#queuedBytes -= bytes
    if (!this.#stalled || this.#queuedBytes > MAX_QUEUED_BYTES / 2) return
    this.#stalled = false
    if (this.#state === 'up') this.#handlers?.ondrain()
  }

  #progress(): void {
    if (this.#state === 'up' && !this.#isSilent) this.#handlers?.onprogress?.(true)
  }

  #receive(frame: Uint8Array): void {
    if (this.#state !== 'up' || this.#isSilent) return
    if (frame.length > MAX_FRAME_BYTES) return this.close(false)
    // a view into a buffer of its own, as on a real link
    const buffer = new Uint8Array(frame.length + 3)
    buffer.set(frame, 3)
    this.#handlers?.onframe(buffer.subarray(3))
  }
}
