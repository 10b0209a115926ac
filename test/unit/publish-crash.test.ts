/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { ShoalError } from '../../src/errors.ts'
import { crashing } from '../helpers/crash.ts'
import { memoryKeyring } from '../helpers/name-world.ts'
import type { Machine } from '../helpers/name-world.ts'
import { editionUri, placesOf, startPublishing } from '../helpers/publishing.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const MINUTE_MS = 60_000

interface Outcome {
  readonly hasCrashed: boolean
  /** What every edition shows an hour later. */
  readonly texts: readonly (string | undefined)[]
  readonly claims: number
  readonly pendingBlocks: number
}

/**
 * Publishes `alone` without peers, does `meanwhile`, lets peers come, crashes at the `count`-th write
 * from then on, and starts again. `withPeers`: done as soon as there are some.
 */
async function crashAt(
  t: TestContext,
  count: number,
  how: {
    meanwhile?: (world: ReturnType<typeof startPublishing>) => Promise<unknown>
    withPeers?: (world: ReturnType<typeof startPublishing>, node: Machine) => void
  },
): Promise<Outcome> {
  const world = startPublishing(t, seed)
  const { outbox } = createMemoryStore({ quotaBytes: 64 * 1024 * 1024, rng: createSeededRng(1) })
  const keyring = await memoryKeyring()
  const power = crashing({ outbox, keyring })
  const node = await world.machine({ peers: 0, keyring: power.keyring, outbox: power.outbox })
  const { uri } = await world.run(world.publish(node, 'alone'))
  await how.meanwhile?.(world)
  power.crashAtWrite(count)
  node.connect()
  how.withPeers?.(world, node)
  for (let second = 0; second < 120 && !power.isDown; second++) await world.clock.runFor(1000)
  const hasCrashed = power.isDown
  power.crashAtWrite(hasCrashed ? 0 : Number.POSITIVE_INFINITY)
  await world.run(node.close())
  await power.recover()
  const again = await world.machine({ peers: 0, keyring, outbox })
  again.connect()
  await world.clock.runFor(60 * MINUTE_MS)
  const texts = await world.readAll(uri)
  return {
    hasCrashed,
    texts,
    claims: keyring.claims().length,
    pendingBlocks: outbox.pendingBlocks,
  }
}

/** Every point at which it can crash, and the way without. */
async function* everyCrash(
  t: TestContext,
  how: Parameters<typeof crashAt>[2],
): AsyncGenerator<Outcome & { where: string }, void> {
  let hasCrashed = true
  let count = 0
  while (hasCrashed) {
    count++
    const outcome = await crashAt(t, count, how)
    ;({ hasCrashed } = outcome)
    yield { ...outcome, where: `${at}, write ${count}: ${outcome.texts.join()}` }
  }
  assert.ok(count > 3, `${count} writes`)
}

describe('a publication that was held and lost its edition', () => {
  const meanwhile = ({ machine, publish, run }: ReturnType<typeof startPublishing>) =>
    machine().then((other) => run(publish(other, 'other')))

  test('survives a crash at any point of its check, and the edition stays the other’s', async (t) => {
    for await (const outcome of everyCrash(t, { meanwhile })) {
      const { texts, claims, pendingBlocks, where } = outcome
      assert.equal(texts[0], 'other', where)
      assert.ok(texts.includes('alone'), where)
      assert.deepEqual([claims, pendingBlocks], [0, 0], where)
    }
  })

  test('never comes back over what was published here later, wherever it crashed', async (t) => {
    let done = 0
    let isPublished = false
    const withPeers = ({ publish }: ReturnType<typeof startPublishing>, node: Machine): void => {
      isPublished = false
      publish(node, 'newer').then(
        () => {
          isPublished = true
        },
        () => {},
      )
    }
    for await (const outcome of everyCrash(t, { meanwhile, withPeers })) {
      const { texts, claims, pendingBlocks, where } = outcome
      assert.equal(texts[0], 'other', where)
      if (isPublished) {
        assert.equal(texts.at(-1), 'newer', where)
        done++
      } else assert.ok(texts.includes('newer') || texts.includes('alone'), where)
      assert.deepEqual([claims, pendingBlocks], [0, 0], where)
    }
    assert.ok(done > 1)
  })

  test('waits with its claim where publishing again fails, and tries later', async (t) => {
    const world = startPublishing(t, seed)
    const { clock, machine, publish, run, readAll } = world
    const node = await machine({ peers: 0 })
    const { uri } = await run(publish(node, 'alone'))
    await meanwhile(world)
    const { outbox, keyring } = node
    const add = outbox.add.bind(outbox)
    outbox.add = () => Promise.reject(new ShoalError('E_STORE_FULL', 'no room'))
    node.connect()
    await clock.runFor(20_000)
    assert.equal(keyring.claims().length, 1)
    const { edition, head } = placesOf(node)
    assert.deepEqual(
      [edition(0), head].map((address) => node.publications.isHeld(address)),
      [true, true],
    )
    outbox.add = add
    await clock.runFor(2 * MINUTE_MS)
    assert.equal((await readAll(uri)).at(-1), 'alone', at)
    assert.deepEqual([keyring.claims(), outbox.pendingBlocks], [[], 0])
  })
})

