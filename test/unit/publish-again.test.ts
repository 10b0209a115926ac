/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sequenceOf } from '../../src/keys/block.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import type { PublishResult } from '../../src/node-types.ts'
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
