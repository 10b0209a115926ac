/**
 * The preset that measures the simulator itself: the one whose figures are not a function of the seed alone.
 * @module
 */
import type { Line } from './measure.ts'
import { USUAL_LISTS, pointsIn } from './preset.ts'
import type { Preset } from './preset.ts'
import { measureStatic, pointsOf } from './static-point.ts'
import type { StaticPoint } from './static-point.ts'

export const simulator: Preset = {
  lists: { ...USUAL_LISTS, nodes: [10_000, 100_000], requests: [10_000] },
  run(lists, report) {
    for (const point of pointsOf('simulator', lists)) report(measureTwice(point))
  },
  draw: (lines) => ({
    title: 'What a network that stands still takes to simulate',
    x: { label: 'nodes', isLog: true },
    y: { label: 'seconds', from: 0 },
    series: [
      { name: 'wall', points: pointsIn(lines, 'nodes', 'wallSeconds') },
      { name: 'processor', points: pointsIn(lines, 'nodes', 'processorSeconds') },
    ],
  }),
}

/** The same run twice: what the first takes, and whether the second is the same, event by event. */
function measureTwice(point: StaticPoint): Line {
  const [beganMs, used] = [performance.now(), process.cpuUsage()]
  const { line, trace } = traced(point)
  const wallSeconds = tenths((performance.now() - beganMs) / 1000)
  const { user, system } = process.cpuUsage(used)
  return {
    ...line,
    wallSeconds,
    processorSeconds: tenths((user + system) / 1e6),
    trace,
    traces: new Set([trace, traced(point).trace]).size,
    // of the process since it began, so never less than what this took
    peakGiB: tenths(process.resourceUsage().maxRSS / 1024 ** 2),
  }
}

/** The network is not kept: the second run is to have the memory of the first. */
function traced(point: StaticPoint): { line: Line; trace: string } {
  const { line, network } = measureStatic(point)
  return { line, trace: (network.trace >>> 0).toString(16) }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}
