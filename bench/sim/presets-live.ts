/**
 * Presets in which links are chosen as the network runs: a ring that finds itself, nodes that join a
 * large one, and an hour in which half of all nodes are replaced.
 * @module
 */
import { RING } from '../../src/routing/position.ts'
import { LiveRing } from './live-ring.ts'
import { anyNode, figuresOf, homesOf, quantile, rounded } from './measure.ts'
import type { Line } from './measure.ts'
import { SimNetwork } from './network.ts'
import type { SimNode } from './sim-node.ts'
import { USUAL_LISTS, pointsIn } from './preset.ts'
import type { Preset } from './preset.ts'
import {
  USUAL_LATENCY,
  dimensionsOf,
  linkedNeighbors,
  placeNearest,
  pointsOf,
} from './static-point.ts'
import type { StaticPoint } from './static-point.ts'
import { buildStaticRing } from './static-ring.ts'
import { createTrial } from './trial.ts'
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
  const network = new SimNetwork({ seed: point.seed, latency: USUAL_LATENCY })
  for (let added = 0; added < point.nodes; added++) network.addNode(network.rng.below(RING))
  if (start === 'lattice') linkLattice(network)
  const ring = new LiveRing(network)
  for (const node of network.nodes) ring.start(node, { hasRendezvous: start === 'rendezvous' })
  const probes = PROBED_AT_S.map((atSeconds) => {
    network.run(Math.max(network.nowMs, atSeconds * 1000))
    const trials = placeNearest(network, point.requests)
    trials.forEach((trial, index) => {
      const node = anyNode(network, ({ index: number }) => !trial.holders.has(number))
      network.after(index * PROBE_EVERY_MS, () => network.fetch(node, trial))
    })
    const links = network.nodes.reduce((sum, node) => sum + node.links.size, 0)
    return { atSeconds, trials, meanDegree: rounded(links / point.nodes) }
  })
  comeToRest(
    network,
    ring,
    probes.flatMap(({ trials }) => trials),
  )
  for (const { atSeconds, trials, meanDegree } of probes) {
    const extra = { requests: trials.length, meanDegree, start, atSeconds }
    report({ ...dimensionsOf(point), ...figuresOf(trials), ...extra })
  }
}

function linkLattice(network: SimNetwork): void {
  const order = network.nodes.toSorted((a, b) => a.position - b.position)
  order.forEach((node, place) => {
    for (const step of [1, 2]) network.link(node, order[(place + step) % order.length] as SimNode)
  })
}

/** Lets the requests end that are under way, then stops the topologies. */
function comeToRest(network: SimNetwork, ring: LiveRing, trials: readonly Trial[]): void {
  network.run(network.nowMs + LAST_REQUESTS_MS)
  ring.close()
  network.run()
  network.invariants.atRest(trials)
}

/** Nodes that join, one after another. */
const JOINERS = 50
const JOIN_EVERY_MS = 2000
/** When the network that is joined has settled, ms. */
const SETTLED_MS = 20_000
/** A joiner asks so long after it joined, ms. */
const ASKS_AFTER_MS = 10_000
const JOINED_WITHIN_MS = 10_000
/** Ring neighbors on each side that are to be there: all that are sought, and the fewest that do. */
const NEIGHBORS_WANTED = [4, 3] as const

interface Joiner {
  readonly node: SimNode
  readonly atMs: number
  /** When the nearest 4, and the nearest 3, on each side were linked; Infinity: never. */
  readonly tookMs: [number, number]
}

export const joining: Preset = {
  faults: [],
  lists: { ...USUAL_LISTS, nodes: [10_000], homes: [2], requests: [500] },
  run(lists, report) {
    for (const point of pointsOf('joining', lists)) report(measureJoining(point))
  },
  draw: (lines) => ({
    title: 'A node joins: simulated time until the nearest 4 on each side are linked',
    x: { label: 'share of the joiners' },
    y: { label: 'ms', from: 0 },
    series: [
      {
        name: 'shoal',
        points: ((lines[0]?.['allTookMs'] ?? []) as number[]).map(
          (tookMs, index, all) => [(index + 1) / all.length, tookMs] as const,
        ),
      },
      {
        name: 'goal',
        points: [
          [0, 10_000],
          [1, 10_000],
        ],
        isReference: true,
      },
    ],
  }),
}

function measureJoining(point: StaticPoint): Line {
  const { nodes, degree, requests } = point
  const network = new SimNetwork({ seed: point.seed, latency: USUAL_LATENCY })
  buildStaticRing(network, { nodes, degree })
  const ring = new LiveRing(network)
  for (const node of network.nodes) ring.start(node, { hasRendezvous: false })
  network.run(SETTLED_MS)
  const joiners: Joiner[] = []
  const trials: Trial[] = []
  const sorted = network.nodes.toSorted((a, b) => a.position - b.position)
  ring.onlinked = () => watchJoiners(joiners, sorted, network.nowMs)
  for (let joined = 0; joined < JOINERS; joined++) {
    network.after(joined * JOIN_EVERY_MS, () => {
      const joiner = join(network, ring, sorted)
      joiners.push(joiner)
      const asked = Math.ceil((requests - trials.length) / (JOINERS - joined))
      for (let count = 0; count < asked; count++) {
        trials.push(insertThenFetch(network, { point, node: joiner.node, afterMs: ASKS_AFTER_MS }))
      }
    })
  }
  network.run(SETTLED_MS + JOINERS * JOIN_EVERY_MS + ASKS_AFTER_MS)
  comeToRest(network, ring, trials)
  return {
    ...dimensionsOf(point),
    ...figuresOf(trials),
    requests: trials.length,
    ...joinTimes(joiners),
  }
}

