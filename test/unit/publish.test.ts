/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { mapKey } from '../../src/keys/bytes.ts'
import { documentAddress } from '../../src/keys/signed.ts'
import { parseUri } from '../../src/keys/uri.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import { SITE, editionUri, once, startPublishing } from '../helpers/publishing.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`

describe('editions', () => {
  test('the first publication is edition 0, confirmed; the next one follows, and a reader sees both', async (t) => {
    const { clock, machine, publish, run, read, newest } = startPublishing(t, seed)
    const [node, reader] = [await machine(), await machine()]
    const first = await run(publish(node, 'one'))
    assert.match(first.uri, /^USK@[\w-]{43},[\w-]{43},AQEAAg\/site\/0$/)
    const { edition, size, files, collisions, isConfirmed } = first
    assert.deepEqual(
      { edition, size, files, collisions, isConfirmed },
      { edition: 0, size: 3, files: 1, collisions: [], isConfirmed: true },
      at,
    )
    await clock.runFor(5000)
    assert.equal(node.outbox.pendingBlocks, 0)
    assert.deepEqual(node.outbox.insert(first.insertId)?.blocks, 2)
    const second = await run(publish(node, 'two'))
    assert.equal(second.edition, 1)
    await clock.runFor(5000)
    assert.equal(await newest(reader, first.uri), 1)
    assert.equal(await read(reader, first.uri), 'one')
    assert.equal(await read(reader, second.uri), 'two')
    assert.equal(node.keyring.lastEdition('me', 'site'), 1)
  })

  test('another machine with the key goes on where the first one stopped, and without a head too', async (t) => {
    const { clock, fake, machine, publish, run, newest } = startPublishing(t, seed)
    const first = await run(publish(await machine(), 'one'))
    await clock.runFor(5000)
    const second = await machine()
    assert.equal((await run(publish(second, 'two'))).edition, 1)
    await clock.runFor(5000)
    const { publicKey, readKey, document: name } = parseUri(first.uri) as UskUri
    const head = documentAddress({ publicKey, readKey, name }, { kind: 'head', edition: 0 })
    fake.homes.forEach((home) => home.delete(mapKey(head)))
    const third = await machine()
    assert.equal((await run(publish(third, 'three'))).edition, 2)
    await clock.runFor(5000)
    assert.equal(await newest(second, first.uri), 2)
  })

  test('the head is out only when all that it leads to is on its way, and names the edition', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const { uri } = await run(publish(node, new Uint8Array(200_000).fill(1)))
    const { publicKey, readKey, document: name } = parseUri(uri) as UskUri
    const head = documentAddress({ publicKey, readKey, name }, { kind: 'head', edition: 0 })
    await clock.runFor(5000)
    const sent = [...new Set(node.sent.map(mapKey))]
    assert.equal(sent.at(-1), mapKey(head))
  })

  test('publications of one document take turns on a node', async (t) => {
    const { machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    const all = await run(Promise.all(['a', 'b', 'c'].map((text) => publish(node, text))))
    const editions = all.map(({ edition }) => edition)
    assert.deepEqual(new Set(editions), new Set([0, 1, 2]))
    assert.deepEqual(
      all.flatMap(({ collisions }) => collisions),
      [],
    )
  })

  test('names and types that cannot be are refused before anything is read', async (t) => {
    const { machine, publish, run } = startPublishing(t, seed)
    const node = await machine()
    for (const document of ['', 'a/b', '..', '7', '-3', 'latest', 'é'.repeat(150)]) {
      await assert.rejects(run(publish(node, 'x', { key: 'me', document })), { code: 'E_NAME' })
    }
    await assert.rejects(run(publish(node, 'x', { key: 'nobody', document: 'site' })), {
      code: 'E_NO_KEY',
    })
    const source = { type: 'file', content: once('x'), contentType: 'nothing' } as const
    await assert.rejects(run(node.publications.publish(source, SITE)), { code: 'E_QUERY' })
    assert.equal(node.outbox.pendingBlocks, 0)
  })

  test('a publication that is given up leaves nothing behind', async (t) => {
    const { clock, machine, run } = startPublishing(t, seed)
    const node = await machine()
    const stop = new AbortController()
    const source = { type: 'file', content: once(new Uint8Array(100_000)) } as const
    const running = node.publications.publish(source, { ...SITE, signal: stop.signal })
    running.catch(() => {})
    await clock.runFor(50)
    stop.abort(new Error('changed my mind'))
    await assert.rejects(run(running), /changed my mind/)
    await clock.runFor(1000)
    assert.equal(node.outbox.pendingBlocks, 0)
  })
})

describe('two machines with one key', () => {
  for (const latencyMs of [200, 4000]) {
    test(`whenever they publish, all end with the same bytes for every edition and the greatest as the newest, at up to ${latencyMs} ms`, async (t) => {
      const draw = createSeededRng(seed)
      for (let round = 0; round < 20; round++) {
        const waits = [draw.below(8 * latencyMs), draw.below(8 * latencyMs)]
        await race(t, { round, latencyMs, waits })
      }
    })
  }

  test('an edition taken just before is a collision that the loser is told of', async (t) => {
    const { clock, machine, publish, run } = startPublishing(t, seed, 1)
    const nodes = await Promise.all([machine(), machine()])
    const results = await run(Promise.all(nodes.map((node, i) => publish(node, `from ${i}`))))
    const editions = results.map(({ edition }) => edition)
    assert.deepEqual(new Set(editions), new Set([0, 1]), at)
    assert.deepEqual(
      results.flatMap(({ collisions }) => collisions),
      [0],
      at,
    )
    await clock.runFor(5000)
    for (const node of nodes) assert.equal(node.outbox.pendingBlocks, 0)
  })

  test('the same content twice at once is no collision', async (t) => {
    const { machine, publish, run } = startPublishing(t, seed)
    const nodes = await Promise.all([machine(), machine()])
    const results = await run(Promise.all(nodes.map((node) => publish(node, 'same'))))
    assert.deepEqual(
      results.flatMap(({ collisions }) => collisions),
      [],
    )
  })
})

/** Two machines publish, each after its wait; five minutes later one state is everywhere. */
async function race(
  t: TestContext,
  { round, latencyMs, waits }: { round: number; latencyMs: number; waits: readonly number[] },
): Promise<void> {
  const { clock, fake, machine, publish, run, read, newest } = startPublishing(
    t,
    seed + round,
    latencyMs,
  )
  const where = `${at}, round ${round}`
  const nodes = [await machine(), await machine()] as const
  const running = nodes.map(async (node, i) => {
    await new Promise<void>((resolve) => clock.after(waits[i] ?? 0, resolve))
    return publish(node, `from ${i}`)
  })
  const results = await run(Promise.all(running))
  await clock.runFor(300_000)
  const base = results[0]?.uri ?? ''
  const greatest = await newest(nodes[0], base)
  assert.ok(typeof greatest === 'number', where)
  const texts = new Set<string | undefined>()
  for (let edition = 0; edition <= greatest; edition++) {
    const seen: (string | undefined)[] = []
    for (const node of [...nodes, await machine()]) {
      seen.push(await read(node, editionUri(base, edition)))
    }
    assert.equal(new Set(seen).size, 1, `${where}: ${seen.join()}`)
    texts.add(seen[0])
  }
  for (const node of nodes) assert.equal(await newest(node, base), greatest, where)
  assert.deepEqual(texts, new Set(['from 0', 'from 1']), where)
  assert.ok(sameEverywhere(fake.homes), where)
}

function sameEverywhere(homes: readonly Map<string, Uint8Array>[]): boolean {
  return homes.every((home) =>
    [...home].every(([name, block]) => {
      const other = homes[0]?.get(name)
      return other !== undefined && Buffer.compare(other, block) === 0
    }),
  )
}
