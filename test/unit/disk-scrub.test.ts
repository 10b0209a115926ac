import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { DiskCore } from '../../src/datastore/disk-core.ts'
import { Scrubber } from '../../src/datastore/disk-scrub.ts'
import { createDiskStore } from '../../src/datastore/disk-store.ts'
import { planOf } from '../../src/datastore/quota.ts'
import type { IndexBounds, IndexEntry } from '../../src/datastore/sorted-index.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import type { SimulatedClock } from '../helpers/clock.ts'
import { SEED, folder, hasCode, openAt, openDir, put, storeOptions } from '../helpers/disk-store.ts'
import {
  blocksHere,
  diskError,
  insertMany,
  openFailing,
  openFilled,
  putMany,
  putSigned,
} from '../helpers/resize-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

const DAY_MS = 24 * 3_600_000

test('check: a store in which all is well is looked at as a whole, and nothing is freed', async (t) => {
  const store = await openAt(await folder(t), 100)
  await putMany(store, 'store', [0, 30])
  await putMany(store, 'cache', [100, 115])
  await putSigned(store, 1, 5)
  await insertMany(store, [200, 204])
  const seen: (readonly [number, number])[] = []
  const onprogress = (checked: number, of: number): void => void seen.push([checked, of])
  assert.deepEqual(await store.care.check({ onprogress }), { checked: 50, freed: 0 })
  assert.deepEqual(seen.at(-1), [50, 50])
  const { scrub, verifyFailures } = store.care.stats()
  assert.deepEqual([scrub, verifyFailures], [{ checked: 50, freed: 0, rounds: 1 }, 0])
})

test('check: what is still queued and what was just replaced is not taken for damage', async (t) => {
  const store = await openAt(await folder(t), 60)
  const churn = { isOver: false }
  const churning = (async () => {
    for (let i = 0; !churn.isOver; i++) {
      await put(store, contentBlock(i), i % 2 === 0 ? 'store' : 'cache')
      await putSigned(store, i % 3, i)
    }
  })()
  let checked = 0
  for (let round = 0; round < 15; round++) {
    const result = await store.care.check()
    assert.equal(result.freed, 0)
    checked += result.checked
  }
  churn.isOver = true
  await churning
  assert.ok(checked > 50, `${checked}`)
})

test('check: what was damaged is freed, in store, cache and outbox, and the rest stays', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 200)
  await putMany(store, 'store', [0, 40])
  await putMany(store, 'cache', [100, 120])
  await putSigned(store, 1, 5)
  await insertMany(store, [200, 210])
  const rng = createSeededRng(SEED)
  await damage(path, 200, (slot) => slot % 2 === rng.below(2))
  const { checked, freed } = await store.care.check()
  assert.equal(checked, 71)
  const here =
    (await blocksHere(store, [0, 40])).length + (await blocksHere(store, [100, 120])).length
  const isSignedHere = (await store.blocks.get(signedBlock(1, 5).address)) !== undefined
  const { store: inStore, cache, outbox, scrub, verifyFailures } = store.care.stats()
  assert.equal(here + Number(isSignedHere), inStore.used + cache.used, `SEED=${SEED}`)
  assert.equal(freed, 71 - here - Number(isSignedHere) - outbox.used, `SEED=${SEED}`)
  assert.ok(freed > 10 && freed < 60, `${freed} freed, SEED=${SEED}`)
  assert.equal(scrub.freed, freed)
  assert.equal(verifyFailures, 10 - outbox.used, 'reads met none but those of the outbox')
  assert.deepEqual(await store.care.check(), { checked: 71 - freed, freed: 0 })
  await putMany(store, 'store', [0, 40])
  assert.equal((await blocksHere(store, [0, 40])).length, 40, 'and may be put again')
})

test('check: a slot of several homes that is damaged is freed once, and may be put again', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 50)
  for (const home of [0, 1, 2] as const) {
    await put(store, contentBlock(1), 'store', home)
    await put(store, contentBlock(2), 'cache', home)
  }
  assert.equal((await store.care.check()).checked, 6)
  await damage(path, 50, () => true)
  assert.deepEqual(await store.care.check(), { checked: 2, freed: 2 })
  assert.equal(store.blocks.status().blocks, 0)
  assert.equal(await put(store, contentBlock(1), 'cache', 1), 'stored')
  assert.deepEqual((await store.blocks.get(contentBlock(1).address))?.block, contentBlock(1).block)
})

test('check: one at a time, may be stopped, and ends with the store', async (t) => {
  const store = await openAt(await folder(t), 300)
  await putMany(store, 'store', [0, 200])
  const controller = new AbortController()
  const { signal } = controller
  const first = store.care.check({ signal })
  await assert.rejects(store.care.check(), hasCode('E_BUSY'))
  const reason = new Error('enough')
  controller.abort(reason)
  await assert.rejects(first, (error) => error === reason)
  const second = assert.rejects(store.care.check(), hasCode('E_CLOSED'))
  await store.blocks.close()
  await second
  await assert.rejects(store.care.check(), hasCode('E_CLOSED'))
})

test('check: a disk that reads nothing any more costs few blocks, and says so', async (t) => {
  const path = await folder(t)
  await (await openFilled(path, 200)).blocks.close()
  let fails = false
  const store = await openFailing(path, (call) =>
    fails && call === 'read' ? diskError('EIO') : undefined,
  )
  await putMany(store, 'store', [0, 100])
  fails = true
  await assert.rejects(store.care.check(), hasCode('E_STORE_IO'))
  fails = false
  assert.ok((await blocksHere(store, [0, 100])).length >= 95)
  await store.blocks.close()
})

