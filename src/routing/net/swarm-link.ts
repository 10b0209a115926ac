/**
 * One Noise stream as a `Link`: opens the channel, hands frames up and takes frames down, and lets
 * nothing that a peer or a handler does go further than this link.
 * @module
 */
import c from 'compact-encoding'
import Protomux from 'protomux'

import { copyOf } from '../../keys/bytes.ts'
import { createGuardedStream } from './frame-guard.ts'
import { MAX_FRAME_BYTES } from './transport.ts'
import type { Encoder } from 'compact-encoding'
import type { Clock, Logger } from '../../runtime.ts'
import type { GuardedStream } from './frame-guard.ts'
import type { Link, LinkEnds, LinkHandlers } from './transport.ts'
import type { NoiseStream } from 'hyperdht'
import type { MuxChannel, MuxMessage } from 'protomux'

/** Name of the protomux channel, version included (spec §7.2). */
export const CHANNEL = 'shoal/1'

/** A peer that was dialed and opens no channel by then is none of ours, ms. */
const CHANNEL_TIMEOUT_MS = 5_000
/** Frames up to this size wait for the end of the turn and travel together, bytes. */
const SMALL_FRAME_BYTES = 2_048
/** A batch is sent before it grows beyond this, bytes: it must fit the peer's frame guard. */
const BATCH_BYTES = 48 * 1024

/** A frame, in one part or two: written straight into the buffer that is encrypted in place. */
type Frame = readonly [frame: Uint8Array, rest?: Uint8Array | undefined]

export const FRAME: Encoder<Frame> = {
  preencode(state, [frame, rest]) {
    c.raw.preencode(state, frame)
    if (rest !== undefined) c.raw.preencode(state, rest)
  },
  encode(state, [frame, rest]) {
    c.raw.encode(state, frame)
    if (rest !== undefined) c.raw.encode(state, rest)
  },
  decode: (state) => [c.raw.decode(state)],
}

export interface SwarmLinkOptions {
  /** The dialer's first message and the handshake in it; undefined: this side dialed. */
  readonly opening: { readonly message: Uint8Array; readonly handshake: Uint8Array } | undefined
  readonly remoteHost: string | undefined
  readonly isRelayed: boolean
  readonly clock: Clock
  readonly logger: Logger
  handshake(of: LinkEnds): Uint8Array
  onlink(link: Link): LinkHandlers | undefined
  /** It is up, and both sides have opened the channel: there is room for others. */
  onopen(mux: Protomux): void
  /** Its user wants no more of this peer; comes before the end. */
  onban(): void
  /** Comes once, before the handlers' `onclose`. `wasUp`: `onlink` had taken it; `wasSilent`: the peer opened no channel. */
  onend(wasUp: boolean, wasSilent: boolean): void
}

/** Takes over a stream that is open and whose errors are listened to. */
export function openSwarmLink(stream: NoiseStream, options: SwarmLinkOptions): SwarmLink {
  return new SwarmLink(stream, options)
}

export class SwarmLink {
  readonly isInitiator: boolean
  readonly openedAtMs: number
  readonly #stream: NoiseStream
  readonly #guarded: GuardedStream
  readonly #options: SwarmLinkOptions
  readonly #mux: Protomux
  readonly #channel: MuxChannel | null
  readonly #message: MuxMessage<Frame> | undefined
  readonly #cancelTimeout: () => void
  #handlers: LinkHandlers | undefined
  /** Both sides have opened the channel. */
  #isOpen = false
  #over = false
  #hasEnded = false
  #wasSilent = false
  /** Small frames of this turn, at most BATCH_BYTES; before the channel is open, all. */
  #batch: Frame[] = []
  #batchBytes = 0
  /** The user was told to wait, and is owed an `ondrain`. */
  #stalled = false
  #isArriving = false

