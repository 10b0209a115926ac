/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { equals, utf8, utf8Text } from '../../src/keys/bytes.ts'
import { homePosition, sequenceOf, verify } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { documentAddress } from '../../src/keys/signed.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import type { LookUpOutcome, Node } from '../../src/node.ts'
import { createCluster, randomContent } from '../helpers/cluster.ts'
import type { Cluster } from '../helpers/cluster.ts'
import { folderItems } from '../helpers/folder.ts'
import { positionOf } from '../helpers/ring.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`

async function clusterOf(t: TestContext, count: number, seedOffset = 0): Promise<Cluster> {
  const cluster = await createCluster({ count, seed: seed + seedOffset })
  t.after(() => cluster.close())
  return cluster
}

async function lookUp(cluster: Cluster, node: Node, uri: string): Promise<LookUpOutcome> {
  return cluster.clock.runUntilSettled(node.lookUp(parseUri(uri) as UskUri))
}

async function textAt(cluster: Cluster, node: Node, uri: string): Promise<string | undefined> {
  return utf8Text(await cluster.read(node, uri))
}

function folderOf(text: string) {
  return { type: 'folder', items: folderItems({ 'index.html': text }) } as const
}

/**
 * A new key of the first node whose site's head has a home at one of the first `count` nodes: who is
 * nearest to all three answers for it alone, since nothing moves blocks to newcomers yet.
 */
async function keyKeptBy(cluster: Cluster, count: number): Promise<string> {
  const positions = cluster.nodes.map(({ node }) => positionOf(node))
  for (let attempt = 0; ; attempt++) {
    const name = `key ${attempt}`
    await cluster.at(0).keys.create(name)
    const uri = parseUri(`${cluster.at(0).keys.documentUri(name, 'site')}0`) as UskUri
    const { publicKey, readKey, document } = uri
    const place = { kind: 'head', edition: 0 } as const
    const head = documentAddress({ publicKey, readKey, name: document }, place)
    const nearest = ([0, 1, 2] as const).map((home) => {
      const gaps = positions.map((position) => {
        const gap = Math.abs(homePosition(head, home) / 2 ** 48 - position)
        return Math.min(gap, 1 - gap)
      })
      return gaps.indexOf(Math.min(...gaps))
    })
    if (nearest.some((index) => index < count)) return name
  }
}

const SITE = {
  'index.html': '<h1>one</h1>',
  'about/us.html': '<p>us</p>',
  'pictures/a.png': randomContent(50_000, seed),
  'notes/': '',
}

