/**
 * Another passphrase for `store.key` (spec §11.2), while others may change or destroy the same file: a key
 * that was destroyed never comes back, and of two changes one fails.
 * @module
 */
import type { FileHandle } from 'node:fs/promises'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { equals } from '../keys/bytes.ts'
import { WRAPPED_SECRET_BYTES } from '../keys/seal.ts'
import type { PassphraseCost } from '../keys/seal.ts'
import { KEY_FILE, checkKeyFile, checkPassphrase, keyFileOf, openSecret } from './store-key.ts'
import {
  DRAFT,
  contentOf,
  discard,
  eraseFile,
  fileAt,
  overwrite,
  syncFolder,
  withOwnFile,
  writeDraft,
} from './whole-file.ts'

/** A draft is there for milliseconds: one that is older, ms, is left of a process that was killed. */
const DRAFT_AGE_MS = 10_000

/** The file that was read, open, and what was read. */
interface OldKey {
  readonly file: FileHandle
  readonly bytes: Uint8Array
}

/**
 * Another passphrase, or none, for the same secret. What the old file held is overwritten afterwards, so
 * far as the file system writes in place. @throws ShoalError E_PASSPHRASE, E_STORE_IO, E_BUSY while another
 * process is at it; what the disk throws.
 */
export async function rewriteKey(
  folder: string,
  before: string | undefined,
  after: string | undefined,
  cost?: PassphraseCost,
): Promise<void> {
  if (after !== undefined) checkPassphrase(after)
  await checkKeyFile(folder)
  await withOwnFile(join(folder, KEY_FILE), async (file) => {
    const bytes = await contentOf(file, WRAPPED_SECRET_BYTES)
    const secret = await openSecret(bytes, before)
    try {
      await swap(folder, { file, bytes }, await keyFileOf(secret, after, cost))
    } finally {
      secret.fill(0)
      bytes.fill(0)
    }
  })
}

/** Whoever has the draft may rename it: no other change comes between the look and the renaming. */
async function swap(folder: string, old: OldKey, next: Uint8Array): Promise<void> {
  const path = join(folder, KEY_FILE)
  const inode = await claimDraft(path + DRAFT, next)
  try {
    const isOurs = (await inodeAt(path + DRAFT)) === inode
    if (!isOurs || !(await isStill(path, old))) throw changed()
    await rename(path + DRAFT, path)
  } catch (error) {
    if ((await inodeAt(path + DRAFT)) === inode) await discard(path + DRAFT)
    throw error
  }
  // destroyed at that very moment: then there must be no other either
  if (!(await holds(old))) {
    await eraseFile(path)
    throw changed()
  }
  await syncFolder(folder)
  await overwrite(old.file)
  if ((await inodeAt(path)) === undefined) throw changed()
}

/** Writes the draft, alone. Resolves with its inode. @throws ShoalError E_BUSY */
async function claimDraft(draft: string, bytes: Uint8Array): Promise<number> {
  const left = await fileAt(draft)
  if (left !== undefined && Math.abs(Date.now() - left.writtenMs) > DRAFT_AGE_MS) {
    await discard(draft)
  }
  try {
    return await writeDraft(draft, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const message = `another process is changing ${KEY_FILE}: nothing was changed, try again later`
    throw new ShoalError('E_BUSY', message)
  }
}

/** Whether the name is still of the file that was read, and that as it was. */
async function isStill(path: string, old: OldKey): Promise<boolean> {
  return (await inodeAt(path)) === (await old.file.stat()).ino && (await holds(old))
}

async function holds({ file, bytes }: OldKey): Promise<boolean> {
  return equals(await contentOf(file, WRAPPED_SECRET_BYTES), bytes)
}

async function inodeAt(path: string): Promise<number | undefined> {
  return (await fileAt(path))?.inode
}

function changed(): ShoalError {
  const message = `${KEY_FILE} was changed or destroyed by another process: this change is not made`
  return new ShoalError('E_STORE_IO', message)
}
