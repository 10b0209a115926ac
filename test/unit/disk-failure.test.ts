import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { DiskCondition } from '../../src/datastore/disk-condition.ts'
import { openRocksIndex } from '../../src/datastore/rocks-index.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { silentLogger } from '../../src/runtime.ts'
import {
  MIB,
  SEED,
  createAt,
  folder,
  hasCode,
  openAt,
  openDir,
  openWhole,
  put,
} from '../helpers/disk-store.ts'
import { contentBlock } from '../helpers/signed-block.ts'

test('disk store: a second open of the same directory is E_STORE_LOCKED', async (t) => {
  const path = await folder(t)
  const store = await openAt(path)
  await put(store, contentBlock(1))
  await assert.rejects(openAt(path), hasCode('E_STORE_LOCKED'))
  assert.ok(await store.blocks.get(contentBlock(1).address), 'the first goes on')
})

test('disk store: a path that is a file is E_STORE_IO', async (t) => {
  const path = join(await folder(t), 'file')
  await writeFile(path, 'in the way')
  await assert.rejects(openAt(path), hasCode('E_STORE_IO'))
  await assert.rejects(openAt(join(path, 'below')), hasCode('E_STORE_IO'))
})

test('disk store: the key is 1 MiB, for the owner alone; a cut one is E_STORE_IO', async (t) => {
  const path = await folder(t)
  await (await openAt(path)).blocks.close()
  const { size, mode } = await stat(join(path, 'store.key'))
  assert.equal(size, MIB)
  assert.equal(mode & 0o777, 0o600)
  await truncate(join(path, 'store.key'), MIB - 1)
  await assert.rejects(openAt(path), hasCode('E_STORE_IO'))
})

test('disk store: with any part of its key changed nothing of a store can be opened', async (t) => {
  const path = await folder(t)
  const before = await openAt(path)
  await put(before, contentBlock(1))
  const insertId = await before.outbox.begin()
  await before.outbox.add({ insertId, ...contentBlock(2), homes: [0] })
  await before.outbox.commit(insertId)
  await before.blocks.close()
  const secret = await readFile(join(path, 'store.key'))
  secret[700_000] = (secret[700_000] as number) ^ 1
  await writeFile(join(path, 'store.key'), secret)
  await assert.rejects(openAt(path), hasCode('E_STORE_FORMAT'))
})

test('disk store: old log files are removed when it opens', async (t) => {
  const path = await folder(t)
  for (let i = 0; i < 3; i++) await (await openAt(path)).blocks.close()
  const names = await readdir(join(path, 'index'))
  assert.equal(names.filter((name) => name.startsWith('LOG.old')).length, 0)
})

test('disk store: a full disk refuses puts, and the store goes on serving', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  let isFull = false
  const write = dir.slab.write.bind(dir.slab)
  dir.slab.write = (slot, sealed) => {
    return isFull ? Promise.reject(diskError('ENOSPC')) : write(slot, sealed)
  }
  const store = await createAt(path, dir, 40)
  await put(store, contentBlock(1))
  const insertId = await store.outbox.begin()
  isFull = true
  for (let i = 2; i < 60; i++) assert.equal(await put(store, contentBlock(i)), 'refused')
  const adding = store.outbox.add({ insertId, ...contentBlock(2), homes: [0] })
  await assert.rejects(adding, hasCode('E_STORE_FULL'))
  assert.equal(store.outbox.pendingBlocks, 0)
  assert.equal(store.blocks.status().usedBytes, BLOCK_BYTES, 'failed writes hold no slot')
  assert.ok(await store.blocks.get(contentBlock(1).address))
  isFull = false
  assert.equal(await put(store, contentBlock(2)), 'stored')
})

test('disk outbox: a commit that does not reach the disk rejects, and may be tried again', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  let fails = true
  const sync = dir.slab.sync.bind(dir.slab)
  dir.slab.sync = () => (fails ? Promise.reject(diskError('EIO')) : sync())
  const store = await createAt(path, dir, 40)
  const insertId = await store.outbox.begin()
  await store.outbox.add({ insertId, ...contentBlock(1), homes: [0] })
  await assert.rejects(store.outbox.commit(insertId), hasCode('E_STORE_IO'))
  assert.equal(store.outbox.insert(insertId)?.committed, false)
  assert.ok(await store.outbox.get(contentBlock(1).address))
  fails = false
  await store.outbox.commit(insertId)
  await store.blocks.close()
  assert.equal((await openAt(path, 40)).outbox.pendingBlocks, 1)
})

