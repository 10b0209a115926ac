/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Block } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { IMMUTABLE_SEQUENCE, documentAddress } from '../../src/keys/signed.ts'
import { encodeDocument } from '../../src/content/document.ts'
import { textBody } from '../helpers/name-world.ts'
import type { Machine } from '../helpers/name-world.ts'
import { SITE, once, placesOf, startPublishing, superseding } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const FIXED = { ...SITE, fixed: true }
const PLACE = { kind: 'ssk', edition: 0 } as const

function writeWord(node: Machine, content: AsyncIterable<Uint8Array>, word = 'sardines') {
  return node.publications.insertWord({ type: 'file', content }, { word, isConvergent: false })
}

describe('documents that never change', () => {
  test('an SSK takes the same content again, from anywhere, and refuses another', async (t) => {
    const { clock, machine, publish, run, read } = startPublishing(t, seed)
    const [node, second] = [await machine(), await machine()]
    const first = await run(publish(node, 'one', FIXED))
    assert.match(first.uri, /^SSK@[\w-]{43},[\w-]{43},AQEAAg\/site$/)
    assert.deepEqual([first.edition, first.isConfirmed], [0, true])
    await clock.runFor(5000)
    assert.equal((await run(publish(second, 'one', FIXED))).uri, first.uri)
    await clock.runFor(5000)
    await assert.rejects(run(publish(second, 'two', FIXED)), { code: 'E_COLLISION' })
    assert.equal(second.outbox.pendingBlocks, 0)
    assert.equal(await read(second, first.uri), 'one')
  })

  test('of two that write a word at once one is told, and nothing of it stays in the outbox', async (t) => {
    const { clock, machine, run, read } = startPublishing(t, seed)
    const nodes = await Promise.all([machine(), machine()])
    const write = (node: Machine, i: number) => writeWord(node, once(`from ${i}`))
    const results = await run(Promise.allSettled(nodes.map(write)))
    const failed = results.filter((result) => result.status === 'rejected')
    assert.deepEqual(
      failed.map(({ reason }) => (reason as { code: string }).code),
      ['E_COLLISION'],
    )
    await clock.runFor(5000)
    const winner = results.findIndex((result) => result.status === 'fulfilled')
    for (const node of nodes) {
      assert.equal(node.outbox.pendingBlocks, 0)
      assert.equal(await read(node, 'KSK@sardines'), `from ${winner}`, at)
    }
  })

  test('a word is NFC, and no edition', async (t) => {
    const { machine, run, read } = startPublishing(t, seed)
    const node = await machine()
    const source = { type: 'file', content: once('x'), name: 'a.html' } as const
    const done = await run(
      node.publications.insertWord(source, { word: 'e\u0301', isConvergent: true }),
    )
    assert.deepEqual([done.uri, done.type, done.size], ['KSK@%C3%A9', 'text/html', 1])
    assert.equal(await read(node, done.uri), 'x')
    await assert.rejects(run(writeWord(node, once('x'), '12')), { code: 'E_NAME' })
  })

  for (const home of [0, 1] as const) {
    test(`another’s that has come to home ${home} alone meanwhile is a collision, and nothing stays`, async (t) => {
      const { fake, machine, publish, run, until } = startPublishing(t, seed)
      const node = await machine()
      const { publisher, key } = placesOf(node)
      const address = documentAddress(key, PLACE)
      const running = publish(node, 'ours', FIXED)
      running.catch(() => {})
      await until(() => fake.homes[home]?.has(mapKey(address)) === true)
      const plaintext = encodeDocument({ body: textBody('theirs'), head: undefined })
      const sequence = IMMUTABLE_SEQUENCE
      const make = () => ({ block: publisher.seal(key, PLACE, { sequence, plaintext }) })
      const { block } = superseding(fake.newest(address) as Block, make)
      fake.put(address, block, [home])
      await assert.rejects(run(running), { code: 'E_COLLISION' }, at)
      assert.equal(node.outbox.pendingBlocks, 0)
    })
  }
})

describe('whether such a name is free', () => {
  test('only peers can tell: without any nothing is read or kept', async (t) => {
    const { machine, publish, run } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    let isRead = false
    const content = (async function* () {
      isRead = true
      yield* once('x')
    })()
    const message = /^Whether this name is free can only be found out with peers; nothing was/
    await assert.rejects(run(writeWord(node, content)), { code: 'E_NO_PEERS', message })
    await assert.rejects(run(publish(node, 'x', FIXED)), { code: 'E_NO_PEERS', message })
    assert.deepEqual([isRead, node.outbox.pendingBlocks], [false, 0])
  })

  test('nor with peers that have gone while the content was read', async (t) => {
    const { machine, run } = startPublishing(t, seed)
    const node = await machine()
    const content = (async function* () {
      yield* once('x')
      node.peers = 0
    })()
    await assert.rejects(run(writeWord(node, content)), { code: 'E_NO_PEERS' })
    assert.deepEqual([node.sent, node.outbox.pendingBlocks], [[], 0])
  })

  test('a network that does not answer is asked twice, and sent nothing', async (t) => {
    const { clock, fake, machine, publish, run, read } = startPublishing(t, seed)
    const [node, second] = [await machine(), await machine()]
    const { uri } = await run(publish(node, 'one', FIXED))
    await clock.runFor(5000)
    fake.fetches.length = 0
    second.fails = 'timed-out'
    await assert.rejects(run(publish(second, 'two', FIXED)), { code: 'E_TIMEOUT' })
    assert.deepEqual([fake.fetches.length, second.sent, second.outbox.pendingBlocks], [2, [], 0])
    second.fails = undefined
    await clock.runFor(60_000)
    assert.equal(await read(second, uri), 'one')
  })

  test('an answer the second time is one', async (t) => {
    const { fake, machine, publish, run, until } = startPublishing(t, seed)
    const node = await machine()
    node.fails = 'timed-out'
    const running = publish(node, 'one', FIXED)
    await until(() => fake.fetches.length === 2)
    node.fails = undefined
    assert.ok((await run(running)).isConfirmed)
  })

  test('its own block on its way counts: the same again is fine alone, another is not', async (t) => {
    const { clock, machine, publish, run, until, read } = startPublishing(t, seed)
    const [node, reader] = [await machine(), await machine()]
    const running = publish(node, 'one', FIXED)
    await until(() => node.outbox.pendingBlocks > 0)
    node.peers = 0
    const first = await run(running)
    assert.ok(!first.isConfirmed)
    const again = await run(publish(node, 'one', FIXED))
    assert.deepEqual([again.uri, again.isConfirmed], [first.uri, false])
    await assert.rejects(run(publish(node, 'two', FIXED)), { code: 'E_COLLISION' })
    node.connect()
    await clock.runFor(10_000)
    assert.equal(node.outbox.pendingBlocks, 0)
    assert.equal(await read(reader, first.uri), 'one', at)
  })
})
