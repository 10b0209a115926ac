/**
 * One link of the memory network, seen from both sides: latency, bandwidth, loss, and how it ends.
 * @module
 */
import { copyOf } from '../../keys/bytes.ts'
import { MAX_FRAME_BYTES } from './transport.ts'
import type { Clock, Rng } from '../../runtime.ts'
import type { Link, LinkHandlers } from './transport.ts'

/** Above this many bytes that have not left yet, a sender is told to wait. */
const MAX_QUEUED_BYTES = 256 * 1024
/** Losses are drawn in millionths. */
const LOSS_SCALE = 1_000_000

export interface WireSide {
  readonly publicKey: Uint8Array
  readonly handshake: Uint8Array
  onlink(link: Link): LinkHandlers | undefined
  onban(remotePublicKey: Uint8Array): void
}

export interface WireOptions {
  readonly clock: Clock
  readonly rng: Rng
  readonly latencyMs: (from: Uint8Array, to: Uint8Array) => number
  readonly lossRate?: number
  readonly bytesPerMs?: number
  readonly sides: readonly [WireSide, WireSide]
  /** One side did not take the link; `onend` follows. */
  onrefused(): void
  /** Both sides know that it is over. Comes once. */
  onend(): void
}

export interface Wire {
  /** Offers the link to both sides. */
  connect(): void
  /** From now on nothing arrives, and nobody is told. */
  silence(): void
  /** Ends it for both sides at once. */
  drop(): void
  /** Ends it for one side at once, and for the other when word has reached it. */
  leave(publicKey: Uint8Array): void
}

export function createWire(options: WireOptions): Wire {
  const ends = options.sides.map((side) => new End(options, side)) as [End, End]
  const [a, b] = ends
  a.join(b)
  b.join(a)
  return {
    connect: () => ends.forEach((end) => end.connect()),
    silence: () => ends.forEach((end) => end.silence()),
    drop: () => ends.forEach((end) => end.finish()),
    leave: (publicKey) => {
      const end = a.side.publicKey === publicKey ? a : b
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

  connect(): void {
    if (this.#state !== 'up') return
    this.#handlers = this.side.onlink({
      remotePublicKey: this.#peer.side.publicKey,
      remoteHandshake: copyOf(this.#peer.side.handshake),
      send: (frame) => this.#send(frame),
      close: ({ ban = false } = {}) => this.#close(ban),
    })
    if (this.#handlers !== undefined) return
    this.#options.onrefused()
    this.#close(false)
  }

  silence(): void {
    this.#isSilent = true
  }

  finish(): void {
    if (this.#state === 'finished') return
    this.#state = 'finished'
    this.#handlers?.onclose()
    if (this.#peer.#state === 'finished') this.#options.onend()
  }

  /** After all that was sent before. */
  notifyPeer(): void {
    this.#options.clock.after(this.#arrivalMs(), () => this.#peer.finish())
  }

  #close(ban: boolean): void {
    if (this.#state !== 'up') return
    this.#state = 'closing'
    if (ban) this.side.onban(this.#peer.side.publicKey)
    // never inside the call that closed it
    this.#options.clock.after(0, () => this.finish())
    this.notifyPeer()
  }

  #send(frame: Uint8Array): boolean {
    const { clock, rng, lossRate = 0, bytesPerMs = Infinity } = this.#options
    if (this.#state !== 'up') return false
    this.#freeAtMs = Math.max(this.#freeAtMs, clock.now()) + frame.length / bytesPerMs
    this.#queuedBytes += frame.length
    const leavesInMs = this.#freeAtMs - clock.now()
    if (leavesInMs > 0) clock.after(leavesInMs, () => this.#left(frame.length))
    else this.#left(frame.length)
    const isLost = lossRate > 0 && rng.below(LOSS_SCALE) < lossRate * LOSS_SCALE
    if (!isLost) clock.after(this.#arrivalMs(), () => this.#peer.#receive(frame))
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

  #receive(frame: Uint8Array): void {
    if (this.#state !== 'up' || this.#isSilent) return
    if (frame.length > MAX_FRAME_BYTES) return this.#close(false)
    // a view into a buffer of its own, as on a real link
    const buffer = new Uint8Array(frame.length + 3)
    buffer.set(frame, 3)
    this.#handlers?.onframe(buffer.subarray(3))
  }
}
