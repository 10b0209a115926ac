/** Inserts that come in parts (spec §11.12). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { insertContent } from '../../src/content/insert.ts'
import { ShoalError } from '../../src/errors.ts'
import { createMemoryJournal } from '../../src/journal.ts'
import { decodeUpload, encodeUpload } from '../../src/uploads/upload-record.ts'
import { MAX_UPLOADS } from '../../src/uploads/uploads.ts'
import type { Uploads } from '../../src/uploads/uploads.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { createUploadBench, fillOutbox } from '../helpers/upload-bench.ts'

const HOUR_MS = 3_600_000

function bytesOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)
}

async function* pieces(
  bytes: Uint8Array,
  { size = 10_000, error }: { size?: number; error?: Error } = {},
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve()
    yield bytes.subarray(at, at + size)
  }
  if (error !== undefined) throw error
}

/** The key that the same bytes get from an insert in one go. */
async function keyInOneGo(bytes: Uint8Array, isBare: boolean): Promise<string> {
  const { store, clock } = createUploadBench()
  const context = { outbox: store.outbox, clock, peers: () => 0, added: () => {}, signals: [] }
  const request = { name: 'a', contentType: undefined, isConvergent: true, isBare }
  return (await insertContent(pieces(bytes), request, context)).uri
}

function rest(uploads: Uploads, id: string, bytes: Uint8Array) {
  const offset = uploads.status(id)?.offset ?? 0
  return uploads.append(id, { offset, content: pieces(bytes.subarray(offset)), isLast: true })
}

const SIZES = [0, 1, 32_700, 32_768, 99_999, 100_000, 1_000_003]
const CASES = SIZES.flatMap((size) => [false, true].map((bare) => ({ size, bare })))

for (const { size, bare } of CASES) {
  test(`${size} bytes in parts, with restarts, get the key of the whole (${bare ? 'URN' : 'CHK'})`, async () => {
    const seed = Number(process.env['SEED'] ?? size + 1)
    const rng = createSeededRng(seed)
    const bench = createUploadBench()
    const bytes = bytesOf(size)
    let { uploads } = bench
    const { id } = await uploads.create({ name: 'a', convergent: true, bare })
    for (let parts = 0; parts < 6; parts++) {
      const { offset } = uploads.status(id) ?? assert.fail()
      const end = offset + rng.below(size - offset + 1)
      const content = pieces(bytes.subarray(offset, end), { size: 1 + rng.below(50_000) })
      await uploads.append(id, { offset, content, isLast: false })
      assert.equal(uploads.status(id)?.offset, end, `SEED=${seed}`)
      if (rng.below(2) === 1) uploads = await bench.restart()
    }
    const { result } = await rest(uploads, id, bytes)
    assert.equal(result?.uri, await keyInOneGo(bytes, bare), `SEED=${seed}`)
    assert.equal(result?.size, size)
  })
}

test('after a crash an upload goes on where it was kept last, with the same secret', async () => {
  const bench = createUploadBench()
  const bytes = bytesOf(350_000)
  const { id } = await bench.uploads.create({ name: 'a' })
  await bench.uploads.append(id, { offset: 0, content: pieces(bytes), isLast: false })
  const uploads = await bench.restart()
  assert.equal(uploads.status(id)?.offset, 300_000)
  const { result } = await rest(uploads, id, bytes)
  assert.equal(result?.size, 350_000)
  const later = await bench.restart()
  assert.deepEqual(later.status(id)?.result, result, 'what became of it is known after a restart')
  const { outbox } = bench.store
  const spread = later.spread(result?.insertId ?? 0, outbox)
  assert.deepEqual(spread, { blocks: outbox.pendingBlocks, spreadBlocks: 0, lostBlocks: 0 })
})

test('a connection that breaks costs nothing that has come', async () => {
  const { uploads } = createUploadBench()
  const { id } = await uploads.create({})
  const content = pieces(bytesOf(50_000), { error: new Error('broken') })
  await assert.rejects(uploads.append(id, { offset: 0, content, isLast: true }), /broken/)
  assert.equal(uploads.status(id)?.offset, 50_000)
  assert.equal(uploads.status(id)?.result, undefined)
})