test('scrub: reads all of the store in the background, 32 slots a second', async (t) => {
  const path = await folder(t)
  const before = await openFilled(path, 150)
  await putMany(before, 'store', [0, 100])
  await before.blocks.close()
  const clock = createSimulatedClock()
  const { store, close } = await openSimulated(path, clock)
  const startedAtMs = clock.now()
  await until(clock, () => store.care.stats().scrub.rounds === 1)
  assert.equal(store.care.stats().scrub.checked, 100)
  const tookMs = clock.now() - startedAtMs
  assert.ok(tookMs >= 3000, `${tookMs} ms`)
  await clock.runFor(60_000)
  assert.equal(store.care.stats().scrub.checked, 100, 'and not again soon')
  await close()
})

test('scrub: begins a round once a day, each at another place', async () => {
  const clock = createSimulatedClock()
  const begun: number[] = []
  const places = new Set<string>()
  const range = ({ gt }: IndexBounds): Promise<IndexEntry[]> => {
    if (gt !== undefined) {
      begun.push(clock.now())
      places.add(Buffer.from(gt).toString('hex'))
    }
    return Promise.resolve([])
  }
  const group = { watch: () => ({ has: () => false, stop: () => {} }) }
  const core = { clock, isRebuilt: true, index: { range }, group, rng: createSeededRng(SEED) }
  const scrubber = new Scrubber(core as unknown as DiskCore, {
    get: () => Promise.resolve(undefined),
  })
  scrubber.start()
  await clock.runUntil(3.5 * DAY_MS)
  await scrubber.stop()
  assert.equal(begun.length, 4)
  assert.equal(places.size, 4)
  for (const [i, at] of begun.entries()) assert.ok(Math.abs(at - i * DAY_MS) <= 2000, `${at}`)
  assert.equal(scrubber.counters.rounds, 4)
})

test('scrub: frees what was damaged without anybody asking', async (t) => {
  const path = await folder(t)
  const before = await openFilled(path, 150)
  await putMany(before, 'store', [0, 30])
  await before.blocks.close()
  await damage(path, 150, (slot) => slot < 75)
  const clock = createSimulatedClock()
  const { store, close } = await openSimulated(path, clock)
  await until(clock, () => store.care.stats().scrub.rounds === 1)
  const { scrub, store: inStore } = store.care.stats()
  assert.equal(scrub.freed, 30 - inStore.used)
  assert.ok(scrub.freed > 0)
  assert.equal((await clock.runUntilSettled(blocksHere(store, [0, 30]))).length, inStore.used)
  await close()
})

test('stats: tell of slots, hits, evictions and bytes', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 100)
  await putMany(store, 'store', [0, 80])
  await putMany(store, 'cache', [100, 103])
  await store.blocks.get(contentBlock(100).address, { link: 5 })
  await store.blocks.get(contentBlock(999).address, { link: 5 })
  await store.blocks.get(contentBlock(101).address)
  const stats = store.care.stats()
  assert.deepEqual([stats.slots, stats.filledSlots, stats.filledShare], [100, 100, 1])
  assert.deepEqual([stats.store.slots, stats.store.used, stats.cache.used], [70, 70, 3])
  assert.deepEqual([stats.store.hits, stats.cache.hits, stats.misses], [0, 1, 1])
  assert.equal(stats.puts.stored, 83)
  const { random, 'fullest-link': fullest } = stats.store.evictions
  assert.equal(random + fullest, 10)
  assert.equal(stats.bytesWritten, (100 + 83) * BLOCK_BYTES)
  assert.ok(stats.diskBytes > 0)
  assert.equal(
    stats.latency.put.counts.reduce((sum, count) => sum + count, 0),
    83,
  )
  assert.equal(stats.index.entries, 73)
  assert.equal(stats.index.staleEntries, 10)
  assert.equal(stats.rebuiltShare, 1)
  assert.equal(stats.resize, undefined)
  assert.doesNotThrow(() => JSON.parse(JSON.stringify(stats)) as unknown)
})

/** Turns a bit in the middle of the slots that `isWanted` says. */
async function damage(
  path: string,
  slots: number,
  isWanted: (slot: number) => boolean,
): Promise<void> {
  const file = await open(join(path, 'slab'), 'r+')
  const byte = new Uint8Array(1)
  for (let slot = 0; slot < slots; slot++) {
    if (!isWanted(slot)) continue
    const at = slot * BLOCK_BYTES + 20_000
    await file.read(byte, 0, 1, at)
    byte[0] = (byte[0] as number) ^ 16
    await file.write(byte, 0, 1, at)
  }
  await file.close()
}

/** The store of a folder, in which time passes when a test says so. */
async function openSimulated(
  path: string,
  clock: SimulatedClock,
): Promise<{ store: StorePair; close: () => Promise<void> }> {
  const dir = await openDir(path)
  const options = { ...storeOptions(0), clock }
  const opening = createDiskStore(dir, planOf(dir.storeBytes), options)
  const store = await clock.runUntilSettled(opening)
  return { store, close: () => clock.runUntilSettled(store.blocks.close()) }
}

async function until(clock: SimulatedClock, isSo: () => boolean): Promise<void> {
  const waiting = (async () => {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        clock.after(500, resolve)
      })
    }
  })()
  await clock.runUntilSettled(waiting)
}
