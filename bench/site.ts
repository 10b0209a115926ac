/**
 * What publishing costs, counted and not timed: distinct blocks of a site of 1,000 small files, block
 * round trips to the page of a small one that the reader never saw, and to the newest edition of a name.
 * Whole nodes in memory, simulated clock, so that a round trip is exactly two latencies.
 * `npm run --silent bench:site -- [seed]`
 * @module
 */
import { parseUri } from '../src/keys/uri.ts'
import type { UskUri } from '../src/keys/uri.ts'
import type { Node, PublishResult } from '../src/node.ts'
import { createCluster, randomContent } from '../test/helpers/cluster.ts'
import type { Cluster } from '../test/helpers/cluster.ts'
import type { Files } from '../test/helpers/folder.ts'
import { createSeededRng } from '../test/helpers/rng.ts'
import { report } from './processes.ts'

const BLOCK_BYTES = 32_768
const LATENCY_MS = 50
const seed = Number(process.argv[2] ?? 1)

async function withSite<T>(
  files: Files,
  measure: (cluster: Cluster, published: PublishResult) => Promise<T>,
): Promise<T> {
  const cluster = await createCluster({ count: 4, seed, latencyMs: LATENCY_MS })
  await cluster.at(0).keys.create('me')
  const published = await cluster.publish(cluster.at(0), files, { key: 'me', document: 'site' })
  try {
    return await measure(cluster, published)
  } finally {
    await cluster.close()
  }
}

function manyFiles(): Files {
  const rng = createSeededRng(seed)
  const entries = Array.from({ length: 1000 }, (_, i): [string, Uint8Array] => {
    const size = 2048 + rng.below(18 * 1024 + 1)
    return [`part-${i % 10}/file-${i}.bin`, randomContent(size, seed + i)]
  })
  return Object.fromEntries(entries)
}

function smallSite(): Files {
  const entries = Array.from({ length: 9 }, (_, i): [string, Uint8Array] => [
    `picture-${i}.jpg`,
    randomContent(10 * 1024, seed + i),
  ])
  return { 'index.html': randomContent(10 * 1024, seed + 99), ...Object.fromEntries(entries) }
}

/** Round trips until `work` is done, by simulated time. */
async function roundTrips(cluster: Cluster, work: Promise<unknown>): Promise<number> {
  const startMs = cluster.clock.now()
  await cluster.clock.runUntilSettled(work)
  return (cluster.clock.now() - startMs) / (2 * LATENCY_MS)
}

async function freshReader(cluster: Cluster): Promise<Node> {
  const { node } = await cluster.add()
  await cluster.clock.runFor(2000)
  return node
}

await withSite(manyFiles(), async (cluster, { size, insertId }) => {
  const blocks = cluster.at(0).insertStatus(insertId)?.blocks ?? 0
  const ratio = blocks / (size / BLOCK_BYTES)
  report({ bench: 'site', what: 'blocks of 1,000 files', bytes: size, blocks, ratio, target: 1.15 })
})

await withSite(smallSite(), async (cluster, { uri }) => {
  const reader = await freshReader(cluster)
  const usk = parseUri(uri) as UskUri
  const newest = await roundTrips(cluster, reader.lookUp(usk))
  report({ bench: 'site', what: 'newest edition of a name', roundTrips: newest, target: 1 })
  const page = await roundTrips(
    cluster,
    reader.fetch(parseUri(`${uri}/index.html`)).then(async (outcome) => {
      if (outcome.type === 'found') await outcome.stream.cancel()
    }),
  )
  report({ bench: 'site', what: 'page of a small site', roundTrips: newest + page, target: 3 })
})
