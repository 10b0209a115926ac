/**
 * The ring as this node sees it: its place, how many nodes there are about, and how far its links reach.
 * @module
 */
import { byId, element } from './elements.js'

/** @typedef {import('./gateway.js').RingStatus} RingStatus */

/** Links nearer than 2^-16 of the ring are counted together. */
const LAST_BIN = 16

/**
 * @param {number | undefined} position in [0, 1); undefined while it is not known
 * @param {RingStatus} ring
 */
export function showRing(position, ring) {
  byId('position').textContent = position?.toFixed(4) ?? '–'
  byId('nodes').textContent = estimateText(ring.estimatedNodes)
  const counts = countsByDistance(ring.links)
  byId('links').hidden = counts.length === 0
  const most = Math.max(...counts.map(([, count]) => count))
  byId('distances').replaceChildren(...counts.map(([bin, count]) => barOf(bin, count, most)))
}

/** @param {number | undefined} nodes two digits of it are true at best */
function estimateText(nodes) {
  return nodes === undefined ? '–' : Number(nodes.toPrecision(2)).toLocaleString('en')
}

/**
 * Links by halves of the ring, the farthest first: 1 for up to a half, 2 for up to a quarter, …
 * @param {RingStatus['links']} links
 * @returns {[bin: number, count: number][]}
 */
function countsByDistance(links) {
  /** @type {Map<number, number>} */
  const counts = new Map()
  for (const { distance } of links) {
    const bin = Math.min(LAST_BIN, Math.max(1, Math.floor(-Math.log2(distance))))
    counts.set(bin, (counts.get(bin) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => a - b)
}

/**
 * @param {number} bin
 * @param {number} count
 * @param {number} most
 */
function barOf(bin, count, most) {
  const label = `1/${(2 ** bin).toLocaleString('en')}`
  const bar = element('progress', {
    max: String(most),
    value: String(count),
    'aria-hidden': 'true',
  })
  return element('li', {}, element('span', {}, label), bar, element('span', {}, String(count)))
}
