/**
 * Clocks that go back, stand still or leap (a laptop that slept, a virtual machine that was moved):
 * nothing is lost, nothing hangs, and counters stay numbers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Histogram, StorePair } from '../../src/datastore/store.ts'
import { systemClock } from '../../src/runtime.ts'
import type { Clock } from '../../src/runtime.ts'
import {
  KNOWN_BLOCKS,
  SMALL_BYTES,
  assertWorks,
  countKnown,
  putKnown,
  temporaryFolder,
  withStore,
} from '../helpers/fault-folder.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const SEED = seedFromEnvironment()
const HOUR_MS = 3_600_000
const MIB = 1024 * 1024

/** What `now` says in place of the time; timers keep theirs. */
const CLOCKS: Record<string, () => (nowMs: number) => number> = {
  'goes back an hour now and then': () => {
    const rng = createSeededRng(SEED)
    let offsetMs = 0
    return (nowMs) => {
      if (rng.below(50) === 0) offsetMs -= HOUR_MS
      return nowMs + offsetMs
    }
  },
  'goes backwards': () => (nowMs) => -nowMs,
  'stands still': () => () => 1000,
  'leaps a year now and then': () => {
    const rng = createSeededRng(SEED)
    let offsetMs = 0
    return (nowMs) => {
      if (rng.below(50) === 0) offsetMs += 8766 * HOUR_MS
      return nowMs + offsetMs
    }
  },
}

for (const [name, make] of Object.entries(CLOCKS)) {
  test(`strange clock: a store whose clock ${name} keeps everything and goes on`, async (t) => {
    const path = await temporaryFolder(t)
    const strange = make()
    const clock: Clock = {
      now: () => strange(systemClock.now()),
      after: (delayMs, run) => systemClock.after(delayMs, run),
    }
    await withStore(path, work, { storeBytes: SMALL_BYTES, clock })
    await withStore(path, async (store) => assert.equal(await countKnown(store), KNOWN_BLOCKS))
  })
}

async function work(store: StorePair): Promise<void> {
  await putKnown(store)
  assert.equal(await countKnown(store), KNOWN_BLOCKS)
  await store.care.resize(SMALL_BYTES + 2 * MIB)
  await store.care.resize(SMALL_BYTES)
  await assertWorks(store)
  const { latency, condition } = store.care.stats()
  assert.equal(condition, 'ok')
  for (const histogram of Object.values<Histogram>(latency)) {
    assert.ok(histogram.sumMs >= 0 && Number.isFinite(histogram.sumMs))
    assert.ok(histogram.counts.every((count) => Number.isInteger(count) && count >= 0))
  }
}
