import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { formatUri, parseUri } from '../../src/keys/uri.ts'
import type { ContentUri } from '../../src/keys/uri.ts'
import { createCluster, randomContent, readAll } from '../helpers/cluster.ts'
import type { Cluster } from '../helpers/cluster.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const MIB = 1024 * 1024

/** Sizes around what fits inline, a leaf, and a node of the tree. */
const SIZES = [0, 1, 32_700, 32_767, 32_768, 32_769, 65_536, 100_000, MIB + 1]

describe('eight nodes in memory', () => {
  let cluster: Cluster
  before(async () => {
    cluster = await createCluster({ count: 8, seed })
  })
  after(() => cluster.close())

  for (const size of SIZES) {
    test(`${size} bytes inserted on one node come back from another`, async () => {
      const content = randomContent(size, seed)
      const { uri, insertId } = await cluster.insert(cluster.at(0), content, { name: 'a.bin' })
      await cluster.spread(cluster.at(0), insertId)
      assert.deepEqual(await cluster.read(cluster.at(5), uri), content, at)
      assert.equal(cluster.at(0).status().outbox.pendingBlocks, 0, at)
    })
  }

  test('bare content comes back by its standard URN, with its size found from the tree', async () => {
    for (const size of [0, 1, 32_767, 32_768, 200_000]) {
      const content = randomContent(size, seed + size)
      const { uri, insertId } = await cluster.insert(cluster.at(1), content, { bare: true })
      assert.match(uri, /^urn:eris:B4/)
      await cluster.spread(cluster.at(1), insertId)
      const outcome = await cluster.fetch(cluster.at(6), uri)
      assert.ok(outcome.type === 'found' && outcome.size === size, at)
      assert.deepEqual(await cluster.clock.runUntilSettled(readAll(outcome.stream)), content, at)
    }
  })

  test('ranges give the same bytes as slices of the whole', async () => {
    const content = randomContent(300_000, seed)
    const { uri, insertId } = await cluster.insert(cluster.at(2), content)
    await cluster.spread(cluster.at(2), insertId)
    for (let round = 0; round < 20; round++) {
      const first = cluster.rng.below(content.length)
      const last = first + cluster.rng.below(content.length - first)
      const range = { type: 'from-to', first, last } as const
      const bytes = await cluster.read(cluster.at(7), uri, { range })
      assert.deepEqual(bytes, content.slice(first, last + 1), `${at}: ${first}-${last}`)
    }
    const tail = await cluster.read(cluster.at(7), uri, {
      range: { type: 'suffix', length: 70_000 },
    })
    assert.deepEqual(tail, content.slice(-70_000), at)
  })

  test('a range asks the network for no other leaves than it covers', async () => {
    const content = randomContent(40 * 32_768, seed)
    const { uri, insertId } = await cluster.insert(cluster.at(2), content)
    await cluster.spread(cluster.at(2), insertId)
    const reader = await cluster.add()
    await cluster.clock.runFor(1000)
    const range = { type: 'from-to', first: 20 * 32_768, last: 20 * 32_768 + 5 } as const
    let asked = 0
    const { blocks } = reader.store
    const get = blocks.get.bind(blocks)
    blocks.get = (address, options) => {
      asked++ // a node looks into its own store before it asks anybody
      return get(address, options)
    }
    const bytes = await cluster.read(reader.node, uri, { range })
    assert.deepEqual(bytes, content.slice(range.first, range.last + 1))
    assert.equal(asked, 3, at) // the manifest, the root, and one leaf
  })

  test('a range outside the content says so, with the size', async () => {
    const { uri } = await cluster.insert(cluster.at(0), randomContent(10, seed))
    for (const range of [
      { type: 'from-to', first: 10, last: undefined },
      { type: 'suffix', length: 0 },
    ] as const) {
      const outcome = await cluster.fetch(cluster.at(0), uri, { range })
      assert.deepEqual(outcome, { type: 'unsatisfiable-range', size: 10 })
    }
  })

  test('convergent inserts of the same bytes give one key, ordinary ones never do', async () => {
    const content = randomContent(100, seed)
    const keys = []
    for (const convergent of [true, true, false, false]) {
      keys.push((await cluster.insert(cluster.at(3), content, { convergent })).uri)
    }
    assert.equal(keys[0], keys[1])
    assert.equal(new Set(keys).size, 3)
  })

  test('the type is that of the name, unless one is given, and convergent manifests carry none', async () => {
    const node = cluster.at(4)
    const content = randomContent(10, seed)
    const cases = [
      [{ name: 'film.webm' }, 'video/webm', 'video/webm'],
      [{ name: 'film.webm', contentType: 'text/x' }, 'text/x', 'text/x'],
      [{ name: 'film.webm', convergent: true }, 'video/webm', undefined],
      [{ convergent: true, contentType: 'text/x' }, 'text/x', 'text/x'],
      [{}, 'application/octet-stream', undefined],
    ] as const
    for (const [options, told, inManifest] of cases) {
      const { uri, type } = await cluster.insert(node, content, options)
      const outcome = await cluster.fetch(node, uri, { headOnly: true })
      assert.equal(type, told)
      assert.ok(outcome.type === 'found')
      assert.equal(outcome.contentType, inManifest)
    }
  })

  test('what nobody has is not found', async () => {
    const absent: ContentUri = {
      ...(parseUri(
        (await cluster.insert(cluster.at(0), randomContent(5, seed))).uri,
      ) as ContentUri),
      reference: randomContent(32, seed) as ContentUri['reference'],
    }
    const outcome = await cluster.fetch(cluster.at(3), formatUri(absent))
    assert.equal(outcome.type, 'not-found', at)
  })

  test('a key with the wrong read key is undecodable, not wrong bytes', async () => {
    const { uri } = await cluster.insert(cluster.at(0), randomContent(5, seed))
    const wrong = { ...(parseUri(uri) as ContentUri), readKey: randomContent(32, seed) }
    await assert.rejects(cluster.fetch(cluster.at(0), formatUri(wrong)), { code: 'E_DECODE' })
  })

  test('an aborted fetch rejects with its reason and leaves nothing open', async () => {
    const abort = new AbortController()
    const uri = parseUri((await cluster.insert(cluster.at(0), randomContent(5, seed))).uri)
    const absent = { ...uri, reference: randomContent(32, seed + 1) } as ContentUri
    const fetch = cluster.at(3).fetch(absent, { signal: abort.signal })
    abort.abort(new Error('enough'))
    await assert.rejects(cluster.clock.runUntilSettled(fetch), { message: 'enough' })
  })

  test('a stream whose caller gives up without reading it errors, and holds nothing', async () => {
    const content = randomContent(5 * MIB, seed)
    const { uri, insertId } = await cluster.insert(cluster.at(0), content)
    await cluster.spread(cluster.at(0), insertId)
    const abort = new AbortController()
    const outcome = await cluster.fetch(cluster.at(3), uri, { signal: abort.signal })
    assert.ok(outcome.type === 'found')
    abort.abort(new Error('enough'))
    await assert.rejects(readAll(outcome.stream), { message: 'enough' })
  })

  test('an insert whose source fails leaves nothing in the outbox', async () => {
    const node = cluster.at(5)
    async function* source() {
      yield randomContent(200_000, seed)
      throw new Error('the line broke')
    }
    const pending = node.status().outbox.pendingBlocks
    const insert = cluster.clock.runUntilSettled(node.insert(source()))
    await assert.rejects(insert, { message: 'the line broke' })
    assert.equal(node.status().outbox.pendingBlocks, pending, at)
  })
})

