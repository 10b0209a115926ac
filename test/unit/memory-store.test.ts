import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MemorySlots } from '../../src/datastore/memory-slots.ts'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { OutboxLedger } from '../../src/datastore/outbox-ledger.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES, toAddress } from '../../src/keys/block.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import { blockStoreSuite } from '../suites/block-store-suite.ts'
import type { OpenStore } from '../suites/block-store-suite.ts'
import { outboxSuite } from '../suites/outbox-suite.ts'

const openMemory: OpenStore = (t, slots) => {
  const seed = seedFromEnvironment()
  t.diagnostic(`SEED=${seed}`)
  const store = createMemoryStore({ quotaBytes: slots * BLOCK_BYTES, rng: createSeededRng(seed) })
  t.after(() => store.blocks.close())
  return Promise.resolve(store)
}

blockStoreSuite('memory store', openMemory)
outboxSuite('memory outbox', openMemory)

test('memory store: the same seed evicts the same blocks', async () => {
  const survivors = async (): Promise<boolean[]> => {
    const quotaBytes = 20 * BLOCK_BYTES
    const { blocks } = createMemoryStore({ quotaBytes, rng: createSeededRng(7) })
    for (let i = 0; i < 60; i++) {
      await blocks.put({ ...contentBlock(i), home: 0, area: 'store', link: 1 })
    }
    const here = Array.from({ length: 60 }, (_, i) => blocks.has(contentBlock(i).address))
    return (await Promise.all(here)).map((found) => found !== undefined)
  }
  assert.deepEqual(await survivors(), await survivors())
})

test('memory store: a block is kept as it was when it was put', async () => {
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 20, rng: createSeededRng(1) })
  const { address, block } = contentBlock(1)
  await blocks.put({ address, block, home: 0, area: 'store', link: 1 })
  block.fill(0)
  assert.deepEqual((await blocks.get(address))?.block, contentBlock(1).block)
})

test('memory store: a block that was read stays as it was when its slot is taken again', async () => {
  const quotaBytes = 20 * BLOCK_BYTES
  const { blocks } = createMemoryStore({ quotaBytes, rng: createSeededRng(1) })
  const read = []
  for (let i = 0; i < 100; i++) {
    await blocks.put({ ...contentBlock(i), home: 0, area: 'cache', link: 1 })
    if (i % 3 === 0) read.push({ i, held: await blocks.get(contentBlock(i).address) })
  }
  for (const { i, held } of read) assert.deepEqual(held?.block, contentBlock(i).block)
  for (let i = 0; i < 100; i++) {
    const held = await blocks.get(contentBlock(i).address)
    if (held !== undefined) assert.deepEqual(held.block, contentBlock(i).block)
  }
})

test('memory store: what was evicted takes no memory, though most slots are free', () => {
  const [shares, rng] = [sharesOf(1000), createSeededRng(1)]
  const slots = new MemorySlots({ shares, rng, ledger: new OutboxLedger(shares.outboxBlocks) })
  const { block } = contentBlock(1)
  const buffers = new Set<ArrayBufferLike>()
  for (let i = 0; i < 3000; i++) {
    const address = toAddress(new Uint8Array(32).fill(i % 256).fill(i >> 8, 16))
    const kept = slots.take('cache', { address, block }, true)
    assert.ok(kept !== undefined)
    slots.areas.enter(kept.tenure.slot, { area: 'cache', bucket: 0, fingerprint: i, link: 1 })
    buffers.add(kept.block.buffer)
  }
  assert.ok(slots.usedBytes < 500 * BLOCK_BYTES)
  assert.equal(buffers.size * BLOCK_BYTES, slots.usedBytes)
})

test('memory store: a signed block that was read stays as it was when a newer one comes', async () => {
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 20, rng: createSeededRng(1) })
  const put = (sequence: number): Promise<unknown> =>
    blocks.put({ ...signedBlock(1, sequence), home: 0, area: 'store', link: 1 })
  const { address } = signedBlock(1, 1)
  await put(1)
  await put(2)
  const second = await blocks.get(address)
  await put(3)
  assert.deepEqual(second?.block, signedBlock(1, 2).block)
  assert.deepEqual((await blocks.get(address))?.block, signedBlock(1, 3).block)
})

test('memory store: keeps its size', async () => {
  const { care } = createMemoryStore({ quotaBytes: 2 ** 20, rng: createSeededRng(1) })
  await assert.rejects(
    care.resize(2 ** 21),
    (error) => isShoalError(error) && error.code === 'E_OPTION',
  )
})

test('memory store: content that only the outbox holds may enter the areas, and leave them alone', async () => {
  const quotaBytes = 20 * BLOCK_BYTES
  const { blocks, outbox } = createMemoryStore({ quotaBytes, rng: createSeededRng(1) })
  const insertId = await outbox.begin()
  const { address, block } = contentBlock(1000)
  await outbox.add({ insertId, address, block, homes: [0] })
  for (let i = 0; i < 60; i++) {
    await blocks.put({ ...contentBlock(i), home: 0, area: 'cache', link: i })
  }
  for (let round = 0; round < 3; round++) {
    const request = { address, block, home: 0, area: 'cache', link: 1 } as const
    assert.equal(await blocks.put(request), 'stored')
    assert.equal(await blocks.put(request), 'known')
    assert.deepEqual((await blocks.get(address))?.block, block)
    for (let i = 0; i < 20; i++) {
      await blocks.put({ ...contentBlock(100 * round + i), home: 0, area: 'cache', link: i })
    }
    assert.equal(await blocks.get(address), undefined, 'it was evicted')
    assert.deepEqual(await outbox.get(address), block)
  }
  await outbox.discard(insertId)
  assert.equal(await outbox.get(address), undefined)
  assert.equal(blocks.status().usedBytes, 5 * BLOCK_BYTES)
})

test('memory store: a quota below one block is an option error', () => {
  assert.throws(
    () => createMemoryStore({ quotaBytes: BLOCK_BYTES - 1, rng: createSeededRng(1) }),
    (error) => isShoalError(error) && error.code === 'E_OPTION',
  )
})
