/** Inserts that come in parts (spec §11.12). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ShoalError } from '../../src/errors.ts'
import { createMemoryJournal } from '../../src/journal.ts'
import { decodeUpload, encodeUpload } from '../../src/uploads/upload-record.ts'
import type { Uploads } from '../../src/uploads/uploads.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { bytesOf, createUploadBench, keyInOneGo, pieces, rest } from '../helpers/upload-bench.ts'

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

test('a length below what has come is refused and not kept, and the upload can still end', async () => {
  const { uploads } = createUploadBench()
  const { id } = await uploads.create({ tag: 'film' })
  const part = (offset: number, size: number) => ({ offset, content: pieces(bytesOf(size)) })
  await uploads.append(id, { ...part(0, 1000), isLast: false })
  const short = uploads.append(id, { ...part(1000, 0), isLast: false, length: 500 })
  await assert.rejects(short, { code: 'E_REQUEST' })
  await assert.rejects(uploads.create({ tag: 'film', length: 999 }), { code: 'E_EXISTS' })
  assert.equal(uploads.status(id)?.length, undefined)
  const whole = await uploads.append(id, { ...part(1000, 1), isLast: true, length: 1001 })
  assert.equal(whole.result?.size, 1001)
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

test('a tag is that of one upload: who means another one is refused, also after a restart', async () => {
  const bench = createUploadBench()
  const said = { tag: 'film', name: 'a.webm', contentType: 'video/webm', length: 300_000 }
  const { id } = await bench.uploads.create(said)
  const part = { offset: 0, content: pieces(bytesOf(150_000)), isLast: false }
  await bench.uploads.append(id, part)
  const others = [
    { name: 'b.webm' },
    { contentType: 'text/plain' },
    { word: 'sardines' },
    { convergent: true },
    { bare: true },
    { length: 300_001 },
  ]
  for (const uploads of [bench.uploads, await bench.restart()]) {
    for (const other of others) {
      const creating = uploads.create({ ...said, ...other })
      await assert.rejects(creating, { code: 'E_EXISTS' }, JSON.stringify(other))
    }
    assert.equal((await uploads.create(said)).id, id)
    const { length: _, ...unsaid } = said
    assert.equal((await uploads.create(unsaid)).id, id)
  }
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
