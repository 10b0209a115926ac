/**
 * Kills a store process any number of times and says what was lost:
 * `npm run --silent test:build && node build/bench/store-soak.js [ROUNDS]`, SEED in the environment.
 * Ends with 1 where anything was wrong.
 * @module
 */
import { runSeries } from '../test/helpers/fault-kill.ts'
import type { Phase, SeriesResult } from '../test/helpers/fault-kill.ts'
import { seedFromEnvironment } from '../test/helpers/rng.ts'

/** Rounds over one folder: a store far from full would be full after many more. */
const ROUNDS_A_FOLDER = 50

const rounds = Number(process.argv[2] ?? 1000)
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('ROUNDS: a whole number from 1')
const seed = seedFromEnvironment()
const startMs = performance.now()
const results: SeriesResult[] = []
const plans = Array.from({ length: Math.ceil(rounds / ROUNDS_A_FOLDER) }, (_, i) => ({
  seed: (seed + i) % 2 ** 32,
  rounds: Math.min(ROUNDS_A_FOLDER, rounds - i * ROUNDS_A_FOLDER),
  isRoomy: i % 2 === 0,
}))
const total = plans.length
await Promise.all([work(), work()])
report()

/** One of two that run series until none is left. */
async function work(): Promise<void> {
  for (let plan = plans.shift(); plan !== undefined; plan = plans.shift()) {
    const result = await runSeries(plan)
    results.push(result)
    for (const message of result.wrong) console.log(`WRONG ${message}`)
    console.error(
      `${results.length} of ${total} folders, ${Math.round(performance.now() - startMs)} ms`,
    )
  }
}

function report(): void {
  const sum = (pick: (result: SeriesResult) => number): number => {
    return results.reduce((so, result) => so + pick(result), 0)
  }
  const phases: Partial<Record<Phase, number>> = {}
  for (const phase of Object.keys(results[0]?.phases ?? {}) as Phase[]) {
    phases[phase] = sum((result) => result.phases[phase])
  }
  const wrong = sum((result) => result.wrong.length)
  const summary = {
    bench: 'store-soak',
    seed,
    rounds,
    seconds: Math.round((performance.now() - startMs) / 1000),
    phases,
    opens: sum((result) => result.opens),
    opensWhileRebuilding: sum((result) => result.rebuildingOpens),
    slowestOpenMs: Math.round(Math.max(...results.map(({ slowestOpenMs }) => slowestOpenMs))),
    acknowledged: sum((result) => result.acknowledged),
    resizes: sum((result) => result.resizes),
    blocksVerified: sum((result) => result.blocksVerified),
    putsInFlightFound: sum((result) => result.youngFound),
    putsInFlightLost: sum((result) => result.youngLost),
    wrong,
  }
  console.log(JSON.stringify(summary, null, 1))
  process.exitCode = wrong === 0 ? 0 : 1
}
