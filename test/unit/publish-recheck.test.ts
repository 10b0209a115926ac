/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Block } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { HeldBlocks } from '../../src/content/held-blocks.ts'
import { editionBlock, headBlock, textBody } from '../helpers/name-world.ts'
import type { FakeNetwork, Machine } from '../helpers/name-world.ts'
import { editionUri, placesOf, startPublishing, superseding } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const MINUTE_MS = 60_000

function putRivalEdition(fake: FakeNetwork, node: Machine, edition: number): void {
  const { publisher, key, edition: addressOf } = placesOf(node)
  const ours = fake.newest(addressOf(edition)) as Block
  const make = () => editionBlock(publisher, key, edition, textBody('theirs'))
  const { address, block } = superseding(ours, make)
  fake.put(address, block)
}

function putRivalHead(fake: FakeNetwork, node: Machine, edition: number): void {
  const { publisher, key, head } = placesOf(node)
  const make = () => headBlock(publisher, key, edition)
  const { address, block } = superseding(fake.newest(head) as Block, make)
  fake.put(address, block)
}

describe('an edition that is out', () => {
  for (const [minutes, seenAfter] of [
    [0.1, 0.5],
    [3, 10],
    [30, 60],
  ] as const) {
    test(`is looked at after ${seenAfter} minutes: who has lost it by then publishes again`, async (t) => {
      const { clock, fake, machine, publish, run, readAll } = startPublishing(t, seed)
      const node = await machine()
      const { uri, isConfirmed } = await run(publish(node, 'ours'))
      assert.ok(isConfirmed)
      await clock.runFor(minutes * MINUTE_MS)
      putRivalEdition(fake, node, 0)
      await clock.runFor((seenAfter - minutes) * MINUTE_MS - 2000)
      assert.ok(!fake.homes[0]?.has(mapKey(placesOf(node).edition(1))), at)
      await clock.runFor(10_000)
      assert.deepEqual(await readAll(uri), ['theirs', 'ours'], at)
    })

    test(`so is the head beside it after ${seenAfter} minutes`, async (t) => {
      const { clock, fake, machine, publish, run, read, newest } = startPublishing(t, seed)
      const [node, reader] = [await machine(), await machine()]
      const { uri } = await run(publish(node, 'first'))
      await run(publish(node, 'second'))
      await clock.runFor(minutes * MINUTE_MS)
      putRivalHead(fake, node, 1)
      await clock.runFor((seenAfter - minutes) * MINUTE_MS + 10_000)
      assert.equal(await newest(reader, uri), 2, at)
      assert.equal(await read(reader, editionUri(uri, 2)), 'second', at)
    })
  }

  test('is sent to all homes again at the later looks: parts of a network that were parted meet', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, 'ours'))
    await clock.runFor(5000)
    const { edition, head } = placesOf(node)
    const names = [mapKey(edition(0)), mapKey(head)]
    const there = () => names.map((name) => fake.homes[2]?.has(name))
    const lose = () => {
      for (const name of names) fake.homes[2]?.delete(name)
    }
    lose()
    await clock.runFor(2 * MINUTE_MS)
    assert.deepEqual(there(), [false, false])
    await clock.runFor(9 * MINUTE_MS)
    assert.deepEqual(there(), [true, true])
    lose()
    await clock.runFor(50 * MINUTE_MS)
    assert.deepEqual(there(), [true, true])
  })

  test('is not sent again where another’s has its place', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, 'ours'))
    await clock.runFor(MINUTE_MS)
    putRivalEdition(fake, node, 0)
    const before = node.sent.length
    await clock.runFor(9 * MINUTE_MS + 20_000)
    const { edition } = placesOf(node)
    const again = node.sent.slice(before).filter((a) => mapKey(a) === mapKey(edition(0)))
    assert.ok(node.sent.length > before)
    assert.deepEqual(again, [])
  })

  test('is left alone after an hour', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, 'ours'))
    await clock.runFor(61 * MINUTE_MS)
    const asked = fake.fetches.length
    await clock.runFor(600 * MINUTE_MS)
    assert.equal(fake.fetches.length, asked)
  })

  test('is not in its place before its head is: it is looked at until then', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, 'ours'))
    await clock.runFor(10_000)
    const { edition, head } = placesOf(node)
    fake.homes.forEach((home) => home.delete(mapKey(head)))
    fake.fetches.length = 0
    await clock.runFor(5 * MINUTE_MS)
    const looks = fake.fetches.filter((address) => mapKey(address) === mapKey(edition(0)))
    assert.equal(looks.length, 4, at)
  })

  test('is given up when it has not shown for an hour', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, 'ours'))
    await clock.runFor(10_000)
    fake.homes.forEach((home) => {
      home.clear()
    })
    await clock.runFor(150 * MINUTE_MS)
    const asked = fake.fetches.length
    await clock.runFor(600 * MINUTE_MS)
    assert.equal(fake.fetches.length, asked)
  })

  test('is looked for until it shows, and an older one no longer than it is the newest here', async (t) => {
    const { clock, fake, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    await run(publish(node, 'zero'))
    await clock.runFor(5000)
    await run(publish(node, 'one'))
    await clock.runFor(5000)
    fake.fetches.length = 0
    node.fails = 'timed-out'
    await clock.runFor(5 * MINUTE_MS)
    const asked = fake.fetches.map(mapKey)
    const { edition } = placesOf(node)
    assert.ok(!asked.includes(mapKey(edition(0))))
    assert.equal(asked.filter((name) => name === mapKey(edition(1))).length, 4, at)
    putRivalEdition(fake, node, 1)
    node.fails = undefined
    await clock.runFor(10 * MINUTE_MS)
    assert.ok(fake.homes[0]?.has(mapKey(edition(2))), at)
  })
})

