/**
 * A node's links, in words: what `status` says of the ring.
 * @module
 */
import type { Answer } from '../client/index.ts'
import { countText } from './store-words.ts'

type RingStatus = Answer<'Status'>['ring']
type Role = RingStatus['links'][number]['role']

const ROLES: readonly (readonly [Role, string])[] = [
  ['ring', 'to neighbors'],
  ['long', 'long'],
  ['spare', 'spare'],
]
/** Links nearer than this are counted together: 2^-16 of the ring. */
const LAST_BIN = 16

/** `8 to neighbors, 14 long, 2 spare`; what there is none of is left out. */
export function linksText({ links }: RingStatus): string {
  const parts = ROLES.map(([role, name]) => ({
    name,
    count: links.filter((link) => link.role === role).length,
  })).filter(({ count }) => count > 0)
  return parts.length === 0 ? 'none' : parts.map(({ count, name }) => `${count} ${name}`).join(', ')
}

/** Links by halves of the ring, the farthest first: `1/2: 3, 1/4: 2` (more than 1/4, up to 1/2, …). */
export function distancesText({ links }: RingStatus): string {
  const bins = new Map<number, number>()
  for (const { distance } of links) {
    const bin = Math.min(LAST_BIN, Math.max(1, Math.floor(-Math.log2(distance))))
    bins.set(bin, (bins.get(bin) ?? 0) + 1)
  }
  if (bins.size === 0) return 'none'
  return [...bins]
    .toSorted(([a], [b]) => a - b)
    .map(([bin, count]) => `1/${2 ** bin}: ${count}`)
    .join(', ')
}

/** Two digits of it are true at best. */
export function estimateText({ estimatedNodes }: RingStatus): string {
  if (estimatedNodes === undefined) return 'too few links to tell'
  return `about ${countText(Number(estimatedNodes.toPrecision(2)))} in the network`
}
