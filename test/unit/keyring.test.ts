/** @module */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { inspect } from 'node:util'

import type { ShoalError } from '../../src/errors.ts'
import { openKeyring, publisherKeysOf } from '../../src/keyring.ts'
import type { Claim, Keyring } from '../../src/keyring.ts'
import { KeyFile } from '../../src/keyring/key-file.ts'
import type { StoredKey } from '../../src/keyring/keyring-codec.ts'
import { parseKeyText } from '../../src/keyring/key-text.ts'
import { createMemoryFiles, openDiskFiles } from '../../src/keyring/small-files.ts'
import { base64url, equals } from '../../src/keys/bytes.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'
import { publisherFromSeed } from '../../src/keys/signed.ts'
import { addresses, folder, hasCode } from '../helpers/keyring.ts'

const inMemory = (): Promise<Keyring> => openKeyring({ dataDir: undefined })

const claimOf = (edition: number, key = 'blog'): Claim => ({
  key,
  document: 'site',
  edition,
  body: Uint8Array.of(1, 2, edition & 255),
})

test('a new key is listed with the beginning of its URIs, and signs as that publisher', async () => {
  const keyring = await inMemory()
  assert.deepEqual(keyring.list(), [])
  const { name, uri } = await keyring.create('blog')
  assert.equal(name, 'blog')
  assert.equal(uri, `USK@${base64url(keyring.publisher('blog').publicKey)},`)
  assert.deepEqual(keyring.info('blog'), { name, uri })
  await keyring.create('art')
  assert.deepEqual(
    keyring.list().map((key) => key.name),
    ['art', 'blog'],
  )
  assert.notEqual(keyring.info('art').uri, uri)
})

test('the URI of a document begins with that of its key, in one spelling', async () => {
  const keyring = await inMemory()
  const { uri } = await keyring.create('blog')
  const documentUri = keyring.documentUri('blog', 'my site')
  const { readKey } = keyring.publisher('blog').documentKey('my site')
  assert.equal(documentUri, `${uri}${base64url(readKey)},AQEAAg/my%20site/`)
  assert.equal(keyring.documentUri('blog', 'e\u0301'), keyring.documentUri('blog', '\u00e9'))
  for (const document of ['', 'a/b', '12', 'latest', 'x'.repeat(256)]) {
    assert.throws(() => keyring.documentUri('blog', document), hasCode('E_NAME'), document)
  }
})

test('everything is there again after a restart', async (t) => {
  const dataDir = await folder(t)
  const first = await openKeyring({ dataDir })
  await first.create('blog')
  await first.create('日記')
  await first.setEdition('blog', 'site', 0)
  await first.setEdition('blog', 'site', 7)
  await first.setEdition('blog', 'notes', 2 ** 51 - 1)
  await first.addClaim(claimOf(8))
  await first.addClaim(claimOf(3, '日記'))
  await first.saveSpreadRecord('blog', 'site', addresses(1000))

  const second = await openKeyring({ dataDir })
  assert.deepEqual(second.list(), first.list())
  assert.equal(second.exportText('日記'), first.exportText('日記'))
  assert.equal(second.lastEdition('blog', 'site'), 7)
  assert.equal(second.lastEdition('blog', 'notes'), 2 ** 51 - 1)
  assert.equal(second.lastEdition('blog', 'nothing'), -1)
  assert.equal(second.lastEdition('日記', 'site'), -1)
  assert.deepEqual(second.claims(), [claimOf(3, '日記'), claimOf(8)])
  const record = await second.spreadRecord('blog', 'site')
  assert.equal(record?.size, 1000)
  for (const address of addresses(1000)) assert.ok(record.has(address))
})

test('names have one spelling, and what cannot be a name is refused everywhere', async () => {
  const keyring = await inMemory()
  await keyring.create('e\u0301')
  assert.equal(keyring.info('\u00e9').name, '\u00e9')
  await assert.rejects(keyring.create('\u00e9'), hasCode('E_EXISTS'))
  const text = keyring.exportText('\u00e9')
  for (const name of ['', '-x', 'a/b', ' a', 'x'.repeat(65), 'a\u0000']) {
    await assert.rejects(keyring.create(name), hasCode('E_NAME'))
    await assert.rejects(keyring.importText(text, name), hasCode('E_NAME'))
    await assert.rejects(keyring.remove(name), hasCode('E_NAME'))
    assert.throws(() => keyring.info(name), hasCode('E_NAME'))
  }
})

