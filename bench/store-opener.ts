/**
 * Opens one store in a fresh process and says how long that took and what memory it needs.
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { indexPages } from '../src/datastore/index-pages.ts'
import { planOf } from '../src/datastore/quota.ts'
import type { StorePair } from '../src/datastore/store.ts'
import { BLOCK_BYTES, toAddress, toBlock } from '../src/keys/block.ts'
import { openIndex, openStore, quantile, sleep } from './store-kit.ts'

/**
 * How the process ends: `stop` cleanly, `kill` as if by a crash. `index` opens the index alone and
 * passes over it: what RocksDB takes by itself.
 */
export type OpenMode = 'stop' | 'kill' | 'index'

export interface Opened {
  readonly openMs: number
  /** From the start of opening to the first block. */
  readonly firstGetMs: number
  readonly firstCondition: string
  /** From the start of opening until the store is not `rebuilding`. */
  readonly rebuiltMs: number
  /** Reads while it was. */
  readonly reads: { readonly count: number; readonly medianMs: number; readonly worstMs: number }
  /** Growth by opening (and rebuilding), garbage not counted. */
  readonly rssBytes: number
  readonly arrayBytes: number
  readonly peakRssBytes: number
  readonly slots: number
  /** Blocks that the store says it has; of the index alone its entries. */
  readonly blocks: number
  readonly closeMs: number
}

/** The block that every large store has, for a first read. */
export const KNOWN = {
  address: toAddress(new Uint8Array(32).fill(1)),
  block: toBlock(new Uint8Array(BLOCK_BYTES).fill(7)),
}

/** Opens the store in `folder` in a process of its own. */
export async function openElsewhere(folder: string, mode: OpenMode): Promise<Opened> {
  const child = fork(fileURLToPath(import.meta.url), [folder, mode], {
    execArgv: ['--expose-gc', '--max-semi-space-size=4'],
  })
  let opened: Opened | undefined
  child.once('message', (message) => {
    opened = message as Opened
    child.send('seen')
  })
  await once(child, 'exit')
  if (opened === undefined) throw new Error(`opening a store (${mode}) failed`)
  return opened
}

async function openAndRead(folder: string, mode: OpenMode): Promise<Opened> {
  const before = memory()
  const startMs = performance.now()
  const pair = await openStore(folder, undefined)
  const openMs = performance.now() - startMs
  await readKnown(pair)
  const firstGetMs = performance.now() - startMs
  const firstCondition = pair.blocks.status().condition
  const reads = await readUntilRebuilt(pair)
  const rebuiltMs = performance.now() - startMs
  const after = memory()
  const { slots } = pair.care.stats()
  const closingMs = performance.now()
  if (mode === 'stop') await pair.blocks.close()
  const closeMs = performance.now() - closingMs
  return {
    openMs,
    firstGetMs,
    firstCondition,
    rebuiltMs,
    reads,
    slots,
    blocks: pair.blocks.status().blocks,
    closeMs,
    ...(await growth(before, after)),
  }
}

async function readKnown({ blocks }: StorePair): Promise<void> {
  const found = await blocks.get(KNOWN.address)
  if (found?.block[0] !== KNOWN.block[0]) throw new Error('the known block is not there')
}

async function readUntilRebuilt(pair: StorePair): Promise<Opened['reads']> {
  const times: number[] = []
  while (pair.blocks.status().condition === 'rebuilding') {
    const startMs = performance.now()
    await readKnown(pair)
    times.push(performance.now() - startMs)
    await sleep(5)
  }
  return { count: times.length, medianMs: quantile(times, 0.5), worstMs: quantile(times, 1) }
}

async function passOverIndex(folder: string): Promise<Opened> {
  const header = JSON.parse(await readFile(join(folder, 'store.json'), 'utf8')) as {
    storeBytes: number
  }
  const plan = planOf(header.storeBytes)
  const before = memory()
  const startMs = performance.now()
  const index = await openIndex(join(folder, 'index'), plan)
  const openMs = performance.now() - startMs
  let entries = 0
  for await (const page of indexPages(index)) entries += page.length
  const rebuiltMs = performance.now() - startMs
  const after = memory()
  await index.close()
  return {
    openMs,
    firstGetMs: openMs,
    firstCondition: 'ok',
    rebuiltMs,
    reads: { count: 0, medianMs: 0, worstMs: 0 },
    slots: plan.slots,
    blocks: entries,
    closeMs: 0,
    ...(await growth(before, after)),
  }
}

/** Without garbage. */
function memory(): NodeJS.MemoryUsage {
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.()
  return process.memoryUsage()
}

async function growth(before: NodeJS.MemoryUsage, after: NodeJS.MemoryUsage) {
  const status = await readFile('/proc/self/status', 'utf8')
  return {
    rssBytes: after.rss - before.rss,
    arrayBytes: after.arrayBuffers - before.arrayBuffers,
    peakRssBytes: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, mode] = process.argv.slice(2) as [string, OpenMode]
  const opened = await (mode === 'index' ? passOverIndex(folder) : openAndRead(folder, mode))
  process.once('message', () => {
    if (mode === 'kill') process.kill(process.pid, 'SIGKILL')
    else process.exit()
  })
  process.send?.(opened)
}
