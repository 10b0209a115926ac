/**
 * Presets that repeat what was published of Freenet on a network that stands still: how paths grow with
 * it, how many requests arrive when nodes are removed, and a table of plain greedy routing.
 * @module
 */
import { createSeededRng } from '../../test/helpers/rng.ts'
import { groupedMedian, rounded } from './measure.ts'
import type { Line } from './measure.ts'
import { USUAL_LISTS, pointsIn } from './preset.ts'
import type { Preset } from './preset.ts'
import { modelHops } from './ring-model.ts'
import { measureStatic, pointsOf } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'

/** Clarke and others, IEEE Internet Computing 6(1), 2002, figure 3, read off the plot. */
const PUBLISHED_MEDIAN = [
  [100, 2.2],
  [1000, 4.5],
  [10_000, 8.5],
  [100_000, 16],
] as const
const PUBLISHED_THIRD_QUARTILE = [
  [1000, 10],
  [10_000, 24],
  [100_000, 55],
] as const
/** Figure 4, the cap of 500 hops: the third quartile reaches it at 22 % removed, the median at 50 %. */
const PUBLISHED_FAILURE_MEDIAN = [
  [0, 8.5],
  [0.3, 20],
  [0.5, 500],
] as const
const PUBLISHED_FAILURE_THIRD_QUARTILE = [
  [0, 24],
  [0.22, 500],
] as const

export const clarkeScaling: Preset = {
  lists: {
    ...USUAL_LISTS,
    nodes: [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000],
  },
  run(lists, report) {
    const medians: (readonly [number, number])[] = []
    for (const point of pointsOf('clarke2001-scaling', lists)) {
      const { line, trials } = measureStatic(point)
      const found = trials.filter(({ result }) => result === 'found').map(({ hops }) => hops)
      const smoothMedianHops = groupedMedian(found)
      medians.push([point.nodes, smoothMedianHops ?? Number.NaN])
      const late = medians.filter(([nodes]) => nodes >= 10_000)
      report({
        ...line,
        smoothMedianHops,
        exponent: exponentOf(medians),
        exponentFrom10000: exponentOf(late),
      })
    }
  },
  draw: (lines) => ({
    title: 'Links from the requester to the block, by size of the network',
    x: { label: 'nodes', isLog: true },
    y: { label: 'hops', isLog: true, from: 1, to: 60 },
    series: [
      { name: 'shoal, median', points: pointsIn(lines, 'nodes', 'smoothMedianHops') },
      { name: 'shoal, third quartile', points: pointsIn(lines, 'nodes', 'p75Hops') },
      { name: 'Freenet 2002, median', points: PUBLISHED_MEDIAN, isReference: true },
      { name: 'Freenet 2002, third quartile', points: PUBLISHED_THIRD_QUARTILE, isReference: true },
    ],
  }),
}

/** Exponent b of the best y = a x^b; null with fewer than two points. */
export function exponentOf(points: readonly (readonly [number, number])[]): number | null {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  if (logs.length < 2) return null
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / logs.length
  const spread = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const shared = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return spread === 0 ? null : rounded(shared / spread)
}

export const clarkeFailure: Preset = {
  lists: {
    ...USUAL_LISTS,
    nodes: [10_000],
    removed: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    homes: [1, 2, 3],
  },
  run(lists, report) {
    const points = pointsOf('clarke2001-failure', lists)
    const whole = new Map<string, number>()
    for (const point of points) {
      const { line } = measureStatic(point)
      const { removed, homes, p75Hops } = line
      const name = [point.seed, point.nodes, point.degree, homes].join(' ')
      if (removed === 0 && p75Hops !== null) whole.set(name, p75Hops)
      const undamaged = whole.get(name)
      const isKnown = undamaged !== undefined && p75Hops !== null
      report({ ...line, p75OfWhole: isKnown ? rounded(p75Hops / undamaged) : null })
    }
  },
  draw(lines) {
    const [home] = lines.map(({ homes }) => homes)
    const ours = lines.filter(({ homes }) => homes === home)
    return {
      title: 'Nodes removed at once, nothing repaired: hops of the requests that arrive',
      x: { label: 'share of the nodes removed' },
      y: { label: 'hops', isLog: true, from: 1, to: 500 },
      series: [
        { name: 'shoal, median', points: pointsIn(ours, 'removed', 'p50Hops') },
        { name: 'shoal, third quartile', points: pointsIn(ours, 'removed', 'p75Hops') },
        { name: 'Freenet 2002, median', points: PUBLISHED_FAILURE_MEDIAN, isReference: true },
        {
          name: 'Freenet 2002, third quartile (500: the cap)',
          points: PUBLISHED_FAILURE_THIRD_QUARTILE,
          isReference: true,
        },
      ],
    }
  },
}

