/**
 * Generations of slots are counted in one byte: entries that an eviction left behind must not pass for
 * newer than what took their slot hundreds of times since (spec §11.3).
 */
import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { insertKey, outboxKey } from '../../src/datastore/keyspace.ts'
import { EMPTY_RECORD, decodeRecord, encodeRecord } from '../../src/datastore/record.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { deriveSealKeys } from '../../src/keys/seal.ts'
import {
  SMALL_BYTES,
  bounded,
  copyFolder,
  openFolder,
  temporaryFolder,
  withStore,
} from '../helpers/fault-folder.ts'
import { openIndex } from '../helpers/fault-index.ts'
import { contentBlock } from '../helpers/signed-block.ts'

/** Large enough that the index is not swept clean in between. */
const STORE_BYTES = 64 * 1024 * 1024
/** A slot that is freed so often seems to be of a time before it was evicted first. */
const CYCLES = [130, 190, 250]

test('generations: a committed block is there after a kill, however often its slot was used before', async (t) => {
  const path = await temporaryFolder(t)
  const image = await temporaryFolder(t)
  const store = await openFolder(path, { storeBytes: STORE_BYTES })
  t.after(() => store.blocks.close())
  await fillUp(store)
  let cycle = 0
  for (const until of CYCLES) {
    for (; cycle < until; cycle++) {
      const insertId = await insertOne(store, cycle)
      await store.outbox.homeDone({ insertId, ...contentBlock(cycle), homesLeft: [0] }, 0)
    }
    const insertId = await insertOne(store, cycle)
    await copyFolder(path, image)
    const after = await openFolder(image)
    const found = await bounded('the read', after.outbox.get(contentBlock(cycle).address))
    const { freed } = await after.care.check()
    await after.blocks.close()
    assert.ok(found !== undefined, `the committed block is gone after ${cycle} uses of its slot`)
    assert.equal(freed, 0, 'nothing that does not verify is taken for a block')
    await store.outbox.homeDone({ insertId, ...contentBlock(cycle), homesLeft: [0] }, 0)
  }
})

test('generations: of two inserts that claim one slot at most one block is there, and no read hangs', async (t) => {
  const path = await temporaryFolder(t)
  const insertId = await withStore(path, (store) => insertOne(store, 1), {
    storeBytes: SMALL_BYTES,
  })
  await rm(join(path, 'state'))
  await claimAgain(path, insertId, 2)
  await withStore(path, async ({ blocks, outbox }) => {
    const read = async (number: number): Promise<boolean> => {
      const found = await bounded('a read', outbox.get(contentBlock(number).address))
      if (found !== undefined) assert.deepEqual(found, contentBlock(number).block)
      return found !== undefined
    }
    for (const number of [2, 1]) await read(number)
    for (let i = 0; i < 300; i++) {
      const area = i % 2 === 0 ? 'store' : 'cache'
      await blocks.put({ ...contentBlock(100 + i), home: 0, area, link: 1 })
    }
    const isFirst = await read(1)
    const isSecond = await read(2)
    assert.ok(!(isFirst && isSecond))
    assert.equal(outbox.pendingBlocks, isFirst || isSecond ? 1 : 0)
  })
})

/** A committed insert of the content `number`, in the slot of the one block of `insertId`. */
async function claimAgain(path: string, insertId: number, number: number): Promise<void> {
  const keys = deriveSealKeys(await readFile(join(path, 'store.key')))
  const [held, other] = [contentBlock(1).address, contentBlock(number).address]
  const key = outboxKey(keys, insertId, held)
  const index = await openIndex(path)
  const [value] = await index.getMany([key.bytes])
  assert.ok(value !== 'unreadable')
  const record = value && decodeRecord(keys, key.bytes, value)
  assert.ok(record !== undefined)
  const later = { generation: (record.generation + 1) & 255, ordinal: record.ordinal + 1 }
  const second = insertId + 100
  const entry = { ...record, ...later, insertId: second, name: other }
  const insert = {
    ...EMPTY_RECORD,
    area: 'insert',
    homes: 1,
    insertId: second,
    ordinal: 1,
  } as const
  const records = [
    [outboxKey(keys, second, other), entry],
    [insertKey(keys, second), insert],
  ] as const
  await index.write(
    records.map(([at, what]) => ({ key: at.bytes, value: encodeRecord(keys, at, what) })),
  )
  await index.close()
}

/** Every slot in use, and an entry left behind by an eviction for most slots of the cache. */
async function fillUp({ blocks, care }: StorePair): Promise<void> {
  const { store, cache } = care.stats()
  for (let i = 0; i < store.slots; i++) {
    await blocks.put({ ...contentBlock(10_000 + i), home: 0, area: 'store', link: 1 })
  }
  for (let i = 0; i < 2 * cache.slots; i++) {
    await blocks.put({ ...contentBlock(20_000 + i), home: 0, area: 'cache', link: 1 })
  }
}

async function insertOne({ outbox }: StorePair, number: number): Promise<number> {
  const insertId = await outbox.begin()
  assert.equal(await outbox.add({ insertId, ...contentBlock(number), homes: [0] }), 'added')
  await outbox.commit(insertId)
  return insertId
}
