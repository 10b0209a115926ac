/**
 * The transport that real nodes use: peers meet under a topic of the DHT and talk Noise over UDP,
 * through NATs where that is possible (spec §7). Keeps one link a peer and decodes nothing.
 * @module
 */
import Hyperswarm from 'hyperswarm'

import { ShoalError } from '../../errors.ts'
import { equals, mapKey } from '../../keys/bytes.ts'
import { createSystemRng, systemClock } from '../../runtime.ts'
import { BAN_MS, COLD_MS, createDenyList } from './deny-list.ts'
import { bindDht } from './dht.ts'
import { startDiscovery } from './discovery.ts'
import { openSwarmLink } from './swarm-link.ts'
import type { Clock, Logger } from '../../runtime.ts'
import type { Discovery } from './discovery.ts'
import type { LinkEnd, SwarmLink } from './swarm-link.ts'
import type { Transport } from './transport.ts'
import type DHT from 'hyperdht'
import type { DhtAddress, NoiseKeyPair, NoiseStream } from 'hyperdht'

/** Links at a time, both directions together (spec §7.4). */
const MAX_PEERS = 32
/** Dials at a time: each dead record in the DHT holds one up for seconds. */
const MAX_PARALLEL_DIALS = 8
/** A link that lived shorter is not dialed again at once: the peer may not want us, ms. */
const SETTLED_MS = 5_000
/** Longest wait for saying goodbye to the DHT, ms. */
const GOODBYE_MS = 1_000

export interface HyperswarmTransportOptions {
  /** Ed25519; the public key is the node's name. */
  readonly keyPair: NoiseKeyPair
  /** 32 bytes under which the nodes of one network find each other (spec §7.1). */
  readonly topic: Uint8Array
  /** Entry points of the DHT; undefined: the public one, empty: none. */
  readonly bootstrap: readonly DhtAddress[] | undefined
  /** IPv4 address to bind; given one, the node takes itself to be reachable there. */
  readonly listenHost?: string
  readonly clock?: Clock
  readonly logger: Logger
  /** 1 to 32 (default): links accepted; up to half as many are dialed. */
  readonly maxPeers?: number
}

type OpenOptions = Parameters<Transport['open']>[0]

/** A transport on hyperswarm; `open` rejects with E_LISTEN where `listenHost` cannot be bound. */
export function createHyperswarmTransport(options: HyperswarmTransportOptions): Transport {
  return new HyperswarmTransport(options)
}

class HyperswarmTransport implements Transport {
  readonly #options: HyperswarmTransportOptions
  readonly #clock: Clock
  readonly #maxPeers: number
  readonly #banned
  /** Peers that are none of ours: not dialed for a while, yet let in when they come. */
  readonly #cold
  readonly #links = new Map<string, SwarmLink>()
  #opening: Promise<void> | undefined
  #dht: DHT | undefined
  #swarm: Hyperswarm | undefined
  #discovery: Discovery | undefined
  #closing: Promise<void> | undefined

  constructor(options: HyperswarmTransportOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#maxPeers = Math.min(options.maxPeers ?? MAX_PEERS, MAX_PEERS)
    this.#banned = createDenyList(this.#clock)
    this.#cold = createDenyList(this.#clock)
  }

  async open(open: OpenOptions): Promise<void> {
    if (this.#closing !== undefined || this.#opening !== undefined) {
      throw new ShoalError('E_CLOSED', 'a transport opens once')
    }
    this.#opening = this.#open(open)
    await this.#opening
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #open(open: OpenOptions): Promise<void> {
    const { keyPair, bootstrap, listenHost } = this.#options
    const dht = await bindDht({
      ...(bootstrap !== undefined && { bootstrap }),
      ...(listenHost !== undefined && { host: listenHost, firewalled: false }),
    })
    this.#dht = dht
    if (this.#isClosing()) return
    // our own limit holds: theirs is divided by four as soon as peers are dialed by key
    const limits = { maxPeers: Infinity, maxParallel: MAX_PARALLEL_DIALS }
    const swarm = new Hyperswarm({ dht, keyPair, ...limits })
    this.#swarm = swarm
    swarm.on('connection', (stream) => this.#connected(stream, open))
    this.#discovery = this.#startDiscovery(dht, swarm)
  }

  #isClosing(): boolean {
    return this.#closing !== undefined
  }

  #startDiscovery(dht: DHT, swarm: Hyperswarm): Discovery {
    const { keyPair, topic, logger } = this.#options
    return startDiscovery({
      dht,
      swarm,
      keyPair,
      topic,
      clock: this.#clock,
      rng: createSystemRng(),
      logger,
      // a node that dialed until it is full would leave no room for newcomers
      vacancies: () => Math.ceil(this.#maxPeers / 2) - this.#links.size,
      isCandidate: (publicKey) =>
        !this.#links.has(mapKey(publicKey)) &&
        !this.#banned.has(publicKey) &&
        !this.#cold.has(publicKey) &&
        !equals(publicKey, keyPair.publicKey),
    })
  }

  /**
   * The handshake of Noise is done. hyperswarm has settled simultaneous dials by then: it announces
   * the connection that stays only after the other is closed.
   */
  #connected(stream: NoiseStream, open: OpenOptions): void {
    stream.on('error', () => {}) // whatever it was, `close` follows
    const { remotePublicKey } = stream
    const isRefused = this.#isClosing() || this.#banned.has(remotePublicKey)
    const id = mapKey(remotePublicKey)
    if (isRefused || this.#links.has(id) || this.#links.size >= this.#maxPeers) {
      stream.destroy()
      return
    }
    const connectedAt = this.#clock.now()
    const link = openSwarmLink(stream, {
      handshake: open.handshake,
      clock: this.#clock,
      logger: this.#options.logger,
      onlink: (accepted) => open.onlink(accepted),
      onend: (reason) => {
        this.#links.delete(id)
        this.#ended(remotePublicKey, reason, this.#clock.now() - connectedAt)
      },
    })
    this.#links.set(id, link)
  }

  #ended(publicKey: Uint8Array, reason: LinkEnd, livedMs: number): void {
    if (reason === 'banned') this.#banned.add(publicKey, BAN_MS)
    if (reason === 'refused') this.#cold.add(publicKey, COLD_MS)
    if (this.#isClosing()) return
    if (reason !== 'lost') this.#discovery?.drop(publicKey)
    else if (livedMs >= SETTLED_MS) this.#discovery?.lost(publicKey)
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {}) // whoever opened it is told
    for (const link of this.#links.values()) link.end()
    const isKnown = this.#discovery?.isAnnounced() === true
    const goodbye = this.#goodbye()
    if (isKnown) await settledWithin(GOODBYE_MS, goodbye)
    await this.#dht?.destroy({ force: true })
    await goodbye
  }

  /** Takes back what the DHT knows of us, so that nobody dials a node that is gone. */
  async #goodbye(): Promise<void> {
    await this.#discovery?.close()
    await this.#swarm?.destroy({ force: true }).catch(() => {})
  }
}

/** Resolves with `promise`, or after `ms`. In real time: a process that ends has no other. */
async function settledWithin(ms: number, promise: Promise<void>): Promise<void> {
  let cancel = (): void => {}
  const limit = new Promise<void>((resolve) => {
    cancel = systemClock.after(ms, resolve)
  })
  await Promise.race([promise, limit]).finally(() => cancel())
}
