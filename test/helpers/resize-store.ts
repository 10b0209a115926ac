/**
 * Stores of few slots that are opened by their quota, as a node does it, so that they can be resized.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'

import type { DataDir } from '../../src/datastore/data-dir.ts'
import { createDiskStore } from '../../src/datastore/disk-store.ts'
import { planOf, sharesOf } from '../../src/datastore/quota.ts'
import type { Area, StorePair } from '../../src/datastore/store.ts'
import type { Home } from '../../src/keys/block.ts'
import { createAt, openDir, openWhole, storeOptions } from './disk-store.ts'
import { contentBlock, signedBlock } from './signed-block.ts'

const FIXED_BYTES = 24 * 2 ** 20 + 64 * 1024
const SLOT_BYTES = 32_768 + 1260 + 16

/** The smallest quota with so many slots. */
export function quotaOf(slots: number): number {
  return FIXED_BYTES + slots * SLOT_BYTES
}

/** A store of so many slots, whose slab is there as a whole. */
export async function openFilled(path: string, slots: number): Promise<StorePair> {
  const store = await openWhole(path, quotaOf(slots))
  await filled(store)
  return store
}

/** The store of a folder, with the size that it has. */
export async function openAgain(path: string): Promise<StorePair> {
  const dir = await openDir(path)
  return createAt(path, dir, planOf(dir.storeBytes).slots)
}

/**
 * The same over files whose calls `fails` may refuse, each under its name. Whoever calls this closes it:
 * not even that may go well.
 */
export async function openFailing(
  path: string,
  fails: (call: string) => Error | undefined,
): Promise<StorePair> {
  const dir = await openDir(path)
  const { slab, index } = dir
  wrap(slab, ['read', 'write', 'extend', 'truncate', 'sync'], fails)
  wrap(index, ['write', 'flush', 'setLimits'], fails)
  const watched: DataDir = {
    ...dir,
    saveStoreBytes: async (bytes) => {
      throwIf(fails('saveStoreBytes'))
      await dir.saveStoreBytes(bytes)
    },
  }
  const { slots } = planOf(dir.storeBytes)
  return createDiskStore(watched, sharesOf(slots), storeOptions(slots))
}

function wrap<T extends object>(
  target: T,
  names: readonly (keyof T & string)[],
  fails: (call: string) => Error | undefined,
): void {
  for (const name of names) {
    const call = target[name] as (...args: unknown[]) => Promise<unknown>
    const wrapped = async (...args: unknown[]): Promise<unknown> => {
      throwIf(fails(name))
      return call.apply(target, args)
    }
    Object.assign(target, { [name]: wrapped })
  }
}

function throwIf(error: Error | undefined): void {
  if (error !== undefined) throw error
}

export async function filled(store: StorePair): Promise<void> {
  while (store.blocks.status().filledShare < 1) await sleep(5)
}

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: imitated`), { code })
}

/** Puts content blocks `from` to `to` - 1 into an area, eight at a time. */
export async function putMany(
  store: StorePair,
  area: Area,
  [from, to]: readonly [number, number],
): Promise<void> {
  for (let i = from; i < to; i += 8) {
    const numbers = Array.from({ length: Math.min(8, to - i) }, (_, j) => i + j)
    await Promise.all(
      numbers.map((number) => {
        const home = (number % 3) as Home
        return store.blocks.put({ ...contentBlock(number), home, area, link: number % 40 })
      }),
    )
  }
}

/** Which of the content blocks `from` to `to` - 1 are here; throws where one has other bytes. */
export async function blocksHere(
  store: StorePair,
  [from, to]: readonly [number, number],
): Promise<number[]> {
  const here: number[] = []
  for (let number = from; number < to; number++) {
    const { address, block } = contentBlock(number)
    const found = await store.blocks.get(address)
    if (found === undefined) continue
    if (Buffer.compare(found.block, block) !== 0) throw new Error(`block ${number} is another`)
    here.push(number)
  }
  return here
}

/** One committed insert of content blocks `from` to `to` - 1. */
export async function insertMany(
  { outbox }: StorePair,
  [from, to]: readonly [number, number],
): Promise<number> {
  const insertId = await outbox.begin()
  for (let number = from; number < to; number++) {
    const added = await outbox.add({ insertId, ...contentBlock(number), homes: [0, 1] })
    if (added === 'full') throw new Error('the outbox is full')
  }
  await outbox.commit(insertId)
  return insertId
}

/** Throws where one of the blocks of an insert cannot be read. */
export async function checkInsert(
  { outbox }: StorePair,
  [from, to]: readonly [number, number],
): Promise<void> {
  for (let number = from; number < to; number++) {
    const { address, block } = contentBlock(number)
    const found = await outbox.get(address)
    if (found === undefined || Buffer.compare(found, block) !== 0) {
      throw new Error(`block ${number} of an insert is ${found === undefined ? 'lost' : 'another'}`)
    }
  }
}

export async function putSigned(
  { blocks }: StorePair,
  publisher: number,
  sequence: number,
  area: Area = 'store',
): Promise<string> {
  return blocks.put({ ...signedBlock(publisher, sequence), home: 1, area, link: 1 })
}
