/**
 * What every Outbox must do (the contract in `src/datastore/store.ts`).
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES, supersedes } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import type { Outbox, OutboxEntry } from '../../src/datastore/store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'
import type { OpenStore } from './block-store-suite.ts'

const SLOTS = 100

export function outboxSuite(name: string, openStore: OpenStore): void {
  const open = async (t: TestContext, slots = SLOTS): Promise<Outbox> =>
    (await openStore(t, slots)).outbox

  test(`${name}: insert numbers are at least 1 and never the same`, async (t) => {
    const outbox = await open(t)
    const numbers = new Set<number>()
    for (let i = 0; i < 200; i++) {
      const insertId = await outbox.begin()
      assert.ok(insertId >= 1 && !numbers.has(insertId))
      numbers.add(insertId)
      await outbox.discard(insertId)
    }
  })

  test(`${name}: what is added is pending in order, and can be read`, async (t) => {
    const outbox = await open(t)
    const [first, second] = [await outbox.begin(), await outbox.begin()]
    const added: [number, NamedBlock, Home[]][] = [
      [second, contentBlock(1), [0, 1]],
      [first, contentBlock(2), [0, 1, 2]],
      [second, contentBlock(3), [2]],
    ]
    for (const [insertId, named, homes] of added) {
      assert.equal(await add(outbox, insertId, named, homes), 'added')
    }
    assert.deepEqual(
      [...outbox.entries()].map((entry) => [
        entry.insertId,
        mapKey(entry.address),
        entry.homesLeft,
      ]),
      added.map(([insertId, named, homes]) => [insertId, mapKey(named.address), homes]),
    )
    assert.equal(outbox.pendingBlocks, 3)
    for (const [, { address, block }] of added) assert.deepEqual(await outbox.get(address), block)
    assert.equal(await outbox.get(contentBlock(9).address), undefined)
  })

  test(`${name}: the same address twice in an insert changes nothing`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    for (const named of [contentBlock(1), signedBlock(1, 4)]) {
      assert.equal(await add(outbox, insertId, named, [0]), 'added')
      assert.equal(await add(outbox, insertId, named, [1, 2]), 'added')
    }
    assert.deepEqual(
      [...outbox.entries()].map((entry) => entry.homesLeft),
      [[0], [0]],
    )
    assert.equal(outbox.insert(insertId)?.blocks, 2)
  })

  test(`${name}: homes that are done leave one by one, the block with the last`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    await add(outbox, insertId, contentBlock(1), [0, 2])
    await outbox.commit(insertId)
    const entry = entryOf(outbox)
    await outbox.homeDone(entry, 0)
    await outbox.homeDone(entry, 0)
    assert.deepEqual(entryOf(outbox).homesLeft, [2])
    assert.deepEqual(outbox.insert(insertId), {
      insertId,
      blocks: 1,
      spreadBlocks: 0,
      lostBlocks: 0,
      committed: true,
    })
    await outbox.homeDone(entry, 2)
    await outbox.homeDone(entry, 2)
    assert.equal(outbox.pendingBlocks, 0)
    assert.equal(await outbox.get(entry.address), undefined)
    assert.deepEqual(outbox.insert(insertId), {
      insertId,
      blocks: 1,
      spreadBlocks: 1,
      lostBlocks: 0,
      committed: true,
    })
  })

  test(`${name}: an insert tells its blocks before and after it is committed`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    assert.deepEqual(outbox.insert(insertId), state(insertId, 0, 0, false))
    await add(outbox, insertId, contentBlock(1))
    await add(outbox, insertId, contentBlock(2))
    await outbox.homeDone(entryOf(outbox), 0)
    assert.deepEqual(outbox.insert(insertId), state(insertId, 2, 1, false))
    await outbox.commit(insertId)
    await outbox.commit(insertId)
    assert.deepEqual(outbox.insert(insertId), state(insertId, 2, 1, true))
    assert.equal(outbox.insert(insertId + 1), undefined)
  })

  test(`${name}: an insert without blocks is committed and finished`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    await outbox.commit(insertId)
    assert.deepEqual(outbox.insert(insertId), state(insertId, 0, 0, true))
  })

  test(`${name}: a thousand finished inserts are remembered, older ones are not`, async (t) => {
    const outbox = await open(t)
    const numbers: number[] = []
    for (let i = 0; i < 1001; i++) {
      const insertId = await outbox.begin()
      numbers.push(insertId)
      await outbox.commit(insertId)
    }
    assert.equal(outbox.insert(numbers[0] as number), undefined)
    assert.equal(outbox.insert(numbers[1] as number)?.committed, true)
  })

  test(`${name}: discard forgets an open insert and frees its slots`, async (t) => {
    const { outbox, blocks } = await openStore(t, SLOTS)
    const [insertId, other] = [await outbox.begin(), await outbox.begin()]
    await add(outbox, insertId, contentBlock(1))
    await add(outbox, insertId, contentBlock(2))
    await add(outbox, other, contentBlock(2))
    assert.equal(blocks.status().usedBytes, 2 * BLOCK_BYTES)
    await outbox.discard(insertId)
    await outbox.discard(insertId)
    assert.equal(outbox.insert(insertId), undefined)
    assert.equal(outbox.pendingBlocks, 1)
    assert.equal(await outbox.get(contentBlock(1).address), undefined)
    assert.deepEqual(await outbox.get(contentBlock(2).address), contentBlock(2).block)
    assert.equal(blocks.status().usedBytes, BLOCK_BYTES)
  })

  test(`${name}: discard leaves a committed insert alone`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    await add(outbox, insertId, contentBlock(1))
    await outbox.commit(insertId)
    await outbox.discard(insertId)
    assert.equal(outbox.pendingBlocks, 1)
  })

  test(`${name}: adding to an insert that is not open is a mistake of the caller`, async (t) => {
    const outbox = await open(t)
    await assert.rejects(add(outbox, 77, contentBlock(1)), RangeError)
    const insertId = await outbox.begin()
    await assert.rejects(add(outbox, insertId, contentBlock(1), []), RangeError)
    await outbox.commit(insertId)
    await assert.rejects(add(outbox, insertId, contentBlock(1)), RangeError)
    assert.equal(outbox.pendingBlocks, 0)
  })

  test(`${name}: holds at most half of the cache share, then waits for room`, async (t) => {
    const outbox = await open(t)
    assert.equal(outbox.capacityBlocks, 15)
    await outbox.room() // nothing is pending
    const insertId = await outbox.begin()
    for (let i = 0; i < 15; i++) assert.equal(await add(outbox, insertId, contentBlock(i)), 'added')
    assert.equal(await add(outbox, insertId, contentBlock(99)), 'full')
    assert.equal(await outbox.get(contentBlock(99).address), undefined)
    assert.equal(outbox.insert(insertId)?.blocks, 15)
    let hasRoom = false
    const waiting = outbox.room().then(() => {
      hasRoom = true
    })
    await outbox.get(contentBlock(1).address)
    assert.equal(hasRoom, false)
    await outbox.homeDone(entryOf(outbox), 0)
    await waiting
    assert.equal(await add(outbox, insertId, contentBlock(99)), 'added')
  })

  test(`${name}: adds at the same time do not exceed the capacity`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    const adds = Array.from({ length: 40 }, (_, i) => add(outbox, insertId, contentBlock(i)))
    const results = await Promise.all(adds)
    assert.equal(results.filter((result) => result === 'added').length, 15)
    assert.equal(outbox.pendingBlocks, 15)
  })

  test(`${name}: the areas beside it never show its blocks`, async (t) => {
    const { outbox, blocks } = await openStore(t, SLOTS)
    const insertId = await outbox.begin()
    for (const named of [contentBlock(1), signedBlock(1, 5)]) {
      await add(outbox, insertId, named)
      assert.equal(await blocks.get(named.address), undefined)
      assert.equal(await blocks.has(named.address), undefined)
    }
    for await (const _ of blocks.walk({ from: 0, to: 2 ** 48 - 1 })) assert.fail('nothing to walk')
    assert.equal(blocks.status().blocks, 0)
    assert.equal(blocks.status().usedBytes, 2 * BLOCK_BYTES)
    await blocks.put({ ...signedBlock(1, 3), home: 0, area: 'store', link: 1 })
    const got = await blocks.get(signedBlock(1, 3).address)
    assert.deepEqual(got?.block, signedBlock(1, 3).block, 'an edition on its way out does not show')
    assert.deepEqual(await outbox.get(signedBlock(1, 5).address), signedBlock(1, 5).block)
  })

  test(`${name}: shares the slot of content that the areas hold, whichever came first`, async (t) => {
    const { outbox, blocks } = await openStore(t, SLOTS)
    const insertId = await outbox.begin()
    await blocks.put({ ...contentBlock(1), home: 0, area: 'cache', link: 1 })
    await add(outbox, insertId, contentBlock(1))
    await add(outbox, insertId, contentBlock(2))
    assert.equal(
      await blocks.put({ ...contentBlock(2), home: 1, area: 'store', link: 1 }),
      'stored',
    )
    assert.equal(blocks.status().usedBytes, 2 * BLOCK_BYTES)
    assert.equal(blocks.status().blocks, 2)
    await outbox.discard(insertId)
    assert.equal(blocks.status().usedBytes, 2 * BLOCK_BYTES)
    for (const i of [1, 2]) {
      const got = await blocks.get(contentBlock(i).address)
      assert.deepEqual(got?.block, contentBlock(i).block)
    }
  })

  test(`${name}: pinned blocks survive any flood, and the cache gives up their room`, async (t) => {
    const { outbox, blocks } = await openStore(t, 40)
    const insertId = await outbox.begin()
    for (let i = 0; i < 6; i++) {
      await blocks.put({ ...contentBlock(i), home: 0, area: i < 3 ? 'store' : 'cache', link: 1 })
      assert.equal(await add(outbox, insertId, contentBlock(i)), 'added')
    }
    for (let i = 100; i < 200; i++) {
      const area = i % 2 === 0 ? 'store' : 'cache'
      assert.equal(await blocks.put({ ...contentBlock(i), home: 0, area, link: 1 }), 'stored')
      assert.ok(blocks.status().usedBytes <= 40 * BLOCK_BYTES)
    }
    for (let i = 0; i < 6; i++) {
      assert.deepEqual(await outbox.get(contentBlock(i).address), contentBlock(i).block)
    }
    assert.ok(blocks.status().blocks <= 28 + 12 - 6)
  })

  test(`${name}: entries may come and go while they are iterated`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    for (let i = 0; i < 5; i++) await add(outbox, insertId, contentBlock(i))
    let seen = 0
    for (const entry of outbox.entries()) {
      seen++
      await outbox.homeDone(entry, 0)
      if (seen === 1) await add(outbox, insertId, contentBlock(9))
    }
    assert.equal(seen, 6)
    assert.equal(outbox.pendingBlocks, 0)
  })

  test(`${name}: a block of two inserts stays until both are done with it`, async (t) => {
    const outbox = await open(t)
    const [first, second] = [await outbox.begin(), await outbox.begin()]
    for (const insertId of [first, second]) {
      await add(outbox, insertId, contentBlock(1))
      await add(outbox, insertId, signedBlock(1, insertId))
      await outbox.commit(insertId)
    }
    for (const entry of [...outbox.entries()].filter(({ insertId }) => insertId === second)) {
      await outbox.homeDone(entry, 0)
    }
    assert.deepEqual(await outbox.get(contentBlock(1).address), contentBlock(1).block)
    assert.deepEqual(await outbox.get(signedBlock(1, 0).address), signedBlock(1, first).block)
    assert.equal(outbox.insert(second)?.spreadBlocks, 2)
    assert.equal(outbox.insert(first)?.spreadBlocks, 0)
  })

  test(`${name}: of several editions of an address the superseding one is got, whichever came first`, async (t) => {
    const outbox = await open(t)
    const [c, d] = [signedBlock(1, 6, 1), signedBlock(1, 6, 2)]
    const [winner, loser] = supersedes(c.block, d.block) ? [c, d] : [d, c]
    const older = signedBlock(1, 5)
    const held = new Map<NamedBlock, number>()
    for (const named of [loser, winner, older]) {
      const insertId = await outbox.begin()
      held.set(named, insertId)
      assert.equal(await add(outbox, insertId, named), 'added')
      await outbox.commit(insertId)
      const expected = named === loser ? loser : winner
      assert.deepEqual(await outbox.get(named.address), expected.block)
    }
    const left = [winner, loser, older, undefined]
    for (const [i, named] of [winner, loser, older].entries()) {
      const { address } = named
      const entry = { insertId: held.get(named) as number, address, homesLeft: [] }
      await outbox.homeDone(entry, 0)
      assert.deepEqual(await outbox.get(address), left[i + 1]?.block, `without ${i + 1} of them`)
    }
    assert.equal(outbox.pendingBlocks, 0)
  })

  test(`${name}: an edition that is discarded leaves the one before it`, async (t) => {
    const outbox = await open(t)
    const inserts: number[] = []
    for (const sequence of [1, 2, 3]) {
      const insertId = await outbox.begin()
      inserts.push(insertId)
      await add(outbox, insertId, signedBlock(1, sequence))
    }
    const { address } = signedBlock(1, 0)
    await outbox.discard(inserts[1] as number)
    assert.deepEqual(await outbox.get(address), signedBlock(1, 3).block)
    await outbox.discard(inserts[2] as number)
    assert.deepEqual(await outbox.get(address), signedBlock(1, 1).block)
    await outbox.discard(inserts[0] as number)
    assert.equal(await outbox.get(address), undefined)
  })

  test(`${name}: an edition in the outbox and another in the areas leave each other alone`, async (t) => {
    const { outbox, blocks } = await openStore(t, SLOTS)
    const { address } = signedBlock(1, 0)
    for (const [waiting, held] of [
      [5, 4],
      [6, 9],
    ] as const) {
      const insertId = await outbox.begin()
      await add(outbox, insertId, signedBlock(1, waiting))
      await outbox.commit(insertId)
      const request = { ...signedBlock(1, held), home: 0, area: 'store', link: 1 } as const
      assert.equal(await blocks.put(request), 'stored')
      assert.deepEqual(await outbox.get(address), signedBlock(1, waiting).block)
      assert.deepEqual((await blocks.get(address))?.block, signedBlock(1, held).block)
    }
    assert.equal(blocks.status().usedBytes, 3 * BLOCK_BYTES)
  })

  test(`${name}: aborted calls reject with the reason and keep nothing`, async (t) => {
    const outbox = await open(t)
    const insertId = await outbox.begin()
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const isReason = (error: unknown): boolean => error === reason
    const { address, block } = contentBlock(1)
    await assert.rejects(outbox.add({ insertId, address, block, homes: [0], signal }), isReason)
    await assert.rejects(outbox.get(address, { signal }), isReason)
    await assert.rejects(outbox.room({ signal }), isReason)
    assert.equal(outbox.pendingBlocks, 0)
    await add(outbox, insertId, contentBlock(1))
    const controller = new AbortController()
    const waiting = outbox.room({ signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(waiting, isReason)
  })

  test(`${name}: after close every method rejects with E_CLOSED, waiting for room too`, async (t) => {
    const { outbox, blocks } = await openStore(t, SLOTS)
    const insertId = await outbox.begin()
    await add(outbox, insertId, contentBlock(1))
    const entry = entryOf(outbox)
    const waiting = assert.rejects(outbox.room(), isClosed)
    await blocks.close()
    await waiting
    await assert.rejects(outbox.begin(), isClosed)
    await assert.rejects(add(outbox, insertId, contentBlock(2)), isClosed)
    await assert.rejects(outbox.commit(insertId), isClosed)
    await assert.rejects(outbox.discard(insertId), isClosed)
    await assert.rejects(outbox.get(entry.address), isClosed)
    await assert.rejects(outbox.homeDone(entry, 0), isClosed)
    await assert.rejects(outbox.room(), isClosed)
  })
}

function add(
  outbox: Outbox,
  insertId: number,
  { address, block }: NamedBlock,
  homes: readonly Home[] = [0],
): ReturnType<Outbox['add']> {
  return outbox.add({ insertId, address, block, homes })
}

/** The oldest pending entry. */
function entryOf(outbox: Outbox): OutboxEntry {
  for (const entry of outbox.entries()) return entry
  throw new Error('nothing is pending')
}

function state(
  insertId: number,
  blocks: number,
  spreadBlocks: number,
  committed: boolean,
): ReturnType<Outbox['insert']> {
  return { insertId, blocks, spreadBlocks, lostBlocks: 0, committed }
}

function isClosed(error: unknown): boolean {
  return isShoalError(error) && error.code === 'E_CLOSED'
}
