/** Bounds of what waits for a disk (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { GroupCommit, MAX_DELETIONS } from '../../src/datastore/group-commit.ts'
import { entryKey } from '../../src/datastore/keyspace.ts'
import type { IndexKey } from '../../src/datastore/keyspace.ts'
import { EMPTY_RECORD } from '../../src/datastore/record.ts'
import type { Slab } from '../../src/datastore/slab.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import { StoreMeter } from '../../src/datastore/store-meter.ts'
import { createStoreSecret, deriveSealKeys } from '../../src/keys/seal.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import {
  SEED,
  createAt,
  folder,
  hasCode,
  openAt,
  openDir,
  openKillable,
  put,
} from '../helpers/disk-store.ts'
import { memoryIndex } from '../helpers/memory-index.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

const keys = deriveSealKeys(createStoreSecret())

test('queue: with 4,096 puts and adds under way another one is E_BUSY, also while they wait for a commit', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const sync = dir.slab.sync.bind(dir.slab)
  dir.slab.sync = async () => {
    await released
    return sync()
  }
  await dir.slab.extend(2000)
  const clock = { now: () => systemClock.now(), after: () => () => {} }
  const store = await createAt(path, dir, 2000, clock)
  await Promise.all(Array.from({ length: 800 }, (_, i) => put(store, contentBlock(i))))
  const waiting = contentBlock(5000)
  const results = new Map<string, number>()
  const count = (what: string): void => void results.set(what, (results.get(what) ?? 0) + 1)
  const asked = Array.from({ length: 5000 }, () =>
    put(store, waiting, 'cache').then(count, (error: { code: string }) => count(error.code)),
  )
  while ((results.get('E_BUSY') ?? 0) < 5000 - 4096) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.deepEqual([...results], [['E_BUSY', 5000 - 4096]])
  await assert.rejects(put(store, waiting), hasCode('E_BUSY'))
  release()
  await Promise.all(asked)
  assert.deepEqual([results.get('stored'), results.get('known')], [1, 4095])
  assert.equal(await put(store, contentBlock(6000)), 'stored')
})

test('queue: deletions that a disk does not take are bounded, and none is lost that undoes a change', async () => {
  const { index, entries } = memoryIndex()
  const write = index.write.bind(index)
  index.write = () => Promise.reject(Object.assign(new Error('imitated'), { code: 'EIO' }))
  const table = new SlotTable(10, createSeededRng(SEED))
  const condition = new DiskCondition(silentLogger)
  const slab = { sync: () => Promise.resolve() } as Slab
  const parts = { keys, slab, index, table, clock: createSimulatedClock(), condition }
  const group = new GroupCommit({ ...parts, meter: new StoreMeter() })
  const key = (i: number): IndexKey => entryKey(keys, contentBlock(i).address, 0)
  const meta = { ...EMPTY_RECORD, area: 'meta', homes: 1 } as const
  group.put(key(0), meta)
  await assert.rejects(group.commit())
  for (let i = 1; i <= MAX_DELETIONS + 100; i++) group.delete(key(i))
  assert.equal(group.size, MAX_DELETIONS + 1)
  group.put(key(-1), meta)
  group.delete(key(-1))
  group.delete(key(0))
  assert.equal(group.peek(key(0)), null)
  assert.equal(group.peek(key(-1)), null)
  index.write = write
  await group.commit()
  assert.deepEqual([group.size, entries.size], [0, 0])
  group.delete(key(5))
  assert.equal(group.size, 1, 'there is room again')
})

test('queue: an edition whose newer one was evicted while it waited does not come back', async (t) => {
  const old = signedBlock(1, 1)
  for (let round = 0; round < 10; round++) {
    const path = await folder(t)
    const { store, kill } = await openKillable(path, 20)
    const commit = async (): Promise<void> => store.outbox.commit(await store.outbox.begin())
    await put(store, old)
    await commit()
    assert.equal(await put(store, signedBlock(1, 2)), 'stored')
    for (let i = 0; (await store.blocks.has(old.address)) !== undefined; i++) {
      await put(store, contentBlock(i))
    }
    await commit()
    await kill()
    const after = await openAt(path, 20)
    await after.outbox.begin()
    // the newer one may come back, as long as nobody has written over it
    assert.notDeepEqual((await after.blocks.get(old.address))?.block, old.block)
  }
})
