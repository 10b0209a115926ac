/** A disk store under random load, checked against a model, and opened again (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SEED, folder, openKillable } from '../helpers/disk-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { StoreTrial } from '../helpers/store-trial.ts'

/** Slots, content blocks to choose from, things to do: from hardly any room to more than enough. */
const TRIALS = [
  [1, 6, 150],
  [4, 12, 200],
  [20, 60, 500],
  [60, 80, 500],
  [400, 60, 400],
] as const

/** How many things are done at a time, and how the store ends then. */
const ROUNDS = [
  [8, 'stopped'],
  [40, 'killed'],
  [1, 'stopped'],
  [40, 'killed'],
] as const

for (const [slots, contents, steps] of TRIALS) {
  test(`disk store: ${slots} slots answer as the model says, also after stops and kills (SEED=${SEED})`, async (t) => {
    const path = await folder(t)
    let { store, kill } = await openKillable(path, slots)
    const trial = new StoreTrial(store, createSeededRng(SEED + slots), contents)
    for (const [width, end] of ROUNDS) {
      await trial.run(steps, width)
      await trial.checkAtRest()
      const before = await trial.found()
      const { index, usedBytes } = store.care.stats()
      if (end === 'stopped') await store.blocks.close()
      else await kill()
      ;({ store, kill } = await openKillable(path, slots))
      trial.goOn(store, end)
      assert.equal(store.blocks.status().condition, 'ok')
      const after = await trial.found()
      await trial.checkOutbox()
      if (end === 'killed') continue
      assert.deepEqual(after, before, 'a clean stop changes nothing')
      assert.equal(store.care.stats().index.entries, index.entries)
      assert.equal(store.care.stats().usedBytes, usedBytes)
    }
  })
}
