/**
 * Properties of a pair of nodes, drawn by a hash of the pair and the seed: nothing is stored, and the
 * same pair has the same latency in every run of a seed.
 * @module
 */

const REACH_SALT = 0x51ed270b

export interface LatencyRange {
  /** One way, ms. */
  readonly minMs: number
  readonly maxMs: number
}

/** A number in [0, 1) that belongs to the pair, whichever comes first. `salt` keeps draws apart. */
export function pairDraw(a: number, b: number, salt: number): number {
  let hash = mixed(salt ^ 0x9e3779b9, Math.min(a, b))
  hash = mixed(hash, Math.max(a, b))
  return (hash >>> 0) / 2 ** 32
}

/** One way from `a` to `b` and back, ms. */
export function pairLatencyMs(a: number, b: number, of: LatencyRange & { seed: number }): number {
  return of.minMs + pairDraw(a, b, of.seed) * (of.maxMs - of.minMs)
}

/** Whether two nodes can connect, where `unreachable` is the share of the pairs that cannot. */
export function canConnect(a: number, b: number, unreachable: number): boolean {
  return unreachable === 0 || pairDraw(a, b, REACH_SALT) >= unreachable
}

/** One round of murmur3's 32-bit mixing. */
function mixed(hash: number, value: number): number {
  let x = (hash ^ value) | 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}
