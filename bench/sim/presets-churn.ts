/**
 * An hour in which half of all nodes are replaced.
 * @module
 */
import { RING } from '../../src/routing/position.ts'
import {
  SETTLED_MS,
  comeToRest,
  hasHolder,
  insertThenFetch,
  meanDegreeOf,
  settledNetwork,
} from './live-point.ts'
import type { LiveNetwork } from './live-point.ts'
import { anyNode, figuresOf, rounded } from './measure.ts'
import type { Line } from './measure.ts'
import type { SimNode } from './sim-node.ts'
import { USUAL_LISTS, pointsIn } from './preset.ts'
import type { Preset } from './preset.ts'
import { dimensionsOf, pointsOf } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'
import type { Trial } from './trial.ts'

const HOUR_MS = 3_600_000
/** Share of all nodes that one hour replaces. */
const REPLACED = 0.5
/** Age of a young block when it is asked for, ms: what that measures is routing, not repair. */
const YOUNG_MS = 30_000
/** Spans that the hour, or the ages of the blocks, are told in. */
const SPANS = 6
const SPAN_MINUTES = HOUR_MS / 60_000 / SPANS

interface Asked {
  readonly trial: Trial
  /** Of young blocks when they are asked for, of others how old they are then, ms. */
  readonly atMs: number
  /** A copy was left when it was asked for. */
  wasHeld: boolean
}

export const joinLeave: Preset = {
  faults: [],
  lists: { ...USUAL_LISTS, nodes: [1000], homes: [2], requests: [2000] },
  run(lists, report) {
    for (const point of pointsOf('join-leave', lists)) measureChurn(point, report)
  },
  draw(lines) {
    const ours = lines.filter(({ homes }) => homes === lines[0]?.homes)
    const byAge = ours.filter((line) => line['blocks'] === 'of any age')
    return {
      title: 'Half of all nodes replaced in an hour, and nothing repaired',
      x: { label: 'minutes: of the hour, or of age', from: 0, to: 60 },
      y: { label: 'blocks found', from: 0.85, to: 1 },
      series: [
        {
          name: 'shoal, blocks 30 s old, by minute of the hour',
          points: pointsIn(
            ours.filter((line) => line['blocks'] === 'young'),
            'untilMinute',
            'success',
          ),
        },
        { name: 'shoal, by age of the block', points: pointsIn(byAge, 'untilMinute', 'success') },
        {
          name: 'a copy is left, by age',
          points: pointsIn(byAge, 'untilMinute', 'ceiling'),
          isReference: true,
        },
        {
          name: 'goal',
          points: [
            [0, 0.99],
            [60, 0.99],
          ],
          isReference: true,
        },
      ],
    }
  },
}

/** Two runs of one hour at once: blocks that are asked for when they are young, and others at any age. */
function measureChurn(point: StaticPoint, report: (line: Line) => void): void {
  const live = settledNetwork(point)
  const { network } = live
  const replaced = Math.round(point.nodes * REPLACED)
  for (let each = 0; each < replaced; each++) {
    network.after(network.rng.below(HOUR_MS), () => replaceOne(live))
  }
  const [young, aged]: [Asked[], Asked[]] = [[], []]
  for (let each = 0; each < point.requests; each++) {
    const share = each / point.requests
    const youngAtMs = share * HOUR_MS
    askLater(live, { point, asked: young, insertMs: youngAtMs, ageMs: YOUNG_MS, atMs: youngAtMs })
    // all ages alike, up to those that see the whole hour
    const ageMs = YOUNG_MS + share * (HOUR_MS - YOUNG_MS)
    const insertMs = network.rng.below(HOUR_MS - Math.ceil(ageMs) + 1)
    askLater(live, { point, asked: aged, insertMs, ageMs, atMs: ageMs })
  }
  network.run(SETTLED_MS + HOUR_MS + YOUNG_MS)
  const meanDegree = meanDegreeOf(network)
  comeToRest(
    live,
    [...young, ...aged].map(({ trial }) => trial),
  )
  const extra = { replaced, meanDegree }
  for (const [blocks, asked] of [
    ['young', young],
    ['of any age', aged],
  ] as const) {
    for (let span = 1; span <= SPANS; span++) {
      const part = asked.filter(({ atMs }) => Math.floor((atMs / HOUR_MS) * SPANS) === span - 1)
      if (part.length === 0) continue
      const untilMinute = span * SPAN_MINUTES
      report({ ...churnLine(point, part), ...extra, blocks, untilMinute })
    }
    report({ ...churnLine(point, asked), ...extra, blocks, wholeHour: true })
  }
}

function askLater(
  { network }: LiveNetwork,
  of: { point: StaticPoint; asked: Asked[]; insertMs: number; ageMs: number; atMs: number },
): void {
  network.after(of.insertMs, () => {
    const asked: Asked = {
      trial: insertThenFetch(network, {
        homes: of.point.homes,
        afterMs: of.ageMs,
        onasked: (trial) => {
          asked.wasHeld = hasHolder(network, trial)
        },
      }),
      atMs: of.atMs,
      wasHeld: false,
    }
    of.asked.push(asked)
  })
}

function churnLine(point: StaticPoint, asked: readonly Asked[]): Line {
  const held = asked.filter(({ wasHeld }) => wasHeld)
  const found = held.filter(({ trial }) => trial.result === 'found').length
  return {
    ...dimensionsOf(point),
    ...figuresOf(asked.map(({ trial }) => trial)),
    requests: asked.length,
    ceiling: rounded(held.length / asked.length),
    foundOfHeld: rounded(found / held.length),
  }
}

/** One node leaves without a word, another comes. Who waits for an answer stays. */
function replaceOne({ network, ring }: LiveNetwork): void {
  const isIdle = ({ router: { load } }: SimNode): boolean => load.fetches + load.inserts === 0
  ring.remove(anyNode(network, isIdle))
  const node = network.addNode(network.rng.below(RING))
  ring.start(node, { hasRendezvous: true })
}
