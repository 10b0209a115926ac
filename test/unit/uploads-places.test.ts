/** Which uploads in parts a node keeps, and which give way (spec §11.12). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MAX_UPLOADS } from '../../src/uploads/uploads.ts'
import type { Uploads } from '../../src/uploads/uploads.ts'
import { bytesOf, createUploadBench, pieces, rest } from '../helpers/upload-bench.ts'

const HOUR_MS = 3_600_000

test('the 17th upload is refused, unless another one has been idle for an hour', async () => {
  const { uploads, clock } = createUploadBench()
  const first = await begun(uploads)
  for (let i = 1; i < MAX_UPLOADS; i++) await begun(uploads)
  await assert.rejects(uploads.create({}), { code: 'E_BUSY' })
  await clock.runFor(HOUR_MS)
  await uploads.append(first, { offset: 1, content: pieces(new Uint8Array(1)), isLast: false })
  await uploads.create({})
  assert.equal(uploads.status(first)?.offset, 2, 'the one that was used stays')
})

/** An upload that has a byte. */
async function begun(uploads: Uploads): Promise<string> {
  const { id } = await uploads.create({})
  await uploads.append(id, { offset: 0, content: pieces(new Uint8Array(1)), isLast: false })
  return id
}

test('uploads that begin at the same time have a place each, and one more takes none of them', async () => {
  const { uploads, journal } = createUploadBench()
  const write = journal.write.bind(journal)
  let begin = (): void => {}
  const begins = new Promise<void>((resolve) => {
    begin = resolve
  })
  journal.write = async (name, record) => {
    await begins
    await write(name, record)
  }
  const creating: ReturnType<Uploads['create']>[] = []
  for (let i = 0; i < MAX_UPLOADS; i++) {
    creating.push(uploads.create({}))
    await new Promise((resolve) => setImmediate(resolve)) // each is about to be noted
  }
  await assert.rejects(uploads.create({}), { code: 'E_BUSY' })
  begin()
  const ids = (await Promise.all(creating)).map(({ id }) => id)
  assert.ok(ids.every((id) => uploads.status(id)?.offset === 0))
})

test('uploads without a byte give way at once, the oldest first, and before any with bytes', async () => {
  const { uploads, clock } = createUploadBench()
  const kept = await begun(uploads)
  await clock.runFor(2 * HOUR_MS)
  const [oldest, coming, next] = [
    await uploads.create({}),
    await uploads.create({}),
    await uploads.create({}),
  ]
  const part = openPart(uploads, coming.id)
  for (let i = 4; i < MAX_UPLOADS; i++) await begun(uploads)
  await begun(uploads)
  const left = () => [oldest, next].map(({ id }) => uploads.status(id)?.offset)
  assert.deepEqual(left(), [undefined, 0])
  await begun(uploads)
  assert.deepEqual(left(), [undefined, undefined])
  part.end()
  assert.equal((await part.result).result?.size, 0)
  assert.equal(uploads.status(kept)?.offset, 1)
})

/** A part whose bytes come when a test says so. */
function openPart(uploads: Uploads, id: string) {
  let wake = (_step: IteratorResult<Uint8Array>): void => {}
  const next = (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve) => {
      wake = resolve
    })
  const content = { [Symbol.asyncIterator]: () => ({ next }) }
  const result = uploads.append(id, { offset: 0, content, isLast: true })
  result.catch(() => {}) // told to those who wait for it
  return {
    result,
    push: (piece: Uint8Array) => {
      wake({ value: piece, done: false })
    },
    end: () => {
      wake({ value: undefined, done: true })
    },
  }
}

