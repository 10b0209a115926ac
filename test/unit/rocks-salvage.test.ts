/** @module */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { RocksHandle } from '../../src/datastore/rocks-handle.ts'
import type { Database } from '../../src/datastore/rocks-handle.ts'
import { createIndex, openRocksIndex } from '../../src/datastore/rocks-index.ts'
import type { Index, IndexOptions, ResizableIndex } from '../../src/datastore/rocks-index.ts'
import { isDamage } from '../../src/datastore/store-error.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'
import { uint64 } from '../../src/keys/bytes.ts'
import { silentLogger } from '../../src/runtime.ts'
import { hasCode } from '../helpers/disk-store.ts'
import { temporaryFolder } from '../helpers/fault-folder.ts'
import { DAMAGED, REFUSED, StrangeDatabase } from '../helpers/strange-index.ts'

const MIB = 1024 * 1024

function entry(i: number): { key: Uint8Array; value: Uint8Array } {
  const key = blake2b256(uint64(i))
  return { key, value: blake2b256(key) }
}

interface Strange {
  readonly index: ResizableIndex
  readonly db: StrangeDatabase
  readonly path: string
  readonly options: IndexOptions
}

/** An index with 1,000 entries over a database that may be made strange. */
async function strangeIndex(t: TestContext, limits: Partial<IndexOptions> = {}): Promise<Strange> {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'index')
  await mkdir(path)
  const condition = new DiskCondition(silentLogger)
  const sizes = { writeBufferBytes: MIB, maxBytes: 64 * MIB, maxManifestBytes: 8 * MIB }
  const options = { ...sizes, condition, ...limits }
  const db = new StrangeDatabase()
  const index = await createIndex(path, options, (bytes) => db.open(path, bytes))
  await index.write(Array.from({ length: 1000 }, (_, i) => entry(i)))
  await index.flush()
  return { index, db, path, options }
}

async function countFound(index: Index, count: number): Promise<number> {
  const values = await index.getMany(Array.from({ length: count }, (_, i) => entry(i).key))
  return values.filter((value) => value !== undefined && value !== 'unreadable').length
}

test('damage is what a file says of itself, not what the system refuses, wherever the file is', () => {
  for (const message of [
    DAMAGED,
    'truncated block read from /x/000016.sst offset 9, expected 8064 bytes, got 0',
    'Corruption: bad magic number in /while/reading/000007.sst',
  ]) {
    assert.equal(isDamage(new Error(message)), true, message)
  }
  for (const message of [
    REFUSED,
    'IO error: While pread offset 0 len 4096: /corrupt mismatch/000007.sst: Input/output error',
    'While appending to file: /x/000007.log: No space left on device',
    'While open a file for random read: /x/truncated/000007.sst: Too many open files',
  ]) {
    assert.equal(isDamage(new Error(message)), false, message)
  }
})

test('index: reads that the disk refuses for a while cost nothing, and make nothing anew', async (t) => {
  const { index, db, path, options } = await strangeIndex(t)
  t.after(() => index.close())
  const { opened } = db
  db.readFault = REFUSED
  assert.deepEqual(await index.getMany([entry(1).key]), ['unreadable'])
  await assert.rejects(index.range({}, 10), hasCode('E_STORE_IO'))
  assert.equal((options.condition as DiskCondition).current, 'disk-failing')
  await index.write([entry(1000)])
  db.readFault = undefined
  assert.equal(await countFound(index, 1001), 1001)
  assert.equal((options.condition as DiskCondition).current, 'ok')
  assert.equal(db.opened, opened)
  assert.deepEqual(await readdir(join(path, '..')), ['index'])
})

