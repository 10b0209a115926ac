/**
 * Put, random get and churn of the store against its yardsticks. Store and plain loop take turns after
 * every few hundred blocks, so that whatever else the machine does falls on both alike; RocksDB has
 * compactions to do for long after, and so its turn comes when they are through.
 * @module
 */
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { Area, StorePair } from '../src/datastore/store.ts'
import { median, report } from './processes.ts'
import {
  Blocks,
  MIB,
  digits,
  inFolder,
  openStore,
  sleep,
  timeEach,
  untilFilled,
  watchOthers,
} from './store-kit.ts'
import type { Row } from './store-kit.ts'
import { PlainLoop, RocksBlocks } from './store-rivals.ts'

const LINKS = 32
/** About so many blocks make a turn, by number in flight: 0.1 s and more. */
const SLICE_BLOCKS = { 32: 1500, 1: 500 } as const
/** Most blocks of a phase with one in flight, which takes longer. */
const MAX_SINGLE = 2000
/** The store commits after 100 ms at the latest, ms. */
const SETTLE_MS = 150

/** Blocks `from` to `from + count`, `inFlight` at a time. */
interface Run {
  readonly from: number
  readonly count: number
  readonly inFlight: number
}

/** Resolves to µs a block. */
type Timed = (run: Run) => Promise<number>

interface Setup {
  readonly folder: string
  /** Folder of an empty store whose slab is filled. */
  readonly template: string
  readonly slots: number
  readonly storeSlots: number
  readonly blocks: Blocks
}

/** µs a block of each slice, by what and number in flight: "shoal put, 32 in flight". */
type Times = Record<string, number[]>

export interface SpeedOptions {
  readonly storeMiB: number
  readonly rounds: number
}

/** @returns rows for the table. */
export async function measureSpeed({ storeMiB, rounds }: SpeedOptions): Promise<Row[]> {
  return inFolder(async (template) => {
    const sizes = await makeTemplate(template, storeMiB * MIB)
    const setup = { ...sizes, template, blocks: new Blocks() }
    const all: Times[] = []
    for (let round = 0; round <= rounds; round++) {
      const othersShare = watchOthers()
      const own = await inFolder((folder) => runTogether({ ...setup, folder }))
      const rocks = await inFolder((folder) => runRocks({ ...setup, folder }))
      if (round === 0) continue // code that is not compiled yet
      all.push({ ...own, ...rocks })
      const medians = Object.entries({ ...own, ...rocks }).map(([name, us]) => [name, median(us)])
      const usPerBlock = Object.fromEntries(medians)
      const others = othersShare()
      report({ bench: 'store', part: 'speed', round, ...sizes, usPerBlock, othersShare: others })
    }
    return [32, 1].flatMap((inFlight) => summarize(all, inFlight))
  })
}

async function makeTemplate(folder: string, storeBytes: number) {
  const pair = await openStore(folder, storeBytes)
  await untilFilled(pair)
  const { slots, store } = pair.care.stats()
  await pair.blocks.close()
  return { slots, storeSlots: store.slots }
}

/** Store and plain loop through all phases, slice by slice. */
async function runTogether(setup: Setup): Promise<Times> {
  const { slots, storeSlots } = setup
  const shoal = await openShoal(setup)
  const plain = await openPlain(setup)
  const turns = new Turns(plain.settle)
  const half = Math.floor(storeSlots / 2)
  try {
    await turns.phase(
      { from: 0, count: half },
      { 'shoal put': shoal.put, 'plain put': plain.put, 'bare put': plain.bare },
    )
    const rest = { from: turns.next, count: storeSlots - turns.next, inFlight: 32 }
    await Promise.all([shoal.put(rest), plain.put(rest)])
    await turns.phase({ from: 0, count: half }, { 'shoal get': shoal.get, 'plain get': plain.get })
    const cache = { from: storeSlots, count: slots - storeSlots, inFlight: 32 }
    await Promise.all([shoal.putInCache(cache), plain.put(cache)])
    await turns.phase(
      { from: slots, count: slots },
      {
        'shoal churn': shoal.put,
        'shoal churn of the cache': (run) =>
          shoal.putInCache({ ...run, from: run.from + 2 * slots }),
        'plain churn': plain.churn,
        'bare churn': plain.bare,
      },
    )
  } finally {
    await Promise.all([shoal.close(), plain.close()])
  }
  return turns.times
}

