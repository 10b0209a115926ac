/** What a disk store makes of copies that it cannot read: it trusts none unseen, and gives up none too early. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import { createDiskStore } from '../../src/datastore/disk-store.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { silentLogger } from '../../src/runtime.ts'
import {
  SEED,
  createAt,
  folder,
  hasCode,
  openAt,
  openDir,
  openKillable,
  put,
  storeOptions,
} from '../helpers/disk-store.ts'
import {
  blocksHere,
  checkInsert,
  diskError,
  filled,
  insertMany,
  openFailing,
  openFilled,
  putMany,
  quotaOf,
} from '../helpers/resize-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

const ALL = { from: 0, to: 2 ** 48 - 1 }

/** Whether writes are torn, and reads fail. */
interface Trouble {
  tears: boolean
  blind: boolean
  reads: number
}

async function openTroubled(
  t: TestContext,
  slots = 100,
): Promise<{ store: StorePair; dir: DataDir; trouble: Trouble }> {
  const path = await folder(t)
  const dir = await openDir(path)
  const trouble = { tears: false, blind: false, reads: 0 }
  const { slab } = dir
  const [read, write] = [slab.read.bind(slab), slab.write.bind(slab)]
  slab.write = (slot, sealed) => write(slot, trouble.tears ? torn(sealed) : sealed)
  slab.read = (slot, use) => {
    trouble.reads++
    return trouble.blind ? Promise.reject(diskError('EIO')) : read(slot, use)
  }
  const store = await createAt(path, dir, slots)
  return { store, dir, trouble }
}

function torn(sealed: Uint8Array): Uint8Array {
  return Uint8Array.from(sealed, (byte, at) => (at > 20_000 ? 0x55 : byte))
}

async function isHere({ blocks }: StorePair, number: number): Promise<boolean> {
  const { address, block } = contentBlock(number)
  const found = await blocks.get(address)
  return found !== undefined && Buffer.compare(found.block, block) === 0
}

test('trust: a put of a block whose copy here does not open keeps the one in hand', async (t) => {
  const { store, trouble } = await openTroubled(t)
  trouble.tears = true
  for (const home of [0, 2] as const) await put(store, contentBlock(1), 'store', home)
  await put(store, contentBlock(2), 'cache', 1)
  trouble.tears = false
  assert.equal(await put(store, contentBlock(1), 'store', 0), 'stored')
  assert.equal(await put(store, contentBlock(1), 'store', 2), 'known')
  assert.equal(await put(store, contentBlock(2), 'store', 0), 'stored')
  assert.ok((await isHere(store, 1)) && (await isHere(store, 2)))
  const { store: inStore, cache } = store.care.stats()
  assert.deepEqual([inStore.used, cache.used], [2, 0])
  let walked = 0
  for await (const _ of store.blocks.walk(ALL)) walked++
  assert.equal(walked, 3)
})

test('trust: an older edition, or the same, takes the place of one that does not open', async (t) => {
  const { store, trouble } = await openTroubled(t)
  for (const [publisher, sequence] of [
    [1, 3],
    [2, 8],
  ] as const) {
    trouble.tears = true
    await put(store, signedBlock(publisher, 8), 'store', 1)
    trouble.tears = false
    const edition = signedBlock(publisher, sequence)
    assert.equal(await put(store, edition, 'store', 0), 'stored')
    assert.deepEqual((await store.blocks.get(edition.address))?.block, edition.block)
    assert.equal(await put(store, signedBlock(publisher, 2)), 'older')
  }
})

test('trust: an edition that cannot be read just now is not replaced by an older one', async (t) => {
  const { store, trouble } = await openTroubled(t)
  await put(store, signedBlock(1, 8))
  trouble.blind = true
  assert.equal(await put(store, signedBlock(1, 3)), 'refused')
  trouble.blind = false
  assert.deepEqual(
    (await store.blocks.get(signedBlock(1, 8).address))?.block,
    signedBlock(1, 8).block,
  )
})

test('trust: an insert does not rely on a copy that does not open', async (t) => {
  const { store, trouble } = await openTroubled(t)
  trouble.tears = true
  for (let i = 0; i < 5; i++) await put(store, contentBlock(i), i % 2 === 0 ? 'store' : 'cache')
  trouble.tears = false
  const insertId = await insertMany(store, [0, 5])
  await checkInsert(store, [0, 5])
  assert.equal(store.outbox.insert(insertId)?.spreadBlocks, 0)
  for (let i = 0; i < 5; i++) assert.ok(await isHere(store, i))
})

