/**
 * Fifty whole nodes that come and go: the ring closes again, and what was inserted stays readable.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import type { Node } from '../../src/node.ts'
import { createCluster, randomContent } from '../helpers/cluster.ts'
import type { Cluster, ClusterNode } from '../helpers/cluster.ts'
import { fewestLinks, neighborShare } from '../helpers/ring.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const NODES = 50
const LEAVING = 3
const ROUNDS = 8
const FILES = 12
const seed = seedFromEnvironment()
const at = `seed ${seed}`

test('fifty nodes: each finds its neighbors, keeps them while others come and go, and nothing is lost', async () => {
  const cluster = await createCluster({ count: NODES, seed })
  await cluster.clock.runFor(15_000)
  let present = [...cluster.nodes]
  for (const { store } of present) {
    store.blocks.close = () => Promise.resolve() // memory forgets; the disk suite restarts for real
  }
  checkRing(present)
  const files = await insertFiles(cluster)
  let away: ClusterNode[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const leaving = draw(cluster, present, LEAVING)
    for (const { node } of leaving) await cluster.clock.runUntilSettled(node.close())
    const back: ClusterNode[] = []
    for (const { store, identitySeed } of away)
      back.push(await cluster.add({ store, identitySeed }))
    present = [...present.filter((one) => !leaving.includes(one)), ...back]
    away = leaving
    await cluster.clock.runFor(20_000)
    checkRing(present)
    for (const { uri, content } of files) {
      const [reader] = draw(cluster, present, 1) as [ClusterNode]
      assert.deepEqual(await cluster.read(reader.node, uri), content, `${at}, round ${round}`)
    }
  }
  await cluster.close()
})

test('neighbors that cannot reach each other are linked through a peer of both', async () => {
  const cluster = await createCluster({ count: 0, seed })
  const keys: Uint8Array[] = []
  for (let count = 0; count < 30; count++) {
    const identitySeed = Uint8Array.from({ length: 32 }, () => cluster.rng.below(256))
    const { publicKey } = keyPairFromSeed(identitySeed)
    for (const other of keys) {
      if (cluster.rng.below(10) === 0) cluster.network.cut(publicKey, other)
    }
    keys.push(publicKey)
    await cluster.add({ identitySeed })
  }
  await cluster.clock.runFor(180_000)
  const nodes = cluster.nodes.map(({ node }) => node)
  for (const node of nodes) assert.equal(neighborShare(node, nodes), 1, at)
  const content = randomContent(100_000, seed)
  const { uri, insertId } = await cluster.insert(cluster.at(0), content)
  await cluster.spread(cluster.at(0), insertId)
  for (const node of nodes) assert.deepEqual(await cluster.read(node, uri), content, at)
  await cluster.close()
})

function checkRing(present: readonly ClusterNode[]): void {
  const nodes = present.map(({ node }) => node)
  for (const node of nodes) {
    const { links, estimatedNodes } = node.status().ring
    assert.equal(neighborShare(node, nodes), 1, at)
    assert.ok(links.length <= 32, `${at}: ${links.length} links`)
    assert.equal(links.length, node.status().peers, at)
    assert.ok(estimatedNodes !== undefined && estimatedNodes > NODES / 5, at)
  }
  assert.ok(fewestLinks(nodes) >= 12, `${at}: ${fewestLinks(nodes)} links`)
}

function draw<T>(cluster: Cluster, from: readonly T[], count: number): T[] {
  const left = [...from]
  return Array.from({ length: count }, () => left.splice(cluster.rng.below(left.length), 1)[0] as T)
}

async function insertFiles(cluster: Cluster): Promise<{ uri: string; content: Uint8Array }[]> {
  const files: { uri: string; content: Uint8Array }[] = []
  for (let number = 0; number < FILES; number++) {
    const node: Node = cluster.at(number * 4)
    const content = randomContent(100_000 + number, seed + number)
    const { uri, insertId } = await cluster.insert(node, content)
    await cluster.spread(node, insertId)
    files.push({ uri, content })
  }
  return files
}
