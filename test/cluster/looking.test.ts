/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { FetchProgress, InspectOutcome, Node } from '../../src/node.ts'
import { createCluster, randomContent, readAll } from '../helpers/cluster.ts'
import type { Cluster } from '../helpers/cluster.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const LATENCY_MS = 50
const MIB = 1024 * 1024

async function clusterOf(t: TestContext): Promise<Cluster> {
  const cluster = await createCluster({ count: 3, seed, latencyMs: LATENCY_MS })
  t.after(() => cluster.close())
  return cluster
}

/** A reader that came later and holds nothing. */
async function newcomer(cluster: Cluster): Promise<Node> {
  const store = createMemoryStore({ quotaBytes: 64 * MIB, rng: createSeededRng(seed) })
  const { node } = await cluster.add({ store })
  await cluster.clock.runFor(2000)
  return node
}

async function insertBytes(cluster: Cluster, bytes: Uint8Array, name = 'film.webm') {
  const { uri, insertId } = await cluster.insert(cluster.at(0), bytes, { name })
  await cluster.spread(cluster.at(0), insertId)
  return uri
}

async function inspect(cluster: Cluster, node: Node, uri: string): Promise<InspectOutcome> {
  return cluster.clock.runUntilSettled(node.inspect(parseUri(uri)))
}

test('a fetch that may ask nobody finds what is here, and says what is not', async (t) => {
  const cluster = await clusterOf(t)
  const bytes = randomContent(100_000, seed)
  const uri = await insertBytes(cluster, bytes)
  const reader = await newcomer(cluster)
  const options = { isLocalOnly: true }
  const before = await cluster.fetch(reader, uri, options)
  assert.equal(before.type, 'not-local', at)
  await cluster.read(reader, uri)
  assert.deepEqual(await cluster.read(reader, uri, options), bytes, at)
})

test('a fetch that may ask nobody takes no time of the network, for names either', async (t) => {
  const cluster = await clusterOf(t)
  await cluster.at(0).keys.create('me')
  const SITE = { key: 'me', document: 'site' }
  const { uri } = await cluster.publish(cluster.at(0), { 'a.txt': 'hello' }, SITE)
  const reader = await newcomer(cluster)
  const newest = uri.replace(/\/\d+$/, '/latest/a.txt')
  for (const name of [newest, `${uri}/a.txt`]) {
    const startMs = cluster.clock.now()
    const outcome = await cluster.fetch(reader, name, { isLocalOnly: true })
    assert.equal(outcome.type, 'not-local', `${name} ${at}`)
    assert.equal(cluster.clock.now(), startMs, `${name} ${at}`)
  }
  await cluster.read(reader, newest)
  const again = await cluster.read(reader, newest, { isLocalOnly: true })
  assert.equal(Buffer.from(again).toString(), 'hello', at)
})

test('a stream that may ask nobody breaks where a part is not here', async (t) => {
  const cluster = await clusterOf(t)
  const uri = await insertBytes(cluster, randomContent(2 * MIB, seed))
  const reader = await newcomer(cluster)
  const part = { range: { type: 'from-to', first: 0, last: 100_000 } } as const
  await cluster.read(reader, uri, part)
  const outcome = await cluster.fetch(reader, uri, { isLocalOnly: true })
  assert.ok(outcome.type === 'found', at)
  const reading = cluster.clock.runUntilSettled(readAll(outcome.stream))
  await assert.rejects(reading, { code: 'E_NOT_FOUND' }, at)
})

test('a fetch tells how long its stages took, and whether the network had a part in it', async (t) => {
  const cluster = await clusterOf(t)
  await cluster.at(0).keys.create('me')
  const files = { 'film.webm': randomContent(100_000, seed) }
  const { uri } = await cluster.publish(cluster.at(0), files, { key: 'me', document: 'site' })
  const reader = await newcomer(cluster)
  const timingOf = async () => {
    const outcome = await cluster.fetch(reader, `${uri}/film.webm`)
    assert.ok(outcome.type === 'found', at)
    await cluster.clock.runUntilSettled(readAll(outcome.stream))
    return outcome.timing
  }
  const cold = await timingOf()
  assert.equal(cold?.isLocal, false, at)
  assert.equal((cold?.documentMs ?? 0) % (2 * LATENCY_MS), 0, at)
  assert.ok((cold?.documentMs ?? 0) > 0 && (cold?.firstMs ?? 0) > 0, at)
  assert.deepEqual(await timingOf(), { documentMs: 0, manifestMs: 0, firstMs: 0, isLocal: true })
})

