/**
 * Joins the topology, what peers tell each other of other nodes, and the transport: who is dialed, who
 * is let in, and when a link becomes the router's (spec §7.1, §7.6, §9.9).
 * @module
 */
import { isShoalError } from '../../errors.ts'
import { equals, mapKey } from '../../keys/bytes.ts'
import type { Clock, Logger, Rng } from '../../runtime.ts'
import type { PeerRecord } from '../exchange.ts'
import type { ExchangeMessage } from '../messages.ts'
import { checkHandshake, createHandshake, decodeHandshake } from '../handshake.ts'
import type { OwnIdentity } from '../handshake.ts'
import { decodeMessage, encodeMessage } from '../messages.ts'
import { tellNearest } from '../peer-exchange.ts'
import { ProofVerifier } from '../position-proof.ts'
import { RING, distance } from '../position.ts'
import { Topology } from '../topology.ts'
import type { Candidate, LinkRole, PeerKey, TopologyInput } from '../topology.ts'
import type { DriverCounters } from './counters.ts'
import { createDenyList } from './deny-list.ts'
import type { DenyList } from './deny-list.ts'
import { LinkGate } from './link-gate.ts'
import { PeerBook, publicKeyOf } from './peer-book.ts'
import type { PeerCache } from './peer-cache.ts'
import { PeerSaver } from './peer-saver.ts'
import { PeerTalk } from './peer-talk.ts'
import { regionBits, regionsOf } from './region-topics.ts'
import type { Region } from './region-topics.ts'
import type { Link, LinkHandlers, Transport } from './transport.ts'

/** Links at once, those included that are about to give way. */
const MAX_LINKS = 40
/** Peers at a time that are not let in and are told of others. */
const MAX_TURNED_AWAY = 8
/** They have so long to read it, ms. */
const TURN_AWAY_MS = 1_000
/** A peer that was dialed and has opened the channel says by then whether it takes the link, ms. */
const FIRST_WORD_MS = 5_000
/** Keys that came with a bad proof, apart from bans: they cost nothing, and must not push those out. */
const MAX_UNPROVEN = 256
/** They are refused for so long, ms. */
const UNPROVEN_MS = 600_000
/** A tick is never sooner, ms. */
const LEAST_TICK_MS = 20

/** One link, as the driver lends it to the keeper. */
export interface LinkPort {
  readonly handlers: LinkHandlers
  send(message: ExchangeMessage): void
  /** Where the peer's own links lead, as it says. */
  neighbors(positions: readonly number[]): void
  /** Round trip as measured now, ms. */
  rtt(rttMs: number): void
}

export interface LinkKeeperOptions {
  readonly own: OwnIdentity
  /** Own ring position. */
  readonly position: number
  readonly transport: Transport
  readonly cache: PeerCache | undefined
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  readonly counters: DriverCounters
  /** A link that is good and wanted. `ban` ends it and refuses its key for an hour. */
  onup(link: Link, position: number, ban: () => void): LinkPort
}

export interface RingLink {
  /** Share of the ring between the two, in [0, 0.5]. */
  readonly distance: number
  readonly role: LinkRole
}

interface Kept {
  readonly link: Link
  readonly port: LinkPort
  /** This node has ended it. */
  isDropped: boolean
}

export class LinkKeeper {
  readonly #options: LinkKeeperOptions
  readonly #topology: Topology
  readonly #book: PeerBook
  readonly #proofs: ProofVerifier
  readonly #talk: PeerTalk
  readonly #saver: PeerSaver | undefined
  readonly #links = new Map<PeerKey, Kept>()
  readonly #unproven: DenyList
  #regionBits = 0
  #regions: readonly Region[] = []
  #turnedAway = 0
  #tickAtMs = Infinity
  #stopTick = (): void => {}
  #isClosed = false

