/**
 * Put, random get and churn of the store against its yardsticks, side by side: all of them do the same
 * in each round, one after the other, in an order that moves on from round to round.
 * @module
 */
import { cp } from 'node:fs/promises'

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
} from './store-kit.ts'
import type { Row } from './store-kit.ts'
import { PlainLoop, RocksBlocks } from './store-rivals.ts'

/** One at a time takes longer: fewer do. */
const MAX_SINGLE = 2000
const LINKS = 32
/** The store commits after 100 ms at the latest, ms. */
const SETTLE_MS = 300

/** Blocks `from` to `from + count`, `inFlight` at a time. */
interface Run {
  readonly from: number
  readonly count: number
  readonly inFlight: number
}

/** Each resolves to µs a block. */
interface Contestant {
  put(run: Run): Promise<number>
  /** `count` reads of blocks drawn from the first `from`. */
  get(run: Run): Promise<number>
  /** Puts while it is full. */
  churn(run: Run): Promise<number>
  /** Other ways to put, by name: while it is empty, and when it is full. */
  readonly early: Variants
  readonly late: Variants
  /** Fills it up after `put`, with blocks from number `from` on. */
  fill(from: number): Promise<void>
  /** Ends what still goes on in the background. */
  settle(): Promise<void>
  close(): Promise<void>
}

type Variants = Readonly<Record<string, (run: Run) => Promise<number>>>

interface Setup {
  readonly folder: string
  /** Folder of an empty store. */
  readonly template: string
  readonly slots: number
  readonly storeSlots: number
  readonly blocks: Blocks
}

/** µs a block, by contestant, phase and number in flight: "shoal put 32". */
type Times = Record<string, number>

export interface SpeedOptions {
  readonly storeMiB: number
  readonly rounds: number
}

/** @returns rows for the table. */
export async function measureSpeed({ storeMiB, rounds }: SpeedOptions): Promise<Row[]> {
  return inFolder(async (template) => {
    const sizes = await makeTemplate(template, storeMiB * MIB)
    const all = await runRounds(rounds, { ...sizes, template, blocks: new Blocks() })
    return [32, 1].flatMap((inFlight) => summarize(all, inFlight))
  })
}

async function runRounds(rounds: number, setup: Omit<Setup, 'folder'>): Promise<Times[]> {
  setup.blocks.prepare(6 * setup.slots)
  const all: Times[] = []
  for (let round = 0; round <= rounds; round++) {
    const times: Times = {}
    for (let turn = 0; turn < NAMES.length; turn++) {
      const name = NAMES[(turn + round) % NAMES.length] as Name
      const own = await inFolder((folder) => runAll(name, { ...setup, folder }))
      for (const [phase, us] of Object.entries(own)) times[`${name} ${phase}`] = us
    }
    if (round === 0) continue // code that is not compiled yet
    all.push(times)
    report({ bench: 'store', part: 'speed', round, slots: setup.slots, usPerBlock: times })
  }
  return all
}

/** An empty store whose slab is filled: each round begins with a copy of it. */
async function makeTemplate(folder: string, storeBytes: number) {
  const pair = await openStore(folder, storeBytes)
  await untilFilled(pair)
  const { slots, store } = pair.care.stats()
  await pair.blocks.close()
  return { slots, storeSlots: store.slots }
}

const OPEN = { shoal: openShoal, plain: openPlain, rocksdb: openRivalRocks }
type Name = keyof typeof OPEN
const NAMES = Object.keys(OPEN) as Name[]

async function runAll(name: Name, setup: Setup): Promise<Times> {
  const contestant = await OPEN[name](setup)
  try {
    return await runPhases(contestant, setup)
  } finally {
    await contestant.close()
  }
}

async function runPhases(contestant: Contestant, { slots, storeSlots }: Setup): Promise<Times> {
  const times: Times = {}
  const half = Math.floor(storeSlots / 2)
  let from = 0
  const each = async (
    phase: string,
    count: number,
    run: (run: Run) => Promise<number>,
  ): Promise<void> => {
    for (const inFlight of [32, 1]) {
      const few = inFlight === 1 ? Math.min(half, MAX_SINGLE) : count
      times[`${phase} ${inFlight}`] = await run({ from, count: few, inFlight })
      from += few
      await contestant.settle()
    }
  }
  from = 4 * slots // blocks that leave no trace
  for (const [name, run] of Object.entries(contestant.early)) await each(name, half, run)
  from = 0
  await each('put', half, (run) => contestant.put(run))
  await contestant.put({ from, count: storeSlots - from, inFlight: 32 })
  await contestant.settle()
  await each('get', half, (run) => contestant.get({ ...run, from: storeSlots }))
  await contestant.fill(storeSlots)
  await contestant.settle()
  from = slots
  await each('churn', slots, (run) => contestant.churn(run))
  for (const [name, run] of Object.entries(contestant.late)) await each(name, half, run)
  return times
}

