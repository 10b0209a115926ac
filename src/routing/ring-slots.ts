/**
 * Log-distance slots (spec §9.9): the ring on either side of a node, cut so that each slot is the
 * same factor wide. One link a slot gives lengths that follow 1/d, which is what greedy routing needs.
 * @module
 */
import type { Rng } from '../runtime.ts'
import { RING } from './position.ts'

/** Neighbors on each side that are no long links: the slots begin at the distance of the last one. */
export const RING_NEIGHBORS = 4
const HALF_RING = RING / 2
/** Slots lie within this factor of half the ring at least, so that small rings have some too. */
const LEAST_WIDTH = 1.25
const TWO_48 = 2 ** 48

/** Distances, ascending: slot i of a side lies from entry i (inclusive) to entry i + 1. */
export type SlotBoundaries = readonly number[]

/**
 * The `slotsPerSide` + 1 boundaries of the slots of one side: from the expected distance of the 4th
 * neighbor, for a mean gap of `estimatedSpacing` between nodes, to half the ring.
 */
export function slotBoundaries(estimatedSpacing: number, slotsPerSide: number): SlotBoundaries {
  const first = Math.min(Math.max(1, estimatedSpacing * RING_NEIGHBORS), HALF_RING / LEAST_WIDTH)
  const factor = (HALF_RING / first) ** (1 / slotsPerSide)
  const boundaries = Array.from({ length: slotsPerSide }, (_, index) => first * factor ** index)
  return [...boundaries, HALF_RING]
}

/** Steps clockwise from `own` to `position`, in [0, 2^48). */
export function clockwise(own: number, position: number): number {
  return (position - own + RING) % RING
}

/**
 * Where `position` lies in the slots around `own`: slots 0 to n - 1 clockwise, n to 2n - 1 the other
 * way, and how far into the slot, in [0, 1] on a log scale; undefined: nearer than the slots begin.
 */
export function placeOf(
  own: number,
  position: number,
  boundaries: SlotBoundaries,
): { readonly slot: number; readonly fraction: number } | undefined {
  const slotsPerSide = boundaries.length - 1
  const after = clockwise(own, position)
  const away = Math.min(after, RING - after)
  const first = boundaries[0] as number
  if (away < first) return undefined
  const depth = (Math.log(away / first) / Math.log(HALF_RING / first)) * slotsPerSide
  const index = Math.min(slotsPerSide - 1, Math.floor(depth))
  return { slot: after <= HALF_RING ? index : index + slotsPerSide, fraction: depth - index }
}

/** The slot of `placeOf` alone; undefined: nearer than the slots begin. */
export function slotOf(
  own: number,
  position: number,
  boundaries: SlotBoundaries,
): number | undefined {
  return placeOf(own, position, boundaries)?.slot
}

/** The position that lies `fraction` (in [0, 1], log scale) into `slot`. */
export function positionInSlot(
  own: number,
  slot: number,
  fraction: number,
  boundaries: SlotBoundaries,
): number {
  const slotsPerSide = boundaries.length - 1
  const index = slot % slotsPerSide
  const from = boundaries[index] as number
  const to = boundaries[index + 1] as number
  const away = Math.min(HALF_RING, Math.round(from * (to / from) ** fraction))
  return (slot < slotsPerSide ? own + away : own - away + RING) % RING
}

/** A position drawn log-uniformly in `slot`. */
export function drawInSlot(
  own: number,
  slot: number,
  boundaries: SlotBoundaries,
  rng: Rng,
): number {
  return positionInSlot(own, slot, drawFraction(rng), boundaries)
}

/** A number drawn uniformly in [0, 1). */
export function drawFraction(rng: Rng): number {
  return rng.below(TWO_48) / TWO_48
}
