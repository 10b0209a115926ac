import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { planOf, sharesOf } from '../../src/datastore/quota.ts'
import { openSlab } from '../../src/datastore/slab.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../../src/options.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

test('slab: slots are written and read whole, in any order, also after a reopen', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 4)
  for (const slot of [3, 0, 1]) await slab.write(slot, contentBlock(slot).block)
  await slab.sync()
  await slab.close()
  const again = await openSlab(path, 4)
  for (const slot of [0, 1, 3]) {
    assert.deepEqual(await again.read(slot, (bytes) => bytes.slice()), contentBlock(slot).block)
  }
  assert.ok(await again.read(2, (bytes) => bytes.every((byte) => byte === 0)))
  await again.close()
})

test('slab: many reads at once do not share bytes', async (t) => {
  const slab = await openSlab(await slabPath(t), 50)
  for (let slot = 0; slot < 50; slot++) await slab.write(slot, contentBlock(slot).block)
  const reads = Array.from({ length: 50 }, (_, slot) =>
    slab.read(slot, (bytes) => assert.deepEqual(bytes, contentBlock(slot).block)),
  )
  await Promise.all(reads)
  await slab.close()
})

test('slab: is sparse, for the owner alone, and takes the size it is given', async (t) => {
  const path = await slabPath(t)
  await (await openSlab(path, 1000)).close()
  const { size, blocks, mode } = await stat(path)
  assert.equal(size, 1000 * BLOCK_BYTES)
  assert.ok(blocks * 512 < BLOCK_BYTES)
  assert.equal(mode & 0o777, 0o600)
  for (const slots of [10, 2000]) {
    await (await openSlab(path, slots)).close()
    assert.equal((await stat(path)).size, slots * BLOCK_BYTES)
  }
})

test('slab: a read beyond the end of the file rejects', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 2)
  await truncate(path, BLOCK_BYTES + 5)
  await assert.rejects(slab.read(1, () => {}))
  await slab.close()
})

test('slot table: takes every slot once, and none beyond', () => {
  const table = emptyTable(50)
  const taken = Array.from({ length: 50 }, () => table.take('cache')?.slot)
  assert.equal(new Set(taken).size, 50)
  assert.equal(table.take('cache'), undefined)
  assert.deepEqual(table.used, { store: 0, cache: 50, outbox: 0 })
  assert.equal(table.entries, 50)
})

test('slot table: a slot counts for the store before the cache before the outbox', () => {
  const table = emptyTable(4)
  const { slot } = table.take('outbox') as { slot: number }
  assert.equal(table.useOf(slot), 'outbox')
  for (let home = 0; home < 3; home++) table.reference(slot, 'cache')
  assert.equal(table.useOf(slot), 'cache')
  for (let home = 0; home < 4; home++) table.reference(slot, 'store')
  assert.equal(table.useOf(slot), 'store')
  assert.deepEqual([table.count(slot, 'store'), table.count(slot, 'cache')], [4, 3])
  assert.deepEqual(table.used, { store: 1, cache: 0, outbox: 0 })
  table.releaseAreas(slot)
  assert.deepEqual(table.used, { store: 0, cache: 0, outbox: 1 })
  assert.equal(table.entries, 0)
  table.release(slot, 'outbox')
  assert.equal(table.useOf(slot), undefined)
})

test('slot table: a freed slot makes what named it stale', () => {
  const table = emptyTable(1)
  const first = table.take('store') as { slot: number; generation: number }
  assert.equal(table.isCurrent(first), true)
  table.release(first.slot, 'store')
  assert.equal(table.isCurrent(first), false)
  const second = table.take('store') as { slot: number; generation: number }
  assert.equal(table.isCurrent(second), true)
  assert.equal(table.isCurrent(first), false)
  assert.equal(table.isCurrent({ slot: 9, generation: 0 }), false)
})

test('slot table: what is freed after the commit is not taken before', () => {
  const table = emptyTable(1)
  table.release(table.take('store')?.slot as number, 'store', 'after-commit')
  assert.equal(table.take('store'), undefined)
  const limbo = table.takeLimbo()
  assert.equal(table.hasLimbo, true, 'a commit is about to free it')
  table.keepLimbo(limbo)
  assert.equal(table.hasLimbo, true)
  table.free(table.takeLimbo())
  assert.equal(table.hasLimbo, false)
  assert.notEqual(table.take('store'), undefined)
})

test('slot table: entries of another generation, or of no slot, are void', () => {
  const table = new SlotTable(4, createSeededRng(1))
  assert.equal(table.restore({ slot: 2, generation: 9 }, 'store'), true)
  assert.equal(table.restore({ slot: 2, generation: 9 }, 'outbox'), true)
  assert.equal(table.restore({ slot: 2, generation: 8 }, 'cache'), false)
  assert.equal(table.restore({ slot: 4, generation: 9 }, 'cache'), false)
  table.finishRestore()
  const taken = [table.take('cache'), table.take('cache'), table.take('cache')]
  assert.equal(taken.map((tenure) => tenure?.slot).includes(2), false)
  assert.equal(table.take('cache'), undefined)
})

test('quota: slots and reserve never exceed what was lent, at any size', () => {
  for (const storeBytes of [
    MIN_STORE_BYTES,
    256 * 2 ** 20,
    2 ** 31 - 1,
    2 ** 31,
    MAX_STORE_BYTES,
  ]) {
    const plan = planOf(storeBytes)
    const rest = storeBytes - plan.slots * BLOCK_BYTES - plan.indexBytes
    assert.ok(rest >= 3 * 2 ** 20, `${rest} bytes for keys and other files`)
    assert.ok(plan.slots >= 1000 && plan.slots < 2 ** 32)
  }
  assert.equal(planOf(2 ** 20).slots, 0)
})

test('quota: 70 % store, 30 % cache, the outbox at most half of it', () => {
  assert.deepEqual(sharesOf(100), {
    slots: 100,
    storeSlots: 70,
    cacheSlots: 30,
    outboxBlocks: 15,
    maxEntries: 200,
  })
  assert.equal(sharesOf(2 ** 28).outboxBlocks, 262_144)
  assert.equal(sharesOf(1).storeSlots, 1)
})

function emptyTable(slots: number): SlotTable {
  const table = new SlotTable(slots, createSeededRng(slots))
  table.finishRestore()
  return table
}

async function slabPath(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-slab-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return join(path, 'slab')
}
