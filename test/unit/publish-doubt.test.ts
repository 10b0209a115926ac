/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Block, Home } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { namesEdition, openHead, readBody } from '../../src/content/signed-document.ts'
import { editionBlock, headBlock, textBody } from '../helpers/name-world.ts'
import type { Machine } from '../helpers/name-world.ts'
import { placesOf, startPublishing, superseding } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const BOTH_HOMES: readonly Home[] = [0, 1]

/** `node` gets no answer until it has chosen an edition. */
function silentUntilClaimed(node: Machine): void {
  const { keyring } = node
  const setEdition = keyring.setEdition.bind(keyring)
  node.fails = 'timed-out'
  keyring.setEdition = async (...given) => {
    node.fails = undefined
    await setEdition(...given)
  }
}

describe('a network that does not answer', () => {
  test('is sent nothing: the edition waits here, is read here, and goes out when it answers', async (t) => {
    const { clock, machine, publish, run, read, newest, until } = startPublishing(t, seed)
    const [node, reader] = [await machine(), await machine()]
    await run(publish(node, 'one'))
    await clock.runFor(5000)
    const before = node.sent.length
    node.fails = 'timed-out'
    const second = await run(publish(node, 'two'))
    assert.deepEqual([second.edition, second.isConfirmed], [1, false])
    await clock.runFor(60_000)
    assert.deepEqual([node.sent.length, node.outbox.pendingBlocks], [before, 2])
    node.fails = undefined
    assert.equal(await read(node, second.uri), 'two')
    await until(() => node.keyring.claims().length === 0)
    await clock.runFor(3000)
    assert.equal(node.outbox.pendingBlocks, 0)
    assert.equal(await newest(reader, second.uri), 1)
    assert.equal(await read(reader, second.uri), 'two')
  })

  test('costs no edition of another machine: what was guessed is published as the next one', async (t) => {
    for (let round = 0; round < 8; round++) {
      const { clock, machine, publish, run, readAll } = startPublishing(t, seed + round)
      const [first, second] = [await machine(), await machine()]
      for (const text of ['e0', 'e1', 'e2']) await run(publish(first, text))
      await clock.runFor(5000)
      silentUntilClaimed(second)
      const { edition, uri } = await run(publish(second, 'new'))
      assert.equal(edition, 0, at)
      await clock.runFor(120_000)
      assert.ok(!second.sent.some((a) => mapKey(a) === mapKey(placesOf(second).edition(0))), at)
      assert.deepEqual(await readAll(uri), ['e0', 'e1', 'e2', 'new'], at)
    }
  })

  test('keeps it back for eight minutes, however many peers come; then it is sent all the same', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    node.fails = 'timed-out'
    await run(publish(node, 'one'))
    for (let peer = 0; peer < 40; peer++) {
      node.connect()
      await clock.runFor(10_000)
    }
    assert.deepEqual(node.sent, [])
    await clock.runFor(90_000)
    assert.ok(node.sent.length > 0)
    assert.deepEqual(node.keyring.claims(), [])
  })

  test('is asked twice before', async (t) => {
    const { fake, machine, publish, run, until } = startPublishing(t, seed)
    const node = await machine()
    node.fails = 'timed-out'
    const running = publish(node, 'one')
    await until(() => fake.fetches.length === 2)
    node.fails = undefined
    assert.ok((await run(running)).isConfirmed)
  })

  test('keeps an edition that is not there as long as the head is not known either', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    node.silent.add(mapKey(placesOf(node).head))
    await run(publish(node, 'one'))
    node.connect()
    await clock.runFor(20_000)
    assert.deepEqual(node.sent, [])
    node.silent.clear()
    await clock.runFor(60_000)
    assert.equal(node.outbox.pendingBlocks, 0)
  })

  for (const peers of [0, 3]) {
    test(`is waited for 2 s after the first peer, also where the edition has waited for long after a start with ${peers}`, async (t) => {
      const { clock, machine, publish, run } = startPublishing(t, seed)
      const node = await machine({ peers })
      node.fails = 'timed-out'
      await run(publish(node, 'one'))
      await clock.runFor(3000)
      node.peers = 0
      node.fails = undefined
      await clock.runFor(100_000)
      node.connect()
      await clock.runFor(1900)
      assert.deepEqual(node.sent, [])
      await clock.runFor(8000)
      assert.equal(node.outbox.pendingBlocks, 0)
    })
  }
})

