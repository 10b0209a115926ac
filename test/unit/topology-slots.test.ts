/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RING, distance } from '../../src/routing/position.ts'
import { estimateSize, estimateSpacing } from '../../src/routing/ring-size.ts'
import {
  drawInSlot,
  placeOf,
  positionInSlot,
  slotBoundaries,
  slotOf,
} from '../../src/routing/ring-slots.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import { kolmogorovSmirnov } from '../helpers/topology-network.ts'

const HALF = RING / 2

test('slots begin at the distance of the 4th neighbor, end at half the ring, and grow by one factor', () => {
  const boundaries = slotBoundaries(RING / 10_000, 8)
  assert.equal(boundaries.length, 9)
  assert.equal(boundaries[0], (4 * RING) / 10_000)
  assert.equal(boundaries[8], HALF)
  const factors = boundaries.slice(1).map((to, index) => to / (boundaries[index] as number))
  for (const factor of factors) assert.ok(Math.abs(factor - (factors[0] as number)) < 1e-9)
})

test('slots exist whatever the spacing: of one position, and of more than the ring', () => {
  for (const spacing of [0, 1, RING / 8, RING, Infinity]) {
    const boundaries = slotBoundaries(spacing, 8)
    for (let index = 1; index < boundaries.length; index++) {
      const from = boundaries[index - 1] as number
      assert.ok(from > 0 && (boundaries[index] as number) > from, `spacing ${spacing}`)
    }
  }
})

test('a position is in one slot: those after this node first, those before it last', () => {
  const own = RING - 5000
  const boundaries = slotBoundaries(1000, 4)
  const first = boundaries[0] as number
  const at = (steps: number): number => (own + steps + RING) % RING
  assert.equal(slotOf(own, own, boundaries), undefined)
  assert.equal(slotOf(own, at(first - 1), boundaries), undefined)
  assert.equal(slotOf(own, at(first), boundaries), 0)
  assert.equal(slotOf(own, at(-first), boundaries), 4)
  assert.equal(slotOf(own, at(HALF - 1), boundaries), 3)
  assert.equal(slotOf(own, at(HALF), boundaries), 3)
  assert.equal(slotOf(own, at(HALF + 1), boundaries), 7)
})

test('what is drawn in a slot lies in it, evenly on a log scale', () => {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  const own = rng.below(RING)
  const boundaries = slotBoundaries(RING / 5000, 8)
  const fractions: number[] = []
  for (let each = 0; each < 4000; each++) {
    const slot = rng.below(16)
    const place = placeOf(own, drawInSlot(own, slot, boundaries, rng), boundaries)
    assert.equal(place?.slot, slot, `SEED=${seed}`)
    fractions.push(place?.fraction ?? 0)
  }
  assert.ok(kolmogorovSmirnov(fractions) < 0.04, `SEED=${seed}`)
  const halfWay = positionInSlot(own, 3, 0.5, boundaries)
  const fraction = placeOf(own, halfWay, boundaries)?.fraction as number
  assert.ok(Math.abs(fraction - 0.5) < 1e-6)
})

test('the size estimate of the median node is within a factor 1.5 of 1,000', () => {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  const positions = Array.from({ length: 1000 }, () => rng.below(RING))
  const estimates = positions
    .map((own) => {
      const offsets = positions
        .filter((other) => other !== own)
        .map((other) => (other - own + RING) % RING)
      return estimateSize(offsets.toSorted((a, b) => a - b)) as number
    })
    .toSorted((a, b) => a - b)
  const median = estimates[500] as number
  assert.ok(median > 1000 / 1.5 && median < 1500, `median ${median}, SEED=${seed}`)
})

test('size and spacing are unknown with fewer than two peers, and count the peers at least', () => {
  assert.equal(estimateSpacing([]), undefined)
  assert.equal(estimateSize([5]), undefined)
  assert.equal(estimateSize([RING / 3, (2 * RING) / 3]), 3)
  assert.equal(distance(RING - 1, 0), 1)
  const even = Array.from({ length: 99 }, (_, index) => ((index + 1) * RING) / 100)
  const size = estimateSize(even) as number
  assert.ok(size > 90 && size < 110, `${size}`)
})
