/** @module */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolder } from '../../src/make-folder.ts'

test('a folder is made with those above it, for its owner only, and a second time does no harm', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'shoal-folder-'))
  t.after(() => rm(base, { recursive: true }))
  const path = join(base, 'a', 'b', 'c')
  await makeFolder(path)
  await makeFolder(path)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
})

const skip = existsSync('/proc/self') ? false : 'needs procfs'

test('where no folder can be made the attempt ends', { skip }, async () => {
  await assert.rejects(makeFolder('/proc/nope'), { code: 'ENOENT' })
  await assert.rejects(makeFolder('/proc/nope/deeper'), { code: 'ENOENT' })
})
