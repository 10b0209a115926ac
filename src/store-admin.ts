/**
 * What is done to a data directory from outside, whether a node runs on it or not (spec §11.9): the
 * passphrase of its key, and its destruction.
 * @module
 */
import { readdir, realpath, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, parse } from 'node:path'

import { INDEX_FOLDER, SLAB_FILE } from './datastore/data-dir.ts'
import { isIndexInUse } from './datastore/rocks-open.ts'
import { toStoreError } from './datastore/store-error.ts'
import { HEADER_FILE } from './datastore/store-header.ts'
import { KEY_FILE, isKeyProtected, rewriteKey } from './datastore/store-key.ts'
import { DRAFT, eraseFile, fileAt, syncFolder } from './datastore/whole-file.ts'
import { ShoalError } from './errors.ts'
import { systemClock } from './runtime.ts'
import type { Clock } from './runtime.ts'

const STATE_FILE = 'state'
const KEYRING_FILES = ['keyring.key', 'keyring']
const KEYRING_FOLDER = 'keyring.d'
/** One of these makes a folder a data directory, or what an earlier panic has left of one. */
const MARKS = [KEY_FILE, HEADER_FILE, SLAB_FILE, join(INDEX_FOLDER, 'CURRENT'), 'keyring.key']
/** A running node looks for its key once a second, then closes its files. */
const WAIT_MS = 10_000
const LOOK_EVERY_MS = 250
/** Larger files are the store's own, and nobody can read them without its key. */
const MAX_ERASED_BYTES = 1024 * 1024

/** `undefined`: no passphrase. */
export interface PassphraseChange {
  readonly before: string | undefined
  readonly after: string | undefined
}

export interface PanicStep {
  /** A name in the data directory; of `in-use` the directory itself. */
  readonly name: string
  /**
   * `destroyed`: overwritten and removed; `removed`; `failed`: not or not wholly, see `reason`;
   * `in-use`: a node still has it open, which has to end before everything can go.
   */
  readonly outcome: 'destroyed' | 'removed' | 'failed' | 'in-use'
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
 * @throws ShoalError E_PASSPHRASE, E_STORE_IO, E_STORE_FULL; the key is then as it was.
 */
export async function changePassphrase(dataDir: string, change: PassphraseChange): Promise<void> {
  try {
    await rewriteKey(dataDir, change.before, change.after)
  } catch (error) {
    throw toStoreError(error)
  }
}

/**
 * Destroys the store for good: its key and saved state at once, everything else as soon as a running
 * node has let go. The publisher keys stay unless `withKeys`. One file that resists does not stop the
 * others. Resolves to whether nothing is left. @throws ShoalError E_STORE_IO where `dataDir` is no data
 * directory.
 */
export async function panic(dataDir: string, options: PanicOptions = {}): Promise<boolean> {
  const { withKeys = false, onstep, clock = systemClock } = options
  const folder = await checkedFolder(dataDir)
  let isComplete = true
  const tell = (step: PanicStep): void => {
    if (step.outcome === 'failed' || step.outcome === 'in-use') isComplete = false
    onstep?.(step)
  }
  for (const name of await secretsIn(folder, withKeys)) await destroy(folder, name, tell)
  await syncFolder(folder)
  if (!(await untilClosed(join(folder, INDEX_FOLDER), clock)))
    tell({ name: '.', outcome: 'in-use' })
  const kept = withKeys ? [] : [...KEYRING_FILES, KEYRING_FOLDER]
  for (const name of await readdir(folder)) {
    if (!kept.includes(name)) await remove(folder, name, tell)
  }
  await syncFolder(folder)
  return isComplete
}

/** The folder without links. A typing mistake must not cost somebody's home. */
async function checkedFolder(dataDir: string): Promise<string> {
  const refused = new ShoalError('E_STORE_IO', 'not a data directory: nothing was touched')
  const folder = await realpath(dataDir).catch(() => undefined)
  const home = await realpath(homedir()).catch(() => undefined)
  if (folder === undefined || folder === home || folder === parse(folder).root) throw refused
  for (const mark of MARKS) {
    const found = await fileAt(join(folder, mark)).catch(() => undefined)
    if (found !== undefined) return folder
  }
  throw refused
}

/** Everything that opens something, what opens most first. */
async function secretsIn(folder: string, withKeys: boolean): Promise<readonly string[]> {
  const names = [KEY_FILE, STATE_FILE]
  if (withKeys) {
    const beside = await readdir(join(folder, KEYRING_FOLDER)).catch(() => [])
    names.push(...KEYRING_FILES, ...beside.map((name) => join(KEYRING_FOLDER, name)))
  }
  return names.flatMap((name) => [name, name + DRAFT])
}

type Tell = (step: PanicStep) => void

async function destroy(folder: string, name: string, tell: Tell): Promise<void> {
  const path = join(folder, name)
  try {
    const found = await fileAt(path)
    if (found === undefined) return
    if (found.isFile) {
      await eraseFile(path)
      tell({ name, outcome: 'destroyed' })
    } else {
      tell({ name, outcome: 'failed', reason: 'not a file: what it leads to was not touched' })
    }
  } catch (error) {
    await rm(path, { force: true }).catch(() => {}) // better than nothing
    tell({ name, outcome: 'failed', reason: `not overwritten: ${reasonOf(error)}` })
  }
}

async function remove(folder: string, name: string, tell: Tell): Promise<void> {
  const path = join(folder, name)
  try {
    const found = await fileAt(path)
    if (found?.isFile === true && found.sizeBytes <= MAX_ERASED_BYTES) await eraseFile(path)
    else await rm(path, { recursive: true, force: true })
    const reason = found?.isLink === true ? 'a link: what it leads to was not touched' : undefined
    tell({ name, outcome: 'removed', ...(reason !== undefined && { reason }) })
  } catch (error) {
    await rm(path, { recursive: true, force: true }).catch(() => {})
    tell({ name, outcome: 'failed', reason: reasonOf(error) })
  }
}

/** Whether no process has the index open, at the latest after `WAIT_MS`. */
async function untilClosed(index: string, clock: Clock): Promise<boolean> {
  for (let waitedMs = 0; await isIndexInUse(index); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs >= WAIT_MS) return false
    await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve))
  }
  return true
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
