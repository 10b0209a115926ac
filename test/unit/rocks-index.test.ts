import assert from 'node:assert/strict'
import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { indexPages } from '../../src/datastore/index-pages.ts'
import type { Database } from '../../src/datastore/rocks-handle.ts'
import { createIndex, openRocksIndex } from '../../src/datastore/rocks-index.ts'
import type { Index, IndexOptions } from '../../src/datastore/rocks-index.ts'
import { isIndexInUse, openDatabase } from '../../src/datastore/rocks-open.ts'
import { isShoalError } from '../../src/errors.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'
import { equals, uint64 } from '../../src/keys/bytes.ts'
import { silentLogger } from '../../src/runtime.ts'
import type { Rng } from '../../src/runtime.ts'
import { hasCode } from '../helpers/disk-store.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const SEED = seedFromEnvironment()
const MIB = 1024 * 1024
/** A small one, so that a few thousand entries make several tables. */
const WRITE_BUFFER_BYTES = 128 * 1024
const ENTRIES = 3000

/** A key as the store makes them, and a value that belongs to it alone. */
function entry(i: number): { key: Uint8Array; value: Uint8Array } {
  const key = blake2b256(uint64(i))
  return { key, value: blake2b256(key) }
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-index-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function options(condition = new DiskCondition(silentLogger)): IndexOptions {
  const limits = { maxBytes: 64 * MIB, maxManifestBytes: 8 * MIB }
  return { writeBufferBytes: WRITE_BUFFER_BYTES, ...limits, condition }
}

async function writeEntries(index: Index, from: number, count: number): Promise<void> {
  for (let at = 0; at < count; at += 250) {
    await index.write(
      Array.from({ length: Math.min(250, count - at) }, (_, i) => entry(from + at + i)),
    )
  }
}

/** A folder with an index of `ENTRIES` entries, as a process that was killed leaves it. */
async function killedIndex(t: TestContext): Promise<string> {
  const path = await folder(t)
  await mkdir(join(path, 'live'))
  const index = await openRocksIndex(join(path, 'live'), options())
  await writeEntries(index, 0, ENTRIES)
  await index.close() // and again, so that nothing goes on in the background while it is copied
  const again = await openRocksIndex(join(path, 'live'), { ...options(), writeBufferBytes: MIB })
  await writeEntries(again, 0, 500)
  await cp(join(path, 'live'), join(path, 'index'), { recursive: true })
  await again.close()
  await rm(join(path, 'live'), { recursive: true })
  return path
}

async function countEntries(index: Index): Promise<number> {
  let count = 0
  for await (const page of indexPages(index)) {
    for (const { key, value } of page) {
      assert.ok(equals(value, blake2b256(key)), 'a wrong value')
      count++
    }
  }
  return count
}

async function firstTable(path: string): Promise<string> {
  const name = (await readdir(path)).sort().find((each) => each.endsWith('.sst'))
  assert.ok(name !== undefined, 'the entries are in tables')
  return join(path, name)
}

async function edit(file: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
  await writeFile(file, change(await readFile(file)))
}

function flipMiddle(bytes: Buffer): Uint8Array {
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] as number) ^ 16
  return bytes
}