describe('a network that was at another place all along', () => {
  test('gets what was published to newcomers who knew nothing as its newest edition', async (t) => {
    for (let round = 0; round < 6; round++) {
      const { clock, fake, machine, publish, run, readAll } = startPublishing(t, seed + round)
      const [first, second] = [await machine(), await machine()]
      for (const text of ['e0', 'e1', 'e2']) await run(publish(first, text))
      await clock.runFor(90 * MINUTE_MS)
      const known = fake.homes.map((home) => new Map(home))
      fake.homes.forEach((home) => {
        home.clear()
      })
      const { uri, edition, isConfirmed } = await run(publish(second, 'new'))
      assert.deepEqual([edition, isConfirmed], [0, true])
      await clock.runFor(3000)
      const { edition: addressOf, head } = placesOf(first)
      for (const address of [addressOf(0), addressOf(1), addressOf(2), head]) {
        fake.put(address, known[0]?.get(mapKey(address)) as Block)
      }
      await clock.runFor(MINUTE_MS)
      const texts = await readAll(uri)
      assert.deepEqual(texts.slice(1), ['e1', 'e2', 'new'], at)
    }
  })

  test('is not told from machines that went on: one edition beyond is their right', async (t) => {
    const { clock, fake, machine, publish, run, newest } = startPublishing(t, seed)
    const node = await machine()
    const { uri } = await run(publish(node, 'ours'))
    await clock.runFor(5000)
    const { publisher, key } = placesOf(node)
    const { address, block } = headBlock(publisher, key, 1)
    fake.put(address, block)
    await clock.runFor(120 * MINUTE_MS)
    assert.equal(await newest(node, uri), 1)
  })

  test('nor are several, once the edition was seen in its place', async (t) => {
    const { clock, machine, publish, run, readAll } = startPublishing(t, seed)
    const [node, other] = [await machine(), await machine()]
    await run(publish(node, 'zero'))
    await clock.runFor(2 * MINUTE_MS)
    for (const text of ['one', 'two', 'three']) {
      await run(publish(other, text))
      await clock.runFor(MINUTE_MS)
    }
    await clock.runFor(120 * MINUTE_MS)
    const { uri } = await run(publish(other, 'four'))
    await clock.runFor(5000)
    assert.deepEqual(await readAll(uri), ['zero', 'one', 'two', 'three', 'four'], at)
  })
})

test('an edition is held once, and released once: another that holds the same head keeps it', async (t) => {
  const { machine } = startPublishing(t, seed)
  const node = await machine()
  const { key, edition, head } = placesOf(node)
  const held = new HeldBlocks()
  const state = () => [edition(0), edition(1), head].map((address) => held.has(address))
  held.hold(placesOf(node, 'other').key, 0)
  held.hold(key, 0)
  held.hold(key, 0)
  held.hold(key, 1)
  assert.deepEqual(state(), [true, true, true])
  held.release(key, 0)
  held.release(key, 0)
  assert.deepEqual(state(), [false, true, true])
  held.release(key, 1)
  assert.deepEqual(state(), [false, false, false])
  assert.ok(held.has(placesOf(node, 'other').head))
})
