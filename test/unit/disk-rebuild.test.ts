/** Opening a disk store: after a clean stop, and after anything else (spec §11.5). @module */
import assert from 'node:assert/strict'
import { cp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { systemClock } from '../../src/runtime.ts'
import type { Clock } from '../../src/runtime.ts'
import {
  createAt,
  folder,
  hasCode,
  openAt,
  openDir,
  openKillable,
  put,
} from '../helpers/disk-store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

const SLOTS = 60
/** How long an open waits for the index to be read again. */
const REBUILD_WAIT_MS = 1000

/** 20 blocks, an edition, and an insert that waits. */
async function load(store: StorePair): Promise<number> {
  for (let i = 0; i < 20; i++) await put(store, contentBlock(i), i < 12 ? 'store' : 'cache')
  await put(store, signedBlock(1, 4), 'store', 1)
  const insertId = await store.outbox.begin()
  await store.outbox.add({ insertId, ...contentBlock(30), homes: [0, 2] })
  await store.outbox.add({ insertId, ...contentBlock(3), homes: [1] })
  await store.outbox.commit(insertId)
  return insertId
}

async function checkLoad({ blocks, outbox }: StorePair, missing = 0): Promise<void> {
  let found = 0
  for (let i = 0; i < 20; i++) {
    const got = await blocks.get(contentBlock(i).address)
    if (got === undefined) continue
    found++
    assert.deepEqual(got, { block: contentBlock(i).block, area: i < 12 ? 'store' : 'cache' })
  }
  assert.equal(found, 20 - missing)
  if (missing > 0) return
  assert.deepEqual((await blocks.get(signedBlock(1, 0).address))?.block, signedBlock(1, 4).block)
  assert.deepEqual(await outbox.get(contentBlock(30).address), contentBlock(30).block)
  assert.equal(outbox.pendingBlocks, 2)
  assert.equal(blocks.status().usedBytes, 22 * BLOCK_BYTES)
}

/** A store whose index makes every page wait, opened by a clock that does not. */
async function openSlowly(path: string): Promise<{ store: StorePair; release: () => void }> {
  const dir = await openDir(path)
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const range = dir.index.range.bind(dir.index)
  dir.index.range = async (bounds, limit) => {
    await released
    return range(bounds, limit)
  }
  const clock: Clock = {
    now: () => systemClock.now(),
    after: (delayMs, run) => systemClock.after(delayMs === REBUILD_WAIT_MS ? 0 : delayMs, run),
  }
  return { store: await createAt(path, dir, SLOTS, clock), release }
}

test('open: after a clean stop the index is not read again, and the state file is used up', async (t) => {
  const path = await folder(t)
  const before = await openAt(path, SLOTS)
  const insertId = await load(before)
  await before.blocks.close()
  assert.ok((await readdir(path)).includes('state'))

  const dir = await openDir(path)
  let pages = 0
  const range = dir.index.range.bind(dir.index)
  dir.index.range = (bounds, limit) => {
    pages++
    return range(bounds, limit)
  }
  const after = await createAt(path, dir, SLOTS)
  await checkLoad(after)
  assert.equal(pages, 0)
  assert.equal((await readdir(path)).includes('state'), false)
  assert.deepEqual(after.outbox.insert(insertId), {
    insertId,
    blocks: 2,
    spreadBlocks: 0,
    lostBlocks: 0,
    committed: true,
  })
  assert.equal(await after.outbox.begin(), insertId + 1, 'no number is skipped')
})

test('open: a state that was used once is never used again', async (t) => {
  const path = await folder(t)
  const first = await openAt(path, SLOTS)
  await load(first)
  await first.blocks.close()
  const kept = await folder(t)
  await cp(join(path, 'state'), join(kept, 'state'))
  const { store, kill } = await openKillable(path, SLOTS)
  for (let i = 100; i < 140; i++) await put(store, contentBlock(i), 'cache')
  await new Promise((resolve) => setTimeout(resolve, 150)) // a commit
  await kill()
  await cp(join(kept, 'state'), join(path, 'state'))
  const after = await openAt(path, SLOTS)
  let found = 0
  for (let i = 0; i < 140; i++) if (await after.blocks.get(contentBlock(i).address)) found++
  assert.equal(after.blocks.status().blocks, found + 1)
  assert.equal((await readdir(path)).includes('state'), false)
})

test('open: with a state that is damaged or gone, or a slab of another length, the index is read', async (t) => {
  const slab = (path: string): string => join(path, 'slab')
  const spoilers: [string, (path: string) => Promise<void>, number][] = [
    ['no state', (path) => rm(join(path, 'state')), 0],
    ['other bytes', (path) => writeFile(join(path, 'state'), new Uint8Array(2000)), 0],
    ['half a draft beside it', (path) => writeFile(join(path, 'state.new'), 'half'), 0],
    [
      'a longer slab',
      async (path) => truncate(slab(path), (await stat(slab(path))).size + 32_768),
      0,
    ],
    [
      'a torn slot more',
      async (path) => truncate(slab(path), (await stat(slab(path))).size + 5),
      0,
    ],
    ['no slab at all', (path) => rm(slab(path)), 20],
  ]
  for (const [what, spoil, missing] of spoilers) {
    const path = await folder(t)
    const before = await openAt(path, SLOTS)
    await load(before)
    await before.blocks.close()
    await spoil(path)
    const after = await openAt(path, SLOTS)
    await checkLoad(after, missing)
    assert.equal(await put(after, contentBlock(50)), 'stored', what)
    assert.deepEqual(
      (await after.blocks.get(contentBlock(50).address))?.block,
      contentBlock(50).block,
    )
    await after.blocks.close()
    await (await openAt(path, SLOTS)).blocks.close()
  }
})

test('open: a store that was killed is whole as far as it was committed', async (t) => {
  const path = await folder(t)
  const { store, kill } = await openKillable(path, SLOTS)
  await load(store) // ends with the commit of an insert, which takes all before it along
  await put(store, contentBlock(40))
  await kill()
  const after = await openAt(path, SLOTS)
  await checkLoad(after)
  assert.equal(await after.blocks.get(contentBlock(40).address), undefined)
})

test('open: of two blocks that claim one slot the later one has it', async (t) => {
  const path = await folder(t)
  const { store, kill } = await openKillable(path, 4)
  for (let i = 0; i < 40; i++) await put(store, contentBlock(i))
  const insertId = await store.outbox.begin()
  await store.outbox.commit(insertId)
  const held: number[] = []
  for (let i = 0; i < 40; i++) if (await store.blocks.get(contentBlock(i).address)) held.push(i)
  await kill()
  const after = await openAt(path, 4)
  for (const i of held) {
    assert.deepEqual(
      (await after.blocks.get(contentBlock(i).address))?.block,
      contentBlock(i).block,
    )
  }
})

test('open: while the index is read again, blocks are served and puts refused, and status says so', async (t) => {
  const path = await folder(t)
  const before = await openKillable(path, SLOTS)
  await load(before.store)
  await before.kill()
  const { store, release } = await openSlowly(path)
  const { blocks, outbox, care } = store
  assert.equal(blocks.status().condition, 'rebuilding')
  assert.equal(care.stats().rebuiltShare, 0)
  const { address, block } = contentBlock(5)
  assert.deepEqual(await blocks.get(address, { link: 1 }), { block, area: 'store' })
  assert.equal((await blocks.has(contentBlock(15).address))?.area, 'cache')
  assert.equal(await blocks.get(contentBlock(99).address), undefined)
  assert.equal(await put(store, contentBlock(99)), 'refused')
  let begun = false
  const beginning = outbox.begin().then((insertId) => {
    begun = true
    return insertId
  })
  await blocks.get(address)
  assert.equal(begun, false)
  release()
  assert.ok((await beginning) > 1)
  assert.equal(blocks.status().condition, 'ok')
  assert.equal(care.stats().rebuiltShare, 1)
  assert.equal(await put(store, contentBlock(99)), 'stored')
  await outbox.discard(await outbox.begin())
  assert.equal(outbox.pendingBlocks, 2)
})

test('open: a damaged slot is only a miss while the index is read again', async (t) => {
  const path = await folder(t)
  const before = await openKillable(path, SLOTS)
  await load(before.store)
  await before.kill()
  await truncate(join(path, 'slab'), 0)
  await truncate(join(path, 'slab'), SLOTS * BLOCK_BYTES)
  const { store, release } = await openSlowly(path)
  assert.equal(await store.blocks.get(contentBlock(5).address), undefined)
  assert.notEqual(await store.blocks.has(contentBlock(5).address), undefined)
  release()
  await store.outbox.begin()
  assert.equal(await store.blocks.get(contentBlock(5).address), undefined)
  assert.equal(await store.blocks.has(contentBlock(5).address), undefined, 'dropped by now')
})

test('open: a store can be closed while its index is read again, and what waits for it is told', async (t) => {
  const path = await folder(t)
  const before = await openKillable(path, SLOTS)
  await load(before.store)
  await before.kill()
  const { store, release } = await openSlowly(path)
  const beginning = assert.rejects(store.outbox.begin(), hasCode('E_CLOSED'))
  const closing = store.blocks.close()
  release()
  await Promise.all([beginning, closing])
  assert.equal((await readdir(path)).includes('state'), false)
  await checkLoad(await openAt(path, SLOTS))
})

test('open: a page that cannot be read is tried again, and reads are served meanwhile', async (t) => {
  const path = await folder(t)
  const before = await openKillable(path, SLOTS)
  await load(before.store)
  await before.kill()
  const dir = await openDir(path)
  const range = dir.index.range.bind(dir.index)
  let failures = 2
  dir.index.range = (bounds, limit) =>
    failures-- > 0
      ? Promise.reject(Object.assign(new Error('imitated'), { code: 'EIO' }))
      : range(bounds, limit)
  const store = await createAt(path, dir, SLOTS)
  assert.equal(store.blocks.status().condition, 'disk-failing')
  assert.ok(await store.blocks.get(contentBlock(5).address))
  await store.outbox.begin()
  assert.equal(store.blocks.status().condition, 'ok')
  await checkLoad(store)
})

test('close: an insert that was not committed is gone, and so is its room', async (t) => {
  const path = await folder(t)
  const before = await openAt(path, SLOTS)
  const insertId = await before.outbox.begin()
  await before.outbox.add({ insertId, ...contentBlock(1), homes: [0] })
  await before.blocks.close()
  const { blocks, outbox } = await openAt(path, SLOTS)
  assert.deepEqual([outbox.pendingBlocks, blocks.status().usedBytes], [0, 0])
  assert.equal(outbox.insert(insertId), undefined)
  assert.ok((await outbox.begin()) > insertId)
})

test('close: a store whose key was destroyed says so, ends, and writes nothing more', async (t) => {
  const path = await folder(t)
  const store = await openAt(path, SLOTS)
  await load(store)
  await rm(join(path, 'store.key'))
  await put(store, contentBlock(50))
  await store.care.destroyed
  await assert.rejects(store.blocks.get(contentBlock(1).address), hasCode('E_CLOSED'))
  await assert.rejects(put(store, contentBlock(1)), hasCode('E_CLOSED'))
  await assert.rejects(store.outbox.begin(), hasCode('E_CLOSED'))
  await store.blocks.close()
  assert.equal((await readdir(path)).includes('state'), false)
})
