/**
 * What every BlockStore must do (the contract in `src/datastore/store.ts`). A store adopts it by
 * calling `blockStoreSuite` with a function that opens an empty one.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES, homePosition, supersedes } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import type {
  Area,
  BlockStore,
  PositionRange,
  StoreEntry,
  StorePair,
} from '../../src/datastore/store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'
import { storeCareSuite } from './store-care-suite.ts'

/** Opens an empty store with this many slots, to be closed and removed after the test. */
export type OpenStore = (t: TestContext, slots: number) => Promise<StorePair>

const ALL: PositionRange = { from: 0, to: 2 ** 48 - 1 }
/** Enough that nothing is evicted unless a test means it. */
const ROOMY = 100

export function blockStoreSuite(name: string, openStore: OpenStore): void {
  storeCareSuite(name, openStore)
  const open = async (t: TestContext, slots = ROOMY): Promise<BlockStore> =>
    (await openStore(t, slots)).blocks

  test(`${name}: a block that was put is got back, with its area`, async (t) => {
    const store = await open(t)
    for (const [i, area] of (['store', 'cache'] as const).entries()) {
      const named = contentBlock(i)
      assert.equal(await put(store, named, area), 'stored')
      const got = await store.get(named.address)
      assert.deepEqual(got?.block, named.block)
      assert.equal(got?.area, area)
      assert.deepEqual(await store.has(named.address), {
        address: named.address,
        sequence: undefined,
        area,
      })
    }
  })

  test(`${name}: what is not here is undefined`, async (t) => {
    const store = await open(t)
    assert.equal(await store.get(contentBlock(1).address), undefined)
    assert.equal(await store.has(contentBlock(1).address), undefined)
    assert.deepEqual(await collect(store.walk(ALL)), [])
  })

  test(`${name}: a second put of the same home and area is known`, async (t) => {
    const store = await open(t)
    for (const area of ['cache', 'store'] as const) {
      assert.equal(await put(store, contentBlock(1), area), 'stored')
      assert.equal(await put(store, contentBlock(1), area), 'known')
    }
    assert.equal(await put(store, contentBlock(1), 'cache'), 'known', 'it is in the store already')
    assert.equal((await store.has(contentBlock(1).address))?.area, 'store')
  })

  test(`${name}: a block under three homes takes one slot and is one block`, async (t) => {
    const store = await open(t)
    const named = contentBlock(1)
    for (const home of [2, 0, 1] as const) {
      assert.equal(await put(store, named, 'store', home), 'stored')
      assert.equal(await put(store, named, 'store', home), 'known')
      assert.equal(store.status().blocks, 1)
      assert.equal(store.status().usedBytes, BLOCK_BYTES)
    }
    const homes = (await collect(store.walk(ALL))).map((entry) => entry.home)
    assert.deepEqual(
      homes.sort((a, b) => a - b),
      [0, 1, 2],
    )
  })

  test(`${name}: the area is store where any home is in the store`, async (t) => {
    const store = await open(t)
    const named = contentBlock(1)
    assert.equal(await put(store, named, 'cache', 0), 'stored')
    assert.equal(await put(store, named, 'cache', 1), 'stored')
    assert.equal((await store.get(named.address))?.area, 'cache')
    assert.equal(await put(store, named, 'store', 2), 'stored')
    assert.equal((await store.get(named.address))?.area, 'store')
    assert.equal(await put(store, named, 'store', 0), 'stored')
    assert.equal(await put(store, named, 'cache', 0), 'known')
    const homes = (await collect(store.walk(ALL))).map((entry) => entry.home)
    assert.deepEqual(
      homes.sort((a, b) => a - b),
      [0, 2],
      'a walk shows store entries only',
    )
    assert.equal(store.status().blocks, 1)
  })

  test(`${name}: puts of one address at the same time take one slot`, async (t) => {
    const store = await open(t)
    const named = contentBlock(1)
    const requests = Array.from({ length: 30 }, (_, i) =>
      put(store, named, i % 2 === 0 ? 'store' : 'cache', (i % 3) as Home),
    )
    const results = await Promise.all(requests)
    assert.equal(results.filter((result) => result === 'refused').length, 0)
    assert.equal(store.status().usedBytes, BLOCK_BYTES)
    assert.deepEqual((await store.get(named.address))?.block, named.block)
  })

  test(`${name}: a greater sequence replaces under all homes, a smaller one is older`, async (t) => {
    const store = await open(t)
    const [old, next] = [signedBlock(1, 5), signedBlock(1, 6)]
    assert.equal(await put(store, old, 'store', 0), 'stored')
    assert.equal(await put(store, old, 'store', 1), 'stored')
    assert.equal(await put(store, old, 'cache', 2), 'stored')
    assert.equal(await put(store, next, 'store', 1), 'stored')
    assert.deepEqual((await store.get(old.address))?.block, next.block)
    assert.equal((await store.has(old.address))?.sequence, 6)
    const walked = await collect(store.walk(ALL))
    assert.deepEqual(walked.map(({ home, sequence }) => `${home} at ${sequence}`).sort(), [
      '0 at 6',
      '1 at 6',
    ])
    assert.equal(store.status().blocks, 1)
    assert.equal(await put(store, old, 'store', 2), 'older')
    assert.deepEqual((await store.get(old.address))?.block, next.block)
    assert.equal((await collect(store.walk(ALL))).length, 2, 'nothing changed')
  })

  test(`${name}: a replacement may come by a home that had no entry`, async (t) => {
    const store = await open(t)
    assert.equal(await put(store, signedBlock(1, 5), 'cache', 0), 'stored')
    assert.equal(await put(store, signedBlock(1, 9), 'store', 1), 'stored')
    const got = await store.get(signedBlock(1, 9).address)
    assert.deepEqual(got, { block: signedBlock(1, 9).block, area: 'store' })
    assert.equal(await put(store, signedBlock(1, 9), 'cache', 0), 'known')
  })

  test(`${name}: a replacement that comes for the cache replaces in the store, which stays the store`, async (t) => {
    const store = await open(t)
    assert.equal(await put(store, signedBlock(1, 5), 'store', 0), 'stored')
    assert.equal(await put(store, signedBlock(1, 5), 'cache', 2), 'stored')
    for (const [sequence, home] of [
      [6, 0],
      [7, 1],
      [8, 2],
    ] as const) {
      assert.equal(await put(store, signedBlock(1, sequence), 'cache', home), 'stored')
      const got = await store.get(signedBlock(1, 0).address)
      assert.deepEqual(got, { block: signedBlock(1, sequence).block, area: 'store' })
    }
    const walked = await collect(store.walk(ALL))
    assert.deepEqual(
      walked.map(({ home, sequence }) => [home, sequence]),
      [[0, 8]],
    )
    assert.equal(store.status().blocks, 1)
  })

  test(`${name}: in the cache a replacement holds under all homes, and an older one changes nothing`, async (t) => {
    const store = await open(t)
    for (const home of [0, 1, 2] as const) {
      assert.equal(await put(store, signedBlock(1, 5), 'cache', home), 'stored')
    }
    assert.equal(await put(store, signedBlock(1, 6), 'cache', 1), 'stored')
    for (const home of [0, 1, 2] as const) {
      assert.equal(await put(store, signedBlock(1, 6), 'cache', home), 'known')
      for (const area of ['cache', 'store'] as const) {
        assert.equal(await put(store, signedBlock(1, 5), area, home), 'older')
      }
    }
    const got = await store.get(signedBlock(1, 0).address)
    assert.deepEqual(got, { block: signedBlock(1, 6).block, area: 'cache' })
    assert.equal(store.status().usedBytes, BLOCK_BYTES)
  })

  test(`${name}: editions put at the same time, in any order, leave the newest in one slot`, async (t) => {
    const store = await open(t)
    const numbers = [3, 9, 1, 7, 9, 2, 8]
    const puts = numbers.map((sequence, i) =>
      put(store, signedBlock(1, sequence, i), i % 2 === 0 ? 'store' : 'cache', (i % 3) as Home),
    )
    assert.ok((await Promise.all(puts)).every((result) => result !== 'refused'))
    const [a, b] = [signedBlock(1, 9, 1).block, signedBlock(1, 9, 4).block]
    const got = await store.get(signedBlock(1, 0).address)
    assert.deepEqual(got?.block, supersedes(a, b) ? a : b)
    assert.equal(got?.area, 'store')
    assert.equal(store.status().blocks, 1)
  })

  test(`${name}: a full store that replaces editions gives up at most one other block`, async (t) => {
    const store = await open(t, 20)
    for (let i = 0; i < 13; i++) await put(store, contentBlock(i), 'store')
    for (let sequence = 1; sequence <= 30; sequence++) {
      assert.equal(await put(store, signedBlock(1, sequence), 'store'), 'stored')
      const { address } = signedBlock(1, 0)
      assert.deepEqual((await store.get(address))?.block, signedBlock(1, sequence).block)
      assert.ok(store.status().blocks <= 14)
    }
    assert.ok((await present(store, 13)) >= 12)
  })

  test(`${name}: at equal sequence the smaller hash wins, whichever came first`, async (t) => {
    const [a, b] = [signedBlock(1, 7, 1), signedBlock(1, 7, 2)]
    const [winner, loser] = supersedes(a.block, b.block) ? [a, b] : [b, a]
    for (const order of [
      [winner, loser],
      [loser, winner],
    ] as const) {
      const store = await open(t)
      assert.equal(await put(store, order[0]), 'stored')
      assert.equal(await put(store, order[0]), 'known')
      assert.equal(await put(store, order[1]), order[0] === winner ? 'older' : 'stored')
      assert.deepEqual((await store.get(winner.address))?.block, winner.block)
    }
  })

  test(`${name}: sequences up to 2^53 - 1 survive`, async (t) => {
    const store = await open(t)
    for (const sequence of [0, 2 ** 53 - 2, 2 ** 53 - 1]) {
      assert.equal(await put(store, signedBlock(2, sequence)), 'stored')
      assert.equal((await store.has(signedBlock(2, 0).address))?.sequence, sequence)
    }
  })

  test(`${name}: a walk yields the range's entries once each, also across zero`, async (t) => {
    const store = await open(t)
    const entries: [number, string][] = []
    for (let i = 0; i < 40; i++) {
      const home = (i % 3) as Home
      const named = contentBlock(i)
      await put(store, named, 'store', home)
      entries.push([homePosition(named.address, home), mapKey(named.address)])
    }
    await put(store, contentBlock(100), 'cache')
    const quarter = 2 ** 46
    for (const range of [
      { from: 0, to: quarter },
      { from: 3 * quarter, to: quarter },
      { from: quarter, to: quarter - 1 },
      { from: entries[0]?.[0] ?? 0, to: entries[0]?.[0] ?? 0 },
    ]) {
      const expected = entries.filter(([position]) => isWithin(position, range))
      const walked = await collect(store.walk(range))
      assert.deepEqual(
        walked.map((entry) => mapKey(entry.address)).sort(),
        expected.map(([, key]) => key).sort(),
      )
    }
  })

  test(`${name}: a walk goes on while entries come`, async (t) => {
    const store = await open(t)
    for (let i = 0; i < 20; i++) await put(store, contentBlock(i))
    const seen = new Set<string>()
    for await (const entry of store.walk(ALL)) {
      assert.equal(seen.has(mapKey(entry.address)), false, 'once each')
      seen.add(mapKey(entry.address))
      if (seen.size < 10) await put(store, contentBlock(50 + seen.size))
    }
    for (let i = 0; i < 20; i++) assert.ok(seen.has(mapKey(contentBlock(i).address)))
  })

  test(`${name}: a full area evicts and never refuses, nor grows beyond its share`, async (t) => {
    for (const area of ['store', 'cache'] as const) {
      const store = await open(t, 20)
      const share = area === 'store' ? 14 : 6
      for (let i = 0; i < 60; i++) {
        assert.equal(await put(store, contentBlock(i), area), 'stored')
        assert.ok(store.status().blocks <= share, `${store.status().blocks} blocks in the ${area}`)
        assert.ok(await store.get(contentBlock(i).address), 'the newest is here')
      }
      assert.equal(await present(store, 60), share)
    }
  })

  test(`${name}: many puts at once stay within the shares`, async (t) => {
    const store = await open(t, 20)
    const puts = Array.from({ length: 120 }, (_, i) =>
      put(store, contentBlock(i), i % 2 === 0 ? 'store' : 'cache', (i % 3) as Home),
    )
    const results = await Promise.all(puts)
    assert.deepEqual([...new Set(results)], ['stored'])
    const { usedBytes, blocks } = store.status()
    assert.ok(blocks <= 20 && usedBytes <= 20 * BLOCK_BYTES, `${blocks} blocks`)
    assert.equal(await present(store, 120), blocks)
  })

  test(`${name}: a full cache with several homes a block keeps to its share`, async (t) => {
    const store = await open(t, 20)
    for (let i = 0; i < 40; i++) {
      for (const home of [0, 1, 2] as const) {
        assert.equal(await put(store, contentBlock(i), 'cache', home), 'stored')
      }
      assert.ok(store.status().blocks <= 6)
    }
    assert.equal(await present(store, 40), store.status().blocks)
  })

  test(`${name}: a store full of blocks with three homes leaves the cache its share`, async (t) => {
    const store = await open(t, 20)
    for (let i = 0; i < 40; i++) {
      for (const home of [0, 1, 2] as const) {
        assert.equal(await put(store, contentBlock(i), 'store', home), 'stored')
      }
    }
    for (let i = 100; i < 120; i++) {
      assert.equal(await put(store, contentBlock(i), 'cache'), 'stored')
      assert.ok(await store.get(contentBlock(i).address))
    }
  })

  test(`${name}: what is outside the range is evicted first`, async (t) => {
    const store = await open(t, 20)
    const range = { from: 0, to: 2 ** 47 - 1 }
    store.setRange(range)
    const inside: NamedBlock[] = []
    for (let i = 0; inside.length < 10 || i < 40; i++) {
      const named = contentBlock(i)
      const isInside = isWithin(homePosition(named.address, 0), range)
      if (isInside && inside.length === 10) continue
      if (isInside) inside.push(named)
      assert.equal(await put(store, named), 'stored')
    }
    for (const { address } of inside) assert.ok(await store.has(address), 'inside the range')
  })

  test(`${name}: a home inside the range keeps a block that also has one outside`, async (t) => {
    const store = await open(t, 20)
    const range = { from: 0, to: 2 ** 47 - 1 }
    store.setRange(range)
    const isInside = ({ address }: NamedBlock, home: Home): boolean =>
      isWithin(homePosition(address, home), range)
    const numbers = Array.from({ length: 200 }, (_, i) => contentBlock(i))
    const both = numbers.find((named) => isInside(named, 0) && !isInside(named, 1)) as NamedBlock
    await put(store, both, 'store', 1)
    await put(store, both, 'store', 0)
    const outside = numbers.filter((named) => !isInside(named, 0))
    for (const named of outside.slice(0, 60)) await put(store, named)
    assert.ok(await store.has(both.address))
  })

  test(`${name}: an aborted signal rejects with its reason, unchanged`, async (t) => {
    const store = await open(t)
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const isReason = (error: unknown): boolean => error === reason
    const { address, block } = contentBlock(1)
    const request = { address, block, home: 0, area: 'store', link: 1, signal } as const
    await assert.rejects(store.put(request), isReason)
    await assert.rejects(store.get(address, { signal }), isReason)
    await assert.rejects(store.has(address, { signal }), isReason)
    await assert.rejects(collect(store.walk(ALL, { signal })), isReason)
    assert.equal(await store.has(address), undefined, 'nothing was put')
  })

  test(`${name}: an abort ends a walk that is under way`, async (t) => {
    const store = await open(t)
    for (let i = 0; i < 5; i++) await put(store, contentBlock(i))
    const controller = new AbortController()
    const reason = new Error('enough')
    const walking = (async () => {
      for await (const _ of store.walk(ALL, { signal: controller.signal })) controller.abort(reason)
    })()
    await assert.rejects(walking, (error) => error === reason)
  })

  test(`${name}: a range that is no range is a mistake of the caller`, async (t) => {
    const store = await open(t)
    assert.throws(() => store.setRange({ from: -1, to: 0 }), RangeError)
    assert.throws(() => store.setRange({ from: 0, to: 2 ** 48 }), RangeError)
  })

  test(`${name}: after close every method rejects with E_CLOSED, and close may be repeated`, async (t) => {
    const store = await open(t)
    const { address, block } = contentBlock(1)
    await put(store, contentBlock(1))
    const walk = store.walk(ALL)
    const closing = store.close()
    await assert.rejects(store.get(address), isClosed, 'while it closes')
    await closing
    await store.close()
    const request = { address, block, home: 0, area: 'store', link: 1 } as const
    await assert.rejects(store.put(request), isClosed)
    await assert.rejects(store.get(address), isClosed)
    await assert.rejects(store.has(address), isClosed)
    await assert.rejects(collect(store.walk(ALL)), isClosed)
    await assert.rejects(collect(walk), isClosed, 'a walk that had not begun')
  })

  test(`${name}: calls under way when it closes still end well`, async (t) => {
    const store = await open(t)
    await put(store, contentBlock(1))
    const running = [put(store, contentBlock(2)), put(store, contentBlock(3))]
    const reading = store.get(contentBlock(1).address)
    await store.close()
    assert.deepEqual(await Promise.all(running), ['stored', 'stored'])
    assert.deepEqual((await reading)?.block, contentBlock(1).block)
  })
}

function put(
  store: BlockStore,
  { address, block }: NamedBlock,
  area: Area = 'store',
  home: Home = 0,
): ReturnType<BlockStore['put']> {
  return store.put({ address, block, area, home, link: 1 })
}

async function collect(entries: AsyncIterable<StoreEntry>): Promise<StoreEntry[]> {
  const all: StoreEntry[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

/** How many of the first `count` content blocks are here, each checked by its bytes. */
async function present(store: BlockStore, count: number): Promise<number> {
  let found = 0
  for (let i = 0; i < count; i++) {
    const { address, block } = contentBlock(i)
    const got = await store.get(address)
    if (got === undefined) continue
    assert.deepEqual(got.block, block)
    found++
  }
  return found
}

function isWithin(position: number, { from, to }: PositionRange): boolean {
  return from <= to ? position >= from && position <= to : position >= from || position <= to
}

function isClosed(error: unknown): boolean {
  return isShoalError(error) && error.code === 'E_CLOSED'
}
