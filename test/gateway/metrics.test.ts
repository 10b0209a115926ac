/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import type { Node } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createCluster, randomContent } from '../helpers/cluster.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

/** Names, labels out of a fixed few words, numbers: nothing else can stand in a line. */
const LINE =
  /^(?:# (?:HELP|TYPE) shoal_[a-z_]+ [A-Za-z ,.;:]+|shoal_[a-z_]+(?:\{(?:[a-z]+="[a-z0-9-]{1,16}",?)+\})? [0-9.e+]+)$/

async function metricsOf(node: Node): Promise<readonly string[]> {
  const { status, text, headers } = await request(createApp({ node, logger: silentLogger })).get(
    '/metrics',
  )
  assert.equal(status, 200)
  assert.match(headers['content-type'] as string, /^text\/plain; version=/)
  assert.equal(headers['cache-control'], 'no-store')
  return text.trim().split('\n').filter(Boolean)
}

test('the metrics have what the node does for others', async () => {
  const lines = await metricsOf(createFakeNode())
  for (const line of [
    'shoal_peers 3',
    'shoal_store_used_slots{area="cache"} 32768',
    'shoal_store_slots{area="store"} 210000',
    'shoal_store_evictions_total{area="store",reason="out-of-range"} 7',
    'shoal_peer_requests_total{type="fetch"} 70',
    'shoal_peer_requests_total{type="insert"} 30',
    'shoal_circuits_total 2',
    'shoal_bans_total 1',
    'shoal_store_misses_total 5555',
  ]) {
    assert.ok(lines.includes(line), line)
  }
})

test('after real traffic the metrics hold no secret, and nothing of what their node wanted itself', async () => {
  const seed = seedFromEnvironment()
  const cluster = await createCluster({ count: 4, seed })
  try {
    const name = 'secret-name.bin'
    const content = randomContent(200_000, seed)
    const { uri, insertId } = await cluster.insert(cluster.at(0), content, { name })
    await cluster.spread(cluster.at(0), insertId)
    await cluster.clock.runFor(60_000)
    const before = await metricsOf(cluster.at(3))
    assert.deepEqual(await cluster.read(cluster.at(3), uri), content)
    const after = await metricsOf(cluster.at(3))
    assert.deepEqual(after, before, `seed ${seed}`)
    const secrets = [
      ...uri.split(/[@,/]/).filter((part) => part.length >= 8),
      ...cluster.nodes.flatMap(({ publicKey, identitySeed }) =>
        [publicKey, identitySeed].flatMap((bytes) => [
          Buffer.from(bytes).toString('hex'),
          Buffer.from(bytes).toString('base64url'),
        ]),
      ),
      ...cluster.nodes.map(({ node }) => String(node.status().position).slice(0, 8)),
    ]
    assert.ok(secrets.length > 10)
    let asked = 0
    for (const { node } of cluster.nodes) {
      const lines = await metricsOf(node)
      for (const line of lines) assert.match(line, LINE)
      for (const secret of secrets) assert.ok(!lines.join('\n').includes(secret))
      asked += node.peerWork().fetches + node.peerWork().inserts
    }
    assert.ok(asked > 0, 'the traffic was real')
  } finally {
    await cluster.close()
  }
})

test('an insert that waits for peers shows in no metric', async () => {
  const cluster = await createCluster({ count: 1, seed: seedFromEnvironment() })
  try {
    const before = await metricsOf(cluster.at(0))
    await cluster.insert(cluster.at(0), randomContent(200_000, 1))
    assert.ok(cluster.at(0).status().outbox.pendingBlocks > 0)
    assert.deepEqual(await metricsOf(cluster.at(0)), before)
  } finally {
    await cluster.close()
  }
})

test('requests are counted by class and status where that is asked for, and else not', async () => {
  for (const countsRequests of [true, false]) {
    const node = createFakeNode()
    const agent = request(createApp({ node, logger: silentLogger, countsRequests }))
    const uri = node.add('hello')
    await agent.get(`/${uri}`)
    await agent.get('/CHK@bad')
    await agent.get('/api/v1/status')
    await agent.post('/api/v1/insert').send('x')
    await agent.get('/')
    const { text } = await agent.get('/metrics')
    const counted = text
      .split('\n')
      .filter((line) => line.startsWith('shoal_gateway_requests_total{'))
    const expected = ['content:200', 'content:400', 'api:200', 'upload:201', 'page:200'].map(
      (row) => {
        const [kind, status] = row.split(':')
        return `shoal_gateway_requests_total{class="${kind}",status="${status}"} 1`
      },
    )
    assert.deepEqual(counted.toSorted(), countsRequests ? expected.toSorted() : [])
    assert.ok(!text.includes(uri.slice(4, 20)))
  }
})

test('pages of other origins cannot read the metrics, and nothing can be sent there', async () => {
  const agent = request(createApp({ node: createFakeNode(), logger: silentLogger }))
  for (const origin of ['null', 'http://evil.example']) {
    assert.equal((await agent.get('/metrics').set('Origin', origin)).status, 403)
  }
  assert.equal((await agent.get('/metrics').set('Sec-Fetch-Site', 'cross-site')).status, 403)
  assert.equal((await agent.get('/metrics').set('Host', 'evil.example')).status, 403)
  assert.equal((await agent.post('/metrics')).status, 405)
})
