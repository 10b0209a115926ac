/**
 * Where the neighbors of a node meet: topics of a part of the ring, beside that of the whole network
 * (spec §7.1). A peer exchange full of lies cannot keep a node from finding its neighbors there.
 * @module
 */
import { regionOf, regionTopic } from '../position.ts'

/** Nodes that share a region, about: few enough for one lookup to show them all. */
const NODES_PER_REGION = 8
const MAX_BITS = 32
/** Half a bit would flap. */
const HYSTERESIS_BITS = 0.8
const POSITION_BITS = 48

export interface Region {
  readonly topic: Uint8Array
  /** Lowest position in it. */
  readonly from: number
  /** Positions in it. */
  readonly length: number
}

/**
 * Bits of a position that name its region in a network of about `estimatedSize` nodes; 0: it is one
 * region as a whole. Stays at `current` while that fits nearly as well: each change is a new topic.
 */
export function regionBits(estimatedSize: number | undefined, current: number): number {
  const exact = Math.log2(Math.max(1, (estimatedSize ?? 0) / NODES_PER_REGION))
  return Math.abs(exact - current) < HYSTERESIS_BITS
    ? current
    : Math.min(MAX_BITS, Math.round(exact))
}

/**
 * The region of `position` and the two beside it, of those named by `bits` bits; none for 0 bits, and two
 * in a ring of two.
 */
export function regionsOf(network: Uint8Array, position: number, bits: number): readonly Region[] {
  if (bits === 0) return []
  const count = 2 ** bits
  const length = 2 ** (POSITION_BITS - bits)
  const own = regionOf(position, bits)
  const numbers = new Set([own, (own + 1) % count, (own + count - 1) % count])
  return [...numbers].map((region) => ({
    topic: regionTopic(network, bits, region),
    from: region * length,
    length,
  }))
}
