/** A store whose slab cannot become as long as planned (spec §11.4). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { allocatedBytes } from '../../src/datastore/disk-space.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { systemClock } from '../../src/runtime.ts'
import type { Clock } from '../../src/runtime.ts'
import { createAt, folder, openDir } from '../helpers/disk-store.ts'
import {
  blocksHere,
  checkInsert,
  diskError,
  filled,
  insertMany,
  putMany,
} from '../helpers/resize-store.ts'
import { contentBlock } from '../helpers/signed-block.ts'

/** The plan, and what of it the disk takes: its store share is 70, and its cache share 30. */
const SLOTS = 1000
const IN_REACH = 100

test('disk full: what the slots that are there hold is not given up for the smaller shares', async (t) => {
  const { store, disk } = await openShort(t)
  await putMany(store, 'store', [0, 90])
  disk.isFull = true
  await until(() => store.blocks.status().condition === 'disk-full')
  await putMany(store, 'store', [90, 91])
  const { store: inStore, slots } = store.care.stats()
  assert.equal(slots, SLOTS)
  assert.ok(inStore.used >= 90, `${inStore.used} blocks of 91`)
  assert.ok(evicted(store) <= 1)
})

test('disk full: each block that comes takes the place of one, and the areas near their shares', async (t) => {
  const { store, disk } = await openShort(t)
  await putMany(store, 'store', [0, 96])
  disk.isFull = true
  await until(() => store.blocks.status().condition === 'disk-full')
  const filledSlots = store.care.stats().filledSlots
  assert.equal(filledSlots, IN_REACH)
  let before = evicted(store)
  for (let number = 200; number < 300; number++) {
    const area = number % 2 === 0 ? 'cache' : 'store'
    await store.blocks.put({ ...contentBlock(number), area, home: 0, link: 1 })
    const now = evicted(store)
    assert.ok(now - before <= 1, `${now - before} blocks went for one`)
    before = now
  }
  const { store: inStore, cache } = store.care.stats()
  assert.equal(inStore.used + cache.used, IN_REACH)
  assert.ok(cache.used >= 20, `the cache has ${cache.used} slots`)
  await insertMany(store, [400, 410])
  await checkInsert(store, [400, 410])
})

test('disk full: with room again the store takes all that was planned', async (t) => {
  const { store, disk } = await openShort(t)
  await putMany(store, 'store', [0, 90])
  disk.isFull = true
  await until(() => store.blocks.status().condition === 'disk-full')
  disk.slots = SLOTS
  await filled(store)
  const { store: inStore, cache } = store.care.stats()
  assert.deepEqual([inStore.slots, cache.slots], [700, 300])
  assert.equal((await blocksHere(store, [0, 90])).length, 90)
})

test('disk full: the state that such a store saves is used by the next open', async (t) => {
  const { store, disk, path } = await openShort(t)
  await putMany(store, 'store', [0, 60])
  await putMany(store, 'cache', [100, 120])
  disk.isFull = true
  await until(() => store.blocks.status().condition === 'disk-full')
  await store.blocks.close()
  const dir = await openDir(path)
  let pages = 0
  const range = dir.index.range.bind(dir.index)
  dir.index.range = (...of) => {
    pages++
    return range(...of)
  }
  dir.slab.extend = () => Promise.reject(diskError('ENOSPC'))
  const again = await createAt(path, dir, SLOTS)
  assert.equal(pages, 0, 'the index was read again')
  assert.equal(again.care.stats().store.used, 60)
  assert.equal((await blocksHere(again, [100, 120])).length, 20)
})

test('filling: what the store takes of the disk is told as it grows', async (t) => {
  const { store, disk, path } = await openShort(t)
  disk.slots = SLOTS
  await filled(store)
  const { diskBytes } = store.care.stats()
  assert.ok(diskBytes >= SLOTS * BLOCK_BYTES, `${diskBytes} bytes at once`)
  assert.ok(diskBytes < (await allocatedBytes(path)) + 2 ** 20)
})

interface Short {
  readonly store: StorePair
  readonly path: string
  readonly disk: { isFull: boolean; slots: number }
}

/** A store of which IN_REACH slots are there; the next one waits for `isFull`, or for more `slots`. */
async function openShort(t: TestContext): Promise<Short> {
  const path = await folder(t)
  const dir = await openDir(path)
  const disk = { isFull: false, slots: IN_REACH }
  const extend = dir.slab.extend.bind(dir.slab)
  t.after(() => {
    disk.isFull = true
  })
  dir.slab.extend = async (count) => {
    const end = dir.slab.slots + count
    await extend(Math.max(0, Math.min(end, disk.slots) - dir.slab.slots))
    await until(() => disk.isFull || disk.slots >= end)
    if (disk.slots < end) throw diskError('ENOSPC')
    await extend(end - dir.slab.slots)
  }
  const store = await createAt(path, dir, SLOTS, hastyClock)
  await until(() => store.care.stats().filledSlots === IN_REACH)
  return { store, path, disk }
}

/** Nobody waits longer than 20 ms. */
const hastyClock: Clock = {
  now: () => systemClock.now(),
  after: (delayMs, task) => systemClock.after(Math.min(delayMs, 20), task),
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5)
}

function evicted(store: StorePair): number {
  const stats = store.care.stats()
  return [stats.store, stats.cache]
    .flatMap(({ evictions }) => Object.values(evictions))
    .reduce((sum, count) => sum + count, 0)
}
