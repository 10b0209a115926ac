/**
 * Whether an opened store holds what it must after its process was killed.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'

import type { Outbox, StorePair } from '../../src/datastore/store.ts'
import { sequenceOf, verify } from '../../src/keys/block.ts'
import type { Address } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { blockOf } from './fault-report.ts'
import type { BlockName, Expectation, ExpectedInsert } from './fault-report.ts'
import { contentBlock, signedBlock } from './signed-block.ts'

const ALL = { from: 0, to: 2 ** 48 - 1 }
const REBUILD_POLL_MS = 2
/** Of the blocks that were looked at while the index was being read, so many are looked at again. */
const SECOND_LOOKS = 50

/** Reads until it is believed that a block is not in the store. */
const AREA_TRIES = 5

export interface Verified {
  readonly blocks: number
  readonly youngFound: number
  readonly youngLost: number
  /** What the outbox has: for the next process to expect. */
  readonly inserts: readonly ExpectedInsert[]
}

/** Calls `wrong` with a sentence for everything that is not as it must be. */
export async function verifyStore(
  store: StorePair,
  expect: Expectation,
  wrong: (message: string) => void,
): Promise<Verified> {
  const { blocks } = store
  const { quotaBytes } = blocks.status()
  if (expect.quotas.length > 0 && !expect.quotas.includes(quotaBytes)) {
    wrong(`the quota is ${quotaBytes}, not one of ${expect.quotas.join(' ')}`)
  }
  await verifyContent(store, expect, wrong)
  await verifySigned(store, expect, wrong)
  const wasRebuilding = blocks.status().condition === 'rebuilding'
  while (blocks.status().condition === 'rebuilding') await sleep(REBUILD_POLL_MS)
  if (wasRebuilding) {
    await verifyContent(store, { ...expect, blocks: expect.blocks.slice(-SECOND_LOOKS) }, wrong)
    await verifySigned(store, expect, wrong)
  }
  await verifyWalk(store, expect, wrong)
  const inserts = await verifyOutbox(store.outbox, expect, wrong)
  let youngFound = 0
  for (const number of expect.young) {
    if (await readContent(store, number, wrong)) youngFound++
  }
  const youngLost = expect.young.length - youngFound
  return { blocks: expect.blocks.length, youngFound, youngLost, inserts }
}

/** The area of a block of content, undefined where it is not there; a wrong block is told. */
export async function readContent(
  { blocks }: Pick<StorePair, 'blocks'>,
  number: number,
  wrong: (message: string) => void,
): Promise<string | undefined> {
  const { address } = contentBlock(number)
  const found = await blocks.get(address, { link: 1 + (number % 7) })
  if (found === undefined) return undefined
  if (verify(address, found.block) !== 'content') wrong(`a wrong block for content ${number}`)
  return found.area
}

async function verifyContent(
  store: StorePair,
  { isRoomy, blocks }: Expectation,
  wrong: (message: string) => void,
): Promise<void> {
  for (const [number, area] of blocks) {
    const found = await readContent(store, number, wrong)
    if (!isRoomy) continue
    if (found === undefined) wrong(`content ${number} is gone from the ${area}`)
    // what was put into the cache for good may have been put into the store since
    else if (area === 'store' && found !== 'store' && !(await isInStore(store, number, wrong))) {
      wrong(`content ${number} left the store`)
    }
  }
}

/**
 * Whether a block that a read found in the cache is in the store after all: until the index is read again
 * the first entry's word counts, and a slot that is moved at this very moment is in neither area.
 */
async function isInStore(
  store: StorePair,
  number: number,
  wrong: (message: string) => void,
): Promise<boolean> {
  if (store.blocks.status().condition === 'rebuilding') return true
  for (let tries = 0; tries < AREA_TRIES; tries++) {
    await sleep(REBUILD_POLL_MS)
    if ((await readContent(store, number, wrong)) === 'store') return true
  }
  return false
}

async function verifySigned(
  { blocks }: StorePair,
  { isRoomy, signed }: Expectation,
  wrong: (message: string) => void,
): Promise<void> {
  for (const [publisher, atLeast] of signed) {
    const { address } = signedBlock(publisher, 0)
    const found = await blocks.get(address)
    if (found === undefined) {
      if (isRoomy) wrong(`the block of publisher ${publisher} is gone`)
      continue
    }
    if (verify(address, found.block) !== 'signed') wrong(`a wrong block of publisher ${publisher}`)
    const sequence = sequenceOf(found.block)
    if (sequence < atLeast) {
      wrong(`publisher ${publisher} fell from sequence ${atLeast} to ${sequence}`)
    }
  }
}

