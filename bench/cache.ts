/**
 * What the cache keeps, against the textbooks and the best that can be, with and without floods of junk,
 * and what a flood displaces in the store. Deterministic; prints Markdown.
 * `npm run bench:cache -- [seed]`
 * @module
 */
import { sharesOf } from '../src/datastore/quota.ts'
import { optimumRatio } from '../test/helpers/cache-optimum.ts'
import { POLICIES, bytesASlot } from '../test/helpers/cache-policies.ts'
import { LINKS, zipfTrace } from '../test/helpers/cache-trace.ts'
import type { Trace } from '../test/helpers/cache-trace.ts'
import {
  FLOODS,
  displacedByFlood,
  floodRatio,
  floodRequests,
  hitsOf,
  ratioOf,
} from '../test/helpers/cache-trials.ts'
import { createSeededRng } from '../test/helpers/rng.ts'

const CATALOGUE = 20_000
const EXPONENTS = [0.7, 0.9, 1]
const PARTS = [0.01, 0.05]
const WARM_UP = 200_000
const REQUESTS = 600_000
/** Floods from which one figure is drawn: a small cache needs more of them. */
const FLOODS_TRIED: Readonly<Record<number, number>> = { 0.01: 10, 0.05: 4 }
const STORE_SLOTS = 10_000

interface Setting {
  readonly exponent: number
  readonly part: number
  readonly capacity: number
  readonly trace: Trace
  /** Hits without floods, by policy. */
  readonly calm: Readonly<Record<string, Uint8Array>>
}

const seed = Number(process.argv[2] ?? 1)
const names = Object.keys(POLICIES)
const settings = EXPONENTS.flatMap((exponent) => PARTS.map((part) => settingOf(exponent, part)))
console.log(`Seed ${seed}, catalogue of ${CATALOGUE} blocks, ${LINKS} links.\n`)
printRatios()
printFloods()
printStore()
console.log(
  `\nTyped arrays of slot table and areas: ${bytesASlot(3_300_000).toFixed(2)} bytes a slot.`,
)

function settingOf(exponent: number, part: number): Setting {
  const capacity = CATALOGUE * part
  const requests = Math.max(REQUESTS, floodRequests(capacity, FLOODS_TRIED[part] ?? 1))
  const trace = zipfTrace({ catalogue: CATALOGUE, exponent, requests }, createSeededRng(seed))
  const calm = Object.fromEntries(
    Object.entries(POLICIES).map(([name, make]) => [name, hitsOf(make, trace, capacity)]),
  )
  return { exponent, part, capacity, trace, calm }
}

function printRatios(): void {
  printRow(['Zipf', 'cache', ...names, 'optimum'])
  printRow(['---', '---', ...names.map(() => '---'), '---'])
  for (const { exponent, part, capacity, trace, calm } of settings) {
    const ratios = names.map((name) => ratioOf(calm[name] as Uint8Array, WARM_UP))
    const all = [...ratios, optimumRatio(trace, capacity, WARM_UP)]
    printRow([exponent.toFixed(1), `${part * 100} %`, ...all.map((ratio) => ratio.toFixed(3))])
  }
}

/** Of the settings above the one in which the catalogue loses most. */
function printFloods(): void {
  console.log(
    '\nPart of its hits that the catalogue keeps in a flood of 10 x the capacity, at worst:\n',
  )
  printRow(['each junk block asked', ...names])
  printRow(['---', ...names.map(() => '---')])
  for (const [title, flood] of Object.entries(FLOODS)) {
    const kept = Object.entries(POLICIES).map(([name, make]) => {
      const ratios = settings.map(({ capacity, part, trace, calm }) => {
        const requests = floodRequests(capacity, FLOODS_TRIED[part] ?? 1)
        const { items, links } = trace
        const cut = { items: items.subarray(0, requests), links: links.subarray(0, requests) }
        return floodRatio(make, cut, { capacity, flood, calm: calm[name] as Uint8Array })
      })
      return Math.min(...ratios).toFixed(3)
    })
    printRow([title, ...kept])
  }
}

function printStore(): void {
  const { storeSlots } = sharesOf(STORE_SLOTS)
  console.log(
    `\nIn a store area of ${storeSlots} slots, full of blocks from ${LINKS} links, 10 x as many`,
  )
  console.log('from one other link, ground close to the position of the node, displace of them:\n')
  printRow(['links', 'displaced'])
  printRow(['---', '---'])
  for (const isRestarted of [false, true]) {
    const displaced = displacedByFlood(STORE_SLOTS, isRestarted, seed)
    const links = isRestarted ? 'forgotten by a restart' : 'known'
    printRow([links, `${(displaced * 100).toFixed(1)} %`])
  }
}

function printRow(cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`)
}
