/**
 * What the store does by itself: filling its slab and verifying what it holds, how fast, and what that
 * costs the reads that go on meanwhile.
 * @module
 */
import { join } from 'node:path'

import { openSlab } from '../src/datastore/slab.ts'
import type { StorePair } from '../src/datastore/store.ts'
import { BLOCK_BYTES } from '../src/keys/block.ts'
import { report } from './processes.ts'
import {
  Blocks,
  MIB,
  digits,
  inFolder,
  openStore,
  quantile,
  sleep,
  timeEach,
  untilFilled,
} from './store-kit.ts'
import type { Row } from './store-kit.ts'

const WORKERS = 32

export async function measureUpkeep({ storeMiB }: { readonly storeMiB: number }): Promise<Row[]> {
  const blocks = new Blocks()
  const storeBytes = storeMiB * MIB
  const extendMs = await inFolder((folder) => extend(folder, storeMiB * 32))
  const early = await inFolder((folder) => putWhileEmpty(folder, storeBytes, blocks))
  const filling = await inFolder((folder) => fillAndCheck(folder, storeBytes, blocks))
  const extendMBps = (storeMiB * MIB) / 1e3 / extendMs
  report({ bench: 'store', part: 'upkeep', extendMBps, putBeforeFilledUs: early, ...filling })
  const { fillMBps, checkMBps, checkedPerSecond, getMs } = filling
  const read = ({ median, p99 }: { median: number; p99: number }): string =>
    `${digits(median)} (p99 ${digits(p99)})`
  return [
    {
      what: 'filling the slab: in the background; as fast as it goes',
      measured: `${digits(fillMBps)}; ${digits(extendMBps)} MB/s`,
    },
    {
      what: 'puts into a new store whose slab is not filled yet, 32 in flight',
      measured: `${digits(early)} µs a block`,
    },
    {
      what: 'check of all blocks as fast as it goes, nothing else going on',
      measured: `${digits(checkMBps)} MB/s (${digits(checkedPerSecond)} slots/s)`,
    },
    {
      what: 'a get, one at a time, ms: idle; while the slab is filled; while all is checked',
      measured: `${read(getMs.idle)}; ${read(getMs.filling)}; ${read(getMs.checking)}`,
    },
  ]
}

async function extend(folder: string, slots: number): Promise<number> {
  const slab = await openSlab(join(folder, 'slab'), slots)
  const startMs = performance.now()
  await slab.extend(slots)
  await slab.sync()
  const ms = performance.now() - startMs
  await slab.close()
  return ms
}

async function putWhileEmpty(folder: string, storeBytes: number, blocks: Blocks): Promise<number> {
  const pair = await openStore(folder, storeBytes)
  const us = await putAll(pair, blocks)
  await pair.blocks.close()
  return us
}

/** Puts what the store share takes; µs a block. */
function putAll({ blocks: store, care }: StorePair, blocks: Blocks): Promise<number> {
  const count = care.stats().store.slots
  blocks.prepare(count)
  return timeEach(count, WORKERS, (number) => {
    const [address, block] = [blocks.address(number), blocks.block(number)]
    return store.put({ address, home: 0, block, area: 'store', link: 1 })
  })
}

async function fillAndCheck(folder: string, storeBytes: number, blocks: Blocks) {
  const startMs = performance.now()
  const pair = await openStore(folder, storeBytes)
  await putSome(pair, blocks)
  const fromShare = pair.care.stats().filledShare
  const fillingMs = performance.now()
  const filling = await readWhile(pair, blocks, untilFilled(pair))
  const { slots, filledSlots } = pair.care.stats()
  const filledBytes = (1 - fromShare) * slots * BLOCK_BYTES
  const fillMBps = filledBytes / 1e3 / (performance.now() - fillingMs)
  await putAll(pair, blocks)
  await sleep(500)
  const idle = await readWhile(pair, blocks, sleep(2000))
  const checking = await readWhile(pair, blocks, pair.care.check())
  const checkMs = performance.now()
  const { checked, freed } = await pair.care.check()
  const seconds = (performance.now() - checkMs) / 1000
  const { scrub } = pair.care.stats()
  await pair.blocks.close()
  const totalMs = performance.now() - startMs
  return {
    fillMBps,
    filledSlots,
    checked,
    freed,
    scrub,
    totalMs,
    checkedPerSecond: checked / seconds,
    checkMBps: (checked * BLOCK_BYTES) / 1e6 / seconds,
    getMs: { idle, filling, checking },
  }
}

const SOME_BLOCKS = 256

async function putSome({ blocks: store }: StorePair, blocks: Blocks): Promise<void> {
  for (let number = 0; number < SOME_BLOCKS; number++) {
    const [address, block] = [blocks.address(number), blocks.block(number)]
    await store.put({ address, home: 0, block, area: 'store', link: 1 })
  }
}

/** How long reads of some blocks take, one at a time, while `work` goes on, ms. */
async function readWhile({ blocks: store }: StorePair, blocks: Blocks, work: Promise<unknown>) {
  const state = { isOver: false }
  const over = work.finally(() => {
    state.isOver = true
  })
  const times: number[] = []
  while (!state.isOver) {
    const number = Math.floor(Math.random() * SOME_BLOCKS)
    const startMs = performance.now()
    const found = await store.get(blocks.address(number), { link: 2 })
    times.push(performance.now() - startMs)
    blocks.check(number, found?.block)
  }
  await over
  return { median: quantile(times, 0.5), p99: quantile(times, 0.99), count: times.length }
}
