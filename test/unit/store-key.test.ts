import assert from 'node:assert/strict'
import { existsSync, watch } from 'node:fs'
import {
  link,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { rewriteKey } from '../../src/datastore/key-change.ts'
import {
  checkKeyFile,
  createKeyFile,
  isKeyFile,
  isKeyProtected,
  loadSecret,
} from '../../src/datastore/store-key.ts'
import { eraseFile, readAtMost, replaceFile } from '../../src/datastore/whole-file.ts'
import { equals, utf8 } from '../../src/keys/bytes.ts'
import {
  STORE_SECRET_BYTES,
  WRAPPED_SECRET_BYTES,
  createStoreSecret,
  wrapSecret,
} from '../../src/keys/seal.ts'
import { hasCode } from '../helpers/disk-store.ts'

/** Where another cost is asked for: these tests are not about how slow Argon2id is. */
const LEAST_COST = { passes: 1, memoryKib: 8 }

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-key-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A folder with a key under `passphrase`, and its secret. */
async function protectedFolder(
  t: TestContext,
  passphrase: string,
): Promise<{ path: string; secret: Uint8Array }> {
  const path = await folder(t)
  const secret = createStoreSecret()
  const file = await wrapSecret(secret, utf8(passphrase), LEAST_COST)
  await writeFile(join(path, 'store.key'), file)
  return { path, secret }
}

test('store key: a new one is a megabyte of chance, for its owner only, and loads again', async (t) => {
  const path = await folder(t)
  const secret = await createKeyFile(path, undefined)
  assert.deepEqual(await readdir(path), ['store.key'])
  const { size, mode } = await stat(join(path, 'store.key'))
  assert.equal(size, STORE_SECRET_BYTES)
  if (process.platform !== 'win32') assert.equal(mode & 0o777, 0o600)
  assert.ok(equals(await loadSecret(path, undefined), secret))
  assert.ok(equals(await loadSecret(path, 'not needed'), secret))
  assert.equal(await isKeyProtected(path), false)
})

test('store key: a locked one says so, and opens with its passphrase alone', async (t) => {
  const { path, secret } = await protectedFolder(t, 'swordfish')
  assert.equal(await isKeyProtected(path), true)
  await assert.rejects(loadSecret(path, undefined), {
    code: 'E_PASSPHRASE',
    message: 'store.key is locked: a passphrase is needed',
  })
  await assert.rejects(loadSecret(path, 'sordfish'), {
    code: 'E_PASSPHRASE',
    message: 'the passphrase is wrong',
  })
  assert.ok(equals(await loadSecret(path, 'swordfish'), secret))
})

test('store key: a passphrase is the same however a keyboard composes its letters', async (t) => {
  const { path, secret } = await protectedFolder(t, 'caf\u00e9')
  assert.ok(equals(await loadSecret(path, 'cafe\u0301'), secret))
})

test('store key: a new one can have a passphrase from the start', async (t) => {
  const path = await folder(t)
  const secret = await createKeyFile(path, 'dear') // at the cost that everybody pays
  assert.equal((await stat(join(path, 'store.key'))).size, WRAPPED_SECRET_BYTES)
  assert.ok(equals(await loadSecret(path, 'dear'), secret))
})

test('store key: setting, changing and removing a passphrase keeps the secret', async (t) => {
  const path = await folder(t)
  const secret = await createKeyFile(path, undefined)
  await rewriteKey(path, undefined, 'one', LEAST_COST)
  assert.ok(equals(await loadSecret(path, 'one'), secret))
  await rewriteKey(path, 'one', 'two', LEAST_COST)
  await assert.rejects(loadSecret(path, 'one'), hasCode('E_PASSPHRASE'))
  assert.ok(equals(await loadSecret(path, 'two'), secret))
  await rewriteKey(path, 'two', undefined)
  assert.ok(equals(await readFile(join(path, 'store.key')), secret))
  assert.deepEqual(await readdir(path), ['store.key'])
})

test('store key: what the file held before a change is overwritten where it was', async (t) => {
  const path = await folder(t)
  const secret = await createKeyFile(path, undefined)
  const old = join(path, 'old')
  await link(join(path, 'store.key'), old) // the same place on the disk, still in sight
  await rewriteKey(path, undefined, 'one', LEAST_COST)
  const left = await readFile(old)
  assert.equal(left.length, STORE_SECRET_BYTES)
  let same = 0
  for (const [i, byte] of left.entries()) if (byte === secret[i]) same++
  assert.ok(same < 2 * (STORE_SECRET_BYTES / 256), `${same} bytes are as they were`)
})

test('store key: a change that cannot be made leaves the key as it was', async (t) => {
  const { path, secret } = await protectedFolder(t, 'one')
  const before = await readFile(join(path, 'store.key'))
  for (const [old, next] of [
    ['wrong', 'two'],
    [undefined, 'two'],
    ['one', ''],
    ['one', 'x'.repeat(1025)],
  ] as const) {
    await assert.rejects(rewriteKey(path, old, next, LEAST_COST), hasCode('E_PASSPHRASE'))
  }
  await mkdir(join(path, 'store.key.new')) // in the way of the new file
  await assert.rejects(rewriteKey(path, 'one', 'two', LEAST_COST))
  assert.ok(equals(await readFile(join(path, 'store.key')), before))
  assert.ok(equals(await loadSecret(path, 'one'), secret))
})

test('store key: a passphrase may have 1 to 1,024 bytes', async (t) => {
  const path = await folder(t)
  const secret = await createKeyFile(path, undefined)
  let before: string | undefined
  for (const passphrase of ['x', 'x'.repeat(1024), '\u00e9'.repeat(512)]) {
    await rewriteKey(path, before, passphrase, LEAST_COST)
    assert.ok(equals(await loadSecret(path, passphrase), secret))
    before = passphrase
  }
  await assert.rejects(loadSecret(path, '\u00e9'.repeat(513)), hasCode('E_PASSPHRASE'))
})

test('store key: one that is missing, cut, too long, damaged or a link is told apart from a locked one', async (t) => {
  const path = await folder(t)
  const file = join(path, 'store.key')
  await assert.rejects(checkKeyFile(path), { code: 'E_STORE_IO', message: /store\.key is missing/ })
  assert.equal(await isKeyFile(path), false)
  for (const length of [0, 1, STORE_SECRET_BYTES - 1, STORE_SECRET_BYTES + 1, 3_000_000]) {
    await writeFile(file, new Uint8Array(length))
    await assert.rejects(loadSecret(path, 'any'), { code: 'E_STORE_IO', message: /damaged/ })
    assert.equal(await isKeyFile(path), false)
  }
  await writeFile(file, new Uint8Array(WRAPPED_SECRET_BYTES))
  await assert.rejects(loadSecret(path, 'any'), { code: 'E_STORE_IO', message: /damaged/ })
  await rm(file)
  await writeFile(join(path, 'elsewhere'), createStoreSecret())
  await symlink(join(path, 'elsewhere'), file)
  await assert.rejects(loadSecret(path, undefined), { code: 'E_STORE_IO', message: /is a link/ })
  assert.equal(await isKeyFile(path), false)
  await rm(file)
  await mkdir(file)
  await assert.rejects(loadSecret(path, undefined), { code: 'E_STORE_IO', message: /is no file/ })
})

test('store key: of two changes at once one is made, and the other is told that it is not', async (t) => {
  for (let round = 0; round < 8; round++) {
    const path = await folder(t)
    const secret = await createKeyFile(path, undefined)
    const passphrases = ['one', 'two', 'three']
    const results = await Promise.allSettled(
      passphrases.map((passphrase) => rewriteKey(path, undefined, passphrase, LEAST_COST)),
    )
    const made = passphrases.filter((_, i) => results[i]?.status === 'fulfilled')
    assert.equal(made.length, 1, `round ${round}: ${made.join()}`)
    assert.ok(equals(await loadSecret(path, made[0]), secret))
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      const reason: unknown = result.reason
      assert.ok(hasCode('E_BUSY')(reason) || hasCode('E_STORE_IO')(reason), String(reason))
    }
    assert.deepEqual(await readdir(path), ['store.key'])
  }
})

