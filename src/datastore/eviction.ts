/**
 * Who goes when an area is full (spec §11.6): pure choices over a small random sample.
 * @module
 */
import type { Rng } from '../runtime.ts'
import { BUCKETS, BUCKET_POSITIONS } from './keyspace.ts'
import type { PositionRange } from './store.ts'

/** Ring positions are in [0, RING_POSITIONS) (spec §6.1). */
export const RING_POSITIONS = 2 ** 48
/** Slots looked at for one eviction: the farthest of 16 is beyond the 94th percentile on average. */
export const SAMPLE_SLOTS = 16
/** Draws for one sample: 8 each, since a full cache may own as little as 15 % of the slots. */
const SAMPLE_DRAWS = 8 * SAMPLE_SLOTS
/** Of the second home of a slot a mark keeps the upper 10 bits of the bucket. */
const COARSE_SHIFT = 6
const COARSE_BUCKETS = BUCKETS / 2 ** COARSE_SHIFT
const COARSE_POSITIONS = BUCKET_POSITIONS * 2 ** COARSE_SHIFT

/**
 * Up to SAMPLE_SLOTS random numbers below `slots` that `isWanted` holds of, at least one if there is
 * any: where the draws found none, one pass over all slots does. Of a few slots it takes all.
 */
export function sampleSlots(
  slots: number,
  rng: Rng,
  isWanted: (slot: number) => boolean,
): number[] {
  const sample: number[] = []
  if (slots <= SAMPLE_DRAWS) return allSlots(slots, rng).filter(isWanted)
  for (let draw = 0; draw < SAMPLE_DRAWS && sample.length < SAMPLE_SLOTS; draw++) {
    const slot = rng.below(slots)
    if (isWanted(slot)) sample.push(slot)
  }
  if (sample.length > 0) return sample
  const start = rng.below(slots)
  for (let step = 0; step < slots; step++) {
    const slot = (start + step) % slots
    if (isWanted(slot)) return [slot]
  }
  return sample
}

/** All numbers below `slots`, in order from a random one on. */
function allSlots(slots: number, rng: Rng): number[] {
  const start = rng.below(Math.max(1, slots))
  return Array.from({ length: slots }, (_, step) => (start + step) % slots)
}

/**
 * Mark of a slot in the store: link code (6 bits), bucket of a home (16), and the upper 10 bits of the
 * bucket of another home, or of the same one.
 */
export function storeMark(code: number, bucket: number): number {
  return code * 2 ** 26 + bucket * COARSE_BUCKETS + (bucket >>> COARSE_SHIFT)
}

/** The mark of a slot that has one more home; of three homes one within `range` is preferred. */
export function withBucket(mark: number, bucket: number, range: PositionRange | undefined): number {
  const second = secondHome(mark)
  const isBetter = range !== undefined && second !== undefined && outside(second, range) > 0
  if (second !== undefined && !isBetter) return mark
  return mark - (mark % COARSE_BUCKETS) + (bucket >>> COARSE_SHIFT)
}

/**
 * Which of the slots with these marks has no home in `range` and lies farthest from its middle, as an
 * index; undefined: all have one, or there is no range.
 */
export function farthestOutside(
  marks: readonly number[],
  range: PositionRange | undefined,
): number | undefined {
  let victim: number | undefined
  let farthest = 0
  if (range === undefined) return victim
  for (const [i, mark] of marks.entries()) {
    const second = secondHome(mark)
    let away = outside(firstHome(mark), range)
    if (away > 0 && second !== undefined) away = Math.min(away, outside(second, range))
    if (away <= farthest) continue
    victim = i
    farthest = away
  }
  return victim
}

/** A run of positions that a mark names: one bucket, or a coarser one. */
interface Run {
  readonly from: number
  readonly positions: number
}

function firstHome(mark: number): Run {
  const bucket = Math.floor(mark / COARSE_BUCKETS) % BUCKETS
  return { from: bucket * BUCKET_POSITIONS, positions: BUCKET_POSITIONS }
}

/** undefined: none is known, or it is as near as a coarse bucket tells. */
function secondHome(mark: number): Run | undefined {
  const coarse = mark % COARSE_BUCKETS
  if (coarse === Math.floor(mark / (COARSE_BUCKETS << COARSE_SHIFT)) % COARSE_BUCKETS)
    return undefined
  return { from: coarse * COARSE_POSITIONS, positions: COARSE_POSITIONS }
}

/** How far a run is from the middle of `range`, at least 1; 0 where they overlap. */
function outside({ from, positions }: Run, range: PositionRange): number {
  if (isInRange(from, range) || clockwise(from, range.from) < positions) return 0
  const half = Math.floor(clockwise(range.from, range.to) / 2)
  const away = clockwise((range.from + half) % RING_POSITIONS, from + positions / 2)
  return Math.max(1, Math.min(away, RING_POSITIONS - away))
}

/** Whether `position` lies on the clockwise run from `from` to `to`, ends included. */
export function isInRange(position: number, range: PositionRange): boolean {
  return clockwise(range.from, position) <= clockwise(range.from, range.to)
}

/** @throws RangeError where an end of `range` is not a ring position (a bug, not input). */
export function checkRange(range: PositionRange): PositionRange {
  for (const end of [range.from, range.to]) {
    if (Number.isInteger(end) && end >= 0 && end < RING_POSITIONS) continue
    throw new RangeError('a range has whole numbers in [0, 2^48)')
  }
  return { from: range.from, to: range.to }
}

/** Positions from `from` clockwise to `to`, in [0, RING_POSITIONS). */
export function clockwise(from: number, to: number): number {
  return to >= from ? to - from : to - from + RING_POSITIONS
}
