/**
 * Networks of one name with different keys, among nodes that all find each other: each keeps to itself.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCluster, randomContent } from '../helpers/cluster.ts'
import type { ClusterNode } from '../helpers/cluster.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`

test('nodes link with those of their own key, and what is inserted there is found there alone', async () => {
  const cluster = await createCluster({ count: 0, seed })
  const keys = [undefined, new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const groups: ClusterNode[][] = []
  for (const networkKey of keys) {
    const group: ClusterNode[] = []
    for (let count = 0; count < 4; count++) {
      group.push(await cluster.add(networkKey === undefined ? {} : { networkKey }))
    }
    groups.push(group)
  }
  await cluster.clock.runFor(5_000)
  for (const { node } of cluster.nodes) assert.equal(node.status().peers, 3, at)
  const content = randomContent(50_000, seed)
  const [, [writer], [stranger]] = groups as [ClusterNode[], [ClusterNode], [ClusterNode]]
  const reader = groups[1]?.[3] as ClusterNode
  const { uri, insertId } = await cluster.insert(writer.node, content)
  await cluster.spread(writer.node, insertId)
  assert.deepEqual(await cluster.read(reader.node, uri), content, at)
  assert.equal((await cluster.fetch(stranger.node, uri)).type, 'not-found', at)
  // a stranger that tries again and again stays one
  await cluster.clock.runFor(600_000)
  for (const { node } of cluster.nodes) assert.equal(node.status().peers, 3, at)
  const positions = new Set(cluster.nodes.map(({ node }) => node.status().position))
  assert.equal(positions.size, 12)
  await cluster.close()
})