/** A database that a disk fails: once a write has failed all others do, as RocksDB has it. */
class FailingDisk {
  isFailing = false
  canOpen = true
  opened = 0
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  readonly open = async (): Promise<Database> => {
    this.opened++
    if (!this.canOpen) throw diskFull()
    const db = await openDatabase(this.#path, WRITE_BUFFER_BYTES)
    let isBroken = false
    const check = (): void => {
      isBroken ||= this.isFailing
      if (isBroken) throw diskFull()
    }
    return {
      read: (how) => db.read(how),
      iterator: (range, how) => db.iterator(range, how),
      write: (how) => {
        check()
        return db.write(how)
      },
      flush: async () => {
        check()
        await db.flush()
      },
      compactRange: () => db.compactRange(),
      close: () => db.close(),
    }
  }
}

function diskFull(): Error {
  return Object.assign(new Error('While appending to file: No space left'), { code: 'ENOSPC' })
}

test('index: what was written is there after it is closed and opened, in order, and page by page', async (t) => {
  const path = await folder(t)
  const first = await openRocksIndex(path, options())
  await writeEntries(first, 0, 600)
  await first.write([{ key: entry(0).key, value: undefined }])
  await first.flush()
  await first.close()
  const index = await openRocksIndex(path, options())
  t.after(() => index.close())
  assert.deepEqual(await index.getMany([entry(0).key, entry(1).key]), [
    undefined,
    Buffer.from(entry(1).value),
  ])
  assert.equal(await countEntries(index), 599)
  const [low, , high] = await index.range({}, 3)
  assert.ok(low !== undefined && high !== undefined)
  assert.deepEqual(
    (await index.range({ gt: low.key, lte: high.key }, 10)).map(({ key }) => key).at(-1),
    high.key,
  )
  assert.equal((await index.range({ gte: low.key, lte: high.key }, 10)).length, 3)
  assert.equal((await index.range({ gt: low.key, lte: high.key }, 1)).length, 1)
})

test('index: a disk that fails is read on, and written again as soon as it lets itself', async (t) => {
  const path = await folder(t)
  const disk = new FailingDisk(path)
  const index = await createIndex(path, options(), disk.open)
  t.after(() => index.close())
  await writeEntries(index, 0, 250)
  disk.isFailing = true
  for (let i = 0; i < 5; i++) await assert.rejects(writeEntries(index, 250, 250), /No space left/)
  assert.equal(await countEntries(index), 250, 'all that it said was written')
  disk.isFailing = false
  for (let tries = 0; tries < 5; tries++) await writeEntries(index, 250, 250).catch(() => {})
  assert.equal(await countEntries(index), 500)
  const { opened } = disk
  await writeEntries(index, 500, 250)
  assert.equal(disk.opened, opened, 'it is opened again for a failure only')
})

test('index: one that fails for long is seldom closed, since readers wait for that', async (t) => {
  const path = await folder(t)
  const disk = new FailingDisk(path)
  const index = await createIndex(path, options(), disk.open)
  t.after(() => index.close())
  disk.isFailing = true
  for (let i = 0; i < 100; i++) await assert.rejects(index.flush())
  assert.ok(disk.opened > 1 && disk.opened <= 10, `${disk.opened} times`)
})

test('index: one that cannot be opened again says of every key that it is unreadable, and tries on', async (t) => {
  const path = await folder(t)
  const disk = new FailingDisk(path)
  const index = await createIndex(path, options(), disk.open)
  t.after(() => index.close())
  await writeEntries(index, 0, 10)
  disk.isFailing = true
  await assert.rejects(index.flush())
  disk.canOpen = false
  await assert.rejects(index.flush())
  assert.deepEqual(await index.getMany([entry(1).key]), ['unreadable'])
  await assert.rejects(index.range({}, 1), hasCode('E_STORE_IO'))
  Object.assign(disk, { canOpen: true, isFailing: false })
  for (let tries = 0; tries < 5; tries++) await index.flush().catch(() => {})
  assert.equal(await countEntries(index), 10)
})

test('index: writes and reads at the same time as it is opened again all end well', async (t) => {
  const path = await folder(t)
  const index = await openRocksIndex(path, { ...options(), maxManifestBytes: 1 })
  t.after(() => index.close())
  const calls: Promise<unknown>[] = []
  for (let i = 0; i < 60; i++) {
    calls.push(index.write([entry(i)]), index.getMany([entry(i).key]), index.range({}, 5))
  }
  await Promise.all(calls)
  assert.equal(await countEntries(index), 60)
})

test('index: of a damaged table the rest is read, and then the index is made anew', async (t) => {
  const path = await killedIndex(t)
  const condition = new DiskCondition(silentLogger)
  await edit(await firstTable(join(path, 'index')), flipMiddle)
  const index = await openRocksIndex(join(path, 'index'), options(condition))
  t.after(() => index.close())
  const there = await countEntries(index)
  assert.ok(there < ENTRIES && there > ENTRIES * 0.6, `${there} entries`)
  assert.equal(condition.current, 'disk-failing')
  let found = 0
  for (let i = 0; i < ENTRIES; i++) {
    const [value] = await index.getMany([entry(i).key])
    if (value !== undefined && value !== 'unreadable') found++
  }
  assert.ok(found < ENTRIES && found >= there, `${found} entries`)
  await writeEntries(index, ENTRIES, ENTRIES)
  await index.flush()
  assert.equal(condition.current, 'ok')
  assert.equal(await countEntries(index), there + ENTRIES)
  assert.deepEqual(await readdir(path), ['index', 'index.damaged'], 'the old one is kept')
})

test('index: a table that is cut off under a running process costs what was in it', async (t) => {
  const path = await killedIndex(t)
  const condition = new DiskCondition(silentLogger)
  const index = await openRocksIndex(join(path, 'index'), options(condition))
  t.after(() => index.close())
  await truncate(await firstTable(join(path, 'index')), 20_000)
  const there = await countEntries(index)
  await writeEntries(index, ENTRIES, 500)
  assert.ok((await countEntries(index)) >= there + 500)
})

test('index: making it anew may be cut off anywhere, and then it is as it was', async (t) => {
  const path = await killedIndex(t)
  const index = join(path, 'index')
  const opensWhole = async (left: readonly string[]): Promise<void> => {
    const opened = await openRocksIndex(index, options())
    assert.equal(await countEntries(opened), ENTRIES)
    await opened.close()
    assert.deepEqual(await readdir(path), left)
  }
  await mkdir(`${index}.new`) // a copy that was not finished
  await writeFile(join(`${index}.new`, 'CURRENT'), 'half')
  await opensWhole(['index'])
  await mkdir(`${index}.new`) // one that was, but not taken: others have been written since
  await rename(index, `${index}.old`)
  await opensWhole(['index'])
  await rename(index, `${index}.old`)
  await mkdir(index) // as the next start makes it before it looks
  await opensWhole(['index'])
  await cp(index, `${index}.old`, { recursive: true }) // the copy is in place
  await edit(join(`${index}.old`, 'CURRENT'), () => new Uint8Array(0))
  await opensWhole(['index', 'index.old'])
})

test('index: each file cut, emptied, changed or missing gives one clear line, or what is left', async (t) => {
  const base = await killedIndex(t)
  const names = await readdir(join(base, 'index'))
  const told: string[] = []
  for (const name of names) {
    for (const [how, damage] of Object.entries(DAMAGES)) {
      const path = join(base, 'copy')
      await rm(path, { recursive: true, force: true })
      await cp(join(base, 'index'), path, { recursive: true })
      await damage(join(path, name))
      const code = await tryIndex(path, `${name} ${how}`)
      if (code !== undefined) told.push(`${name.replace(/[-.]?\d+/, '')} ${how}: ${code}`)
    }
  }
  // a log is cut off where it is wrong, and these files nobody needs
  for (const name of ['.log', 'LOCK', 'LOG', 'IDENTITY', 'OPTIONS', 'SESSION_ID']) {
    assert.deepEqual(
      told.filter((each) => each.startsWith(`${name} `) && !each.includes('folder')),
      [],
    )
  }
  for (const each of [
    'CURRENT emptied',
    'MANIFEST emptied',
    'MANIFEST removed',
    '.sst cut',
    '.sst removed',
  ]) {
    assert.ok(
      told.some((line) => line === `${each}: E_STORE_IO`),
      `${each} in ${told.join('; ')}`,
    )
  }
})

test('index: bits changed by chance never give a wrong value, and never hang or throw', async (t) => {
  const base = await killedIndex(t)
  const rng = createSeededRng(SEED)
  const names = (await readdir(join(base, 'index')))
    .filter((name) => !/^(LOCK|LOG)/.test(name))
    .sort()
  for (let round = 0; round < 25; round++) {
    const path = join(base, 'copy')
    await rm(path, { recursive: true, force: true })
    await cp(join(base, 'index'), path, { recursive: true })
    const name = names[rng.below(names.length)] as string
    await edit(join(path, name), (bytes) => scattered(bytes, rng))
    await tryIndex(path, `SEED=${SEED} round ${round}: ${name}`)
  }
})

test('index: whether a process has it open is told without changing it', async (t) => {
  const path = await folder(t)
  assert.equal(await isIndexInUse(join(path, 'index')), false)
  assert.deepEqual(await readdir(path), [], 'nothing is made')
  await mkdir(join(path, 'index'))
  const index = await openRocksIndex(join(path, 'index'), options())
  assert.equal(await isIndexInUse(join(path, 'index')), true)
  await writeEntries(index, 0, 10)
  await index.close()
  assert.equal(await isIndexInUse(join(path, 'index')), false)
  await edit(join(path, 'index', 'CURRENT'), () => new Uint8Array(0))
  assert.equal(await isIndexInUse(join(path, 'index')), false, 'nobody has a damaged one open')
})

const DAMAGES: Readonly<Record<string, (file: string) => Promise<void>>> = {
  cut: (file) => edit(file, (bytes) => bytes.subarray(0, bytes.length >> 1)),
  emptied: (file) => edit(file, () => new Uint8Array(0)),
  changed: (file) => edit(file, (bytes) => (bytes.length === 0 ? bytes : flipMiddle(bytes))),
  garbled: (file) => edit(file, (bytes) => bytes.map((byte, i) => byte ^ (i * 37 + 5))),
  removed: (file) => rm(file),
  'made a folder': async (file) => {
    await rm(file)
    await mkdir(file)
  },
}

/** Opens, reads, writes and closes; the code of the error where it did not open. */
async function tryIndex(path: string, what: string): Promise<string | undefined> {
  let index: Index
  try {
    index = await openRocksIndex(path, options())
  } catch (error) {
    assert.ok(isShoalError(error), `${what}: ${String(error)}`)
    assert.ok(error.message.length < 200 && !error.message.includes('\n'), what)
    return error.code
  }
  const there = await countEntries(index)
  assert.ok(there <= ENTRIES, what)
  for (let i = 0; i < ENTRIES; i += 100) {
    const { key, value } = entry(i)
    const [found] = await index.getMany([key])
    const isAbsent = found === undefined || found === 'unreadable'
    assert.ok(isAbsent || equals(found, value), `${what}: a wrong value`)
  }
  await writeEntries(index, ENTRIES, 1000).catch(() => {}) // the next tries
  await writeEntries(index, ENTRIES, 1000)
  assert.ok((await countEntries(index)) >= 1000, what)
  await index.close()
  return undefined
}

function scattered(bytes: Buffer, rng: Rng): Uint8Array {
  for (let times = rng.below(8); times >= 0 && bytes.length > 0; times--) {
    bytes[rng.below(bytes.length)] = rng.below(256)
  }
  return rng.below(4) === 0 ? bytes.subarray(0, rng.below(bytes.length + 1)) : bytes
}
