import assert from 'node:assert/strict'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { foundKey, insertKey } from '../../src/datastore/keyspace.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { SEED, createAt, folder, hasCode, openDir, openWhole } from '../helpers/disk-store.ts'
import {
  blocksHere,
  checkInsert,
  diskError,
  filled,
  insertMany,
  openAgain,
  openFailing,
  openFilled,
  putMany,
  quotaOf,
} from '../helpers/resize-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

test('resize: aborted, the store has its old size, and all that its new shares had room for', async (t) => {
  const path = await folder(t)
  const rng = createSeededRng(SEED)
  const store = await openFilled(path, 400)
  await putMany(store, 'store', [0, 60])
  await putMany(store, 'cache', [100, 120])
  await insertMany(store, [200, 210])
  const reason = new Error('not now')
  let aborted = 0
  for (let round = 0; round < 12; round++) {
    const controller = new AbortController()
    const resizing = store.care.resize(quotaOf(110 + round), { signal: controller.signal })
    await sleep(rng.below(30))
    controller.abort(reason)
    const error = await resizing.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (error === undefined) await store.care.resize(quotaOf(400))
    else assert.equal(error, reason)
    if (error !== undefined) aborted++
    assert.equal(store.care.stats().slots, 400)
    assert.equal(store.outbox.capacityBlocks, 60)
    assert.equal((await blocksHere(store, [0, 60])).length, 60, `SEED=${SEED}`)
    assert.equal((await blocksHere(store, [100, 120])).length, 20, `SEED=${SEED}`)
    await checkInsert(store, [200, 210])
    await putMany(store, 'store', [1000 + round, 1001 + round])
    if (round % 4 === 3) await filled(store)
  }
  assert.ok(aborted > 0)
  assert.equal((await stat(join(path, 'slab'))).size % BLOCK_BYTES, 0)
})

test('resize: a close in the middle ends it at once, and the next open has all of it', async (t) => {
  const path = await folder(t)
  const rng = createSeededRng(SEED + 1)
  let store = await openFilled(path, 500)
  await putMany(store, 'store', [0, 50])
  await insertMany(store, [200, 210])
  for (let round = 0; round < 6; round++) {
    const resizing = store.care.resize(quotaOf(100 + round)).catch((error: unknown) => {
      assert.ok(hasCode('E_CLOSED')(error), String(error))
    })
    await sleep(rng.below(25))
    await store.blocks.close()
    await resizing
    store = await openAgain(path)
    const { slots } = store.care.stats()
    assert.ok(slots === 500 || slots === 100 + round, `${slots} slots`)
    assert.equal((await blocksHere(store, [0, 50])).length, 50, `SEED=${SEED}`)
    await checkInsert(store, [200, 210])
    if (slots !== 500) await store.care.resize(quotaOf(500))
    await filled(store)
  }
})

test('resize: a damaged slot that has to move is lost alone, also of an insert', async (t) => {
  const path = await folder(t)
  const before = await openFilled(path, 200)
  await putMany(before, 'store', [0, 20])
  await putMany(before, 'cache', [100, 110])
  await insertMany(before, [200, 205])
  await before.blocks.close()
  const rots = createSeededRng(SEED)
  const broken: number[] = []
  const file = await open(join(path, 'slab'), 'r+')
  for (let slot = 0; slot < 200; slot += 3) {
    broken.push(slot)
    await file.write(Uint8Array.of(rots.below(256), 1, 2, 3), 0, 4, slot * BLOCK_BYTES + 9999)
  }
  await file.close()
  const store = await openAgain(path)
  await store.care.resize(quotaOf(70))
  assert.equal(store.care.stats().slots, 70)
  const here = [...(await blocksHere(store, [0, 20])), ...(await blocksHere(store, [100, 110]))]
  assert.ok(here.length >= 5 && here.length <= 30)
  for (let number = 200; number < 205; number++) {
    const found = await store.outbox.get(contentBlock(number).address)
    if (found !== undefined) assert.deepEqual(found, contentBlock(number).block)
  }
  assert.equal((await stat(join(path, 'slab'))).size, 70 * BLOCK_BYTES)
})

test('resize: slots whose entries were lost are given up, and hold up nobody', async (t) => {
  const path = await folder(t)
  await (await openFilled(path, 200)).blocks.close()
  const dir = await openDir(path)
  const store = await createAt(path, dir, 200)
  await putMany(store, 'store', [0, 60])
  await putMany(store, 'cache', [100, 130])
  await insertMany(store, [200, 204])
  const meta = insertKey(dir.keys, 0).id
  const all = await dir.index.range({}, 1000)
  const lost = all.filter(({ key }, i) => i % 3 === 0 && foundKey(key).id !== meta)
  await dir.index.write(lost.map(({ key }) => ({ key, value: undefined })))
  await store.care.resize(quotaOf(110))
  const { slots, store: inStore, cache, outbox } = store.care.stats()
  assert.equal(slots, 110)
  assert.equal((await stat(join(path, 'slab'))).size, 110 * BLOCK_BYTES)
  const here = [...(await blocksHere(store, [0, 60])), ...(await blocksHere(store, [100, 130]))]
  assert.ok(here.length >= 88 - lost.length && here.length <= 90)
  assert.ok(inStore.used + cache.used + outbox.used >= here.length)
  await putMany(store, 'store', [300, 400])
  assert.equal(store.care.stats().store.used, 77)
})

