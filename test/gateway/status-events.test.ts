/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { ShoalClient } from '../../src/client/index.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

async function bench(t: TestContext) {
  const node = createFakeNode()
  const server = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => server.close())
  return { node, server, client: new ShoalClient({ gateway: server.url }) }
}

test('who follows the node is told of what changes, and of nothing twice', async (t) => {
  const { node, client } = await bench(t)
  const seen: number[] = []
  for await (const { peers } of client.followStatus()) {
    seen.push(peers)
    node.peers = 40 + seen.length
    if (seen.length === 3) break
  }
  assert.deepEqual(seen.slice(1), [41, 42])
})

test('who follows an insert is told how far it has spread, until all of it has', async (t) => {
  const { node, client } = await bench(t)
  const spread = { blocks: 9, lostBlocks: 0, peers: 1 }
  node.insertStatuses.set(7, { ...spread, spreadBlocks: 2 })
  const seen: number[] = []
  for await (const { spreadBlocks } of client.followSpread('/api/v1/inserts/7')) {
    seen.push(spreadBlocks)
    node.insertStatuses.set(7, { ...spread, spreadBlocks: seen.length === 1 ? 5 : 9 })
  }
  assert.deepEqual(seen, [2, 5, 9])
})

test('the events of an insert end where it is forgotten, and there are none of one that is not known', async (t) => {
  const { node, client } = await bench(t)
  node.insertStatuses.set(7, { blocks: 9, spreadBlocks: 2, lostBlocks: 0, peers: 1 })
  for await (const { spreadBlocks } of client.followSpread('/api/v1/inserts/7')) {
    assert.equal(spreadBlocks, 2)
    node.insertStatuses.delete(7)
  }
  await assert.rejects(client.followSpread('/api/v1/inserts/7').next(), { status: 404 })
})

test('64 may follow the node, and one who goes makes room for another', async (t) => {
  const { client } = await bench(t)
  const followers = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const follower = client.followStatus()
      await follower.next()
      return follower
    }),
  )
  await assert.rejects(client.followStatus().next(), { status: 429 })
  await followers[0]?.return()
  for (;;) {
    const next = client.followStatus()
    const told = await next.next().catch(() => undefined) // until the server has seen the other go
    if (told === undefined) continue
    followers.push(next)
    break
  }
  await Promise.all(followers.map((follower) => follower.return()))
})
