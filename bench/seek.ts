/**
 * Block round trips from a seek in a film of 4 GiB to its first byte there, the film one hop away. Whole
 * nodes in memory, simulated clock: a round trip is exactly two latencies.
 * @module
 */
import { parseUri } from '../src/keys/uri.ts'
import type { Node } from '../src/node.ts'
import { createCluster } from '../test/helpers/cluster.ts'
import type { Cluster } from '../test/helpers/cluster.ts'
import { createSeededRng } from '../test/helpers/rng.ts'

const BLOCK_BYTES = 32_768
const FILM_BYTES = 4 * 1024 ** 3
/** Leaves of one node. The first of each is like no other, the rest of the film repeats: 4 GiB need not be held. */
const NODE_LEAVES = 512
const LATENCY_MS = 50
const SEEKS = 20
const NEWCOMERS = 8

/** Worst of 20 seeks after the film was opened, and of 8 first requests for its middle. */
export async function seekRoundTrips(seed = 1): Promise<Record<string, unknown>[]> {
  const cluster = await createCluster({ count: 2, seed, latencyMs: LATENCY_MS })
  try {
    const inserting = cluster.at(0).insert(filmPieces(), { name: 'film.webm' })
    const { uri, insertId } = await cluster.clock.runUntilSettled(inserting)
    await cluster.spread(cluster.at(0), insertId)
    const rng = createSeededRng(seed)
    const nodes = FILM_BYTES / BLOCK_BYTES / NODE_LEAVES
    const somewhere = (): number => rng.below(nodes) * NODE_LEAVES * BLOCK_BYTES + rng.below(1000)
    const player = await newcomer(cluster)
    await roundTrips(cluster, player, { uri, first: 0 })
    const seeks = []
    for (let seek = 0; seek < SEEKS; seek++) {
      seeks.push(await roundTrips(cluster, player, { uri, first: somewhere() }))
    }
    await cluster.clock.runUntilSettled(player.close())
    const firsts = []
    for (let count = 0; count < NEWCOMERS; count++) {
      const stranger = await newcomer(cluster)
      firsts.push(await roundTrips(cluster, stranger, { uri, first: somewhere() }))
      // nearer to some of the blocks it would be asked for them, and has none: that is another hop
      await cluster.clock.runUntilSettled(stranger.close())
    }
    return [
      { what: 'seek, round trips', bytes: FILM_BYTES, worst: Math.max(...seeks), target: 3 },
      {
        what: 'middle of a film never seen, round trips',
        bytes: FILM_BYTES,
        worst: Math.max(...firsts),
        floor: 4, // manifest, root, node, leaf: each names the next
      },
    ]
  } finally {
    await cluster.close()
  }
}

async function newcomer(cluster: Cluster): Promise<Node> {
  const { node } = await cluster.add()
  await cluster.clock.runFor(2000)
  return node
}

async function roundTrips(
  cluster: Cluster,
  node: Node,
  { uri, first }: { uri: string; first: number },
): Promise<number> {
  const startMs = cluster.clock.now()
  const range = { type: 'from-to', first, last: undefined } as const
  const outcome = await cluster.clock.runUntilSettled(node.fetch(parseUri(uri), { range }))
  if (outcome.type !== 'found') throw new Error(outcome.type)
  const endMs = cluster.clock.now()
  await cluster.clock.runUntilSettled(outcome.stream.cancel())
  return (endMs - startMs) / (2 * LATENCY_MS)
}

async function* filmPieces(): AsyncGenerator<Uint8Array, void> {
  const piece = new Uint8Array(BLOCK_BYTES)
  for (let index = 0; index < FILM_BYTES / BLOCK_BYTES; index++) {
    new DataView(piece.buffer).setUint32(0, index % NODE_LEAVES === 0 ? index : 1)
    yield await Promise.resolve(piece)
  }
}
