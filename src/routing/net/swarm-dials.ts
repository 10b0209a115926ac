/**
 * Dials under way on hyperdht: one a key, each with an end. It finds the peer on the DHT, punches holes,
 * and goes through a relay where one is named.
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

  dial(publicKey: Uint8Array): void {
    const id = mapKey(publicKey)
    if (this.#dials.has(id)) return
    const { clock, keyPair, onfailed } = this.#options
    if (this.#dials.size >= MAX_DIALS) {
      queueMicrotask(() => onfailed(publicKey))
      return
    }
    const delayMs = compare(keyPair.publicKey, publicKey) < 0 ? 0 : YIELD_MS
    const cancelTimer = clock.after(delayMs, () => this.#connect(publicKey))
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

  #connect(publicKey: Uint8Array): void {
    const { dht, keyPair, clock, isLinked, onopen } = this.#options
    const dial = this.#dials.get(mapKey(publicKey))
    if (dial === undefined) return
    if (isLinked(publicKey)) {
      this.#take(publicKey)
      return
    }
    const stream = dht.connect(Buffer.from(publicKey), { keyPair })
    dial.stream = stream
    dial.cancelTimer = clock.after(DIAL_TIMEOUT_MS, () => stream.destroy())
    stream.on('error', () => {}) // whatever it was, `close` follows
    stream.on('open', () => {
      if (this.#dials.get(mapKey(publicKey)) === dial) this.#take(publicKey)
      onopen(stream)
    })
    stream.on('close', () => this.#failed(publicKey, dial))
  }

  /** Comes after `open` too: then the dial is no longer there. */
  #failed(publicKey: Uint8Array, dial: Dial): void {
    if (this.#dials.get(mapKey(publicKey)) !== dial) return
    this.#take(publicKey)
    if (!this.#options.isLinked(publicKey)) this.#options.onfailed(publicKey)
  }
}
