import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { allocatedBytes } from '../../src/datastore/disk-space.ts'
import { planOf, sharesOf } from '../../src/datastore/quota.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { SEED, createAt, folder, hasCode, openDir, openWhole } from '../helpers/disk-store.ts'
import {
  blocksHere,
  checkInsert,
  filled,
  insertMany,
  openFilled,
  putMany,
  putSigned,
  quotaOf,
} from '../helpers/resize-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

test('resize: the quotas that tests use have the slots they say', () => {
  for (const slots of [1, 60, 200, 1000]) {
    assert.equal(planOf(quotaOf(slots)).slots, slots)
    assert.equal(planOf(quotaOf(slots) - 1).slots, slots - 1)
  }
})

test('resize: a store that is a tenth full loses no block when it shrinks', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 600)
  await putMany(store, 'store', [0, 30])
  await putMany(store, 'cache', [100, 115])
  await insertMany(store, [200, 210])
  await putSigned(store, 1, 7)
  await putSigned(store, 2, 8, 'cache')
  await store.care.resize(quotaOf(120))

  const { slots, filledSlots, store: inStore, cache, resize } = store.care.stats()
  assert.deepEqual([slots, filledSlots, resize], [120, 120, undefined])
  assert.deepEqual([inStore.slots, cache.slots], [84, 36])
  assert.equal(store.blocks.status().quotaBytes, quotaOf(120))
  assert.equal((await stat(join(path, 'slab'))).size, 120 * BLOCK_BYTES)
  await checkAll(store)
  assert.deepEqual({ ...inStore.evictions, ...cache.evictions }, noEvictions())
  await store.blocks.close()

  const again = await openWhole(path, quotaOf(120))
  assert.equal(again.care.stats().slots, 120)
  await checkAll(again)

  async function checkAll(pair: StorePair): Promise<void> {
    assert.equal((await blocksHere(pair, [0, 30])).length, 30)
    assert.equal((await blocksHere(pair, [100, 115])).length, 15)
    await checkInsert(pair, [200, 210])
    for (const named of [signedBlock(1, 7), signedBlock(2, 8)]) {
      assert.deepEqual((await pair.blocks.get(named.address))?.block, named.block)
    }
    assert.equal(pair.care.stats().verifyFailures, 0)
  }
})

test('resize: a full store keeps what its new shares have room for', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 300)
  await putMany(store, 'store', [0, 210])
  await putMany(store, 'cache', [1000, 1090])
  const before = store.care.stats()
  assert.deepEqual([before.store.used, before.cache.used], [210, 90])
  await store.care.resize(quotaOf(100))
  const { store: inStore, cache, slots } = store.care.stats()
  assert.deepEqual([slots, inStore.used, cache.used], [100, 70, 30])
  assert.deepEqual([inStore.evictions.resize, cache.evictions.resize], [140, 60])
  assert.equal((await blocksHere(store, [0, 210])).length, 70)
  assert.equal((await blocksHere(store, [1000, 1090])).length, 30)
  await putMany(store, 'store', [300, 400])
  assert.equal(store.care.stats().store.used, 70, 'and goes on as a store of that size')
  assert.equal((await stat(join(path, 'slab'))).size, 100 * BLOCK_BYTES)
})

test('resize: what lies outside the range goes first when a store shrinks', async (t) => {
  const store = await openFilled(await folder(t), 200)
  await putMany(store, 'store', [0, 140])
  const near: number[] = []
  const range = { from: 0, to: 2 ** 46 }
  store.blocks.setRange(range)
  for await (const { address } of store.blocks.walk(range)) {
    near.push(numberOf(address, 140))
  }
  assert.ok(near.length > 10 && near.length < 70, `${near.length} in the range`)
  await store.care.resize(quotaOf(100))
  const here = await blocksHere(store, [0, 140])
  assert.deepEqual(
    near.filter((number) => !here.includes(number)),
    [],
  )
})

test('resize: a larger store takes more, keeps all it has, and is filled in the background', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 60)
  await putMany(store, 'store', [0, 42])
  await insertMany(store, [100, 105])
  await store.care.resize(quotaOf(500))
  assert.equal(store.care.stats().slots, 500)
  await putMany(store, 'store', [200, 400])
  await filled(store)
  assert.equal((await stat(join(path, 'slab'))).size, 500 * BLOCK_BYTES)
  assert.equal((await blocksHere(store, [0, 42])).length, 42)
  assert.equal((await blocksHere(store, [200, 400])).length, 200)
  await checkInsert(store, [100, 105])
  await store.blocks.close()
  const again = await openWhole(path, quotaOf(500))
  assert.equal(again.care.stats().store.used, 242)
})

