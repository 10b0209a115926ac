/**
 * Presets with nodes that do harm, and with networks that are slow or half closed, all standing still.
 * @module
 */
import { advertisesFakes } from './faults.ts'
import { rounded } from './measure.ts'
import type { Line } from './measure.ts'
import type { SimNetwork } from './network.ts'
import { UsageError } from './options.ts'
import type { SimNode } from './sim-node.ts'
import { USUAL_LISTS, pointsIn } from './preset.ts'
import type { Preset } from './preset.ts'
import { measureStatic, pointsOf } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'
import type { Chart, Series } from './plot.ts'

/** What a reader waits at most, ms. */
const WITHIN_MS = 10_000
const HOMES_WORDS = ['', 'home 0 alone', 'leaf blocks', 'top blocks']

export const droppers: Preset = {
  lists: {
    ...USUAL_LISTS,
    nodes: [1000, 10_000],
    droppers: [0, 0.1, 0.2, 0.3],
    homes: [1, 2, 3],
    requests: [3000],
  },
  run(lists, report) {
    for (const point of pointsOf('droppers', lists)) {
      const { line } = measureStatic({ ...point, withinMs: WITHIN_MS })
      report({ ...line, withinMs: WITHIN_MS })
    }
  },
  draw: (lines) => successChart(lines, 'droppers', 'Nodes that take a request and say nothing'),
}

export const liars: Preset = {
  lists: {
    ...USUAL_LISTS,
    nodes: [1000, 10_000],
    liars: [0, 0.1, 0.2, 0.3],
    homes: [1, 2, 3],
    requests: [3000],
  },
  run(lists, report) {
    for (const point of pointsOf('liars', lists)) {
      const { line } = measureStatic({ ...point, withinMs: WITHIN_MS })
      report({ ...line, withinMs: WITHIN_MS })
    }
  },
  draw: (lines) => successChart(lines, 'liars', 'Nodes that answer everything not-found at once'),
}

function successChart(lines: readonly Line[], x: string, title: string): Chart {
  const sizes = [...new Set(lines.map((line) => line.nodes))]
  const counts = [...new Set(lines.map((line) => line.homes))]
  const series: Series[] = sizes.flatMap((nodes) =>
    counts.map((homes) => ({
      name: `shoal, ${HOMES_WORDS[homes]}, ${nodes.toLocaleString('en-US')} nodes`,
      points: pointsIn(
        lines.filter((line) => line.homes === homes && line.nodes === nodes),
        x,
        'success',
      ),
    })),
  )
  const goal: Series = {
    name: 'goal for leaf blocks at 20 %',
    points: [[0.2, 0.98]],
    isReference: true,
  }
  return {
    title,
    x: { label: 'share of such nodes' },
    y: { label: 'blocks found within 10 s', to: 1 },
    series: [...series, goal],
  }
}

/** How a look-ahead liar is met: what it fakes, what it does with a request, who looks ahead how far. */
interface Bait {
  readonly fakes: 'even' | 'near'
  readonly conduct: 'drops' | 'forwards'
  readonly lookAhead: 'restricted' | 'all'
}

const BAITS: readonly Bait[] = (['drops', 'forwards'] as const).flatMap((conduct) =>
  (['even', 'near'] as const).flatMap((fakes) =>
    (['restricted', 'all'] as const).map((lookAhead) => ({ fakes, conduct, lookAhead })),
  ),
)

export const lookAheadLiars: Preset = {
  lists: { ...USUAL_LISTS, nodes: [5000], liars: [0.02], homes: [2], requests: [5000] },
  run(lists, report) {
    for (const point of pointsOf('look-ahead-liars', lists)) {
      for (const bait of BAITS) report(measureVictims(point, bait))
    }
  },
  draw: (lines) => ({
    title: 'Nodes that advertise links they have not: what reaches them of a neighbor’s requests',
    x: { label: 'share of such nodes', from: 0 },
    y: { label: 'share of own first tries', from: 0, to: 0.6 },
    series: [
      ...BAITS.map((bait) => ({
        name: `${bait.conduct}, fakes ${bait.fakes}, look-ahead ${bait.lookAhead}`,
        points: pointsIn(
          lines.filter(
            (line) =>
              line['fakes'] === bait.fakes &&
              line['conduct'] === bait.conduct &&
              line['lookAhead'] === bait.lookAhead,
          ),
          'liars',
          'victimShare',
        ),
      })),
      { name: 'plain model, unrestricted', points: [[0.02, 0.51]], isReference: true },
    ],
  }),
}

