/**
 * What is done to a data directory from outside, whether a node runs on it or not: the passphrase of its
 * key (spec §11.2), and its destruction (spec §11.11).
 * @module
 */
import { readdir, readlink, realpath, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, parse } from 'node:path'

import { INDEX_FOLDER, SLAB_FILE } from './datastore/data-dir.ts'
import { RESERVE_FILE } from './datastore/spare-room.ts'
import { SALVAGE_ENDINGS } from './datastore/index-salvage.ts'
import { rewriteKey } from './datastore/key-change.ts'
import { isIndexInUse } from './datastore/rocks-open.ts'
import { STATE_FILE } from './datastore/state-file.ts'
import { toStoreError } from './datastore/store-error.ts'
import { HEADER_FILE, readHeader } from './datastore/store-header.ts'
import { KEY_FILE, isKeyLength, isKeyProtected } from './datastore/store-key.ts'
import { DRAFT, eraseFile, fileAt, syncFolder } from './datastore/whole-file.ts'
import { ShoalError, isShoalError } from './errors.ts'
import { JOURNAL_FOLDER } from './journal-files.ts'
import { systemClock } from './runtime.ts'
import type { Clock } from './runtime.ts'

const IDENTITY_FILE = 'node.key'
/** Who this node was on the ring, and whom it knew: the proof alone tells the identity it belongs to. */
const TRACE_FILES = [IDENTITY_FILE, 'node.proof', 'peers']
const KEYRING_KEY = 'keyring.key'
const KEYRING_FILE = 'keyring'
const KEYRING_FOLDER = 'keyring.d'
/** Bytes of `node.key` and of `keyring.key`; `keyring` is padded to whole pages. */
const SMALL_KEY_BYTES = 32
const PAGE_BYTES = 4096
/** Everything that a node keeps, some of it under a draft's name, too. */
const NAMES: ReadonlySet<string> = new Set([
  KEY_FILE,
  HEADER_FILE,
  SLAB_FILE,
  RESERVE_FILE,
  STATE_FILE,
  INDEX_FOLDER,
  ...SALVAGE_ENDINGS.map((ending) => INDEX_FOLDER + ending),
  ...TRACE_FILES,
  JOURNAL_FOLDER,
  KEYRING_KEY,
  KEYRING_FILE,
  KEYRING_FOLDER,
])
/** What records of the keyring are called. */
const RECORD_NAME = /^[0-9a-f]{32}(?:\.new)?$/
/** A running node looks for its key once a second, then closes its files. */
const WAIT_MS = 10_000
const LOOK_EVERY_MS = 250
/** Looks at the end for a key that another process has put back: it is renamed within milliseconds. */
const LAST_LOOKS = 2

/** `undefined`: no passphrase. */
export interface PassphraseChange {
  readonly before: string | undefined
  readonly after: string | undefined
}

export interface PanicStep {
  /** A name in the data directory; of `in-use` the directory itself. */
  readonly name: string
  /**
   * `destroyed`: overwritten and removed; `removed`; `failed`: not or not wholly, see `reason`; `in-use`: a
   * node still has it open, which has to end before everything can go; `left`: not of a node.
   */
  readonly outcome: 'destroyed' | 'removed' | 'failed' | 'in-use' | 'left'
  readonly reason?: string
}

export interface PanicOptions {
  /** Destroys the publisher keys, too. */
  readonly withKeys?: boolean
  readonly onstep?: (step: PanicStep) => void
  readonly clock?: Clock
}

/** Whether the store key in `dataDir` needs a passphrase; false where there is none. @throws ShoalError */
export async function isProtected(dataDir: string): Promise<boolean> {
  try {
    return await isKeyProtected(dataDir)
  } catch (error) {
    throw toStoreError(error)
  }
}

/**
 * Sets, changes or removes the passphrase; nothing else is sealed anew, and a running node goes on.
 * @throws ShoalError E_PASSPHRASE, E_STORE_IO, E_STORE_FULL, E_BUSY while another process changes it; the
 * key is then as it was, or as another process has left it.
 */
export async function changePassphrase(dataDir: string, change: PassphraseChange): Promise<void> {
  try {
    if ((await fileAt(dataDir)) === undefined) {
      throw new ShoalError('E_STORE_IO', 'there is no such folder')
    }
    await rewriteKey(dataDir, change.before, change.after)
  } catch (error) {
    throw toStoreError(error)
  }
}