test('content stays when the node that inserted it is gone', async () => {
  const cluster = await createCluster({ count: 8, seed })
  const content = randomContent(500_000, seed)
  const { uri, insertId } = await cluster.insert(cluster.at(0), content)
  await cluster.spread(cluster.at(0), insertId)
  await cluster.clock.runUntilSettled(cluster.at(0).close())
  assert.deepEqual(await cluster.read(cluster.at(4), uri), content, at)
  await cluster.close()
})

test('a node that comes late, and is nearest to half of the blocks, reads everything', async () => {
  const cluster = await createCluster({ count: 2, seed })
  const content = randomContent(500_000, seed)
  const { uri, insertId } = await cluster.insert(cluster.at(0), content)
  await cluster.spread(cluster.at(0), insertId)
  const late = await cluster.add()
  await cluster.clock.runFor(1000)
  assert.deepEqual(await cluster.read(late.node, uri), content, at)
  await cluster.close()
})

test('a lone node inserts, reads its own, and spreads when a peer comes', async () => {
  const cluster = await createCluster({ count: 1, seed })
  const content = randomContent(200_000, seed)
  const { uri, insertId } = await cluster.insert(cluster.at(0), content)
  assert.deepEqual(await cluster.read(cluster.at(0), uri), content, at)
  await cluster.clock.runFor(120_000)
  assert.equal(cluster.at(0).insertStatus(insertId)?.spreadBlocks, 0, at)
  const peer = await cluster.add()
  await cluster.spread(cluster.at(0), insertId)
  assert.deepEqual(await cluster.read(peer.node, uri), content, at)
  await cluster.close()
})

