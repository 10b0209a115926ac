/**
 * A network inside one process, under a clock of the caller: the same seed and the same calls give
 * the same links and frames at the same times. For clusters in tests, and for trying things out.
 * @module
 */
import { ShoalError } from '../../errors.ts'
import { compare, concat, equals, mapKey, uint64 } from '../../keys/bytes.ts'
import { digest } from '../../keys/digest.ts'
import { BAN_MS, createDenyList } from './deny-list.ts'
import { createWire } from './memory-wire.ts'
import type { Clock, Rng } from '../../runtime.ts'
import type { DenyList } from './deny-list.ts'
import type { Wire, WireSide } from './memory-wire.ts'
import type { Transport, TransportHandlers } from './transport.ts'

/** Others that a member is told of at once, and again in each round. */
const RENDEZVOUS = 8
/** Pause between rounds, ms: as on hyperswarm. */
const ROUND_MS = 30_000
/** A dial to nobody takes so long, ms. */
const DIAL_TIMEOUT_MS = 2_000
/** A cut link is noticed after this silence, ms. */
const SILENCE_MS = 6_000

export interface MemoryNetworkOptions {
  readonly clock: Clock
  readonly rng: Rng
  /** One way, ms; a function must give the same for the same two keys. */
  readonly latencyMs: number | ((from: Uint8Array, to: Uint8Array) => number)
  /** Share of frames that never arrive, in [0, 1): what a peer that swallows requests looks like. */
  readonly lossRate?: number
  /** Bandwidth of each direction of each link, bytes/ms; default: no limit. */
  readonly bytesPerMs?: number
}

export interface MemoryNetwork {
  /** Its transport. Once open, it finds up to 8 others that are open, at random, every 30 s. */
  transport(publicKey: Uint8Array): Transport
  /** Nothing passes between the two any more; after 6 s of silence their link is lost. */
  cut(a: Uint8Array, b: Uint8Array): void
  /** Takes back a cut; the two find each other. */
  heal(a: Uint8Array, b: Uint8Array): void
  /** All links of one node drop at once. */
  disconnect(publicKey: Uint8Array): void
}

interface MemberLink {
  readonly wire: Wire
  /** Who passes on what it carries; undefined: nobody. */
  readonly through: string | undefined
}

interface Member {
  readonly publicKey: Uint8Array
  readonly handlers: TransportHandlers
  readonly links: Map<string, MemberLink>
  readonly dialing: Set<string>
  readonly banned: DenyList
  topics: readonly Uint8Array[]
  stopRounds: () => void
}

/** An empty network. */
export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const network = new Network(options)
  return {
    transport: (publicKey) => network.transport(publicKey),
    cut: (a, b) => network.cut(a, b),
    heal: (a, b) => network.heal(a, b),
    disconnect: (publicKey) => network.disconnect(publicKey),
  }
}

class Network {
  readonly #options: MemoryNetworkOptions
  readonly #members = new Map<string, Member>()
  readonly #cuts = new Set<string>()
  #links = 0

  constructor(options: MemoryNetworkOptions) {
    this.#options = options
  }

  transport(publicKey: Uint8Array): Transport {
    let member: Member | undefined
    let isClosed = false
    return {
      open: async (handlers) => {
        if (member !== undefined || isClosed) {
          throw new ShoalError('E_CLOSED', 'a transport opens once')
        }
        member = this.#join(publicKey, handlers)
      },
      dial: (key, { through } = {}) => {
        if (member !== undefined) this.#dial(member, key, through)
      },
      drop: (key) => {
        member?.dialing.delete(mapKey(key))
        member?.links.get(mapKey(key))?.wire.close(publicKey)
      },
      seek: (topics) => {
        if (member === undefined) return
        member.topics = topics
        this.#findByTopic(member)
      },
      close: async () => {
        isClosed = true
        if (member === undefined || !this.#isOpen(member)) return
        this.#members.delete(mapKey(publicKey))
        member.stopRounds()
        for (const { wire } of member.links.values()) wire.leave(publicKey)
      },
    }
  }

  cut(a: Uint8Array, b: Uint8Array): void {
    this.#cuts.add(pairOf(a, b))
    const link = this.#members.get(mapKey(a))?.links.get(mapKey(b))
    if (link === undefined || link.through !== undefined) return
    link.wire.silence()
    this.#options.clock.after(SILENCE_MS, () => link.wire.drop())
  }

  heal(a: Uint8Array, b: Uint8Array): void {
    this.#cuts.delete(pairOf(a, b))
    const [one, other] = [a, b].map((publicKey) => this.#members.get(mapKey(publicKey)))
    if (one === undefined || other === undefined) return
    one.handlers.onfound(b)
    other.handlers.onfound(a)
  }

  disconnect(publicKey: Uint8Array): void {
    const links = this.#members.get(mapKey(publicKey))?.links.values() ?? []
    for (const { wire } of links) wire.drop()
  }

  #join(publicKey: Uint8Array, handlers: TransportHandlers): Member {
    const member: Member = {
      publicKey,
      handlers,
      links: new Map(),
      dialing: new Set(),
      banned: createDenyList(this.#options.clock),
      topics: [],
      stopRounds: () => {},
    }
    this.#members.set(mapKey(publicKey), member)
    this.#round(member, 0)
    return member
  }

  #isOpen(member: Member): boolean {
    return this.#members.get(mapKey(member.publicKey)) === member
  }

  #round(member: Member, delayMs: number): void {
    member.stopRounds = this.#options.clock.after(delayMs, () => {
      const others = [...this.#members.values()].filter((other) => other !== member)
      for (let told = 0; told < RENDEZVOUS && others.length > 0; told++) {
        const [other] = others.splice(this.#options.rng.below(others.length), 1)
        if (other !== undefined) member.handlers.onfound(other.publicKey)
      }
      this.#findByTopic(member)
      this.#round(member, ROUND_MS)
    })
  }

