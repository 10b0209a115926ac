/**
 * How many nodes there are, from how densely the nearest neighbors lie (spec §9.9).
 * @module
 */
import { RING } from './position.ts'
import { RING_NEIGHBORS } from './ring-slots.ts'

/**
 * Mean gap between nodes around here, in positions. `offsets`: of all peers, clockwise from this node,
 * ascending; the nearest 4 on each side are looked at, fewer where there are fewer than 8 peers.
 * Undefined with fewer than 2 peers: there is nothing to go by.
 */
export function estimateSpacing(offsets: readonly number[]): number | undefined {
  const gaps = Math.min(RING_NEIGHBORS, Math.floor(offsets.length / 2))
  if (gaps === 0) return undefined
  const after = offsets[gaps - 1] as number
  const before = RING - (offsets[offsets.length - gaps] as number)
  // the reach of n gaps between random points has its median at n - 1/3 mean gaps
  return Math.max(1, after + before) / (2 * gaps - 1 / 3)
}

/** Nodes in the network, this one and its peers at least; undefined as in `estimateSpacing`. */
export function estimateSize(offsets: readonly number[]): number | undefined {
  const spacing = estimateSpacing(offsets)
  if (spacing === undefined) return undefined
  return Math.max(offsets.length + 1, Math.round(RING / spacing))
}
