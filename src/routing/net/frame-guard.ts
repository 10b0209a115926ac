/**
 * Stands between a Noise stream and protomux, which trusts its peer more than we do: it would make
 * room for a message of 16 MiB because a length prefix says so, overflows the stack on batches inside
 * batches (and throws that as uncaught), corks our answers to a batch into one message of any size,
 * and keeps a table entry for every channel ever opened. Spec §7.3.
 * @module
 */
import { EventEmitter } from 'node:events'

import { FramePool } from './frame-pool.ts'
import { MAX_FRAME_BYTES } from './transport.ts'
import type { Clock } from '../../runtime.ts'
import type { NoiseStream } from 'hyperdht'
import type { MuxStream } from 'protomux'

/** A frame and what Noise and protomux put around it: tag, MAC, channel, type, batch lengths. */
export const MAX_MESSAGE_BYTES = MAX_FRAME_BYTES + 256

/**
 * A message that has begun is all there by then, ms: no drop at a time. A node that sends a block to each of
 * 24 peers at once over 384 kbit/s needs 16.5 s for all of them, and must not lose them for it.
 */
const MESSAGE_MS = 30_000

/** Channels a peer may try to open in the life of a link: room for later protocols beside ours. */
const MAX_OPENS = 16
/** Name and id of a channel that is opened first, bytes each. */
const MAX_NAME_BYTES = 64
const CONTROL = 0
const CONTROL_BATCH = 0
const CONTROL_OPEN = 1
const CONTROL_CLOSE = 3
/** Above this a compact number has more than one byte: 0xfd says two follow. */
const ONE_BYTE = 0xfc
const TWO_BYTES = 0xfd

/** Ends `stream` when a message is announced that is longer than MAX_MESSAGE_BYTES, also before it is open. */
export function guardLength(stream: NoiseStream): void {
  /* oxlint-disable no-underscore-dangle -- as below */
  stream._utp = {
    setContentSize: () => {
      if (stream._len > MAX_MESSAGE_BYTES) stream.destroy(new Error('message too long'))
    },
  }
  /* oxlint-enable no-underscore-dangle */
}

/**
 * Ends `stream` when a message is announced that is longer than MAX_MESSAGE_BYTES, before room for it is
 * made, and when one that is announced takes too long. While one is arriving it emits `receiving`: once, or
 * again after each `data`. The fields are private to secret-stream: tests pin them. Whoever calls this
 * listens to `data` before the turn is over.
 */
export function guardMessages(stream: NoiseStream, clock: Clock): void {
  /* oxlint-disable no-underscore-dangle -- nothing public says a length before it is allocated */
  let sinceMs: number | undefined
  let cancelLook: (() => void) | undefined
  const look = (): void => {
    cancelLook = undefined
    if (sinceMs === undefined) return
    const leftMs = sinceMs + MESSAGE_MS - clock.now()
    if (leftMs > 0) cancelLook = clock.after(leftMs, look)
    else stream.destroy(new Error('too slow'))
  }
  const arrived = (): void => {
    sinceMs = undefined
    // the next one may have begun in the same packet: that was told before this one was handed over
    queueMicrotask(() => {
      if (stream._len > 0 && !stream.destroying) check()
    })
  }
  const check = (): void => {
    if (stream._len > MAX_MESSAGE_BYTES) stream.destroy(new Error('message too long'))
    stream.emit('receiving')
    sinceMs ??= clock.now()
    cancelLook ??= clock.after(MESSAGE_MS, look) // one timer for all messages until it is due
  }
  stream._utp = { setContentSize: check } // told of what has begun and is not all there
  stream.on('data', arrived)
  stream.on('close', () => cancelLook?.())
  if (stream._len > 0) check() // one may have been announced before we came
  /* oxlint-enable no-underscore-dangle */
}

/**
 * The same stream for protomux, letting through only what cannot harm it; anything else costs the
 * link. Batches are taken apart here, so that protomux never sees one.
 */
export function createGuardedStream(stream: NoiseStream): GuardedStream {
  return new GuardedStream(stream)
}

