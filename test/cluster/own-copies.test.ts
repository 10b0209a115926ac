/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { sequenceOf, verify } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { IMMUTABLE_SEQUENCE } from '../../src/keys/signed.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import { createCluster, randomContent } from '../helpers/cluster.ts'
import type { Cluster, ClusterNode } from '../helpers/cluster.ts'
import { folderItems } from '../helpers/folder.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const SITE = { key: 'me', document: 'site' }

async function clusterOf(t: TestContext, count: number): Promise<Cluster> {
  const cluster = await createCluster({ count, seed })
  t.after(() => cluster.close())
  return cluster
}

test('a publisher’s own copies do not count for what others hold: what faded is told, then sent again whole', async (t) => {
  const cluster = await clusterOf(t, 2)
  const publisher = cluster.at(0)
  await publisher.keys.create('me')
  const files = Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [`${i}.bin`, randomContent(20_000, seed + i)]),
  )
  const first = await cluster.publish(publisher, files, SITE)
  const blocks = publisher.insertStatus(first.insertId)?.blocks
  await cluster.clock.runFor(60_000)
  await cluster.clock.runUntilSettled(cluster.at(1).close())
  await cluster.clock.runFor(5000)
  for (let i = 0; i < 2; i++) await cluster.add()
  await cluster.clock.runFor(5000)
  const source = { type: 'folder', items: folderItems(files) } as const
  const failed = cluster.clock.runUntilSettled(publisher.publish(source, SITE))
  await assert.rejects(failed, { code: 'E_FADED' }, at)
  assert.equal(publisher.status().outbox.pendingBlocks, 0)
  const second = await cluster.publish(publisher, files, SITE)
  assert.equal(publisher.insertStatus(second.insertId)?.blocks, blocks, at)
  await cluster.clock.runUntilSettled(publisher.close())
  await cluster.clock.runFor(5000)
  for (const [name, content] of Object.entries(files)) {
    assert.deepEqual(await cluster.read(cluster.at(3), `${second.uri}/${name}`), content, at)
  }
})

test('of the head in the own outbox and the network’s the one that supersedes is the newest', async (t) => {
  const cluster = await clusterOf(t, 5)
  const publisher = cluster.at(0)
  await publisher.keys.create('me')
  const old = await cluster.publish(publisher, { 'a.txt': '0' }, SITE)
  const oldHead = await headIn(cluster)
  await cluster.publish(publisher, { 'a.txt': '1' }, SITE)
  const newHead = await headIn(cluster)
  const newestFrom = async ({ clock }: Cluster, { node }: ClusterNode): Promise<unknown> => {
    const found = await clock.runUntilSettled(node.lookUp(parseUri(old.uri) as UskUri))
    return found.type === 'found' ? found.edition : found.type
  }
  const behind = await cluster.add()
  await cluster.clock.runFor(5000)
  await hold(behind, oldHead)
  assert.equal(await newestFrom(cluster, behind), 1, at)
  assert.equal(behind.node.status().outbox.pendingBlocks, 1)

  const past = await createCluster({ count: 1, seed })
  t.after(() => past.close())
  await hold(past.nodes[0] as ClusterNode, oldHead)
  const [ahead, other] = [await past.add(), await past.add()]
  await past.clock.runFor(10_000)
  await hold(ahead, newHead)
  assert.equal(await newestFrom(past, other), 0, at)
  assert.equal(await newestFrom(past, ahead), 1, at)
  assert.equal(ahead.node.status().outbox.pendingBlocks, 1)
})

interface Signed {
  readonly address: Address
  readonly block: Block
}

/** The head with the greatest sequence that any node has. */
async function headIn(cluster: Cluster): Promise<Signed> {
  let newest: Signed | undefined
  for (const { store } of cluster.nodes) {
    for await (const { address } of store.blocks.walk({ from: 0, to: 2 ** 48 - 1 })) {
      const block = (await store.blocks.get(address))?.block
      if (block === undefined || verify(address, block) !== 'signed') continue
      const sequence = sequenceOf(block)
      const isNewer = newest === undefined || sequence > sequenceOf(newest.block)
      if (sequence < IMMUTABLE_SEQUENCE && isNewer) newest = { address, block }
    }
  }
  assert.ok(newest, 'somebody stores the head')
  return newest
}

/** Puts a block into the outbox of a node that does not know of it: it stays there. */
async function hold({ store }: ClusterNode, { address, block }: Signed): Promise<void> {
  const insertId = await store.outbox.begin()
  await store.outbox.add({ insertId, address, block, homes: [0, 1, 2] })
  await store.outbox.commit(insertId)
}