async function openShoal(setup: Setup): Promise<Contestant> {
  const { folder, template, slots, blocks } = setup
  await cp(template, folder, { recursive: true })
  const pair = await openStore(folder, undefined)
  const putIn = (area: Area) => (run: Run) => putEach(pair, run, { area, blocks })
  return {
    put: putIn('store'),
    churn: putIn('store'),
    early: {},
    late: { 'churn of the cache': putIn('cache') },
    get: ({ from, count, inFlight }) =>
      timeEach(count, inFlight, async () => {
        const number = Math.floor(Math.random() * from)
        const found = await pair.blocks.get(blocks.address(number), { link: 1 + (number % LINKS) })
        blocks.check(number, found?.block)
      }),
    fill: async (from) => {
      await putIn('cache')({ from, count: slots - from, inFlight: 32 })
    },
    settle: () => sleep(SETTLE_MS),
    close: () => pair.blocks.close(),
  }
}

function putEach(
  pair: StorePair,
  { from, count, inFlight }: Run,
  { area, blocks }: { area: Area; blocks: Blocks },
): Promise<number> {
  return timeEach(count, inFlight, async (i) => {
    const number = from + i
    const result = await pair.blocks.put({
      address: blocks.address(number),
      home: 0,
      block: blocks.block(number),
      area,
      link: 1 + (number % LINKS),
    })
    if (result !== 'stored') throw new Error(`a put was ${result}`)
  })
}

async function openPlain({ folder, slots, blocks }: Setup): Promise<Contestant> {
  const loop = await PlainLoop.open(folder, slots, blocks)
  const places = shuffled(slots)
  const overwrite =
    (writesIndex: boolean) =>
    async ({ from, count, inFlight }: Run): Promise<number> => {
      loop.writesIndex = writesIndex
      return timeEach(count, inFlight, (i) => loop.put(from + i, Math.floor(Math.random() * slots)))
    }
  const put = ({ from, count, inFlight }: Run): Promise<number> => {
    loop.writesIndex = true
    return timeEach(count, inFlight, (i) => loop.put(from + i, places[from + i] as number))
  }
  return {
    put,
    churn: overwrite(true),
    early: { 'put without index writes': overwrite(false) },
    late: { 'churn without index writes': overwrite(false) },
    get: ({ from, count, inFlight }) =>
      timeEach(count, inFlight, () => loop.get(Math.floor(Math.random() * from))),
    fill: async (from) => {
      await put({ from, count: slots - from, inFlight: 32 })
    },
    settle: () => loop.settle(),
    close: () => loop.close(),
  }
}

async function openRivalRocks({ folder, slots, blocks }: Setup): Promise<Contestant> {
  const rocks = await RocksBlocks.open(folder, blocks)
  const timed =
    (isFull: boolean) =>
    async (run: Run): Promise<number> => {
      const startMs = performance.now()
      await rocks.put(run.from, run.count, { inFlight: run.inFlight, isFull })
      return ((performance.now() - startMs) * 1000) / run.count
    }
  return {
    put: timed(false),
    churn: timed(true),
    early: {},
    late: {},
    get: ({ from, count, inFlight }) =>
      timeEach(count, inFlight, () => rocks.get(Math.floor(Math.random() * from))),
    fill: async (from) => {
      await timed(false)({ from, count: slots - from, inFlight: 32 })
    },
    settle: () => sleep(SETTLE_MS),
    close: () => rocks.close(),
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

function summarize(rounds: readonly Times[], inFlight: number): Row[] {
  const row = (ours: string, rival: string, target?: string): Row => {
    const times = (name: string): number[] =>
      rounds.map((each) => each[`${name} ${inFlight}`] ?? Number.NaN)
    const [own, others] = [times(`shoal ${ours}`), times(rival)]
    const ratio = median(own.map((us, i) => (others[i] as number) / us))
    const measured = { ratio, ownUs: median(own), rivalUs: median(others) }
    report({ bench: 'store', part: 'speed', inFlight, ours, rival, ...measured, target })
    return {
      what: `${ours}, ${inFlight} in flight, against ${rival}`,
      measured: `${digits(ratio)} (${digits(measured.ownUs)} against ${digits(measured.rivalUs)} µs a block)`,
      ...(target === undefined ? {} : { target }),
    }
  }
  return [
    row('put', 'plain put', '≥ 0.5'),
    row('put', 'plain put without index writes', '≥ 0.5'),
    row('get', 'plain get', '≥ 0.5'),
    row('churn', 'plain churn', '≥ 0.5'),
    row('churn', 'plain churn without index writes', '≥ 0.5'),
    row('churn', 'rocksdb churn', '≥ 2.5'),
    row('churn of the cache', 'plain churn', '≥ 0.5'),
    row('churn of the cache', 'plain churn without index writes', '≥ 0.5'),
    row('churn of the cache', 'rocksdb churn', '≥ 2.5'),
    row('put', 'rocksdb put'),
    row('get', 'rocksdb get'),
  ]
}
