/** Uploads in parts that go under a word (spec §9.8, §11.12). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { createMemoryJournal } from '../../src/journal.ts'
import { readUploads, Uploads } from '../../src/uploads/uploads.ts'
import { once, startPublishing } from '../helpers/publishing.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const WORD = 'sardines'

function bytesOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)
}

/** Machines with uploads, which can be started again. */
function world(t: TestContext) {
  const given = startPublishing(t, seed)
  const machine = async (peers = 3) => {
    const node = await given.machine({ peers })
    const journal = createMemoryJournal()
    const open = async (): Promise<Uploads> => {
      const { signal } = new AbortController()
      const parts = { clock: given.clock, signal, added: () => node.spreader.wake() }
      const words = node.publications
      const sink = { ...parts, outbox: node.outbox, peers: () => node.peers, words }
      return new Uploads({ journal, sink, checkpointBytes: 100_000 }, await readUploads(journal))
    }
    const insertWord = (content: Uint8Array, isConvergent = false) =>
      node.publications.insertWord(
        { type: 'file', content: once(content), name: 'a.webm' },
        { word: WORD, isConvergent },
      )
    return { node, open, journal, insertWord }
  }
  return { ...given, machine }
}

for (const [size, convergent] of [
  [10, false],
  [32_600, false],
  [300_003, false],
  [300_003, true],
] as const) {
  test(`${size} bytes in parts under a word are what one insert puts there (convergent: ${convergent})`, async (t) => {
    const { machine, run, clock } = world(t)
    const [one, other] = [await machine(), await machine()]
    const bytes = bytesOf(size)
    const cut = Math.floor(size / 2)
    let uploads = await one.open()
    const { id } = await run(uploads.create({ name: 'a.webm', word: WORD, convergent }))
    const part = { offset: 0, content: once(bytes.subarray(0, cut)), isLast: false }
    await run(uploads.append(id, part))
    uploads = await one.open()
    const { offset } = uploads.status(id) ?? assert.fail()
    const rest = { offset, content: once(bytes.subarray(offset)), isLast: true }
    const { result } = await run(uploads.append(id, rest))
    assert.deepEqual([result?.uri, result?.type, result?.size], [`KSK@${WORD}`, 'video/webm', size])
    assert.deepEqual((await one.open()).status(id)?.result, result)
    await clock.runFor(5000)
    const again = await run(other.insertWord(bytes, convergent))
    assert.equal(again.uri, result?.uri, 'not a collision: it is the same')
  })
}

test('a word that is somebody else’s ends the upload, and nothing of it stays', async (t) => {
  const { machine, run, clock } = world(t)
  const [one, other] = [await machine(), await machine()]
  await run(other.insertWord(bytesOf(10)))
  await clock.runFor(5000)
  const uploads = await one.open()
  const { id } = await run(uploads.create({ word: WORD }))
  const part = { offset: 0, content: once(bytesOf(250_000)), isLast: true }
  await assert.rejects(run(uploads.append(id, part)), { code: 'E_COLLISION' })
  assert.equal(uploads.status(id), undefined)
  assert.equal(one.node.outbox.pendingBlocks, 0)
  assert.deepEqual(await one.journal.names(), [])
})

test('when nobody answers for the word, nothing has to be sent again, and an empty last part ends it', async (t) => {
  const { machine, run } = world(t)
  const one = await machine()
  const uploads = await one.open()
  const { id } = await run(uploads.create({ word: WORD }))
  one.node.fails = 'timed-out'
  const part = { offset: 0, content: once(bytesOf(150_001)), isLast: true }
  await assert.rejects(run(uploads.append(id, part)), { code: 'E_TIMEOUT' })
  one.node.fails = undefined
  const later = await one.open()
  assert.equal(later.status(id)?.offset, 150_001)
  const end = { offset: 150_001, content: once(new Uint8Array()), isLast: true }
  assert.equal((await run(later.append(id, end))).result?.uri, `KSK@${WORD}`)
})

test('without peers an upload for a word does not begin', async (t) => {
  const { machine, run } = world(t)
  const { open, journal } = await machine(0)
  const uploads = await open()
  await assert.rejects(run(uploads.create({ word: WORD })), { code: 'E_NO_PEERS' })
  await assert.rejects(run(uploads.create({ word: '12' })), { code: 'E_NAME' })
  assert.deepEqual(await journal.names(), [])
})
