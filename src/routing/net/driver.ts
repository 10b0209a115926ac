/**
 * The I/O loop around the router: frames in, frames out, timers, and the block store. It is here that
 * a hostile byte ends: what does not decode or verify costs the link, and goes no further (spec §8, §9).
 * @module
 */
import type { BlockStore, PutRequest } from '../../datastore/store.ts'
import type { Address, Block, Home } from '../../keys/block.ts'
import { mapKey } from '../../keys/bytes.ts'
import type { Clock, Logger, Rng } from '../../runtime.ts'
import { NO_PROOF } from '../handshake.ts'
import type { ExchangeMessage, Freshness, TrafficClass } from '../messages.ts'
import type { NetworkDefinition } from '../network.ts'
import type { FetchResult, Input, LocalId, Output, PeerId } from '../ports.ts'
import { RING, nodePosition } from '../position.ts'
import { Router } from '../router.ts'
import { createCounters } from './counters.ts'
import { LinkKeeper } from './link-keeper.ts'
import type { LinkPort, RingLink } from './link-keeper.ts'
import { LinkNumbers } from './link-numbers.ts'
import type { PeerCache } from './peer-cache.ts'
import { PeerLink } from './peer-link.ts'
import type { Link, Transport } from './transport.ts'

/** A signed block may lose its place to a newer one while it is put: so often it is tried again. */
const MAX_PUTS = 3
/** Blocks that wait to be written because they passed by; more are not cached, 8 MiB. */
const MAX_CACHE_WRITES = 256

export interface DriverOptions {
  readonly definition: NetworkDefinition
  readonly publicKey: Uint8Array
  /** Position proof of the kind that the network asks for; default: none. */
  readonly proof?: Uint8Array
  /** Undefined: this node talks to nobody. */
  readonly transport: Transport | undefined
  /** Peers that were known before; default: none. */
  readonly peerCache?: PeerCache | undefined
  readonly store: BlockStore
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
}

interface Pending<T> {
  resolve(value: T): void
  reject(reason: unknown): void
}

export class Driver {
  /** Own ring position, in [0, 2^48). */
  readonly position: number
  readonly counters = createCounters()
  readonly #options: DriverOptions
  readonly #router: Router
  readonly #keeper: LinkKeeper | undefined
  readonly #links = new Map<PeerId, PeerLink>()
  readonly #linkNumbers = new LinkNumbers()
  readonly #timers = new Map<number, () => void>()
  readonly #fetches = new Map<LocalId, Pending<FetchResult>>()
  readonly #inserts = new Map<LocalId, Pending<number>>()
  readonly #peerListeners = new Set<() => void>()
  #cacheWrites = 0
  #aloneSinceMs: number
  #nextPeer = 1
  #nextLocal = 1
  #isClosed = false

