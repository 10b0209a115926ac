/**
 * Disk stores for tests: in a temporary folder, of any number of slots, closed and removed in the
 * right order.
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { openDataDir } from '../../src/datastore/data-dir.ts'
import type { DataDir } from '../../src/datastore/data-dir.ts'
import { createDiskStore, openDiskStore } from '../../src/datastore/disk-store.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { isShoalError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Home } from '../../src/keys/block.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import type { Clock } from '../../src/runtime.ts'
import { createSeededRng, seedFromEnvironment } from './rng.ts'
import type { NamedBlock } from './signed-block.ts'

export const MIB = 1024 * 1024
export const SEED = seedFromEnvironment()

const opened = new Map<string, StorePair[]>()

export function storeOptions(slots: number): Omit<Parameters<typeof openDiskStore>[0], 'dataDir'> {
  const rng = createSeededRng(SEED)
  return { storeBytes: slots * BLOCK_BYTES, rng, clock: systemClock, logger: silentLogger }
}

/** A new folder; after the test its stores are closed, and then it is removed. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  opened.set(path, [])
  t.after(async () => {
    for (const store of opened.get(path) ?? []) await store.blocks.close()
    opened.delete(path)
    await rm(path, { recursive: true, force: true })
  })
  return path
}

/** The store of a folder, with so few slots as `storeBytes` cannot ask for. */
export async function openAt(path: string, slots = 100): Promise<StorePair> {
  return createAt(path, await openDir(path), slots)
}

/** The same over files that are open already, which it closes. */
export async function createAt(
  path: string,
  dir: DataDir,
  slots: number,
  clock: Clock = systemClock,
): Promise<StorePair> {
  const store = await createDiskStore(dir, sharesOf(slots), { ...storeOptions(slots), clock })
  opened.get(path)?.push(store)
  return store
}

/** A store that can be ended as a kill ends it: what waits in memory is lost, and nothing is saved. */
export async function openKillable(
  path: string,
  slots: number,
): Promise<{ store: StorePair; kill: () => Promise<void>; dir: DataDir }> {
  const dir = await openDir(path)
  const store = await createAt(path, dir, slots)
  const kill = async (): Promise<void> => {
    dir.index.write = () => Promise.reject(new Error('killed'))
    await store.blocks.close().catch(() => {})
    opened.set(path, opened.get(path)?.filter((each) => each !== store) ?? [])
  }
  return { store, kill, dir }
}

/** The store of a folder as a node opens it. */
export async function openWhole(
  path: string,
  storeBytes = 64 * MIB,
  signal?: AbortSignal,
): Promise<StorePair> {
  const options = { ...storeOptions(0), dataDir: path, storeBytes }
  const store = await openDiskStore(signal === undefined ? options : { ...options, signal })
  opened.get(path)?.push(store)
  return store
}

/** The files of a folder, made for 64 MiB. */
export function openDir(path: string): Promise<DataDir> {
  const sizes = { storeBytes: undefined, defaultBytes: 64 * MIB }
  return openDataDir(path, { ...sizes, passphrase: undefined, logger: silentLogger })
}

export function put(
  { blocks }: StorePair,
  { address, block }: NamedBlock,
  area: 'store' | 'cache' = 'store',
  home: Home = 0,
): Promise<string> {
  return blocks.put({ address, block, area, home, link: 1 })
}

export function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isShoalError(error) && error.code === code
}
