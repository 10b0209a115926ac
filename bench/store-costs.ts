/**
 * What one verified put and one get cost, part by part: each part alone in a loop, and what is left of
 * the whole. With 32 in flight parts overlap on two cores, so that less than nothing may be left.
 * @module
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

import { FilteredIndex } from '../src/datastore/filtered-index.ts'
import { entryKey } from '../src/datastore/keyspace.ts'
import type { IndexKey } from '../src/datastore/keyspace.ts'
import { planOf } from '../src/datastore/quota.ts'
import { EMPTY_RECORD, decodeRecord, encodeRecord } from '../src/datastore/record.ts'
import type { IndexChange } from '../src/datastore/rocks-index.ts'
import { openSlab } from '../src/datastore/slab.ts'
import type { Slab } from '../src/datastore/slab.ts'
import { contentAddress, verify } from '../src/keys/block.ts'
import type { Block, Home } from '../src/keys/block.ts'
import { createStoreSecret, deriveSealKeys, openSlot, sealSlot } from '../src/keys/seal.ts'
import type { SealKeys } from '../src/keys/seal.ts'
import { median, report } from './processes.ts'
import {
  Blocks,
  MIB,
  digits,
  inFolder,
  openIndex,
  openStore,
  timeCalls,
  timeEach,
  untilFilled,
} from './store-kit.ts'
import type { Row } from './store-kit.ts'

const IN_FLIGHT = [1, 32] as const
const CALLS = 4000
const REPEATS = 5
const COMMIT_ENTRIES = 256

/** µs, by part. */
type Costs = Record<string, number>

interface Bench {
  readonly keys: SealKeys
  readonly slab: Slab
  readonly index: FilteredIndex
  /** Entries that are in the index, and as many that are not. */
  readonly here: readonly IndexKey[]
  readonly absent: readonly IndexKey[]
  readonly blocks: Blocks
}

export async function measureCosts({ storeMiB }: { readonly storeMiB: number }): Promise<Row[]> {
  const storeBytes = storeMiB * MIB
  const blocks = new Blocks()
  const rows: Row[] = []
  for (const inFlight of IN_FLIGHT) {
    const whole = await inFolder((folder) => wholes({ folder, storeBytes, blocks, inFlight }))
    const parts = await inFolder(async (folder) => {
      const bench = await openBench(folder, storeBytes, blocks)
      const { putParts, getParts } = await partsOf(bench, inFlight)
      await Promise.all([bench.slab.close(), bench.index.close()])
      return { put: putParts, get: getParts }
    })
    for (const call of ['put', 'get'] as const) {
      rows.push(rowOf(call, inFlight, { ...parts[call], whole: whole[call] }))
    }
  }
  return rows
}

function rowOf(call: 'put' | 'get', inFlight: number, costs: Costs & { whole: number }): Row {
  const { whole, ...parts } = costs
  const sum = Object.values(parts).reduce((total, us) => total + us, 0)
  const all = { ...parts, other: whole - sum }
  report({ bench: 'store', part: 'costs', call, inFlight, us: { ...all, whole } })
  const text = Object.entries(all).map(([part, us]) => `${part} ${us.toFixed(1)}`)
  return {
    what: `a verified ${call}, ${inFlight} in flight, µs`,
    measured: `${digits(whole)} = ${text.join(' + ')}`,
  }
}

/** A put with the check of its hash, and a get, as callers see them. */
async function wholes(of: {
  readonly folder: string
  readonly storeBytes: number
  readonly blocks: Blocks
  readonly inFlight: number
}): Promise<{ put: number; get: number }> {
  const { blocks, inFlight } = of
  const pair = await openStore(of.folder, of.storeBytes)
  await untilFilled(pair)
  const count = Math.min(CALLS, Math.floor(pair.care.stats().store.slots / (REPEATS + 1)))
  const names = Array.from({ length: count }, (_, number) => contentAddress(blocks.block(number)))
  const puts: number[] = []
  for (let repeat = 0; repeat <= REPEATS; repeat++) {
    const us = await timeEach(count, inFlight, async (i) => {
      const number = repeat * count + i
      const block = blocks.block(i)
      if (verify(names[i] as (typeof names)[number], block) !== 'content') throw new Error('hash')
      const address = blocks.address(number)
      await pair.blocks.put({ address, home: 0, block, area: 'store', link: 1 })
    })
    puts.push(us)
  }
  const gets: number[] = []
  for (let repeat = 0; repeat <= REPEATS; repeat++) {
    const us = await timeEach(count, inFlight, () => {
      const number = Math.floor(Math.random() * count * (REPEATS + 1))
      return pair.blocks.get(blocks.address(number), { link: 2 })
    })
    gets.push(us)
  }
  await pair.blocks.close()
  return { put: median(puts.slice(1)), get: median(gets.slice(1)) } // the first compiles
}