describe('a publication that was held and is free', () => {
  test('survives a crash at any point of its check as the edition that it was', async (t) => {
    for await (const { texts, claims, pendingBlocks, where } of everyCrash(t, {})) {
      assert.equal(texts[0], 'alone', where)
      assert.deepEqual([claims, pendingBlocks], [0, 0], where)
    }
  })

  test('is not sent where a later one of this node is out before its check', async (t) => {
    const { clock, machine, publish, run, read, readAll } = startPublishing(t, seed)
    const node = await machine({ peers: 0 })
    const { uri } = await run(publish(node, 'older'))
    node.connect()
    const newer = await run(publish(node, 'newer'))
    assert.equal(newer.edition, 1)
    await clock.runFor(5 * MINUTE_MS)
    assert.deepEqual([node.keyring.claims(), node.outbox.pendingBlocks], [[], 0])
    assert.deepEqual(await readAll(uri), [undefined, 'newer'], at)
    assert.equal(await read(node, editionUri(uri, 1)), 'newer')
  })
})

test('a crash while it is published without peers leaves all of it or nothing', async (t) => {
  let done = 0
  for (let count = 1; done === 0; count++) {
    const world = startPublishing(t, seed)
    const { outbox } = createMemoryStore({ quotaBytes: 64 * 1024 * 1024, rng: createSeededRng(1) })
    const keyring = await memoryKeyring()
    const power = crashing({ outbox, keyring })
    const node = await world.machine({ peers: 0, keyring: power.keyring, outbox: power.outbox })
    power.crashAtWrite(count)
    const published = await world.run(world.publish(node, 'alone')).catch(() => undefined)
    power.crashAtWrite(0)
    await world.run(node.close())
    await power.recover()
    const { uri } = await world.run(world.publish(await world.machine(), 'other'))
    const again = await world.machine({ peers: 0, keyring, outbox })
    again.connect()
    await world.clock.runFor(10 * MINUTE_MS)
    const texts = published === undefined ? ['other'] : ['other', 'alone']
    assert.deepEqual(await world.readAll(uri), texts, `${at}, write ${count}`)
    assert.deepEqual([keyring.claims(), outbox.pendingBlocks], [[], 0], `${at}, write ${count}`)
    if (published !== undefined) done = count
  }
  assert.ok(done > 4)
})

test('a publication that fails before it is safe leaves neither a claim nor anything held', async (t) => {
  const { clock, machine, publish, run } = startPublishing(t, seed)
  const node = await machine({ peers: 0 })
  const { outbox, keyring } = node
  const commit = outbox.commit.bind(outbox)
  outbox.commit = () => Promise.reject(new ShoalError('E_STORE_IO', 'the disk is gone'))
  await assert.rejects(run(publish(node, 'lost')), { code: 'E_STORE_IO' })
  outbox.commit = commit
  assert.deepEqual([keyring.claims(), outbox.pendingBlocks], [[], 0])
  const { edition, head } = placesOf(node)
  assert.deepEqual(
    [edition(0), head].map((address) => node.publications.isHeld(address)),
    [false, false],
  )
  node.connect()
  await clock.runFor(MINUTE_MS)
  assert.deepEqual(node.sent, [])
})
