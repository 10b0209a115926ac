/** @module */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { insertKey, outboxKey } from '../../src/datastore/keyspace.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import type { Logger } from '../../src/runtime.ts'
import { silentLogger } from '../../src/runtime.ts'
import { hasCode } from '../helpers/disk-store.ts'
import { copyFolder, temporaryFolder, withStore } from '../helpers/fault-folder.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'
import { REFUSED, openStrangeStore } from '../helpers/strange-index.ts'

const BLOCKS = Array.from({ length: 5 }, (_, i) => contentBlock(i))

/** Commits an insert of `blocks`; its number. */
async function insert({ outbox }: StorePair, blocks: readonly NamedBlock[]): Promise<number> {
  const insertId = await outbox.begin()
  for (const named of blocks) {
    assert.equal(await outbox.add({ insertId, ...named, homes: [0, 1, 2] }), 'added')
  }
  await outbox.commit(insertId)
  return insertId
}

/** Writes, and waits until something went through. */
async function writeOn({ outbox }: StorePair): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    const insertId = await outbox.begin()
    const isDone = await outbox.commit(insertId).then(
      () => true,
      () => false,
    )
    if (isDone) return
    await sleep(10)
  }
  assert.fail('nothing can be written any more')
}

test('store: an index that cannot be read for a moment loses no insert, and refuses what it cannot decide', async (t) => {
  const { store, db } = await openStrangeStore(await temporaryFolder(t))
  t.after(() => store.blocks.close())
  const { outbox, blocks } = store
  const insertId = await insert(store, BLOCKS)
  const held = contentBlock(10)
  assert.equal(await blocks.put({ ...held, home: 0, area: 'store', link: 1 }), 'stored')
  const edition = signedBlock(1, 20)
  assert.equal(await blocks.put({ ...edition, home: 0, area: 'store', link: 1 }), 'stored')
  await writeOn(store)
  db.readFault = REFUSED
  for (const { address } of BLOCKS) {
    await assert.rejects(outbox.get(address), hasCode('E_STORE_IO'))
    const entry = { insertId, address, homesLeft: [0, 1, 2] as const }
    await assert.rejects(outbox.homeDone(entry, 0), hasCode('E_STORE_IO'))
  }
  assert.equal(await blocks.get(held.address), undefined, 'a miss')
  assert.equal(await blocks.has(held.address), undefined)
  assert.equal(await blocks.put({ ...held, home: 0, area: 'store', link: 1 }), 'refused')
  const older = { ...signedBlock(1, 10), home: 0, area: 'store', link: 1 } as const
  assert.equal(await blocks.put(older), 'refused', 'the newer one is only unreadable')
  const open = await outbox.begin()
  const adding = outbox.add({ insertId: open, ...held, homes: [0] })
  await assert.rejects(adding, hasCode('E_STORE_IO'))
  assert.equal(blocks.status().condition, 'disk-failing')
  db.readFault = undefined
  for (const { address, block } of BLOCKS) assert.deepEqual(await outbox.get(address), block)
  assert.deepEqual((await blocks.get(edition.address))?.block, edition.block)
  assert.equal(await blocks.put(older), 'older')
  assert.equal(blocks.status().condition, 'ok')
  assert.equal(outbox.insert(insertId)?.spreadBlocks, 0)
})

test('store: an index that could not be opened again loses no insert', async (t) => {
  const { store, db } = await openStrangeStore(await temporaryFolder(t))
  t.after(() => store.blocks.close())
  const { outbox } = store
  await insert(store, BLOCKS)
  db.flushFault = 'While fsync: Input/output error'
  await assert.rejects(insert(store, []))
  db.canOpen = false
  await assert.rejects(insert(store, []))
  for (const { address } of BLOCKS) {
    await assert.rejects(outbox.get(address), hasCode('E_STORE_IO'))
  }
  Object.assign(db, { flushFault: undefined, canOpen: true })
  await writeOn(store)
  for (const { address, block } of BLOCKS) assert.deepEqual(await outbox.get(address), block)
})

test('store: one that only reads has its index opened again too', async (t) => {
  const { store, db, dir } = await openStrangeStore(await temporaryFolder(t))
  t.after(() => store.blocks.close())
  await insert(store, BLOCKS)
  while (store.blocks.status().filledShare < 1) await sleep(10)
  db.canOpen = false
  const { indexBytes, manifestBytes } = dir.plan
  const limits = { writeBufferBytes: 1, maxBytes: indexBytes, maxManifestBytes: manifestBytes }
  await assert.rejects(dir.index.setLimits(limits))
  db.canOpen = true
  for (let tries = 0; tries < 100; tries++) {
    const found = await store.outbox.get((BLOCKS[0] as NamedBlock).address).catch(() => undefined)
    if (found !== undefined) return
    await sleep(10)
  }
  assert.fail('it stays closed')
})

