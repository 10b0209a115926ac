/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FilteredIndex } from '../../src/datastore/filtered-index.ts'
import { KeyFilter } from '../../src/datastore/key-filter.ts'
import { memoryIndex } from '../helpers/memory-index.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const rng = createSeededRng(seed)
const randomKey = (): Uint8Array => Uint8Array.from({ length: 32 }, () => rng.below(256))
const VALUE = Uint8Array.of(1)

test('a filter never denies a key that was added, and denies most others', () => {
  const slots = 2000
  const filter = new KeyFilter(slots)
  assert.equal(filter.bits.length, slots, 'a byte a slot')
  const keys = Array.from({ length: 2 * slots }, randomKey)
  for (const key of keys) filter.add(key)
  assert.ok(
    keys.every((key) => filter.mayHave(key)),
    at,
  )
  const maybes = Array.from({ length: 10_000 }, randomKey).filter((key) => filter.mayHave(key))
  assert.ok(maybes.length < 2000, `${at}: ${maybes.length}`)
})

test('until it is trusted everything is asked of the disk, then most absent keys are not', async () => {
  const inner = memoryIndex()
  const held = Array.from({ length: 3000 }, randomKey)
  await inner.index.write(held.map((key) => ({ key, value: VALUE })))
  const index = new FilteredIndex(inner.index, 4000)
  assert.deepEqual(await index.getMany(held.slice(0, 2)), [VALUE, VALUE], at)
  for (const key of held) index.learn(key)
  index.trust()
  assert.ok(
    (await index.getMany(held)).every((value) => value === VALUE),
    at,
  )
  const mixed = [randomKey(), held[7] as Uint8Array, randomKey()]
  assert.deepEqual(await index.getMany(mixed), [undefined, VALUE, undefined], at)
  inner.asked.keys = 0
  const absent = Array.from({ length: 1000 }, randomKey)
  assert.ok(
    (await index.getMany(absent)).every((value) => value === undefined),
    at,
  )
  assert.ok(inner.asked.keys < 150, `${at}: ${inner.asked.keys}`)
})

test('what is written is known at once, and cleared with the rest', async () => {
  const inner = memoryIndex()
  const index = new FilteredIndex(inner.index, 500)
  index.trust()
  const key = randomKey()
  await index.write([{ key, value: VALUE }])
  assert.deepEqual(await index.getMany([key]), [VALUE], at)
  for (let i = 0; i < 3000; i++) index.learn(randomKey())
  assert.equal(index.isFull, true)
  index.clear()
  assert.deepEqual([index.isFull, index.isTrusted], [false, false])
  assert.deepEqual(await index.getMany([key]), [VALUE], at)
})

test('a key whose write was under way when the filter was cleared is known afterwards', async () => {
  const inner = memoryIndex()
  let finish = (): void => {}
  const index = new FilteredIndex(
    {
      ...inner.index,
      write: async (changes) => {
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        await inner.index.write(changes)
      },
    },
    500,
  )
  index.trust()
  const key = randomKey()
  const writing = index.write([{ key, value: VALUE }])
  index.clear()
  assert.deepEqual(await index.range({}, 10), [], 'the pass does not meet it')
  finish()
  await writing
  index.trust()
  assert.deepEqual(await index.getMany([key]), [VALUE], at)
})
