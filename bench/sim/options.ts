/**
 * The command line: a preset, and options that each replace the preset's list for one dimension.
 * @module
 */

/** One list a dimension; a preset measures each combination. */
export interface Lists {
  readonly nodes: readonly number[]
  readonly degree: readonly number[]
  readonly removed: readonly number[]
  readonly droppers: readonly number[]
  readonly liars: readonly number[]
  readonly homes: readonly number[]
  /** Requests at each measured point. */
  readonly requests: readonly number[]
  readonly seed: readonly number[]
}

/** Shares of the nodes with which something is wrong. */
export const SHARES = ['removed', 'droppers', 'liars'] as const
export type Share = (typeof SHARES)[number]

export interface Given {
  readonly preset: string
  /** What was given in place of the preset's own. */
  readonly lists: Partial<Lists>
  /** Where to draw to; undefined: the place in the docs, if nothing was given. */
  readonly figure: string | undefined
}

/** What is wrong with the command line, in one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * Smallest and largest value, and whether only whole numbers are meant. 200,000 nodes take 3.2 GB, as
 * many requests 1 GB.
 */
const LIMITS: Record<keyof Lists, readonly [number, number, boolean]> = {
  nodes: [20, 200_000, true],
  degree: [10, 32, true],
  removed: [0, 0.95, false],
  droppers: [0, 0.95, false],
  liars: [0, 0.95, false],
  homes: [1, 3, true],
  requests: [1, 200_000, true],
  seed: [0, 2 ** 32 - 1, true],
}

/** Reads the arguments after the program's name. @throws UsageError */
export function parseArguments(args: readonly string[], presets: readonly string[]): Given {
  const [preset, ...rest] = args
  if (preset === undefined || !presets.includes(preset)) {
    throw new UsageError(`usage: sim PRESET [options]; presets: ${presets.join(', ')}`)
  }
  const lists: Partial<Record<keyof Lists, readonly number[]>> = {}
  let figure: string | undefined
  for (let at = 0; at < rest.length; at += 2) {
    const [option, value] = [rest[at] as string, rest[at + 1]]
    if (option === '--figure') figure = fileOf(value)
    else lists[nameOf(option)] = valuesOf(option, value)
  }
  return { preset, lists, figure }
}

function fileOf(value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError('--figure: a file to draw to')
  return value
}

function nameOf(option: string): keyof Lists {
  const name = Object.keys(LIMITS).find((known) => option === `--${known}`)
  if (name !== undefined) return name as keyof Lists
  const known = Object.keys(LIMITS).map((each) => `--${each}`)
  throw new UsageError(`unknown option ${option}; known are ${known.join(' ')} --figure FILE`)
}

/** One number, or some between commas. */
function valuesOf(option: string, value: string | undefined): number[] {
  const [least, most, isWhole] = LIMITS[nameOf(option)]
  return (value ?? '').split(',').map((word) => {
    const number = /^\d+(\.\d+)?$/.test(word) ? Number(word) : Number.NaN
    if (number >= least && number <= most && (!isWhole || Number.isInteger(number))) return number
    throw new UsageError(
      `${option}: ${isWhole ? 'a whole number' : 'a number'} from ${least} to ${most}, not "${word}"`,
    )
  })
}