test('progress is told at most four times a second, to the last change, and never after the end', async (t) => {
  const cluster = await clusterOf(t)
  const uri = await insertBytes(cluster, randomContent(4 * MIB, seed))
  const reader = await newcomer(cluster)
  const told: (FetchProgress & { atMs: number })[] = []
  const onprogress = (progress: FetchProgress): void => {
    told.push({ ...progress, atMs: cluster.clock.now() })
  }
  await cluster.read(reader, uri, { onprogress })
  const { length } = told
  await cluster.clock.runFor(10_000)
  assert.equal(told.length, length, at)
  assert.ok(length >= 2, at)
  assert.equal(told[0]?.stage, 'manifest', at)
  for (const [i, { atMs, foundBlocks, tries, waitingBlocks }] of told.entries()) {
    if (i > 0) assert.ok(atMs - (told[i - 1]?.atMs ?? 0) >= 250, at)
    assert.ok(foundBlocks + waitingBlocks <= tries, at)
  }
})

test('what is absent is still told as progress, try by try', async (t) => {
  const cluster = await clusterOf(t)
  const reader = cluster.at(2)
  const lost = 'CHK@'.concat('A'.repeat(43), ',', 'A'.repeat(43), ',AQEAAQ')
  const told: FetchProgress[] = []
  const outcome = await cluster.fetch(reader, lost, { onprogress: (now) => told.push(now) })
  assert.equal(outcome.type, 'not-found', at)
  assert.deepEqual(told[0], { stage: 'manifest', foundBlocks: 0, tries: 1, waitingBlocks: 1 })
})

test('inspecting says what a key names and how much of it is here, and fetches no content', async (t) => {
  const cluster = await clusterOf(t)
  const size = 20 * 32_768 + 5
  const uri = await insertBytes(cluster, randomContent(size, seed))
  const reader = await newcomer(cluster)
  const first = await inspect(cluster, reader, uri)
  assert.ok(first.type === 'found', at)
  const { urn, ...rest } = first
  assert.match(urn ?? '', /^urn:eris:/)
  assert.deepEqual(rest, {
    type: 'found',
    kind: 'file',
    size,
    contentType: 'video/webm',
    name: 'film.webm',
    tree: { level: 1, blocks: 22 },
    local: { blocks: 0, of: 21, isSampled: false },
  })
  const part = { range: { type: 'from-to', first: 0, last: 5 * 32_768 - 1 } } as const
  await cluster.read(reader, uri, part)
  const second = await inspect(cluster, reader, uri)
  assert.deepEqual(second.type === 'found' && second.local, {
    blocks: 5,
    of: 21,
    isSampled: false,
  })
  assert.deepEqual(await cluster.read(reader, urn ?? ''), randomContent(size, seed), at)
})

test('of content with many blocks only some are looked for, and it is said', async (t) => {
  const cluster = await clusterOf(t)
  const uri = await insertBytes(cluster, randomContent(10 * MIB, seed))
  const holder = await inspect(cluster, cluster.at(0), uri)
  assert.ok(holder.type === 'found', at)
  assert.deepEqual(holder.tree, { level: 1, blocks: 322 })
  assert.equal(holder.local?.of, 256)
  assert.equal(holder.local?.isSampled, true)
})

test('inspecting a folder names it with its slash or without, and a file in it by its path', async (t) => {
  const cluster = await clusterOf(t)
  await cluster.at(0).keys.create('me')
  const files = { 'about/a.txt': 'hello', 'about/index.html': '<p>', 'film.webm': 'x' }
  const { uri } = await cluster.publish(cluster.at(0), files, { key: 'me', document: 'site' })
  const reader = await newcomer(cluster)
  const summary = async (path: string) => {
    const found = await inspect(cluster, reader, `${uri}${path}`)
    return found.type === 'found' ? [found.kind, found.name, found.size] : found.type
  }
  assert.deepEqual(await summary(''), ['folder', 'site', 9])
  assert.deepEqual(await summary('/'), ['folder', 'site', 9])
  assert.deepEqual(await summary('/about'), ['folder', 'about', 8])
  assert.deepEqual(await summary('/about/'), ['folder', 'about', 8])
  assert.deepEqual(await summary('/about/a.txt'), ['file', 'a.txt', 5])
  assert.equal(await summary('/nothing'), 'no-such-path')
})

test('what nobody has, and what is not here where nobody may be asked, is inspected in vain', async (t) => {
  const cluster = await clusterOf(t)
  const uri = await insertBytes(cluster, randomContent(100_000, seed))
  const reader = await newcomer(cluster)
  const alone = reader.inspect(parseUri(uri), { isLocalOnly: true })
  assert.equal((await cluster.clock.runUntilSettled(alone)).type, 'not-local', at)
  const lost = 'CHK@'.concat('A'.repeat(43), ',', 'A'.repeat(43), ',AQEAAQ')
  assert.equal((await inspect(cluster, reader, lost)).type, 'not-found', at)
})
