/** What must hold when things happen at the same time in a disk store (spec §11.5). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { systemClock } from '../../src/runtime.ts'
import type { Clock } from '../../src/runtime.ts'
import {
  createAt,
  folder,
  hasCode,
  openAt,
  openDir,
  openKillable,
  put,
} from '../helpers/disk-store.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'

/** Makes the next look-up in the index wait until it is released, which then tells what it found. */
function holdNextLookup(dir: DataDir): { readonly asked: Promise<void>; release: () => void } {
  let release = (): void => {}
  let onasked = (): void => {}
  const asked = new Promise<void>((resolve) => {
    onasked = resolve
  })
  const getMany = dir.index.getMany.bind(dir.index)
  dir.index.getMany = async (keys) => {
    dir.index.getMany = getMany
    const values = await getMany(keys)
    onasked()
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return values
  }
  return { asked, release: () => release() }
}

/** All that was put so far is on the disk. */
async function commit({ outbox }: StorePair): Promise<void> {
  await outbox.commit(await outbox.begin())
}

test('races: a read that asked the disk just before an edition was replaced finds the new one', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const store = await createAt(path, dir, 20)
  const { address } = signedBlock(1, 0)
  await put(store, signedBlock(1, 1))
  for (const isCommitted of [false, true]) {
    await commit(store)
    const held = holdNextLookup(dir)
    const reading = store.blocks.get(address)
    await held.asked
    const next = signedBlock(1, isCommitted ? 3 : 2)
    assert.equal(await put(store, next), 'stored')
    if (isCommitted) await commit(store)
    held.release()
    assert.deepEqual((await reading)?.block, next.block)
  }
})

test('races: a read whose slot is given to another block while it is read is a miss', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const store = await createAt(path, dir, 1)
  await put(store, contentBlock(1))
  const read = dir.slab.read.bind(dir.slab)
  dir.slab.read = async (slot, use) => {
    dir.slab.read = read
    await put(store, contentBlock(2))
    return read(slot, use)
  }
  assert.equal(await store.blocks.get(contentBlock(1).address), undefined)
  assert.deepEqual((await store.blocks.get(contentBlock(2).address))?.block, contentBlock(2).block)
  assert.equal(store.care.stats().verifyFailures, 0)
})

test('races: a block that is evicted while its entry waits is never written to the index', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  let written = 0
  const write = dir.index.write.bind(dir.index)
  dir.index.write = (changes) => {
    written += changes.length
    return write(changes)
  }
  const store = await createAt(path, dir, 1)
  for (let i = 0; i < 50; i++) await put(store, contentBlock(i))
  written = 0
  const insertId = await store.outbox.begin()
  await store.outbox.commit(insertId)
  assert.ok(written <= 4, `${written}: that of the last block, of the insert, and of every index`)
  assert.ok(await store.blocks.get(contentBlock(49).address))
})

test('races: editions that replace all blocks of a full store at once do not wait for each other', async (t) => {
  const store = await openAt(await folder(t), 10)
  for (let sequence = 1; sequence < 5; sequence++) {
    const puts = Array.from({ length: 7 }, (_, i) => put(store, signedBlock(i, sequence)))
    assert.deepEqual([...new Set(await Promise.all(puts))], ['stored'])
    let found = 0
    for (let i = 0; i < 7; i++) {
      const got = await store.blocks.get(signedBlock(i, 0).address)
      if (got === undefined) continue
      found++
      assert.deepEqual(got.block, signedBlock(i, sequence).block)
    }
    assert.equal(found, store.blocks.status().blocks)
    assert.ok(found >= 1)
  }
})

test('races: an old edition is there until the entries of the new one are on the disk', async (t) => {
  const path = await folder(t)
  const { store, kill } = await openKillable(path, 2)
  await put(store, signedBlock(1, 1))
  await commit(store)
  assert.equal(await put(store, signedBlock(1, 2)), 'stored')
  // the other slot is taken by the new edition: this one has to wait for a commit, or evict
  await put(store, contentBlock(1))
  await kill()
  const { blocks } = await openAt(path, 2)
  const got = await blocks.get(signedBlock(1, 0).address)
  if (got !== undefined) assert.ok([1, 2].some((i) => equalsEdition(got.block, i)))
  assert.ok(got !== undefined || (await blocks.get(contentBlock(1).address)) !== undefined)
})

test('races: an edition that is committed while the next one takes its place survives a kill', async (t) => {
  const path = await folder(t)
  const { store, kill, dir } = await openKillable(path, 10)
  await put(store, signedBlock(1, 1))
  await commit(store)
  const sync = dir.slab.sync.bind(dir.slab)
  dir.slab.sync = async () => {
    dir.slab.sync = sync
    await put(store, signedBlock(1, 3)) // its entry has to wait for the commit after this one
    return sync()
  }
  await put(store, signedBlock(1, 2))
  const write = dir.index.write.bind(dir.index)
  const written = new Promise<void>((resolve) => {
    dir.index.write = async (changes) => {
      await write(changes)
      dir.index.write = () => Promise.reject(new Error('killed'))
      resolve()
    }
  })
  await written
  await kill()
  const { blocks } = await openAt(path, 10)
  const got = await blocks.get(signedBlock(1, 0).address)
  assert.deepEqual(got?.block, signedBlock(1, 2).block)
})

test('races: an older edition does not come back by a kill when the newer one was evicted', async (t) => {
  const path = await folder(t)
  const { store, kill } = await openKillable(path, 4)
  const { address } = signedBlock(1, 0)
  for (const home of [0, 1, 2] as const) await put(store, signedBlock(1, 1), 'store', home)
  await commit(store)
  for (let i = 0; await store.blocks.has(address); i++) await put(store, contentBlock(i))
  await put(store, signedBlock(1, 2), 'store', 1)
  await commit(store)
  for (let i = 0; await store.blocks.has(address); i++) await put(store, contentBlock(i))
  await commit(store)
  await kill()
  const got = await (await openAt(path, 4)).blocks.get(address)
  assert.ok(got === undefined || equalsEdition(got.block, 2))
})