  constructor(options: DriverOptions) {
    this.#options = options
    this.#aloneSinceMs = options.clock.now()
    const { definition, publicKey, proof = NO_PROOF, transport } = options
    this.position = nodePosition(definition.hash, publicKey, proof)
    this.#router = new Router({ position: this.position, rng: options.rng })
    if (transport === undefined) return
    this.#keeper = new LinkKeeper({
      ...options,
      transport,
      own: { definition, publicKey, proof },
      position: this.position,
      cache: options.peerCache,
      counters: this.counters,
      onup: (link, position, ban) => this.#up(link, position, ban),
    })
  }

  get peers(): number {
    return this.#links.size
  }

  /** How long it has had no peers, ms; 0 while it has some. */
  get aloneMs(): number {
    return this.peers > 0 ? 0 : this.#options.clock.now() - this.#aloneSinceMs
  }

  /** Everything that is open, for tests that look for leaks. */
  get load(): Router['load'] {
    return this.#router.load
  }

  /** Where this node's links lead, nearest first. */
  get ringLinks(): readonly RingLink[] {
    return this.#keeper?.links ?? []
  }

  /** Nodes in the network, about; undefined with too few links to tell. */
  get estimatedSize(): number | undefined {
    return this.#keeper?.estimatedSize
  }

  async open(): Promise<void> {
    await this.#keeper?.open()
  }

  /** Calls `listener` whenever a peer has come. Returns how to stop that. */
  onPeer(listener: () => void): () => void {
    this.#peerListeners.add(listener)
    return () => this.#peerListeners.delete(listener)
  }

  /**
   * A block from the network (the own store is looked into first). Rejects with `signal.reason`.
   * `homes`: where copies live, in the order to try. `isAbsentHere`: the caller has just looked into the
   * own store.
   */
  async fetch(
    address: Address,
    options: {
      homes: readonly Home[]
      freshness?: Freshness
      trafficClass?: TrafficClass
      isAbsentHere?: boolean
      signal?: AbortSignal
    },
  ): Promise<FetchResult> {
    const { homes, freshness = 0, trafficClass = 'realtime', signal } = options
    const held = options.isAbsentHere
      ? undefined
      : await this.#options.store.get(address, signal === undefined ? {} : { signal })
    if (held !== undefined && freshness === 0) return { type: 'found', block: held.block }
    const input = { type: 'fetch', address, homes, freshness, trafficClass } as const
    return this.#request(this.#fetches, input, signal)
  }

  /**
   * The newest signed block of an address: asks all homes at once, responsible nodes only, and resolves
   * when all have answered or 1 s after the first block (spec §9.4). A copy of this node's own counts
   * too. Not-found only if every home said so. Rejects with `signal.reason`.
   */
  async fetchNewest(
    address: Address,
    options: { homes: readonly Home[]; signal?: AbortSignal },
  ): Promise<FetchResult> {
    const { homes, signal } = options
    const held = await this.#options.store.get(address, signal === undefined ? {} : { signal })
    const trafficClass = 'realtime'
    const input = { type: 'fetch-newest', address, homes, trafficClass, held } as const
    return this.#request(this.#fetches, input, signal)
  }

  /** Inserts one block at one home; resolves to the copies acknowledged, this node's own included. */
  insert(
    address: Address,
    block: Block,
    options: { home: Home; trafficClass?: TrafficClass; signal?: AbortSignal },
  ): Promise<number> {
    const { home, trafficClass = 'bulk', signal } = options
    const input = { type: 'insert', address, home, block, trafficClass } as const
    return this.#request(this.#inserts, input, signal)
  }

  /** `forget`: the peers of this run are not kept for the next. */
  async close(options: { readonly forget?: boolean } = {}): Promise<void> {
    this.#isClosed = true
    await this.#keeper?.close(options)
    for (const stop of this.#timers.values()) stop()
    this.#timers.clear()
    // with the links gone every request has failed; what remains had nobody to ask
    for (const pending of this.#fetches.values()) pending.resolve({ type: 'no-peers' })
    for (const pending of this.#inserts.values()) pending.resolve(0)
    this.#fetches.clear()
    this.#inserts.clear()
  }

  #request<T>(
    table: Map<LocalId, Pending<T>>,
    input:
      | Omit<Extract<Input, { type: 'fetch' }>, 'id'>
      | Omit<Extract<Input, { type: 'fetch-newest' }>, 'id'>
      | Omit<Extract<Input, { type: 'insert' }>, 'id'>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      const id = this.#nextLocal++
      const abort = (): void => {
        table.delete(id)
        this.#handle({ type: 'abort', id })
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', abort, { once: true })
      const unhook = (): void => signal?.removeEventListener('abort', abort)
      table.set(id, {
        resolve: (value) => {
          unhook()
          resolve(value)
        },
        reject,
      })
      this.#handle({ ...input, id })
    })
  }

  /** A link that is good: it is the router's from now on. */
  #up(link: Link, position: number, ban: () => void): LinkPort {
    const id = this.#nextPeer++
    const number = this.#linkNumbers.opened(link.remotePublicKey)
    const key = mapKey(link.remotePublicKey)
    const peer = new PeerLink({
      number,
      link,
      store: this.#options.store,
      counters: this.counters,
      awaitedBlock: (message) => this.#router.awaitedBlock(id, message),
      handle: (message, held) => {
        this.#handle({ type: 'message', from: id, message, held })
      },
      exchange: (message) => this.#exchanged(key, message, ban),
      ban,
    })
    this.#links.set(id, peer)
    this.#handle({ type: 'peer-up', peer: id, link: number, position, rttMs: link.rttMs })
    this.#options.store.setRange(this.#router.range)
    for (const listener of this.#peerListeners) listener()
    return {
      handlers: {
        onframe: (frame) => peer.receive(frame),
        onprogress: (isArriving) => this.#handle({ type: 'receiving', peer: id, isArriving }),
        ondrain: () => peer.drained(),
        onclose: () => this.#down(id, peer, link.remotePublicKey),
      },
      send: (message) => peer.send(message),
      neighbors: (positions) => this.#handle({ type: 'neighbors', peer: id, positions }),
      rtt: (rttMs) => this.#handle({ type: 'peer-rtt', peer: id, rttMs }),
    }
  }

  #down(id: PeerId, peer: PeerLink, publicKey: Uint8Array): void {
    peer.closed()
    this.#links.delete(id)
    if (this.#links.size === 0) this.#aloneSinceMs = this.#options.clock.now()
    this.#linkNumbers.closed(publicKey)
    this.#handle({ type: 'peer-down', peer: id })
    this.#options.store.setRange(this.#router.range)
  }

  #exchanged(key: string, message: ExchangeMessage, ban: () => void): void {
    if (this.#keeper?.received(key, message) === false) ban()
  }

  #handle(input: Input): void {
    for (const output of this.#router.handle(input, this.#options.clock.now()))
      this.#carryOut(output)
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case 'send':
        this.#links.get(output.to)?.send(output.message)
        break
      case 'start-timer': {
        const { timer, delayMs } = output
        const stop = this.#options.clock.after(delayMs, () => {
          this.#timers.delete(timer)
          this.#handle({ type: 'timer', timer })
        })
        this.#timers.set(timer, stop)
        break
      }
      case 'stop-timer':
        this.#timers.get(output.timer)?.()
        this.#timers.delete(output.timer)
        break
      case 'keep':
        this.#keep(output)
        break
      case 'fetched':
        this.#fetches.get(output.id)?.resolve(output.result)
        this.#fetches.delete(output.id)
        break
      case 'inserted':
        this.#inserts.get(output.id)?.resolve(output.copies)
        this.#inserts.delete(output.id)
        break
      case 'ban':
        this.#links.get(output.peer)?.ban()
        break
    }
  }

  /** A copy for the store is reported back; one for the cache is written as room allows. */
  #keep(output: Extract<Output, { type: 'keep' }>): void {
    if (output.area === 'cache' && this.#cacheWrites >= MAX_CACHE_WRITES) return
    const { address, home, block, area, link, ticket } = output
    if (area === 'cache') this.#cacheWrites++
    void this.#put({ address, home, block, area, link }).then((kept) => {
      if (area === 'cache') this.#cacheWrites--
      if (ticket !== undefined) this.#handle({ type: 'kept', ticket, ...kept })
    })
  }

  /**
   * Puts the block, or into its place the one that is here and supersedes it: that one may be in the
   * cache alone, or under another home. Says which, and whether it could be written.
   */
  async #put(request: PutRequest): Promise<{ isKept: boolean; block: Block }> {
    const { store, logger } = this.#options
    let { block } = request
    try {
      for (let puts = 0; puts < MAX_PUTS; puts++) {
        const result = await store.put({ ...request, block })
        if (result !== 'older') return { isKept: result !== 'refused', block }
        if (request.area === 'cache') break
        block = (await store.get(request.address))?.block ?? block
      }
    } catch {
      if (!this.#isClosed) logger.warn('a block could not be stored')
    }
    return { isKept: false, block }
  }
}

/** Ring position as the fraction that people read, in [0, 1). */
export function ringFraction(position: number): number {
  return position / RING
}
