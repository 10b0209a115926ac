/**
 * The simulator: `npm run --silent sim -- PRESET [options]`. One JSON line a measured point on stdout and
 * nothing else; a chart under docs/figures.
 * @module
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Line } from './measure.ts'
import { UsageError, parseArguments } from './options.ts'
import type { Lists } from './options.ts'
import { drawChart } from './plot.ts'
import type { Preset } from './preset.ts'
import { PRESETS } from './presets.ts'

const FIGURES = join('docs', 'figures')
const EXIT_USAGE = 2

/** Runs what `args` ask for; `print` gets each line. @throws UsageError */
export async function simulate(
  args: readonly string[],
  print: (line: string) => void,
): Promise<void> {
  const given = parseArguments(args, Object.keys(PRESETS))
  const preset = PRESETS[given.preset] as Preset
  const lists = { ...preset.lists, ...given.lists }
  checkFaults(given.preset, lists)
  const lines: Line[] = []
  preset.run(lists, (line) => {
    lines.push(line)
    print(JSON.stringify(line))
  })
  // the figures in the docs are those of the presets as they are
  const isWhole = Object.keys(given.lists).length === 0
  const file = given.figure ?? (isWhole ? join(FIGURES, `${given.preset}.svg`) : undefined)
  if (file === undefined) return
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, drawChart(preset.draw(lines)))
}

/** A line must not name faults that were not there, and some good nodes must be left. @throws UsageError */
function checkFaults(name: string, { nodes, degree, removed, droppers, liars }: Lists): void {
  const worst = [removed, droppers, liars].reduce((sum, list) => sum + Math.max(...list), 0)
  if (worst > 0 && PRESETS[name]?.isFaultless === true) {
    throw new UsageError(`${name} measures good nodes only: no --removed, --droppers or --liars`)
  }
  if (Math.min(...nodes) * (1 - worst) >= Math.max(...degree)) return
  throw new UsageError('fewer good nodes are left than a node has links')
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
