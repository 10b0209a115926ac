/** @module */
import assert from 'node:assert/strict'
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { openKeyring } from '../../src/keyring.ts'
import type { Claim } from '../../src/keyring.ts'
import { KeyFile } from '../../src/keyring/key-file.ts'
import { openDiskFiles } from '../../src/keyring/small-files.ts'
import { addresses, folder, hasCode } from '../helpers/keyring.ts'

const KIB = 1024

const claimOf = (edition: number, bytes: number): Claim => ({
  key: 'blog',
  document: 'site',
  edition,
  body: new Uint8Array(bytes).fill(edition),
})

/** What the record folder takes on the disk, bytes. */
async function sideBytes(dataDir: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(join(dataDir, 'keyring.d'))) {
    bytes += (await stat(join(dataDir, 'keyring.d', name))).size
  }
  return bytes
}

test('records stay within their budget, and the oldest go first', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir, maxRecordBytes: 64 * KIB })
  await keyring.create('blog')
  // 1,000 addresses of 8 bytes take two steps of 4 KiB
  for (let i = 0; i < 12; i++) {
    await keyring.saveSpreadRecord('blog', `site ${i}`, addresses(1000))
    assert.ok((await sideBytes(dataDir)) <= 64 * KIB)
  }
  await keyring.saveSpreadRecord('blog', 'site 4', addresses(1000))
  await keyring.saveSpreadRecord('blog', 'site 12', addresses(1000))
  const kept: number[] = []
  for (let i = 0; i <= 12; i++) {
    if ((await keyring.spreadRecord('blog', `site ${i}`)) !== undefined) kept.push(i)
  }
  assert.deepEqual(kept, [4, 6, 7, 8, 9, 10, 11, 12])
})

test('the oldest is known after a restart, and a smaller budget holds at once', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('blog')
  const names: string[] = []
  for (let i = 0; i < 5; i++) {
    await keyring.saveSpreadRecord('blog', `site ${i}`, addresses(10))
    const isNew = (name: string): boolean => !names.includes(name)
    names.push((await readdir(join(dataDir, 'keyring.d'))).find(isNew) ?? '')
  }
  // as if they had been written in another order: 4 first
  for (const [i, name] of names.entries())
    await utimes(join(dataDir, 'keyring.d', name), 1, 1000 - i)
  const again = await openKeyring({ dataDir, maxRecordBytes: 8 * KIB })
  assert.equal(await sideBytes(dataDir), 8 * KIB)
  for (let i = 0; i < 5; i++) {
    const record = await again.spreadRecord('blog', `site ${i}`)
    assert.equal(record !== undefined, i < 2, `site ${i}`)
  }
})

test('a record with more addresses than fit keeps the first, and never over 262,144', async (t) => {
  const dataDir = await folder(t)
  const small = await openKeyring({ dataDir, maxRecordBytes: 8 * KIB })
  await small.create('blog')
  const many = addresses(2000)
  await small.saveSpreadRecord('blog', 'site', many)
  const record = await small.spreadRecord('blog', 'site')
  assert.equal(record?.size, Math.floor((8 * KIB - 40 - 37) / 8))
  const known = [...many].map((address) => record.has(address))
  assert.equal(known.indexOf(false), record.size)
  assert.equal(known.lastIndexOf(true), record.size - 1)
  const none = await openKeyring({ dataDir, maxRecordBytes: 0 })
  await none.saveSpreadRecord('blog', 'site', many)
  assert.equal(await none.spreadRecord('blog', 'site'), undefined)

  const large = await openKeyring({ dataDir, maxRecordBytes: 4096 * KIB })
  const huge = new Set<string>()
  for (let i = 0; i < 262_145; i++)
    huge.add(String.fromCharCode(i & 255, (i >> 8) & 255, i >> 16).padEnd(32))
  await large.saveSpreadRecord('blog', 'site', huge)
  assert.equal((await large.spreadRecord('blog', 'site'))?.size, 262_144)
  assert.ok((await sideBytes(dataDir)) < 2056 * KIB)
})