/**
 * Destroys the store for good: its key and saved state at once, the other files of a node as soon as a
 * running one has let go. The publisher keys stay unless `withKeys`, and what is not a node's always does.
 * One file that resists does not stop the others; `store.json` then stays, so that this can be repeated.
 * Resolves to whether nothing is left. @throws ShoalError E_STORE_IO where `dataDir` is no data directory.
 */
export async function panic(dataDir: string, options: PanicOptions = {}): Promise<boolean> {
  const { withKeys = false, onstep, clock = systemClock } = options
  const folder = await checkedFolder(dataDir)
  let isComplete = true
  const tell = (step: PanicStep): void => {
    if (step.outcome === 'failed' || step.outcome === 'in-use') isComplete = false
    onstep?.(step)
  }
  const secrets = [...(await storeSecretsIn(folder)), ...(withKeys ? await keyringIn(folder) : [])]
  for (const name of secrets) await destroy(folder, name, tell)
  await syncFolder(folder)
  if (!(await untilClosed(join(folder, INDEX_FOLDER), clock)))
    tell({ name: '.', outcome: 'in-use' })
  await removeRest(folder, tell)
  await destroyReturned(folder, { clock, tell })
  if (isComplete) await removeMarks(folder, withKeys, tell)
  for (const name of await foreignIn(folder)) tell({ name, outcome: 'left', reason: 'not ours' })
  await syncFolder(folder)
  return isComplete
}

type Tell = (step: PanicStep) => void

/** The folder without links. A typing mistake must not cost somebody's home. */
async function checkedFolder(dataDir: string): Promise<string> {
  const folder = await realpath(dataDir).catch(() => undefined)
  const home = await realpath(homedir()).catch(() => undefined)
  const isRefused = folder === undefined || folder === home || folder === parse(folder).root
  if (!isRefused && (await isDataDir(folder))) return folder
  throw new ShoalError('E_STORE_IO', 'not a data directory: nothing was touched')
}

/**
 * Whether a node has made it, or what an earlier panic has left of it: a name alone says nothing, others
 * have a `store.json` too.
 */
async function isDataDir(folder: string): Promise<boolean> {
  const names: readonly string[] = await readdir(folder).catch(() => [])
  for (const name of names) {
    if (name.startsWith(KEY_FILE) && isKeyLength(await sizeBehind(join(folder, name)))) return true
  }
  if (await hasHeader(folder)) return true
  if ((await sizeBehind(join(folder, KEYRING_KEY))) !== SMALL_KEY_BYTES) return false
  const hasIdentity = (await sizeBehind(join(folder, IDENTITY_FILE))) === SMALL_KEY_BYTES
  const keyringBytes = await sizeBehind(join(folder, KEYRING_FILE))
  const hasKeyring = keyringBytes > 0 && keyringBytes % PAGE_BYTES === 0
  return hasIdentity || hasKeyring || names.includes(KEYRING_FOLDER)
}

/** Of this format or a later one. */
function hasHeader(folder: string): Promise<boolean> {
  return readHeader(folder).then(
    (header) => header !== undefined,
    (error: unknown) => isShoalError(error) && error.code === 'E_STORE_FORMAT',
  )
}

/** Bytes of a file, behind a link too; -1: there is none. */
async function sizeBehind(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true ? found.size : -1
}

/** Everything that opens something of the store, what opens most first; copies of the key, too. */
async function storeSecretsIn(folder: string): Promise<readonly string[]> {
  const names = [KEY_FILE, STATE_FILE].flatMap((name) => [name, name + DRAFT])
  for (const name of await readdir(folder)) {
    if (!name.startsWith(KEY_FILE) || names.includes(name)) continue
    const found = await fileAt(join(folder, name))
    if (found?.isFile === true && isKeyLength(found.sizeBytes)) names.push(name)
  }
  return names
}

async function keyringIn(folder: string): Promise<readonly string[]> {
  const records = (await namesBeside(folder)).filter((name) => RECORD_NAME.test(name))
  const isLink = (await fileAt(join(folder, KEYRING_FOLDER)))?.isLink === true
  return [
    ...[KEYRING_KEY, KEYRING_FILE].flatMap((name) => [name, name + DRAFT]),
    ...records.map((name) => join(KEYRING_FOLDER, name)),
    ...(isLink ? [KEYRING_FOLDER] : []), // to be told
  ]
}

