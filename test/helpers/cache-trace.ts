/**
 * Requests that reach a cache: a catalogue asked for by popularity, and junk between.
 * @module
 */
import type { Rng } from '../../src/runtime.ts'

/** One request: an item over a link. Junk is numbered from JUNK on. */
export interface Trace {
  readonly items: Int32Array
  readonly links: Uint8Array
}

export const JUNK = 2 ** 30
/** Links over which the catalogue is asked for, from 1; junk comes over those above. */
export const LINKS = 20

/** `requests` draws from a catalogue in which the i-th item weighs 1 / i^exponent, over random links. */
export function zipfTrace(
  { catalogue, exponent, requests }: { catalogue: number; exponent: number; requests: number },
  rng: Rng,
): Trace {
  const upTo = new Float64Array(catalogue)
  let sum = 0
  for (let i = 0; i < catalogue; i++) upTo[i] = sum += (i + 1) ** -exponent
  const items = new Int32Array(requests)
  const links = new Uint8Array(requests)
  for (let i = 0; i < requests; i++) {
    items[i] = firstAbove(upTo, (rng.below(2 ** 48) / 2 ** 48) * sum)
    links[i] = 1 + rng.below(LINKS)
  }
  return { items, links }
}

/** How junk is asked for. */
export interface Flood {
  /** Times each block is asked for, 1 or 2. */
  readonly times: 1 | 2
  /** Blocks between the first time and the second, as a part of the cache's capacity. */
  readonly gap: number
  readonly isOverTwoLinks: boolean
  /** Requests of junk to one of the catalogue. */
  readonly rate: number
}

/** One flood of `blocks` blocks whose numbers start at `first`; `flood.gap` is a number of blocks here. */
export function floodTrace(flood: Flood, blocks: number, first: number): Trace {
  const items: number[] = []
  const links: number[] = []
  const ask = (block: number, link: number): void => {
    items.push(first + block)
    links.push(link)
  }
  for (let i = 0; i < blocks + flood.gap; i++) {
    if (i < blocks) ask(i, LINKS + 1)
    const again = i - flood.gap
    if (flood.times === 2 && again >= 0) ask(again, LINKS + (flood.isOverTwoLinks ? 2 : 1))
  }
  return { items: Int32Array.from(items), links: Uint8Array.from(links) }
}

function firstAbove(upTo: Float64Array, value: number): number {
  let low = 0
  let high = upTo.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((upTo[middle] as number) > value) high = middle
    else low = middle + 1
  }
  return low
}
