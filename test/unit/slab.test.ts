import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import {
  appendFile,
  mkdtemp,
  open,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deflateRawSync } from 'node:zlib'

import { openSlab } from '../../src/datastore/slab.ts'
import type { Slab } from '../../src/datastore/slab.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { contentBlock } from '../helpers/signed-block.ts'

test('slab: a new one has no slots, and its file is for the owner alone', async (t) => {
  const path = await slabPath(t)
  const slab = await openAt(t, path, 100)
  assert.equal(slab.slots, 0)
  const { size, mode } = await stat(path)
  assert.equal(size, 0)
  assert.equal(mode & 0o777, 0o600)
})

test('slab: slots are written and read whole, in any order, also after a reopen', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 4)
  await slab.extend(4)
  for (const slot of [3, 0, 1]) await slab.write(slot, contentBlock(slot).block)
  await slab.sync()
  await slab.close()
  const again = await openAt(t, path, 4)
  assert.equal(again.slots, 4)
  for (const slot of [0, 1, 3])
    assert.deepEqual(await bytesOf(again, slot), contentBlock(slot).block)
})

test('slab: many reads and writes at once do not share bytes', async (t) => {
  const slab = await openAt(t, await slabPath(t), 50)
  await slab.extend(50)
  const all = Array.from({ length: 50 }, (_, slot) => slot)
  await Promise.all(all.map((slot) => slab.write(slot, contentBlock(slot).block)))
  await Promise.all(
    all.map((slot) =>
      slab.read(slot, (bytes) => assert.deepEqual(bytes, contentBlock(slot).block)),
    ),
  )
})

test('slab: what is appended takes its room on the disk, is random, and no two slots are alike', async (t) => {
  const path = await slabPath(t)
  const slab = await openAt(t, path, 200)
  for (const count of [1, 31, 32, 33, 3]) await slab.extend(count)
  assert.equal(slab.slots, 100)
  await slab.sync()
  const { size, blocks } = await stat(path)
  assert.equal(size, 100 * BLOCK_BYTES)
  assert.ok(blocks * 512 >= size, 'no holes')
  const bytes = await readFile(path)
  assert.ok(deflateRawSync(bytes).length >= bytes.length, 'cannot be compressed')
  const starts = Array.from({ length: 100 }, (_, slot) =>
    bytes.subarray(slot * BLOCK_BYTES, slot * BLOCK_BYTES + 16).toString('hex'),
  )
  assert.equal(new Set(starts).size, 100)
})

test('slab: nothing is written beyond the end, and reads there reject', async (t) => {
  const path = await slabPath(t)
  const slab = await openAt(t, path, 10)
  await slab.extend(2)
  await assert.rejects(slab.write(2, contentBlock(1).block), RangeError)
  await assert.rejects(slab.read(2, () => {}))
  assert.equal((await stat(path)).size, 2 * BLOCK_BYTES)
  await truncate(path, BLOCK_BYTES + 5)
  await assert.rejects(
    slab.read(1, () => {}),
    'cut behind its back',
  )
})

test('slab: a torn last slot is cut off, and whole ones never are', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 10)
  await slab.extend(8)
  await slab.close()
  await appendFile(path, new Uint8Array(BLOCK_BYTES - 1).fill(7))
  assert.equal((await openAt(t, path, 10)).slots, 8)
  assert.equal((await stat(path)).size, 8 * BLOCK_BYTES)
  await assert.rejects(openSlab(path, 3), { code: 'E_STORE_IO', message: /longer than the store/ })
  assert.equal((await stat(path)).size, 8 * BLOCK_BYTES)
})

test('slab: slots that a power cut left blank while it grew are filled again, others stay', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 10)
  await slab.extend(8)
  await slab.write(5, contentBlock(5).block)
  await slab.close()
  const before = await readFile(path)
  const file = await open(path, 'r+')
  await file.write(new Uint8Array(4096), 0, 4096, 6 * BLOCK_BYTES + 8192)
  await file.write(new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES, 7 * BLOCK_BYTES)
  await file.close()
  const again = await openAt(t, path, 10)
  assert.equal(again.slots, 8)
  const after = await readFile(path)
  assert.deepEqual(after.subarray(0, 6 * BLOCK_BYTES), before.subarray(0, 6 * BLOCK_BYTES))
  assert.ok(deflateRawSync(after.subarray(6 * BLOCK_BYTES)).length >= 2 * BLOCK_BYTES)
})

