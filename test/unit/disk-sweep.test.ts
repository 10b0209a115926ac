/** Sweeping the index of what evictions have left behind (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { Sweep } from '../../src/datastore/disk-sweep.ts'
import { DiskTable } from '../../src/datastore/disk-table.ts'
import { FilteredIndex } from '../../src/datastore/filtered-index.ts'
import { GroupCommit } from '../../src/datastore/group-commit.ts'
import { entryKey, insertKey, outboxKey } from '../../src/datastore/keyspace.ts'
import type { IndexKey } from '../../src/datastore/keyspace.ts'
import { OutboxLedger } from '../../src/datastore/outbox-ledger.ts'
import { EMPTY_RECORD } from '../../src/datastore/record.ts'
import type { Slab } from '../../src/datastore/slab.ts'
import type { SlotTenure } from '../../src/datastore/slot-table.ts'
import { StoreMeter } from '../../src/datastore/store-meter.ts'
import { createStoreSecret, deriveSealKeys } from '../../src/keys/seal.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { SEED, folder, openAt, put } from '../helpers/disk-store.ts'
import { memoryIndex } from '../helpers/memory-index.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const keys = deriveSealKeys(createStoreSecret())
const SLOTS = 200

/** Everything a sweep works on, over an index in memory; `put` fills a slot with one entry. */
function parts() {
  const inner = memoryIndex()
  const clock = createSimulatedClock()
  const table = new DiskTable(SLOTS, createSeededRng(SEED))
  table.extend(SLOTS)
  const index = new FilteredIndex(inner.index, SLOTS)
  index.trust()
  const ledger = new OutboxLedger(10)
  const condition = new DiskCondition(silentLogger)
  const slab = { sync: () => Promise.resolve() } as Slab
  const meter = new StoreMeter()
  const group = new GroupCommit({ keys, slab, index, table, clock, condition, meter })
  const sweep = new Sweep({ keys, table, index, group, ledger, clock, condition })
  const keyOf = (number: number): IndexKey => entryKey(keys, contentBlock(number).address, 0)
  const fill = (number: number): SlotTenure => {
    const tenure = table.take('cache') as SlotTenure
    table.letGo(tenure.slot)
    table.addEntry(tenure.slot)
    group.put(keyOf(number), { ...EMPTY_RECORD, area: 'cache', ...tenure })
    return tenure
  }
  const isFound = async (number: number): Promise<boolean> =>
    (await index.getMany([keyOf(number).bytes]))[0] !== undefined
  return { ...inner, clock, table, index, ledger, group, sweep, keyOf, fill, isFound, condition }
}

test('sweep: entries of freed slots go, the others stay and are known to the filter', async () => {
  const { table, group, sweep, fill, isFound, entries, asked, clock } = parts()
  const tenures = Array.from({ length: 60 }, (_, i) => fill(i))
  await group.commit()
  for (const { slot } of tenures.slice(0, 30)) table.clearArea(slot)
  assert.equal(table.staleEntries, 30)
  await clock.runUntilSettled(sweep.catchUp())
  await group.commit()
  assert.equal(entries.size, 30)
  assert.equal(table.staleEntries, 0)
  for (let i = 0; i < 60; i++) assert.equal(await isFound(i), i >= 30)
  asked.keys = 0
  for (let i = 1000; i < 1200; i++) assert.equal(await isFound(i), false)
  assert.ok(asked.keys < 20, 'most of what is not there is known without the disk')
})

test('sweep: a key that is put while its page is under way is left alone', async () => {
  const { table, group, sweep, fill, isFound, index, clock } = parts()
  const { slot } = fill(1)
  await group.commit()
  table.clearArea(slot)
  const range = index.range.bind(index)
  index.range = async (bounds, limit) => {
    const page = await range(bounds, limit)
    fill(1) // the page says that it is stale; by now it is not
    await group.commit()
    return page
  }
  await clock.runUntilSettled(sweep.catchUp())
  await group.commit()
  assert.equal(await isFound(1), true)
})

test('sweep: a key that was queued before its page was read, and written after, is left alone', async () => {
  const { table, group, sweep, fill, isFound, index, clock } = parts()
  const { slot } = fill(1)
  await group.commit()
  table.clearArea(slot)
  fill(1)
  const range = index.range.bind(index)
  index.range = async (bounds, limit) => {
    const page = await range(bounds, limit)
    await group.commit()
    return page
  }
  await clock.runUntilSettled(sweep.catchUp())
  await group.commit()
  assert.equal(await isFound(1), true)
})

