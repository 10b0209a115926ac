/**
 * Who goes when an area is full (spec §11.6): pure choices over a small random sample.
 * @module
 */
import type { Rng } from '../runtime.ts'
import type { PositionRange } from './store.ts'

/** Ring positions are in [0, RING_POSITIONS) (spec §6.1). */
export const RING_POSITIONS = 2 ** 48
/** Slots looked at for one eviction: the farthest of 16 is beyond the 94th percentile on average. */
export const SAMPLE_SLOTS = 16
/** Draws for one sample: 8 each, since a full cache may own as little as 15 % of the slots. */
const SAMPLE_DRAWS = 8 * SAMPLE_SLOTS

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
 * Store area: which of `positions` goes, as an index into it. Outside `range` the farthest from its
 * middle; inside it, or without a range, the first (the sample is in random order).
 */
export function storeVictim(
  positions: readonly number[],
  range: PositionRange | undefined,
): number {
  let victim = 0
  let farthest = -1
  if (range === undefined) return victim
  for (const [i, position] of positions.entries()) {
    if (isInRange(position, range)) continue
    const away = distanceFromMiddle(position, range)
    if (away > farthest) {
      victim = i
      farthest = away
    }
  }
  return victim
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

function distanceFromMiddle(position: number, range: PositionRange): number {
  const half = Math.floor(clockwise(range.from, range.to) / 2)
  const away = clockwise((range.from + half) % RING_POSITIONS, position)
  return Math.min(away, RING_POSITIONS - away)
}