test('slab: cut to fewer slots it keeps the others, and grows again', async (t) => {
  const path = await slabPath(t)
  const slab = await openAt(t, path, 20)
  await slab.extend(20)
  await slab.write(4, contentBlock(4).block)
  await slab.truncate(5)
  assert.equal(slab.slots, 5)
  assert.equal((await stat(path)).size, 5 * BLOCK_BYTES)
  await slab.truncate(9)
  assert.equal(slab.slots, 5, 'a cut never makes it longer')
  await slab.extend(2)
  assert.equal(slab.slots, 7)
  assert.deepEqual(await bytesOf(slab, 4), contentBlock(4).block)
})

test('slab: an append that fails leaves the slots before it, and can be tried again', async (t) => {
  const path = await slabPath(t)
  // the kernel refuses a file beyond the limit, as a disk that is full refuses any
  const script = fileURLToPath(new URL('../helpers/slab-extender.js', import.meta.url))
  const limitKib = 40 * 32 + 17
  const command = `ulimit -f ${limitKib}; exec "$0" "$1" "$2" 100`
  const run = await promisify(execFile)('bash', ['-c', command, process.execPath, script, path])
  assert.deepEqual(JSON.parse(run.stdout), { code: 'EFBIG', slots: 32 })
  assert.equal((await stat(path)).size, 32 * BLOCK_BYTES)
  const slab = await openAt(t, path, 100)
  await slab.extend(68)
  assert.equal(slab.slots, 100)
  const bytes = await readFile(path)
  assert.ok(deflateRawSync(bytes).length >= bytes.length)
})

test('slab: a hole that a crash left in the last slots of all is filled', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 40)
  await slab.extend(32)
  await slab.close()
  await truncate(path, 40 * BLOCK_BYTES)
  const again = await openAt(t, path, 40)
  assert.equal(again.slots, 40)
  const { size, blocks } = await stat(path)
  assert.ok(blocks * 512 >= size)
  assert.ok(deflateRawSync(await readFile(path)).length >= size)
})

test('slab: sectors near its end that cannot be read or written are no reason not to open', async (t) => {
  const path = await slabPath(t)
  const first = await openSlab(path, 100)
  await first.extend(20)
  await first.close()
  const file = await open(path, 'r+')
  for (const slot of [5, 6]) await file.write(new Uint8Array(4096), 0, 4096, slot * BLOCK_BYTES)
  await file.close()
  const failAt = (bad: number) => (original: (...given: unknown[]) => unknown) => {
    return (...given: unknown[]): void => {
      const done = given[5] as (error: Error) => void
      if (given[4] !== bad * BLOCK_BYTES) original(...given)
      else setImmediate(done, Object.assign(new Error('EIO: imitated'), { code: 'EIO' }))
    }
  }
  const { read, write } = fs
  t.after(() => {
    Object.assign(fs, { read, write })
    syncBuiltinESMExports()
  })
  Object.assign(fs, { read: failAt(3)(read as never), write: failAt(5)(write as never) })
  syncBuiltinESMExports()
  const slab = await openAt(t, path, 100)
  assert.equal(slab.slots, 20)
  await assert.rejects(
    slab.read(3, () => {}),
    /EIO/,
  )
  const isBlank = (bytes: Uint8Array): boolean =>
    bytes.subarray(0, 4096).every((byte) => byte === 0)
  assert.deepEqual([await slab.read(5, isBlank), await slab.read(6, isBlank)], [true, false])
})

test('slab: closing waits for what is under way, and later calls reject', async (t) => {
  const path = await slabPath(t)
  const slab = await openSlab(path, 40)
  await slab.extend(40)
  const writes = Array.from({ length: 40 }, (_, slot) => slab.write(slot, contentBlock(slot).block))
  const closing = slab.close()
  await Promise.all(writes)
  await closing
  await assert.rejects(slab.write(0, contentBlock(9).block))
  await assert.rejects(slab.read(0, () => {}))
  const again = await openAt(t, path, 40)
  for (let slot = 0; slot < 40; slot++) {
    assert.deepEqual(await bytesOf(again, slot), contentBlock(slot).block)
  }
})

test('slab: a file that is no multiple of a slot and smaller than one has no slots', async (t) => {
  const path = await slabPath(t)
  await writeFile(path, 'short')
  assert.equal((await openAt(t, path, 5)).slots, 0)
  assert.equal((await stat(path)).size, 0)
})

async function openAt(t: TestContext, path: string, slots: number): Promise<Slab> {
  const slab = await openSlab(path, slots)
  t.after(() => slab.close())
  return slab
}

function bytesOf(slab: Slab, slot: number): Promise<Uint8Array> {
  return slab.read(slot, (bytes) => Uint8Array.from(bytes))
}

async function slabPath(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-slab-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return join(path, 'slab')
}
