/**
 * What the ring of a set of nodes should look like, from their positions alone.
 * @module
 */
import type { Node } from '../../src/node.ts'

/** In [0, 1), of a node that has a place. */
export function positionOf(node: Node): number {
  const { position } = node.status()
  if (position === undefined) throw new Error('a node without a position')
  return position
}

/** Share of `node`'s true neighbors, the `count` nearest on each side, that it has links with. */
export function neighborShare(node: Node, all: readonly Node[], count = 3): number {
  const own = positionOf(node)
  const others = all.filter((other) => other !== node).map(positionOf)
  const clockwise = others.map((position) => (position - own + 1) % 1).toSorted((a, b) => a - b)
  const wanted = new Set([...clockwise.slice(0, count), ...clockwise.slice(-count)])
  const linked = node.status().ring.links.map(({ distance }) => distance)
  const found = [...wanted].filter((step) =>
    // the nearest two nodes of a thousand are some 2^-20 apart, rounding 2^-53
    linked.some((distance) => Math.abs(distance - Math.min(step, 1 - step)) < 1e-12),
  )
  return wanted.size === 0 ? 1 : found.length / wanted.size
}

/** Links of all roles, of the node that has the fewest. */
export function fewestLinks(all: readonly Node[]): number {
  return Math.min(...all.map((node) => node.status().ring.links.length))
}
