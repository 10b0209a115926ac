/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare, mapKey } from '../../src/keys/bytes.ts'
import { FilteredIndex } from '../../src/datastore/filtered-index.ts'
import { KeyFilter } from '../../src/datastore/key-filter.ts'
import type { Index } from '../../src/datastore/rocks-index.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`
const rng = createSeededRng(seed)
const randomKey = (): Uint8Array => Uint8Array.from({ length: 32 }, () => rng.below(256))
const VALUE = Uint8Array.of(1)

/** An index in memory that counts the keys it is asked for. */
function memoryIndex() {
  const entries = new Map<string, { key: Uint8Array; value: Uint8Array }>()
  const asked = { keys: 0 }
  const index: Index = {
    getMany: (keys) => {
      asked.keys += keys.length
      return Promise.resolve(keys.map((key) => entries.get(mapKey(key))?.value))
    },
    write: (changes) => {
      for (const { key, value } of changes) {
        if (value === undefined) entries.delete(mapKey(key))
        else entries.set(mapKey(key), { key, value })
      }
      return Promise.resolve()
    },
    range: ({ gt }, limit) => {
      const sorted = [...entries.values()].toSorted((a, b) => compare(a.key, b.key))
      const rest = sorted.filter(({ key }) => gt === undefined || compare(key, gt) > 0)
      return Promise.resolve(rest.slice(0, limit))
    },
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
  return { index, asked, entries }
}

test('a filter never denies a key that was added, and denies most others', () => {
  const slots = 2000
  const filter = new KeyFilter(slots)
  const keys = Array.from({ length: 2 * slots }, randomKey)
  for (const key of keys) filter.add(key)
  assert.ok(
    keys.every((key) => filter.mayHave(key)),
    at,
  )
  const maybes = Array.from({ length: 10_000 }, randomKey).filter((key) => filter.mayHave(key))
  assert.ok(maybes.length < 1500, `${at}: ${maybes.length}`)
})

test('until the scan is over everything is asked of the disk, then absent keys are not', async () => {
  const inner = memoryIndex()
  const held = Array.from({ length: 3000 }, randomKey)
  await inner.index.write(held.map((key) => ({ key, value: VALUE })))
  const index = new FilteredIndex(inner.index, 4000)
  assert.deepEqual(await index.getMany(held.slice(0, 2)), [VALUE, VALUE], at)
  let next = {}
  for (
    let page = await index.range(next, 1000);
    page.length > 0;
    page = await index.range(next, 1000)
  ) {
    next = { gt: page.at(-1)?.key }
  }
  index.trust()
  assert.ok(
    (await index.getMany(held)).every((value) => value === VALUE),
    at,
  )
  inner.asked.keys = 0
  const absent = Array.from({ length: 1000 }, randomKey)
  assert.ok(
    (await index.getMany(absent)).every((value) => value === undefined),
    at,
  )
  assert.ok(inner.asked.keys < 150, `${at}: ${inner.asked.keys}`)
})

test('through any number of writes and deletions no key is lost, and the filter is made anew', async () => {
  const inner = memoryIndex()
  const index = new FilteredIndex(inner.index, 500)
  index.trust()
  const held: Uint8Array[] = []
  for (let round = 0; round < 300; round++) {
    const fresh = Array.from({ length: 50 }, randomKey)
    held.push(...fresh)
    const gone = held.splice(0, Math.max(0, held.length - 500))
    await index.write([
      ...fresh.map((key) => ({ key, value: VALUE })),
      ...gone.map((key) => ({ key, value: undefined })),
    ])
    assert.ok(
      (await index.getMany(held)).every((value) => value === VALUE),
      `${at}: ${round}`,
    )
  }
  inner.asked.keys = 0
  await index.getMany(Array.from({ length: 1000 }, randomKey))
  assert.ok(inner.asked.keys < 400, `${at}: ${inner.asked.keys}`)
  await index.close()
})
