/**
 * Noise streams through relays, dialed and taken (spec §7.7): the relay below them sees ciphertext, and
 * cannot be somebody else.
 * @module
 */
import SecretStream from '@hyperswarm/secret-stream'

import { equals } from '../../keys/bytes.ts'
import { Circuit } from './circuit.ts'
import { guardLength } from './frame-guard.ts'
import type { Clock } from '../../runtime.ts'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'
import type { RelayLink } from './relay-link.ts'

/** Circuits that end here at a time, in all, so that no address limit can be gone round for long. */
export const MAX_ENDS = 6
/** And through one relay. */
export const MAX_ENDS_PER_RELAY = 2
/** And begun by others, who may hold each for NOISE_TIMEOUT_MS: the rest is for own dials. */
export const MAX_INVITED = 4
/** A caller that has not proven its key by then is cut, ms. */
const NOISE_TIMEOUT_MS = 10_000

export interface CircuitEndsOptions {
  readonly keyPair: NoiseKeyPair
  readonly clock: Clock
  /** Whether somebody may knock; its key is not proven yet. */
  readonly mayKnock: (publicKey: Uint8Array) => boolean
  /** Noise has proven the key of who knocked. The stream's user listens to its errors from now on. */
  readonly onstream: (stream: NoiseStream) => void
}

export class CircuitEnds {
  readonly #options: CircuitEndsOptions
  #open = 0
  #invited = 0

  constructor(options: CircuitEndsOptions) {
    this.#options = options
  }

  /** Circuits that end here, at most MAX_ENDS. */
  get size(): number {
    return this.#open
  }

  /** A stream to `publicKey` that is not open yet; undefined: one more is too many. */
  connect(link: RelayLink, publicKey: Uint8Array): NoiseStream | undefined {
    const circuit = this.#isFull(link) ? undefined : Circuit.open(link, publicKey)
    return circuit && this.#streamOn(circuit, Buffer.from(publicKey))
  }

  /** `from` wants a circuit to this node, says the relay. */
  invited(link: RelayLink, number: number, from: Uint8Array): void {
    const { clock, keyPair, mayKnock, onstream } = this.#options
    const isFull = this.#invited >= MAX_INVITED || this.#isFull(link)
    if (isFull || equals(from, keyPair.publicKey) || !mayKnock(from)) {
      link.refuse(number)
      return
    }
    const circuit = Circuit.accept(link, number)
    this.#invited++
    circuit.on('close', () => this.#invited--)
    const stream = this.#streamOn(circuit)
    const cancelTimeout = clock.after(NOISE_TIMEOUT_MS, () => stream.destroy())
    stream.on('close', cancelTimeout)
    stream.on('open', () => {
      cancelTimeout()
      if (equals(stream.remotePublicKey, from)) onstream(stream)
      else stream.destroy() // the relay has lied
    })
  }

  #isFull(link: RelayLink): boolean {
    return this.#open >= MAX_ENDS || link.count(true) >= MAX_ENDS_PER_RELAY
  }

  /** The initiator names whom it wants, and nobody else can answer. */
  #streamOn(circuit: Circuit, remotePublicKey?: Uint8Array): NoiseStream {
    const { keyPair } = this.#options
    this.#open++
    circuit.on('close', () => this.#open--)
    const isInitiator = remotePublicKey !== undefined
    const how = { pattern: 'IK', keyPair, ...(isInitiator && { remotePublicKey }) } as const
    const stream = new SecretStream(isInitiator, circuit, how)
    stream.on('error', () => {}) // whatever it was, `close` follows
    guardLength(stream)
    return stream
  }
}
