import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  RING_POSITIONS,
  SAMPLE_SLOTS,
  checkRange,
  clockwise,
  farthestOutside,
  isInRange,
  sampleSlots,
  storeMark,
  withBucket,
} from '../../src/datastore/eviction.ts'
import type { PositionRange } from '../../src/datastore/store.ts'
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

/** Buckets `from` to `to`, both included. */
function bucketRange(from: number, to: number): PositionRange {
  return { from: from * 2 ** 32, to: (to + 1) * 2 ** 32 - 1 }
}

function farthest(
  buckets: readonly number[],
  range: PositionRange | undefined,
): number | undefined {
  return farthestOutside(
    buckets.map((bucket) => storeMark(9, bucket)),
    range,
  )
}

test('eviction: the farthest outside the range goes, by the shorter way round', () => {
  const range = bucketRange(100, 200)
  assert.equal(farthest([150, 99, 202], range), 2)
  assert.equal(farthest([99, 210, 150], range), 1)
  const across = bucketRange(65_526, 10)
  assert.equal(farthest([11, 32_768, 65_515], across), 1)
  assert.equal(farthest([40, 65_515], across), 0)
})

test('eviction: a bucket that the range only touches is inside', () => {
  for (const range of [
    { from: 2 ** 32 * 100 + 5, to: 2 ** 32 * 100 + 5 },
    { from: 2 ** 32 * 99 + 5, to: 2 ** 32 * 100 },
    { from: 2 ** 32 * 101 - 1, to: 2 ** 32 * 200 },
  ]) {
    assert.equal(farthest([100], range), undefined)
    assert.equal(farthest([98], range), 0)
  }
})

test('eviction: inside the range, or without one, nobody is outside', () => {
  assert.equal(farthest([150, 120, 199, 100, 200], bucketRange(100, 200)), undefined)
  assert.equal(farthest([7, 8, 9], undefined), undefined)
  assert.equal(farthest([], bucketRange(100, 200)), undefined)
})

test('eviction: a mark keeps its link code, whatever the homes', () => {
  for (const code of [0, 1, 63]) {
    for (const bucket of [0, 1, 12_345, 65_535]) {
      const mark = storeMark(code, bucket)
      const both = withBucket(mark, bucket ^ 0x8000, undefined)
      for (const each of [mark, both]) {
        assert.ok(each >= 0 && each < 2 ** 32)
        assert.equal(each >>> 26, code)
        assert.equal(farthestOutside([each], bucketRange(bucket, bucket)), undefined)
      }
      const other = bucketRange(bucket ^ 0x8000, bucket ^ 0x8000)
      assert.equal(farthestOutside([mark], other), 0)
      assert.equal(farthestOutside([both], other), undefined)
    }
  }
})

test('eviction: of another home a mark keeps the upper ten bits of the bucket', () => {
  const mark = withBucket(storeMark(1, 5), 40_000, undefined)
  const first = 40_000 - (40_000 % 64)
  assert.equal(farthestOutside([mark], bucketRange(first, first)), undefined)
  assert.equal(farthestOutside([mark], bucketRange(first + 63, first + 63)), undefined)
  assert.equal(farthestOutside([mark], bucketRange(first - 1, first - 1)), 0)
  assert.equal(farthestOutside([mark], bucketRange(first + 64, first + 64)), 0)
  assert.equal(withBucket(storeMark(1, 5), 6, undefined), storeMark(1, 5), 'too near to be told')
})

test('eviction: of three homes one in the range is kept', () => {
  const range = bucketRange(2 ** 15, 2 ** 15 + 255)
  const two = withBucket(storeMark(1, 5), 40_000, range)
  assert.equal(farthestOutside([two], range), 0)
  const three = withBucket(two, 2 ** 15 + 100, range)
  assert.equal(farthestOutside([three], range), undefined)
  assert.equal(withBucket(three, 40_000, range), three, 'and stays')
  assert.equal(withBucket(two, 2 ** 15 + 100, undefined), two, 'without a range one is as good')
})

test('eviction: a slot is as far as its nearest home', () => {
  const range = bucketRange(0, 255)
  const near = withBucket(storeMark(0, 2 ** 15), 2 ** 10, range)
  assert.equal(farthestOutside([near, storeMark(0, 2 ** 12)], range), 1)
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
