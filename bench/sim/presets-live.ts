/**
 * Presets in which a network finds its links by itself: from a lattice, from a rendezvous, and where some
 * pairs of nodes cannot connect.
 * @module
 */
import { RING } from '../../src/routing/position.ts'
import { comeToRest, createLiveNetwork, insertThenFetch, meanDegreeOf } from './live-point.ts'
import type { LiveNetwork } from './live-point.ts'
import { anyNode, figuresOf, rounded } from './measure.ts'
import type { Line } from './measure.ts'
import type { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'
import { USUAL_LISTS, pointsIn } from './preset.ts'
import type { Preset } from './preset.ts'
import { dimensionsOf, placeNearest, pointsOf } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'
import { RING_NEIGHBORS } from '../../src/routing/ring-slots.ts'
import type { Trial } from './trial.ts'

/** The published network: the median path falls to about this many hops, from near its cap. */
const PUBLISHED_CONVERGED_HOPS = 6
/** When the ring is probed, s. */
const PROBED_AT_S = [1, 5, 10, 20, 40, 80, 160, 320]
/** Probes begin so often, ms. */
const PROBE_EVERY_MS = 5

export const clarkeConvergence: Preset = {
  faults: [],
  isHomeZeroAlone: true,
  lists: { ...USUAL_LISTS, requests: [300] },
  run(lists, report) {
    for (const point of pointsOf('clarke2001-convergence', lists)) {
      for (const start of ['lattice', 'rendezvous'] as const)
        measureConvergence(point, start, report)
    }
  },
  draw: (lines) => ({
    title: 'A network finds its links: median hops of the requests that arrive',
    x: { label: 'simulated seconds', isLog: true },
    y: { label: 'hops', isLog: true, from: 1, to: 100 },
    series: [
      ...['lattice', 'rendezvous'].map((start) => ({
        name: `shoal, from a ${start}`,
        points: pointsIn(
          lines.filter((line) => line['start'] === start),
          'atSeconds',
          'p50Hops',
        ),
      })),
      {
        name: 'Freenet 2001, converged median',
        points: [
          [PROBED_AT_S[0] as number, PUBLISHED_CONVERGED_HOPS],
          [PROBED_AT_S.at(-1) as number, PUBLISHED_CONVERGED_HOPS],
        ],
        isReference: true,
      },
    ],
  }),
}

/** 'lattice': each knows two on each side, and nothing else; 'rendezvous': eight at random. */
function measureConvergence(
  point: StaticPoint,
  start: 'lattice' | 'rendezvous',
  report: (line: Line) => void,
): void {
  const live = createLiveNetwork(point)
  const { network, ring } = live
  for (let added = 0; added < point.nodes; added++) network.addNode(network.rng.below(RING))
  if (start === 'lattice') linkLattice(network)
  for (const node of network.nodes) ring.start(node, { hasRendezvous: start === 'rendezvous' })
  const probes = PROBED_AT_S.map((atSeconds) => {
    network.run(Math.max(network.nowMs, atSeconds * 1000))
    const trials = placeNearest(network, point.requests)
    trials.forEach((trial, index) => {
      const node = anyNode(network, ({ index: number }) => !trial.holders.has(number))
      network.after(index * PROBE_EVERY_MS, () => network.fetch(node, trial))
    })
    return { atSeconds, trials, meanDegree: meanDegreeOf(network) }
  })
  const trials = probes.flatMap((probe) => probe.trials)
  comeToRest(live, trials)
  for (const { atSeconds, trials: probed, meanDegree } of probes) {
    const extra = { requests: probed.length, meanDegree, start, atSeconds }
    report({ ...dimensionsOf(point), ...figuresOf(probed), ...extra })
  }
}

function linkLattice(network: SimNetwork): void {
  const order = network.nodes.toSorted((a, b) => a.position - b.position)
  order.forEach((node, place) => {
    for (const step of [1, 2]) network.link(node, order[(place + step) % order.length] as SimNode)
  })
}

/** When the network has had time to find its links, ms; blocks are inserted from then on. */
const FOUND_MS = 120_000
const INSERT_EVERY_MS = 20
const BLOCK_AGE_MS = 30_000

export const natLive: Preset = {
  faults: [],
  lists: USUAL_LISTS,
  run(lists, report) {
    for (const point of pointsOf('nat-live', lists)) {
      for (const unreachable of [0, 0.1, 0.2, 0.3]) {
        for (const isRelayed of [true, false]) {
          report(measureNat(point, { unreachable, isRelayed }))
        }
      }
    }
  },
  draw: (lines) => ({
    title: 'Pairs that cannot connect: a network that finds its links by itself',
    x: { label: 'share of the pairs' },
    y: { label: 'share', from: 0, to: 1 },
    series: [true, false].flatMap((isRelayed) => {
      const ours = lines.filter(
        ({ homes, relayedNeighbors }) =>
          homes === lines[0]?.homes && relayedNeighbors === isRelayed,
      )
      const how = isRelayed ? 'through a common peer' : 'directly only'
      return [
        { name: `blocks found, ${how}`, points: pointsIn(ours, 'unreachable', 'success') },
        {
          name: `ring neighbors not linked, ${how}`,
          points: pointsIn(ours, 'unreachable', 'neighborsMissing'),
        },
      ]
    }),
  }),
}

/** All nodes come at once, each with eight others from the rendezvous. */
function measureNat(point: StaticPoint, reach: { unreachable: number; isRelayed: boolean }): Line {
  const live = createLiveNetwork(point, reach)
  const { network, ring } = live
  for (let added = 0; added < point.nodes; added++) network.addNode(network.rng.below(RING))
  for (const node of network.nodes) ring.start(node, { hasRendezvous: true })
  network.run(FOUND_MS)
  const neighbors = neighborLinks(live)
  const trials: Trial[] = []
  for (let each = 0; each < point.requests; each++) {
    network.after(each * INSERT_EVERY_MS, () => {
      trials.push(insertThenFetch(network, { homes: point.homes, afterMs: BLOCK_AGE_MS }))
    })
  }
  network.run(FOUND_MS + point.requests * INSERT_EVERY_MS + BLOCK_AGE_MS)
  const meanDegree = meanDegreeOf(network)
  comeToRest(live, trials)
  const { unreachable, isRelayed } = reach
  return {
    ...dimensionsOf(point),
    ...figuresOf(trials),
    requests: point.requests,
    unreachable,
    relayedNeighbors: isRelayed,
    ...neighbors,
    meanDegree,
  }
}

/** Of all nodes' nearest four on each side: the shares that are linked through a third node, and not at all. */
function neighborLinks({ network, ring }: LiveNetwork): {
  neighborsRelayed: number
  neighborsMissing: number
} {
  const order = network.nodes.toSorted((a, b) => a.position - b.position)
  let [relayed, missing] = [0, 0]
  order.forEach((node, place) => {
    for (let step = 1; step <= RING_NEIGHBORS; step++) {
      const other = order[(place + step) % order.length] as SimNode
      if (!node.links.has(other.index)) missing++
      else if (ring.isThrough(node, other)) relayed++
    }
  })
  const all = order.length * RING_NEIGHBORS
  return { neighborsRelayed: rounded(relayed / all), neighborsMissing: rounded(missing / all) }
}
