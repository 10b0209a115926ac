/** A disk without a free byte (spec §11.4): a small file system in memory, where this user may mount one. @module */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { open, mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { openDiskStore } from '../../src/datastore/disk-store.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import { SEED, put } from '../helpers/disk-store.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const MIB = 1024 ** 2
const DISK_MIB = 120
const STORE_BYTES = 100 * MIB
const run = promisify(execFile)

/** The data directory on a disk of its own; undefined: none can be mounted here. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const at = await mkdtemp(join(tmpdir(), 'shoal-full-'))
  const isMounted = await run('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${DISK_MIB}M`,
    'tmpfs',
    at,
  ]).then(
    () => true,
    () => false,
  )
  t.after(async () => {
    if (isMounted) await run('umount', ['-l', at])
    await rm(at, { recursive: true, force: true })
  })
  if (!isMounted) t.skip('no file system can be mounted here')
  return isMounted ? at : undefined
}

async function openOn(disk: string): Promise<StorePair> {
  const runtime = { rng: createSeededRng(SEED), clock: systemClock, logger: silentLogger }
  return openDiskStore({
    dataDir: join(disk, 'data'),
    storeBytes: undefined,
    defaultBytes: STORE_BYTES,
    ...runtime,
  })
}

/** Leaves `left` bytes free. */
async function fillUp(disk: string, left = 0): Promise<void> {
  const file = await open(join(disk, 'ballast'), 'a')
  const piece = new Uint8Array(MIB).fill(1)
  try {
    for (;;) {
      const { bavail, bsize } = await statfs(disk)
      const count = Math.min(piece.length, bavail * bsize - left)
      if (count <= 0) return
      await file.appendFile(piece.subarray(0, count)).catch(() => {}) // the store may take room, too
    }
  } finally {
    await file.close()
  }
}

/** A store that is whole, with some blocks and a committed insert, on a disk without room. */
async function openFull(disk: string): Promise<StorePair> {
  const store = await openOn(disk)
  while (store.blocks.status().filledShare < 1) await sleep(20)
  while ((await sizeOf(disk)) === 0) await sleep(20)
  for (let i = 0; i < 300; i++) await put(store, contentBlock(i))
  const insertId = await store.outbox.begin()
  for (let i = 1000; i < 1100; i++)
    await store.outbox.add({ insertId, ...contentBlock(i), homes: [0] })
  await store.outbox.commit(insertId)
  await fillUp(disk)
  return store
}

async function sizeOf(disk: string): Promise<number> {
  return stat(join(disk, 'data/reserve')).then(
    ({ size }) => size,
    () => 0,
  )
}

async function checkServes(store: StorePair): Promise<void> {
  for (let i = 1000; i < 1100; i++) {
    const { address, block } = contentBlock(i)
    assert.deepEqual(await store.outbox.get(address), block)
  }
}

test('full disk: a store that was stopped opens without a free byte, and serves', async (t) => {
  const disk = await smallDisk(t)
  if (disk === undefined) return
  await (await openFull(disk)).blocks.close().catch(() => {})
  for (let round = 0; round < 3; round++) {
    await fillUp(disk, round === 1 ? 4.5 * MIB : 0)
    const store = await openOn(disk)
    await fillUp(disk)
    assert.equal(store.blocks.status().condition, 'disk-full')
    await checkServes(store)
    const kept = await sizeOf(disk)
    assert.ok(kept > 2 * MIB, `round ${round}: ${kept} bytes are kept for the next time`)
    await store.blocks.close().catch(() => {})
  }
  await rm(join(disk, 'ballast'))
  const store = await openOn(disk)
  assert.equal(store.blocks.status().condition, 'ok')
  await store.blocks.close()
})

test('full disk: without the room that was kept it says how much is needed, and leaves no log behind', async (t) => {
  const disk = await smallDisk(t)
  if (disk === undefined) return
  await (await openFull(disk)).blocks.close().catch(() => {})
  await rm(join(disk, 'data/reserve'))
  await fillUp(disk)
  await assert.rejects(openOn(disk), {
    code: 'E_STORE_FULL',
    message: 'the disk is full: it takes up to 7 MiB of free room to open the store',
  })
  const names = await readdir(join(disk, 'data/index'))
  assert.deepEqual(
    names.filter((name) => name.startsWith('LOG')),
    [],
  )
})

test('full disk: a store shrinks, whether it runs on or was opened on it, and keeps its inserts', async (t) => {
  for (const isReopened of [false, true]) {
    const disk = await smallDisk(t)
    if (disk === undefined) return
    let store = await openFull(disk)
    // the index has met the full disk, and refuses everything until it is opened again
    for (let i = 2000; i < 4000; i++) await put(store, contentBlock(i), 'cache')
    assert.equal(store.blocks.status().condition, 'disk-full')
    if (isReopened) {
      await store.blocks.close().catch(() => {})
      await fillUp(disk)
      store = await openOn(disk)
      await fillUp(disk)
    }
    const startedAt = Date.now()
    await store.care.resize(64 * MIB)
    t.diagnostic(`resized in ${Date.now() - startedAt} ms`)
    const { condition, quotaBytes } = store.blocks.status()
    assert.deepEqual([condition, quotaBytes], ['ok', 64 * MIB])
    await checkServes(store)
    await store.blocks.close()
  }
})
