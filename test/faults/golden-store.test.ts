/**
 * A store of format version 1, made without the code under test, opens and holds what it says: for
 * good, since stores like it are on people's disks (spec §11).
 */
import assert from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES, toAddress } from '../../src/keys/block.ts'
import { generateStore } from '../fixtures/generate-store.ts'
import { STORE_FILE, bytesOfStream, protectedKey, readLines } from '../fixtures/store-lines.ts'
import type { Line } from '../fixtures/store-lines.ts'
import { openIndex } from '../helpers/fault-index.ts'
import { refusal, temporaryFolder, withStore } from '../helpers/fault-folder.ts'
import { bytesOf, hex, ofHex } from '../reference/text.ts'

const ALL = { from: 0, to: 2 ** 48 - 1 }
const LINES = readLines(STORE_FILE)

test('golden store: the file is what the generator makes, and small', async () => {
  assert.equal(await readFile(STORE_FILE, 'utf8'), generateStore())
  assert.ok((await stat(STORE_FILE)).size < 400_000)
})

test('golden store: opens and holds everything that it says, and goes on after a stop', async (t) => {
  const path = await temporaryFolder(t)
  await unpack(path, 'store.key')
  await withStore(path, (store) => assertHolds(store, 'first'))
  await withStore(path, (store) => assertHolds(store, 'again'))
})

test('golden store: its last stop may be forgotten', async (t) => {
  const path = await temporaryFolder(t)
  await unpack(path, 'store.key')
  await withStore(path, (store) => assertHolds(store, 'first'))
  await writeFile(join(path, 'state'), 'no state')
  await withStore(path, (store) => assertHolds(store, 'again'))
})

test('golden store: opens under its passphrase, however that is composed, and under no other', async (t) => {
  const path = await temporaryFolder(t)
  const { passphrase } = only('store.key, protected')
  await unpack(path, 'store.key, protected')
  assert.equal((await refusal(path))?.code, 'E_PASSPHRASE')
  assert.equal((await refusal(path, { passphrase: 'another' }))?.code, 'E_PASSPHRASE')
  assert.notEqual(passphrase.normalize('NFD'), passphrase)
  const options = { passphrase: passphrase.normalize('NFD') }
  await withStore(path, (store) => assertHolds(store, 'first'), options)
})

/** Node 24.7 and later has it; before that libsodium is the only witness. */
interface WithArgon2 {
  readonly argon2Sync?: (algorithm: string, parameters: Record<string, unknown>) => Buffer
}

test('golden store: what Argon2id made of the passphrase is what Node makes, where it can', () => {
  const { passphrase, header, argon2id } = only('store.key, protected')
  const view = Buffer.from(ofHex(header))
  assert.equal(view.toString('latin1', 0, 9), 'shoalkey\x01')
  const made = (crypto as WithArgon2).argon2Sync?.('argon2id', {
    message: bytesOf(passphrase),
    nonce: view.subarray(17),
    parallelism: 1,
    tagLength: 32,
    passes: view.readUInt32LE(9),
    memory: view.readUInt32LE(13),
  })
  assert.equal(made?.toString('hex') ?? argon2id, argon2id)
})

test('golden store: all entries have one length, and none shows an address', () => {
  const entries = LINES.filter((line) => 'entry' in line)
  const text = entries.map(({ key, value }) => key + value).join('')
  for (const { key, value } of entries) assert.deepEqual([key.length, value.length], [64, 296])
  for (const line of LINES) {
    if (!('expect' in line) || line.expect !== 'block') continue
    assert.equal(text.includes(line.address.slice(0, 16)), false)
  }
})

