/**
 * What a preset is: its lists, how a point is measured, and what is drawn of the lines.
 * @module
 */
import type { Line } from './measure.ts'
import type { Lists, Share } from './options.ts'
import type { Chart } from './plot.ts'

export interface Preset {
  readonly lists: Lists
  /** What may be wrong with its nodes; all of it where nothing is said. */
  readonly faults?: readonly Share[]
  /** Its blocks have copies at home 0 alone. */
  readonly isHomeZeroAlone?: boolean
  /** Measures every combination; calls `report` as each is done. */
  run(lists: Lists, report: (line: Line) => void): void
  draw(lines: readonly Line[]): Chart
}

/** What ships, and 1,000 requests a point: a preset says where it differs. */
export const USUAL_LISTS: Lists = {
  nodes: [1000],
  degree: [24],
  removed: [0],
  droppers: [0],
  liars: [0],
  homes: [1],
  requests: [1000],
  seed: [1],
}

/** Points of a chart: `x` and `y` of each line, where both are numbers. */
export function pointsIn(
  lines: readonly Line[],
  x: string,
  y: string,
): (readonly [number, number])[] {
  return lines.flatMap((line) => {
    const [a, b] = [line[x], line[y]]
    return typeof a === 'number' && typeof b === 'number' ? [[a, b] as const] : []
  })
}