/** Lets several do the same blocks, a slice at a time, in an order that moves on. */
class Turns {
  readonly times: Times = {}
  /** The first number that no phase has used. */
  next = 0
  readonly #settle: () => Promise<void>

  constructor(settle: () => Promise<void>) {
    this.#settle = settle
  }

  async phase(
    { from, count }: { from: number; count: number },
    runs: Readonly<Record<string, Timed>>,
  ): Promise<void> {
    await this.#rest()
    this.next = from
    for (const inFlight of [32, 1] as const) {
      const most = inFlight === 1 ? Math.min(count, MAX_SINGLE) : count
      const slices = Math.ceil(most / SLICE_BLOCKS[inFlight])
      const size = Math.floor(most / slices)
      for (let slice = 0; slice < slices; slice++) {
        await this.#slice({ from: this.next, count: size, inFlight }, runs, slice)
        this.next += size
      }
    }
  }

  async #slice(run: Run, runs: Readonly<Record<string, Timed>>, slice: number): Promise<void> {
    const all = Object.entries(runs)
    for (let turn = 0; turn < all.length; turn++) {
      const [name, timed] = all[(turn + slice) % all.length] as [string, Timed]
      const before = process.cpuUsage()
      const us = await timed(run)
      const { user, system } = process.cpuUsage(before)
      ;(this.times[nameOf(name, run.inFlight)] ??= []).push(us)
      ;(this.times[cpuOf(name, run.inFlight)] ??= []).push((user + system) / run.count)
      await this.#rest()
    }
  }

  async #rest(): Promise<void> {
    await Promise.all([sleep(SETTLE_MS), this.#settle()])
  }
}

function nameOf(what: string, inFlight: number): string {
  return `${what}, ${inFlight} in flight`
}

/** Processor time, all threads. */
function cpuOf(what: string, inFlight: number): string {
  return `${nameOf(what, inFlight)}, cpu`
}

async function openShoal({ folder, template, storeSlots, blocks }: Setup) {
  const dataDir = join(folder, 'shoal')
  await cp(template, dataDir, { recursive: true })
  const pair = await openStore(dataDir, undefined)
  const get: Timed = ({ count, inFlight }) =>
    timeEach(count, inFlight, async () => {
      const number = Math.floor(Math.random() * storeSlots)
      const found = await pair.blocks.get(blocks.address(number), { link: linkOf(number) })
      blocks.check(number, found?.block)
    })
  return {
    put: (run: Run) => putEach(pair, blocks, 'store', run),
    putInCache: (run: Run) => putEach(pair, blocks, 'cache', run),
    get,
    close: () => pair.blocks.close(),
  }
}

function putEach(pair: StorePair, blocks: Blocks, area: Area, run: Run): Promise<number> {
  blocks.prepare(run.from + run.count)
  return timeEach(run.count, run.inFlight, async (i) => {
    const number = run.from + i
    const [address, block] = [blocks.address(number), blocks.block(number)]
    const result = await pair.blocks.put({ address, home: 0, block, area, link: linkOf(number) })
    if (result !== 'stored') throw new Error(`a put was ${result}`)
  })
}

/** No link brings more than its part of the store. */
function linkOf(number: number): number {
  return 1 + (number % LINKS)
}

async function openPlain({ folder, slots, storeSlots, blocks }: Setup) {
  const path = join(folder, 'plain')
  await mkdir(path)
  // bare puts leave no trace in the index, and so have slots of their own
  const loop = await PlainLoop.open(path, 2 * slots, blocks)
  const places = shuffled(slots)
  const writeTo =
    (slotOf: (number: number) => number, writesIndex: boolean): Timed =>
    ({ from, count, inFlight }) => {
      loop.writesIndex = writesIndex
      blocks.prepare(from + count)
      return timeEach(count, inFlight, (i) => loop.put(from + i, slotOf(from + i)))
    }
  const get: Timed = ({ count, inFlight }) =>
    timeEach(count, inFlight, () => loop.get(Math.floor(Math.random() * storeSlots)))
  return {
    put: writeTo((number) => places[number] as number, true),
    churn: writeTo(() => Math.floor(Math.random() * slots), true),
    bare: writeTo(() => slots + Math.floor(Math.random() * slots), false),
    get,
    settle: () => loop.settle(),
    close: () => loop.close(),
  }
}