test('store key: one that is destroyed while it is changed does not come back', async (t) => {
  for (let steps = 0; steps < 60; steps++) {
    const path = await folder(t)
    ;(await createKeyFile(path, undefined)).fill(0)
    const changing = rewriteKey(path, undefined, 'one', LEAST_COST)
    for (let i = 0; i < steps; i++) await new Promise(setImmediate)
    const [change] = await Promise.allSettled([changing, eraseFile(join(path, 'store.key'))])
    assert.deepEqual(await readdir(path), [], `${steps} steps: ${change.status}`)
  }
})

test('store key: a draft in use stops another change, one that was left behind does not', async (t) => {
  const path = await folder(t)
  const secret = await createKeyFile(path, undefined)
  const draft = join(path, 'store.key.new')
  await writeFile(draft, secret)
  await assert.rejects(rewriteKey(path, undefined, 'one', LEAST_COST), hasCode('E_BUSY'))
  assert.ok(equals(await readFile(draft), secret), 'it is another process')
  await link(draft, join(path, 'same'))
  await utimes(draft, 1, 1)
  await rewriteKey(path, undefined, 'one', LEAST_COST)
  assert.ok(!equals(await readFile(join(path, 'same')), secret), 'it is overwritten')
  assert.deepEqual((await readdir(path)).sort(), ['same', 'store.key'])
})

