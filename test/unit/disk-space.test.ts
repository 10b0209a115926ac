import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { DiskSpace, allocatedBytes, checkSpace, freeBytes } from '../../src/datastore/disk-space.ts'
import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

test('disk space: a folder takes what all its files take, links not followed', async (t) => {
  const path = await folder(t)
  const empty = await allocatedBytes(path)
  await mkdir(join(path, 'a/b'), { recursive: true })
  await writeFile(join(path, 'a/one'), new Uint8Array(50_000).fill(1))
  await writeFile(join(path, 'a/b/two'), new Uint8Array(100_000).fill(2))
  const before = await allocatedBytes(path)
  assert.ok(before - empty >= 150_000, `${before - empty} bytes`)
  await symlink('/', join(path, 'everything'))
  const link = (await allocatedBytes(path)) - before
  assert.ok(link <= 8192, `${link} bytes for a link`)
})

test('disk space: what is not there takes nothing', async (t) => {
  assert.equal(await allocatedBytes(join(await folder(t), 'nothing')), 0)
})

test('disk space: a disk without the room is E_STORE_FULL, with both sizes in the message', async (t) => {
  const path = await folder(t)
  await checkSpace(path, await freeBytes(path).then((bytes) => Math.floor(bytes / 2)))
  await assert.rejects(checkSpace(path, 2 ** 60), (error) => {
    assert.ok(isShoalError(error) && error.code === 'E_STORE_FULL')
    assert.match(
      error.message,
      /^the disk has [\d.]+ [GM]iB free, the store needs 1073741824\.0 GiB/,
    )
    return true
  })
  const nowhere = checkSpace(join(path, 'nowhere'), 1)
  await assert.rejects(nowhere, (error) => isShoalError(error) && error.code === 'E_STORE_IO')
})

test('disk space: the size is measured in the background, at most every ten seconds', async (t) => {
  const path = await folder(t)
  const clock = createSimulatedClock()
  const slab = { slots: 2 }
  await writeFile(join(path, 'slab'), new Uint8Array(2 * BLOCK_BYTES).fill(1))
  const space = new DiskSpace(path, slab, clock)
  assert.equal(space.usedBytes, 0, 'not yet')
  await space.measure()
  const first = space.usedBytes
  assert.ok(first >= 2 * BLOCK_BYTES)
  assert.equal(space.besideSlabBytes, first - 2 * BLOCK_BYTES)
  await writeFile(join(path, 'more'), new Uint8Array(100_000).fill(1))
  await clock.runFor(9_000)
  assert.equal(space.usedBytes, first)
  await clock.runFor(1_000)
  assert.equal(space.usedBytes, first, 'the look has only begun')
  await space.measure()
  assert.ok(space.usedBytes >= first + 100_000)
  assert.ok(space.usedBytes < first + 200_000)
})

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-space-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  assert.ok((await stat(path)).isDirectory())
  return path
}
