/**
 * The transport that real nodes use: peers meet under topics of the DHT and talk Noise over UDP,
 * through NATs where that is possible (spec §7). Keeps one link a peer and decodes nothing.
 * @module
 */
import Hyperswarm from 'hyperswarm'

import { ShoalError } from '../../errors.ts'
import { compare, equals, mapKey } from '../../keys/bytes.ts'
import { createSystemRng, systemClock } from '../../runtime.ts'
import { AddressLimits } from './address-limits.ts'
import { isRelayed } from './circuit.ts'
import { BAN_MS, createDenyList } from './deny-list.ts'
import { bindDht } from './dht.ts'
import { Relays } from './relays.ts'
import { Dials } from './swarm-dials.ts'
import { startDiscovery } from './discovery.ts'
import { awaitOpening, guardStream } from './first-message.ts'
import { CHANNEL, openSwarmLink } from './swarm-link.ts'
import type { Clock, Logger } from '../../runtime.ts'
import type { Discovery } from './discovery.ts'
import type { RelayCounters } from './relay.ts'
import type { SwarmLink, SwarmLinkOptions } from './swarm-link.ts'
import type { Transport, TransportHandlers } from './transport.ts'
import type DHT from 'hyperdht'
import type { DhtAddress, NoiseKeyPair, NoiseStream } from 'hyperdht'
import type Protomux from 'protomux'

/** Links at a time: 32, those about to give way, and those that are only told of others (spec §7.4). */
const MAX_LINKS = 48
/** Connections whose dialer has said nothing yet; more are closed at once. */
const MAX_SILENT = 64
/** Two links of one key that are both younger than this are crossing dials, ms. */
const CROSSING_MS = 5_000
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
  /** Told again and again whether the DHT answers. */
  readonly ondht?: (answers: boolean) => void
  readonly clock?: Clock
  readonly logger: Logger
  /** Starts the DHT node; default: on real sockets, as they are. */
  readonly bind?: typeof bindDht
}

export interface HyperswarmTransport extends Transport {
  /** What was passed on between peers since the start. */
  readonly relayed: Readonly<RelayCounters>
}

/** A transport on hyperswarm; `open` rejects with E_LISTEN where `listenHost` cannot be bound. */
export function createHyperswarmTransport(
  options: HyperswarmTransportOptions,
): HyperswarmTransport {
  return new SwarmTransport(options)
}

class SwarmTransport implements HyperswarmTransport {
  readonly #options: HyperswarmTransportOptions
  readonly #clock: Clock
  readonly #banned
  readonly #limits = new AddressLimits()
  /** As many may be silent as could be linked: one provider must not take all places. */
  readonly #silentLimits = new AddressLimits()
  readonly #links = new Map<string, SwarmLink>()
  readonly #relays: Relays
  #silent = 0
  #topics: readonly Uint8Array[] = []
  #handlers: TransportHandlers | undefined
  #opening: Promise<void> | undefined
  #dht: DHT | undefined
  #swarm: Hyperswarm | undefined
  #dials: Dials | undefined
  #discovery: Discovery | undefined
  #closing: Promise<void> | undefined