test('store: an entry of the outbox that is damaged is a loss that is told, and its slot is free again', async (t) => {
  const told: string[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => void told.push(message) }
  const path = await temporaryFolder(t)
  const { store, db, dir } = await openStrangeStore(path, logger)
  const { outbox, blocks, care } = store
  const insertId = await insert(store, BLOCKS)
  const { address } = BLOCKS[2] as NamedBlock
  db.damagedKey = outboxKey(dir.keys, insertId, address).bytes
  await assert.rejects(outbox.get(address), hasCode('E_STORE_IO'))
  await writeOn(store)
  db.damagedKey = undefined
  assert.equal(await outbox.get(address), undefined)
  assert.equal(outbox.pendingBlocks, 4)
  for (const entry of outbox.entries()) {
    for (const home of entry.homesLeft) await outbox.homeDone(entry, home)
  }
  assert.equal(outbox.pendingBlocks, 0)
  await writeOn(store)
  for (let tries = 0; tries < 200 && blocks.status().usedBytes > 0; tries++) await sleep(10)
  assert.equal(blocks.status().usedBytes, 0, 'the sweep has met nobody who names it')
  assert.equal((await care.check()).freed, 0)
  await blocks.close()
  assert.ok(
    told.some((line) => line.includes('1 block of inserts cannot be read')),
    told.join('; '),
  )
})

test('store: the sweep and the check leave alone the slots of inserts, old and new', async (t) => {
  const { store, dir } = await openStrangeStore(await temporaryFolder(t))
  t.after(() => store.blocks.close())
  const { outbox, blocks, care } = store
  const cached = { ...(BLOCKS[0] as NamedBlock), home: 0, area: 'cache', link: 1 } as const
  await blocks.put(cached)
  await insert(store, BLOCKS)
  const range = dir.index.range.bind(dir.index)
  let added: Promise<unknown> | undefined
  dir.index.range = async (bounds, limit) => {
    const page = await range(bounds, limit)
    added ??= insert(store, [contentBlock(20), contentBlock(3)])
    await added
    return page
  }
  await care.check()
  assert.ok(added !== undefined)
  await care.check()
  for (const { address } of [...BLOCKS, contentBlock(20)]) {
    assert.ok((await outbox.get(address)) !== undefined)
  }
  assert.equal(outbox.pendingBlocks, 7)
})

test('store: an index made anew without the block that told whose it is opens after a crash', async (t) => {
  const path = await temporaryFolder(t)
  const { store, db, dir, condition } = await openStrangeStore(path)
  t.after(() => store.blocks.close())
  const insertId = await insert(store, BLOCKS)
  for (const number of [0, insertId]) {
    const { opened } = db
    db.damagedKey = insertKey(dir.keys, number).bytes
    await store.care.check()
    await store.outbox.get((BLOCKS[0] as NamedBlock).address)
    assert.equal(condition.current, 'disk-failing')
    for (let tries = 0; tries < 40 && db.opened === opened; tries++) await writeOn(store)
    assert.ok(db.opened > opened, 'it is made anew')
    assert.equal(condition.current, 'ok')
  }
  db.damagedKey = undefined
  const copy = join(await temporaryFolder(t), 'copy')
  await copyFolder(path, copy)
  await withStore(copy, async ({ outbox }) => {
    assert.equal(outbox.pendingBlocks, 5, 'and knows that the insert was committed')
    assert.ok((await outbox.begin()) > insertId, 'no number is used again')
  })
})

test('store: an index that cannot be read while memory is rebuilt loses nothing', async (t) => {
  const path = await temporaryFolder(t)
  const first = await openStrangeStore(path)
  const insertId = await insert(first.store, BLOCKS)
  const held = contentBlock(10)
  await first.store.blocks.put({ ...held, home: 0, area: 'store', link: 1 })
  await writeOn(first.store)
  const copy = join(await temporaryFolder(t), 'copy')
  await copyFolder(path, copy)
  await first.store.blocks.close()
  const { store, db } = await openStrangeStore(copy, silentLogger, (made) => {
    made.rangeFault = REFUSED
  })
  t.after(() => store.blocks.close())
  assert.equal(store.blocks.status().condition, 'disk-failing')
  assert.deepEqual((await store.blocks.get(held.address))?.block, held.block)
  db.rangeFault = undefined
  for (let tries = 0; tries < 500 && store.blocks.status().condition !== 'ok'; tries++) {
    await sleep(10)
  }
  for (const { address, block } of BLOCKS) {
    assert.deepEqual(await store.outbox.get(address), block)
  }
  assert.equal(store.outbox.insert(insertId)?.committed, true)
  assert.equal(store.blocks.status().condition, 'ok')
})