test('resize: a disk that is full has the store shrink, and says why it does not grow', async (t) => {
  const path = await folder(t)
  await (await openWhole(path, quotaOf(600))).blocks.close()
  let isFull = false
  const store = await openFailing(path, (call) =>
    isFull && call === 'extend' ? diskError('ENOSPC') : undefined,
  )
  await putMany(store, 'store', [0, 30])
  isFull = true
  while (store.blocks.status().condition !== 'disk-full') await sleep(5)
  const { filledSlots, store: inStore } = store.care.stats()
  assert.ok(filledSlots < 600)
  assert.equal(inStore.slots, sharesOf(filledSlots).storeSlots, 'it works with what is there')
  await store.care.resize(quotaOf(filledSlots - 20))
  assert.equal(store.blocks.status().condition, 'ok')
  assert.equal(store.care.stats().filledSlots, filledSlots - 20)
  assert.equal((await blocksHere(store, [0, 30])).length, 30)
  await store.blocks.close()
})

test('resize: where a write fails the store stays as it was, and can be resized later', async (t) => {
  for (const call of ['write', 'sync', 'flush', 'truncate']) {
    const path = await folder(t)
    await (await openFilled(path, 300)).blocks.close()
    let fails = false
    const store = await openFailing(path, (name) =>
      fails && name === call ? diskError('EIO') : undefined,
    )
    await putMany(store, 'store', [0, 30])
    await insertMany(store, [100, 110])
    fails = true
    await assert.rejects(store.care.resize(quotaOf(80)), hasCode('E_STORE_IO'), call)
    fails = false
    assert.equal(store.care.stats().slots, 300)
    assert.equal((await blocksHere(store, [0, 30])).length, 30, call)
    await store.care.resize(quotaOf(80))
    assert.equal((await blocksHere(store, [0, 30])).length, 30, call)
    await checkInsert(store, [100, 110])
    await store.blocks.close()
  }
})

test('resize: the end at any write of a shrink or a grow leaves a whole store of one of the sizes', async (t) => {
  const rng = createSeededRng(SEED + 2)
  const calls = new Set<string>()
  for (const [from, to] of [
    [90, 40],
    [40, 90],
  ] as const) {
    let isOver = false
    for (let writes = 1 + rng.below(2); !isOver; writes += 1 + rng.below(5)) {
      const path = await folder(t)
      isOver = await endAt(path, writes, [from, to])
      const store = await openAgain(path)
      const why = `after ${writes} writes from ${from} to ${to} slots, SEED=${SEED}`
      const { slots } = store.care.stats()
      assert.ok(slots === from || slots === to, `${slots} slots ${why}`)
      assert.equal((await blocksHere(store, [0, 20])).length, 20, why)
      assert.equal((await blocksHere(store, [100, 106])).length, 6, why)
      await checkInsert(store, [200, 205])
      await filled(store)
      assert.equal((await stat(join(path, 'slab'))).size, slots * BLOCK_BYTES, why)
      await store.care.resize(quotaOf(from + to - slots))
      assert.equal((await blocksHere(store, [0, 20])).length, 20, why)
      assert.equal(store.care.stats().verifyFailures, 0, why)
      await store.blocks.close()
    }
  }
  for (const call of ['flush', 'saveStoreBytes', 'setLimits', 'sync', 'truncate', 'write']) {
    assert.ok(calls.has(call), call)
  }

  /** Fills a store and resizes it, with no write after so many. True: it needed fewer. */
  async function endAt(
    path: string,
    writes: number,
    [from, to]: readonly [number, number],
  ): Promise<boolean> {
    await (await openFilled(path, from)).blocks.close()
    let left = Infinity
    const store = await openFailing(path, (call) => {
      if (call === 'read') return undefined
      if (left < Infinity) calls.add(call)
      return left-- > 0 ? undefined : diskError('EIO')
    })
    await putMany(store, 'store', [0, 20])
    await putMany(store, 'cache', [100, 106])
    await insertMany(store, [200, 205])
    left = writes
    const error = await store.care.resize(quotaOf(to)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(left <= 0 || error === undefined, `${String(error)}, SEED=${SEED}`)
    left = 0
    await store.blocks.close().catch(() => {})
    return error === undefined
  }
})