/** Requests of nodes that have such a liar as a peer, 100 each, so that its share is told. */
function measureVictims(point: StaticPoint, bait: Bait): Line {
  const { network, trials, line } = measureStatic({
    ...point,
    liarKind: bait.conduct === 'drops' ? 'look-ahead-liar' : 'look-ahead-spy',
    spread: bait.fakes,
    withinMs: WITHIN_MS,
    ...(bait.lookAhead === 'all' && { tuning: { lookAheadPeers: Infinity, ownShare: 1 } }),
    requesters: (of) => victimsOf(of, Math.max(1, Math.round(point.requests / 100))),
  })
  const taken = trials.filter(({ firstHop = -1 }) =>
    advertisesFakes(network.nodes[firstHop]?.fault),
  )
  const victimShare = rounded(taken.length / trials.length)
  return { ...line, liarKind: 'look-ahead', ...bait, victimShare, withinMs: WITHIN_MS }
}

function victimsOf({ nodes, rng }: SimNetwork, count: number): SimNode[] {
  const victims = nodes.filter(
    ({ isDown, fault, links }) =>
      !isDown &&
      fault === undefined &&
      [...links.keys()].some((index) => advertisesFakes(nodes[index]?.fault)),
  )
  if (victims.length === 0) throw new UsageError('no good node has such a liar as a peer')
  return Array.from({ length: count }, () => victims[rng.below(victims.length)] as SimNode)
}

export const poison: Preset = {
  lists: { ...USUAL_LISTS, liars: [0.3], homes: [1, 2, 3] },
  run(lists, report) {
    for (const point of pointsOf('poison-30', lists)) {
      const { line, network } = measureStatic({ ...point, liarKind: 'poisoner' })
      report({
        ...line,
        liarKind: 'poisoner',
        wrongBlocksAccepted: network.invariants.wrongBlocks,
        linksBanned: network.bans,
        wrongBlocksSent: network.poison.sent,
        // the link of the sender had ended, or whoever asked had an answer: there was nobody to take it
        wrongBlocksLate: network.poison.late,
        wrongBlocksUnpunished: network.poison.sent - network.poison.late - network.bans,
      })
    }
  },
  draw: (lines) => ({
    title: 'Three nodes of ten answer with a wrong block',
    x: { label: 'homes', from: 1, to: 3 },
    y: { label: 'share of the requests', from: 0, to: 1 },
    series: [
      { name: 'shoal, block found', points: pointsIn(lines, 'homes', 'success') },
      {
        name: 'a good copy is left',
        points: pointsIn(lines, 'homes', 'ceiling'),
        isReference: true,
      },
      {
        name: 'shoal, wrong blocks accepted',
        points: pointsIn(lines, 'homes', 'wrongBlocksAccepted'),
      },
    ],
  }),
}

const LATENCIES_MS = [50, 100, 200, 400]

export const latency: Preset = {
  lists: { ...USUAL_LISTS, nodes: [10_000], homes: [2] },
  run(lists, report) {
    for (const point of pointsOf('latency', lists)) {
      let first: number | undefined
      for (const hopMs of LATENCIES_MS) {
        const { line, trials } = measureStatic({
          ...point,
          latency: { minMs: hopMs, maxMs: hopMs },
        })
        first ??= line.meanMessages
        const took = trials.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0)
        const meanMs = Math.round(took / trials.length)
        report({ ...line, hopMs, meanMs, messagesRatio: rounded(line.meanMessages / first) })
      }
    }
  },
  draw: (lines) => ({
    title: 'Slow links: messages a request',
    x: { label: 'one way over a link, ms', from: 0 },
    y: { label: 'FETCH messages', from: 0 },
    series: [
      { name: 'shoal, mean messages', points: pointsIn(lines, 'hopMs', 'meanMessages') },
      { name: 'shoal, mean hops', points: pointsIn(lines, 'hopMs', 'meanHops') },
    ],
  }),
}

export const nat: Preset = {
  lists: { ...USUAL_LISTS, nodes: [5000], homes: [1, 2] },
  run(lists, report) {
    for (const point of pointsOf('nat', lists)) {
      for (const unreachable of [0, 0.1, 0.2, 0.3]) {
        for (const isRelayed of [true, false]) {
          const { line } = measureStatic({ ...point, ring: { unreachable, isRelayed } })
          report({ ...line, unreachable, relayedNeighbors: isRelayed })
        }
      }
    }
  },
  draw: (lines) => ({
    title: 'Pairs of nodes that cannot connect',
    x: { label: 'share of the pairs' },
    y: { label: 'blocks found', to: 1 },
    series: [1, 2].flatMap((homes) =>
      [true, false].map((isRelayed) => ({
        name: `${HOMES_WORDS[homes]}, ring neighbors ${isRelayed ? 'relayed' : 'missing'}`,
        points: pointsIn(
          lines.filter((l) => l.homes === homes && l['relayedNeighbors'] === isRelayed),
          'unreachable',
          'success',
        ),
      })),
    ),
  }),
}
