/**
 * Tables of damage: what is done to a data directory, and what the store must then be. Each row gets a
 * copy of a folder that was made once.
 * @module
 */
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { cp, open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { StorePair } from '../../src/datastore/store.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Rng } from '../../src/runtime.ts'
import {
  FRESH_BLOCKS,
  KNOWN_BLOCKS,
  SMALL_BYTES,
  assertWorks,
  copyFolder,
  countKnown,
  openFolder,
  putKnown,
  refusal,
  temporaryFolder,
  withStore,
} from './fault-folder.ts'
import { createSeededRng, seedFromEnvironment } from './rng.ts'
import { contentBlock } from './signed-block.ts'

const SEED = seedFromEnvironment()

/** Folders with the known blocks in them, by how they were left. */
export interface Made {
  /** Closed as it should be, with a state file. */
  readonly closed: string
  /** As a kill leaves it, all known blocks on the disk. */
  readonly killed: string
  /** `closed`, gone on with many other blocks, and killed. */
  readonly later: string
  /** Closed, of another node. */
  readonly other: string
}

export interface Opens {
  /** Most of the known blocks that may be gone; default none. */
  readonly mayLose?: number
  /** Fewest that must be gone: else the damage did not reach them. */
  readonly mustLose?: number
}

export interface Refuses {
  readonly code: ErrorCode
  /** The words by which a person knows what to do. */
  readonly says: RegExp
}

export interface Row {
  /** Default `closed`. */
  readonly from?: keyof Made
  damage(path: string, made: Made, rng: Rng): Promise<unknown>
  /** `either`: it may open with whatever is left, or refuse. */
  readonly expect: Opens | Refuses | { readonly either: Refuses }
}

/** All known blocks may be gone: what is left depends on what was damaged. */
export const ANY: Opens = { mayLose: KNOWN_BLOCKS }
export const NONE_LEFT: Opens = { ...ANY, mustLose: KNOWN_BLOCKS }

/** A test of each row, named as the row. */
export function testRows(tables: readonly Readonly<Record<string, Row>>[]): void {
  const cleanUps: (() => unknown)[] = []
  const scope = { after: (run?: unknown) => cleanUps.push(run as () => unknown) } as never
  let made: Made | undefined
  before(async () => {
    made = await makeFolders(() => temporaryFolder(scope))
  })
  after(async () => {
    for (const run of cleanUps) await run()
  })
  for (const [name, row] of tables.flatMap((table) => Object.entries(table))) {
    test(name, async (t) => {
      assert.ok(made !== undefined)
      const path = await temporaryFolder(t)
      await copyFolder(made[row.from ?? 'closed'], path)
      await row.damage(path, made, createSeededRng(SEED))
      await assertExpected(path, row.expect)
    })
  }
}

async function makeFolders(folder: () => Promise<string>): Promise<Made> {
  const [closed, killed, later, other] = [
    await folder(),
    await folder(),
    await folder(),
    await folder(),
  ]
  const small = { storeBytes: SMALL_BYTES }
  const first = await openFolder(closed, small)
  await putKnown(first)
  await copyFolder(closed, killed)
  await first.blocks.close()
  const image = await folder()
  await copyFolder(closed, image)
  await withStore(image, async (store) => {
    for (let i = 0; i < 150; i++) {
      const area = i % 3 === 0 ? 'cache' : 'store'
      await store.blocks.put({ ...contentBlock(5000 + i), home: 0, area, link: i })
    }
    const insertId = await store.outbox.begin()
    await store.outbox.add({ insertId, ...contentBlock(6000), homes: [0] })
    await store.outbox.commit(insertId)
    for (let i = 0; i < 20; i++) {
      await store.blocks.put({ ...contentBlock(5500 + i), home: 0, area: 'store', link: i })
    }
    await nextCommit(store) // which is in the log of the index alone
    await copyFolder(image, later)
  })
  await withStore(other, putKnown, small)
  return { closed, killed, later, other }
}

/** Resolves when what is queued now is in the index. */
async function nextCommit({ care }: StorePair): Promise<void> {
  const commits = (): number => care.stats().latency.commit.counts.reduce((a, b) => a + b, 0)
  const done = commits()
  while (commits() === done) await sleep(5)
}

async function assertExpected(path: string, expect: Row['expect']): Promise<void> {
  if ('code' in expect) await assertRefuses(path, expect)
  else if (!('either' in expect)) await assertOpens(path, expect)
  else {
    const error = await refusal(path)
    if (error === undefined) await assertOpens(path, ANY)
    else await assertRefuses(path, expect.either)
  }
}

async function assertRefuses(path: string, { code, says }: Refuses): Promise<void> {
  const untouched = await fileSizes(path)
  for (const attempt of [1, 2]) {
    const error = await refusal(path)
    assert.equal(error?.code, code, `attempt ${attempt}: ${error?.message} (SEED=${SEED})`)
    assert.match(error.message, says)
    assert.ok(error.message.length < 300 && !error.message.includes('\n'), 'one line')
  }
  const sizes = await fileSizes(path)
  for (const name of ['slab', 'store.key', 'store.json', 'state']) {
    assert.equal(sizes.get(name), untouched.get(name), `${name} is left as it is`)
  }
}

async function assertOpens(path: string, { mayLose = 0, mustLose = 0 }: Opens): Promise<void> {
  const found = await withStore(path, async (store) => {
    const count = await countKnown(store)
    await assertWorks(store)
    return count
  })
  const lost = KNOWN_BLOCKS - found
  assert.ok(lost <= mayLose, `${lost} blocks lost, at most ${mayLose} may be (SEED=${SEED})`)
  assert.ok(lost >= mustLose, `${lost} blocks lost, the damage missed (SEED=${SEED})`)
  await withStore(path, async (store) => {
    assert.ok((await countKnown(store)) >= found - FRESH_BLOCKS, 'a stop loses nothing more')
  })
}

/** Does something to `count` slots, evenly over the slab; their first bytes are at `at`. */
export async function damageSlots(
  path: string,
  count: number,
  damage: (handle: FileHandle, at: number) => Promise<unknown>,
): Promise<void> {
  const handle = await open(join(path, 'slab'), 'r+')
  const slots = Math.floor((await handle.stat()).size / BLOCK_BYTES)
  for (let i = 0; i < count; i++)
    await damage(handle, Math.floor((i * slots) / count) * BLOCK_BYTES)
  await handle.close()
}

/** Flips one bit of one of `bytes` bytes from `at` on. */
export async function flipBit(
  handle: FileHandle,
  rng: Rng,
  { at = 0, bytes }: { at?: number; bytes: number },
): Promise<void> {
  const place = at + rng.below(bytes)
  const byte = new Uint8Array(1)
  await handle.read(byte, 0, 1, place)
  byte[0] = (byte[0] as number) ^ (1 << rng.below(8))
  await handle.write(byte, 0, 1, place)
}

/** Flips `count` bits anywhere in a file. */
export async function flipBitsOf(file: string, rng: Rng, count: number): Promise<void> {
  const handle = await open(file, 'r+')
  const bytes = (await handle.stat()).size
  for (let i = 0; i < count; i++) await flipBit(handle, rng, { bytes })
  await handle.close()
}

/** Does something to each file of the index whose name fits; there must be one. */
export async function damageIndexFiles(
  path: string,
  pattern: RegExp,
  damage: (file: string) => Promise<unknown>,
): Promise<void> {
  const names = (await readdir(join(path, 'index'))).filter((name) => pattern.test(name))
  assert.ok(names.length > 0, `there are files like ${pattern.source}`)
  for (const name of names) await damage(join(path, 'index', name))
}

export async function replaceIndex(path: string, from: string): Promise<void> {
  await rm(join(path, 'index'), { recursive: true })
  await cp(join(from, 'index'), join(path, 'index'), { recursive: true })
}

async function fileSizes(path: string): Promise<Map<string, number>> {
  const names = await readdir(path)
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, (await stat(join(path, name))).size] as const),
    ),
  )
}

/** Bytes that mean nothing: the same in each run with one seed. */
export function garbage(bytes: number): Uint8Array {
  const cipher = createCipheriv('chacha20', Buffer.alloc(32, SEED), Buffer.alloc(16))
  return cipher.update(Buffer.alloc(bytes))
}