/** Names in the folder of the keyring; none behind a link. */
async function namesBeside(folder: string): Promise<readonly string[]> {
  const path = join(folder, KEYRING_FOLDER)
  const found = await fileAt(path)
  return found?.isFolder === true ? readdir(path) : []
}

async function removeRest(folder: string, tell: Tell): Promise<void> {
  for (const name of TRACE_FILES) {
    for (const each of [name, name + DRAFT]) await destroy(folder, each, tell)
  }
  const indexes = [INDEX_FOLDER, ...SALVAGE_ENDINGS.map((ending) => INDEX_FOLDER + ending)]
  for (const name of [...indexes, JOURNAL_FOLDER, SLAB_FILE, RESERVE_FILE, HEADER_FILE + DRAFT])
    await remove(folder, name, tell)
}

/** What makes the folder a data directory goes last: until then a panic that was cut off can be repeated. */
async function removeMarks(folder: string, withKeys: boolean, tell: Tell): Promise<void> {
  const isEmptied = withKeys && (await namesBeside(folder)).length === 0
  if (isEmptied) await remove(folder, KEYRING_FOLDER, tell)
  await remove(folder, HEADER_FILE, tell)
}

/** A key that another process has put in place meanwhile, for another passphrase. */
async function destroyReturned(
  folder: string,
  { clock, tell }: { readonly clock: Clock; readonly tell: Tell },
): Promise<void> {
  for (let looks = 0; looks < LAST_LOOKS; looks++) {
    await pause(clock)
    for (const name of await storeSecretsIn(folder)) {
      const found = await fileAt(join(folder, name)).catch(() => undefined)
      if (found?.isFile === true) await destroy(folder, name, tell)
    }
  }
}

/** Names that no node gives. */
async function foreignIn(folder: string): Promise<readonly string[]> {
  const foreign = (await namesBeside(folder)).filter((name) => !RECORD_NAME.test(name))
  const isOurs = (name: string): boolean =>
    NAMES.has(name.endsWith(DRAFT) ? name.slice(0, -DRAFT.length) : name)
  return [
    ...(await readdir(folder)).filter((name) => !isOurs(name)),
    ...foreign.map((name) => join(KEYRING_FOLDER, name)),
  ]
}

async function destroy(folder: string, name: string, tell: Tell): Promise<void> {
  const path = join(folder, name)
  try {
    const found = await fileAt(path)
    if (found === undefined) return
    if (found.isFile) {
      const isErased = await eraseFile(path)
      if (isErased) tell({ name, outcome: 'destroyed' })
    } else if (found.isLink && (await stat(path).catch(() => undefined)) === undefined) {
      await rm(path)
      tell({ name, outcome: 'removed', reason: 'a link that leads nowhere' })
    } else {
      // the link stays: without it the next run would not know that something is left
      const what = found.isLink ? `a link to ${await readlink(path)}: destroy that` : 'not a file'
      tell({ name, outcome: 'failed', reason: what })
    }
  } catch (error) {
    await rm(path, { force: true }).catch(() => {}) // better than nothing
    tell({ name, outcome: 'failed', reason: `not overwritten: ${reasonOf(error)}` })
  }
}

/** What nobody can read without the key. */
async function remove(folder: string, name: string, tell: Tell): Promise<void> {
  const path = join(folder, name)
  try {
    const found = await fileAt(path)
    if (found === undefined) return
    const reason = found.isLink
      ? `a link: ${await readlink(path)}, where it leads to, was not touched`
      : undefined
    await rm(path, { recursive: true, force: true })
    tell({ name, outcome: 'removed', ...(reason !== undefined && { reason }) })
  } catch (error) {
    tell({ name, outcome: 'failed', reason: reasonOf(error) })
  }
}

/** Whether no process has the index open, at the latest after `WAIT_MS`. */
async function untilClosed(index: string, clock: Clock): Promise<boolean> {
  for (let waitedMs = 0; await isIndexInUse(index); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs >= WAIT_MS) return false
    await pause(clock)
  }
  return true
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.after(LOOK_EVERY_MS, resolve))
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