describe('before an edition is sent', () => {
  for (const home of BOTH_HOMES) {
    test(`the very edition is looked at, at home ${home} too: another’s is taken, and nothing is sent there`, async (t) => {
      const { clock, fake, machine, publish, run, readAll } = startPublishing(t, seed)
      const node = await machine()
      await run(publish(node, 'zero'))
      await clock.runFor(5000)
      const { publisher, key, edition } = placesOf(node)
      const theirs = editionBlock(publisher, key, 1, textBody('theirs'))
      fake.put(theirs.address, theirs.block, [home])
      const next = await run(publish(node, 'two'))
      assert.deepEqual([next.edition, next.collisions, next.isConfirmed], [2, [1], true], at)
      await clock.runFor(60_000)
      assert.ok(!node.sent.some((address) => mapKey(address) === mapKey(edition(1))))
      assert.deepEqual(await readAll(next.uri), ['zero', 'theirs', 'two'], at)
    })
  }

  test('the editions beyond are not asked for where a head tells the newest', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const [node, other] = [await machine(), await machine()]
    await run(publish(node, 'zero'))
    await clock.runFor(5000)
    fake.fetches.length = 0
    assert.equal((await run(publish(other, 'one'))).edition, 1)
    const asked = new Set(fake.fetches.map(mapKey))
    const { edition, head } = placesOf(node)
    const editions = [0, 1, 2, 3, 4, 5].filter((number) => asked.has(mapKey(edition(number))))
    assert.deepEqual([editions, asked.has(mapKey(head))], [[1], true])
  })

  test('where no head is, five are looked for beyond what is known', async (t) => {
    const { fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const { publisher, key, edition } = placesOf(node)
    const theirs = editionBlock(publisher, key, 4)
    fake.put(theirs.address, theirs.block)
    assert.equal((await run(publish(node, 'five'))).edition, 5)
    const asked = new Set(fake.fetches.map(mapKey))
    const editions = Array.from({ length: 20 }, (_, i) => i)
    assert.deepEqual(
      editions.filter((number) => asked.has(mapKey(edition(number)))),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    )
  })

  test('the same content there is taken over as it is, and the head names that block', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const [node, other] = [await machine(), await machine()]
    await run(publish(other, 'same'))
    await clock.runFor(5000)
    const { key, edition, head } = placesOf(node)
    const theirs = fake.newest(edition(0)) as Block
    // as if the look-up had been wrong: only the look at the edition itself shows it
    node.names.lookUp = () => Promise.resolve({ type: 'not-found' })
    await run(node.spreader.close())
    const { collisions, edition: number } = await run(publish(node, 'same'))
    assert.deepEqual([number, collisions], [0, []])
    assert.deepEqual(await node.outbox.get(edition(0)), theirs)
    const opened = openHead(key, (await node.outbox.get(head)) as Block)
    assert.ok(opened !== undefined && namesEdition(opened, theirs))
  })

  test('no answer there keeps it here, though the look-up was answered', async (t) => {
    const { clock, machine, publish, run, until } = startPublishing(t, seed)
    const node = await machine()
    const lookUp = node.names.lookUp.bind(node.names)
    node.names.lookUp = async (...given) => {
      const outcome = await lookUp(...given)
      node.fails = 'timed-out'
      return outcome
    }
    const { edition, isConfirmed } = await run(publish(node, 'zero'))
    assert.deepEqual([edition, isConfirmed, node.sent], [0, false, []])
    node.fails = undefined
    await until(() => node.outbox.pendingBlocks === 0)
    await clock.runFor(1000)
    assert.deepEqual(node.keyring.claims(), [])
  })
})

