/**
 * A disk that is full or fails while the store runs: it goes on serving, answers every call, says what
 * is the matter, and works again when the disk does (spec §11.5).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { StorePair } from '../../src/datastore/store.ts'
import { isShoalError } from '../../src/errors.ts'
import { verify } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import type { Rng } from '../../src/runtime.ts'
import { FailingDisk, openOnFailing } from '../helpers/fault-disk.ts'
import type { DiskCall, DiskFault } from '../helpers/fault-disk.ts'
import {
  KNOWN,
  KNOWN_BLOCKS,
  SMALL_BYTES,
  assertWorks,
  bounded,
  countKnown,
  openFolder,
  putKnown,
  temporaryFolder,
  withStore,
} from '../helpers/fault-folder.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'

const SEED = seedFromEnvironment()
/** Three puts each, one of them to the store: which then has room for all that it has. */
const STRAIN_ROUNDS = 35
const MIB = 1024 * 1024
const ALL = { from: 0, to: 2 ** 48 - 1 }
const ALL_WRITES: DiskCall[] = [
  'slab.write',
  'slab.extend',
  'slab.truncate',
  'slab.sync',
  'index.write',
  'index.flush',
  'saveStoreBytes',
]
const ALL_READS: DiskCall[] = ['slab.read', 'index.getMany', 'index.range']

interface Row {
  readonly fault: DiskFault
  /** Blocks of which a read says that they are gone may be given up: they were readable no more. */
  readonly mayLoseBlocks?: boolean
  /** The slab is not whole yet: what is there is all that there is room for. */
  readonly isFilling?: boolean
}

const ROWS: Record<string, Row> = {
  'a full disk under the slab': {
    fault: { calls: ['slab.write', 'slab.extend'], code: 'ENOSPC', oneIn: 1 },
  },
  'a disk that is full before the slab is whole': {
    fault: { calls: ['slab.extend'], code: 'ENOSPC', oneIn: 1 },
    isFilling: true,
  },
  'a full disk under the slab now and then': {
    fault: { calls: ['slab.write', 'slab.extend'], code: 'ENOSPC', oneIn: 3 },
  },
  'a quota of the system that is used up': {
    fault: { calls: ALL_WRITES, code: 'EDQUOT', oneIn: 1 },
  },
  'a slab that cannot be synced': { fault: { calls: ['slab.sync'], code: 'EIO', oneIn: 1 } },
  'a slab that cannot be synced now and then': {
    fault: { calls: ['slab.sync'], code: 'EIO', oneIn: 2 },
  },
  'a full disk under the index': {
    fault: { calls: ['index.write', 'index.flush'], code: 'ENOSPC', oneIn: 1 },
  },
  'an index that cannot be written now and then': {
    fault: { calls: ['index.write', 'index.flush'], code: 'EIO', oneIn: 2 },
  },
  'an index that cannot be flushed': { fault: { calls: ['index.flush'], code: 'EIO', oneIn: 1 } },
  'writes that fail anywhere, now and then': {
    fault: { calls: ALL_WRITES, code: 'EIO', oneIn: 5 },
  },
  'a slab that cannot be read now and then': {
    fault: { calls: ['slab.read'], code: 'EIO', oneIn: 4 },
    mayLoseBlocks: true,
  },
  'an index that cannot be read': {
    fault: { calls: ['index.getMany', 'index.range'], code: 'EIO', oneIn: 1 },
  },
  'an index that cannot be read now and then': {
    fault: { calls: ['index.getMany', 'index.range'], code: 'EIO', oneIn: 3 },
  },
  'everything that fails now and then': {
    fault: { calls: [...ALL_WRITES, ...ALL_READS], code: 'EIO', oneIn: 8 },
    mayLoseBlocks: true,
  },
}

for (const [name, row] of Object.entries(ROWS)) {
  test(`failing disk: ${name} is lived through, and over when it is over`, async (t) => {
    const path = await temporaryFolder(t)
    const disk = new FailingDisk()
    const store = await openOnFailing(path, disk, SEED)
    await untilOk(store) // with clocks as fast as these it is given out before it is
    await putKnown(store)
    if (row.isFilling !== true) await untilFilled(store)
    disk.fault = row.fault
    const committed = await strain(store, createSeededRng(SEED))
    assert.ok(disk.failures > 0, 'something failed')
    disk.fault = undefined
    await bounded('the recovery', untilOk(store))
    await assertHeld(store, committed, row)
    await assertWorks(store)
    await bounded('closing', store.blocks.close())
    await withStore(path, (again) => assertHeld(again, committed, row))
  })

  test(`failing disk: ${name} does not keep a store from closing, nor from opening again`, async (t) => {
    const path = await temporaryFolder(t)
    const disk = new FailingDisk()
    const store = await openOnFailing(path, disk, SEED)
    await untilOk(store) // with clocks as fast as these it is given out before it is
    await putKnown(store)
    if (row.isFilling !== true) await untilFilled(store)
    disk.fault = row.fault
    const committed = await strain(store, createSeededRng(SEED + 1))
    await told('closing', store.blocks.close())
    assert.equal(disk.timers, 0, `a closed store waits for nothing (SEED=${SEED})`)
    const opening = openOnFailing(path, disk, SEED).catch((error: unknown) => error)
    const second = await bounded('opening on a failing disk', opening)
    disk.fault = undefined
    if (second instanceof Error) assertTold('opening', second)
    else await bounded('closing', (second as StorePair).blocks.close())
    const third = await openFolder(path)
    await untilOk(third)
    await assertHeld(third, committed, row)
    await third.blocks.close()
  })
}