describe('a publisher, a reader, and the nodes between them', () => {
  test('a site published on one node is read on another, and its update too, with the first node gone', async (t) => {
    const cluster = await clusterOf(t, 8)
    const [publisher, reader] = [cluster.at(0), cluster.at(5)]
    await publisher.keys.create('me')
    const first = await cluster.publish(publisher, SITE, { key: 'me', document: 'site' })
    assert.match(first.uri, /^USK@[\w-]{43},[\w-]{43},AQEAAg\/site\/0$/)
    assert.deepEqual([first.edition, first.files, first.collisions], [0, 3, []])
    assert.ok(first.isConfirmed)
    assert.equal(await textAt(cluster, reader, `${first.uri}/`), '<h1>one</h1>', at)
    assert.equal(await textAt(cluster, reader, `${first.uri}/about/us.html`), '<p>us</p>', at)
    const picture = await cluster.read(reader, `${first.uri}/pictures/a.png`)
    assert.deepEqual(picture, SITE['pictures/a.png'], at)

    const changed = { ...SITE, 'index.html': '<h1>two</h1>' }
    const second = await cluster.publish(publisher, changed, { key: 'me', document: 'site' })
    assert.equal(second.edition, 1)
    await cluster.clock.runUntilSettled(publisher.close())
    await cluster.clock.runFor(1000)

    const found = await lookUp(cluster, reader, first.uri)
    assert.ok(found.type === 'found' && found.edition === 1, `${at}: ${JSON.stringify(found)}`)
    assert.equal(await textAt(cluster, reader, `${second.uri}/`), '<h1>two</h1>', at)
    assert.equal(await textAt(cluster, reader, `${first.uri}/`), '<h1>one</h1>', at)
  })

  test('a file is published as such, and a path below it leads nowhere', async (t) => {
    const cluster = await clusterOf(t, 4)
    await cluster.at(1).keys.create('me')
    const content = randomContent(200_000, seed)
    const source = { type: 'file', content: oneFile(content), name: 'film.webm' } as const
    const published = await cluster.clock.runUntilSettled(
      cluster.at(1).publish(source, { key: 'me', document: 'film' }),
    )
    await cluster.spread(cluster.at(1), published.insertId)
    const outcome = await cluster.fetch(cluster.at(3), published.uri)
    assert.ok(outcome.type === 'found' && outcome.contentType === 'video/webm', outcome.type)
    await outcome.stream.cancel()
    assert.deepEqual(await cluster.read(cluster.at(3), published.uri), content, at)
    const below = await cluster.fetch(cluster.at(3), `${published.uri}/x`)
    assert.equal(below.type, 'no-such-path')
  })

  test('an SSK never changes: the same again is fine, another is a collision', async (t) => {
    const cluster = await clusterOf(t, 5)
    const node = cluster.at(0)
    await node.keys.create('me')
    const options = { key: 'me', document: 'will', fixed: true }
    const { uri } = await cluster.publish(node, { 'a.txt': 'one' }, options)
    assert.match(uri, /^SSK@[\w-]{43},[\w-]{43},AQEAAg\/will$/)
    assert.equal(await textAt(cluster, cluster.at(4), `${uri}/a.txt`), 'one', at)
    await cluster.publish(node, { 'a.txt': 'one' }, options)
    await assert.rejects(cluster.publish(node, { 'a.txt': 'two' }, options), {
      code: 'E_COLLISION',
    })
    assert.equal(await textAt(cluster, cluster.at(3), `${uri}/a.txt`), 'one', at)
  })

  test('a word is written once, from whatever node, and read from all', async (t) => {
    const cluster = await clusterOf(t, 5)
    const word = 'sardines'
    const { uri, insertId } = await cluster.insert(cluster.at(0), utf8('swim'), { word })
    assert.equal(uri, 'KSK@sardines')
    await cluster.spread(cluster.at(0), insertId)
    assert.equal(await textAt(cluster, cluster.at(4), uri), 'swim', at)
    const again = cluster.insert(cluster.at(2), utf8('sink'), { word })
    await assert.rejects(again, { code: 'E_COLLISION' })
  })

  test('of an unchanged site only what names the edition is inserted again', async (t) => {
    const cluster = await clusterOf(t, 5)
    const node = cluster.at(0)
    await node.keys.create('me')
    const files = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`${i}.bin`, randomContent(12_000, seed + i)]),
    )
    const options = { key: 'me', document: 'site' }
    const first = await cluster.publish(node, files, options)
    const whole = node.insertStatus(first.insertId)?.blocks ?? 0
    assert.ok(whole > 20, `${whole} blocks`)
    const same = await cluster.publish(node, files, options)
    assert.equal(node.insertStatus(same.insertId)?.blocks, 2, at) // edition and head
    const edited = await cluster.publish(
      node,
      { ...files, '7.bin': randomContent(12_000, 1) },
      options,
    )
    const moved = node.insertStatus(edited.insertId)?.blocks ?? 0
    assert.ok(moved < whole, `${at}: ${moved} of ${whole}`)
    assert.deepEqual(await cluster.read(cluster.at(3), `${edited.uri}/9.bin`), files['9.bin'], at)
  })

  test('two machines that publish at once with one key end in one state everywhere, and the loser is told', async (t) => {
    let told = 0
    for (let round = 0; round < 4; round++) {
      const cluster = await clusterOf(t, 7, round)
      const where = `${at}, round ${round}`
      const [left, right] = [cluster.at(1), cluster.at(4)]
      await left.keys.create('me')
      await right.keys.import(left.keys.export('me'))
      const both = ['left', 'right'].map((text, i) => {
        const source = { type: 'folder', items: folderItems({ 'index.html': text }) } as const
        return (i === 0 ? left : right).publish(source, { key: 'me', document: 'site' })
      })
      const results = await cluster.clock.runUntilSettled(Promise.all(both))
      const editions = results.map(({ edition }) => edition).sort((a, b) => a - b)
      assert.deepEqual(editions, [0, 1], where)
      // now and then one of them sees the other's edition before it begins its own
      told += results.flatMap(({ collisions }) => collisions).length
      await cluster.clock.runFor(60_000)
      const base = (results[0]?.uri ?? '').replace(/\d+$/, '')
      for (const edition of [0, 1]) {
        const expected = results[0]?.edition === edition ? 'left' : 'right'
        for (const { node } of cluster.nodes) {
          assert.equal(await textAt(cluster, node, `${base}${edition}/`), expected, where)
        }
      }
      for (const { node } of cluster.nodes) {
        const found = await lookUp(cluster, node, `${base}0`)
        assert.ok(found.type === 'found' && found.edition === 1, where)
      }
    }
    assert.ok(told > 0 && told <= 4, at)
  })

  test('what was published alone spreads when peers come, and an edition taken meanwhile is given up', async (t) => {
    const cluster = await clusterOf(t, 5)
    const other = cluster.at(0)
    await other.keys.create('me')
    const lone = (await cluster.add()).node
    await cluster.clock.runFor(1000)
    await lone.keys.import(other.keys.export('me'))
    const loneKey = cluster.nodes.at(-1)?.publicKey as Uint8Array
    const others = cluster.nodes.slice(0, -1).map(({ publicKey }) => publicKey)
    for (const publicKey of others) cluster.network.cut(loneKey, publicKey)
    await cluster.clock.runFor(60_000)
    assert.equal(lone.status().peers, 0)
    const source = { type: 'folder', items: folderItems({ 'index.html': 'lone' }) } as const
    const published = await cluster.clock.runUntilSettled(
      lone.publish(source, { key: 'me', document: 'site' }),
    )
    assert.equal(published.isConfirmed, false)
    assert.equal(await textAt(cluster, lone, `${published.uri}/`), 'lone', at)
    await cluster.publish(other, { 'index.html': 'other' }, { key: 'me', document: 'site' })
    for (const publicKey of others) cluster.network.heal(loneKey, publicKey)
    await cluster.clock.runFor(300_000)
    const newest = await lookUp(cluster, cluster.at(3), published.uri)
    assert.ok(newest.type === 'found', at)
    const texts = new Set<string | undefined>()
    for (let edition = 0; edition <= newest.edition; edition++) {
      const uri = published.uri.replace(/\d+$/, String(edition))
      texts.add(await textAt(cluster, cluster.at(2), `${uri}/`))
    }
    assert.deepEqual(texts, new Set(['lone', 'other']), at)
  })

  test('what was published to newcomers who knew nothing ends as the newest edition of all', async (t) => {
    const cluster = await clusterOf(t, 6)
    const known = cluster.nodes.map(({ publicKey }) => publicKey)
    const [second, newcomer] = [await cluster.add(), await cluster.add()]
    await cluster.clock.runFor(1000)
    const each = (change: 'cut' | 'heal'): void => {
      for (const publicKey of known) {
        cluster.network[change](second.publicKey, publicKey)
        cluster.network[change](newcomer.publicKey, publicKey)
      }
    }
    each('cut')
    await cluster.clock.runFor(60_000)
    const first = cluster.at(0)
    const site = { key: await keyKeptBy(cluster, known.length), document: 'site' }
    for (const text of ['e0', 'e1', 'e2']) {
      await cluster.publish(first, { 'index.html': text }, site)
    }
    await second.node.keys.import(first.keys.export(site.key))
    const { uri } = await cluster.clock.runUntilSettled(second.node.publish(folderOf('new'), site))
    assert.match(uri, /\/0$/)
    await cluster.clock.runFor(2000)
    each('heal')
    await cluster.clock.runFor(300_000)
    const newest = await lookUp(cluster, cluster.at(3), uri)
    assert.ok(newest.type === 'found' && newest.edition >= 3, at)
    const latest = uri.replace(/\d+$/, String(newest.edition))
    assert.equal(await textAt(cluster, cluster.at(3), `${latest}/`), 'new', at)
  })

  test('of two that publish while the network is parted for minutes nothing is lost, and all agree on the newest', async (t) => {
    const cluster = await clusterOf(t, 8)
    const [left, right] = [cluster.at(0), cluster.at(4)]
    await left.keys.create('me')
    await right.keys.import(left.keys.export('me'))
    const site = { key: 'me', document: 'site' }
    const keys = cluster.nodes.map(({ publicKey }) => publicKey)
    const each = (change: 'cut' | 'heal'): void => {
      for (const a of keys.slice(0, 4)) for (const b of keys.slice(4)) cluster.network[change](a, b)
    }
    each('cut')
    await cluster.clock.runFor(5000)
    const uris: string[] = []
    for (const [i, node] of [left, right].entries()) {
      const source = folderOf(i === 0 ? 'left' : 'right')
      const { uri } = await cluster.clock.runUntilSettled(node.publish(source, site))
      uris.push(uri)
    }
    const [uri = ''] = uris
    assert.deepEqual(uris, [uri, uri], at)
    await cluster.clock.runFor(180_000)
    each('heal')
    await cluster.clock.runFor(4_000_000)
    const newest = await lookUp(cluster, left, uri)
    assert.ok(newest.type === 'found' && newest.edition >= 1, at)
    const texts = new Set<string | undefined>()
    const last = new Set<string | undefined>()
    for (const { node } of cluster.nodes) {
      assert.deepEqual({ ...(await lookUp(cluster, node, uri)), ageMs: 0 }, { ...newest, ageMs: 0 })
      for (let edition = 0; edition <= newest.edition; edition++) {
        const text = await textAt(cluster, node, `${uri.replace(/\d+$/, String(edition))}/`)
        texts.add(text)
        if (edition === newest.edition) last.add(text)
      }
    }
    assert.deepEqual(texts, new Set(['left', 'right']), at)
    assert.equal(last.size, 1, at)
  })

  test('a word without peers is refused at once: nobody can say whether it is free', async (t) => {
    const cluster = await clusterOf(t, 1)
    const lone = cluster.at(0)
    await assert.rejects(cluster.insert(lone, utf8('x'), { word: 'sardines' }), {
      code: 'E_NO_PEERS',
    })
    assert.equal(lone.status().outbox.pendingBlocks, 0)
  })

  test('a watch gets each new edition, from this node or another', async (t) => {
    const cluster = await clusterOf(t, 5)
    const node = cluster.at(0)
    await node.keys.create('me')
    const options = { key: 'me', document: 'site' }
    const { uri } = await cluster.publish(node, { 'a.txt': '0' }, options)
    const stop = new AbortController()
    const seen: number[] = []
    const watching = (async () => {
      const watched = cluster.at(3).watch(parseUri(uri) as UskUri, { signal: stop.signal })
      for await (const edition of watched) seen.push(edition)
    })()
    await cluster.clock.runFor(5000)
    await cluster.publish(node, { 'a.txt': '1' }, options)
    await cluster.clock.runFor(120_000)
    assert.deepEqual(seen, [0, 1], at)
    stop.abort(new Error('enough'))
    await cluster.clock.runUntilSettled(watching.catch(() => {}))
  })

  test('anyone who can read a name can announce its head again', async (t) => {
    const cluster = await clusterOf(t, 5)
    const node = cluster.at(0)
    await node.keys.create('me')
    const { uri } = await cluster.publish(node, { 'a.txt': '0' }, { key: 'me', document: 'site' })
    const reader = cluster.at(3)
    assert.deepEqual(reader.keys.list(), [])
    const announced = await cluster.clock.runUntilSettled(reader.announce(parseUri(uri) as UskUri))
    assert.equal(announced.edition, 0)
    await cluster.spread(reader, announced.insertId)
  })

  test('a name that nobody published is not found, and a negative edition searches', async (t) => {
    const cluster = await clusterOf(t, 5)
    const node = cluster.at(0)
    await node.keys.create('me')
    const base = node.keys.documentUri('me', 'site')
    assert.equal((await lookUp(cluster, cluster.at(2), `${base}0`)).type, 'not-found', at)
    for (const text of ['0', '1', '2']) {
      await cluster.publish(node, { 'a.txt': text }, { key: 'me', document: 'site' })
    }
    const searched = await lookUp(cluster, cluster.at(2), `${base}-1`)
    assert.ok(searched.type === 'found' && searched.edition === 2, at)
    assert.equal(await textAt(cluster, cluster.at(3), `${base}latest/a.txt`), '2', at)
  })
})

