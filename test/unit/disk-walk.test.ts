/** Walking a disk store while its blocks change their slots (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { StorePair } from '../../src/datastore/store.ts'
import { folder, openAt, put } from '../helpers/disk-store.ts'
import { openFilled, putMany, quotaOf } from '../helpers/resize-store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

const ALL = { from: 0, to: 2 ** 48 - 1 }

/** Walks the whole store, calling `onfirst` behind the first entry: how often each address came. */
async function walkBeside(
  { blocks }: StorePair,
  onfirst: () => Promise<void>,
): Promise<Map<string, number>> {
  const seen = new Map<string, number>()
  for await (const { address } of blocks.walk(ALL)) {
    const isFirst = seen.size === 0
    const name = Buffer.from(address).toString('hex')
    seen.set(name, (seen.get(name) ?? 0) + 1)
    if (isFirst) await onfirst()
  }
  return seen
}

async function commit({ outbox }: StorePair): Promise<void> {
  await outbox.commit(await outbox.begin())
}

test('walk: beside a shrink it names every block that stays, once', async (t) => {
  for (const isQueued of [false, true]) {
    const store = await openFilled(await folder(t), 1000)
    await putMany(store, 'store', [0, 200])
    if (!isQueued) await commit(store)
    const seen = await walkBeside(store, () => store.care.resize(quotaOf(500)))
    for (let i = 0; i < 200; i++) {
      const { address } = contentBlock(i)
      assert.ok(await store.blocks.has(address))
      assert.equal(seen.get(Buffer.from(address).toString('hex')), 1, `block ${i}`)
    }
  }
})

test('walk: signed blocks that are replaced on the way are named once for each home', async (t) => {
  const store = await openAt(await folder(t), 200)
  for (let i = 0; i < 60; i++) await put(store, signedBlock(i, 1), 'store', 1)
  for (let rounds = 0; rounds < 2; rounds++) {
    await commit(store)
    const seen = await walkBeside(store, async () => {
      for (let i = 0; i < 60; i++) await put(store, signedBlock(i, 2 + rounds), 'store', 1)
      if (rounds > 0) await commit(store)
    })
    assert.equal(seen.size, 60)
    assert.deepEqual([...new Set(seen.values())], [1])
  }
})

test('walk: what is evicted on the way is not named', async (t) => {
  const store = await openAt(await folder(t), 20)
  for (let i = 0; i < 10; i++) await put(store, contentBlock(i))
  await commit(store)
  const gone = new Set<string>()
  const seen = await walkBeside(store, async () => {
    await put(store, signedBlock(1, 1))
    for (let i = 100; i < 160; i++) await put(store, contentBlock(i))
    await put(store, signedBlock(1, 2))
    for (let i = 0; i < 10; i++) {
      const { address } = contentBlock(i)
      if ((await store.blocks.has(address)) === undefined)
        gone.add(Buffer.from(address).toString('hex'))
    }
  })
  assert.ok(gone.size > 0)
  const named = [...gone].filter((name) => seen.has(name))
  assert.ok(named.length <= 1, 'only the first was named, before it went')
})