/** A data directory of the lines, over a fresh RocksDB. */
async function unpack(path: string, key: 'store.key' | 'store.key, protected'): Promise<void> {
  const slab = bytesOfStream(only('slab').content)
  for (const line of LINES) {
    if ('slot' in line) slab.set(Buffer.from(line.base64, 'base64'), line.slot * BLOCK_BYTES)
  }
  const secret = bytesOfStream(only('store.key').content)
  const isProtected = key !== 'store.key'
  await writeFile(join(path, 'slab'), slab)
  await writeFile(join(path, 'store.key'), isProtected ? protectedKey(only(key), secret) : secret)
  await mkdir(join(path, 'index'))
  const index = await openIndex(path)
  const entries = LINES.filter((line) => 'entry' in line)
  await index.write(entries.map((line) => ({ key: ofHex(line.key), value: ofHex(line.value) })))
  await index.flush()
  await index.close()
  await writeFile(join(path, 'store.json'), only('store.json').text)
}

async function assertHolds(store: StorePair, when: 'first' | 'again'): Promise<void> {
  const { blocks } = store
  const nextInsertId = Math.max(
    ...LINES.map((line) => ('nextInsertId' in line ? line.nextInsertId : 0)),
  )
  for (const line of LINES) {
    if (!('expect' in line)) continue
    if (line.expect === 'block') await assertBlock(store, line)
    else if (line.expect === 'walk') await assertWalk(store, line)
    else if (line.expect === 'outbox') await assertOutbox(store, line)
    else {
      const { quotaBytes, usedBytes, blocks: count } = blocks.status()
      assert.equal(quotaBytes, line.quotaBytes)
      assert.equal(count, line.blocks)
      assert.equal(usedBytes, line.slots * BLOCK_BYTES)
    }
  }
  const insertId = await store.outbox.begin()
  if (when === 'first') assert.equal(insertId, nextInsertId)
  else assert.ok(insertId > nextInsertId, 'numbers are not used again')
  assert.equal((await store.care.check()).freed, 0)
}

async function assertBlock(
  { blocks }: StorePair,
  line: Extract<Line, { expect: 'block' }>,
): Promise<void> {
  const address = toAddress(ofHex(line.address))
  const found = await blocks.get(address)
  assert.equal(found?.area, line.area, line.name)
  if (line.block === undefined) return
  assert.ok(found !== undefined && Buffer.compare(found.block, bytesOfStream(line.block)) === 0)
  assert.equal((await blocks.has(address))?.area, line.area)
}

async function assertWalk(
  { blocks }: StorePair,
  { entries }: Extract<Line, { expect: 'walk' }>,
): Promise<void> {
  const seen: string[] = []
  for await (const { address, home, sequence } of blocks.walk(ALL)) {
    seen.push(`${hex(address)} ${home} ${sequence}`)
  }
  const expected = entries.map(({ address, home, sequence }) => `${address} ${home} ${sequence}`)
  assert.deepEqual(seen.sort(), expected.sort())
}

async function assertOutbox(
  { outbox }: StorePair,
  { insert, gone, entries }: Extract<Line, { expect: 'outbox' }>,
): Promise<void> {
  const { insertId, blocks, spread } = insert
  const told = { insertId, blocks, spreadBlocks: spread, lostBlocks: 0, committed: true }
  assert.deepEqual(outbox.insert(insertId), told)
  for (const other of gone) assert.equal(outbox.insert(other), undefined)
  const seen = Array.from(outbox.entries(), (entry) => ({
    insertId: entry.insertId,
    address: hex(entry.address),
    homesLeft: entry.homesLeft,
  }))
  const expected = entries.map(({ address, homesLeft }) => ({ insertId, address, homesLeft }))
  assert.deepEqual(seen, expected, 'in the order of adding')
  for (const { address, block } of entries) {
    const got = await outbox.get(toAddress(ofHex(address)))
    assert.ok(got !== undefined && Buffer.compare(got, bytesOfStream(block)) === 0)
  }
}

function only<T extends string>(file: T): Extract<Line, { file: T }> {
  const line = LINES.find((one) => 'file' in one && one.file === file)
  assert.ok(line !== undefined, `a line about ${file}`)
  return line as Extract<Line, { file: T }>
}