test('trust: a damaged copy of one insert is mended by a put, and by another insert', async (t) => {
  const { store, trouble } = await openTroubled(t)
  trouble.tears = true
  const first = await insertMany(store, [0, 4])
  trouble.tears = false
  await put(store, contentBlock(0))
  await put(store, contentBlock(1), 'cache', 2)
  const second = await insertMany(store, [2, 4])
  await checkInsert(store, [0, 4])
  assert.ok((await isHere(store, 0)) && (await isHere(store, 1)))
  for (const insertId of [first, second]) {
    assert.equal(store.outbox.insert(insertId)?.spreadBlocks, 0)
  }
  assert.equal(store.blocks.status().usedBytes, 4 * BLOCK_BYTES, 'a block has one slot')
})

test('trust: on a disk that tears all it writes puts and adds come to an end', async (t) => {
  const { store, trouble } = await openTroubled(t, 60)
  trouble.tears = true
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 4; i++) assert.equal(await put(store, contentBlock(i)), 'stored')
    await insertMany(store, [0, 2])
  }
  trouble.tears = false
  for (let i = 0; i < 4; i++) assert.equal(await isHere(store, i), false)
})

test('trust: what a kill brings back of evicted blocks is no copy for an insert', async (t) => {
  let added = 0
  for (let round = 0; round < 3; round++) {
    const path = await folder(t)
    const { store, kill } = await openKillable(path, 100)
    await filled(store)
    for (let i = 0; i < 70; i++) {
      await put(store, contentBlock(i))
      await put(store, contentBlock(1000 + i), 'cache')
    }
    await store.outbox.commit(await store.outbox.begin())
    for (let i = 0; i < 20; i++) await put(store, contentBlock(500 + i))
    await kill()
    const after = await openAt(path, 100)
    const insertId = await after.outbox.begin()
    const kept: number[] = []
    for (let i = 0; i < 70 && kept.length < 12; i++) {
      const adding = after.outbox.add({ insertId, ...contentBlock(i), homes: [0] })
      if ((await adding) === 'added') kept.push(i)
    }
    await after.outbox.commit(insertId)
    for (const i of kept) await checkInsert(after, [i, i + 1])
    added += kept.length
  }
  assert.ok(added > 20)
})

test('trust: a disk that answers no reads for a while costs no block and no insert', async (t) => {
  const { store, trouble } = await openTroubled(t, 200)
  await putMany(store, 'store', [0, 40])
  await putMany(store, 'cache', [100, 120])
  await insertMany(store, [200, 210])
  trouble.blind = true
  for (let i = 0; i < 120; i++) assert.equal(await isHere(store, i), false)
  for (let i = 200; i < 210; i++) {
    await assert.rejects(store.outbox.get(contentBlock(i).address), hasCode('E_STORE_IO'))
  }
  trouble.blind = false
  assert.equal((await blocksHere(store, [0, 120])).length, 60)
  await checkInsert(store, [200, 210])
  assert.equal(store.care.stats().verifyFailures, 0)
})

test('trust: a put or an add while reads fail keeps the block in hand, and loses none', async (t) => {
  const { store, trouble } = await openTroubled(t)
  await putMany(store, 'store', [0, 6])
  await insertMany(store, [0, 2])
  trouble.blind = true
  for (let i = 0; i < 4; i++) await put(store, contentBlock(i), 'store', 1)
  await insertMany(store, [3, 6])
  trouble.blind = false
  assert.equal((await blocksHere(store, [0, 6])).length, 6)
  await checkInsert(store, [0, 2])
  await checkInsert(store, [3, 6])
})

test('trust: a shrink whose reads fail ends with E_STORE_IO, and gives up nothing', async (t) => {
  const path = await folder(t)
  await (await openFilled(path, 400)).blocks.close()
  let failures = 0
  const store = await openFailing(path, (call) =>
    call === 'read' && failures > 0 && failures-- > 0 ? diskError('EIO') : undefined,
  )
  await putMany(store, 'store', [0, 60])
  await putMany(store, 'cache', [100, 120])
  await insertMany(store, [200, 215])
  for (let round = 0; round < 3; round++) {
    failures = 10
    await assert.rejects(store.care.resize(quotaOf(200)), hasCode('E_STORE_IO'))
    failures = 0
  }
  assert.equal(store.care.stats().slots, 400)
  await store.care.resize(quotaOf(200))
  assert.equal((await blocksHere(store, [0, 60])).length, 60)
  assert.equal((await blocksHere(store, [100, 120])).length, 20)
  await checkInsert(store, [200, 215])
  await store.blocks.close()
})