test('disk store: puts are refused while the index cannot be written', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  let fails = true
  const write = dir.index.write.bind(dir.index)
  dir.index.write = (changes) => (fails ? Promise.reject(diskError('ENOSPC')) : write(changes))
  const store = await createAt(path, dir, 3000)
  const results = new Set<string>()
  // a commit may be under way for long, with 256 of them
  for (let i = 0; i < 1200; i++) results.add(await put(store, contentBlock(i)))
  assert.deepEqual([...results], ['stored', 'refused'])
  assert.ok(await store.blocks.get(contentBlock(0).address), 'what waits can be read')
  fails = false
  assert.equal(await put(store, contentBlock(1000)), 'stored')
})

test('disk store: goes on while its index is opened again to cut the manifest', async (t) => {
  const path = await folder(t)
  const condition = new DiskCondition(silentLogger)
  const limits = { writeBufferBytes: MIB, maxBytes: 64 * MIB, maxManifestBytes: 0, condition }
  await mkdir(join(path, 'index'))
  const index = await openRocksIndex(join(path, 'index'), limits)
  const key = (i: number): Uint8Array => Uint8Array.of(i, i)
  const reads: Promise<void>[] = []
  for (let i = 0; i < 50; i++) {
    await index.write([{ key: key(i), value: key(i) }])
    const read = index.getMany([key(i), key(200)])
    reads.push(read.then(([value]) => assert.equal(value?.[0], i)))
  }
  await Promise.all(reads)
  assert.equal((await index.range({}, 100)).length, 50)
  const manifests = (await readdir(join(path, 'index'))).filter((name) => name.includes('MANIFEST'))
  assert.notEqual(manifests[0], 'MANIFEST-000005', 'not the first one')
  await index.close()
})

test('disk store: a thousand puts at once are all stored', async (t) => {
  const store = await openAt(await folder(t), 2000)
  const puts = Array.from({ length: 1000 }, (_, i) => put(store, contentBlock(i)))
  assert.deepEqual([...new Set(await Promise.all(puts))], ['stored'])
  for (let i = 0; i < 1000; i += 50) assert.ok(await store.blocks.get(contentBlock(i).address))
})

test('disk store: the whole directory stays within the quota, also while it is filled', async (t) => {
  const path = await folder(t)
  const store = await openWhole(path)
  let peak = 0
  for (let i = 0; i < 3000; i++) {
    const area = i % 3 === 0 ? 'cache' : 'store'
    assert.equal(await put(store, contentBlock(i), area, (i % 3) as Home), 'stored')
    if (i % 50 === 0) peak = Math.max(peak, await allocatedBytes(path))
  }
  assert.ok(peak <= 64 * MIB, `${peak} bytes`)
  assert.ok(store.blocks.status().blocks > 1000)
})

test('disk store: a quota without room for one block is an option error', async (t) => {
  const path = await folder(t)
  const opening = openWhole(path, 20 * MIB)
  await assert.rejects(opening, hasCode('E_OPTION'))
})

test('disk store: an aborted open rejects with the reason and leaves the directory free', async (t) => {
  const path = await folder(t)
  const reason = new Error('enough')
  const controller = new AbortController()
  const { signal } = controller
  const opening = openWhole(path, 64 * MIB, signal)
  controller.abort(reason)
  await assert.rejects(opening, (error) => error === reason)
  await openAt(path)
})

test('disk store: a kill in the middle of writing loses nothing that was committed', async (t) => {
  for (const lines of [3, 20]) {
    const path = await folder(t)
    const script = fileURLToPath(new URL('../helpers/store-writer.js', import.meta.url))
    const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const committed: number[] = []
    let seen = 0
    for await (const line of createInterface({ input: child.stdout })) {
      const [first, last] = line.split(' ').map(Number) as [number, number]
      for (let i = first; i <= last; i++) committed.push(i)
      if (++seen === 1) {
        const second = openWhole(path)
        await assert.rejects(second, hasCode('E_STORE_LOCKED'), 'another process has it')
      }
      if (seen === lines) child.kill('SIGKILL')
    }
    if (child.signalCode === null) await once(child, 'exit')
    const store = await openWhole(path)
    for (const i of committed) {
      const { address, block } = contentBlock(i)
      assert.deepEqual(await store.outbox.get(address), block, `block ${i}, SEED=${SEED}`)
      const cached = await store.blocks.get(contentBlock(1_000_000 + i).address)
      assert.deepEqual(cached?.block, contentBlock(1_000_000 + i).block)
    }
    assert.ok(store.outbox.pendingBlocks >= committed.length)
    await store.blocks.close()
  }
})

async function allocatedBytes(path: string): Promise<number> {
  const names = ['.', ...(await readdir(path, { recursive: true }))]
  const sizes = names.map((name) => stat(join(path, name)).catch(() => undefined))
  return (await Promise.all(sizes)).reduce((sum, found) => sum + (found?.blocks ?? 0) * 512, 0)
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: imitated`), { code })
}
