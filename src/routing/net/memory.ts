/**
 * A network inside one process, under a clock of the caller: the same seed and the same calls give
 * the same links and frames at the same times. For clusters in tests, and for trying things out.
 * @module
 */
import { ShoalError } from '../../errors.ts'
import { compare, concat, mapKey } from '../../keys/bytes.ts'
import { BAN_MS, COLD_MS, createDenyList } from './deny-list.ts'
import { createWire } from './memory-wire.ts'
import type { Clock, Rng } from '../../runtime.ts'
import type { DenyList } from './deny-list.ts'
import type { Wire, WireSide } from './memory-wire.ts'
import type { Transport } from './transport.ts'

/** Links at a time, both directions together, as on hyperswarm. */
const MAX_LINKS = 32
/** A node dials until it has this many: a full one would leave no room for newcomers. */
const DIALED_LINKS = MAX_LINKS / 2
/** A lost link is sought again after this, ms. */
const RELINK_MS = 1_000
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
  /** Its transport. Once open, it links with up to 32 others that are open, at random, once each. */
  transport(publicKey: Uint8Array): Transport
  /** Nothing passes between the two any more; after 6 s of silence their link is lost. */
  cut(a: Uint8Array, b: Uint8Array): void
  heal(a: Uint8Array, b: Uint8Array): void
  /** All links of one node drop at once; it seeks new ones a second later. */
  disconnect(publicKey: Uint8Array): void
}

interface Member {
  readonly publicKey: Uint8Array
  readonly options: Parameters<Transport['open']>[0]
  readonly wires: Map<string, Wire>
  readonly banned: DenyList
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
  /** Pairs of which one did not take the link: not tried again for a while. */
  readonly #cold: DenyList

  constructor(options: MemoryNetworkOptions) {
    this.#options = options
    this.#cold = createDenyList(options.clock)
  }

  transport(publicKey: Uint8Array): Transport {
    const { clock } = this.#options
    let member: Member | undefined
    let isClosed = false
    return {
      open: async (options) => {
        if (member !== undefined || isClosed) {
          throw new ShoalError('E_CLOSED', 'a transport opens once')
        }
        member = { publicKey, options, wires: new Map(), banned: createDenyList(clock) }
        this.#members.set(mapKey(publicKey), member)
        this.#seek(member)
      },
      close: async () => {
        isClosed = true
        if (member === undefined || !this.#isOpen(member)) return
        this.#members.delete(mapKey(publicKey))
        for (const wire of member.wires.values()) wire.leave(publicKey)
      },
    }
  }

  cut(a: Uint8Array, b: Uint8Array): void {
    this.#cuts.add(mapKey(pairOf(a, b)))
    const wire = this.#members.get(mapKey(a))?.wires.get(mapKey(b))
    if (wire === undefined) return
    wire.silence()
    this.#options.clock.after(SILENCE_MS, () => wire.drop())
  }

  heal(a: Uint8Array, b: Uint8Array): void {
    this.#cuts.delete(mapKey(pairOf(a, b)))
    const member = this.#members.get(mapKey(a))
    if (member !== undefined) this.#seek(member)
  }

  disconnect(publicKey: Uint8Array): void {
    const wires = this.#members.get(mapKey(publicKey))?.wires.values() ?? []
    for (const wire of wires) wire.drop()
  }

  #isOpen(member: Member): boolean {
    return this.#members.get(mapKey(member.publicKey)) === member
  }

  /** Dials others in random order, one latency later, until `member` has its share of links. */
  #seek(member: Member): void {
    const others = [...this.#members.values()].filter((other) => this.#canLink(member, other))
    const most = Math.min(DIALED_LINKS - member.wires.size, others.length)
    for (let chosen = 0; chosen < most; chosen++) {
      const [other] = others.splice(this.#options.rng.below(others.length), 1)
      if (other === undefined) return
      const delayMs = this.#latencyMs(member.publicKey, other.publicKey)
      this.#options.clock.after(delayMs, () => {
        const isSought = member.wires.size < DIALED_LINKS
        if (isSought && this.#canLink(member, other)) this.#link(member, other)
      })
    }
  }

  #canLink(a: Member, b: Member): boolean {
    const pair = pairOf(a.publicKey, b.publicKey)
    return (
      a !== b &&
      [a, b].every((member) => this.#isOpen(member) && member.wires.size < MAX_LINKS) &&
      !a.wires.has(mapKey(b.publicKey)) &&
      !a.banned.has(b.publicKey) &&
      !b.banned.has(a.publicKey) &&
      !this.#cuts.has(mapKey(pair)) &&
      !this.#cold.has(pair)
    )
  }

  #link(a: Member, b: Member): void {
    const { clock } = this.#options
    const wire = createWire({
      ...this.#options,
      latencyMs: (from, to) => this.#latencyMs(from, to),
      sides: [wireSide(a), wireSide(b)],
      onrefused: () => this.#cold.add(pairOf(a.publicKey, b.publicKey), COLD_MS),
      onend: () => {
        a.wires.delete(mapKey(b.publicKey))
        b.wires.delete(mapKey(a.publicKey))
        clock.after(RELINK_MS, () => this.#relink(a, b))
      },
    })
    a.wires.set(mapKey(b.publicKey), wire)
    b.wires.set(mapKey(a.publicKey), wire)
    wire.connect()
  }

  #relink(a: Member, b: Member): void {
    for (const member of [a, b]) if (this.#isOpen(member)) this.#seek(member)
  }

  #latencyMs(from: Uint8Array, to: Uint8Array): number {
    const { latencyMs } = this.#options
    return typeof latencyMs === 'number' ? latencyMs : latencyMs(from, to)
  }
}

function wireSide({ publicKey, options, banned }: Member): WireSide {
  return {
    publicKey,
    handshake: options.handshake,
    onlink: (link) => options.onlink(link),
    onban: (remote) => banned.add(remote, BAN_MS),
  }
}

/** The same for both orders. */
function pairOf(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compare(a, b) < 0 ? concat(a, b) : concat(b, a)
}
