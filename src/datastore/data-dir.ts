/**
 * The files of a data directory that belong to the store (spec §11.2): telling what is there before
 * anything is changed, and opening or creating it in the right order.
 * @module
 */
import { rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import { deriveSealKeys } from '../keys/seal.ts'
import type { SealKeys } from '../keys/seal.ts'
import { makeFolder } from '../make-folder.ts'
import type { Logger } from '../runtime.ts'
import { DiskCondition } from './disk-condition.ts'
import { checkSpace, formatSize, freeBytes } from './disk-space.ts'
import { dropDamaged } from './index-salvage.ts'
import { insertKey } from './keyspace.ts'
import { leastBytesFor, planOf } from './quota.ts'
import type { DiskPlan } from './quota.ts'
import { EMPTY_RECORD, decodeRecord, encodeRecord } from './record.ts'
import { openRocksIndex } from './rocks-index.ts'
import type { Index, ResizableIndex } from './rocks-index.ts'
import { hasLostManifestName, damagedIndex, isDamagedIndex } from './rocks-open.ts'
import { openSlab } from './slab.ts'
import type { Slab } from './slab.ts'
import { SpareRoom } from './spare-room.ts'
import { STATE_FILE } from './state-file.ts'
import { inTheWay, isDiskFull, toStoreError, unreadableIndex } from './store-error.ts'
import { FORMAT, HEADER_FILE, damagedHeader, readHeader, writeHeader } from './store-header.ts'
import type { StoreHeader } from './store-header.ts'
import { KEY_FILE, checkKeyFile, createKeyFile, loadSecret } from './store-key.ts'
import { DRAFT, discard, fileAt, syncFolder } from './whole-file.ts'

export const SLAB_FILE = 'slab'
export const INDEX_FOLDER = 'index'
/** Where a person names the size of a new store. */
const SIZE_OPTION = '--store-size'
/** Somewhat more than 64 TiB of them: the largest quota that a node takes. */
const MAX_SLOTS = 2 ** 31

export interface DataDirOptions {
  /** The quota of a new directory; undefined: `defaultBytes`. One that exists keeps its own. */
  readonly storeBytes: number | undefined
  readonly defaultBytes: number
  /** Opens a protected `store.key`; a new one is protected by it. */
  readonly passphrase: string | undefined
  readonly logger: Logger
}

export interface DataDir {
  readonly keys: SealKeys
  readonly index: ResizableIndex
  readonly slab: Slab
  /** Of the recorded quota. */
  readonly plan: DiskPlan
  /** Of the recorded quota, bytes. */
  readonly storeBytes: number
  /** What reads of the index have noticed already is in it. */
  readonly condition: DiskCondition
  /** Room for the next open; not there before it is restored. */
  readonly spare: SpareRoom
  /** Created by this call. */
  readonly isNew: boolean
  readonly folder: string
  /** Records another quota, for the next open. Resolves when it is on the disk for good. */
  saveStoreBytes(bytes: number): Promise<void>
}

/** What was found before anything was touched; without a header there is no whole store. */
interface Found {
  readonly header: StoreHeader | undefined
  readonly hasSlab: boolean
}

/**
 * Opens or creates everything. @throws ShoalError E_STORE_LOCKED while another process has the
 * directory, E_STORE_FULL, E_STORE_FORMAT, E_PASSPHRASE, E_STORE_IO, E_OPTION where the quota has no
 * room for a block: each says how to mend it, and nothing stays open then.
 */
export async function openDataDir(folder: string, options: DataDirOptions): Promise<DataDir> {
  try {
    return await openFound(folder, options)
  } catch (error) {
    throw toStoreError(error)
  }
}

async function openFound(folder: string, options: DataDirOptions): Promise<DataDir> {
  const found = await diagnose(folder)
  const storeBytes = found.header?.storeBytes ?? options.storeBytes ?? options.defaultBytes
  const plan = planOf(storeBytes)
  if (plan.slots < 1) throw new ShoalError('E_OPTION', 'storeBytes: too small for a single block')
  // before anything is made: a folder that is refused is left as it was
  if (found.header === undefined) await checkSpace(await standing(folder), storeBytes, SIZE_OPTION)
  const condition = new DiskCondition(options.logger)
  const spare = new SpareRoom(folder, plan.spareBytes)
  // the lock of the index is the lock of the directory: nothing else is changed before it is held
  const index = await withSpare({ spare, plan, condition }, async () => {
    await prepare(folder)
    return openIndex({ folder, plan, condition }, found)
  })
  try {
    const isUnchanged = (await readHeader(folder))?.storeBytes === found.header?.storeBytes
    if (!isUnchanged) throw locked() // another process made or resized it at this very moment
    const isNew = found.header === undefined
    const parts = { folder, plan, storeBytes, condition, spare, index, isNew }
    return await openParts(parts, found, options)
  } catch (error) {
    await index.close()
    throw error
  }
}

/** The folder, or the nearest one above it that is there: on the same disk. */
async function standing(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const isThere = await freeBytes(at).then(
      () => true,
      () => false,
    )
    if (isThere || dirname(at) === at) return at
  }
}