test('peers get no answer out of an outbox', async () => {
  const cluster = await createCluster({ count: 1, seed })
  const { uri } = await cluster.insert(cluster.at(0), randomContent(200_000, seed))
  const peer = await cluster.add()
  cluster.network.cut(cluster.nodes[0]?.publicKey as Uint8Array, peer.publicKey)
  await cluster.clock.runFor(1000)
  const { address, block } = await firstPending(cluster)
  assert.equal(await cluster.nodes[0]?.store.blocks.get(address), undefined)
  assert.ok(block !== undefined)
  const outcome = await cluster.fetch(peer.node, uri)
  assert.notEqual(outcome.type, 'found', at)
  await cluster.close()
})

async function firstPending(cluster: Cluster) {
  const outbox = cluster.nodes[0]?.store.outbox
  for (const { address } of outbox?.entries() ?? []) {
    return { address, block: await outbox?.get(address) }
  }
  throw new Error('the outbox is empty')
}

test('without peers a fetch says so at once', async () => {
  const cluster = await createCluster({ count: 1, seed })
  const { uri } = await cluster.insert(cluster.at(0), randomContent(5, seed))
  const absent = { ...(parseUri(uri) as ContentUri), reference: randomContent(32, seed) }
  const outcome = await cluster.fetch(cluster.at(0), formatUri(absent as ContentUri))
  assert.equal(outcome.type, 'no-peers')
  await cluster.close()
})

test('nodes of another network do not become peers', async () => {
  const cluster = await createCluster({ count: 2, seed })
  const other = await cluster.add({ networkName: 'other' })
  await cluster.clock.runFor(5000)
  assert.equal(other.node.status().peers, 0)
  assert.equal(cluster.at(0).status().peers, 1)
  await cluster.close()
})

test('the time limit of a fetch counts the network that does not answer', async () => {
  const cluster = await createCluster({ count: 3, seed, lossRate: 0.999_999 })
  const { uri } = await cluster.insert(cluster.at(0), randomContent(5, seed))
  const absent = { ...(parseUri(uri) as ContentUri), reference: randomContent(32, seed) }
  const startMs = cluster.clock.now()
  const outcome = await cluster.fetch(cluster.at(0), formatUri(absent as ContentUri), {
    timeoutMs: 3000,
  })
  assert.equal(outcome.type, 'timed-out', at)
  assert.ok(cluster.clock.now() - startMs <= 3000, at)
  await cluster.close()
})

test('content still arrives over links that lose one message in ten', async () => {
  const cluster = await createCluster({ count: 8, seed, lossRate: 0.1 })
  const content = randomContent(300_000, seed)
  const { uri, insertId } = await cluster.insert(cluster.at(0), content)
  await cluster.spread(cluster.at(0), insertId)
  assert.deepEqual(await cluster.read(cluster.at(5), uri, { timeoutMs: 60_000 }), content, at)
  await cluster.close()
})

test('a node that reads leaves nothing of it in its own store or cache', async () => {
  const cluster = await createCluster({ count: 6, seed })
  const { uri, insertId } = await cluster.insert(cluster.at(0), randomContent(500_000, seed))
  await cluster.spread(cluster.at(0), insertId)
  const reader = await cluster.add()
  await cluster.clock.runFor(1000)
  await cluster.read(reader.node, uri)
  await cluster.clock.runFor(10_000)
  assert.equal(reader.node.status().store.blocks, 0, at)
  await cluster.close()
})

test('reading again asks nobody: what was read stays in memory', async () => {
  const cluster = await createCluster({ count: 3, seed })
  const content = randomContent(200_000, seed)
  const { uri, insertId } = await cluster.insert(cluster.at(0), content)
  await cluster.spread(cluster.at(0), insertId)
  const reader = await cluster.add()
  await cluster.clock.runFor(1000)
  await cluster.read(reader.node, uri)
  cluster.network.disconnect(reader.publicKey)
  assert.deepEqual(await cluster.read(reader.node, uri), content, at)
  await cluster.close()
})

test('what is in the outbox is pushed on after a restart', async () => {
  const cluster = await createCluster({ count: 1, seed })
  const { store, identitySeed, node } = cluster.nodes[0] as Cluster['nodes'][0]
  const content = randomContent(200_000, seed)
  const { uri } = await cluster.insert(node, content)
  store.blocks.close = () => Promise.resolve() // memory forgets; the disk suite restarts for real
  await cluster.clock.runUntilSettled(node.close())
  const peer = await cluster.add()
  const again = await cluster.add({ store, identitySeed })
  for (let i = 0; i < 100 && again.node.status().outbox.pendingBlocks > 0; i++) {
    await cluster.clock.runFor(1000)
  }
  assert.equal(again.node.status().outbox.pendingBlocks, 0, at)
  assert.deepEqual(await cluster.read(peer.node, uri), content, at)
  await cluster.close()
})