test('a name that is not there is E_NO_KEY everywhere', async () => {
  const keyring = await inMemory()
  const isMissing = hasCode('E_NO_KEY', /"gone"/)
  assert.throws(() => keyring.info('gone'), isMissing)
  assert.throws(() => keyring.publisher('gone'), isMissing)
  assert.throws(() => keyring.exportText('gone'), isMissing)
  assert.throws(() => keyring.documentUri('gone', 'site'), isMissing)
  assert.throws(() => keyring.lastEdition('gone', 'site'), isMissing)
  await assert.rejects(keyring.remove('gone'), isMissing)
  await assert.rejects(keyring.setEdition('gone', 'site', 1), isMissing)
  await assert.rejects(keyring.spreadRecord('gone', 'site'), isMissing)
  await assert.rejects(keyring.saveSpreadRecord('gone', 'site', new Set()), isMissing)
  await assert.rejects(keyring.addClaim(claimOf(1, 'gone')), isMissing)
  await keyring.dropClaim(claimOf(1, 'gone'))
})

test('of many changes at once each is kept, and a name is given once', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  const twice = await Promise.allSettled([keyring.create('same'), keyring.create('same')])
  assert.deepEqual(twice.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const names = Array.from({ length: 20 }, (_, i) => `key ${i}`)
  await Promise.all(names.map((name) => keyring.create(name)))
  await Promise.all(names.map((name, i) => keyring.setEdition(name, 'site', i)))
  const again = await openKeyring({ dataDir })
  assert.equal(again.list().length, 21)
  assert.deepEqual(
    names.map((name) => again.lastEdition(name, 'site')),
    names.map((_, i) => i),
  )
})

test('more changes at once than are sensible are told to wait', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  const all = Array.from({ length: 300 }, (_, i) => keyring.setEdition('blog', 'site', i))
  const codes = (await Promise.allSettled(all)).map((one) =>
    one.status === 'rejected' ? (one.reason as ShoalError).code : 'done',
  )
  assert.deepEqual([...new Set(codes)], ['done', 'E_BUSY'])
  assert.equal(keyring.lastEdition('blog', 'site'), codes.lastIndexOf('done'))
  await keyring.setEdition('blog', 'site', 1000)
})

test('an exported key is the same publisher on another node', async () => {
  const left = await inMemory()
  const right = await inMemory()
  await left.create('blog')
  const text = left.exportText('blog')
  assert.deepEqual(await right.importText(text), left.info('blog'))
  assert.deepEqual(await right.importText(text), left.info('blog'), 'and a second time')
  assert.equal(right.documentUri('blog', 'site'), left.documentUri('blog', 'site'))
  const [, key = ''] = text.split('\n')
  const third = await inMemory()
  await assert.rejects(third.importText(key), hasCode('E_NAME', /has no name/))
  assert.equal((await third.importText(key, 'mine')).uri, left.info('blog').uri)
  assert.equal(third.exportText('mine'), `shoal-publisher-key-1 mine\n${key}`)
})

test('an import never takes a name or a key twice', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  await keyring.create('art')
  const text = keyring.exportText('blog')
  await assert.rejects(keyring.importText(text, 'art'), hasCode('E_EXISTS', /"art"|"blog"/))
  await assert.rejects(keyring.importText(text, 'other'), hasCode('E_EXISTS', /here as "blog"/))
  const before = keyring.exportText('blog')
  await assert.rejects(keyring.importText('shoal', 'blog'), hasCode('E_KEY'))
  assert.equal(keyring.exportText('blog'), before)
  assert.equal(keyring.list().length, 2)
})

