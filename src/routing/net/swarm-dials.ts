/**
 * Dials under way: one a key, each with an end. First through a link where one is named (spec §7.7), then
 * by hyperdht, which finds the peer on the DHT and punches holes.
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

export class Dials {
  readonly #options: DialsOptions
  readonly #dials = new Map<string, Dial>()

  constructor(options: DialsOptions) {
    this.#options = options
  }

  /** `through`: the link to try first. */
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
    const { dht, keyPair, clock, isLinked, connectThrough, onopen } = this.#options
    const dial = this.#dials.get(mapKey(publicKey))
    if (dial === undefined) return
    if (isLinked(publicKey)) {
      this.#take(publicKey)
      return
    }
    const relayed = through && connectThrough(through, publicKey)
    const stream = relayed ?? dht.connect(Buffer.from(publicKey), { keyPair })
    const limitMs = relayed === undefined ? DIAL_TIMEOUT_MS : RELAYED_TIMEOUT_MS
    dial.stream = stream
    dial.cancelTimer = clock.after(limitMs, () => stream.destroy())
    stream.on('error', () => {}) // whatever it was, `close` follows
    stream.on('open', () => {
      if (this.#dials.get(mapKey(publicKey)) === dial) this.#take(publicKey)
      onopen(stream)
    })
    stream.on('close', () => this.#failed(publicKey, dial, relayed !== undefined))
  }

  /** Comes after `open` too: then the dial is no longer there. */
  #failed(publicKey: Uint8Array, dial: Dial, wasRelayed: boolean): void {
    if (this.#dials.get(mapKey(publicKey)) !== dial) return
    dial.cancelTimer()
    if (wasRelayed) return this.#connect(publicKey, undefined) // perhaps it can be reached by now
    this.#take(publicKey)
    if (!this.#options.isLinked(publicKey)) this.#options.onfailed(publicKey)
  }
}
