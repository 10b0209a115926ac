/**
 * Data directories to be damaged: made with known blocks, opened under a bound, and judged by what
 * can still be read. A wrong block fails the test at once.
 * @module
 */
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { openDiskStore } from '../../src/datastore/disk-store.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { isShoalError } from '../../src/errors.ts'
import type { ShoalError } from '../../src/errors.ts'
import { verify } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import type { Clock, Logger } from '../../src/runtime.ts'
import { createSeededRng } from './rng.ts'
import { contentBlock, signedBlock } from './signed-block.ts'
import type { NamedBlock } from './signed-block.ts'

const MIB = 1024 * 1024
/** About 120 slots: small, so that a hundred copies of it are soon made. */
export const SMALL_BYTES = 28 * MIB
/** Nothing that is done to so small a store takes a hundredth of it, ms. */
const HANG_MS = 60_000

export interface OpenOptions {
  readonly storeBytes?: number
  readonly passphrase?: string
  readonly clock?: Clock
  readonly logger?: Logger
  readonly seed?: number
}

/** What a store was given, and must give back or have lost. */
export const KNOWN = {
  store: Array.from({ length: 30 }, (_, i) => contentBlock(i)),
  cache: Array.from({ length: 12 }, (_, i) => contentBlock(100 + i)),
  signed: Array.from({ length: 3 }, (_, i) => signedBlock(i, 20)),
  outbox: Array.from({ length: 8 }, (_, i) => contentBlock(200 + i)),
}
export const KNOWN_BLOCKS = Object.values(KNOWN).flat().length

/** Put by `assertWorks`: they may displace as many others. */
export const FRESH_BLOCKS = 10

/** Rejects where `work` does not settle: a hang must end the test, and say so. */
export async function bounded<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), HANG_MS)
  })
  return Promise.race([work, hang]).finally(() => clearTimeout(timer))
}

/** A folder that is removed after the test. */
export async function temporaryFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-fault-'))
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

export async function openFolder(path: string, options: OpenOptions = {}): Promise<StorePair> {
  const { storeBytes, passphrase, clock, logger, seed } = options
  const opening = openDiskStore({
    dataDir: path,
    storeBytes,
    passphrase,
    rng: createSeededRng(seed ?? 1),
    clock: clock ?? systemClock,
    logger: logger ?? silentLogger,
  })
  return bounded('opening', opening)
}

/** Opens, works with the store and closes it, also when the work fails. */
export async function withStore<T>(
  path: string,
  work: (store: StorePair) => Promise<T>,
  options?: OpenOptions,
): Promise<T> {
  const store = await openFolder(path, options)
  try {
    return await bounded('the work', work(store))
  } finally {
    await bounded('closing', store.blocks.close())
  }
}

/** Why the folder does not open; undefined: it does, and was closed again. */
export async function refusal(
  path: string,
  options?: OpenOptions,
): Promise<ShoalError | undefined> {
  try {
    await withStore(path, () => Promise.resolve(), options)
    return undefined
  } catch (error) {
    if (isShoalError(error)) return error
    throw error
  }
}

/** Puts everything of KNOWN; when it resolves all of it outlives the process. */
export async function putKnown(store: StorePair): Promise<void> {
  const { blocks, outbox } = store
  for (const [i, named] of KNOWN.store.entries()) {
    for (const home of [i % 3, (i + 1) % 3] as Home[]) {
      await blocks.put({ ...named, home, area: 'store', link: 1 + (i % 5) })
    }
  }
  for (const [i, named] of KNOWN.cache.entries()) {
    await blocks.put({ ...named, home: (i % 3) as Home, area: 'cache', link: i })
  }
  for (const [i, named] of KNOWN.signed.entries()) {
    await blocks.put({ ...signedBlock(i, 10), home: 0, area: 'store', link: 1 })
    await blocks.put({ ...named, home: 1, area: 'store', link: 2 })
  }
  const insertId = await outbox.begin()
  for (const named of KNOWN.outbox) await outbox.add({ insertId, ...named, homes: [0, 2] })
  await outbox.commit(insertId)
}

/** The folder as a sudden end of its process would leave it, in another place. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await cp(from, to, { recursive: true })
}

/** How many of the known blocks can be read. A wrong one fails the test. */
export async function countKnown({ blocks, outbox }: StorePair): Promise<number> {
  let found = 0
  for (const { address } of [...KNOWN.store, ...KNOWN.cache, ...KNOWN.signed]) {
    const got = await blocks.get(address, { link: 3 })
    if (got === undefined) continue
    assert.notEqual(verify(address, got.block), 'invalid', 'a wrong block')
    found++
  }
  for (const { address } of KNOWN.outbox) {
    const block = await outbox.get(address)
    if (block === undefined) continue
    assert.notEqual(verify(address, block), 'invalid', 'a wrong block of the outbox')
    found++
  }
  return found
}

/** Whether the store takes, gives back and lets go of blocks as a new one does. */
export async function assertWorks({ blocks, outbox, care }: StorePair): Promise<void> {
  while (blocks.status().condition === 'rebuilding') await pause()
  for (let i = 0; i < FRESH_BLOCKS; i++) {
    const named = contentBlock(1000 + i)
    const area = i % 2 === 0 ? 'store' : 'cache'
    assert.equal(await blocks.put({ ...named, home: 0, area, link: 1 }), 'stored')
    assertSame((await blocks.get(named.address))?.block, named) // a later put may evict it
  }
  const insertId = await outbox.begin()
  const added = await outbox.add({ insertId, ...contentBlock(1020), homes: [0] })
  assert.equal(added === 'full', outbox.pendingBlocks === outbox.capacityBlocks)
  await outbox.commit(insertId)
  if (added === 'added')
    assertSame(await outbox.get(contentBlock(1020).address), contentBlock(1020))
  await outbox.homeDone({ insertId, ...contentBlock(1020), homesLeft: [0] }, 0)
  assert.ok((await care.check()).checked > 0)
  assert.equal((await care.check()).freed, 0, 'nothing is left that does not verify')
}

function assertSame(block: Uint8Array | undefined, named: NamedBlock): void {
  assert.ok(
    block !== undefined && Buffer.compare(block, named.block) === 0,
    'what was put is there',
  )
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
