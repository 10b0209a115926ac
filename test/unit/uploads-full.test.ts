/** Uploads in parts while the outbox has no room: who goes away, and what is given up meanwhile. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Uploads } from '../../src/uploads/uploads.ts'
import {
  bytesOf,
  createUploadBench,
  fillOutbox,
  keyInOneGo,
  pieces,
  rest,
} from '../helpers/upload-bench.ts'

function fullBench(blocks: number) {
  const bench = createUploadBench()
  return { ...bench, ...fillOutbox(bench, blocks) }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function broken(uploads: Uploads, id: string, offset: number, content: Uint8Array) {
  const hangUp = new AbortController()
  const part = { offset, content: pieces(content), isLast: true, signal: hangUp.signal }
  const appending = uploads.append(id, part)
  const outcome = assert.rejects(appending, /gone/)
  await settled()
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
  await settled()
  bench.empty()
  await clock.runFor(1000)
  assert.equal((await again).result?.size, bytes.length)
})

test('a last part with more than the upload had when it ended is refused', async () => {
  const bench = fullBench(25)
  const { uploads, clock } = bench
  const bytes = bytesOf(810_000)
  const { id } = await uploads.create({})
  await broken(uploads, id, 0, bytes)
  const more = rest(uploads, id, bytesOf(820_000))
  const outcome = assert.rejects(more, { code: 'E_REQUEST' })
  await settled()
  bench.empty()
  await clock.runFor(1000)
  await outcome
  assert.equal(uploads.status(id)?.result?.size, bytes.length)
})