export class GuardedStream extends EventEmitter implements MuxStream {
  /** Protomux keeps itself here. */
  userData: unknown = null
  readonly #stream: NoiseStream
  readonly #pool: FramePool
  #opens = 0

  constructor(stream: NoiseStream) {
    super()
    this.#stream = stream
    this.#pool = new FramePool(stream)
    stream.on('data', (message: Uint8Array) => this.receive(message))
    for (const event of ['drain', 'end', 'close']) stream.on(event, () => this.emit(event))
  }

  get destroyed(): boolean {
    return this.#stream.destroying
  }

  alloc(length: number): Uint8Array {
    return this.#pool.alloc(length)
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream.write(bytes)
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  end(): void {
    this.#stream.end()
  }

  destroy(error?: Error): void {
    this.#stream.destroy(error)
  }

  /** Also for a message that was read before the stream was wrapped. */
  receive(message: Uint8Array): void {
    if (message.length === 0 || this.destroyed) return
    const accepted = message[0] === CONTROL ? this.#control(message) : this.#pass(message)
    if (!accepted) this.destroy(new Error('malformed message'))
  }

  /** Channel numbers of more than one byte are refused: 0xfd 0 0 would be another way to say 0. */
  #pass(message: Uint8Array): boolean {
    if ((message[0] as number) > ONE_BYTE) return false
    this.emit('data', message)
    return true
  }

  #control(message: Uint8Array): boolean {
    const type = message[1]
    if (type === undefined || type > CONTROL_CLOSE) return false
    if (type === CONTROL_BATCH) return this.#unbatch(message)
    if (type === CONTROL_OPEN && (++this.#opens > MAX_OPENS || (message[2] ?? 0) > MAX_OPENS)) {
      return false
    }
    this.emit('data', message)
    return true
  }

  /**
   * `0 0 channel (length entry)* (0 channel (length entry)*)*`: every entry becomes a message of its
   * own, in place, by writing the channel over the last byte of the length before it.
   */
  #unbatch(batch: Uint8Array): boolean {
    let channel = batch[2] ?? CONTROL
    for (let at = 3; at < batch.length;) {
      if (channel === CONTROL || channel > ONE_BYTE) return false
      const { start, length } = lengthAt(batch, at)
      if (start + length > batch.length) return false
      at = start + length
      if (length === 0) channel = batch[at++] ?? CONTROL
      else if (!this.destroyed) {
        batch[start - 1] = channel
        this.emit('data', batch.subarray(start - 1, at))
      }
    }
    return true
  }
}

/** What a side says first: the protomux channel it opens, and with what handshake. */
export interface Opening {
  readonly protocol: string
  readonly handshake: Uint8Array
}

/**
 * Reads `0 1 channel (length protocol) (length id) handshake`, each length one byte; undefined where it
 * is anything else (spec §7.2).
 */
export function readOpening(message: Uint8Array): Opening | undefined {
  const [control, type, channel = 0, nameLength = ONE_BYTE] = message
  if (control !== CONTROL || type !== CONTROL_OPEN) return undefined
  if (channel < 1 || channel > MAX_OPENS || nameLength > MAX_NAME_BYTES) return undefined
  const protocol = String.fromCharCode(...message.subarray(4, 4 + nameLength))
  const idLength = message[4 + nameLength]
  const start = 5 + nameLength + (idLength ?? ONE_BYTE)
  return idLength === undefined || idLength > MAX_NAME_BYTES || start > message.length
    ? undefined
    : { protocol, handshake: message.subarray(start) }
}

/** A compact length and where what it measures starts; endless where it takes more than 3 bytes. */
function lengthAt(batch: Uint8Array, at: number): { start: number; length: number } {
  const first = batch[at] as number
  if (first <= ONE_BYTE) return { start: at + 1, length: first }
  if (first > TWO_BYTES) return { start: at + 1, length: Infinity }
  return { start: at + 3, length: (batch[at + 1] ?? 0) + 256 * (batch[at + 2] ?? 0) }
}