  constructor(options: LinkKeeperOptions) {
    const { own, position, rng, clock, cache } = options
    this.#options = options
    this.#topology = new Topology({ position, rng })
    this.#book = new PeerBook(own.definition, (key) => this.#links.has(key))
    this.#proofs = new ProofVerifier(own.definition)
    this.#unproven = createDenyList(clock, MAX_UNPROVEN)
    this.#saver = cache && new PeerSaver({ cache, clock, peers: () => this.#worthKeeping() })
    this.#talk = new PeerTalk({
      clock,
      positions: () => this.#topology.neighborPositions,
      send: (to, message) => this.#links.get(to)?.port.send(message),
      answer: (asker, target) => this.#recordsNear(asker, target),
      ontold: (teller, records) => this.#told(teller, records),
      onneighbors: (of, positions) => this.#links.get(of)?.port.neighbors(positions),
      onignored: () => options.counters.ignoredExchanges++,
    })
  }

  /** Nodes in the network, about; undefined with too few links to tell. */
  get estimatedSize(): number | undefined {
    return this.#topology.estimatedSize
  }

  /** Nearest first. */
  get links(): readonly RingLink[] {
    const { position } = this.#options
    return this.#topology.links
      .map((link) => ({ away: distance(position, link.position), role: link.role }))
      .toSorted((a, b) => a.away - b.away)
      .map(({ away, role }) => ({ distance: away / RING, role }))
  }

  async open(): Promise<void> {
    const { own, transport, cache } = this.#options
    const cached = (await cache?.load()) ?? []
    await transport.open({
      handshake: (ends) => createHandshake(own, ends),
      onlink: (link) => this.#offered(link),
      onfound: (publicKey, topic) => this.#found(publicKey, topic),
      onfailed: (publicKey, wasRefused) => {
        this.#handle({ type: 'dial-failed', key: mapKey(publicKey), wasRefused })
      },
    })
    this.#handle({ type: 'started' })
    const candidates = cached.map((record) => this.#book.told(record))
    this.#handle({ type: 'found', candidates, source: 'cache' })
  }

  /** `forget`: writes nothing any more. */
  async close({ forget = false }: { readonly forget?: boolean } = {}): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopTick()
    this.#talk.close()
    await this.#saver?.close({ forget })
    await this.#options.transport.close()
  }

  /** What a peer says of other nodes. @returns false where it costs the link */
  received(from: PeerKey, message: ExchangeMessage): boolean {
    return this.#links.has(from) ? this.#talk.received(from, message) : true
  }

  /** A handshake has come: refused, turned away, let in, or held until its proof is checked. */
  #offered(link: Link): LinkHandlers | undefined {
    const { counters, own } = this.#options
    const record = this.#recordOf(link)
    if (record === undefined) return undefined
    if (this.#isClosed || equals(record.publicKey, own.publicKey)) {
      counters.refused.self++
      return undefined
    }
    if (this.#unproven.has(record.publicKey)) {
      counters.refused.proof++
      return undefined
    }
    const candidate = this.#book.told(record)
    if (!this.#hasRoomFor(link, candidate)) return this.#turnAway(link, candidate)
    const known = this.#proofs.known(record.publicKey, record.proof)
    if (known === true && !link.isInitiator) return this.#letIn(link, record)
    const gate = new LinkGate(() => this.#giveUp(link, candidate.key, true))
    if (known === true) this.#awaitWord(link, record, gate)
    else void this.#prove(link, record, gate)
    return gate
  }

  /** Who is behind a link, as its handshake says; undefined where it is refused. */
  #recordOf(link: Link): PeerRecord | undefined {
    const { counters, own } = this.#options
    try {
      const handshake = decodeHandshake(link.remoteHandshake)
      const verdict = checkHandshake(handshake, own.definition, link)
      if (verdict === 'accepted') {
        return { publicKey: link.remotePublicKey, proof: handshake.proof }
      }
      counters.refused[verdict]++
    } catch (error) {
      if (!isShoalError(error)) throw error
      counters.refused.malformed++
    }
    return undefined
  }

  #hasRoomFor(link: Link, candidate: Candidate): boolean {
    if (this.#links.size >= MAX_LINKS || this.#links.has(candidate.key)) return false
    if (link.isInitiator) return true
    // no address limit sees who comes through a third node: only neighbors are worth that
    const isWorthIt = !link.isRelayed || this.#topology.wouldBeNeighbor(candidate.position)
    return isWorthIt && this.#topology.wouldAccept(candidate)
  }

  /** No room: but a newcomer has to begin somewhere, and learns who its neighbors are. */
  #turnAway(link: Link, { key, position }: Candidate): LinkHandlers | undefined {
    const { counters, clock } = this.#options
    counters.refused.full++
    const records = this.#recordsNear(key, position)
    const isFew = this.#turnedAway < MAX_TURNED_AWAY
    if (link.isInitiator || !isFew || records.length === 0) return undefined
    this.#turnedAway++
    link.send(encodeMessage({ type: 'peers', id: 0, records }))
    const stop = clock.after(TURN_AWAY_MS, () => link.close())
    const onclose = (): void => {
      this.#turnedAway--
      stop()
    }
    return { onframe: () => {}, ondrain: () => {}, onclose }
  }

  async #prove(link: Link, record: PeerRecord, gate: LinkGate): Promise<void> {
    const { refused } = this.#options.counters
    const key = mapKey(record.publicKey)
    const verdict = await this.#proofs.verify(record.publicKey, record.proof)
    if (verdict === 'invalid') {
      refused.proof++
      this.#refuseForAWhile(link)
      if (link.isInitiator) this.#handle({ type: 'dial-failed', key })
      return
    }
    if (verdict === 'busy') {
      if (!gate.isClosed) refused.full++
      this.#giveUp(link, key, true)
    } else if (link.isInitiator) this.#awaitWord(link, record, gate)
    else this.#admit(link, record, gate)
  }

  #refuseForAWhile(link: Link): void {
    this.#unproven.add(link.remotePublicKey, UNPROVEN_MS)
    link.close()
  }

  /** Nobody waits for it any more: to the transport the dial has worked. */
  #giveUp(link: Link, key: PeerKey, wasRefused: boolean): void {
    link.close()
    if (link.isInitiator) this.#handle({ type: 'dial-failed', key, wasRefused })
  }

  /** Whoever was dialed opens the channel before it knows whether it has room: its first word says that. */
  #awaitWord(link: Link, record: PeerRecord, gate: LinkGate): void {
    const key = mapKey(record.publicKey)
    const stop = this.#options.clock.after(FIRST_WORD_MS, () => {
      gate.whenHeard(() => {})
      this.#giveUp(link, key, false)
    })
    gate.whenHeard((first) => {
      stop()
      const told = first === undefined ? [] : recordsOfRefusal(first)
      if (told === undefined) {
        this.#admit(link, record, gate)
        return
      }
      this.#told(key, told)
      this.#giveUp(link, key, true)
    })
  }

  #admit(link: Link, record: PeerRecord, gate: LinkGate): void {
    if (gate.isClosed || this.#isClosed) return
    const candidate = this.#book.told(record)
    const handlers = this.#hasRoomFor(link, candidate)
      ? this.#letIn(link, record)
      : this.#turnAway(link, candidate)
    if (handlers === undefined) this.#giveUp(link, candidate.key, true)
    else gate.open(handlers)
  }

  #letIn(link: Link, record: PeerRecord): LinkHandlers {
    const { key, position } = this.#book.proven(record)
    const port = this.#options.onup(link, position, () => this.#ban(key, link))
    const kept: Kept = { link, port, isDropped: false }
    this.#links.set(key, kept)
    this.#talk.opened(key)
    this.#handle({ type: 'linked', key, position, isInbound: !link.isInitiator })
    this.#saver?.linked()
    const { handlers } = port
    return {
      onframe: (frame) => handlers.onframe(frame),
      onprogress: (isArriving) => handlers.onprogress?.(isArriving),
      ondrain: () => handlers.ondrain(),
      onclose: () => {
        handlers.onclose()
        if (this.#links.get(key) === kept) this.#links.delete(key)
        this.#talk.closed(key)
        this.#handle({ type: 'unlinked', key, wasWanted: !kept.isDropped })
      },
    }
  }

  #ban(key: PeerKey, link: Link): void {
    this.#options.counters.bans++
    link.close({ ban: true })
    this.#handle({ type: 'banned', key })
  }

  #found(publicKey: Uint8Array, topic: Uint8Array | undefined): void {
    if (equals(publicKey, this.#options.own.publicKey)) return
    const region = topic && this.#regions.find((one) => equals(one.topic, topic))
    const candidates = [this.#book.found(publicKey, region)]
    this.#handle({ type: 'found', candidates, source: 'rendezvous' })
  }

  #told(teller: PeerKey, records: readonly PeerRecord[]): void {
    const { publicKey } = this.#options.own
    const candidates = records
      .filter((record) => !equals(record.publicKey, publicKey))
      .map((record) => this.#book.told(record))
    this.#handle({ type: 'found', candidates, source: teller })
  }

  #recordsNear(asker: PeerKey, target: number): readonly PeerRecord[] {
    return tellNearest(this.#topology, target, asker)
      .map(({ key }) => this.#book.record(key))
      .filter((record) => record !== undefined)
  }

  #handle(input: TopologyInput): void {
    if (this.#isClosed) return
    const { clock, transport } = this.#options
    for (const output of this.#topology.handle(input, clock.now())) {
      switch (output.type) {
        case 'dial': {
          const { key, through } = output
          const options = through === undefined ? {} : { through: publicKeyOf(through) }
          transport.dial(publicKeyOf(key), options)
          break
        }
        case 'drop':
          this.#drop(output.key)
          break
        case 'seek':
          this.#talk.seek(output.via, output.target)
          break
      }
    }
    this.#talk.changed()
    this.#schedule()
  }

  #drop(key: PeerKey): void {
    const kept = this.#links.get(key)
    if (kept !== undefined) kept.isDropped = true
    this.#options.transport.drop(publicKeyOf(key))
  }

  #schedule(): void {
    const { clock } = this.#options
    const dueMs = Math.max(this.#topology.nextTickMs, clock.now() + LEAST_TICK_MS)
    if (dueMs === Infinity || (this.#tickAtMs <= dueMs && this.#tickAtMs > clock.now())) return
    this.#stopTick()
    this.#tickAtMs = dueMs
    this.#stopTick = clock.after(dueMs - clock.now(), () => {
      this.#tickAtMs = Infinity
      this.#tick()
    })
  }

  #tick(): void {
    for (const { link, port } of this.#links.values()) {
      if (link.rttMs !== undefined) port.rtt(link.rttMs)
    }
    this.#handle({ type: 'tick' })
    this.#moveRegions()
  }

  #moveRegions(): void {
    const { own, position, transport } = this.#options
    const bits = regionBits(this.#topology.estimatedSize, this.#regionBits)
    if (bits === this.#regionBits) return
    this.#regionBits = bits
    this.#regions = regionsOf(own.definition.hash, position, bits)
    transport.seek(this.#regions.map(({ topic }) => topic))
  }

  #worthKeeping(): readonly PeerRecord[] {
    return this.#topology.worthKeeping
      .map(({ key }) => this.#book.record(key))
      .filter((record) => record !== undefined)
  }
}

/** Whom a first word that refuses a link tells of (spec §7.4); undefined: it does not. */
function recordsOfRefusal(frame: Uint8Array): readonly PeerRecord[] | undefined {
  try {
    const message = decodeMessage(frame)
    return message?.type === 'peers' && message.id === 0 ? message.records : undefined
  } catch (error) {
    if (!isShoalError(error)) throw error
    return undefined // malformed: whoever has the link then ends it
  }
}