  constructor(stream: NoiseStream, options: SwarmLinkOptions) {
    this.#stream = stream
    this.#options = options
    this.isInitiator = options.opening === undefined
    this.openedAtMs = options.clock.now()
    stream.on('close', () => this.#ended())
    stream.on('receiving', () => this.#progress(true))
    stream.on('data', () => this.#progress(false)) // whatever it was, and before it is looked at
    this.#cancelTimeout = options.clock.after(CHANNEL_TIMEOUT_MS, () => {
      this.#wasSilent = true
      this.end()
    })
    this.#guarded = createGuardedStream(stream)
    this.#mux = new Protomux(this.#guarded)
    this.#channel = this.#mux.createChannel({
      protocol: CHANNEL,
      handshake: c.raw,
      onopen: (handshake) => this.#opened(handshake),
      onclose: () => stream.destroy(),
      ondrain: () => this.#drained(),
    })
    this.#message = this.#channel?.addMessage({
      encoding: FRAME,
      onmessage: ([frame]) => this.#receive(frame),
    })
  }

  /**
   * The dialer opens the channel and waits. The side that was dialed has the dialer's handshake by now:
   * it takes the link before it says a word, or ends it in silence.
   */
  start(): void {
    const { opening } = this.#options
    if (opening !== undefined) this.#take(copyOf(opening.handshake))
    if (this.#over) return
    this.#channel?.open(this.#options.handshake(this.#ends))
    if (opening !== undefined) this.#guarded.receive(opening.message)
  }

  get isRelayed(): boolean {
    return this.#options.isRelayed
  }

  /** Whether `onlink` has taken it. */
  get isUp(): boolean {
    return this.#handlers !== undefined
  }

  /** Ends it from this side; `onclose` follows later. */
  end(): void {
    this.#over = true
    this.#stream.destroy()
  }

  /** Ends it and says so at once: another stream takes its place. */
  replace(): void {
    this.end()
    this.#ended()
  }

  get #ends(): LinkEnds {
    const { remotePublicKey, handshakeHash, isInitiator } = this.#stream
    return { remotePublicKey, channelBinding: handshakeHash, isInitiator }
  }

  #opened(handshake: Uint8Array): void {
    this.#cancelTimeout()
    if (this.#over) return
    this.#isOpen = true
    if (this.isInitiator) this.#take(handshake)
    if (!this.#over) this.#options.onopen(this.#mux)
    this.#flush()
    this.#drained()
  }

  #take(handshake: Uint8Array): void {
    if (handshake.length > MAX_FRAME_BYTES) return this.end()
    const { rawStream } = this.#stream
    const link: Link = {
      ...this.#ends,
      remoteHandshake: handshake,
      remoteHost: this.#options.remoteHost,
      isRelayed: this.#options.isRelayed,
      get rttMs() {
        const { rtt = 0 } = rawStream
        return rtt > 0 ? rtt : undefined
      },
      send: (frame, rest) => this.#send([frame, rest]),
      close: ({ ban = false } = {}) => {
        if (ban) this.#options.onban()
        this.end()
      },
    }
    this.#call(() => {
      this.#handlers = this.#options.onlink(link)
    })
    if (this.#handlers === undefined) this.end()
  }

  #progress(isArriving: boolean): void {
    if (isArriving === this.#isArriving) return
    this.#isArriving = isArriving
    this.#call(() => this.#handlers?.onprogress?.(isArriving))
  }

  #receive(frame: Uint8Array): void {
    if (frame.length > MAX_FRAME_BYTES) return this.end()
    if (!this.#over) this.#call(() => this.#handlers?.onframe(frame))
  }

  #send(frame: Frame): boolean {
    if (this.#over || this.#channel === null) return false
    if (!this.#isOpen) {
      this.#batch.push(frame)
      this.#stalled = true
      return false
    }
    const length = frame[0].length + (frame[1]?.length ?? 0)
    if (length > SMALL_FRAME_BYTES) {
      this.#flush()
      this.#message?.send(frame)
    } else {
      if (this.#batchBytes + length > BATCH_BYTES) this.#flush()
      if (this.#batch.length === 0) setImmediate(() => this.#flush())
      this.#batch.push(frame)
      this.#batchBytes += length
    }
    this.#stalled ||= !this.#channel.drained
    return this.#channel.drained
  }

  #flush(): void {
    const batch = this.#batch
    if (batch.length === 0 || this.#over) return
    const isBatch = batch.length > 1 && this.#batchBytes > 0
    this.#batch = []
    this.#batchBytes = 0
    if (isBatch) this.#channel?.cork()
    for (const frame of batch) this.#message?.send(frame)
    if (isBatch) this.#channel?.uncork()
  }

  #drained(): void {
    if (!this.#stalled || this.#over) return
    this.#stalled = false
    this.#call(() => this.#handlers?.ondrain())
  }

  #ended(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#over = true
    this.#batch = []
    this.#cancelTimeout()
    this.#options.onend(this.isUp, this.#wasSilent)
    this.#call(() => this.#handlers?.onclose())
  }

  /** A handler that throws is a bug of ours; it costs this link, not the process. */
  #call(run: () => void): void {
    try {
      run()
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error
      this.#options.logger.warn(`a link was closed: its handler threw (${name})`)
      this.end()
    }
  }
}
