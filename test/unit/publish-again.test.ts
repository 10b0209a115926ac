/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sequenceOf } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import type { PublishResult } from '../../src/node-types.ts'
import { openKeyring } from '../../src/keyring.ts'
import { editionBlock } from '../helpers/name-world.ts'
import { startPublishing } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()

describe('what is inserted again', () => {
  const content = (fill: number): Uint8Array => {
    const bytes = new Uint8Array(300_000)
    for (let i = 0; i < bytes.length; i += 1000) bytes[i] = fill + (i >> 15)
    return bytes
  }

  test('unchanged content is not inserted again, but what is still on its way is', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const first = await run(publish(node, content(1)))
    await clock.runFor(10_000)
    const blocksOf = ({ insertId }: PublishResult) => node.outbox.insert(insertId)?.blocks
    assert.ok((blocksOf(first) ?? 0) > 10)
    assert.equal(blocksOf(await run(publish(node, content(1)))), 2)
    node.peers = 0
    const alone = await run(publish(node, content(50)))
    const again = await run(publish(node, content(50)))
    assert.equal(blocksOf(again), blocksOf(alone))
  })

  test('after 30 days everything goes out again', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const blocks: (number | undefined)[] = []
    for (const day of [20_000, 20_020, 20_030, 20_031, 20_032]) {
      node.today = day
      const { insertId } = await run(publish(node, content(1)))
      await clock.runFor(10_000)
      blocks.push(node.outbox.insert(insertId)?.blocks)
    }
    const [all] = blocks
    assert.deepEqual(blocks, [all, 2, 2, all, 2])
  })
})

describe('what was published before and is gone', () => {
  const content = new Uint8Array(300_000).fill(7)

  test('ends the next publication, nothing of which stays; the one after that sends everything', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const first = await run(publish(node, content))
    await clock.runFor(10_000)
    fake.homes.forEach((home) => {
      home.clear()
    })
    const sent = node.sent.length
    await assert.rejects(run(publish(node, content)), { code: 'E_FADED' })
    await clock.runFor(10_000)
    assert.deepEqual([node.outbox.pendingBlocks, node.sent.length], [0, sent])
    const again = await run(publish(node, content))
    assert.equal(again.edition, 1)
    const blocksOf = ({ insertId }: PublishResult) => node.outbox.insert(insertId)?.blocks
    assert.equal(blocksOf(again), blocksOf(first))
  })

  test('homes 0 and 1 are asked, where all blocks are', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, content))
    await clock.runFor(10_000)
    fake.homes[2]?.clear()
    assert.equal((await run(publish(node, content))).edition, 1)
  })

  test('another network has nothing of it', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const first = await run(publish(node, content))
    await clock.runFor(10_000)
    const { keyring } = node
    const elsewhere = await machine({ keyring, networkName: 'elsewhere' })
    const second = await run(publish(elsewhere, content))
    const blocks = node.outbox.insert(first.insertId)?.blocks
    assert.equal(elsewhere.outbox.insert(second.insertId)?.blocks, blocks)
  })
})

test('a key that was replaced while it published leaves no edition to the new one of its name', async (t) => {
  const { clock, machine, publish, run } = startPublishing(t, seed)
  const keyring = await openKeyring({ dataDir: undefined })
  await keyring.create('me')
  const node = await machine({ keyring })
  const publishing = assert.rejects(publish(node, 'of the old key'), { code: 'E_NO_KEY' })
  await clock.runFor(1)
  await keyring.remove('me')
  await keyring.create('me')
  await run(publishing)
  assert.equal(keyring.lastEdition('me', 'site'), -1)
})

describe('announcing', () => {
  test('who can read a name can insert its head and edition again, byte by byte', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const { uri } = await run(publish(await machine(), 'one'))
    await clock.runFor(5000)
    const before = new Map(fake.homes[0])
    fake.homes[1]?.clear()
    const reader = await machine()
    const announced = await run(reader.publications.announce(parseUri(uri) as UskUri))
    assert.equal(announced.edition, 0)
    assert.equal(reader.outbox.insert(announced.insertId)?.blocks, 2)
    await clock.runFor(5000)
    assert.deepEqual(fake.homes[1], before)
    assert.equal([...before.values()].filter((block) => sequenceOf(block) < 2 ** 53 - 1).length, 1)
  })

  test('an edition that is not the one its head names stays where it is', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const { uri } = await run(publish(node, 'one'))
    await clock.runFor(5000)
    const publisher = node.keyring.publisher('me')
    const other = editionBlock(publisher, publisher.documentKey('site'), 0)
    fake.homes.forEach((home) => home.set(mapKey(other.address), other.block))
    const reader = await machine()
    const announced = await run(reader.publications.announce(parseUri(uri) as UskUri))
    assert.equal(announced.edition, 0)
    assert.equal(reader.outbox.insert(announced.insertId)?.blocks, 1)
    assert.equal(await reader.outbox.get(other.address), undefined)
  })

  test('what cannot be found cannot be announced, and the reason is told', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const { uri } = await run(publish(await machine(), 'one'))
    const nowhere = parseUri(uri.replace('/site/', '/other/')) as UskUri
    await assert.rejects(run(node.publications.announce(nowhere)), { code: 'E_NOT_FOUND' })
    await clock.runFor(5000)
    node.fails = 'timed-out'
    const named = parseUri(uri) as UskUri
    await assert.rejects(run(node.publications.announce(named)), { code: 'E_TIMEOUT' })
    node.peers = 0
    await assert.rejects(run(node.publications.announce(named)), { code: 'E_NO_PEERS' })
    assert.equal(node.outbox.pendingBlocks, 0)
  })
})
