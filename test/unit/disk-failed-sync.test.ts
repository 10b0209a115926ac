/** What a failed sync of the slab may have lost is not vouched for by the next one (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import { withSyncAlarm } from '../../src/datastore/disk-rewrite.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Clock } from '../../src/runtime.ts'
import { systemClock } from '../../src/runtime.ts'
import { createAt, folder, hasCode, openAt, openDir, put } from '../helpers/disk-store.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const SLOTS = 60
/** Commits come when a test asks for one, and never by themselves. */
const clock: Clock = { now: () => systemClock.now(), after: () => () => {} }

interface LossyDisk {
  readonly dir: DataDir
  /** What the next sync does: fail, and take what was written since the last one with it, or leave it there. */
  next: 'works' | 'loses' | 'fails'
  /** Slots written since the last sync that worked, and what was in them. */
  readonly dirty: Map<number, Uint8Array>
}

/** As a system does that tells of lost pages once, and counts them as written from then on. */
async function openLossy(path: string): Promise<LossyDisk> {
  const dir = await openDir(path)
  const dirty = new Map<number, Uint8Array>()
  const disk: LossyDisk = { dir, next: 'works', dirty }
  const { slab } = dir
  await slab.extend(SLOTS)
  const write = slab.write.bind(slab)
  slab.write = async (slot, sealed) => {
    if (!dirty.has(slot)) {
      dirty.set(slot, await slab.read(slot, (bytes) => Uint8Array.from(bytes)))
    }
    return write(slot, sealed)
  }
  slab.sync = async () => {
    const { next } = disk
    disk.next = 'works'
    if (next === 'loses') for (const [slot, bytes] of dirty) await write(slot, bytes)
    if (next !== 'fails') dirty.clear()
    if (next !== 'works') throw Object.assign(new Error('imitated'), { code: 'EIO' })
  }
  return disk
}

async function insertOf(store: StorePair, from: number, count: number): Promise<number> {
  const insertId = await store.outbox.begin()
  for (let i = from; i < from + count; i++) {
    await store.outbox.add({ insertId, ...contentBlock(i), homes: [0] })
  }
  return insertId
}

test('failed sync: an insert of which it lost blocks cannot be committed, and may begin anew', async (t) => {
  const path = await folder(t)
  const disk = await openLossy(path)
  const store = await createAt(path, disk.dir, SLOTS, clock)
  await store.outbox.commit(await store.outbox.begin())
  const lost = await insertOf(store, 0, 5)
  disk.next = 'loses'
  await assert.rejects(store.outbox.commit(lost), hasCode('E_STORE_IO'))
  await store.outbox.add({ insertId: lost, ...contentBlock(9), homes: [0] })
  for (let i = 0; i < 2; i++) {
    await assert.rejects(store.outbox.commit(lost), hasCode('E_STORE_IO'))
    assert.equal(store.outbox.insert(lost)?.committed, false)
  }
  await store.outbox.discard(lost)
  const again = await insertOf(store, 0, 5)
  await store.outbox.commit(again)
  await store.blocks.close()
  const after = await openAt(path, SLOTS)
  assert.equal(after.outbox.pendingBlocks, 5)
  for (let i = 0; i < 5; i++) {
    const { address, block } = contentBlock(i)
    assert.deepEqual(await after.outbox.get(address), block)
  }
})

test('failed sync: what can still be read is written once more before the next sync vouches for it', async (t) => {
  const path = await folder(t)
  const disk = await openLossy(path)
  const store = await createAt(path, disk.dir, SLOTS, clock)
  await store.outbox.commit(await store.outbox.begin())
  const insertId = await insertOf(store, 0, 5)
  assert.equal(await put(store, contentBlock(7)), 'stored')
  const written = [...disk.dirty.keys()]
  assert.equal(written.length, 6)
  disk.next = 'fails'
  await assert.rejects(store.outbox.commit(insertId), hasCode('E_STORE_IO'))
  disk.dirty.clear() // they count as written now
  const sync = disk.dir.slab.sync.bind(disk.dir.slab)
  let vouched: number[] = []
  disk.dir.slab.sync = () => {
    vouched = [...disk.dirty.keys()]
    return sync()
  }
  await store.outbox.commit(insertId)
  assert.deepEqual(new Set(vouched), new Set(written))
  assert.deepEqual(await store.outbox.get(contentBlock(3).address), contentBlock(3).block)
})

test('failed sync: blocks of peers that it lost are gone, as after a power cut, and others stay', async (t) => {
  const path = await folder(t)
  const disk = await openLossy(path)
  const store = await createAt(path, disk.dir, SLOTS, clock)
  for (let i = 0; i < 10; i++) await put(store, contentBlock(i))
  await store.outbox.commit(await store.outbox.begin())
  for (let i = 10; i < 20; i++) await put(store, contentBlock(i))
  const empty = await store.outbox.begin()
  disk.next = 'loses'
  await assert.rejects(store.outbox.commit(empty), hasCode('E_STORE_IO'))
  await store.outbox.commit(empty)
  const { blocks, care } = store
  assert.equal(blocks.status().usedBytes, 10 * BLOCK_BYTES)
  for (let i = 0; i < 20; i++) {
    const got = await blocks.get(contentBlock(i).address)
    assert.equal(got !== undefined, i < 10)
  }
  assert.equal(care.stats().verifyFailures, 0)
  assert.equal(await put(store, contentBlock(15)), 'stored')
})

test('failed sync: a block whose write was under way is written again', async (t) => {
  const path = await folder(t)
  const disk = await openLossy(path)
  const store = await createAt(path, disk.dir, SLOTS, clock)
  await put(store, contentBlock(1))
  const { slab } = disk.dir
  const write = slab.write.bind(slab)
  let release = (): void => {}
  let onwritten = (): void => {}
  const isWritten = new Promise<void>((resolve) => {
    onwritten = resolve
  })
  slab.write = async (slot, sealed) => {
    slab.write = write
    await write(slot, sealed)
    onwritten()
    await new Promise<void>((resolve) => {
      release = resolve
    })
  }
  const putting = put(store, contentBlock(2))
  await isWritten
  disk.next = 'loses'
  const insertId = await store.outbox.begin().catch(() => undefined)
  if (insertId !== undefined) await store.outbox.commit(insertId).catch(() => {})
  release()
  assert.equal(await putting, 'stored')
  const { address, block } = contentBlock(2)
  assert.deepEqual((await store.blocks.get(address))?.block, block)
})

test('failed sync: that of the filling is told to whoever else needs one', async () => {
  let failures = 0
  const slab = {
    slots: 3,
    sync: () => Promise.reject(new Error('imitated')),
    read: (slot: number) => Promise.resolve(slot),
  }
  const watched = withSyncAlarm(slab as never, () => failures++)
  await assert.rejects(watched.sync(), /imitated/)
  assert.deepEqual([failures, watched.slots], [1, 3])
  slab.slots = 4
  assert.equal(watched.slots, 4)
})