  #findByTopic(member: Member): void {
    for (const topic of member.topics) {
      for (const other of this.#members.values()) {
        const isThere = other.topics.some((theirs) => equals(theirs, topic))
        if (isThere && other !== member) member.handlers.onfound(other.publicKey, topic)
      }
    }
  }

  #dial(member: Member, publicKey: Uint8Array, through: Uint8Array | undefined): void {
    const id = mapKey(publicKey)
    if (!this.#isOpen(member) || member.dialing.has(id)) return
    member.dialing.add(id)
    const other = this.#members.get(id)
    const isThere = other !== undefined && this.#isReachable(member, other, through)
    const delayMs =
      isThere || member.links.has(id)
        ? this.#latencyMs(member.publicKey, publicKey)
        : DIAL_TIMEOUT_MS
    this.#options.clock.after(delayMs, () => {
      if (!member.dialing.delete(id) || !this.#isOpen(member)) return
      if (member.links.has(id)) {
        member.handlers.onfailed(publicKey, true)
        return
      }
      const now = this.#members.get(id)
      if (now !== undefined && this.#isReachable(member, now, through)) {
        this.#link(member, now, through)
      } else member.handlers.onfailed(publicKey, false)
    })
  }

  #isReachable(a: Member, b: Member, through: Uint8Array | undefined): boolean {
    const isBanned = a.banned.has(b.publicKey) || b.banned.has(a.publicKey)
    if (a === b || isBanned) return false
    const hasCommonLink =
      through !== undefined && [a, b].every(({ links }) => links.has(mapKey(through)))
    return hasCommonLink || !this.#isCut(a, b)
  }

  #isCut(a: Member, b: Member): boolean {
    return this.#cuts.has(pairOf(a.publicKey, b.publicKey))
  }

  #link(dialer: Member, dialed: Member, relay: Uint8Array | undefined): void {
    const through = this.#isCut(dialer, dialed) ? relay : undefined
    const [dialerId, dialedId] = [mapKey(dialer.publicKey), mapKey(dialed.publicKey)]
    const wire = createWire({
      ...this.#options,
      latencyMs: (from, to) =>
        through === undefined
          ? this.#latencyMs(from, to)
          : this.#latencyMs(from, through) + this.#latencyMs(through, to),
      channelBinding: digest([dialer.publicKey, dialed.publicKey, uint64(this.#links++)]),
      sides: [wireSide(dialer), wireSide(dialed)],
      isRelayed: through !== undefined,
      onrefused: () => {
        this.#options.clock.after(0, () => dialer.handlers.onfailed(dialed.publicKey, true))
      },
      onend: (publicKey) => {
        const isDialer = publicKey === dialer.publicKey
        this.#forget(isDialer ? dialer : dialed, isDialer ? dialedId : dialerId, wire)
      },
    })
    dialed.links.get(dialerId)?.wire.drop() // its other end is gone: it would hear of that soon
    const link: MemberLink = { wire, through: through && mapKey(through) }
    dialer.links.set(dialedId, link)
    dialed.links.set(dialerId, link)
    wire.connect()
  }

  #forget(member: Member, id: string, wire: Wire): void {
    if (member.links.get(id)?.wire === wire) member.links.delete(id)
    this.#endRelayed(member)
  }

  /** What went through a link that is gone is gone too. */
  #endRelayed({ links }: Member): void {
    for (const { wire, through } of links.values()) {
      if (through !== undefined && !links.has(through)) wire.drop()
    }
  }

  #latencyMs(from: Uint8Array, to: Uint8Array): number {
    const { latencyMs } = this.#options
    return typeof latencyMs === 'number' ? latencyMs : latencyMs(from, to)
  }
}

function wireSide({ publicKey, handlers, banned }: Member): WireSide {
  return {
    publicKey,
    handshake: (of) => handlers.handshake(of),
    onlink: (link) => handlers.onlink(link),
    onban: (remote) => banned.add(remote, BAN_MS),
  }
}

/** The same for both orders. */
function pairOf(a: Uint8Array, b: Uint8Array): string {
  return mapKey(compare(a, b) < 0 ? concat(a, b) : concat(b, a))
}