/** Once more with the room that was kept for it, where the disk is full. */
async function withSpare<T>(
  { spare, plan, condition }: Pick<DataDir, 'spare' | 'plan' | 'condition'>,
  task: () => Promise<T>,
): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (!isDiskFull(error)) throw error
    await spare.release()
    condition.failed(error)
  }
  try {
    const done = await task()
    await spare.restore() // at once, or others take it
    return done
  } catch (error) {
    if (!isDiskFull(error)) throw error
    const needed = `it takes up to ${formatSize(plan.spareBytes)} of free room to open the store`
    throw new ShoalError('E_STORE_FULL', `the disk is full: ${needed}`)
  }
}

type Parts = Omit<DataDir, 'keys' | 'slab' | 'saveStoreBytes'>

async function openParts(parts: Parts, found: Found, options: DataDirOptions): Promise<DataDir> {
  const { folder, index, plan, isNew } = parts
  const { logger } = options
  const { length } = await index.range({}, 2)
  if (isNew && length > 1) throw withoutHeader()
  const isEmpty = length === 0
  if (isEmpty && parts.condition.current !== 'ok') throw damagedIndex()
  await discard(join(folder, KEY_FILE + DRAFT)) // it may hold the secret without its passphrase
  const keys = await loadKeys(folder, isNew, options.passphrase)
  if (isEmpty) await writeMeta(keys, index)
  else await checkMeta(keys, parts)
  if (isEmpty && !isNew) logger.warn('store: the index was removed, so the store is empty')
  if (!found.hasSlab && !isNew) logger.warn('store: the slab is missing, and is made anew')
  const slab = await openSlab(join(folder, SLAB_FILE), plan.slots)
  try {
    await syncFolder(folder)
    const saveStoreBytes = (storeBytes: number): Promise<void> =>
      writeHeader(folder, { storeBytes })
    if (isNew) await saveStoreBytes(parts.storeBytes)
    await dropReplaced(parts)
    return { ...parts, keys, slab, saveStoreBytes }
  } catch (error) {
    await slab.close()
    throw error
  }
}

/** An index that was made anew by a process of before has now been opened, and is whose it should be. */
async function dropReplaced({ folder, condition }: Parts): Promise<void> {
  if (condition.current === 'ok') await dropDamaged(join(folder, INDEX_FOLDER))
}

/** Refuses what a user has to look at. Reads only, and may run beside a node that has the directory. */
async function diagnose(folder: string): Promise<Found> {
  const slab = join(folder, SLAB_FILE)
  const slabBytes = await sizeOfSlab(slab)
  const header = await readHeader(folder) // after the slab: whoever fills a slab wrote it before
  if (header !== undefined) {
    // the smaller of two looks, for it may be growing or be cut at this moment
    checkSize(header, Math.min(slabBytes ?? 0, (await sizeOfSlab(slab)) ?? 0))
    await checkKeyFile(folder)
  }
  // nothing is put into a slab before the header is there: this one is of a format without it
  else if (slabBytes !== undefined && slabBytes > 0) throw withoutHeader()
  const state = await fileAt(join(folder, STATE_FILE))
  if (state?.isFolder === true) throw inTheWay(STATE_FILE)
  return { header, hasSlab: slabBytes !== undefined }
}

