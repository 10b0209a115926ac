import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseUri } from '../../src/keys/uri.ts'
import type { Node } from '../../src/node.ts'
import { createCluster } from '../helpers/cluster.ts'
import type { Cluster } from '../helpers/cluster.ts'

const BLOCK_BYTES = 32_768
const LATENCY_MS = 50
/** Two nodes above the leaves, as up to 8 GiB: the round trips are those of any film. */
const NODE_LEAVES = 512
const FILM_LEAVES = 4 * NODE_LEAVES
const SEED = 20_261_122

test(`seek: one hop away the middle of a film is 4 blocks away, and 2 once it was opened (seed ${SEED})`, async () => {
  const cluster = await createCluster({ count: 2, seed: SEED, latencyMs: LATENCY_MS })
  try {
    const inserting = cluster.at(0).insert(filmPieces(), { name: 'film.webm' })
    const { uri, insertId } = await cluster.clock.runUntilSettled(inserting)
    await cluster.spread(cluster.at(0), insertId)
    const { node } = await cluster.add()
    await cluster.clock.runFor(2000)
    // manifest, root, node, leaf: each names the next, and nothing else is waited for
    assert.equal(await roundTrips(cluster, node, { uri, leaf: NODE_LEAVES }), 4)
    for (const leaf of [0, 3 * NODE_LEAVES, 2 * NODE_LEAVES])
      assert.equal(await roundTrips(cluster, node, { uri, leaf }), 2)
  } finally {
    await cluster.close()
  }
})

async function roundTrips(
  cluster: Cluster,
  node: Node,
  { uri, leaf }: { uri: string; leaf: number },
): Promise<number> {
  const startMs = cluster.clock.now()
  const range = { type: 'from-to', first: leaf * BLOCK_BYTES + 7, last: undefined } as const
  const outcome = await cluster.clock.runUntilSettled(node.fetch(parseUri(uri), { range }))
  assert.equal(outcome.type, 'found')
  const endMs = cluster.clock.now()
  if (outcome.type === 'found') await cluster.clock.runUntilSettled(outcome.stream.cancel())
  return (endMs - startMs) / (2 * LATENCY_MS)
}

/** The first leaf of each node is like no other, the rest repeats. */
async function* filmPieces(): AsyncGenerator<Uint8Array, void> {
  const piece = new Uint8Array(BLOCK_BYTES)
  for (let index = 0; index < FILM_LEAVES; index++) {
    new DataView(piece.buffer).setUint32(0, index % NODE_LEAVES === 0 ? index : 1)
    yield await Promise.resolve(piece)
  }
}
