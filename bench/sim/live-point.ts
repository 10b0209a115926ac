/**
 * What the presets share in which links are chosen as the network runs.
 * @module
 */
import { DEFAULT_TOPOLOGY_TUNING } from '../../src/routing/topology.ts'
import type { TopologyTuning } from '../../src/routing/topology.ts'
import { LiveRing } from './live-ring.ts'
import type { LiveOptions } from './live-ring.ts'
import { anyNode, homesOf, rounded } from './measure.ts'
import { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'
import { USUAL_LATENCY } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'
import { buildStaticRing } from './static-ring.ts'
import { createTrial } from './trial.ts'
import type { Trial } from './trial.ts'

/** When a network that was wired by hand has settled, ms. */
export const SETTLED_MS = 20_000
/** The last requests have ended by then, ms. */
const LAST_REQUESTS_MS = 120_000
/** The degree that the topology aims at as it ships. */
const USUAL_DEGREE = 24

export interface LiveNetwork {
  readonly network: SimNetwork
  readonly ring: LiveRing
}

/** No links yet, and nobody has started. */
export function createLiveNetwork(point: StaticPoint, options: LiveOptions = {}): LiveNetwork {
  const network = new SimNetwork({ seed: point.seed, latency: USUAL_LATENCY })
  return { network, ring: new LiveRing(network, { tuning: tuningOf(point.degree), ...options }) }
}

/** A network that has its links already, and has settled. */
export function settledNetwork(point: StaticPoint, options: LiveOptions = {}): LiveNetwork {
  const { network, ring } = createLiveNetwork(point, options)
  buildStaticRing(network, { nodes: point.nodes, degree: point.degree })
  for (const node of network.nodes) ring.start(node, { hasRendezvous: false })
  network.run(SETTLED_MS)
  return { network, ring }
}

/** What makes a node aim at that degree: as many long links more or fewer as it differs from the usual. */
function tuningOf(degree: number): TopologyTuning {
  const { slotsPerSide, leastLinks, keptLinks, mostLinks } = DEFAULT_TOPOLOGY_TUNING
  const more = degree - USUAL_DEGREE
  return {
    slotsPerSide: slotsPerSide + Math.floor(more / 2),
    leastLinks: leastLinks + more,
    keptLinks: keptLinks + more,
    mostLinks: mostLinks + more,
  }
}

/** Lets the requests end that are under way, then stops the topologies. */
export function comeToRest({ network, ring }: LiveNetwork, trials: readonly Trial[]): void {
  network.run(network.nowMs + LAST_REQUESTS_MS)
  ring.close()
  network.run()
  network.invariants.atRest(trials)
}

export function meanDegreeOf({ nodes }: SimNetwork): number {
  const live = nodes.filter(({ isDown }) => !isDown)
  return rounded(live.reduce((sum, { links }) => sum + links.size, 0) / live.length)
}

/**
 * Inserts a block now, and has it fetched later: by `node`, or by whoever is there then and does not
 * hold it. `onasked`: called when that begins.
 */
export function insertThenFetch(
  network: SimNetwork,
  of: { homes: number; node?: SimNode; afterMs: number; onasked?: (trial: Trial) => void },
): Trial {
  const trial = createTrial(network.rng, homesOf(of.homes))
  network.addTrial(trial)
  const inserter = anyNode(network, (node) => node !== of.node)
  for (const home of trial.homes) network.insert(inserter, trial, home)
  network.after(of.afterMs, () => {
    of.onasked?.(trial)
    const isOther = ({ index }: SimNode): boolean => !trial.holders.has(index)
    network.fetch(of.node ?? anyNode(network, isOther), trial)
  })
  return trial
}

/** Whether a copy is left at a node that is up and does as it should. */
export function hasHolder({ nodes }: SimNetwork, { holders }: Trial): boolean {
  return [...holders].some((index) => {
    const node = nodes[index]
    return node !== undefined && !node.isDown && node.fault === undefined
  })
}