test('what nodes store of ten publishers is not told apart by anything but the kind of block', async (t) => {
  const cluster = await clusterOf(t, 4)
  const secrets: Uint8Array[] = []
  for (let publisher = 0; publisher < 10; publisher++) {
    const node = cluster.at(publisher % 4)
    await node.keys.create(`key ${publisher}`)
    for (const document of ['one', 'two']) {
      const options = { key: `key ${publisher}`, document }
      const { uri } = await cluster.publish(node, { 'a.txt': `${publisher} ${document}` }, options)
      const parsed = parseUri(uri) as UskUri
      secrets.push(parsed.publicKey, parsed.readKey, utf8(document))
    }
  }
  const blocks = await signedBlocksOf(cluster)
  assert.equal(blocks.size, 40, at) // an edition and a head of 20 documents
  const publicKeys = new Set([...blocks.values()].map((block) => block.subarray(0, 32).join()))
  assert.equal(publicKeys.size, 40)
  const heads = [...blocks.values()].map(sequenceOf).filter((s) => s !== Number.MAX_SAFE_INTEGER)
  assert.equal(new Set(heads).size, 20)
  for (const block of blocks.values()) {
    for (const secret of secrets.slice(0, 40)) {
      if (secret.length === 32) assert.ok(!equals(block.subarray(0, 32), secret))
    }
  }
})

async function signedBlocksOf(cluster: Cluster): Promise<Map<string, Block>> {
  const blocks = new Map<string, Block>()
  const everywhere = { from: 0, to: 2 ** 48 - 1 }
  for (const { store } of cluster.nodes) {
    for await (const { address } of store.blocks.walk(everywhere)) {
      const held = await store.blocks.get(address)
      if (held !== undefined && isSigned(address, held.block)) {
        blocks.set(Buffer.from(address).toString('hex'), held.block)
      }
    }
  }
  return blocks
}

function isSigned(address: Address, block: Block): boolean {
  return verify(address, block) === 'signed'
}

async function* oneFile(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
