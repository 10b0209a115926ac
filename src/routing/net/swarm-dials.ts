/**
 * Dials under way: one a key, each with an end. hyperdht finds the peer on the DHT and punches holes; where
 * that fails it goes through a link, if one is named (spec §7.7).
 * @module
 */
import { compare, mapKey } from '../../keys/bytes.ts'
import type { Clock } from '../../runtime.ts'
import type DHT from 'hyperdht'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'

/** Dials at a time: each dead record in the DHT holds one up for seconds. Further ones fail. */
const MAX_DIALS = 16
/** A peer that has not been reached by then will not be, ms: punching through two NATs takes several. */
const DIAL_TIMEOUT_MS = 20_000
/** So long it is tried directly where a link is named, ms: it failed before, but may have come back. */
const HEAD_START_MS = 3_000
/** Through a link it takes a few round trips, ms. */
const RELAYED_TIMEOUT_MS = 10_000
/**
 * Of two nodes that find each other at once, the one with the greater key waits this long, ms: the other
 * dial makes its own needless.
 */
const YIELD_MS = 250

export interface DialsOptions {
  readonly dht: DHT
  readonly keyPair: NoiseKeyPair
  readonly clock: Clock
  readonly isLinked: (publicKey: Uint8Array) => boolean
  /** Whether there is a link that `connectThrough` can ask. */
  readonly mayConnectThrough: (through: Uint8Array) => boolean
  /** A stream by way of a link; undefined where that cannot be. */
  readonly connectThrough: (through: Uint8Array, publicKey: Uint8Array) => NoiseStream | undefined
  /** Noise has proven the key; the stream's user listens to its errors from now on. */
  readonly onopen: (stream: NoiseStream) => void
  /** Never inside `dial`, and not after `drop`. */
  readonly onfailed: (publicKey: Uint8Array) => void
}

interface Dial {
  stream: NoiseStream | undefined
  cancelTimer: () => void
}

interface Attempt {
  readonly publicKey: Uint8Array
  readonly dial: Dial
  readonly stream: NoiseStream
  readonly limitMs: number
}

export class Dials {
  readonly #options: DialsOptions
  readonly #dials = new Map<string, Dial>()

  constructor(options: DialsOptions) {
    this.#options = options
  }

  /** `through`: the link to try where there is no other way. */
  dial(publicKey: Uint8Array, through?: Uint8Array): void {
    const id = mapKey(publicKey)
    if (this.#dials.has(id)) return
    const { clock, keyPair, onfailed } = this.#options
    if (this.#dials.size >= MAX_DIALS) {
      queueMicrotask(() => onfailed(publicKey))
      return
    }
    const delayMs = compare(keyPair.publicKey, publicKey) < 0 ? 0 : YIELD_MS
    const cancelTimer = clock.after(delayMs, () => this.#connect(publicKey, through))
    this.#dials.set(id, { stream: undefined, cancelTimer })
  }

  /** Without a word to anybody. */
  drop(publicKey: Uint8Array): void {
    this.#take(publicKey)?.stream?.destroy()
  }

  close(): void {
    for (const { stream, cancelTimer } of this.#dials.values()) {
      cancelTimer()
      stream?.destroy()
    }
    this.#dials.clear()
  }

  #take(publicKey: Uint8Array): Dial | undefined {
    const dial = this.#dials.get(mapKey(publicKey))
    dial?.cancelTimer()
    this.#dials.delete(mapKey(publicKey))
    return dial
  }

  #connect(publicKey: Uint8Array, through: Uint8Array | undefined): void {
    const { dht, keyPair, isLinked, mayConnectThrough } = this.#options
    const dial = this.#dials.get(mapKey(publicKey))
    if (dial === undefined) return
    if (isLinked(publicKey)) {
      this.#failed(publicKey)
      return
    }
    const relay = through !== undefined && mayConnectThrough(through) ? through : undefined
    const limitMs = relay === undefined ? DIAL_TIMEOUT_MS : HEAD_START_MS
    const stream = dht.connect(Buffer.from(publicKey), { keyPair })
    this.#follow({ publicKey, dial, stream, limitMs }, () => {
      if (relay === undefined || isLinked(publicKey)) this.#failed(publicKey)
      else this.#connectThrough(publicKey, dial, relay)
    })
  }

  #connectThrough(publicKey: Uint8Array, dial: Dial, relay: Uint8Array): void {
    const stream = this.#options.connectThrough(relay, publicKey)
    if (stream === undefined) return this.#failed(publicKey)
    const limitMs = RELAYED_TIMEOUT_MS
    this.#follow({ publicKey, dial, stream, limitMs }, () => this.#failed(publicKey))
  }

  /** `onclosed`: it has not opened, and the dial goes on. */
  #follow({ publicKey, dial, stream, limitMs }: Attempt, onclosed: () => void): void {
    const { clock, onopen } = this.#options
    const isGoingOn = (): boolean => this.#dials.get(mapKey(publicKey)) === dial
    dial.stream = stream
    dial.cancelTimer = clock.after(limitMs, () => stream.destroy())
    stream.on('error', () => {}) // whatever it was, `close` follows
    stream.on('open', () => {
      if (isGoingOn()) this.#take(publicKey)
      onopen(stream)
    })
    stream.on('close', () => {
      if (!isGoingOn()) return
      dial.cancelTimer()
      onclosed()
    })
  }

  #failed(publicKey: Uint8Array): void {
    this.#take(publicKey)
    this.#options.onfailed(publicKey)
  }
}
