/**
 * One measured point of a network that stands still: built, filled, spoiled, asked.
 * @module
 */
import { distance } from '../../src/routing/position.ts'
import type { Tuning } from '../../src/routing/tuning.ts'
import { advertisesFakes, fakedNeighbors } from './faults.ts'
import type { Fault, Spread } from './faults.ts'
import type { LatencyRange } from './latency.ts'
import {
  ceilingOf,
  fetchTrials,
  figuresOf,
  homesOf,
  insertTrials,
  removeShare,
  spoilShare,
} from './measure.ts'
import type { Dimensions, Line } from './measure.ts'
import { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'
import type { Lists } from './options.ts'
import { buildStaticRing, tellAllNeighbors } from './static-ring.ts'
import type { StaticRing } from './static-ring.ts'
import { createTrial } from './trial.ts'
import type { Trial } from './trial.ts'

/** One way between two nodes: neighbors in a city to the other side of the earth, ms. */
export const USUAL_LATENCY: LatencyRange = { minMs: 10, maxMs: 140 }

export interface StaticPoint extends Dimensions {
  readonly requests: number
  readonly latency?: LatencyRange
  readonly tuning?: Partial<Tuning>
  readonly ring?: Partial<StaticRing>
  /** What `liars` are; 'liar' where nothing is said. */
  readonly liarKind?: Exclude<Fault, 'dropper'>
  readonly spread?: Spread
  /** An answer that comes later is no success, ms. */
  readonly withinMs?: number
  /** 'nearest': two copies, put where they belong after the damage; else real inserts before it. */
  readonly placement?: 'nearest'
  /** Who asks; all who can where nothing is said. */
  readonly requesters?: (network: SimNetwork) => readonly SimNode[]
}

export interface Measured {
  readonly network: SimNetwork
  readonly trials: readonly Trial[]
  readonly line: Line
}

/** Every combination of the lists, as points of `preset`. */
export function pointsOf(preset: string, lists: Lists): StaticPoint[] {
  let points: Record<string, unknown>[] = [{ preset }]
  for (const name of [
    'seed',
    'nodes',
    'degree',
    'removed',
    'droppers',
    'liars',
    'homes',
    'requests',
  ] as const) {
    points = points.flatMap((point) => lists[name].map((value) => ({ ...point, [name]: value })))
  }
  return points as unknown as StaticPoint[]
}

export function dimensionsOf(point: Dimensions): Dimensions {
  const { preset, seed, nodes, degree, removed, droppers, liars, homes } = point
  return { preset, seed, nodes, degree, removed, droppers, liars, homes }
}

/** Builds the network of `point`, harms it, and has it asked. */
export function measureStatic(point: StaticPoint): Measured {
  const { seed, latency = USUAL_LATENCY, tuning = {}, homes, requests } = point
  const network = new SimNetwork({ seed, latency, tuning })
  buildStaticRing(network, { nodes: point.nodes, degree: point.degree, ...point.ring })
  tellAllNeighbors(network)
  const linksEach = network.nodes.reduce((sum, { links }) => sum + links.size, 0) / point.nodes
  const inserted =
    point.placement === undefined ? insertTrials(network, requests, homesOf(homes)) : undefined
  harm(network, point)
  const trials = inserted ?? placeNearest(network, requests)
  fetchTrials(network, trials, point.requesters?.(network))
  const line = {
    ...dimensionsOf(point),
    ...figuresOf(trials, point.withinMs),
    requests,
    meanDegree: Math.round(linksEach * 100) / 100,
    ceiling: ceilingOf(network, trials),
  }
  return { network, trials, line }
}

function harm(network: SimNetwork, point: StaticPoint): void {
  const { removed, droppers, liars, liarKind = 'liar' } = point
  if (removed > 0) {
    removeShare(network, removed)
    tellAllNeighbors(network) // within seconds each peer is told which links are left
  }
  spoilShare(network, droppers, 'dropper')
  spoilShare(network, liars, liarKind)
  if (!advertisesFakes(liarKind)) return
  for (const node of network.nodes) {
    if (!advertisesFakes(node.fault)) continue
    const positions = fakedNeighbors(node.position, point.spread ?? 'even')
    for (const index of node.links.keys()) {
      network.tellNeighbors(node, network.nodes[index] as SimNode, positions)
    }
  }
}

/** Copies of each block at the two live nodes nearest to its home 0, as an insert would leave them. */
export function placeNearest(network: SimNetwork, count: number): Trial[] {
  const live = network.nodes
    .filter(({ isDown, fault }) => !isDown && fault === undefined)
    .toSorted((a, b) => a.position - b.position)
  return Array.from({ length: count }, () => {
    const trial = createTrial(network.rng, homesOf(1))
    network.addTrial(trial)
    const home = trial.positions[0] as number
    const nearest = nearestOf(live, home)
    const others = live.filter((node) => node !== nearest)
    trial.holders.add(nearest.index)
    if (others.length > 0) trial.holders.add(nearestOf(others, home).index)
    return trial
  })
}

/** `sorted`: by position, at least one. */
export function nearestOf(sorted: readonly SimNode[], position: number): SimNode {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((sorted[middle] as SimNode).position < position) from = middle + 1
    else to = middle
  }
  const after = sorted[from % sorted.length] as SimNode
  const before = sorted.at(from - 1) as SimNode
  const isAfter = distance(after.position, position) < distance(before.position, position)
  return isAfter ? after : before
}

/** How many of the nearest on each side, nearest first, the node is linked with: of the worse side. */
export function linkedNeighbors(node: SimNode, sorted: readonly SimNode[]): number {
  const place = sorted.indexOf(node)
  const count = sorted.length
  const linkedOn = (side: 1 | -1): number => {
    let linked = 0
    for (let step = 1; step < Math.min(8, count); step++) {
      const other = sorted[(place + side * step + count) % count] as SimNode
      if (!node.links.has(other.index)) break
      linked++
    }
    return linked
  }
  return Math.min(linkedOn(1), linkedOn(-1))
}