test('resize: an open with another size resizes in the background', async (t) => {
  const path = await folder(t)
  const before = await openFilled(path, 300)
  await putMany(before, 'store', [0, 50])
  await before.blocks.close()
  const store = await openWhole(path, quotaOf(90))
  while (store.care.stats().slots !== 90) await sleep(5)
  while (store.care.stats().resize !== undefined) await sleep(5)
  assert.equal((await blocksHere(store, [0, 50])).length, 50)
  const header = JSON.parse(await readFile(join(path, 'store.json'), 'utf8')) as object
  assert.deepEqual(header, { format: 1, storeBytes: quotaOf(90) })
})

test('resize: growing and shrinking again and again loses nothing that fits', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 100)
  await putMany(store, 'store', [0, 40])
  await putMany(store, 'cache', [100, 118])
  await insertMany(store, [200, 208])
  for (const slots of [400, 80, 90, 333, 80, 1000, 81]) {
    await store.care.resize(quotaOf(slots))
    if (slots % 2 === 0) await filled(store)
    assert.equal((await blocksHere(store, [0, 40])).length, 40, `at ${slots}`)
    assert.equal((await blocksHere(store, [100, 118])).length, 18 - lostFor(slots), `at ${slots}`)
    await checkInsert(store, [200, 208])
    assert.ok((await stat(join(path, 'slab'))).size <= slots * BLOCK_BYTES)
  }
  assert.equal(store.care.stats().verifyFailures, 0)

  /** 80 slots have a cache share of 24, and the inserts take 8 of it. */
  function lostFor(slots: number): number {
    return slots >= 400 && store.care.stats().cache.evictions.resize === 0 ? 0 : 2
  }
})

test('resize: to a size in which pending inserts have no room is E_STORE_FULL, and changes nothing', async (t) => {
  const store = await openFilled(await folder(t), 200)
  await putMany(store, 'store', [0, 100])
  await insertMany(store, [200, 225])
  await assert.rejects(store.care.resize(quotaOf(100)), hasCode('E_STORE_FULL'))
  assert.equal(store.care.stats().slots, 200)
  assert.equal((await blocksHere(store, [0, 100])).length, 100)
  assert.equal(store.outbox.capacityBlocks, sharesOf(200).outboxBlocks)
  await store.care.resize(quotaOf(180))
  await checkInsert(store, [200, 225])
})

test('resize: no such size is E_OPTION, a second resize at a time E_BUSY, and after the end E_CLOSED', async (t) => {
  const store = await openFilled(await folder(t), 100)
  for (const bytes of [0, -1, quotaOf(0), 0.5, Number.NaN, Infinity, 2 ** 53]) {
    await assert.rejects(store.care.resize(bytes), hasCode('E_OPTION'), `${bytes}`)
  }
  const first = store.care.resize(quotaOf(50))
  await assert.rejects(store.care.resize(quotaOf(60)), hasCode('E_BUSY'))
  await first
  await store.care.resize(quotaOf(60))
  await store.blocks.close()
  await assert.rejects(store.care.resize(quotaOf(50)), hasCode('E_CLOSED'))
})

test('resize: a disk without the room is E_STORE_FULL, and the store keeps its size', async (t) => {
  const path = await folder(t)
  const store = await openFilled(path, 100)
  await assert.rejects(store.care.resize(2 ** 46), hasCode('E_STORE_FULL'))
  assert.equal(store.care.stats().slots, 100)
  assert.match(await readFile(join(path, 'store.json'), 'utf8'), new RegExp(`${quotaOf(100)}`))
})

test('resize: goes on while the slab is being filled, up and down', async (t) => {
  const path = await folder(t)
  const store = await openWhole(path, quotaOf(1000))
  await putMany(store, 'store', [0, 20])
  assert.ok(store.blocks.status().filledShare < 1)
  await store.care.resize(quotaOf(60))
  assert.ok((await stat(join(path, 'slab'))).size <= 60 * BLOCK_BYTES)
  await store.care.resize(quotaOf(800))
  await putMany(store, 'store', [20, 60])
  await store.care.resize(quotaOf(400))
  await filled(store)
  assert.equal((await stat(join(path, 'slab'))).size, 400 * BLOCK_BYTES)
  assert.equal((await blocksHere(store, [0, 60])).length, 60)
})