test('trust: a shrink does not move bytes that are not what was written', async (t) => {
  const path = await folder(t)
  await (await openFilled(path, 200)).blocks.close()
  const dir = await openDir(path)
  const write = dir.slab.write.bind(dir.slab)
  let tears = true
  dir.slab.write = (slot, sealed) => write(slot, tears ? torn(sealed) : sealed)
  const store = await createAt(path, dir, 200)
  await putMany(store, 'store', [0, 10])
  await putMany(store, 'cache', [100, 105])
  tears = false
  await store.care.resize(quotaOf(60))
  const { store: inStore, cache } = store.care.stats()
  assert.ok(inStore.used + cache.used < 15, 'those above the new end went')
})

test('trust: two commits of an insert at once are one, and its insert entry stays', async (t) => {
  const path = await folder(t)
  const { store, kill, dir } = await openKillableDir(path)
  const insertId = await store.outbox.begin()
  for (let i = 0; i < 3; i++) await store.outbox.add({ insertId, ...contentBlock(i), homes: [0] })
  const flush = dir.index.flush.bind(dir.index)
  let flushes = 0
  dir.index.flush = () => (++flushes === 1 ? Promise.reject(diskError('EIO')) : flush())
  const commit = (): Promise<void> => store.outbox.commit(insertId)
  const results = await Promise.allSettled([commit(), commit()])
  assert.deepEqual([...new Set(results.map(({ status }) => status))], ['rejected'])
  assert.equal(store.outbox.insert(insertId)?.committed, false)
  await Promise.all([commit(), commit()])
  assert.equal(flushes, 2)
  await store.outbox.commit(await store.outbox.begin())
  await kill()
  const after = await openAt(path)
  assert.equal(after.outbox.insert(insertId)?.committed, true)
  await checkInsert(after, [0, 3])
})

async function openKillableDir(
  path: string,
): Promise<{ store: StorePair; kill: () => Promise<void>; dir: DataDir }> {
  const dir = await openDir(path)
  const store = await createDiskStore(dir, sharesOf(100), storeOptions(100))
  const kill = async (): Promise<void> => {
    dir.index.write = () => Promise.reject(new Error('killed'))
    await store.blocks.close().catch(() => {})
  }
  return { store, kill, dir }
}

test('trust: what an eviction left at a pinned slot does not hold again with the slot', async (t) => {
  const { store } = await openTroubled(t, 20)
  const block = contentBlock(1)
  await insertMany(store, [1, 2])
  let next = 100
  const evict = async (): Promise<void> => {
    while (await store.blocks.has(block.address)) await put(store, contentBlock(next++))
  }
  for (const area of ['cache', 'store'] as const) {
    for (const home of [0, 1] as const) await put(store, block, 'store', home)
    await evict()
    assert.equal(await put(store, block, area, 2), 'stored')
    if (area === 'cache') assert.equal(await put(store, block, 'store', 2), 'stored')
    assert.equal((await store.blocks.has(block.address))?.area, 'store')
    assert.deepEqual(await homesOf(store, 1), [2])
    await evict()
  }
})

async function homesOf({ blocks }: StorePair, number: number): Promise<number[]> {
  const homes: number[] = []
  for await (const { address, home } of blocks.walk(ALL)) {
    if (Buffer.compare(address, contentBlock(number).address) === 0) homes.push(home)
  }
  return homes.sort((a, b) => a - b)
}

test('trust: blocks of inserts that are lost are told once a minute, with their number', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const write = dir.slab.write.bind(dir.slab)
  dir.slab.write = (slot, sealed) => write(slot, torn(sealed))
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (text: string) => warnings.push(text) }
  let nowMs = 0
  const clock = { ...storeOptions(300).clock, now: () => nowMs }
  const store = await createDiskStore(dir, sharesOf(300), { ...storeOptions(300), logger, clock })
  const rng = createSeededRng(SEED)
  await insertMany(store, [0, 30])
  const lose = async ([from, to]: readonly [number, number]): Promise<void> => {
    for (let i = from; i < to; i++) {
      assert.equal(await store.outbox.get(contentBlock(i).address), undefined, `SEED=${SEED}`)
    }
  }
  await lose([0, 10 + rng.below(5)])
  nowMs += 59_000
  await lose([0, 20])
  nowMs += 2000
  await lose([0, 25])
  const before = warnings.filter((text) => text.includes('insert'))
  assert.equal(before.length, 2)
  assert.match(before[0] ?? '', /: 1 block of/)
  assert.match(before[1] ?? '', /: 20 more blocks of/)
  await lose([0, 30])
  await store.blocks.close()
  const after = warnings.filter((text) => text.includes('insert'))
  assert.equal(after.length, 3)
  assert.match(after[2] ?? '', /: 9 more blocks of/)
})