/** All that a node does, on a disk that fails; the blocks of inserts that were acknowledged. */
async function strain(store: StorePair, rng: Rng): Promise<NamedBlock[]> {
  const { blocks, outbox, care } = store
  const committed: NamedBlock[] = []
  const put = async (i: number): Promise<void> => {
    const area = i % 3 === 0 ? 'store' : 'cache'
    const home = rng.below(3) as Home
    const result = await told('put', blocks.put({ ...contentBlock(3000 + i), home, area, link: i }))
    assert.ok(result === undefined || ['stored', 'known', 'refused'].includes(result))
  }
  const insert = async (i: number): Promise<void> => {
    const named = contentBlock(4000 + i)
    const insertId = await told('begin', outbox.begin())
    if (insertId === undefined) return
    const added = await told('add', outbox.add({ insertId, ...named, homes: [0, 1] }))
    if (added !== 'added') return told('discard', outbox.discard(insertId))
    const isDone = await told(
      'commit',
      outbox.commit(insertId).then(() => true),
    )
    if (isDone === true) committed.push(named)
    else if (rng.below(2) === 0) await told('discard', outbox.discard(insertId))
  }
  const read = async (): Promise<void> => {
    const all = [...KNOWN.store, ...KNOWN.cache]
    const { address } = all[rng.below(all.length)] as NamedBlock
    const found = await told('get', blocks.get(address, { link: 2 }))
    if (found !== undefined) assert.equal(verify(address, found.block), 'content')
  }
  for (let i = 0; i < STRAIN_ROUNDS; i++) {
    await Promise.all([put(3 * i), put(3 * i + 1), put(3 * i + 2), read(), read()])
    if (i % 8 === 0) await insert(i)
    if (i === 10) await told('check', care.check())
    if (i === 20) await told('walk', walk(store))
    if (i === 25) await told('a resize', care.resize(SMALL_BYTES + 2 * MIB))
    if (i === 30) await told('a resize', care.resize(SMALL_BYTES))
    await sleep(3)
  }
  return committed
}

async function walk({ blocks }: StorePair): Promise<void> {
  for await (const { address } of blocks.walk(ALL)) assert.equal(address.length, 32)
}

/** What a call resolved to; undefined: it rejected, as it may. */
async function told<T>(what: string, call: Promise<T>): Promise<T | undefined> {
  try {
    return await bounded(what, call)
  } catch (error) {
    assertTold(what, error)
    return undefined
  }
}

function assertTold(what: string, error: unknown): void {
  const isTold = isShoalError(error) && ['E_STORE_IO', 'E_STORE_FULL'].includes(error.code)
  assert.ok(isTold, `${what} rejects with ${String(error)} (SEED=${SEED})`)
  assert.ok(!error.message.includes('\n') && !error.message.includes('imitated'), error.message)
}

/** It comes back by itself, since it tries again; a write helps. */
async function untilOk({ blocks }: StorePair): Promise<void> {
  while (blocks.status().condition === 'rebuilding') await sleep(5)
  for (let i = 0; blocks.status().condition !== 'ok'; i++) {
    await blocks.put({ ...contentBlock(9000 + (i % 5)), home: 0, area: 'cache', link: 1 })
    await sleep(5)
  }
}

/** Only the cache may have given up blocks; with `mayLoseBlocks` whatever could not be read. */
async function assertHeld(
  store: StorePair,
  committed: readonly NamedBlock[],
  { mayLoseBlocks = false, isFilling = false }: Row,
): Promise<void> {
  for (const { address, block } of committed) {
    const found = await store.outbox.get(address)
    if (mayLoseBlocks && found === undefined) continue
    assert.ok(found !== undefined && Buffer.compare(found, block) === 0, `SEED=${SEED}`)
  }
  const lost = KNOWN_BLOCKS - (await countKnown(store))
  const evicted = isFilling ? KNOWN.store.length + KNOWN.signed.length : 0
  const most = mayLoseBlocks ? KNOWN_BLOCKS : KNOWN.cache.length + evicted
  assert.ok(lost <= most, `${lost} blocks are lost, not ${most} (SEED=${SEED})`)
}

async function untilFilled({ blocks }: StorePair): Promise<void> {
  while (blocks.status().filledShare < 1) await sleep(5)
}
