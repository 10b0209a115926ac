/**
 * A network whose links are chosen as it runs: each node has the production topology beside its router,
 * and dials, seeks and tells neighbors as it says.
 * @module
 */
import { Topology } from '../../src/routing/topology.ts'
import type { Candidate, TopologyInput, TopologyOutput } from '../../src/routing/topology.ts'
import { pairDraw } from './latency.ts'
import type { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'

/** A connection takes two round trips and a look-up of the key, ms. */
const LOOK_UP_MS = 400
/** A dial that nobody takes has failed after this long, ms. */
const DIAL_FAILS_MS = 5000
/** Changed neighbors are told at most so often, ms. */
const TELL_EVERY_MS = 5000
/** Peers told in answer to a SEEK, or with a refusal. */
const MOST_TOLD = 5
/** Time until the rendezvous has answered, ms. */
const RENDEZVOUS_MS = 1000
/** Members that it names. */
const RENDEZVOUS_MEMBERS = 8
const REACH_SALT = 0x2545f491

interface Live {
  readonly node: SimNode
  readonly topology: Topology
  told: readonly number[]
  toldAtMs: number
  isTelling: boolean
  tickAtMs: number
}

export class LiveRing {
  /** Called when a node has a new link. */
  onlinked: ((node: SimNode) => void) | undefined
  readonly #network: SimNetwork
  readonly #unreachable: number
  /** By index of the node; undefined: gone. */
  readonly #lives: (Live | undefined)[] = []
  #isClosed = false

  /** `unreachable`: share of the pairs that cannot connect. */
  constructor(network: SimNetwork, options: { unreachable?: number } = {}) {
    this.#network = network
    this.#unreachable = options.unreachable ?? 0
    network.onunlinked = (node, other) => {
      this.#input(node, { type: 'unlinked', key: keyOf(other), wasWanted: true })
    }
  }

  /** Starts a node's topology with the links it has; a rendezvous tells it of some members. */
  start(node: SimNode, options: { hasRendezvous: boolean }): void {
    const { rng, nowMs } = this.#network
    const topology = new Topology({ position: node.position, rng })
    const none = { told: [], toldAtMs: -Infinity, isTelling: false, tickAtMs: Infinity }
    this.#lives[node.index] = { node, topology, ...none }
    for (const index of node.links.keys()) {
      const { position } = this.#network.nodes[index] as SimNode
      const isInbound = (index + node.index) % 2 === 0
      topology.handle({ type: 'linked', key: String(index), position, isInbound }, nowMs)
    }
    this.#input(node, { type: 'started' })
    if (options.hasRendezvous) this.#network.after(RENDEZVOUS_MS, () => this.#meet(node))
  }

  topologyOf(node: SimNode): Topology | undefined {
    return this.#lives[node.index]?.topology
  }

  /** The node is gone without a word. */
  remove(node: SimNode): void {
    this.#lives[node.index] = undefined
    this.#network.remove(node)
  }

  /** No topology does anything any more, so that the network comes to rest. */
  close(): void {
    this.#isClosed = true
  }

  #meet(node: SimNode): void {
    const { rng } = this.#network
    const members = this.#lives.filter((live) => live !== undefined && live.node !== node) as Live[]
    const candidates = Array.from({ length: Math.min(RENDEZVOUS_MEMBERS, members.length) }, () =>
      candidateOf((members[rng.below(members.length)] as Live).node),
    )
    this.#input(node, { type: 'found', candidates, source: 'rendezvous' })
  }

  #input(node: SimNode, input: TopologyInput): void {
    const live = this.#lives[node.index]
    if (live === undefined || this.#isClosed) return
    const outputs = live.topology.handle(input, this.#network.nowMs)
    for (const output of outputs) this.#output(node, output)
    this.#tellSoon(live)
    this.#tickSoon(live)
  }

  #output(node: SimNode, output: TopologyOutput): void {
    switch (output.type) {
      case 'dial':
        this.#dial(node, this.#nodeOf(output.key), output.through)
        break
      case 'drop':
        this.#unlink(node, this.#nodeOf(output.key))
        break
      case 'seek':
        this.#seek(node, this.#nodeOf(output.via), output.target)
        break
    }
  }

  #dial(node: SimNode, other: SimNode, through: string | undefined): void {
    const common = through === undefined ? undefined : this.#nodeOf(through)
    const isInReach = common === undefined ? this.#canReach(node, other) : !common.isDown
    const setUpMs = 4 * this.#network.latencyMs(node, other) + LOOK_UP_MS
    this.#network.after(isInReach && !other.isDown ? setUpMs : DIAL_FAILS_MS, () => {
      if (node.isDown) return
      if (node.links.has(other.index)) return // the other one was faster
      if (other.isDown || !isInReach) {
        this.#input(node, { type: 'dial-failed', key: keyOf(other) })
      } else this.#offer(node, other, common)
    })
  }

  /** The other side takes the link, or says no and whom else it knows. */
  #offer(node: SimNode, other: SimNode, through: SimNode | undefined): void {
    const topology = this.topologyOf(other)
    if (topology === undefined) return
    if (!topology.wouldAccept(candidateOf(node))) {
      this.#input(node, { type: 'dial-failed', key: keyOf(other), wasRefused: true })
      const candidates = topology.nearest(node.position, MOST_TOLD)
      this.#input(node, { type: 'found', candidates, source: keyOf(other) })
      return
    }
    this.#network.link(node, other, {
      isAgain: true,
      ...(through === undefined ? {} : { through }),
    })
    for (const [one, two] of [
      [node, other],
      [other, node],
    ] as const) {
      const isInbound = one === other
      this.#tellTo(one, two)
      this.#input(one, { type: 'linked', ...candidateOf(two), isInbound })
      if (one.links.has(two.index)) this.onlinked?.(one)
    }
  }

  #unlink(node: SimNode, other: SimNode): void {
    if (!node.links.has(other.index)) return
    this.#network.unlink(node, other)
  }

  #seek(node: SimNode, via: SimNode, target: number): void {
    const onceMs = this.#network.latencyMs(node, via)
    const peer = node.links.get(via.index)
    this.#network.after(2 * onceMs, () => {
      const isThere = peer !== undefined && node.links.get(via.index) === peer
      const topology = this.topologyOf(via)
      if (!isThere || topology === undefined) return
      const candidates = topology
        .nearest(target, MOST_TOLD + 1)
        .filter(({ key }) => key !== keyOf(node))
        .slice(0, MOST_TOLD)
      this.#input(node, { type: 'found', candidates, source: keyOf(via) })
    })
  }

  #tickSoon(live: Live): void {
    const atMs = live.topology.nextTickMs
    if (atMs >= live.tickAtMs || atMs === Infinity) return
    live.tickAtMs = atMs
    this.#network.after(Math.max(0, atMs - this.#network.nowMs), () => {
      if (live.tickAtMs !== atMs) return // another one came before
      live.tickAtMs = Infinity
      this.#input(live.node, { type: 'tick' })
    })
  }

  #tellSoon(live: Live): void {
    if (live.isTelling || live.told === live.topology.neighborPositions) return
    live.isTelling = true
    const waitMs = live.toldAtMs + TELL_EVERY_MS - this.#network.nowMs
    this.#network.after(Math.max(0, waitMs), () => {
      live.isTelling = false
      if (live.node.isDown || this.#isClosed) return
      live.told = live.topology.neighborPositions
      live.toldAtMs = this.#network.nowMs
      for (const index of live.node.links.keys()) {
        this.#tellTo(live.node, this.#network.nodes[index] as SimNode)
      }
    })
  }

  #tellTo(node: SimNode, other: SimNode): void {
    const positions = this.topologyOf(node)?.neighborPositions ?? []
    this.#network.tellNeighbors(node, other, positions)
  }

  #canReach(a: SimNode, b: SimNode): boolean {
    return pairDraw(a.index, b.index, REACH_SALT) >= this.#unreachable
  }

  #nodeOf(key: string): SimNode {
    return this.#network.nodes[Number(key)] as SimNode
  }
}

function keyOf(node: SimNode): string {
  return String(node.index)
}

function candidateOf(node: SimNode): Candidate {
  return { key: keyOf(node), position: node.position }
}
