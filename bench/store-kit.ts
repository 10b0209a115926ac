/**
 * What the parts of the store benchmark share: temporary folders, blocks, work in flight, rows.
 * @module
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskCondition } from '../src/datastore/disk-condition.ts'
import { openDiskStore } from '../src/datastore/disk-store.ts'
import type { DiskPlan } from '../src/datastore/quota.ts'
import { openRocksIndex } from '../src/datastore/rocks-index.ts'
import type { Index } from '../src/datastore/rocks-index.ts'
import type { StorePair } from '../src/datastore/store.ts'
import { BLOCK_BYTES, toAddress, toBlock } from '../src/keys/block.ts'
import type { Address, Block } from '../src/keys/block.ts'
import { randomBytes } from '../src/keys/primitives.ts'
import { createSystemRng, silentLogger, systemClock } from '../src/runtime.ts'

export const MIB = 1024 * 1024
export const GIB = 1024 * MIB
/** Distinct blocks: 16 MiB of random bytes, more than the caches of a core hold. */
const POOL_BLOCKS = 512

const folders = new Set<string>()
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** Runs `task` with a folder of its own, which is gone afterwards, whatever happened. */
export async function inFolder<T>(task: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-store-'))
  folders.add(folder)
  try {
    return await task(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
    folders.delete(folder)
  }
}

/** The store under test. `storeBytes` undefined: as large as it was. */
export function openStore(dataDir: string, storeBytes: number | undefined): Promise<StorePair> {
  const rng = createSystemRng()
  return openDiskStore({ dataDir, storeBytes, rng, clock: systemClock, logger: silentLogger })
}

/** The index of a store alone. */
export function openIndex(path: string, plan: DiskPlan): Promise<Index> {
  return openRocksIndex(path, {
    writeBufferBytes: plan.writeBufferBytes,
    maxBytes: plan.indexBytes,
    maxManifestBytes: plan.manifestBytes,
    condition: new DiskCondition(silentLogger),
  })
}

/** Waits until the slab of a new store is there in full. */
export async function untilFilled({ care }: StorePair): Promise<void> {
  while (care.stats().filledShare < 1) await sleep(20)
}

export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs)
  })
}

/** Blocks by number. Stores do not verify what they are given, so the names are random as well. */
export class Blocks {
  readonly #pool = Array.from({ length: POOL_BLOCKS }, () => toBlock(randomBytes(BLOCK_BYTES)))
  readonly #addresses: Address[] = []

  /** Makes the names of the first `count` blocks, so that no measurement pays for it. */
  prepare(count: number): void {
    while (this.#addresses.length < count) this.#addresses.push(toAddress(randomBytes(32)))
  }

  address(number: number): Address {
    this.prepare(number + 1)
    return this.#addresses[number] as Address
  }

  block(number: number): Block {
    return this.#pool[number % POOL_BLOCKS] as Block
  }

  /** @throws Error where `bytes` are not those of block `number`, as their ends tell. */
  check(number: number, bytes: Uint8Array | null | undefined): void {
    const block = this.block(number)
    for (const at of [0, 1, 2, 3, BLOCK_BYTES - 1]) {
      if (bytes?.[at] !== block[at]) throw new Error(`block ${number} is missing or wrong`)
    }
  }
}

/** Runs `task` for 0 to `count` - 1, `inFlight` at a time. Resolves to µs a task. */
export async function timeEach(
  count: number,
  inFlight: number,
  task: (number: number) => Promise<unknown>,
): Promise<number> {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) await task(next++)
  }
  const startMs = performance.now()
  await Promise.all(Array.from({ length: inFlight }, work))
  return ((performance.now() - startMs) * 1000) / count
}

/** µs a call of something that does not wait. */
export function timeCalls(count: number, call: (number: number) => unknown): number {
  const startMs = performance.now()
  for (let number = 0; number < count; number++) call(number)
  return ((performance.now() - startMs) * 1000) / count
}

/**
 * The returned function says which part of all processors' time others have used since: the kernel's
 * own work for us included. NaN where there is no /proc.
 */
export function watchOthers(): () => number {
  const before = processorMs()
  return () => {
    const after = processorMs()
    return (after.busy - before.busy - (after.own - before.own)) / (after.all - before.all)
  }
}

function processorMs(): { own: number; busy: number; all: number } {
  const { user, system } = process.cpuUsage()
  const own = (user + system) / 1000
  if (!existsSync('/proc/stat')) return { own, busy: Number.NaN, all: Number.NaN }
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n')
  // user, nice, system, idle, waiting for disk, interrupts (2), stolen; in 10 ms
  const ticks = line.split(/\s+/).slice(1, 9).map(Number)
  const all = ticks.reduce((sum, each) => sum + each, 0) * 10
  return { own, busy: all - ((ticks[3] ?? 0) + (ticks[4] ?? 0)) * 10, all }
}

export interface Row {
  readonly what: string
  readonly measured: string
  readonly target?: string
}

export function printTable(rows: readonly Row[]): void {
  console.log('\n| what | measured | target |\n| --- | --- | --- |')
  for (const { what, measured, target } of rows) {
    console.log(`| ${what} | ${measured} | ${target ?? '–'} |`)
  }
}

/** Three significant digits. */
export function digits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

/** `values` at `share` of their order; 0.99: the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
