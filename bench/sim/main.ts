/**
 * The simulator: `npm run --silent sim -- PRESET [options]`, or `all` in place of the preset. One JSON
 * line a measured point on stdout and nothing else; a chart under docs/figures.
 * @module
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Line } from './measure.ts'
import { checkLists } from './check-lists.ts'
import { UsageError, parseArguments } from './options.ts'
import type { Given } from './options.ts'
import { drawChart } from './plot.ts'
import type { Preset } from './preset.ts'
import { PRESETS } from './presets.ts'
import { rowsOf } from './targets.ts'

const FIGURES = join('docs', 'figures')
const EXIT_USAGE = 2

/** Every preset as it is, and then what of it holds. */
const ALL = 'all'

/** Runs what `args` ask for; `print` gets each line. @throws UsageError */
export async function simulate(
  args: readonly string[],
  print: (line: string) => void,
): Promise<void> {
  const given = parseArguments(args, [...Object.keys(PRESETS), ALL])
  if (given.preset !== ALL) {
    await runPreset(given, print)
    return
  }
  const { seed, ...others } = given.lists
  if (Object.keys(others).length > 0 || given.figure !== undefined) {
    throw new UsageError('all runs every preset as it is: no option but --seed')
  }
  const lists = seed === undefined ? {} : { seed }
  const lines: Line[] = []
  for (const preset of Object.keys(PRESETS)) {
    lines.push(...(await runPreset({ preset, lists, figure: undefined }, print)))
  }
  for (const row of rowsOf(lines)) print(JSON.stringify(row))
}

async function runPreset(given: Given, print: (line: string) => void): Promise<Line[]> {
  const preset = PRESETS[given.preset] as Preset
  const lists = { ...preset.lists, ...given.lists }
  checkLists(given.preset, preset, lists)
  const lines: Line[] = []
  preset.run(lists, (line) => {
    lines.push(line)
    print(JSON.stringify(line))
  })
  // the figures in the docs are those of the presets as they are
  const isWhole = Object.keys(given.lists).length === 0
  const file = given.figure ?? (isWhole ? join(FIGURES, `${given.preset}.svg`) : undefined)
  if (file !== undefined) await draw(file, preset, lines)
  return lines
}

async function draw(file: string, preset: Preset, lines: readonly Line[]): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, drawChart(preset.draw(lines)))
  } catch (error) {
    throw new UsageError(`the figure cannot be written: ${(error as Error).message}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await simulate(process.argv.slice(2), (line) => console.log(line))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    process.exitCode = EXIT_USAGE
  }
}