function join(network: SimNetwork, ring: LiveRing, sorted: SimNode[]): Joiner {
  const node = network.addNode(network.rng.below(RING))
  const place = sorted.findIndex(({ position }) => position > node.position)
  sorted.splice(place < 0 ? sorted.length : place, 0, node)
  ring.start(node, { hasRendezvous: true })
  return { node, atMs: network.nowMs, tookMs: [Infinity, Infinity] }
}

function watchJoiners(joiners: readonly Joiner[], sorted: readonly SimNode[], nowMs: number): void {
  for (const { node, tookMs, atMs } of joiners) {
    if (tookMs[0] !== Infinity || nowMs - atMs > 60_000) continue
    const linked = linkedNeighbors(node, sorted)
    NEIGHBORS_WANTED.forEach((wanted, index) => {
      if (linked >= wanted && tookMs[index] === Infinity) tookMs[index] = nowMs - atMs
    })
  }
}

function joinTimes(joiners: readonly Joiner[]): Record<string, unknown> {
  const sortedBy = (index: 0 | 1): number[] =>
    joiners.map(({ tookMs }) => Math.round(tookMs[index])).toSorted((a, b) => a - b)
  const [four, three] = [sortedBy(0), sortedBy(1)]
  const inTime = (took: readonly number[]): number =>
    rounded(took.filter((ms) => ms <= JOINED_WITHIN_MS).length / took.length)
  return {
    joiners: joiners.length,
    inTenSeconds: inTime(four),
    p50NeighborsMs: quantile(four, 0.5),
    p95NeighborsMs: quantile(four, 0.95),
    maxNeighborsMs: four.at(-1),
    threeInTenSeconds: inTime(three),
    maxThreeNeighborsMs: three.at(-1),
    allTookMs: four,
  }
}

/** Inserts a block now, and has it fetched later: by `node`, or by whoever is there then. */
function insertThenFetch(
  network: SimNetwork,
  of: { point: StaticPoint; node?: SimNode; afterMs: number },
): Trial {
  const trial = createTrial(network.rng, homesOf(of.point.homes))
  network.addTrial(trial)
  const inserter = anyNode(network, (node) => node !== of.node)
  for (const home of trial.homes) network.insert(inserter, trial, home)
  network.after(of.afterMs, () => {
    const isOther = ({ index }: SimNode): boolean => !trial.holders.has(index)
    network.fetch(of.node ?? anyNode(network, isOther), trial)
  })
  return trial
}

const HOUR_MS = 3_600_000
/** Share of all nodes that one hour replaces. */
const REPLACED = 0.5
/** Age of a block when it is asked for, ms: what is measured is routing, not repair. */
const BLOCK_AGE_MS = 30_000
const LAST_REQUESTS_MS = 120_000
const WINDOWS = 6

export const joinLeave: Preset = {
  faults: [],
  lists: { ...USUAL_LISTS, nodes: [500], homes: [2], requests: [3000] },
  run(lists, report) {
    for (const point of pointsOf('join-leave', lists)) measureChurn(point, report)
  },
  draw: (lines) => ({
    title: 'Half of all nodes replaced in an hour',
    x: { label: 'minutes', from: 0, to: 60 },
    y: { label: 'blocks found', from: 0.95, to: 1 },
    series: [
      { name: 'shoal', points: pointsIn(lines, 'untilMinute', 'success') },
      {
        name: 'goal',
        points: [
          [0, 0.99],
          [60, 0.99],
        ],
        isReference: true,
      },
    ],
  }),
}

function measureChurn(point: StaticPoint, report: (line: Line) => void): void {
  const { nodes, degree, requests } = point
  const network = new SimNetwork({ seed: point.seed, latency: USUAL_LATENCY })
  buildStaticRing(network, { nodes, degree })
  const ring = new LiveRing(network)
  for (const node of network.nodes) ring.start(node, { hasRendezvous: false })
  network.run(SETTLED_MS)
  const replaced = Math.round(nodes * REPLACED)
  for (let each = 0; each < replaced; each++) {
    network.after(network.rng.below(HOUR_MS), () => replaceOne(network, ring))
  }
  const trials: Trial[] = []
  for (let each = 0; each < requests; each++) {
    network.after((each * HOUR_MS) / requests, () => {
      trials.push(insertThenFetch(network, { point, afterMs: BLOCK_AGE_MS }))
    })
  }
  network.run(SETTLED_MS + HOUR_MS + BLOCK_AGE_MS)
  comeToRest(network, ring, trials)
  const links = network.nodes.reduce((sum, node) => sum + node.links.size, 0)
  const extra = { replaced, meanDegree: rounded(links / nodes) }
  for (let window = 0; window <= WINDOWS; window++) {
    const isLast = window === WINDOWS // the last line is the hour as a whole
    const part = isLast
      ? trials
      : trials.slice((window * requests) / WINDOWS, ((window + 1) * requests) / WINDOWS)
    const span = isLast ? { wholeHour: true } : { untilMinute: (60 * (window + 1)) / WINDOWS }
    report({ ...dimensionsOf(point), ...figuresOf(part), requests: part.length, ...extra, ...span })
  }
}

/** One node leaves without a word, another comes. Who waits for an answer stays. */
function replaceOne(network: SimNetwork, ring: LiveRing): void {
  const isIdle = ({ router: { load } }: SimNode): boolean => load.fetches + load.inserts === 0
  ring.remove(anyNode(network, isIdle))
  const node = network.addNode(network.rng.below(RING))
  ring.start(node, { hasRendezvous: true })
}
