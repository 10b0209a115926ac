/** What the index and the counters of a disk store do not tell of its owner (threat model). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import type { IndexChange } from '../../src/datastore/sorted-index.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { createAt, folder, openAt, openDir, openKillable, put } from '../helpers/disk-store.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const SLOTS = 1000

function watchWrites(dir: DataDir): IndexChange[] {
  const written: IndexChange[] = []
  const write = dir.index.write.bind(dir.index)
  dir.index.write = (changes) => {
    written.push(...changes)
    return write(changes)
  }
  return written
}

async function insert({ outbox }: StorePair, from: number, count: number): Promise<number> {
  const insertId = await outbox.begin()
  for (let i = from; i < from + count; i++) {
    await outbox.add({ insertId, ...contentBlock(i), homes: [0] })
  }
  await outbox.commit(insertId)
  return insertId
}

async function spread({ outbox }: StorePair, insertId: number): Promise<void> {
  for (const entry of outbox.entries()) {
    if (entry.insertId === insertId) await outbox.homeDone(entry, 0)
  }
}

test('traces: inserts that are done leave no deletion of their own in the index', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const written = watchWrites(dir)
  const store = await createAt(path, dir, SLOTS)
  const done = await insert(store, 0, 20)
  await spread(store, done)
  assert.equal(store.outbox.insert(done)?.spreadBlocks, 20)
  const open = await store.outbox.begin()
  await store.outbox.add({ insertId: open, ...contentBlock(30), homes: [0, 1] })
  await store.outbox.discard(open)
  await insert(store, 40, 0)
  await store.blocks.close()
  assert.ok(written.length > 20)
  assert.equal(written.filter(({ value }) => value === undefined).length, 0)
})

test('traces: what is done is not there any more, neither now nor after a clean stop or a crash', async (t) => {
  const path = await folder(t)
  const before = await openAt(path, SLOTS)
  const kept = await insert(before, 50, 2)
  await spread(before, await insert(before, 0, 20))
  await before.blocks.close()
  const { store, kill } = await openKillable(path, SLOTS)
  assert.equal(store.outbox.pendingBlocks, 2)
  await spread(store, await insert(store, 20, 20))
  await insert(store, 0, 0)
  await kill()
  const after = await openAt(path, SLOTS)
  await after.outbox.begin()
  assert.deepEqual(
    [...after.outbox.entries()].map(({ insertId }) => insertId),
    [kept, kept],
  )
  assert.equal(await after.outbox.get(contentBlock(3).address), undefined)
  assert.equal(after.care.stats().outbox.used, 2)
  assert.equal(after.blocks.status().blocks, 0)
})

test('traces: the sweep deletes what is done with everything else', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const written = watchWrites(dir)
  const store = await createAt(path, dir, 100)
  for (let round = 0; round < 30; round++) await spread(store, await insert(store, 0, 5))
  for (let i = 0; i < 50; i++) await put(store, contentBlock(100 + i), 'cache')
  await insert(store, 0, 0)
  const deletions = written.filter(({ value }) => value === undefined).length
  assert.ok(deletions > 60, `${deletions} deletions`)
  assert.ok(store.care.stats().index.staleEntries <= 121)
})

test('traces: own inserts change none of the counters of what was written', async (t) => {
  const store = await openAt(await folder(t), SLOTS)
  while (store.blocks.status().filledShare < 1) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const told = (): unknown => {
    const { bytesWritten, latency, puts, misses } = store.care.stats()
    return { bytesWritten, commits: latency.commit.counts, puts, misses }
  }
  const before = told()
  await spread(store, await insert(store, 0, 20))
  await insert(store, 0, 1)
  assert.deepEqual(told(), before)
  await put(store, contentBlock(60))
  await insert(store, 0, 0)
  assert.notDeepEqual(told(), before, 'a block of a peer does')
})