test('races: the number of an insert is never used again, even if it was killed at once', async (t) => {
  const path = await folder(t)
  let last = 0
  for (let round = 0; round < 4; round++) {
    const { store, kill } = await openKillable(path, 10)
    const numbers = await Promise.all(
      Array.from({ length: 50 * round + 1 }, () => store.outbox.begin()),
    )
    assert.equal(new Set(numbers).size, numbers.length)
    assert.ok(Math.min(...numbers) > last)
    last = Math.max(...numbers)
    await kill()
  }
})

test('races: a pinned block leaves the areas and comes back in the slot it has', async (t) => {
  const store = await openAt(await folder(t), 10)
  const { blocks, outbox } = store
  const insertId = await outbox.begin()
  await outbox.add({ insertId, ...contentBlock(1), homes: [0] })
  await outbox.commit(insertId)
  for (let round = 0; round < 3; round++) {
    assert.equal(await put(store, contentBlock(1), 'cache', round as 0 | 1 | 2), 'stored')
    const before = blocks.status().usedBytes
    assert.equal(await put(store, contentBlock(1), 'store', 0), 'stored')
    assert.ok(blocks.status().usedBytes <= before, 'one slot')
    for (let i = 100; await blocks.has(contentBlock(1).address); i++)
      await put(store, contentBlock(i))
    assert.deepEqual(await outbox.get(contentBlock(1).address), contentBlock(1).block)
  }
  await outbox.homeDone({ insertId, ...contentBlock(1), homesLeft: [0] }, 0)
  assert.equal(await outbox.get(contentBlock(1).address), undefined)
  assert.ok(blocks.status().usedBytes <= 10 * BLOCK_BYTES)
})

test('races: a discard beside adds of the same insert leaves nothing pinned', async (t) => {
  const store = await openAt(await folder(t), 100)
  for (let round = 0; round < 10; round++) {
    const insertId = await store.outbox.begin()
    const adds = Array.from({ length: 8 }, (_, i) =>
      store.outbox.add({ insertId, ...contentBlock(round * 8 + i), homes: [0, 1] }).catch(() => {}),
    )
    const discarding = store.outbox.discard(insertId)
    await Promise.all([...adds, discarding])
    await store.outbox.discard(insertId)
    assert.deepEqual([store.outbox.pendingBlocks, store.blocks.status().usedBytes], [0, 0])
  }
})

/** Counts the timers that are set. */
function countingClock(): Clock & { readonly timers: number } {
  let timers = 0
  return {
    now: () => systemClock.now(),
    get timers() {
      return timers
    },
    after(delayMs, run) {
      let isSet = true
      const end = (): void => {
        if (isSet) timers--
        isSet = false
      }
      timers++
      const cancel = systemClock.after(delayMs, () => {
        end()
        run()
      })
      return () => {
        end()
        cancel()
      }
    },
  }
}

test('races: a close ends everything that runs, and leaves no timer', async (t) => {
  const slots = 600
  const busy: [string, (store: StorePair) => Promise<unknown>[]][] = [
    ['filling', () => []],
    ['putting', (store) => Array.from({ length: 300 }, (_, i) => put(store, contentBlock(i)))],
    [
      'sweeping',
      (store) => Array.from({ length: 2500 }, (_, i) => put(store, contentBlock(i), 'cache')),
    ],
    ['checking', ({ care }) => [care.check()]],
    ['resizing', ({ care }) => [care.resize(40 * 2 ** 20), care.resize(100 * 2 ** 20)]],
    ['waiting', ({ outbox }) => [outbox.room(), outbox.begin()]],
  ]
  const path = await folder(t)
  for (const [what, start] of busy) {
    const clock = countingClock()
    const store = await createAt(path, await openDir(path), slots, clock)
    const running = Promise.allSettled(start(store))
    if (what !== 'filling') await store.blocks.get(contentBlock(1).address)
    await store.blocks.close()
    for (const result of await running) {
      if (result.status === 'rejected') assert.ok(isFineEnd(result.reason), what)
    }
    assert.equal(clock.timers, 0, what)
  }
})

test('races: an abort while a put waits for room keeps nothing', async (t) => {
  const path = await folder(t)
  const dir = await openDir(path)
  const store = await createAt(path, dir, 2)
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const write = dir.slab.write.bind(dir.slab)
  dir.slab.write = async (slot, sealed) => {
    await released
    return write(slot, sealed)
  }
  const first = [put(store, contentBlock(1)), put(store, contentBlock(2))]
  const controller = new AbortController()
  const { signal } = controller
  const request = { ...contentBlock(3), home: 0, area: 'store', link: 1, signal } as const
  const reason = new Error('enough')
  const waiting = assert.rejects(store.blocks.put(request), (error) => error === reason)
  await store.blocks.get(contentBlock(9).address)
  controller.abort(reason)
  release()
  assert.deepEqual(await Promise.all(first), ['stored', 'stored'])
  await waiting
  assert.equal(await store.blocks.has(contentBlock(3).address), undefined)
  assert.equal(await put(store, contentBlock(4)), 'stored')
})

function isFineEnd(reason: unknown): boolean {
  return (['E_CLOSED', 'E_OPTION', 'E_BUSY', 'E_STORE_FULL'] as const).some((code) =>
    hasCode(code)(reason),
  )
}

function equalsEdition(block: Uint8Array, sequence: number): boolean {
  return Buffer.compare(block, signedBlock(1, sequence).block) === 0
}
