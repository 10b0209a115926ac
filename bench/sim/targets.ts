/**
 * What the ring is to reach, row by row, and whether the lines of the presets do.
 * @module
 */
import type { Line } from './measure.ts'

interface Target {
  readonly preset: string
  /** What a line must say to be measured by this. */
  readonly where: Readonly<Record<string, unknown>>
  readonly figure: string
  /** One of the two: the figure must not be less, or not more. */
  readonly least?: number
  readonly most?: number
}

/** FETCH messages of one request at any one of its homes. */
const MOST_MESSAGES_A_HOME = 120

const AGAINST_FAULTS: readonly Target[] = (['droppers', 'liars'] as const).flatMap((fault) =>
  [2, 3].flatMap((homes) => {
    const of = { preset: fault, where: { [fault]: 0.2, homes } }
    return [
      { ...of, figure: 'success', least: homes === 2 ? 0.98 : 0.995 },
      { ...of, figure: 'meanMessages', most: 12 },
      { ...of, figure: 'maxMessagesPerHome', most: MOST_MESSAGES_A_HOME },
    ]
  }),
)

const CHANGED_HOUR = { preset: 'join-leave', figure: 'success', least: 0.99 }

const TARGETS: readonly Target[] = [
  { preset: 'clarke2001-scaling', where: { nodes: 20_000 }, figure: 'success', least: 1 },
  { preset: 'clarke2001-scaling', where: { nodes: 20_000 }, figure: 'meanHops', most: 5.8 },
  { preset: 'clarke2001-scaling', where: { nodes: 100_000 }, figure: 'p50Hops', most: 7 },
  { preset: 'clarke2001-scaling', where: { nodes: 100_000 }, figure: 'exponent', most: 0.2 },
  {
    preset: 'clarke2001-scaling',
    where: { nodes: 100_000 },
    figure: 'exponentFrom10000',
    most: 0.16,
  },
  ...[0.895, 0.965, 0.985].map((least, index) => ({
    preset: 'clarke2001-failure',
    where: { removed: 0.3, homes: index + 1 },
    figure: 'success',
    least,
  })),
  { preset: 'clarke2001-failure', where: { removed: 0.3 }, figure: 'p75OfWhole', most: 1.5 },
  ...AGAINST_FAULTS,
  { preset: 'latency', where: {}, figure: 'success', least: 1 },
  { preset: 'latency', where: {}, figure: 'messagesRatio', most: 1.3 },
  {
    preset: 'look-ahead-liars',
    where: { liars: 0.02, lookAhead: 'restricted' },
    figure: 'victimShare',
    most: 0.35,
  },
  { preset: 'poison-30', where: { liars: 0.3 }, figure: 'wrongBlocksAccepted', most: 0 },
  { preset: 'poison-30', where: { liars: 0.3 }, figure: 'wrongBlocksUnpunished', most: 0 },
  { preset: 'nat', where: { unreachable: 0.1 }, figure: 'success', least: 0.99 },
  { preset: 'nat-live', where: { unreachable: 0.1 }, figure: 'success', least: 0.99 },
  { preset: 'joining', where: { nodes: 10_000 }, figure: 'inTenSeconds', least: 1 },
  { ...CHANGED_HOUR, where: { blocks: 'young', wholeHour: true } },
  { ...CHANGED_HOUR, where: { blocks: 'of any age', wholeHour: true } },
  ...['wallSeconds', 'processorSeconds'].map((figure) => ({
    preset: 'simulator',
    where: { nodes: 10_000, requests: 10_000 },
    figure,
    most: 180,
  })),
  { preset: 'simulator', where: { nodes: 100_000 }, figure: 'peakGiB', most: 8 },
  { preset: 'simulator', where: {}, figure: 'traces', most: 1 },
]

/** A line for each target that one of `lines` is measured by: the figure, the target, whether it holds. */
export function rowsOf(lines: readonly Line[]): Record<string, unknown>[] {
  return TARGETS.flatMap((target) =>
    lines.filter((line) => isMeasuredBy(line, target)).map((line) => rowOf(line, target)),
  )
}

function isMeasuredBy(line: Line, { preset, where }: Target): boolean {
  return (
    line.preset === preset && Object.entries(where).every(([name, value]) => line[name] === value)
  )
}

function rowOf(line: Line, { where, figure, least, most }: Target): Record<string, unknown> {
  const measured = line[figure]
  const target = least === undefined ? { most } : { least }
  const holds =
    typeof measured === 'number' &&
    measured >= (least ?? measured) &&
    measured <= (most ?? measured)
  const { preset, seed, nodes } = line
  return { target: preset, seed, nodes, ...where, figure, measured, ...target, holds }
}