test('a part ends when its offset is asked for, and nothing of it is taken after that', async () => {
  const { uploads } = createUploadBench()
  const { id } = await uploads.create({})
  let push = (_piece: Uint8Array): void => {}
  const content = (async function* () {
    yield new Uint8Array(10)
    yield await new Promise<Uint8Array>((resolve) => {
      push = resolve
    })
  })()
  const hanging = uploads.append(id, { offset: 0, content, isLast: true })
  assert.ok(await tookTen(uploads, id))
  await assert.rejects(hanging, { code: 'E_REQUEST' })
  push(new Uint8Array(10))
  const part = { offset: 10, content: pieces(new Uint8Array(5)), isLast: true }
  assert.equal((await uploads.append(id, part)).result?.size, 15)
})

async function tookTen(uploads: Uploads, id: string): Promise<boolean> {
  for (let turns = 0; turns < 50; turns++) await Promise.resolve()
  return uploads.status(id)?.offset === 10
}

test('a part that begins elsewhere, is too long or comes too late is refused', async () => {
  const { uploads } = createUploadBench()
  const append = (id: string, offset: number, size: number, length?: number) =>
    uploads.append(id, { offset, content: pieces(new Uint8Array(size)), isLast: true, length })
  const { id } = await uploads.create({ length: 20 })
  await assert.rejects(append(id, 5, 1), { code: 'E_OFFSET' })
  await assert.rejects(append(id, 5, 20, 25), { code: 'E_OFFSET' })
  await assert.rejects(append(id, 0, 21), { code: 'E_REQUEST' })
  await assert.rejects(append(id, 0, 20, 30), { code: 'E_REQUEST' })
  await assert.rejects(append(id, 0, 19), { code: 'E_REQUEST' })
  assert.equal((await append(id, 19, 1)).result?.size, 20)
  await assert.rejects(append(id, 20, 0), { code: 'E_REQUEST' })
  await assert.rejects(append('f'.repeat(32), 0, 0), { code: 'E_ROUTE' })
  await assert.rejects(append('upload-x', 0, 0), { code: 'E_ROUTE' })
})

test('a full store sends an upload back to where it was kept, and it can go on', async () => {
  const bench = createUploadBench()
  const { id } = await bench.uploads.create({ convergent: true, name: 'a' })
  const bytes = bytesOf(500_000)
  const add = bench.store.outbox.add.bind(bench.store.outbox)
  let left = 9
  bench.store.outbox.add = (request) => {
    if (left-- > 0) return add(request)
    return Promise.reject(new ShoalError('E_STORE_FULL', 'No.'))
  }
  const part = { offset: 0, content: pieces(bytes), isLast: true }
  await assert.rejects(bench.uploads.append(id, part), { code: 'E_STORE_FULL' })
  assert.equal(bench.uploads.status(id)?.offset, 300_000)
  bench.store.outbox.add = add
  const { result } = await rest(bench.uploads, id, bytes)
  assert.equal(result?.uri, await keyInOneGo(bytes, false))
})

function fullBench(blocks: number) {
  const bench = createUploadBench()
  return { ...bench, ...fillOutbox(bench, blocks) }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function broken(uploads: Uploads, id: string, offset: number, content: Uint8Array) {
  const hangUp = new AbortController()
  const part = { offset, content: pieces(content), isLast: true, signal: hangUp.signal }
  const appending = uploads.append(id, part)
  const outcome = assert.rejects(appending, /gone/)
  await turns()
  hangUp.abort(new Error('gone'))
  await outcome
}

test('a sender that goes away while the outbox is full is waited for no longer, and costs nothing', async () => {
  const bench = fullBench(20)
  const { uploads, clock } = bench
  const bytes = bytesOf(2_000_000)
  const { id } = await uploads.create({ name: 'a', convergent: true })
  await broken(uploads, id, 0, bytes)
  const offset = uploads.status(id)?.offset ?? 0
  assert.ok(offset > 20 * 32_768, `${offset}`)
  for (let tries = 0; tries < 3; tries++) await broken(uploads, id, offset, bytes.subarray(offset))
  assert.equal(uploads.status(id)?.offset, offset)
  bench.empty()
  await clock.runFor(1000)
  const { result } = await rest(uploads, id, bytes)
  assert.equal(result?.uri, await keyInOneGo(bytes, false))
})

test('an upload that waits for room can be given up, and a node closed', async () => {
  const { uploads, store, journal } = fullBench(20)
  const { id } = await uploads.create({})
  await broken(uploads, id, 0, bytesOf(2_000_000))
  assert.equal(await uploads.cancel(id), true)
  assert.equal(store.outbox.pendingBlocks, 0)
  assert.deepEqual(await journal.names(), [])
  await uploads.close()
})

test('a last part that finds the upload ended by the one before it has its result', async () => {
  const bench = fullBench(25)
  const { uploads, clock } = bench
  const bytes = bytesOf(810_000)
  const { id } = await uploads.create({})
  await broken(uploads, id, 0, bytes)
  const { offset = 0 } = uploads.status(id) ?? {}
  assert.equal(offset, bytes.length, 'the rest waits for room')
  const again = rest(uploads, id, bytes)
  await turns()
  bench.empty()
  await clock.runFor(1000)
  assert.equal((await again).result?.size, bytes.length)
})

test('an upload that is given up leaves nothing in outbox and journal', async () => {
  const bench = createUploadBench()
  const { id } = await bench.uploads.create({})
  await bench.uploads.append(id, { offset: 0, content: pieces(bytesOf(450_000)), isLast: false })
  assert.ok(bench.store.outbox.pendingBlocks > 0)
  assert.equal(await bench.uploads.cancel(id), true)
  assert.equal(await bench.uploads.cancel(id), false)
  assert.equal(bench.store.outbox.pendingBlocks, 0)
  assert.deepEqual(await bench.journal.names(), [])
  assert.equal(bench.uploads.status(id), undefined)
})

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
async function spread({ store }: ReturnType<typeof createUploadBench>, after = 0) {
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
  await spread(bench)
  assert.deepEqual(uploads.spread(insertId, outbox), { ...left, spreadBlocks: blocks })
  await clock.runFor(HOUR_MS)
  assert.deepEqual(await journal.names(), [])
})

