/**
 * A network that stands still, wired by the rules of `routing/ring-slots.ts`: so many ring neighbors on
 * each side, and one long link a log-distance slot, which both ends must have free.
 * @module
 */
import { RING } from '../../src/routing/position.ts'
import { RING_NEIGHBORS, drawInSlot, slotBoundaries, slotOf } from '../../src/routing/ring-slots.ts'
import type { SlotBoundaries } from '../../src/routing/ring-slots.ts'
import { canConnect } from './latency.ts'
import type { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'

/** Nodes around the aim of a slot that are asked whether they have a place. */
const MOST_ASKED = 256

export interface StaticRing {
  readonly nodes: number
  /** Links of a node, ring neighbors included. */
  readonly degree: number
  /** Ring neighbors on each side, 4 as in a real node where nothing else is said. */
  readonly ringPerSide?: number
  /** 'uniform': long links of any length, to compare. */
  readonly lengths?: 'slots' | 'uniform'
  /** Share of the pairs that cannot connect. */
  readonly unreachable?: number
  /** Unreachable ring neighbors are linked through a common one. */
  readonly isRelayed?: boolean
}

/** Adds the nodes at random positions, links them, and tells each the neighbors of its peers. */
export function buildStaticRing(network: SimNetwork, of: StaticRing): void {
  const { rng } = network
  for (let added = 0; added < of.nodes; added++) network.addNode(rng.below(RING))
  const builder = new Builder(network, of)
  builder.linkRing()
  if (of.lengths === 'uniform') builder.linkUniform()
  else builder.linkSlots()
}

/** Tells every live node's peers the positions of its links, at most 32 of them. */
export function tellAllNeighbors(network: SimNetwork): void {
  for (const node of network.nodes) {
    if (node.isDown) continue
    const positions = neighborsOf(network, node)
    for (const index of node.links.keys()) {
      network.tellNeighbors(node, network.nodes[index] as SimNode, positions)
    }
  }
}

function neighborsOf(network: SimNetwork, node: SimNode): Float64Array {
  const linked = [...node.links.keys()].slice(0, 32)
  return Float64Array.from(linked, (index) => (network.nodes[index] as SimNode).position)
}

class Builder {
  readonly #network: SimNetwork
  readonly #of: StaticRing
  /** All nodes, clockwise. */
  readonly #order: readonly SimNode[]
  readonly #ringPerSide: number
  readonly #slotsPerSide: number
  readonly #boundaries: SlotBoundaries
  /** By node and slot. */
  readonly #isTaken: Uint8Array

  constructor(network: SimNetwork, of: StaticRing) {
    this.#network = network
    this.#of = of
    this.#order = network.nodes.toSorted((a, b) => a.position - b.position)
    this.#ringPerSide = of.ringPerSide ?? RING_NEIGHBORS
    this.#slotsPerSide = Math.max(1, (of.degree >> 1) - this.#ringPerSide)
    const spacing = ((RING / of.nodes) * this.#ringPerSide) / RING_NEIGHBORS
    this.#boundaries = slotBoundaries(spacing, this.#slotsPerSide)
    this.#isTaken = new Uint8Array(of.nodes * 2 * this.#slotsPerSide)
  }

  linkRing(): void {
    const order = this.#order
    const most = Math.min(this.#ringPerSide, (order.length - 1) >> 1)
    order.forEach((node, place) => {
      for (let step = 1; step <= most; step++) {
        const other = this.#at(place + step)
        if (this.#canReach(node, other)) this.#network.link(node, other)
      }
    })
    if (this.#of.isRelayed === true) this.#relayRing(most)
  }

  /** What cannot connect goes through a neighbor that both have. */
  #relayRing(most: number): void {
    this.#order.forEach((node, place) => {
      for (let step = 1; step <= most; step++) {
        const other = this.#at(place + step)
        if (node.links.has(other.index)) continue
        const common = [...node.links.keys()].find((index) => other.links.has(index))
        if (common === undefined) continue
        this.#network.link(node, other, { through: this.#network.nodes[common] as SimNode })
      }
    })
  }

  linkSlots(): void {
    const { rng } = this.#network
    const places = this.#order.map((_, place) => place)
    for (let at = places.length - 1; at > 0; at--) {
      const other = rng.below(at + 1)
      ;[places[at], places[other]] = [places[other] as number, places[at] as number]
    }
    for (let slot = 0; slot < 2 * this.#slotsPerSide; slot++) {
      for (const place of places) this.#fillSlot(this.#at(place), slot)
    }
  }

  linkUniform(): void {
    const { rng } = this.#network
    for (const node of this.#order) {
      for (let tries = 0; node.links.size < this.#of.degree && tries < 100; tries++) {
        const other = this.#at(rng.below(this.#order.length))
        const isTaken = node === other || node.links.has(other.index)
        if (!isTaken && other.links.size < this.#of.degree) this.#network.link(node, other)
      }
    }
  }

  #fillSlot(node: SimNode, slot: number): void {
    if (this.#taken(node, slot) === 1) return
    const aim = drawInSlot(node.position, slot, this.#boundaries, this.#network.rng)
    const from = this.#placeOf(aim)
    for (let asked = 0; asked < MOST_ASKED; asked++) {
      const step = (asked + 1) >> 1
      const other = this.#at(from + (asked % 2 === 0 ? -step : step))
      if (!this.#isFree(node, slot, other)) continue
      this.#take(node, slot)
      this.#take(other, slotOf(other.position, node.position, this.#boundaries) as number)
      this.#network.link(node, other)
      return
    }
  }

  #isFree(node: SimNode, slot: number, other: SimNode): boolean {
    // seen from there this node lies as far away, on the other side
    if (this.#taken(other, (slot + this.#slotsPerSide) % (2 * this.#slotsPerSide)) === 1)
      return false
    if (node === other || node.links.has(other.index) || !this.#canReach(node, other)) return false
    if (slotOf(node.position, other.position, this.#boundaries) !== slot) return false
    const there = slotOf(other.position, node.position, this.#boundaries)
    return there !== undefined && this.#taken(other, there) === 0
  }

  #canReach(a: SimNode, b: SimNode): boolean {
    return canConnect(a.index, b.index, this.#of.unreachable ?? 0)
  }

  #taken(node: SimNode, slot: number): number {
    return this.#isTaken[node.index * 2 * this.#slotsPerSide + slot] as number
  }

  #take(node: SimNode, slot: number): void {
    this.#isTaken[node.index * 2 * this.#slotsPerSide + slot] = 1
  }

  #at(place: number): SimNode {
    const count = this.#order.length
    return this.#order[((place % count) + count) % count] as SimNode
  }

  /** Place of the first node clockwise from `position`. */
  #placeOf(position: number): number {
    let [from, to] = [0, this.#order.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((this.#order[middle] as SimNode).position < position) from = middle + 1
      else to = middle
    }
    return from
  }
}
