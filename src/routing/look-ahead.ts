/**
 * Looking one hop ahead: which of the directly nearest peers has, itself or among its links, somebody
 * nearest to the home (spec §9.1).
 * @module
 */
import { distance } from './position.ts'

/** Directly nearest strictly nearer peers among which a first try looks ahead. */
export const LOOK_AHEAD_PEERS = 4
/** Positions of a peer's own links that are looked at; what it tells beyond them is ignored. */
export const MAX_NEIGHBORS = 32

/** A peer as it is looked at here. */
export interface Ahead {
  readonly position: number
  /** Positions of its links, as it told them; empty: not told. */
  readonly neighbors: readonly number[] | Float64Array
}

/**
 * Index of the best of the first `count` of `candidates`, which are in order of their own distance to
 * `target`; count at least 1. A peer's distance is its own or that of one of its links, whichever is
 * less; of equal ones the first wins. So lies about links can only win a choice among these few.
 */
export function bestAhead(candidates: readonly Ahead[], count: number, target: number): number {
  let best = 0
  let bestDistance = Infinity
  for (let index = 0; index < count; index++) {
    const away = distanceAhead(candidates[index] as Ahead, target)
    if (away >= bestDistance) continue
    best = index
    bestDistance = away
  }
  return best
}

function distanceAhead({ position, neighbors }: Ahead, target: number): number {
  let least = distance(position, target)
  const count = Math.min(neighbors.length, MAX_NEIGHBORS)
  for (let index = 0; index < count; index++) {
    const away = distance(neighbors[index] as number, target)
    if (away < least) least = away
  }
  return least
}