/** A size that somebody mistyped must cost no blocks: what is beyond it would be cut off. */
function checkSize({ storeBytes }: StoreHeader, slabBytes: number): void {
  const { slots } = planOf(storeBytes)
  if (slots < 1) throw damagedHeader()
  const words = `${HEADER_FILE} has a storeBytes of ${storeBytes}`
  if (slots > MAX_SLOTS) {
    const message = `${words}, which no store can have: write the size of this one into it`
    throw new ShoalError('E_STORE_IO', message)
  }
  const filled = Math.floor(slabBytes / BLOCK_BYTES)
  if (filled <= slots) return
  const least = `write at least ${leastBytesFor(filled)} into it`
  throw new ShoalError(
    'E_STORE_IO',
    `${words}, and the slab has ${formatSize(slabBytes)}: ${least}`,
  )
}

/** Behind a link, too: it may lie on another disk. undefined: there is none. */
async function sizeOfSlab(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    if (!found.isFile()) throw inTheWay(SLAB_FILE)
    return found.size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** RocksDB spins for ever on a folder that it cannot create: create it, and write to it, first. */
async function prepare(folder: string): Promise<void> {
  const path = join(folder, INDEX_FOLDER)
  try {
    await makeFolder(path)
    const file = join(path, 'probe')
    await writeFile(file, '')
    await rm(file, { force: true }) // another process may be at the same
  } catch (error) {
    const known = toStoreError(error)
    if (known.code === 'E_STORE_FULL') throw known
    const message = 'the data directory cannot be created or written'
    throw new ShoalError('E_STORE_IO', message, { cause: error })
  }
}

/** An index that does not open is damaged; a store that was never finished begins again. */
async function openIndex(
  { folder, plan, condition }: Pick<DataDir, 'folder' | 'plan' | 'condition'>,
  found: Found,
): Promise<ResizableIndex> {
  const path = join(folder, INDEX_FOLDER)
  const options = {
    writeBufferBytes: plan.writeBufferBytes,
    maxBytes: plan.indexBytes,
    maxManifestBytes: plan.manifestBytes,
    condition,
  }
  // only a finished store has all of its files at any moment
  if (found.header !== undefined && (await hasLostManifestName(path))) throw damagedIndex()
  try {
    return await openRocksIndex(path, options)
  } catch (error) {
    if (found.header !== undefined || !isDamagedIndex(error)) throw error
    await rm(path, { recursive: true, force: true })
    await makeFolder(path)
    return openRocksIndex(path, options)
  }
}

async function loadKeys(
  folder: string,
  isNew: boolean,
  passphrase: string | undefined,
): Promise<SealKeys> {
  const isAbsent = (await fileAt(join(folder, KEY_FILE))) === undefined
  const make = isNew && isAbsent // a key is never written over, not even that of a half-made store
  const secret = await (make ? createKeyFile(folder, passphrase) : loadSecret(folder, passphrase))
  const keys = deriveSealKeys(secret)
  secret.fill(0)
  return keys
}

/** The one entry that every index has: it tells whose the index is (spec §11.3). */
async function writeMeta(keys: SealKeys, index: Index): Promise<void> {
  const key = insertKey(keys, 0)
  const record = { ...EMPTY_RECORD, area: 'meta', homes: FORMAT, ordinal: 1 } as const
  await index.write([{ key: key.bytes, value: encodeRecord(keys, key, record) }])
  await index.flush()
}

async function checkMeta(
  keys: SealKeys,
  { index, condition }: Pick<DataDir, 'index' | 'condition'>,
): Promise<void> {
  const { bytes } = insertKey(keys, 0)
  const [value] = await index.getMany([bytes])
  const isUnreadable = value === 'unreadable'
  if (isUnreadable && condition.damages === 0) throw unreadableIndex()
  const record = isUnreadable ? undefined : value && decodeRecord(keys, bytes, value)
  if (record?.area === 'meta' && record.homes === FORMAT) return
  if (condition.current !== 'ok') throw damagedIndex() // it may well be this very entry
  const advice = 'put back the one that is of this directory, or remove index to start empty'
  throw new ShoalError('E_STORE_FORMAT', `index and ${KEY_FILE} do not belong together: ${advice}`)
}

function withoutHeader(): ShoalError {
  const advice = 'put it back, or remove slab, index and store.key to start with an empty store'
  return new ShoalError(
    'E_STORE_FORMAT',
    `store.json is missing, or the format is older: ${advice}`,
  )
}

function locked(): ShoalError {
  return new ShoalError('E_STORE_LOCKED', 'another process is using this data directory')
}
