/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../src/node.ts'
import { randomContent } from '../helpers/cluster.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { createSwarm, insert, insertAndSpread, read, until } from '../helpers/swarm.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const MIB = 1024 * 1024

test('what is inserted on one of five nodes is read on another, whole and in ranges, also when the first is gone', async (t) => {
  const swarm = await createSwarm()
  t.after(() => swarm.close())
  const nodes: Node[] = []
  for (let count = 0; count < 5; count++) nodes.push((await swarm.add()).node)
  const [first, second, third, , fifth] = nodes as [Node, Node, Node, Node, Node]
  await until(() => nodes.every((node) => node.status().peers === 4))

  const content = randomContent(8 * MIB + 12_345, seed)
  const uri = await insertAndSpread(first, content)
  assert.deepEqual(await read(fifth, uri), content, at)

  await first.close()
  await until(() => [second, third, fifth].every((node) => node.status().peers === 3))
  assert.deepEqual(await read(third, uri), content, at)
  for (let index = 0; index < 10; index++) {
    const from = (index * 797_003 + 11) % content.length
    const range = { type: 'from-to', first: from, last: from + 100_000 } as const
    const expected = content.slice(from, from + 100_001)
    assert.deepEqual(await read(second, uri, { range }), expected, `${at}: from ${from}`)
  }
})

test('a lone node inserts and reads back, and what it could not spread goes out after a restart', async (t) => {
  const swarm = await createSwarm()
  t.after(() => swarm.close())
  const content = randomContent(2 * MIB, seed)
  const lone = await swarm.add()
  const { uri } = await insert(lone.node, content)
  assert.deepEqual(await read(lone.node, uri), content, at)
  const pending = lone.node.status().outbox.pendingBlocks
  assert.ok(pending >= content.length / 32_768, at)
  await lone.node.close()

  const again = await swarm.add(lone.dataDir)
  assert.equal(again.node.status().outbox.pendingBlocks, pending, at)
  assert.deepEqual(await read(again.node, uri), content, at)
  const peer = await swarm.add()
  await until(() => again.node.status().outbox.pendingBlocks === 0)
  assert.deepEqual(await read(peer.node, uri), content, at)
})
