import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  RING_POSITIONS,
  SAMPLE_SLOTS,
  checkRange,
  clockwise,
  isInRange,
  sampleSlots,
  storeVictim,
} from '../../src/datastore/eviction.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const LAST = RING_POSITIONS - 1

test('eviction: a range includes both ends and may wrap past zero', () => {
  const cases: [number, number, number, boolean][] = [
    [10, 20, 9, false],
    [10, 20, 10, true],
    [10, 20, 20, true],
    [10, 20, 21, false],
    [LAST, 1, LAST, true],
    [LAST, 1, 0, true],
    [LAST, 1, 1, true],
    [LAST, 1, 2, false],
    [LAST, 1, LAST - 1, false],
    [5, 5, 5, true],
    [5, 5, 6, false],
    [6, 5, 5, true],
    [0, LAST, LAST, true],
  ]
  for (const [from, to, position, expected] of cases) {
    assert.equal(isInRange(position, { from, to }), expected, `${position} in ${from}..${to}`)
  }
  assert.equal(clockwise(LAST, 0), 1)
  assert.equal(clockwise(0, LAST), LAST)
})

test('eviction: ends that are no positions are a RangeError', () => {
  for (const end of [-1, RING_POSITIONS, 0.5, Number.NaN]) {
    assert.throws(() => checkRange({ from: end, to: 0 }), RangeError)
    assert.throws(() => checkRange({ from: 0, to: end }), RangeError)
  }
})

test('eviction: the farthest outside the range goes, by the shorter way round', () => {
  const range = { from: 100, to: 200 }
  assert.equal(storeVictim([150, 99, 201], range), 1, 'as far as the other: the first')
  assert.equal(storeVictim([99, 210, 150], range), 1)
  const across = { from: LAST - 9, to: 10 }
  assert.equal(storeVictim([11, RING_POSITIONS / 2, LAST - 20], across), 1)
  assert.equal(storeVictim([40, LAST - 20], across), 0)
})

test('eviction: inside the range, or without one, the first of the sample goes', () => {
  assert.equal(storeVictim([150, 120, 199], { from: 100, to: 200 }), 0)
  assert.equal(storeVictim([7, 8, 9], undefined), 0)
})

test('eviction: a sample is bounded, and holds only what is wanted', () => {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  const sample = sampleSlots(100_000, rng, (slot) => slot % 2 === 0)
  assert.equal(sample.length, SAMPLE_SLOTS)
  assert.ok(sample.every((slot) => slot % 2 === 0))
  assert.ok(new Set(sample).size > 8, `random, SEED=${seed}`)
})

test('eviction: the only slot wanted is found among many, and none where there is none', () => {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  for (const slots of [1, 128, 129, 10_000]) {
    for (const only of [0, slots - 1]) {
      const sample = sampleSlots(slots, rng, (slot) => slot === only)
      assert.deepEqual([...new Set(sample)], [only], `SEED=${seed}`)
    }
    assert.deepEqual(
      sampleSlots(slots, rng, () => false),
      [],
    )
  }
  assert.deepEqual(
    sampleSlots(0, rng, () => true),
    [],
  )
})
