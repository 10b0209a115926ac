/**
 * Plain greedy routing on a ring, without time, credit or messages: what the table of `ring-table` was
 * made with, and the same by the rules of a node: each step strictly nearer, two holders.
 * @module
 */
import { RING, distance } from '../../src/routing/position.ts'
import type { Rng } from '../../src/runtime.ts'

/** Hops that a request goes at most, and ways back. */
const HOPS_TO_LIVE = 18
const RING_LINKS = 4
/** Draws of a long link after which a node that finds no free one goes without. */
const MOST_DRAWS = 60

export interface RingModel {
  readonly nodes: number
  /** Links of a node; two neighbors on each side among them. */
  readonly degree: number
  /** Share of the nodes that are dead; nothing is repaired. */
  readonly removed: number
  readonly requests: number
  /** Goes to whose own links come nearest, else to who itself does. */
  readonly looksAhead: boolean
  /** Never goes to a node that is not nearer itself. */
  readonly isStrict: boolean
  /** A node is sought; else a place, and either of the two that are nearest to it will do. */
  readonly isNodeSought: boolean
}

/** Mean hops of the requests that arrive; NaN: none did. */
export function modelHops(of: RingModel, rng: Rng): number {
  const ring = createRing(of, rng)
  const live = ring.positions.flatMap((_, node) => (ring.isDead[node] === 1 ? [] : [node]))
  let [arrived, hops] = [0, 0]
  for (let asked = 0; asked < of.requests; asked++) {
    const any = (): number => live[rng.below(live.length)] as number
    const target = of.isNodeSought ? (ring.positions[any()] as number) : rng.below(RING)
    const away = (node: number): number => distance(ring.positions[node] as number, target)
    const holders = live.toSorted((a, b) => away(a) - away(b)).slice(0, of.isNodeSought ? 1 : 2)
    const search = new Search(ring, of, away, new Set(holders))
    const depth = search.from(any(), 0)
    if (depth === undefined) continue
    arrived++
    hops += depth
  }
  return hops / arrived
}

interface Ring {
  readonly positions: readonly number[]
  /** By node: its links to the living. */
  readonly links: readonly (readonly number[])[]
  readonly isDead: Uint8Array
}

function createRing({ nodes, degree, removed }: RingModel, rng: Rng): Ring {
  const positions = Array.from({ length: nodes }, () => rng.below(RING)).toSorted((a, b) => a - b)
  const links = positions.map(() => new Set<number>())
  const link = (a: number, b: number): void => {
    if (a === b) return
    links[a]?.add(b)
    links[b]?.add(a)
  }
  for (let node = 0; node < nodes; node++) {
    for (let step = 1; step <= RING_LINKS / 2; step++) link(node, (node + step) % nodes)
  }
  const isFree = (node: number): boolean => (links[node]?.size ?? 0) < degree
  for (let node = 0; node < nodes; node++) {
    for (let draws = 0; isFree(node) && draws < MOST_DRAWS; draws++) {
      const other = nodeAt(positions, drawLong(positions[node] as number, nodes, rng))
      if (isFree(other)) link(node, other)
    }
  }
  const isDead = new Uint8Array(nodes)
  for (let dead = 0; dead < Math.round(nodes * removed);) {
    const node = rng.below(nodes)
    dead += 1 - (isDead[node] as number)
    isDead[node] = 1
  }
  const alive = links.map((all) => [...all].filter((node) => isDead[node] === 0))
  return { positions, links: alive, isDead }
}

/** A place whose distance follows 1/d, from two mean gaps to half the ring. */
function drawLong(from: number, nodes: number, rng: Rng): number {
  const least = (2 * RING) / nodes
  const away = Math.floor(least * (RING / 2 / least) ** (rng.below(2 ** 30) / 2 ** 30))
  return (from + (rng.below(2) === 0 ? away : RING - away)) % RING
}

/** The first node from `position` on. */
function nodeAt(positions: readonly number[], position: number): number {
  let [from, to] = [0, positions.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((positions[middle] as number) < position) from = middle + 1
    else to = middle
  }
  return from % positions.length
}

/** One request, depth first. */
class Search {
  readonly #ring: Ring
  readonly #rules: RingModel
  readonly #away: (node: number) => number
  readonly #holders: ReadonlySet<number>
  readonly #seen = new Set<number>()
  #waysBack = HOPS_TO_LIVE

  constructor(
    ring: Ring,
    rules: RingModel,
    away: (node: number) => number,
    holders: ReadonlySet<number>,
  ) {
    this.#ring = ring
    this.#rules = rules
    this.#away = away
    this.#holders = holders
  }

  /** Hops from the start to who has it, by way of `node`; undefined: no way. */
  from(node: number, hops: number): number | undefined {
    this.#seen.add(node)
    if (this.#holders.has(node)) return hops
    if (hops === HOPS_TO_LIVE) return undefined
    for (const next of this.#choices(node)) {
      if (this.#seen.has(next)) continue
      const found = this.from(next, hops + 1)
      if (found !== undefined) return found
      if (this.#waysBack-- <= 0) return undefined
    }
    return undefined
  }

  #choices(node: number): number[] {
    const links = this.#ring.links[node] as readonly number[]
    const isAllowed = (next: number): boolean =>
      !this.#seen.has(next) && (!this.#rules.isStrict || this.#away(next) < this.#away(node))
    return links
      .filter(isAllowed)
      .map((next) => ({ next, reach: this.#reach(next), away: this.#away(next) }))
      .toSorted((a, b) => a.reach - b.reach || a.away - b.away)
      .map(({ next }) => next)
  }

  #reach(node: number): number {
    const own = this.#away(node)
    if (!this.#rules.looksAhead) return own
    const links = this.#ring.links[node] as readonly number[]
    return links.reduce((least, other) => Math.min(least, this.#away(other)), own)
  }
}