function shuffled(count: number): Uint32Array {
  const places = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    const place = places[i] as number
    places[i] = places[other] as number
    places[other] = place
  }
  return places
}

async function runRocks({ folder, slots, storeSlots, blocks }: Setup): Promise<Times> {
  const rocks = await RocksBlocks.open(folder, blocks)
  const times: Times = {}
  const half = Math.floor(storeSlots / 2)
  const timePut = async (what: string, run: Run, isFull: boolean): Promise<void> => {
    const startMs = performance.now()
    const before = process.cpuUsage()
    await rocks.put(run.from, run.count, { inFlight: run.inFlight, isFull })
    const { user, system } = process.cpuUsage(before)
    times[cpuOf(what, run.inFlight)] = [(user + system) / run.count]
    times[nameOf(what, run.inFlight)] = [((performance.now() - startMs) * 1000) / run.count]
  }
  try {
    await timePut('rocksdb put', { from: 0, count: half, inFlight: 32 }, false)
    await timePut('rocksdb put', { from: half, count: MAX_SINGLE, inFlight: 1 }, false)
    const filled = half + MAX_SINGLE
    await rocks.put(filled, slots - filled, { inFlight: 32, isFull: false })
    for (const inFlight of [32, 1]) {
      const before = process.cpuUsage()
      const get = (): Promise<void> => rocks.get(Math.floor(Math.random() * slots))
      const count = inFlight === 1 ? MAX_SINGLE : half
      times[nameOf('rocksdb get', inFlight)] = [await timeEach(count, inFlight, get)]
      const { user, system } = process.cpuUsage(before)
      times[cpuOf('rocksdb get', inFlight)] = [(user + system) / count]
    }
    await timePut('rocksdb churn', { from: slots, count: slots, inFlight: 32 }, true)
    await timePut('rocksdb churn', { from: 2 * slots, count: MAX_SINGLE, inFlight: 1 }, true)
  } finally {
    await rocks.close()
  }
  return times
}

function summarize(rounds: readonly Times[], inFlight: number): Row[] {
  const row = (ours: string, rival: string, target?: string): Row => {
    const [ownName, rivalName] = [`shoal ${ours}`, rival]
    const ratio = ratioOf(rounds, nameOf(ownName, inFlight), nameOf(rivalName, inFlight))
    const cpuRatio = ratioOf(rounds, cpuOf(ownName, inFlight), cpuOf(rivalName, inFlight))
    const us = (name: string): number => median(rounds.flatMap((times) => times[name] ?? []))
    const [ownUs, rivalUs] = [us(nameOf(ownName, inFlight)), us(nameOf(rivalName, inFlight))]
    const of = { inFlight, ours, rival, ratio, cpuRatio, ownUs, rivalUs, target }
    report({ bench: 'store', part: 'speed', ...of })
    return {
      what: `${ours}, ${inFlight} in flight, against ${rival}`,
      measured: `${digits(ratio)} (${digits(ownUs)} against ${digits(rivalUs)} µs a block; by processor time ${digits(cpuRatio)})`,
      ...(target === undefined ? {} : { target }),
    }
  }
  return [
    row('put', 'plain put', '≥ 0.5'),
    row('put', 'bare put', '≥ 0.5'),
    row('get', 'plain get', '≥ 0.5'),
    row('churn', 'plain churn', '≥ 0.5'),
    row('churn', 'bare churn', '≥ 0.5'),
    row('churn of the cache', 'plain churn', '≥ 0.5'),
    row('churn of the cache', 'bare churn', '≥ 0.5'),
    row('churn', 'rocksdb churn', '≥ 2.5'),
    row('churn of the cache', 'rocksdb churn', '≥ 2.5'),
    row('put', 'rocksdb put'),
    row('get', 'rocksdb get'),
  ]
}

/** Median of slice against slice; RocksDB has one for all of a round. */
function ratioOf(rounds: readonly Times[], own: string, rival: string): number {
  const ratios = rounds.flatMap((times) => {
    const others = times[rival] ?? []
    return (times[own] ?? []).map((us, i) => (others[i] ?? others[0] ?? Number.NaN) / us)
  })
  return median(ratios)
}