interface TableRow {
  readonly nodes: number
  readonly links: string
  /** Success and mean hops at each share of dead nodes. */
  readonly cells: readonly (readonly [removed: number, success: number, hops: number])[]
}

/** A plain model of greedy routing: 4 nearest links and long ones to degree 20, HTL 18. */
const TABLE: readonly TableRow[] = [
  row(1000, '1/d', [1, 4.3, 1, 4.3, 1, 4.6, 1, 4.8, 1, 5.8]),
  row(1000, '1/d, look-ahead', [1, 3.2, 1, 3.2, 1, 3.3, 1, 3.5, 1, 4]),
  row(5000, '1/d', [1, 5.7, 1, 6.1, 1, 6.5, 0.99, 6.8, 0.93, 8.2]),
  row(5000, '1/d, look-ahead', [1, 4.1, 1, 4.1, 1, 4.4, 1, 4.6, 1, 5.5]),
  row(20_000, '1/d', [1, 7.3, 1, 7.8, 1, 8.1, 0.98, 8.8, 0.9, 10.4]),
  row(20_000, '1/d, look-ahead', [1, 5, 1, 5, 1, 5.3, 1, 5.5, 0.98, 6.5]),
]

function row(nodes: number, links: string, cells: readonly number[]): TableRow {
  const at = [0, 0.1, 0.2, 0.3, 0.5]
  const pairs = at.map(
    (removed, index) =>
      [removed, cells[2 * index] as number, cells[2 * index + 1] as number] as const,
  )
  return { nodes, links, cells: pairs }
}

export const ringTable: Preset = {
  isHomeZeroAlone: true,
  lists: {
    ...USUAL_LISTS,
    nodes: [1000, 5000, 20_000],
    degree: [20],
    removed: [0, 0.1, 0.2, 0.3, 0.5],
    requests: [300],
  },
  run(lists, report) {
    for (const point of pointsOf('ring-table', lists)) {
      for (const links of ['1/d', '1/d, look-ahead', 'uniform, look-ahead']) {
        const cell = TABLE.find((each) => each.nodes === point.nodes && each.links === links)
        const [, modelSuccess = null, modelMeanHops = null] =
          cell?.cells.find(([removed]) => removed === point.removed) ?? []
        const { line } = measureStatic(tablePoint(point, links))
        report({ ...line, links, modelSuccess, modelMeanHops, ...strictModel(point, links) })
      }
    }
  },
  draw(lines) {
    const whole = lines.filter(({ nodes }) => nodes === Math.max(...lines.map((l) => l.nodes)))
    const named = (links: string): Line[] => whole.filter((line) => line['links'] === links)
    return {
      title: 'Mean hops with part of the nodes dead, against a plain model of greedy routing',
      x: { label: 'share of the nodes dead' },
      y: { label: 'mean hops', from: 0 },
      series: ['1/d', '1/d, look-ahead'].flatMap((links) => [
        { name: `shoal, ${links}`, points: pointsIn(named(links), 'removed', 'meanHops') },
        {
          name: `model, ${links}`,
          points: pointsIn(named(links), 'removed', 'modelMeanHops'),
          isReference: true,
        },
        {
          name: `model by our rules, ${links}`,
          points: pointsIn(named(links), 'removed', 'strictModelHops'),
          isReference: true,
        },
      ]),
    }
  },
}

/** The model computed here: as the table has it, and by our rules, strictly nearer to one of two copies. */
function strictModel(point: StaticPoint, links: string): Record<string, number | null> {
  if (links.startsWith('uniform')) return {}
  const looksAhead = links.endsWith('look-ahead')
  const hopsOf = (rule: { isStrict: boolean; isNodeSought: boolean }): number =>
    rounded(modelHops({ ...point, looksAhead, ...rule }, createSeededRng(point.seed)))
  return {
    freeModelHops: hopsOf({ isStrict: false, isNodeSought: true }),
    strictModelHops: hopsOf({ isStrict: true, isNodeSought: false }),
  }
}

function tablePoint(point: StaticPoint, links: string): StaticPoint {
  return {
    ...point,
    placement: 'nearest',
    tuning: { lookAheadPeers: links.endsWith('look-ahead') ? Infinity : 0, hedgeAfterMs: Infinity },
    ring: { ringPerSide: 2, lengths: links.startsWith('uniform') ? 'uniform' : 'slots' },
  }
}
