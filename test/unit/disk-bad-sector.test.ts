/** Sectors that take what is written to them, and lose it when it is synced (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import { findBad } from '../../src/datastore/disk-rewrite.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { FailingDisk } from '../helpers/fault-disk.ts'
import { createAt, folder, openAt, openDir, put } from '../helpers/disk-store.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const SLOTS = 100

interface BadSectors {
  readonly dir: DataDir
  /** The next so many slots that are written turn out to be bad. */
  toCome: number
  readonly bad: Set<number>
  syncs: number
  failures: number
}

/** As Linux does: the failed write-back is told once, the page counts as clean, and memory still has it. */
async function withBadSectors(path: string): Promise<BadSectors> {
  const dir = await openDir(path)
  const disk: BadSectors = { dir, toCome: 0, bad: new Set(), syncs: 0, failures: 0 }
  const { slab } = dir
  const [write, sync] = [slab.write.bind(slab), slab.sync.bind(slab)]
  let isDirty = false
  slab.write = async (slot, sealed) => {
    if (disk.toCome > 0 && !disk.bad.has(slot)) {
      disk.toCome--
      disk.bad.add(slot)
    }
    await write(slot, sealed)
    if (disk.bad.has(slot)) isDirty = true
  }
  slab.sync = async () => {
    disk.syncs++
    await sync()
    if (!isDirty) return
    isDirty = false
    disk.failures++
    throw Object.assign(new Error('EIO: imitated'), { code: 'EIO' })
  }
  return disk
}

async function filled(
  t: TestContext,
): Promise<{ disk: BadSectors; store: StorePair; path: string }> {
  const path = await folder(t)
  const disk = await withBadSectors(path)
  const store = await createAt(path, disk.dir, SLOTS, new FailingDisk().clock)
  while (store.blocks.status().filledShare < 1) await sleep(5)
  return { disk, store, path }
}

/** Tries until it goes through, as a person would. */
async function insert(store: StorePair, from: number, count: number): Promise<number> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      const insertId = await store.outbox.begin()
      for (let i = from; i < from + count; i++) {
        await store.outbox.add({ insertId, ...contentBlock(i), homes: [0] })
      }
      while (store.outbox.insert(insertId)?.committed !== true) {
        await store.outbox.commit(insertId).catch(() => sleep(60))
      }
      return insertId
    } catch {
      await sleep(60)
    }
  }
  throw new Error('no insert goes through')
}

test('bad sector: a few commits fail, and no block, insert or put is lost to it', async (t) => {
  const { disk, store, path } = await filled(t)
  for (let i = 0; i < 200; i++) await put(store, contentBlock(i), i % 2 === 0 ? 'store' : 'cache')
  await insert(store, 1000, 1)
  disk.toCome = 1
  await insert(store, 1001, 6)
  assert.equal(disk.bad.size, 1)
  assert.equal(store.blocks.status().condition, 'ok')
  const { failures } = disk
  assert.ok(failures <= 20, `${failures} syncs failed`)
  for (let i = 0; i < 300; i++) await put(store, contentBlock(2000 + i))
  await insert(store, 1010, 3)
  assert.equal(disk.failures, failures, 'the slot is used again')
  await store.blocks.close()
  const after = await openAt(path, SLOTS)
  assert.equal(after.outbox.pendingBlocks, 10)
  for (const i of [1000, 1001, 1002, 1003, 1004, 1005, 1006, 1010, 1011, 1012]) {
    const { address, block } = contentBlock(i)
    assert.deepEqual(await after.outbox.get(address), block)
  }
})

test('bad sector: blocks of peers in it go to another slot, or leave the cache', async (t) => {
  const { disk, store } = await filled(t)
  for (const area of ['store', 'cache'] as const) {
    disk.toCome = 1
    const from = area === 'store' ? 0 : 100
    for (let i = from; i < from + 20; i++)
      assert.equal(await put(store, contentBlock(i), area), 'stored')
    await insert(store, 1000 + from, 1)
    let missing = 0
    for (let i = from; i < from + 20; i++) {
      if ((await store.blocks.get(contentBlock(i).address)) === undefined) missing++
    }
    assert.ok(missing <= (area === 'store' ? 0 : 1), `${missing} of the ${area} are missing`)
  }
  assert.equal(disk.bad.size, 2)
  assert.equal(store.blocks.status().condition, 'ok')
})

test('bad sectors: more than one search finds are left one search after the other', async (t) => {
  const { disk, store } = await filled(t)
  disk.toCome = 20
  for (let i = 0; i < 60; i++) await put(store, contentBlock(i))
  await insert(store, 1000, 2)
  assert.equal(disk.bad.size, 20)
  assert.equal(store.blocks.status().condition, 'ok')
})

test('bad sectors: a disk that fails every sync loses no slot by the search', async (t) => {
  const { disk, store } = await filled(t)
  const { slab } = disk.dir
  const sync = slab.sync.bind(slab)
  for (let i = 0; i < 60; i++) await put(store, contentBlock(i))
  await insert(store, 1000, 2)
  slab.sync = () => Promise.reject(Object.assign(new Error('EIO: imitated'), { code: 'EIO' }))
  const late = contentBlock(99)
  await put(store, late)
  await sleep(500)
  assert.equal(store.blocks.status().condition, 'disk-failing')
  slab.sync = sync
  await insert(store, 1002, 2)
  assert.deepEqual((await store.blocks.get(late.address))?.block, late.block)
  assert.equal(store.blocks.status().blocks, 61)
})

test('finding by halves: the bad ones, no more than asked for, in few questions', async () => {
  for (const bad of [[], [0], [767], [3, 400], [5, 6, 7, 8]]) {
    let questions = 0
    const isGood = async (some: readonly number[]): Promise<boolean> => {
      questions++
      return !some.some((item) => bad.includes(item))
    }
    const items = Array.from({ length: 768 }, (_, i) => i)
    assert.deepEqual(await findBad(items, isGood, 16), bad)
    assert.ok(questions <= 1 + 22 * bad.length, `${questions} questions for ${bad.length}`)
    assert.deepEqual(await findBad(items, isGood, 2), bad.slice(0, 2))
  }
})