test('resize: to a size whose index has larger buffers, and back, while it is read', async (t) => {
  const store = await openFilled(await folder(t), 60)
  await putMany(store, 'store', [0, 40])
  const churn = { isOver: false }
  const reading = (async () => {
    while (!churn.isOver) assert.equal((await blocksHere(store, [0, 40])).length, 40)
  })()
  await store.care.resize(2.5 * 2 ** 30)
  assert.ok(store.care.stats().slots > 70_000)
  await putMany(store, 'cache', [100, 110])
  await store.care.resize(quotaOf(60))
  churn.isOver = true
  await reading
  assert.equal((await blocksHere(store, [100, 110])).length, 10)
  assert.equal(store.care.stats().slots, 60)
})

test('resize: no sample of a churn with resizes takes more than the quota', async (t) => {
  const path = await folder(t)
  const rng = createSeededRng(SEED + 3)
  const store = await openWhole(path, quotaOf(300))
  let highest = quotaOf(300)
  const churn = { isOver: false }
  const samples: number[] = []
  const sampling = (async () => {
    while (!churn.isOver) {
      const most = Math.max(highest, store.blocks.status().quotaBytes)
      const bytes = await allocatedBytes(path)
      samples.push(bytes / most)
      await sleep(50)
    }
  })()
  let next = 0
  const churning = (async () => {
    while (!churn.isOver) {
      const area = next % 3 === 0 ? 'cache' : 'store'
      await putMany(store, area, [next, (next += 16)])
    }
  })()
  for (const slots of [150, 700, 90, 400, 100]) {
    const quotaBytes = quotaOf(slots)
    highest = Math.max(quotaBytes, store.blocks.status().quotaBytes)
    await store.care.resize(quotaBytes)
    assert.ok((await allocatedBytes(path)) <= quotaBytes, 'within the new one when it resolves')
    highest = quotaBytes
    await sleep(100 + rng.below(300))
  }
  churn.isOver = true
  await Promise.all([sampling, churning])
  const worst = Math.max(...samples)
  assert.ok(worst <= 1, `${worst} of the quota in ${samples.length} samples`)
  assert.ok(samples.length > 10 && next > 500, `${samples.length} samples, ${next} blocks`)
})

test('resize: a block whose slow write ends above the new end in the middle of a pass is kept', async (t) => {
  const path = await folder(t)
  await (await openFilled(path, 300)).blocks.close()
  const dir = await openDir(path)
  const releases: (() => void)[] = []
  const write = dir.slab.write.bind(dir.slab)
  const range = dir.index.range.bind(dir.index)
  const state = { isSlow: false, isResizing: false, passes: 0 }
  dir.slab.write = async (slot, bytes) => {
    if (state.isSlow && slot >= 150) {
      await new Promise<void>((resolve) => {
        releases.push(resolve)
      })
    }
    await write(slot, bytes)
  }
  dir.index.range = async (...of) => {
    const page = await range(...of)
    if (state.isResizing && ++state.passes === 6) {
      for (const release of releases) release()
      await sleep(20)
    }
    return page
  }
  const store = await createAt(path, dir, 300)
  const insertId = await store.outbox.begin()
  state.isSlow = true
  const adds = Array.from({ length: 8 }, (_, number) =>
    store.outbox.add({ insertId, ...contentBlock(number), homes: [0] }),
  )
  await sleep(50)
  state.isResizing = true
  const resizing = store.care.resize(quotaOf(150))
  await Promise.all(adds)
  assert.ok(releases.length > 0)
  await store.outbox.commit(insertId)
  await resizing
  assert.equal(store.care.stats().slots, 150)
  await checkInsert(store, [0, 8])
})

test('resize: blocks whose entries were lost are given up, and those of inserts that have theirs are not', async (t) => {
  const path = await folder(t)
  await (await openFilled(path, 200)).blocks.close()
  const dir = await openDir(path)
  const store = await createAt(path, dir, 200)
  await insertMany(store, [0, 8])
  await putMany(store, 'store', [100, 160])
  const state = { isLosing: true }
  const range = dir.index.range.bind(dir.index)
  // a pass never meets any entry: nothing but the outbox knows where its blocks are
  dir.index.range = async (...of) => {
    const page = await range(...of)
    return state.isLosing ? [] : page
  }
  const resizing = store.care.resize(quotaOf(80))
  await until(() => store.care.stats().store.evictions.resize > 30)
  state.isLosing = false
  await resizing
  await checkInsert(store, [0, 8])
})

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5)
}

function numberOf(address: Uint8Array, most: number): number {
  for (let number = 0; number < most; number++) {
    if (Buffer.compare(contentBlock(number).address, address) === 0) return number
  }
  return -1
}

function noEvictions(): Record<string, number> {
  return {
    'out-of-range': 0,
    'fullest-link': 0,
    random: 0,
    'asked-once': 0,
    cold: 0,
    resize: 0,
  }
}
