/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Block } from '../../src/keys/block.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import { editionBlock, headBlock, memoryKeyring, textBody } from '../helpers/name-world.ts'
import { editionUri, placesOf, startPublishing, superseding } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`

describe('publishing without peers', () => {
  test('what is published alone is read here, stays here, and goes out when peers come', async (t) => {
    const { clock, machine, publish, run, read, newest } = startPublishing(t, seed)
    const [node, reader] = [await machine({ peers: 0 }), await machine()]
    const alone = await run(publish(node, 'alone'))
    assert.deepEqual([alone.edition, alone.isConfirmed], [0, false])
    assert.equal(await read(node, alone.uri), 'alone')
    await clock.runFor(100_000)
    assert.deepEqual([node.sent.length, node.outbox.pendingBlocks], [0, 2])
    node.connect()
    await clock.runFor(10_000)
    assert.equal(node.outbox.pendingBlocks, 0)
    assert.deepEqual(node.keyring.claims(), [])
    assert.equal(await newest(reader, alone.uri), 0)
    assert.equal(await read(reader, alone.uri), 'alone')
  })

  test('an edition taken meanwhile stays the other machine’s, and the content is published as the next', async (t) => {
    for (let round = 0; round < 10; round++) {
      const { clock, machine, publish, run, read, newest } = startPublishing(t, seed + round)
      const [node, other] = [await machine({ peers: 0 }), await machine()]
      const alone = await run(publish(node, 'alone'))
      await run(publish(other, 'other'))
      await clock.runFor(100_000)
      node.connect()
      await clock.runFor(100_000)
      const reader = await machine()
      assert.equal(await newest(reader, alone.uri), 1, at)
      assert.equal(await read(reader, alone.uri), 'other', at)
      assert.equal(await read(node, alone.uri), 'other', at)
      assert.equal(await read(reader, editionUri(alone.uri, 1)), 'alone', at)
      assert.deepEqual([node.keyring.claims(), node.outbox.pendingBlocks], [[], 0], at)
    }
  })

  test('several editions published alone go out as they are where nobody took them', async (t) => {
    const { clock, machine, publish, run, readAll } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    for (const text of ['first', 'second']) await run(publish(node, text))
    const { uri } = await run(publish(node, 'third'))
    node.connect()
    await clock.runFor(60_000)
    assert.deepEqual(await readAll(uri), ['first', 'second', 'third'], at)
    assert.deepEqual([node.keyring.claims(), node.outbox.pendingBlocks], [[], 0])
  })

  test('an edition that others have gone beyond is given up, though nothing is left of it there', async (t) => {
    const { clock, fake, machine, publish, run, newest, read } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    const { uri } = await run(publish(node, 'alone'))
    const { publisher, key, edition } = placesOf(node)
    const { address, block } = headBlock(publisher, key, 1)
    fake.put(address, block)
    node.connect()
    await clock.runFor(60_000)
    const reader = await machine()
    assert.equal(await newest(reader, uri), 2)
    assert.equal(await read(reader, editionUri(uri, 2)), 'alone')
    assert.equal(fake.newest(edition(0)), undefined)
  })

  test('a head of others that was announced here is not taken for a later publication', async (t) => {
    const { clock, machine, publish, run, readAll } = startPublishing(t, seed)
    const [node, other] = [await machine({ peers: 0 }), await machine()]
    const { uri } = await run(publish(node, 'alone'))
    for (const text of ['e0', 'e1', 'e2']) await run(publish(other, text))
    await clock.runFor(5000)
    node.connect()
    await run(node.publications.announce(parseUri(uri) as UskUri))
    await clock.runFor(60_000)
    assert.deepEqual(await readAll(uri), ['e0', 'e1', 'e2', 'alone'], at)
  })

  test('what has gone out is looked at later like all others', async (t) => {
    const { clock, fake, machine, publish, run, readAll } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    const { uri } = await run(publish(node, 'alone'))
    node.connect()
    await clock.runFor(10_000)
    const { publisher, key, edition } = placesOf(node)
    const make = () => editionBlock(publisher, key, 0, textBody('theirs'))
    const { address, block } = superseding(fake.newest(edition(0)) as Block, make)
    fake.put(address, block)
    await clock.runFor(60_000)
    assert.deepEqual(await readAll(uri), ['theirs', 'alone'], at)
  })

  test('of several editions published alone only the newest is published again', async (t) => {
    const { clock, machine, publish, run, read, newest } = startPublishing(t, seed)
    const [node, other] = [await machine({ peers: 0 }), await machine()]
    for (const text of ['first', 'second']) await run(publish(node, text))
    const { uri } = await run(publish(other, 'other'))
    await clock.runFor(5000)
    node.connect()
    await clock.runFor(300_000)
    const reader = await machine()
    const greatest = (await newest(reader, uri)) as number
    assert.equal(await read(reader, uri), 'other', at)
    assert.equal(await read(reader, editionUri(uri, greatest)), 'second', at)
  })

  test('a restart keeps what was published alone to itself as well', async (t) => {
    const { clock, machine, publish, run, read } = startPublishing(t, seed)
    const [node, other] = [await machine({ peers: 0 }), await machine()]
    const { keyring, outbox } = node
    const { uri } = await run(publish(node, 'alone'))
    await run(publish(other, 'other'))
    await run(node.close())
    const again = await machine({ peers: 0, keyring, outbox })
    again.connect()
    await clock.runFor(1000)
    assert.deepEqual(again.sent, [])
    await clock.runFor(100_000)
    assert.equal(await read(other, editionUri(uri, 1)), 'alone', at)
    assert.deepEqual([keyring.claims(), outbox.pendingBlocks], [[], 0], at)
  })

  test('a key that was removed takes its claims with it', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const keyring = await memoryKeyring()
    const node = await machine({ peers: 0, keyring })
    await run(publish(node, 'alone'))
    await (keyring as unknown as { remove(name: string): Promise<void> }).remove('me')
    node.connect()
    await clock.runFor(60_000)
    assert.deepEqual(keyring.claims(), [])
  })
})