describe('right after an edition was sent', () => {
  test('what was superseded is not sent any more', async (t) => {
    const { clock, fake, machine, publish, run, until } = startPublishing(t, seed)
    const node = await machine()
    await run(node.spreader.close())
    const { publisher, key, edition } = placesOf(node)
    const running = publish(node, 'ours')
    await until(() => fake.homes[0]?.has(mapKey(edition(0))) === true)
    const make = () => editionBlock(publisher, key, 0, textBody('theirs'))
    const rival = superseding(fake.newest(edition(0)) as Block, make)
    fake.put(rival.address, rival.block)
    assert.equal((await run(running)).edition, 1)
    await clock.runFor(1000)
    assert.equal(await node.outbox.get(edition(0)), undefined)
    assert.ok((await node.outbox.get(edition(1))) !== undefined)
  })

  for (const home of BOTH_HOMES) {
    test(`a rival’s block that has come to home ${home} alone is seen`, async (t) => {
      const { fake, machine, publish, run, until } = startPublishing(t, seed)
      const node = await machine()
      const { publisher, key, edition } = placesOf(node)
      const running = publish(node, 'ours')
      await until(() => fake.homes[home]?.has(mapKey(edition(0))) === true)
      const make = () => editionBlock(publisher, key, 0, textBody('theirs'))
      const rival = superseding(fake.newest(edition(0)) as Block, make)
      fake.put(rival.address, rival.block, [home])
      const { edition: number, collisions } = await run(running)
      assert.deepEqual([number, collisions], [1, [0]], at)
    })
  }

  for (const ahead of [1, 2, 9]) {
    const isStale = ahead >= 2
    const words = isStale
      ? 'says that the edition was another’s'
      : 'is a machine that went on from it'
    test(`a head ${ahead} beyond it ${words}`, async (t) => {
      const { clock, fake, machine, publish, run, until } = startPublishing(t, seed)
      const node = await machine()
      const { publisher, key, edition } = placesOf(node)
      const running = publish(node, 'ours')
      await until(() => fake.homes[0]?.has(mapKey(edition(0))) === true)
      const head = headBlock(publisher, key, ahead)
      fake.put(head.address, head.block)
      const done = await run(running)
      assert.deepEqual([done.edition, done.collisions], isStale ? [ahead + 1, [0]] : [0, []], at)
      await clock.runFor(5000)
      assert.equal(node.outbox.pendingBlocks, 0)
      const spread = node.outbox.insert(done.insertId)
      assert.equal(spread?.spreadBlocks, spread?.blocks)
    })
  }

  test('another’s head of the same edition takes it, though our block is the one there', async (t) => {
    const { clock, fake, machine, publish, run, until, newest, read } = startPublishing(t, seed)
    const node = await machine()
    const { publisher, key, edition } = placesOf(node)
    const running = publish(node, 'ours')
    await until(() => fake.homes[0]?.has(mapKey(edition(0))) === true)
    const head = headBlock(publisher, key, 0)
    fake.put(head.address, head.block)
    const done = await run(running)
    assert.deepEqual([done.edition, done.collisions], [1, [0]], at)
    await clock.runFor(5000)
    const reader = await machine()
    assert.equal(await newest(reader, done.uri), 1)
    assert.equal(await read(reader, done.uri), 'ours')
  })

  test('the head names the block that the network shows, where two of the same content met', async (t) => {
    const { clock, fake, machine, publish, run, until } = startPublishing(t, seed)
    const node = await machine()
    const { publisher, key, edition, head } = placesOf(node)
    const running = publish(node, 'same')
    await until(() => fake.homes[0]?.has(mapKey(edition(0))) === true)
    const ours = fake.newest(edition(0)) as Block
    const body = readBody(key, { kind: 'edition', edition: 0 }, ours)
    assert.ok(body !== undefined)
    const theirs = superseding(ours, () => editionBlock(publisher, key, 0, body))
    fake.put(theirs.address, theirs.block)
    assert.deepEqual((await run(running)).collisions, [])
    await clock.runFor(5000)
    const opened = openHead(key, fake.newest(head) as Block)
    assert.ok(opened !== undefined && namesEdition(opened, theirs.block), at)
  })
})
