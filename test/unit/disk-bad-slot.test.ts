/** Slots that a disk does not take (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import type { SlotTenure } from '../../src/datastore/slot-table.ts'
import { SEED, createAt, folder, openDir, put } from '../helpers/disk-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

/** Writes to slots that `isBad` fail with `code`. */
function spoil(dir: DataDir, isBad: (slot: number) => boolean, code = 'EIO'): void {
  const write = dir.slab.write.bind(dir.slab)
  dir.slab.write = (slot, sealed) => {
    const error = Object.assign(new Error(`${code}: imitated`), { code })
    return isBad(slot) ? Promise.reject(error) : write(slot, sealed)
  }
}

test('bad slots: a full store goes on beside some that cannot be written', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  let bad = new Set<number>()
  spoil(dir, (slot) => bad.has(slot))
  const store = await createAt(path, dir, 100)
  for (let i = 0; i < 200; i++) {
    await put(store, contentBlock(i), i % 2 === 0 ? 'store' : 'cache')
  }
  bad = new Set([3, 37, 62])
  let refused = 0
  for (let i = 0; i < 1000; i++) {
    const area = i % 2 === 0 ? 'store' : 'cache'
    if ((await put(store, contentBlock(5000 + i), area)) === 'refused') refused++
  }
  assert.ok(refused <= 3, `${refused} of 1000 were refused`)
  assert.ok(store.blocks.status().blocks >= 95)
})

test('bad slots: a disk that takes nothing for a while costs few blocks, and loses no slot for good', async (t) => {
  for (const code of ['EIO', 'ENOSPC']) {
    const path = await folder(t)
    const dir = await openDir(path)
    let isFailing = false
    spoil(dir, () => isFailing, code)
    const store = await createAt(path, dir, 100)
    for (let i = 0; i < 200; i++) await put(store, contentBlock(i))
    const { blocks } = store.blocks.status()
    isFailing = true
    for (let i = 0; i < 300; i++) {
      assert.equal(await put(store, contentBlock(5000 + i)), 'refused')
    }
    isFailing = false
    assert.ok(store.blocks.status().blocks >= blocks - 5, code)
    assert.equal(await put(store, contentBlock(6000)), 'stored')
  }
})

test('bad slots: failed writes do not bring the generation of a slot round to one of before', async (t) => {
  for (let failures = 250; failures < 260; failures++) {
    const path = await folder(t)
    const dir = await openDir(path)
    let isFull = false
    spoil(dir, () => isFull, 'ENOSPC')
    const store = await createAt(path, dir, 1)
    await put(store, contentBlock(1))
    await store.outbox.commit(await store.outbox.begin())
    isFull = true
    for (let i = 0; i < failures; i++) await put(store, contentBlock(5000 + i))
    isFull = false
    await put(store, contentBlock(9000))
    assert.equal(await store.blocks.get(contentBlock(1).address), undefined)
    assert.notEqual(await store.blocks.get(contentBlock(9000).address), undefined)
    assert.equal(store.care.stats().verifyFailures, 0)
  }
})

test('slot table: one that goes back keeps its generation, one set aside is not taken for long', () => {
  const table = new SlotTable(20, createSeededRng(SEED))
  table.extend(20)
  const first = table.take('store') as SlotTenure
  table.giveBack(first.slot)
  assert.deepEqual(table.tenure(first.slot), first)
  assert.deepEqual([table.freeCount, table.heldCount, table.used.store], [20, 0, 0])
  const aside = Array.from({ length: 4 }, () => table.take('outbox') as SlotTenure)
  for (const { slot } of aside) table.setAside(slot)
  table.setLimit(10)
  table.setLimit(20)
  assert.deepEqual([table.freeCount, table.used.outbox], [16, 0])
  const fifth = table.take('cache') as SlotTenure
  table.setAside(fifth.slot)
  const left: number[] = []
  for (let next = table.take('cache'); next !== undefined; next = table.take('cache')) {
    left.push(next.slot)
  }
  assert.equal(left.length, 16)
  assert.ok(
    left.includes(aside[0]?.slot ?? -1),
    'the one that was set aside first may be tried again',
  )
})
