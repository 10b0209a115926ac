/**
 * How many hops a request has still to go, by the distance and by how densely the ring is settled.
 * @module
 */

/** Hops that are reckoned with at the most. */
const MAX_HOPS = 10

/**
 * Hops over the distance `away`, where nodes are `spacing` apart: half of the doublings between, which is
 * about what look-ahead over 24 links needs, and one; in [1, 10].
 */
export function hopsLeft(away: number, spacing: number): number {
  const hops = 1 + Math.ceil(Math.log2(away / spacing) / 2)
  return Math.min(MAX_HOPS, Math.max(1, hops))
}
