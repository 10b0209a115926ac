/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publisherFromSeed } from '../../src/keys/signed.ts'
import type { DocumentKey } from '../../src/keys/signed.ts'
import type { UskUri } from '../../src/keys/uri.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { createNameWorld, editionBlock, headBlock } from '../helpers/name-world.ts'

const seed = seedFromEnvironment()
const publisher = publisherFromSeed(new Uint8Array(32).fill(9))
const key = publisher.documentKey('site')

function uskOf({ publicKey, readKey, name }: DocumentKey, edition: number): UskUri {
  return { type: 'usk', publicKey, readKey, document: name, edition, path: [] }
}

async function world() {
  const names = createNameWorld(seed)
  const machine = await names.machine()
  const stop = new AbortController()
  const context = { source: machine.source, signal: stop.signal }
  const put = (edition: number): void => {
    const { address, block } = headBlock(publisher, key, edition)
    names.fake.put(address, block)
  }
  const watch = (edition = 0): { seen: number[]; done: Promise<void> } => {
    const seen: number[] = []
    const done = (async () => {
      for await (const each of machine.watches.watch(uskOf(key, edition), context)) seen.push(each)
    })()
    return { seen, done }
  }
  return { ...names, ...machine, stop, context, put, watch }
}

test('a watch tells the newest edition now, and each newer one within half a minute', async () => {
  const { clock, put, watch, stop } = await world()
  put(3)
  const { seen, done } = watch()
  await clock.runFor(1000)
  assert.deepEqual(seen, [3])
  put(4)
  await clock.runFor(31_000)
  assert.deepEqual(seen, [3, 4])
  await clock.runFor(120_000)
  put(9)
  await clock.runFor(31_000)
  assert.deepEqual(seen, [3, 4, 9])
  stop.abort(new Error('enough'))
  await clock.runUntilSettled(done)
})

test('a watch of a name that is not there yet waits for it', async () => {
  const { clock, put, watch, stop } = await world()
  const { seen, done } = watch()
  await clock.runFor(100_000)
  assert.deepEqual(seen, [])
  put(0)
  await clock.runFor(32_000)
  assert.deepEqual(seen, [0])
  stop.abort(new Error('enough'))
  await clock.runUntilSettled(done)
})

test('what this node itself learns wakes a watch at once', async () => {
  const { clock, names, context, put, watch, stop } = await world()
  put(1)
  const { seen, done } = watch()
  await clock.runFor(2000)
  names.noteOwn(key, 2, headBlock(publisher, key, 2).block)
  await clock.runFor(0)
  assert.deepEqual(seen, [1, 2])
  put(3)
  const request = { from: 0, isExhaustive: false, maxAgeMs: 0 }
  await clock.runUntilSettled(names.lookUp(key, request, context))
  assert.deepEqual(seen, [1, 2, 3])
  stop.abort(new Error('enough'))
  await clock.runUntilSettled(done)
})

test('a watch outlives a network that does not answer, and starts as its URI says', async () => {
  const { clock, fake, stop, watch, put } = await world()
  put(1)
  const ahead = editionBlock(publisher, key, 4)
  fake.put(ahead.address, ahead.block)
  const { seen, done } = watch(-2)
  await clock.runFor(2000)
  assert.deepEqual(seen, [4])
  stop.abort(new Error('enough'))
  await clock.runUntilSettled(done)
})

test('64 names are watched at most, and a watch that has ended makes room', async () => {
  const { clock, stop, context, put, watch, watches } = await world()
  put(0)
  const all = Array.from({ length: 64 }, () => watch())
  await clock.runFor(2000)
  assert.throws(() => watches.watch(uskOf(key, 0), context), { code: 'E_BUSY' })
  stop.abort(new Error('enough'))
  await clock.runUntilSettled(Promise.all(all.map(({ done }) => done)))
  assert.ok(watches.watch(uskOf(key, 0), context))
})