test('index: making it anew ends where the disk refuses to read, and it is left as it is', async (t) => {
  const { index, db, path } = await strangeIndex(t)
  t.after(() => index.close())
  db.damagedKey = entry(5).key
  assert.deepEqual(await index.getMany([entry(5).key]), ['unreadable'])
  db.readFault = REFUSED
  await assert.rejects(index.write([entry(1000)]), hasCode('E_STORE_IO'))
  assert.deepEqual(await readdir(join(path, '..')), ['index'], 'and no copy is left')
  db.readFault = undefined
  for (let tries = 0; tries < 4; tries++) await index.write([entry(1000)]).catch(() => {})
  db.damagedKey = undefined
  assert.equal(await countFound(index, 1001), 1000, 'all but the one that is damaged')
})

test('index: the one of before is kept beside a new one while there is room for both', async (t) => {
  const { index, db, path, options } = await strangeIndex(t)
  db.damagedKey = entry(5).key
  await index.getMany([entry(5).key])
  await index.write([entry(1000)])
  assert.deepEqual(await readdir(join(path, '..')), ['index', 'index.damaged'])
  await index.setLimits({ ...options, maxBytes: 1 })
  assert.deepEqual(await readdir(join(path, '..')), ['index'])
  await index.close()
})

test('index: one made anew has the entries that it must have, whatever is damaged', async (t) => {
  const { index, db } = await strangeIndex(t)
  t.after(() => index.close())
  index.keepAlways(() => [entry(5), entry(2000)])
  db.damagedKey = entry(5).key
  assert.deepEqual(await index.getMany([entry(5).key]), ['unreadable'])
  const { opened } = db
  db.damagedKey = undefined
  while (db.opened === opened) await sleep(5) // that read has it made anew, for nobody may write
  assert.equal(await countFound(index, 1000), 1000)
  assert.deepEqual(await index.getMany([entry(2000).key]), [Buffer.from(entry(2000).value)])
})

test('index: a write that was under way when it is made anew is in the new one', async (t) => {
  // a directory over its limit: the look before a write compacts, which takes a while here
  const { index, db } = await strangeIndex(t, { maxBytes: 1 })
  t.after(() => index.close())
  db.delays.compact = 400
  for (let i = 0; i < 13; i++) await index.write([entry(0)])
  db.delays.page = 20
  const first = index.write([entry(1000)]) // it looks first
  await sleep(20)
  db.damagedKey = entry(5).key
  await index.getMany([entry(5).key])
  const second = index.write([entry(1001)])
  await Promise.all([first, second])
  db.damagedKey = undefined
  assert.equal(await countFound(index, 1002), 1001)
})

test('index: a resize while it is made anew rolls nothing back at the next open', async (t) => {
  const { index, db, path, options } = await strangeIndex(t)
  db.damagedKey = entry(5).key
  await index.getMany([entry(5).key])
  const write = index.write([entry(1000)])
  while (!existsSync(`${path}.new`)) await sleep(1)
  db.delays.open = 100
  const resized = index.setLimits({ ...options, writeBufferBytes: 2 * MIB })
  await Promise.all([write, resized])
  await index.write([entry(1001)])
  await index.close()
  const again = await openRocksIndex(path, options)
  t.after(() => again.close())
  assert.equal(await countFound(again, 1002), 1001)
})

test('handle: each opening anew has its own task done, one after the other, none after the close', async () => {
  const done: string[] = []
  const close = (): Promise<void> => sleep(5)
  const handle = await RocksHandle.create(() => Promise.resolve({ close } as Database))
  const first = handle.reopen()
  const second = handle.reopen(() => Promise.resolve(done.push('second')))
  const third = handle.reopen(() => Promise.reject(new Error('refused')))
  const fourth = handle.reopen(() => Promise.resolve(done.push('fourth')))
  await assert.rejects(third, /refused/)
  await Promise.all([first, second, fourth])
  assert.deepEqual(done, ['second', 'fourth'])
  assert.equal(handle.isOpen, true)
  await handle.close()
  await assert.rejects(handle.reopen(), hasCode('E_CLOSED'))
  assert.equal(handle.isOpen, false)
})
