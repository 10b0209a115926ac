/**
 * Presets in which nodes join a large network, of honest nodes and of such as lie about others.
 * @module
 */
import { RING } from '../../src/routing/position.ts'
import { SETTLED_MS, comeToRest, insertThenFetch, settledNetwork } from './live-point.ts'
import type { LiveNetwork } from './live-point.ts'
import type { Lie } from './made-up-peers.ts'
import { figuresOf, quantile, rounded, spoilShare } from './measure.ts'
import type { Line } from './measure.ts'
import type { SimNode } from './sim-node.ts'
import type { Chart, Series } from './plot.ts'
import { USUAL_LISTS } from './preset.ts'
import type { Preset } from './preset.ts'
import { dimensionsOf, linkedNeighbors, pointsOf } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'
import type { Trial } from './trial.ts'

/** Nodes that join, one after another. */
const JOINERS = 50
const JOIN_EVERY_MS = 2000
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
  draw: (lines) => joinChart(lines, 'A node joins: until the nearest 4 on each side are linked'),
}

const LIES: readonly Lie[] = ['dead', 'silent', 'closes']

export const joiningLiars: Preset = {
  faults: ['liars'],
  lists: { ...USUAL_LISTS, nodes: [2000], liars: [0.2], homes: [2], requests: [500] },
  run(lists, report) {
    for (const point of pointsOf('joining-liars', lists)) {
      if (point.liars === 0) report({ ...measureJoining(point), lie: 'none' })
      else for (const lie of LIES) report({ ...measureJoining(point, lie), lie })
    }
  },
  draw: (lines) => joinChart(lines, 'A node joins, and some tell it of peers that nobody is'),
}

function joinChart(lines: readonly Line[], title: string): Chart {
  const series = lines.map((line) => ({
    name: 'lie' in line ? `${line.liars} liars: ${String(line['lie'])}` : 'shoal',
    points: (line['allTookMs'] as number[]).flatMap((tookMs, index, all) =>
      Number.isFinite(tookMs) ? [[(index + 1) / all.length, tookMs] as const] : [],
    ),
  }))
  const goal: Series = {
    name: 'goal',
    points: [
      [0, JOINED_WITHIN_MS],
      [1, JOINED_WITHIN_MS],
    ],
    isReference: true,
  }
  return {
    title,
    x: { label: 'share of the joiners' },
    y: { label: 'simulated ms', from: 0 },
    series: [...series, goal],
  }
}

function measureJoining(point: StaticPoint, lie?: Lie): Line {
  const live = settledNetwork(point, lie === undefined ? {} : { lie })
  const { network, ring } = live
  spoilShare(network, point.liars, 'exchange-liar')
  const joiners: Joiner[] = []
  const trials: Trial[] = []
  const sorted = network.nodes.toSorted((a, b) => a.position - b.position)
  ring.onlinked = () => watchJoiners(joiners, sorted, network.nowMs)
  for (let joined = 0; joined < JOINERS; joined++) {
    network.after(joined * JOIN_EVERY_MS, () => {
      const joiner = join(live, sorted)
      joiners.push(joiner)
      const asked = Math.ceil((point.requests - trials.length) / (JOINERS - joined))
      for (let count = 0; count < asked; count++) {
        const of = { homes: point.homes, node: joiner.node, afterMs: ASKS_AFTER_MS }
        trials.push(insertThenFetch(network, of))
      }
    })
  }
  network.run(SETTLED_MS + JOINERS * JOIN_EVERY_MS + ASKS_AFTER_MS)
  comeToRest(live, trials)
  return {
    ...dimensionsOf(point),
    ...figuresOf(trials),
    requests: trials.length,
    ...joinTimes(joiners),
  }
}

function join({ network, ring }: LiveNetwork, sorted: SimNode[]): Joiner {
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
