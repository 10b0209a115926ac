/** Blocks of inserts that the disk loses before they have copies count as lost, never as spread (spec §11.7). @module */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { OutboxEntry, StorePair } from '../../src/datastore/store.ts'
import { createAt, folder, hasCode, openAt, openDir, openKillable } from '../helpers/disk-store.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const SLOTS = 100
const noise = new Uint8Array(32_768).fill(7)

async function insertOf(store: StorePair, count: number): Promise<number> {
  const insertId = await store.outbox.begin()
  for (let i = 0; i < count; i++) {
    await store.outbox.add({ insertId, ...contentBlock(i), homes: [0] })
  }
  return insertId
}

async function spreadOldest(store: StorePair): Promise<OutboxEntry> {
  for (const entry of store.outbox.entries()) {
    await store.outbox.homeDone(entry, 0)
    return entry
  }
  throw new Error('nothing waits')
}

test('losses: what cannot be read counts as lost, also after a stop and after a kill', async (t) => {
  const path = await folder(t)
  let { store, dir, kill } = await openKillable(path, SLOTS)
  const insertId = await insertOf(store, 6)
  await store.outbox.commit(insertId)
  await spreadOldest(store)
  for (let slot = 0; slot < dir.slab.slots; slot++) await dir.slab.write(slot, noise)
  for (const i of [1, 2]) assert.equal(await store.outbox.get(contentBlock(i).address), undefined)
  const told = { insertId, blocks: 6, spreadBlocks: 1, lostBlocks: 2, committed: true }
  assert.deepEqual(store.outbox.insert(insertId), told)
  await store.outbox.commit(await store.outbox.begin()) // what waits comes to the disk
  await store.blocks.close()
  ;({ store, dir, kill } = await openKillable(path, SLOTS))
  assert.deepEqual(store.outbox.insert(insertId), told)
  await kill()
  ;({ store, dir, kill } = await openKillable(path, SLOTS))
  assert.deepEqual(store.outbox.insert(insertId), told)
  for (const i of [3, 4, 5])
    assert.equal(await store.outbox.get(contentBlock(i).address), undefined)
  const end = { ...told, lostBlocks: 5 }
  assert.deepEqual(store.outbox.insert(insertId), end)
  assert.equal(store.outbox.pendingBlocks, 0)
  await store.blocks.close()
})

test('losses: an open insert that lost a block cannot be committed', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const store = await createAt(path, dir, SLOTS)
  const insertId = await insertOf(store, 2)
  for (let slot = 0; slot < dir.slab.slots; slot++) await dir.slab.write(slot, noise)
  assert.equal(await store.outbox.get(contentBlock(0).address), undefined)
  await assert.rejects(store.outbox.commit(insertId), hasCode('E_STORE_IO'))
})

test('losses: a slab that is gone is told of the inserts whose blocks were in it', async (t) => {
  const path = await folder(t)
  const before = await openAt(path, SLOTS)
  const insertId = await insertOf(before, 4)
  await before.outbox.commit(insertId)
  await spreadOldest(before)
  await before.blocks.close()
  await rm(join(path, 'slab'))
  const after = await openAt(path, SLOTS)
  const told = { insertId, blocks: 4, spreadBlocks: 1, lostBlocks: 3, committed: true }
  assert.deepEqual(after.outbox.insert(insertId), told)
})
