/**
 * The second channel of a direct link, `shoal/relay/1` (spec §7.7): over it this node passes bytes on for
 * two of its peers, and reaches others through one of them.
 * @module
 */
import c from 'compact-encoding'

import { mapKey } from '../../keys/bytes.ts'
import { CircuitEnds } from './circuit-ends.ts'
import { Relay } from './relay.ts'
import { RelayLink } from './relay-link.ts'
import { FRAME } from './swarm-link.ts'
import type { CircuitEndsOptions } from './circuit-ends.ts'
import type { NoiseStream } from 'hyperdht'
import type Protomux from 'protomux'
import type { RelayCounters } from './relay.ts'

/** Name of the protomux channel, version included. */
export const RELAY_CHANNEL = 'shoal/relay/1'

export interface RelayPeer {
  readonly remotePublicKey: Uint8Array
  /** Whether this node dialed. */
  readonly isInitiator: boolean
  /** It broke the protocol. */
  readonly onbreach: () => void
}

export class Relays {
  readonly #options: CircuitEndsOptions
  readonly #relay: Relay
  readonly #ends: CircuitEnds
  /** By peer: links on which both sides have opened the channel. */
  readonly #links = new Map<string, RelayLink>()

  constructor(options: CircuitEndsOptions) {
    this.#options = options
    this.#relay = new Relay(options.clock)
    this.#ends = new CircuitEnds(options)
  }

  get counters(): RelayCounters {
    return this.#relay.counters
  }

  /** Opens the channel on a link that is up; it ends with the link. Old peers do not open it. */
  attach(mux: Protomux, peer: RelayPeer): void {
    const id = mapKey(peer.remotePublicKey)
    const link: RelayLink = new RelayLink({
      ...peer,
      clock: this.#options.clock,
      send: (header, payload) => message?.send([header, payload]) === true,
      onopen: (circuit, target) => this.#relay.open(link, circuit, this.#links.get(mapKey(target))),
      oninvite: (circuit, from) => this.#ends.invited(link, circuit, from),
    })
    const channel = mux.createChannel({
      protocol: RELAY_CHANNEL,
      handshake: c.raw,
      onopen: () => {
        this.#links.set(id, link)
      },
      onclose: () => {
        if (this.#links.get(id) === link) this.#links.delete(id)
        link.end()
      },
      ondrain: () => link.drained(),
    })
    const message = channel?.addMessage({
      encoding: FRAME,
      onmessage: ([bytes]) => link.receive(bytes),
    })
    channel?.open(new Uint8Array(0))
  }

  /** Whether a peer can be asked for circuits. */
  has(publicKey: Uint8Array): boolean {
    return this.#links.has(mapKey(publicKey))
  }

  /** A stream to `publicKey` by way of `through`; undefined where that is not linked or has no room. */
  connect(through: Uint8Array, publicKey: Uint8Array): NoiseStream | undefined {
    const link = this.#links.get(mapKey(through))
    return link && this.#ends.connect(link, publicKey)
  }
}