async function openBench(folder: string, storeBytes: number, blocks: Blocks): Promise<Bench> {
  const plan = planOf(storeBytes)
  const path = join(folder, 'index')
  await mkdir(path)
  const index = new FilteredIndex(await openIndex(path, plan), plan.slots)
  index.trust()
  const keys = deriveSealKeys(createStoreSecret())
  const slab = await openSlab(join(folder, 'slab'), plan.slots)
  await slab.extend(plan.slots)
  const keyOf = (number: number): IndexKey => entryKey(keys, blocks.address(number), 0)
  const here = Array.from({ length: plan.slots }, (_, number) => keyOf(number))
  const absent = Array.from({ length: 3 * CALLS }, (_, i) => keyOf(plan.slots + i))
  for (let at = 0; at < here.length; at += COMMIT_ENTRIES) {
    await index.write(changesOf(keys, here.slice(at, at + COMMIT_ENTRIES)))
  }
  return { keys, slab, index, here, absent, blocks }
}

function changesOf(keys: SealKeys, entries: readonly IndexKey[]): IndexChange[] {
  return entries.map((key) => ({ key: key.bytes, value: encodeRecord(keys, key, EMPTY_RECORD) }))
}

async function partsOf(bench: Bench, inFlight: number) {
  const names = medianOf(() => timeCalls(CALLS, (i) => nameOf(bench, i)))
  const { read, open, found, decode } = await getTimes(bench, inFlight)
  const putParts: Costs = {
    verify: verifyUs(bench.blocks),
    names: 3 * names,
    'look-up': await absentUs(bench, inFlight),
    seal: medianOf(() => timeCalls(CALLS, (i) => sealOf(bench, i))),
    checksum: medianOf(() => timeCalls(CALLS, (i) => crc32(bench.blocks.block(i)))),
    ...(await writeTimes(bench, inFlight)),
  }
  const getParts: Costs = { names, 'look-up': found, record: decode, 'slab read': read, open }
  return { putParts, getParts }
}

function nameOf({ keys, blocks }: Bench, number: number): IndexKey {
  return entryKey(keys, blocks.address(number), (number % 3) as Home)
}

function sealOf({ keys, blocks }: Bench, number: number): unknown {
  return sealSlot(keys, blocks.address(number), blocks.block(number))
}

function verifyUs(blocks: Blocks): number {
  const block: Block = blocks.block(0)
  const address = contentAddress(block)
  return medianOf(() => timeCalls(CALLS, () => verify(address, block)))
}

/** Three homes that are not here: the filter knows. */
function absentUs({ index, absent }: Bench, inFlight: number): Promise<number> {
  const three = (i: number): Uint8Array[] =>
    [0, 1, 2].map((home) => (absent[3 * i + home] as IndexKey).bytes)
  return medianLater(() => timeEach(CALLS, inFlight, (i) => index.getMany(three(i))))
}

async function getTimes({ index, here, keys, slab, blocks }: Bench, inFlight: number) {
  const any = (): IndexKey => here[Math.floor(Math.random() * here.length)] as IndexKey
  const slot = (): number => Math.floor(Math.random() * slab.slots)
  const address = blocks.address(0)
  const { sealed, ...seal } = sealSlot(keys, address, blocks.block(0))
  const key = here[0] as IndexKey
  const value = encodeRecord(keys, key, EMPTY_RECORD)
  return {
    found: await medianLater(() => timeEach(CALLS, inFlight, () => index.getMany([any().bytes]))),
    decode: medianOf(() => timeCalls(CALLS, () => decodeRecord(keys, key.bytes, value))),
    read: await medianLater(() => timeEach(CALLS, inFlight, () => slab.read(slot(), length))),
    open: medianOf(() => timeCalls(CALLS, () => openSlot(keys, address, sealed, seal))),
  }
}

function length(bytes: Uint8Array): number {
  return bytes.length
}

/** Of a put: its slot, and its share of a commit. */
async function writeTimes({ slab, index, keys, here, blocks }: Bench, inFlight: number) {
  const slot = (): number => Math.floor(Math.random() * slab.slots)
  const [writes, syncs, batches]: [number[], number[], number[]] = [[], [], []]
  for (let commit = 0; commit < 2 * REPEATS * 10; commit++) {
    const write = (i: number): Promise<void> => slab.write(slot(), blocks.block(i))
    writes.push(await timeEach(COMMIT_ENTRIES, inFlight, write))
    syncs.push((await timeEach(1, 1, () => slab.sync())) / COMMIT_ENTRIES)
    const from = (commit * COMMIT_ENTRIES) % (here.length - COMMIT_ENTRIES)
    const changes = changesOf(keys, here.slice(from, from + COMMIT_ENTRIES))
    batches.push((await timeEach(1, 1, () => index.write(changes))) / COMMIT_ENTRIES)
  }
  const some = here.slice(0, CALLS)
  const record = medianOf(() => timeCalls(1, () => changesOf(keys, some)) / some.length)
  return {
    'slab write': median(writes),
    record,
    'index batch': median(batches),
    'sync share': median(syncs),
  }
}

function medianOf(time: () => number): number {
  time() // the first compiles
  return median(Array.from({ length: REPEATS }, time))
}

async function medianLater(time: () => Promise<number>): Promise<number> {
  const times: number[] = []
  for (let repeat = 0; repeat <= REPEATS; repeat++) times.push(await time())
  return median(times.slice(1))
}