test('a record that was damaged is none, and others do not suffer', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('blog')
  await keyring.saveSpreadRecord('blog', 'a', addresses(10))
  const [first = ''] = await readdir(join(dataDir, 'keyring.d'))
  await keyring.saveSpreadRecord('blog', 'b', addresses(10))
  await writeFile(join(dataDir, 'keyring.d', first), 'x')
  await writeFile(join(dataDir, 'keyring.d', 'a letter'), 'of somebody')
  const again = await openKeyring({ dataDir })
  assert.equal(await again.spreadRecord('blog', 'a'), undefined)
  assert.equal((await again.spreadRecord('blog', 'b'))?.size, 10)
  await again.saveSpreadRecord('blog', 'a', addresses(20))
  assert.equal((await again.spreadRecord('blog', 'a'))?.size, 20)
  await rm(join(dataDir, 'keyring.d'), { recursive: true })
  const without = await openKeyring({ dataDir })
  assert.equal(await without.spreadRecord('blog', 'b'), undefined)
  assert.equal(without.list().length, 1)
})

test('claims push records out, are never pushed out, and are refused when they fill the budget', async (t) => {
  const dataDir = await folder(t)
  const options = { dataDir, maxRecordBytes: 144 * KIB }
  const keyring = await openKeyring(options)
  await keyring.create('blog')
  await keyring.saveSpreadRecord('blog', 'site', addresses(2500))
  for (let edition = 0; edition < 4; edition++) await keyring.addClaim(claimOf(edition, 32_600))
  assert.equal(await keyring.spreadRecord('blog', 'site'), undefined)
  await assert.rejects(keyring.addClaim(claimOf(4, 32_600)), hasCode('E_STORE_FULL'))
  await keyring.saveSpreadRecord('blog', 'site', addresses(20_000))
  assert.equal(
    (await keyring.spreadRecord('blog', 'site'))?.size,
    Math.floor((16 * KIB - 40 - 37) / 8),
  )
  assert.ok((await sideBytes(dataDir)) <= 144 * KIB)
  const again = await openKeyring(options)
  await again.saveSpreadRecord('blog', 'other', addresses(20_000))
  assert.deepEqual(
    again.claims(),
    [0, 1, 2, 3].map((edition) => claimOf(edition, 32_600)),
  )
  await again.dropClaim(claimOf(0, 0))
  await again.addClaim(claimOf(4, 32_600))
  assert.deepEqual((await openKeyring(options)).claims(), again.claims())
})

test('256 claims wait at most', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir, maxRecordBytes: 2048 * KIB })
  await keyring.create('blog')
  for (let edition = 0; edition < 256; edition++) await keyring.addClaim(claimOf(edition, 3))
  await assert.rejects(keyring.addClaim(claimOf(256, 3)), { code: 'E_STORE_FULL' })
  await keyring.addClaim(claimOf(255, 4))
  assert.equal(keyring.claims().length, 256)
})

test('a claim whose key is gone, or that is damaged, goes when the keyring opens', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('blog')
  await keyring.create('art')
  await keyring.addClaim(claimOf(1, 10))
  const [damaged = ''] = await readdir(join(dataDir, 'keyring.d'))
  await keyring.addClaim({ ...claimOf(2, 10), key: 'art' })
  await writeFile(join(dataDir, 'keyring.d', damaged), 'x')
  const again = await openKeyring({ dataDir })
  assert.deepEqual(again.claims(), [{ ...claimOf(2, 10), key: 'art' }])
  // a process that ended after it forgot the key, before it forgot the claim
  const { file, keys } = await KeyFile.open(await openDiskFiles(dataDir, ''))
  await file.write(keys.filter(({ name }) => name !== 'art'))
  assert.deepEqual((await openKeyring({ dataDir })).claims(), [])
  assert.deepEqual(await readdir(join(dataDir, 'keyring.d')), [])
})