test('of too many whole uploads one that has spread is forgotten first, then the oldest; and it is not taken for its last part', async () => {
  const bench = createUploadBench()
  const { outbox } = bench.store
  const isTold = (insertId: number): boolean =>
    (bench.uploads.spread(insertId, outbox) ?? outbox.insert(insertId)) !== undefined
  const first = await whole(bench.uploads)
  const second = await whole(bench.uploads)
  await spread(bench, first)
  for (let i = 2; i < MAX_UPLOADS; i++) await whole(bench.uploads)
  assert.deepEqual([first, second].map(isTold), [true, true])
  assert.ok(isTold(await whole(bench.uploads)))
  assert.deepEqual([first, second].map(isTold), [true, false])
  assert.ok(isTold(await whole(bench.uploads)))
  assert.deepEqual([first, second].map(isTold), [false, false])
})

test('an upload with the same tag goes on, until it is whole', async () => {
  const bench = createUploadBench()
  const bytes = bytesOf(150_000)
  const { id } = await bench.uploads.create({ tag: 'film' })
  await bench.uploads.append(id, { offset: 0, content: pieces(bytes), isLast: false })
  const uploads = await bench.restart()
  const same = await uploads.create({ tag: 'film' })
  assert.deepEqual([same.id, same.offset], [id, 100_000])
  await rest(uploads, id, bytes)
  assert.notEqual((await uploads.create({ tag: 'film' })).id, id)
})

test('a record that is damaged is dropped, and the others go on', async () => {
  const bench = createUploadBench()
  const { id } = await bench.uploads.create({})
  await bench.journal.write('upload-x', new Uint8Array(100))
  const uploads = await bench.restart()
  assert.equal(uploads.status(id)?.offset, 0)
  assert.deepEqual(await bench.journal.names(), [`upload-${id}`])
})

/** As the journal keeps it: a segment for each 16 MiB, a leaf and four levels of pairs. */
function recordOf(tebibytes: number): Uint8Array {
  const segment = { insertId: 9_000_000, blocks: 514 }
  const segments = Array.from({ length: tebibytes * 2 ** 16 }, () => segment)
  const snapshot = new Uint8Array(5 * 32_768)
  const state = { size: tebibytes * 2 ** 40, secret: new Uint8Array(32), snapshot, segments }
  const name = 'a'.repeat(255)
  const request = { name, contentType: undefined, isConvergent: false, isBare: false }
  const others = { tag: 'a'.repeat(64), length: state.size, result: undefined }
  return encodeUpload({ id: 'f'.repeat(32), request, state, ...others })
}

test('the journal has room for an upload of 1 TiB, and refuses a record that would outgrow it', async () => {
  const journal = createMemoryJournal()
  await journal.write('upload-a', recordOf(1))
  await assert.rejects(journal.write('upload-a', recordOf(2)), { code: 'E_STORE_FULL' })
  const kept = decodeUpload((await journal.read('upload-a')) ?? assert.fail())
  assert.equal(kept?.state?.segments.length, 2 ** 16, 'the one of before is still there')
})
