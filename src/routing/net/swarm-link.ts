/**
 * One Noise stream as a `Link`: opens the channel, hands frames up and takes frames down, and lets
 * nothing that a peer or a handler does go further than this link.
 * @module
 */
import c from 'compact-encoding'
import Protomux from 'protomux'

import { createGuardedStream, guardMessageLength } from './frame-guard.ts'
import { MAX_FRAME_BYTES } from './transport.ts'
import type { Clock, Logger } from '../../runtime.ts'
import type { Link, LinkHandlers } from './transport.ts'
import type { NoiseStream } from 'hyperdht'
import type { MuxChannel, MuxMessage } from 'protomux'

/** Name of the protomux channel, version included (spec §7.2). */
export const CHANNEL = 'shoal/1'

/** A stream silent for this long is dead, ms: three keep-alives lost. */
const SILENCE_MS = 6_000
const KEEP_ALIVE_MS = 2_000
/** A peer that speaks Noise and opens no channel by then is none of ours, ms. */
const CHANNEL_TIMEOUT_MS = 5_000
/** Frames up to this size wait for the end of the turn and travel together, bytes. */
const SMALL_FRAME_BYTES = 2_048
/** A batch is sent before it grows beyond this, bytes: it must fit the peer's frame guard. */
const BATCH_BYTES = 48 * 1024

export type LinkEnd =
  /** This side did not take the link, or the peer opened no channel: it is none of ours. */
  | 'refused'
  | 'banned'
  /** This side ended it. */
  | 'closed'
  /** It broke off or was ended by the peer, perhaps before it was up. */
  | 'lost'

export interface SwarmLinkOptions {
  readonly handshake: Uint8Array
  readonly clock: Clock
  readonly logger: Logger
  onlink(link: Link): LinkHandlers | undefined
  /** Comes once, after the handlers' `onclose`. */
  onend(reason: LinkEnd): void
}

/** Takes over a stream that has just connected. The stream's errors end here. */
export function openSwarmLink(stream: NoiseStream, options: SwarmLinkOptions): SwarmLink {
  return new SwarmLink(stream, options)
}

export class SwarmLink {
  readonly #stream: NoiseStream
  readonly #options: SwarmLinkOptions
  readonly #channel: MuxChannel | null
  readonly #message: MuxMessage | undefined
  readonly #cancelTimeout: () => void
  #handlers: LinkHandlers | undefined
  #reason: LinkEnd = 'lost'
  #over = false
  /** Small frames of this turn; at most BATCH_BYTES. */
  #batch: Uint8Array[] = []
  #batchBytes = 0
  /** The user was told to wait, and is owed an `ondrain`. */
  #stalled = false

  constructor(stream: NoiseStream, options: SwarmLinkOptions) {
    this.#stream = stream
    this.#options = options
    stream.on('close', () => this.#closed())
    stream.setTimeout(SILENCE_MS)
    stream.setKeepAlive(KEEP_ALIVE_MS)
    guardMessageLength(stream)
    this.#cancelTimeout = options.clock.after(CHANNEL_TIMEOUT_MS, () => this.#refuse())
    this.#channel = new Protomux(createGuardedStream(stream)).createChannel({
      protocol: CHANNEL,
      handshake: c.raw,
      onopen: (handshake) => this.#opened(handshake),
      onclose: () => stream.destroy(),
      ondrain: () => this.#drained(),
    })
    this.#message = this.#channel?.addMessage({
      encoding: c.raw,
      onmessage: (frame) => this.#receive(frame),
    })
    this.#channel?.open(options.handshake)
  }

  end(): void {
    this.#over = true
    this.#stream.destroy()
  }

  #opened(handshake: Uint8Array): void {
    this.#cancelTimeout()
    if (this.#over) return
    if (handshake.length > MAX_FRAME_BYTES) return this.#refuse()
    const link: Link = {
      remotePublicKey: this.#stream.remotePublicKey,
      remoteHandshake: handshake,
      send: (frame) => this.#send(frame),
      close: ({ ban = false } = {}) => {
        if (!this.#over) this.#reason = ban ? 'banned' : 'closed'
        this.end()
      },
    }
    this.#call(() => {
      this.#handlers = this.#options.onlink(link)
    })
    if (this.#handlers === undefined) this.#refuse()
  }

  #refuse(): void {
    if (!this.#over) this.#reason = 'refused'
    this.end()
  }

  #receive(frame: Uint8Array): void {
    if (frame.length > MAX_FRAME_BYTES) return this.end()
    if (!this.#over) this.#call(() => this.#handlers?.onframe(frame))
  }

  #send(frame: Uint8Array): boolean {
    if (this.#over || this.#channel === null) return false
    if (frame.length > SMALL_FRAME_BYTES) {
      this.#flush()
      this.#message?.send(frame)
    } else {
      if (this.#batchBytes + frame.length > BATCH_BYTES) this.#flush()
      if (this.#batch.length === 0) setImmediate(() => this.#flush())
      this.#batch.push(frame)
      this.#batchBytes += frame.length
    }
    this.#stalled ||= !this.#channel.drained
    return this.#channel.drained
  }

  #flush(): void {
    const batch = this.#batch
    if (batch.length === 0 || this.#over) return
    this.#batch = []
    this.#batchBytes = 0
    if (batch.length > 1) this.#channel?.cork()
    for (const frame of batch) this.#message?.send(frame)
    if (batch.length > 1) this.#channel?.uncork()
  }

  #drained(): void {
    if (!this.#stalled || this.#over) return
    this.#stalled = false
    this.#call(() => this.#handlers?.ondrain())
  }

  #closed(): void {
    this.#over = true
    this.#batch = []
    this.#cancelTimeout()
    this.#call(() => this.#handlers?.onclose())
    this.#options.onend(this.#reason)
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
