/** Signed blocks on disk across a restart (spec §11.5, §11.7). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { supersedes } from '../../src/keys/block.ts'
import { folder, openAt, put } from '../helpers/disk-store.ts'
import { signedBlock } from '../helpers/signed-block.ts'

test('disk outbox: after a restart the superseding one of several editions is got', async (t) => {
  const [c, d] = [signedBlock(1, 6, 1), signedBlock(1, 6, 2)]
  const [winner, loser] = supersedes(c.block, d.block) ? [c, d] : [d, c]
  const { address } = winner
  const orders = [
    [loser, winner, signedBlock(1, 5)],
    [signedBlock(1, 5), winner, loser],
  ]
  for (const order of orders) {
    const path = await folder(t)
    const before = await openAt(path)
    const inserts = new Map<unknown, number>()
    for (const named of order) {
      const insertId = await before.outbox.begin()
      inserts.set(named, insertId)
      await before.outbox.add({ insertId, ...named, homes: [0, 1, 2] })
      await before.outbox.commit(insertId)
    }
    await before.blocks.close()
    const { outbox } = await openAt(path)
    assert.deepEqual(await outbox.get(address), winner.block)
    const insertId = inserts.get(winner) as number
    for (const home of [0, 1, 2] as const) {
      await outbox.homeDone({ insertId, address, homesLeft: [] }, home)
    }
    assert.deepEqual(await outbox.get(address), loser.block)
    assert.equal(outbox.pendingBlocks, 2)
  }
})

test('disk store: after a restart the newest edition is there under all homes, and no older one takes its place', async (t) => {
  const path = await folder(t)
  const before = await openAt(path)
  for (const home of [0, 1, 2] as const) {
    await put(before, signedBlock(1, 5), home === 1 ? 'cache' : 'store', home)
  }
  assert.equal(await put(before, signedBlock(1, 6), 'cache', 2), 'stored')
  await before.blocks.close()
  const after = await openAt(path)
  const got = await after.blocks.get(signedBlock(1, 0).address)
  assert.deepEqual(got, { block: signedBlock(1, 6).block, area: 'store' })
  for (const home of [0, 1, 2] as const) {
    assert.equal(await put(after, signedBlock(1, 5), 'store', home), 'older')
    assert.equal(await put(after, signedBlock(1, 6), 'cache', home), 'known')
  }
  assert.equal(after.blocks.status().blocks, 1)
})