test('an upload whose part is coming in is never idle, be it fast, slow or waiting', async () => {
  const { uploads, clock } = createUploadBench()
  const [slow, waiting] = [await uploads.create({}), await uploads.create({})]
  const parts = { slow: openPart(uploads, slow.id), waiting: openPart(uploads, waiting.id) }
  for (let i = 2; i < MAX_UPLOADS; i++) await begun(uploads)
  for (let minute = 0; minute < 25 * 60; minute++) {
    await clock.runFor(60_000)
    parts.slow.push(new Uint8Array(100))
  }
  for (let i = 2; i < MAX_UPLOADS; i++) await begun(uploads)
  await assert.rejects(uploads.create({}), { code: 'E_BUSY' })
  for (const part of Object.values(parts)) {
    await clock.runFor(0)
    part.end()
  }
  assert.equal((await parts.slow.result).result?.size, 150_000)
  assert.equal((await parts.waiting.result).result?.size, 0)
})

test('an upload without a byte for a day ends', async () => {
  const { uploads, clock, journal } = createUploadBench()
  const { id } = await uploads.create({})
  await clock.runFor(23 * HOUR_MS)
  assert.notEqual(uploads.status(id), undefined)
  await clock.runFor(2 * HOUR_MS)
  assert.equal(uploads.status(id), undefined)
  assert.deepEqual(await journal.names(), [])
})

/** An upload of several segments that is whole; the number under which its spread is told. */
async function whole(uploads: Uploads): Promise<number> {
  const { id } = await uploads.create({})
  const { result } = await rest(uploads, id, bytesOf(250_000))
  return result?.insertId ?? assert.fail()
}

/** All blocks have their copies that were inserted after the upload with that number. */
async function spreadBlocks({ store }: ReturnType<typeof createUploadBench>, after = 0) {
  for (const entry of store.outbox.entries()) {
    if (entry.insertId <= after) continue
    for (const home of entry.homesLeft) await store.outbox.homeDone(entry, home)
  }
}

test('a whole upload takes no place of those under way, and tells its spread until it has spread', async () => {
  const bench = createUploadBench()
  const { uploads, clock, journal } = bench
  const { outbox } = bench.store
  const insertId = await whole(uploads)
  const blocks = outbox.pendingBlocks
  for (let i = 0; i < MAX_UPLOADS; i++) await begun(uploads)
  await assert.rejects(uploads.create({}), { code: 'E_BUSY' })
  await clock.runFor(48 * HOUR_MS)
  assert.equal((await journal.names()).length, 1)
  const left = { blocks, spreadBlocks: 0, lostBlocks: 0 }
  assert.deepEqual(uploads.spread(insertId, outbox), left)
  assert.deepEqual((await bench.restart()).spread(insertId, outbox), left)
  await spreadBlocks(bench)
  assert.deepEqual(uploads.spread(insertId, outbox), { ...left, spreadBlocks: blocks })
  await clock.runFor(HOUR_MS)
  assert.deepEqual(await journal.names(), [])
})

test('an upload that has spread when it ends is not forgotten before its sender knows', async () => {
  const bench = createUploadBench()
  for (let i = 0; i < MAX_UPLOADS; i++) await whole(bench.uploads)
  const { outbox } = bench.store
  const last = await outbox.begin()
  const commit = outbox.commit.bind(outbox)
  outbox.commit = async (insertId) => {
    await commit(insertId)
    await spreadBlocks(bench, last)
  }
  const { id } = await bench.uploads.create({})
  const { result } = await rest(bench.uploads, id, bytesOf(250_000))
  assert.deepEqual(bench.uploads.status(id)?.result, result)
})

test('of too many whole uploads one that has spread is forgotten first, then the oldest; and it is not taken for its last part', async () => {
  const bench = createUploadBench()
  const { outbox } = bench.store
  const isTold = (insertId: number): boolean =>
    (bench.uploads.spread(insertId, outbox) ?? outbox.insert(insertId)) !== undefined
  const first = await whole(bench.uploads)
  const second = await whole(bench.uploads)
  await spreadBlocks(bench, first)
  for (let i = 2; i < MAX_UPLOADS; i++) await whole(bench.uploads)
  assert.deepEqual([first, second].map(isTold), [true, true])
  assert.ok(isTold(await whole(bench.uploads)))
  assert.deepEqual([first, second].map(isTold), [true, false])
  assert.ok(isTold(await whole(bench.uploads)))
  assert.deepEqual([first, second].map(isTold), [false, false])
})
