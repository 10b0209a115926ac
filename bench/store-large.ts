/**
 * Memory a slot, and opening: after a clean stop and after a crash, for a store of 100 GiB (its slab has
 * holes here, and its entries are written straight into the index) and for a small one.
 * @module
 */
import { open, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

import { entryKey } from '../src/datastore/keyspace.ts'
import { planOf } from '../src/datastore/quota.ts'
import type { DiskPlan } from '../src/datastore/quota.ts'
import { EMPTY_RECORD, encodeRecord } from '../src/datastore/record.ts'
import type { IndexRecord } from '../src/datastore/record.ts'
import type { IndexChange } from '../src/datastore/rocks-index.ts'
import { writeHeader } from '../src/datastore/store-header.ts'
import { BLOCK_BYTES, toAddress } from '../src/keys/block.ts'
import type { Address } from '../src/keys/block.ts'
import { randomBytes } from '../src/keys/primitives.ts'
import { deriveSealKeys, sealSlot } from '../src/keys/seal.ts'
import type { SealKeys } from '../src/keys/seal.ts'
import { report } from './processes.ts'
import { MIB, digits, inFolder, openIndex, openStore, untilFilled } from './store-kit.ts'
import type { Row } from './store-kit.ts'
import { KNOWN, openElsewhere } from './store-opener.ts'
import type { Opened } from './store-opener.ts'
import { allocatedBytes } from './store-sampler.ts'

const SMALL_BYTES = 128 * MIB
const BATCH_ENTRIES = 4096
const CLEAN_OPENS = 5
const KNOWN_SLOT = 12
/** What a slot of a hole contains, so that a scrub finds it in order. */
const HOLE_CHECKSUM = crc32(new Uint8Array(BLOCK_BYTES))

export async function measureLarge({ slots }: { readonly slots: number }): Promise<Row[]> {
  const small = await inFolder(async (folder) => {
    await fillSmall(folder)
    return openings(folder, 'small')
  })
  const large = await inFolder(async (folder) => {
    const startMs = performance.now()
    await makeLarge(folder, slots)
    const madeMs = performance.now() - startMs
    report({ bench: 'store', part: 'large', slots, madeMs, diskBytes: allocatedBytes(folder) })
    return openings(folder, 'large')
  })
  return rowsOf(small, large)
}

interface Openings {
  /** After a crash, to begin with. */
  readonly crashed: Opened
  readonly clean: readonly Opened[]
  readonly index: Opened
}

async function openings(folder: string, name: string): Promise<Openings> {
  const index = await openElsewhere(folder, 'index')
  report({ bench: 'store', part: 'large', name, mode: 'index alone', ...index })
  await openElsewhere(folder, 'kill')
  const crashed = await openElsewhere(folder, 'stop')
  report({ bench: 'store', part: 'large', name, mode: 'after a crash', ...crashed })
  const clean: Opened[] = []
  for (let time = 0; time < CLEAN_OPENS; time++) {
    const opened = await openElsewhere(folder, 'stop')
    report({ bench: 'store', part: 'large', name, mode: 'after a clean stop', ...opened })
    clean.push(opened)
  }
  return { crashed, clean, index }
}

/** A small store that is full. */
async function fillSmall(folder: string): Promise<void> {
  const pair = await openStore(folder, SMALL_BYTES)
  await untilFilled(pair)
  await pair.blocks.put({ ...KNOWN, home: 0, area: 'store', link: 1 })
  const { block } = KNOWN
  const { store, cache } = pair.care.stats()
  for (const [area, count] of [
    ['store', store.slots - 1],
    ['cache', cache.slots],
  ] as const) {
    for (let number = 0; number < count; number++) {
      const address = toAddress(randomBytes(32))
      await pair.blocks.put({ address, home: 0, block, area, link: 1 })
    }
  }
  await pair.blocks.close()
}

/** A small store's directory, made to say that it is a large and full one. */
async function makeLarge(folder: string, slots: number): Promise<void> {
  const pair = await openStore(folder, SMALL_BYTES)
  await pair.blocks.close()
  let storeBytes = slots * BLOCK_BYTES
  while (planOf(storeBytes).slots < slots) storeBytes += MIB
  const plan = planOf(storeBytes)
  await writeHeader(folder, { storeBytes })
  await truncate(join(folder, 'slab'), plan.slots * BLOCK_BYTES)
  const keys = deriveSealKeys(await readFile(join(folder, 'store.key')))
  await fillIndex(folder, plan, keys)
}

async function fillIndex(folder: string, plan: DiskPlan, keys: SealKeys): Promise<void> {
  const index = await openIndex(join(folder, 'index'), plan)
  const known = await writeKnown(folder, keys)
  for (let slot = 0; slot < plan.slots;) {
    const changes: IndexChange[] = []
    for (; changes.length < BATCH_ENTRIES && slot < plan.slots; slot++) {
      const address = slot === KNOWN_SLOT ? KNOWN.address : toAddress(randomBytes(32))
      const record = slot === KNOWN_SLOT ? known : recordOf(slot, address, plan)
      changes.push(changeOf(keys, address, record))
    }
    await index.write(changes)
  }
  await index.flush()
  await index.close()
}

function changeOf(keys: SealKeys, address: Address, record: IndexRecord): IndexChange {
  const key = entryKey(keys, address, 0)
  return { key: key.bytes, value: encodeRecord(keys, key, record) }
}

function recordOf(slot: number, address: Address, { storeSlots }: DiskPlan): IndexRecord {
  const common = { ...EMPTY_RECORD, slot, checksum: HOLE_CHECKSUM }
  return slot < storeSlots ? { ...common, area: 'store', name: address } : common
}

async function writeKnown(folder: string, keys: SealKeys): Promise<IndexRecord> {
  const { address, block } = KNOWN
  const { sealed, nonce, tag } = sealSlot(keys, address, block)
  const file = await open(join(folder, 'slab'), 'r+')
  await file.write(sealed, 0, BLOCK_BYTES, KNOWN_SLOT * BLOCK_BYTES)
  await file.close()
  const slot = { slot: KNOWN_SLOT, checksum: crc32(sealed), nonce, tag }
  return { ...EMPTY_RECORD, ...slot, area: 'store', name: address }
}

function rowsOf(small: Openings, large: Openings): Row[] {
  const { crashed, clean, index } = large
  const { slots } = crashed
  const best = Math.min(...clean.map(({ openMs }) => openMs))
  const worst = Math.max(...clean.map(({ openMs }) => openMs))
  const aSlot = (bytes: number): string => (bytes / slots).toFixed(2)
  const most = clean.reduce((a, b) => (a.rssBytes > b.rssBytes ? a : b))
  return [
    {
      what: `opening ${digits(slots)} slots after a clean stop, best of ${clean.length} (worst)`,
      measured: `${digits(best)} (${digits(worst)}) ms; a small store ${digits(Math.min(...small.clean.map(({ openMs }) => openMs)))} ms`,
      target: '< 2,000 ms',
    },
    {
      what: 'after a crash: until the first block is read',
      measured: `${digits(crashed.firstGetMs)} ms, condition "${crashed.firstCondition}"`,
      target: '< 2,000 ms',
    },
    {
      what: 'after a crash: until its memory is rebuilt; reads meanwhile',
      measured: `${digits(crashed.rebuiltMs / 1000)} s; median ${digits(crashed.reads.medianMs)}, worst ${digits(crashed.reads.worstMs)} ms of ${crashed.reads.count}`,
    },
    {
      what: 'typed arrays a slot, after a clean stop and after a crash',
      measured: `${aSlot(most.arrayBytes)} and ${aSlot(crashed.arrayBytes)} bytes`,
      target: '≤ 8 bytes',
    },
    {
      what: 'growth of the process a slot, after a clean stop and after a crash; the index alone, read through',
      measured: `${aSlot(most.rssBytes)} and ${aSlot(crashed.rssBytes)}; ${aSlot(index.rssBytes)} bytes`,
    },
    {
      what: 'peak of the process: small store, large store after a clean stop, after a crash',
      measured: `${digits(small.crashed.peakRssBytes / 1e6)}, ${digits(most.peakRssBytes / 1e6)}, ${digits(crashed.peakRssBytes / 1e6)} MB`,
    },
  ]
}
