/**
 * What every store must count, choose and look after (the contract in `src/datastore/store.ts`): a part of
 * `blockStoreSuite`.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { isShoalError } from '../../src/errors.ts'
import type { Area, BlockStore, StorePair } from '../../src/datastore/store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'

export function storeCareSuite(
  name: string,
  openStore: (t: TestContext, slots: number) => Promise<StorePair>,
): void {
  test(`${name}: in the cache only what another link asks for again stays`, async (t) => {
    const store = (await openStore(t, 400)).blocks
    const [again, same] = [1000, 2000]
    const fill = async (from: number, count: number): Promise<void> => {
      for (let i = from; i < from + count; i++) await put(store, contentBlock(i), 'cache', i % 20)
    }
    await fill(0, 120)
    for (let i = 0; i < 10; i++) {
      await fill(again + i, 1)
      await store.get(contentBlock(again + i).address, { link: 50 })
      await fill(same + i, 1)
      await store.get(contentBlock(same + i).address, { link: (same + i) % 20 })
      await store.get(contentBlock(same + i).address)
    }
    await fill(120, 40)
    assert.ok((await present(store, again, 10)) >= 6, 'asked for over another link')
    assert.ok((await present(store, same, 10)) <= 1, 'asked for over the same link, or by nobody')
  })

  test(`${name}: a link that floods the store leaves most of what the others brought`, async (t) => {
    const store = (await openStore(t, 100)).blocks
    for (let i = 0; i < 70; i++) await put(store, contentBlock(i), 'store', i % 20)
    for (let i = 1000; i < 1300; i++) await put(store, contentBlock(i), 'store', 99)
    assert.ok((await present(store, 0, 70)) >= 63)
  })

  test(`${name}: counts reads for peers, puts and evictions, and leaves out reads of its own`, async (t) => {
    const { blocks, care } = await openStore(t, 20)
    for (let i = 0; i < 20; i++) await put(blocks, contentBlock(i), 'store')
    await put(blocks, contentBlock(100), 'cache')
    await put(blocks, contentBlock(100), 'cache')
    await put(blocks, signedBlock(1, 5), 'cache')
    await put(blocks, signedBlock(1, 4), 'cache')
    for (const link of [1, 2, undefined]) {
      const options = link === undefined ? {} : { link }
      await blocks.get(contentBlock(19).address, options)
      await blocks.get(contentBlock(100).address, options)
      await blocks.get(contentBlock(999).address, options)
    }
    const stats = care.stats()
    assert.deepEqual([stats.store.hits, stats.cache.hits, stats.misses], [2, 2, 2])
    assert.deepEqual(stats.puts, { stored: 22, known: 1, older: 1, refused: 0 })
    assert.deepEqual([stats.store.slots, stats.store.used], [14, 14])
    assert.deepEqual([stats.cache.slots, stats.cache.used], [6, 2])
    const evictions = Object.values(stats.store.evictions).reduce((a, b) => a + b, 0)
    assert.equal(evictions, 6)
    assert.deepEqual(
      Object.values(stats.cache.evictions).filter((count) => count > 0),
      [],
    )
    assert.deepEqual([stats.condition, stats.blocks, stats.resize], ['ok', 16, undefined])
    assert.deepEqual(stats.outbox, { slots: 3, used: 0 })
  })

  test(`${name}: a check of what is whole frees nothing, and can be stopped`, async (t) => {
    const { blocks, care } = await openStore(t, 20)
    for (let i = 0; i < 10; i++) await put(blocks, contentBlock(i), i < 7 ? 'store' : 'cache')
    const seen: number[] = []
    const onprogress = (checked: number): void => {
      seen.push(checked)
    }
    assert.deepEqual(await care.check({ onprogress }), { checked: 10, freed: 0 })
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    )
    assert.equal(await present(blocks, 0, 10), 10)
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await assert.rejects(care.check({ signal }), (error) => error === reason)
  })

  test(`${name}: after close it is not looked after any more`, async (t) => {
    const { blocks, care } = await openStore(t, 20)
    await blocks.close()
    const isClosed = (error: unknown): boolean => isShoalError(error) && error.code === 'E_CLOSED'
    await assert.rejects(care.check(), isClosed)
    await assert.rejects(care.resize(2 ** 30), isClosed)
  })
}

function put(
  store: BlockStore,
  { address, block }: NamedBlock,
  area: Area,
  link = 1,
): ReturnType<BlockStore['put']> {
  return store.put({ address, block, area, home: 0, link })
}

/** How many of `count` content blocks from `from` on are here. */
async function present(store: BlockStore, from: number, count: number): Promise<number> {
  let found = 0
  for (let i = from; i < from + count; i++) {
    if ((await store.has(contentBlock(i).address)) !== undefined) found++
  }
  return found
}