/** Every entry once, and, where nothing was evicted, every home that was put for good. */
async function verifyWalk(
  { blocks }: StorePair,
  expect: Expectation,
  wrong: (message: string) => void,
): Promise<void> {
  const homes = new Map<string, number>()
  for await (const { address, home } of blocks.walk(ALL)) {
    const name = mapKey(address)
    const before = homes.get(name) ?? 0
    if ((before & (1 << home)) !== 0) wrong('a walk shows an entry twice')
    homes.set(name, before | (1 << home))
  }
  if (!expect.isRoomy) return
  for (const [number, area, mask] of expect.blocks) {
    const seen = homes.get(mapKey(contentBlock(number).address)) ?? 0
    if (area === 'store' && (mask & ~seen) !== 0) {
      wrong(`a walk misses homes of content ${number}: ${mask} expected, ${seen} seen`)
    }
  }
}

interface Entry {
  readonly name: BlockName
  readonly mask: number
  readonly surely: number
  readonly address: Address
}

async function verifyOutbox(
  outbox: Outbox,
  { inserts }: Expectation,
  wrong: (message: string) => void,
): Promise<ExpectedInsert[]> {
  const found = entriesByInsert(outbox, inserts, wrong)
  for (const insert of inserts) verifyInsert(outbox, insert, found.get(insert.insertId), wrong)
  for (const entries of found.values()) {
    for (const entry of entries) await verifyEntry(outbox, entry, wrong)
  }
  // reading may have dropped entries that were as good as done
  const left = entriesByInsert(outbox, inserts, wrong)
  return [...left].map(([insertId, entries]) => ({
    insertId,
    isCertain: true,
    total: outbox.insert(insertId)?.blocks ?? 0,
    blocks: entries.map(({ name, mask }) => [name, mask, mask] as const),
  }))
}

function entriesByInsert(
  outbox: Outbox,
  inserts: readonly ExpectedInsert[],
  wrong: (message: string) => void,
): Map<number, Entry[]> {
  const found = new Map<number, Entry[]>()
  const byAddress = new Map<string, { name: BlockName; surely: number; perhaps: number }>()
  for (const { insertId, blocks } of inserts) {
    for (const [name, surely, perhaps] of blocks) {
      byAddress.set(`${insertId} ${mapKey(blockOf(name).address)}`, { name, surely, perhaps })
    }
  }
  let count = 0
  for (const { insertId, address, homesLeft } of outbox.entries()) {
    count++
    const expected = byAddress.get(`${insertId} ${mapKey(address)}`)
    if (expected === undefined) {
      wrong(`the outbox has a block that insert ${insertId} does not have`)
      continue
    }
    const { name, surely, perhaps } = expected
    const mask = homesLeft.reduce<number>((sum, home) => sum | (1 << home), 0)
    if ((surely & ~mask) !== 0 || (mask & ~perhaps) !== 0) {
      wrong(`insert ${insertId}, ${name}: homes ${mask}, not from ${surely} to ${perhaps}`)
    }
    const entries = found.get(insertId) ?? []
    entries.push({ name, mask, surely, address })
    found.set(insertId, entries)
  }
  if (count !== outbox.pendingBlocks) wrong(`${outbox.pendingBlocks} blocks pending, not ${count}`)
  return found
}

/** Whole or, where it was never said to be committed, gone. */
function verifyInsert(
  outbox: Outbox,
  { insertId, isCertain, total, blocks }: ExpectedInsert,
  entries: readonly Entry[] = [],
  wrong: (message: string) => void,
): void {
  const wanted = blocks.filter(([, surely]) => surely !== 0)
  const names = new Set(entries.map(({ name }) => name))
  const missing = wanted.filter(([name]) => !names.has(name))
  if (missing.length > 0 && (isCertain || names.size > 0)) {
    wrong(`insert ${insertId} lost ${missing.length} of ${wanted.length} blocks`)
  }
  if (wanted.length === 0 || names.size === 0) return
  const told = outbox.insert(insertId)
  if (told?.committed !== true) wrong(`insert ${insertId} is not committed any more`)
  else if (told.blocks !== total)
    wrong(`insert ${insertId} has ${told.blocks} blocks, not ${total}`)
}

async function verifyEntry(
  outbox: Outbox,
  { name, surely, address }: Entry,
  wrong: (message: string) => void,
): Promise<void> {
  const block = await outbox.get(address)
  if (block === undefined) {
    // an entry whose homes are all done may come back after its slot was given away
    if (surely !== 0) wrong(`${name} of the outbox cannot be read`)
    return
  }
  const kind = verify(address, block)
  if (kind !== (name.startsWith('c') ? 'content' : 'signed')) wrong(`a wrong block for ${name}`)
  const sequence = Number(name.split('.')[1] ?? 0)
  if (surely !== 0 && kind === 'signed' && sequenceOf(block) < sequence) {
    wrong(`an older edition than ${name} is the newest of the outbox`)
  }
}