test('sweep: entries that do not open go, so do those of inserts that nobody knows, and the meta entry stays', async () => {
  const { index, group, sweep, ledger, table, keyOf, entries, clock } = parts()
  ledger.restoreInsert(7, 1)
  const waiting = contentBlock(7).address
  const pinned = table.take('outbox') as SlotTenure
  const forgotten = table.take('outbox') as SlotTenure
  for (const { slot } of [pinned, forgotten]) table.letGo(slot)
  ledger.restore(waiting, { insertId: 7, ordinal: 1, homes: 1 })
  const outbox = { ...EMPTY_RECORD, area: 'outbox', homes: 1 } as const
  const lost = contentBlock(8).address
  const kept: [IndexKey, object][] = [
    [insertKey(keys, 0), { area: 'meta' }],
    [insertKey(keys, 7), { area: 'insert', homes: 1, insertId: 7 }],
    [outboxKey(keys, 7, waiting), { ...outbox, ...pinned, insertId: 7, name: waiting }],
  ]
  const gone: [IndexKey, object][] = [
    [insertKey(keys, 8), { area: 'insert', homes: 1, insertId: 8 }],
    [outboxKey(keys, 8, lost), { ...outbox, ...forgotten, insertId: 8, name: lost }],
  ]
  for (const [key, fields] of [...kept, ...gone]) group.put(key, { ...EMPTY_RECORD, ...fields })
  await group.commit()
  await index.write([{ key: keyOf(1).bytes, value: new Uint8Array(148) }])
  await clock.runUntilSettled(sweep.catchUp())
  await group.commit()
  assert.deepEqual([...entries.keys()].sort(), kept.map(([{ id }]) => id).sort())
  assert.equal(table.isInUse(forgotten.slot), false, 'its slot is free again')
  assert.equal(table.isPinned(pinned.slot), true)
})

test('sweep: is due with 2.5 entries a slot, and makes pauses until somebody waits for it', async () => {
  const { table, group, sweep, clock, fill } = parts()
  const refill = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) table.clearArea(fill(i).slot)
    await group.commit()
  }
  await refill(500)
  assert.equal(sweep.isDue, false)
  await refill(1)
  assert.equal(sweep.isDue, true)
  sweep.start()
  await clock.runFor(60_000)
  assert.deepEqual([sweep.isDue, table.staleEntries], [false, 0])
  await refill(800)
  assert.equal(sweep.isBehind, false)
  await refill(1)
  assert.equal(sweep.isBehind, true)
  await sweep.catchUp()
  assert.deepEqual([sweep.isBehind, sweep.isDue], [false, false])
})

test('sweep: one that fails is tried again, and until then the disk is asked for every key', async () => {
  const { table, group, sweep, fill, index, isFound, clock, condition } = parts()
  fill(1)
  await group.commit()
  const range = index.range.bind(index)
  index.range = () => Promise.reject(Object.assign(new Error('imitated'), { code: 'EIO' }))
  await assert.rejects(sweep.catchUp())
  assert.equal(condition.current, 'disk-failing')
  assert.equal(index.isTrusted, false)
  assert.equal(await isFound(1), true)
  index.range = range
  sweep.start()
  await clock.runFor(1000)
  assert.equal(index.isTrusted, false, 'not at once')
  await clock.runFor(10_000)
  sweep.start()
  await clock.runFor(10_000)
  assert.equal(index.isTrusted, true)
  assert.equal(await isFound(1), true)
  assert.equal(table.entries, 1)
})

test('sweep: stops before its next page, and nobody waits for it any more', async () => {
  const { group, sweep, fill, index, table } = parts()
  for (let i = 0; i < 801; i++) {
    table.clearArea(fill(i).slot)
    await group.commit()
  }
  sweep.start()
  await sweep.stop()
  assert.equal(index.isTrusted, false, 'it was not over')
  assert.equal(sweep.isBehind, false)
  await sweep.catchUp()
  sweep.start()
  assert.equal(index.isTrusted, false, 'no other one begins')
})

test('sweep: a store that evicts for ever keeps its index small, and finds what it has', async (t) => {
  for (const slots of [1, 40]) {
    const store = await openAt(await folder(t), slots)
    const puts = Array.from({ length: 600 }, (_, i) => put(store, contentBlock(i)))
    assert.deepEqual([...new Set(await Promise.all(puts))], ['stored'])
    const { index } = store.care.stats()
    assert.ok(index.staleEntries <= 121, `${index.staleEntries} stale entries`)
    const { blocks } = store.blocks.status()
    let found = 0
    for (let i = 0; i < 600; i++) if (await store.blocks.get(contentBlock(i).address)) found++
    assert.deepEqual([found, store.care.stats().verifyFailures], [blocks, 0], `SEED=${SEED}`)
  }
})
