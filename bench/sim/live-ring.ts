/**
 * A network whose links are chosen as it runs: each node has the production topology beside its router,
 * and dials, seeks and tells neighbors as it says.
 * @module
 */
import { Topology } from '../../src/routing/topology.ts'
import type {
  Candidate,
  PeerKey,
  TopologyInput,
  TopologyOutput,
  TopologyTuning,
} from '../../src/routing/topology.ts'
import { canConnect } from './latency.ts'
import { MadeUpPeers, isMadeUp, madeUpPosition } from './made-up-peers.ts'
import type { Lie } from './made-up-peers.ts'
import type { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'

/** A connection takes two round trips and a look-up of the key, ms. */
const LOOK_UP_MS = 400
/** A dial that nobody takes has failed after this long, ms. */
const DIAL_FAILS_MS = 5000
/** A dial to who takes it and says nothing has failed so long after it was taken, ms (spec §7.4). */
const SILENCE_MS = 5000
/** A connection to a made-up peer takes this long, ms; one that closes does so as soon as it is open. */
const MADE_UP_SETUP_MS = LOOK_UP_MS + 300
const CLOSES_AFTER_MS = 50
/** Changed neighbors are told at most so often, ms. */
const TELL_EVERY_MS = 5000
/** Peers told in answer to a SEEK, or with a refusal. */
const MOST_TOLD = 5
/** Time until the rendezvous has answered, ms. */
const RENDEZVOUS_MS = 1000
/** Members that it names. */
const RENDEZVOUS_MEMBERS = 8

export interface LiveOptions {
  readonly tuning?: Partial<TopologyTuning>
  /** Share of the pairs that cannot connect. */
  readonly unreachable?: number
  /** Whether a dial through a common peer goes through it; else it is tried directly again. */
  readonly isRelayed?: boolean
  /** What those whose fault is 'exchange-liar' tell of. */
  readonly lie?: Lie
}

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
  readonly #options: LiveOptions
  readonly #madeUp = new MadeUpPeers()
  /** By index of the node, then of the other end: the peer that a link goes through. */
  readonly #through = new Map<number, Map<number, SimNode>>()
  /** By index of the node; undefined: gone. */
  readonly #lives: (Live | undefined)[] = []
  #isClosed = false

  constructor(network: SimNetwork, options: LiveOptions = {}) {
    this.#network = network
    this.#options = options
    network.onunlinked = (node, other) => {
      this.#through.get(node.index)?.delete(other.index)
      this.#input(node, { type: 'unlinked', key: keyOf(other), wasWanted: true })
      this.#endThrough(node, other)
    }
  }

  /** Starts a node's topology with the links it has; a rendezvous tells it of some members. */
  start(node: SimNode, options: { hasRendezvous: boolean }): void {
    const { rng, nowMs } = this.#network
    const { tuning = {} } = this.#options
    const topology = new Topology({ position: node.position, rng, tuning })
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

  /** Whether the link goes through a third node. */
  isThrough(node: SimNode, other: SimNode): boolean {
    return this.#through.get(node.index)?.has(other.index) === true
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
        if (isMadeUp(output.key)) this.#dialMadeUp(node, output.key)
        else this.#dial(node, this.#nodeOf(output.key), output.through)
        break
      case 'drop':
        if (!isMadeUp(output.key)) this.#unlink(node, this.#nodeOf(output.key))
        break
      case 'seek':
        if (!isMadeUp(output.via)) this.#seek(node, this.#nodeOf(output.via), output.target)
        break
    }
  }

  #dialMadeUp(node: SimNode, key: PeerKey): void {
    const { lie } = this.#options
    const network = this.#network
    const position = madeUpPosition(key)
    const failsMs = lie === 'silent' ? MADE_UP_SETUP_MS + SILENCE_MS : DIAL_FAILS_MS
    if (lie === 'closes') {
      network.after(MADE_UP_SETUP_MS, () => {
        this.#input(node, { type: 'linked', key, position, isInbound: false })
      })
      network.after(MADE_UP_SETUP_MS + CLOSES_AFTER_MS, () => {
        this.#input(node, { type: 'unlinked', key, wasWanted: true })
      })
    } else network.after(failsMs, () => this.#input(node, { type: 'dial-failed', key }))
  }

  #dial(node: SimNode, other: SimNode, through: PeerKey | undefined): void {
    const common = this.#commonOf(node, other, through)
    const isInReach = common !== undefined || this.#canReach(node, other)
    const setUpMs = 4 * this.#network.latencyMs(node, other) + LOOK_UP_MS
    this.#network.after(isInReach && !other.isDown ? setUpMs : DIAL_FAILS_MS, () => {
      if (node.isDown) return
      if (node.links.has(other.index)) return // the other one was faster
      const isLeft = common === undefined || this.#isCommon(node, other, common)
      if (other.isDown || !isInReach || !isLeft) {
        this.#input(node, { type: 'dial-failed', key: keyOf(other) })
      } else this.#offer(node, other, common)
    })
  }

  /** The peer that a dial goes through: only one that both are linked with, and only where it must. */
  #commonOf(node: SimNode, other: SimNode, through: PeerKey | undefined): SimNode | undefined {
    if (through === undefined || isMadeUp(through) || this.#canReach(node, other)) return undefined
    const common = this.#nodeOf(through)
    const isRelayed = this.#options.isRelayed ?? true
    return isRelayed && this.#isCommon(node, other, common) ? common : undefined
  }

  /** Both are linked with it, directly: no relay goes through another. */
  #isCommon(node: SimNode, other: SimNode, common: SimNode): boolean {
    return [node, other].every((end) => end.links.has(common.index) && !this.isThrough(end, common))
  }

  /** What went through a link that is gone is gone too. */
  #endThrough(node: SimNode, gone: SimNode): void {
    for (const [index, common] of this.#through.get(node.index) ?? []) {
      if (common === gone) this.#unlink(node, this.#network.nodes[index] as SimNode)
    }
  }

  /** The other side takes the link, or says no and whom else it knows. */
  #offer(node: SimNode, other: SimNode, through: SimNode | undefined): void {
    const topology = this.topologyOf(other)
    if (topology === undefined) return
    if (!topology.wouldAccept(candidateOf(node))) {
      this.#input(node, { type: 'dial-failed', key: keyOf(other), wasRefused: true })
      const candidates = this.#toldBy(other, node.position, MOST_TOLD)
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
      if (through !== undefined) this.#waysOf(one).set(two.index, through)
    }
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
      if (!isThere || this.topologyOf(via) === undefined) return
      const candidates = this.#toldBy(via, target, MOST_TOLD + 1)
        .filter(({ key }) => key !== keyOf(node))
        .slice(0, MOST_TOLD)
      this.#input(node, { type: 'found', candidates, source: keyOf(via) })
    })
  }

  /** Whom a node names, asked for the nearest to `target`. */
  #toldBy(node: SimNode, target: number, count: number): Candidate[] {
    if (node.fault !== 'exchange-liar') return this.topologyOf(node)?.nearest(target, count) ?? []
    const { nodes, rng } = this.#network
    return this.#madeUp.around(target, { count, nodes: nodes.length, rng })
  }

  #waysOf({ index }: SimNode): Map<number, SimNode> {
    const ways = this.#through.get(index) ?? new Map<number, SimNode>()
    this.#through.set(index, ways)
    return ways
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
    return canConnect(a.index, b.index, this.#options.unreachable ?? 0)
  }

  #nodeOf(key: PeerKey): SimNode {
    return this.#network.nodes[Number(key)] as SimNode
  }
}

function keyOf(node: SimNode): PeerKey {
  return String(node.index)
}

function candidateOf(node: SimNode): Candidate {
  return { key: keyOf(node), position: node.position }
}
