/**
 * The kills of the default test run; `bench/store-soak.ts` makes any number of them.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { runSeries } from './fault-kill.ts'
import { seedFromEnvironment } from './rng.ts'

/** Two folders at a time: while one process opens its files another computes. */
const SERIES = 2
/** In two series of a roomy and two of a tight store: 200 kills. */
const ROUNDS = 50

export function testKills(name: string, isRoomy: boolean): void {
  test(name, async () => {
    const seed = seedFromEnvironment()
    const series = Array.from({ length: SERIES }, (_, i) => {
      return runSeries({ seed: (seed + i) % 2 ** 32, rounds: ROUNDS, isRoomy })
    })
    for (const { wrong, blocksVerified, opens, phases } of await Promise.all(series)) {
      assert.deepEqual(wrong, [], `SEED=${seed}`)
      const rounds = Object.values(phases).reduce((sum, count) => sum + count, 0)
      assert.equal(rounds, ROUNDS)
      // of a machine that is busy many are killed before they have opened anything
      assert.ok(opens > ROUNDS / 4 && blocksVerified > ROUNDS, 'they found much to look at')
    }
  })
}