test('a removed key is gone with all that was kept for it, and the others stay', async (t) => {
  const dataDir = await folder(t)
  const keyring = await openKeyring({ dataDir })
  await keyring.create('blog')
  await keyring.create('art')
  const paper = keyring.exportText('blog')
  for (const name of ['blog', 'art']) {
    await keyring.setEdition(name, 'site', 4)
    await keyring.addClaim(claimOf(4, name))
    await keyring.saveSpreadRecord(name, 'site', addresses(10))
    await keyring.saveSpreadRecord(name, 'a fixed one', addresses(10))
  }
  await keyring.remove('blog')
  for (const after of [keyring, await openKeyring({ dataDir })]) {
    assert.throws(() => after.info('blog'), hasCode('E_NO_KEY'))
    assert.deepEqual(after.claims(), [claimOf(4, 'art')])
    assert.equal(after.lastEdition('art', 'site'), 4)
    assert.equal((await after.spreadRecord('art', 'a fixed one'))?.size, 10)
  }
  const { uri } = await keyring.importText(paper)
  assert.equal(uri.slice(0, 4), 'USK@')
  assert.equal(keyring.lastEdition('blog', 'site'), -1)
  assert.equal(await keyring.spreadRecord('blog', 'site'), undefined)
  assert.equal(await keyring.spreadRecord('blog', 'a fixed one'), undefined)
  await keyring.remove('blog')
  assert.notEqual((await keyring.create('blog')).uri, uri, 'the name is free for another key')
})

test('a remembered edition never goes back', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  await keyring.setEdition('blog', 'site', 5)
  await keyring.setEdition('blog', 'site', 4)
  assert.equal(keyring.lastEdition('blog', 'site'), 5)
  await keyring.setEdition('blog', 'site', 5)
  assert.equal(keyring.lastEdition('blog', 'site'), 5)
  for (const edition of [-1, 0.5, 2 ** 51, Number.NaN]) {
    await assert.rejects(keyring.setEdition('blog', 'site', edition), RangeError)
  }
  await assert.rejects(keyring.setEdition('blog', '12', 1), hasCode('E_NAME'))
})

test('an edition of a key is not taken for one of another key that has its name now', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  const { publicKey } = keyring.publisher('blog')
  await keyring.setEdition('blog', 'site', 1, publicKey)
  assert.equal(keyring.lastEdition('blog', 'site'), 1)
  await keyring.remove('blog')
  await keyring.create('blog')
  await assert.rejects(keyring.setEdition('blog', 'site', 2, publicKey), hasCode('E_NO_KEY'))
  assert.equal(keyring.lastEdition('blog', 'site'), -1)
})

test('claims are kept once each, and dropped by their place', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  await keyring.addClaim(claimOf(2))
  await keyring.addClaim(claimOf(1))
  await keyring.addClaim({ ...claimOf(2), body: Uint8Array.of(9) })
  assert.deepEqual(keyring.claims(), [claimOf(1), { ...claimOf(2), body: Uint8Array.of(9) }])
  await keyring.dropClaim({ key: 'blog', document: 'site', edition: 3 })
  await keyring.dropClaim({ key: 'blog', document: 'other', edition: 1 })
  assert.equal(keyring.claims().length, 2)
  await keyring.dropClaim({ key: 'blog', document: 'site', edition: 1 })
  assert.deepEqual(
    keyring.claims().map(({ edition }) => edition),
    [2],
  )
})

test('a claim holds its own bytes, up to the longest that there is', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  const body = Buffer.alloc(65_535, 7)
  await keyring.addClaim({ ...claimOf(1), body })
  body.fill(0)
  assert.deepEqual(keyring.claims()[0]?.body, new Uint8Array(65_535).fill(7))
  const long = { ...claimOf(2), body: new Uint8Array(65_536) }
  await assert.rejects(keyring.addClaim(long), RangeError)
})

test('a spread record is replaced as a whole, and what it lists can be saved again', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  assert.equal(await keyring.spreadRecord('blog', 'site'), undefined)
  await keyring.saveSpreadRecord('blog', 'site', addresses(50))
  await keyring.saveSpreadRecord('blog', 'site', addresses(50, 25))
  const record = (await keyring.spreadRecord('blog', 'site')) ?? new Set()
  const has = [...addresses(100)].map((address) => record.has(address))
  assert.deepEqual(
    has,
    has.map((_, i) => i >= 25 && i < 75),
  )
  await keyring.saveSpreadRecord('blog', 'site', new Set([...record, ...addresses(1)]))
  const merged = await keyring.spreadRecord('blog', 'site')
  assert.equal(merged?.size, 51)
  for (const address of [...addresses(1), ...addresses(50, 25)]) assert.ok(merged.has(address))
  await keyring.saveSpreadRecord('blog', 'site', new Set())
  assert.equal(await keyring.spreadRecord('blog', 'site'), undefined)
})

