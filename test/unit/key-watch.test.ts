import assert from 'node:assert/strict'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { watchKey } from '../../src/datastore/key-watch.ts'
import { rewriteKey } from '../../src/datastore/key-change.ts'
import { createKeyFile } from '../../src/datastore/store-key.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import type { SimulatedClock } from '../helpers/clock.ts'

const LEAST_COST = { passes: 1, memoryKib: 8 }

interface Watched {
  readonly path: string
  readonly clock: SimulatedClock
  readonly stop: () => void
  destroyed: number
}

async function watched(t: TestContext): Promise<Watched> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-watch-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  ;(await createKeyFile(path, undefined)).fill(0)
  const clock = createSimulatedClock()
  const found = { path, clock, stop: () => {}, destroyed: 0 }
  found.stop = watchKey(path, clock, () => {
    found.destroyed++
  })
  return found
}

/** Simulated seconds, with real time for the disk in each. */
async function seconds(clock: SimulatedClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await clock.runFor(1000)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('key watch: a key that is there goes unnoticed, one that is gone is told once', async (t) => {
  const found = await watched(t)
  await seconds(found.clock, 3)
  assert.equal(found.destroyed, 0)
  await rm(join(found.path, 'store.key'))
  await seconds(found.clock, 3)
  assert.equal(found.destroyed, 1)
  await seconds(found.clock, 3)
  assert.equal(found.destroyed, 1)
})

test('key watch: another passphrase is no destruction, a cut file is', async (t) => {
  const found = await watched(t)
  await rewriteKey(found.path, undefined, 'one', LEAST_COST)
  await seconds(found.clock, 3)
  await rewriteKey(found.path, 'one', undefined)
  await seconds(found.clock, 3)
  assert.equal(found.destroyed, 0)
  await truncate(join(found.path, 'store.key'), 1000)
  await seconds(found.clock, 3)
  assert.equal(found.destroyed, 1)
})

test('key watch: after its end nothing is told, whatever happens', async (t) => {
  const found = await watched(t)
  await seconds(found.clock, 1)
  found.stop()
  found.stop()
  await rm(join(found.path, 'store.key'))
  await seconds(found.clock, 3)
  assert.equal(found.destroyed, 0)
})

test('key watch: a disk that does not answer has destroyed nothing', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'shoal-watch-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  await writeFile(join(path, 'file'), '')
  const clock = createSimulatedClock()
  let destroyed = 0
  const stop = watchKey(join(path, 'file'), clock, () => destroyed++) // ENOTDIR, not ENOENT
  await seconds(clock, 3)
  stop()
  assert.equal(destroyed, 0)
})