test('whole file: a draft that is left, or cannot be put in place, is overwritten before it goes', async (t) => {
  const path = await folder(t)
  const secret = createStoreSecret()
  await writeFile(join(path, 'key.new'), secret)
  await link(join(path, 'key.new'), join(path, 'same'))
  await replaceFile(join(path, 'key'), utf8('next'))
  assert.ok(!equals(await readFile(join(path, 'same')), secret))
  assert.deepEqual((await readdir(path)).sort(), ['key', 'same'])
  await mkdir(join(path, 'taken', 'deep'), { recursive: true }) // nothing is renamed to there
  let seen: Promise<unknown> = Promise.resolve()
  const watcher = watch(path, (_, name) => {
    if (name === 'taken.new') seen = link(join(path, name), join(path, 'seen')).catch(() => {})
  })
  await assert.rejects(replaceFile(join(path, 'taken'), secret))
  watcher.close()
  await seen
  if (existsSync(join(path, 'seen'))) {
    assert.ok(!equals(await readFile(join(path, 'seen')), secret))
  }
})

test('whole file: a file that is replaced is there whole, before and after', async (t) => {
  const path = join(await folder(t), 'file')
  assert.equal(await readAtMost(path, 10), undefined)
  for (const length of [0, 1, 10]) {
    await replaceFile(path, new Uint8Array(length).fill(length))
    assert.deepEqual(await readAtMost(path, 10), new Uint8Array(length).fill(length))
  }
  await replaceFile(path, new Uint8Array(1000))
  assert.equal((await readAtMost(path, 10))?.length, 11, 'a longer one is read up to there')
  await writeFile(`${path}.new`, 'left by a crash')
  await replaceFile(path, utf8('new'))
  assert.deepEqual(await readdir(join(path, '..')), ['file'])
})

test('whole file: one that is replaced while it is erased is no failure, and its draft neither', async (t) => {
  const path = join(await folder(t), 'file')
  for (let round = 0; round < 100; round++) {
    const replacing = replaceFile(path, utf8('secret')).catch(() => {}) // its draft was erased
    for (let i = 0; i < round % 20; i++) await new Promise(setImmediate)
    await Promise.all([replacing, eraseFile(`${path}.new`), eraseFile(path)])
  }
  await eraseFile(path)
  assert.deepEqual(await readdir(join(path, '..')), [])
})

test('whole file: an erased file is overwritten where it was, and one behind a link is not', async (t) => {
  const path = await folder(t)
  const bytes = new Uint8Array(2_500_000).fill(7)
  await writeFile(join(path, 'secret'), bytes, { mode: 0o400 })
  await link(join(path, 'secret'), join(path, 'same'))
  assert.equal(await eraseFile(join(path, 'secret')), true)
  const left = await readFile(join(path, 'same'))
  assert.equal(left.length, bytes.length)
  for (const at of [0, 1_048_575, 1_048_576, 2_400_000]) {
    assert.equal(equals(left.subarray(at, at + 100), bytes.subarray(at, at + 100)), false, `${at}`)
  }
  await writeFile(join(path, 'other'), 'not ours')
  await symlink(join(path, 'other'), join(path, 'link'))
  assert.equal(await eraseFile(join(path, 'link')), true)
  assert.equal(await readFile(join(path, 'other'), 'utf8'), 'not ours')
  assert.deepEqual((await readdir(path)).sort(), ['other', 'same'])
  assert.equal(await eraseFile(join(path, 'link')), false)
})