  constructor(options: HyperswarmTransportOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#banned = createDenyList(this.#clock)
    this.#relays = new Relays({
      keyPair: options.keyPair,
      clock: this.#clock,
      mayKnock: (publicKey) => !this.#isClosing() && !this.#banned.has(publicKey),
      onstream: (stream) => this.#arrived(stream),
    })
  }

  get relayed(): Readonly<RelayCounters> {
    return this.#relays.counters
  }

  async open(handlers: TransportHandlers): Promise<void> {
    if (this.#closing !== undefined || this.#opening !== undefined) {
      throw new ShoalError('E_CLOSED', 'a transport opens once')
    }
    this.#handlers = handlers
    this.#opening = this.#open(handlers)
    await this.#opening
  }

  dial(publicKey: Uint8Array, { through }: { readonly through?: Uint8Array } = {}): void {
    if (this.#isClosing()) return
    const isLinked = this.#links.has(mapKey(publicKey))
    const isRefused = this.#banned.has(publicKey) || equals(publicKey, this.#publicKey)
    if (isLinked || isRefused || this.#dials === undefined) this.#failLater(publicKey)
    else this.#dials.dial(publicKey, through)
  }

  drop(publicKey: Uint8Array): void {
    this.#dials?.drop(publicKey)
    this.#links.get(mapKey(publicKey))?.end()
  }

  seek(topics: readonly Uint8Array[]): void {
    this.#topics = topics
    this.#discovery?.seek(topics)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  get #publicKey(): Uint8Array {
    return this.#options.keyPair.publicKey
  }

  async #open(handlers: TransportHandlers): Promise<void> {
    const { keyPair, topic, bootstrap, listenHost, ondht, logger, bind = bindDht } = this.#options
    const dht = await bind({
      ...(bootstrap !== undefined && { bootstrap }),
      ...(listenHost !== undefined && { host: listenHost, firewalled: false }),
    })
    this.#dht = dht
    if (this.#isClosing()) return
    const swarm = new Hyperswarm({ dht, keyPair })
    this.#swarm = swarm
    // hyperswarm would keep one connection a key before either has said what it is for
    swarm.server.removeAllListeners('connection')
    swarm.server.on('connection', (stream: NoiseStream) => this.#arrived(stream))
    // with one that the caller names hyperdht would talk as it pleases, past every guard of ours
    swarm.server.firewall = (_publicKey, { relayThrough }) => Boolean(relayThrough)
    this.#dials = new Dials({
      dht,
      keyPair,
      clock: this.#clock,
      isLinked: (publicKey) => this.#links.has(mapKey(publicKey)),
      mayConnectThrough: (through) => this.#relays.has(through),
      connectThrough: (through, publicKey) => this.#relays.connect(through, publicKey),
      onopen: (stream) => this.#dialed(stream),
      onfailed: (publicKey) => this.#failed(publicKey, this.#links.has(mapKey(publicKey))),
    })
    const onfound = (publicKey: Uint8Array, where: Uint8Array): void =>
      handlers.onfound(publicKey, where)
    const rng = createSystemRng()
    const clock = this.#clock
    const found = { onfound, ondht }
    this.#discovery = startDiscovery({ dht, swarm, keyPair, topic, clock, rng, logger, ...found })
    this.#discovery.seek(this.#topics)
  }

  #isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** Never inside the call that asked for it. */
  #failLater(publicKey: Uint8Array): void {
    queueMicrotask(() => this.#failed(publicKey, this.#links.has(mapKey(publicKey))))
  }

  #failed(publicKey: Uint8Array, wasRefused: boolean): void {
    if (!this.#isClosing()) this.#handlers?.onfailed(publicKey, wasRefused)
  }

  /** Somebody has connected, whose key Noise has proven: this side waits for a first word. */
  #arrived(stream: NoiseStream): void {
    guardStream(stream, this.#clock)
    const host = stream.rawStream.remoteHost ?? undefined
    const isFull = this.#silent >= MAX_SILENT || this.#silentLimits.isFull(host)
    if (isFull || this.#isClosing() || this.#banned.has(stream.remotePublicKey)) {
      stream.destroy()
      return
    }
    this.#silent++
    this.#silentLimits.opened(host)
    let isSilent = true
    const heard = (): void => {
      if (!isSilent) return
      isSilent = false
      this.#silent--
      this.#silentLimits.closed(host)
    }
    stream.on('close', heard)
    awaitOpening(stream, this.#clock, (message, { protocol, handshake }) => {
      heard()
      if (this.#isClosing()) stream.destroy()
      else if (protocol === CHANNEL) this.#accept(stream, { message, handshake })
      else stream.destroy()
    })
  }

  #accept(
    stream: NoiseStream,
    opening: { readonly message: Uint8Array; readonly handshake: Uint8Array },
  ): void {
    const existing = this.#links.get(mapKey(stream.remotePublicKey))
    if (existing !== undefined && this.#staysBeforeDialed(existing, stream)) {
      stream.destroy()
      return
    }
    existing?.replace()
    this.#start(stream, opening)
  }

  /**
   * Whether a link stays although its peer dials. Where two dials cross, that of the greater key stays, on
   * both sides, and the direct one before one through a relay; later on a peer that dials has lost the
   * link, and gets another (spec §7.4).
   */
  #staysBeforeDialed(existing: SwarmLink, stream: NoiseStream): boolean {
    const isYoung = this.#clock.now() - existing.openedAtMs < CROSSING_MS
    const isCrossing = existing.isInitiator && (isYoung || !existing.isUp)
    if (!isCrossing || existing.isRelayed !== isRelayed(stream)) {
      return isCrossing && !existing.isRelayed
    }
    return compare(this.#publicKey, stream.remotePublicKey) > 0
  }

  /** One that was reached directly at last needs no relay any more. */
  #dialed(stream: NoiseStream): void {
    guardStream(stream, this.#clock)
    const { remotePublicKey } = stream
    const isRefused = this.#isClosing() || this.#banned.has(remotePublicKey)
    const existing = this.#links.get(mapKey(remotePublicKey))
    const stays = existing !== undefined && (!existing.isRelayed || isRelayed(stream))
    if (isRefused || stays) {
      stream.destroy()
      this.#failed(remotePublicKey, existing !== undefined)
      return
    }
    existing?.replace()
    this.#start(stream, undefined)
  }

  #start(stream: NoiseStream, opening: SwarmLinkOptions['opening']): void {
    const { remotePublicKey, rawStream } = stream
    const remoteHost = rawStream.remoteHost ?? undefined
    const handlers = this.#handlers as TransportHandlers
    const isDialed = opening === undefined
    if (this.#links.size >= MAX_LINKS || this.#limits.isFull(remoteHost)) {
      stream.destroy()
      if (isDialed) this.#failed(remotePublicKey, true)
      return
    }
    const id = mapKey(remotePublicKey)
    const link: SwarmLink = openSwarmLink(stream, {
      opening,
      remoteHost,
      isRelayed: isRelayed(stream),
      clock: this.#clock,
      logger: this.#options.logger,
      handshake: (of) => handlers.handshake(of),
      onlink: (offered) => handlers.onlink(offered),
      onopen: (mux) => this.#opened(link, mux, remotePublicKey),
      onban: () => this.#banned.add(remotePublicKey, BAN_MS),
      onend: (wasUp, wasSilent) => {
        if (this.#links.get(id) === link) this.#links.delete(id)
        this.#limits.closed(remoteHost)
        const isInVain = isDialed && !wasUp && !this.#links.has(id)
        // one that took the connection and said nothing is as good as dead: who tells of such lies
        if (isInVain) this.#failed(remotePublicKey, !wasSilent)
      },
    })
    this.#limits.opened(remoteHost)
    this.#links.set(id, link)
    link.start()
  }

  /** A relayed link carries no others. */
  #opened(link: SwarmLink, mux: Protomux, remotePublicKey: Uint8Array): void {
    if (link.isRelayed) return
    const onbreach = (): void => {
      this.#banned.add(remotePublicKey, BAN_MS)
      link.end()
    }
    this.#relays.attach(mux, { remotePublicKey, isInitiator: link.isInitiator, onbreach })
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {}) // whoever opened it is told
    this.#dials?.close()
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
