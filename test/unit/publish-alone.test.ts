/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryKeyring } from '../helpers/name-world.ts'
import type { Machine } from '../helpers/name-world.ts'
import { SITE, editionUri, once, startPublishing } from '../helpers/publishing.ts'
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

describe('documents that never change', () => {
  const FIXED = { ...SITE, fixed: true }

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
    const write = (node: Machine, i: number) =>
      node.publications.insertWord(
        { type: 'file', content: once(`from ${i}`) },
        { word: 'sardines', isConvergent: false },
      )
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

  test('a word without peers is kept, unconfirmed by nature', async (t) => {
    const { machine, run, read } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    const source = { type: 'file', content: once('x'), name: 'a.html' } as const
    const done = await run(
      node.publications.insertWord(source, { word: 'e\u0301', isConvergent: true }),
    )
    assert.deepEqual([done.uri, done.type, done.size], ['KSK@%C3%A9', 'text/html', 1])
    assert.equal(await read(node, done.uri), 'x')
    await assert.rejects(
      run(node.publications.insertWord(source, { word: '12', isConvergent: false })),
      { code: 'E_NAME' },
    )
  })
})