function storedKey(name: string, documents = 0, documentName = 'document'): StoredKey {
  const seed = blake2b256(new TextEncoder().encode(name))
  const editions = Array.from({ length: documents }, (_, i): [string, number] => [
    `${documentName} ${i}`,
    i,
  ])
  return { name, seed, editions: new Map(editions) }
}

async function openWith(t: TestContext, keys: readonly StoredKey[]): Promise<Keyring> {
  const dataDir = await folder(t)
  const { file } = await KeyFile.open(await openDiskFiles(dataDir, ''))
  await file.write(keys)
  return openKeyring({ dataDir })
}

test('a keyring takes 1,000 keys, and says so at the next one', async (t) => {
  const keys = Array.from({ length: 999 }, (_, i) => storedKey(`key ${i}`, 2))
  const keyring = await openWith(t, keys)
  await keyring.create('the last')
  await assert.rejects(keyring.create('one more'), hasCode('E_STORE_FULL', /1000 keys/))
  assert.equal(keyring.list().length, 1000)
  await keyring.remove('key 5')
  await keyring.create('one more')
})

test('a key takes 10,000 documents, and says so at the next one', async (t) => {
  const keyring = await openWith(t, [storedKey('blog', 9999)])
  await keyring.setEdition('blog', 'the last', 1)
  const more = keyring.setEdition('blog', 'one more', 1)
  await assert.rejects(more, hasCode('E_STORE_FULL', /10000 documents/))
  await keyring.setEdition('blog', 'the last', 2)
  assert.equal(keyring.lastEdition('blog', 'document 9998'), 9998)
})

test('a keyring that would outgrow its file says so, and keeps what it has', async (t) => {
  const long = 'x'.repeat(240)
  const keyring = await openWith(t, [storedKey('a', 1000, long), storedKey('b', 1000, long)])
  for (let i = 0; ; i++) {
    const full = await keyring
      .setEdition('a', `${long} more ${i}`, 1)
      .catch((error: unknown) => error)
    if (full === undefined) continue
    assert.ok(hasCode('E_STORE_FULL', /keyring is full/)(full))
    assert.equal(keyring.lastEdition('a', `${long} more ${i}`), -1)
    assert.equal(keyring.lastEdition('a', `${long} more ${i - 1}`), 1)
    break
  }
})

test('nothing that is printed by accident holds a secret', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  await keyring.addClaim(claimOf(1))
  const { seed } = parseKeyText(keyring.exportText('blog'))
  const shown = [keyring, keyring.publisher('blog'), keyring.list(), publisherKeysOf(keyring)]
  const secret = [...seed.subarray(0, 6)].join(', ')
  for (const value of shown) {
    const text = inspect(value, { depth: 20, showHidden: true, maxArrayLength: null })
    assert.ok(!text.includes(secret), text)
    assert.ok(!JSON.stringify(value).includes(base64url(seed).slice(0, 8)))
    assert.ok(!JSON.stringify(value).includes([...seed.subarray(0, 6)].join(',')))
  }
})

test('the seed in the text is the seed of the publisher', async () => {
  const keyring = await inMemory()
  await keyring.create('blog')
  const { seed } = parseKeyText(keyring.exportText('blog'))
  const { publicKey } = publisherFromSeed(seed)
  assert.ok(equals(publicKey, keyring.publisher('blog').publicKey))
})

test('the node’s users see the same keys', async () => {
  const keyring = await inMemory()
  const keys = publisherKeysOf(keyring)
  const made = await keys.create('blog')
  assert.deepEqual(keys.list(), [made])
  assert.deepEqual(keys.get('blog'), made)
  assert.equal(keys.documentUri('blog', 'site'), keyring.documentUri('blog', 'site'))
  const text = keys.export('blog')
  await keys.remove('blog')
  assert.deepEqual(keys.list(), [])
  assert.deepEqual(await keys.import(text, 'again'), { ...made, name: 'again' })
})

test('a keyring of a later version is not touched', async () => {
  const files = createMemoryFiles()
  const { file } = await KeyFile.open(files)
  const later = file.seal.seal('shoal/keyring/keys/1', Uint8Array.of(2, 1, 2, 3))
  await files.write('keyring', later)
  await assert.rejects(KeyFile.open(files), hasCode('E_STORE_IO', /later version/))
  assert.deepEqual(await files.read('keyring', later.length), later)
})
