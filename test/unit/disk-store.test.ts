import assert from 'node:assert/strict'
import { cp, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { openRocksIndex } from '../../src/datastore/rocks-index.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { silentLogger } from '../../src/runtime.ts'
import { MIB, SEED, folder, openAt, put } from '../helpers/disk-store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import { blockStoreSuite } from '../suites/block-store-suite.ts'
import type { OpenStore } from '../suites/block-store-suite.ts'
import { outboxSuite } from '../suites/outbox-suite.ts'

const ALL = { from: 0, to: 2 ** 48 - 1 }

const openDisk: OpenStore = async (t, slots) => openAt(await folder(t), slots)

blockStoreSuite(`disk store (SEED=${SEED})`, openDisk)
outboxSuite(`disk outbox (SEED=${SEED})`, openDisk)

test('disk store: everything is there again after it was closed', async (t) => {
  const path = await folder(t)
  const before = await openAt(path)
  await put(before, contentBlock(1), 'store', 0)
  await put(before, contentBlock(1), 'cache', 1)
  for (const home of [0, 1, 2] as const) await put(before, contentBlock(2), 'cache', home)
  await put(before, signedBlock(1, 3), 'store', 2)
  await put(before, signedBlock(1, 8), 'store', 1)
  const { usedBytes } = before.blocks.status()
  assert.equal(usedBytes, 3 * BLOCK_BYTES)
  await before.blocks.close()

  const { blocks } = await openAt(path)
  assert.equal(blocks.status().usedBytes, usedBytes)
  assert.equal(blocks.status().condition, 'ok')
  assert.deepEqual(await blocks.get(contentBlock(1).address), {
    block: contentBlock(1).block,
    area: 'store',
  })
  assert.deepEqual(await blocks.get(contentBlock(2).address), {
    block: contentBlock(2).block,
    area: 'cache',
  })
  assert.deepEqual((await blocks.get(signedBlock(1, 8).address))?.block, signedBlock(1, 8).block)
  const walked: string[] = []
  for await (const { home, sequence } of blocks.walk(ALL)) walked.push(`${home} ${sequence}`)
  assert.deepEqual(walked.sort(), ['0 undefined', '1 8', '2 8'])
})

test('disk store: a cache full of blocks with three homes is evicted well after a restart', async (t) => {
  const path = await folder(t)
  const before = await openAt(path, 20)
  for (let i = 0; i < 6; i++) {
    for (const home of [0, 1, 2] as const) await put(before, contentBlock(i), 'cache', home)
  }
  await before.blocks.close()
  const after = await openAt(path, 20)
  for (let i = 10; i < 40; i++) {
    assert.equal(await put(after, contentBlock(i), 'cache'), 'stored')
    assert.equal(after.blocks.status().blocks, 6)
    assert.ok(await after.blocks.get(contentBlock(i).address))
  }
  let found = 0
  for (let i = 0; i < 40; i++) if (await after.blocks.get(contentBlock(i).address)) found++
  assert.equal(found, 6, 'what the index still names of the others is stale')
  assert.equal(after.care.stats().verifyFailures, 0)
})

test('disk outbox: a committed insert survives a crash, an open one is discarded', async (t) => {
  const path = await folder(t)
  const store = await openAt(path)
  const { outbox } = store
  const [kept, open, spread] = [await outbox.begin(), await outbox.begin(), await outbox.begin()]
  const homes: Home[] = [0, 1, 2]
  for (const i of [3, 1, 2]) await outbox.add({ insertId: kept, ...contentBlock(i), homes })
  await outbox.add({ insertId: open, ...contentBlock(1), homes })
  await outbox.add({ insertId: open, ...contentBlock(7), homes })
  await outbox.add({ insertId: spread, ...contentBlock(8), homes: [0] })
  await outbox.commit(spread)
  await outbox.homeDone({ insertId: spread, ...contentBlock(8), homesLeft: [0] }, 0)
  await outbox.homeDone({ insertId: kept, ...contentBlock(1), homesLeft: [] }, 1)
  await outbox.homeDone({ insertId: kept, ...contentBlock(2), homesLeft: [] }, 0)
  await outbox.commit(kept)
  await put(store, contentBlock(5))

  const copy = await folder(t)
  await cp(path, copy, { recursive: true })
  const after = await openAt(copy)
  assert.deepEqual(
    [...after.outbox.entries()].map(({ insertId, homesLeft }) => [insertId, homesLeft]),
    [
      [kept, [0, 1, 2]],
      [kept, [0, 2]],
      [kept, [1, 2]],
    ],
  )
  for (const i of [3, 1, 2]) {
    assert.deepEqual(await after.outbox.get(contentBlock(i).address), contentBlock(i).block)
  }
  assert.deepEqual(after.outbox.insert(kept), {
    insertId: kept,
    blocks: 3,
    spreadBlocks: 0,
    lostBlocks: 0,
    committed: true,
  })
  assert.equal(after.outbox.insert(open), undefined)
  assert.equal(await after.outbox.get(contentBlock(7).address), undefined)
  // the block of the store was not committed: it may have come along, or not
  const { usedBytes, blocks } = after.blocks.status()
  assert.equal(usedBytes, (3 + blocks) * BLOCK_BYTES)
  assert.ok((await after.outbox.begin()) > spread, 'numbers are not used again')
})

test('disk store: a damaged slot is a miss, and its entry is dropped', async (t) => {
  const path = await folder(t)
  const before = await openAt(path, 20)
  for (let i = 0; i < 5; i++) {
    await put(before, contentBlock(i), 'store', 0)
    await put(before, contentBlock(i), 'cache', 2)
  }
  await before.blocks.close()
  await damageSlab(path)
  const store = await openAt(path, 20)
  assert.notEqual(await store.blocks.has(contentBlock(0).address), undefined, 'the index knows it')
  for (let i = 0; i < 5; i++) {
    assert.equal(await store.blocks.get(contentBlock(i).address), undefined)
    assert.equal(await store.blocks.has(contentBlock(i).address), undefined)
    assert.equal(store.blocks.status().blocks, 4 - i)
  }
  assert.equal(await put(store, contentBlock(0)), 'stored')
  assert.deepEqual((await store.blocks.get(contentBlock(0).address))?.block, contentBlock(0).block)
  await store.blocks.close()
  assert.equal((await entriesIn(path)).length, 2, 'that of the block, and the one of every index')
})

test('disk outbox: a damaged slot leaves the outbox, and is freed with its last entry', async (t) => {
  const path = await folder(t)
  const before = await openAt(path)
  await put(before, contentBlock(1))
  const insertId = await before.outbox.begin()
  await before.outbox.add({ insertId, ...contentBlock(1), homes: [0] })
  await before.outbox.commit(insertId)
  await before.blocks.close()
  await damageSlab(path)
  const { blocks, outbox } = await openAt(path)
  assert.equal(await blocks.get(contentBlock(1).address), undefined)
  assert.equal(blocks.status().usedBytes, BLOCK_BYTES, 'the outbox still names the slot')
  assert.equal(await outbox.get(contentBlock(1).address), undefined)
  assert.equal(outbox.pendingBlocks, 0)
  assert.equal(blocks.status().usedBytes, 0)
})

test('disk store: nothing on the disk shows an address or a byte of a block', async (t) => {
  const path = await folder(t)
  const store = await openAt(path)
  const insertId = await store.outbox.begin()
  const named = [contentBlock(1), contentBlock(2), signedBlock(1, 5, 90), contentBlock(3)]
  await put(store, contentBlock(1), 'store')
  await put(store, contentBlock(2), 'cache')
  await put(store, signedBlock(1, 5, 90), 'store')
  await store.outbox.add({ insertId, ...contentBlock(3), homes: [0, 1] })
  await store.outbox.commit(insertId)
  await put(store, contentBlock(2), 'cache', 1)
  await store.blocks.close()
  for (const bytes of await filesIn(path)) {
    for (const { address, block } of named) {
      for (const part of [address, address.subarray(0, 8), block.subarray(1000, 1032)]) {
        assert.equal(bytes.includes(Buffer.from(part)), false)
      }
    }
  }
  const entries = await entriesIn(path)
  assert.equal(entries.length, 7, 'store, cache, outbox, insert and meta')
  for (const { key, value } of entries) {
    assert.equal(key.length, 32)
    assert.equal(value.length, 148)
  }
})

/** Turns one bit in the middle of every slot. */
async function damageSlab(path: string): Promise<void> {
  const file = join(path, 'slab')
  const bytes = await readFile(file)
  for (let at = 16_000; at < bytes.length; at += BLOCK_BYTES) bytes[at] = (bytes[at] as number) ^ 4
  await writeFile(file, bytes)
}

async function entriesIn(path: string): Promise<{ key: Uint8Array; value: Uint8Array }[]> {
  const condition = new DiskCondition(silentLogger)
  const limits = {
    writeBufferBytes: MIB,
    maxBytes: 64 * MIB,
    maxManifestBytes: 64 * MIB,
    condition,
  }
  const index = await openRocksIndex(join(path, 'index'), limits)
  const entries = await index.range({}, 10_000)
  await index.close()
  return entries
}

async function filesIn(path: string): Promise<Buffer[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name))))
}
