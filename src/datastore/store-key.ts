/**
 * `store.key` (spec §11.2): the one secret that everything in the data directory hangs on, alone or
 * under a passphrase. Wide, and a file of its own, so that it can be destroyed at once.
 * @module
 */
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { utf8 } from '../keys/bytes.ts'
import {
  STORE_SECRET_BYTES,
  WRAPPED_SECRET_BYTES,
  createStoreSecret,
  noise,
  unwrapSecret,
  wrapCost,
  wrapSecret,
} from '../keys/seal.ts'
import type { PassphraseCost } from '../keys/seal.ts'
import { fileAt, readAtMost, replaceFile, withFile } from './whole-file.ts'

export const KEY_FILE = 'store.key'
const MAX_PASSPHRASE_BYTES = 1024
const LENGTHS = [STORE_SECRET_BYTES, WRAPPED_SECRET_BYTES]
const ADVICE = `put back a copy; without one the blocks are lost, and removing store.json, slab and index starts an empty store`

/** @throws ShoalError E_STORE_IO where the file is missing, of a wrong length, or a link. */
export async function checkKeyFile(folder: string): Promise<void> {
  const found = await fileAt(join(folder, KEY_FILE))
  if (found === undefined) throw new ShoalError('E_STORE_IO', `${KEY_FILE} is missing: ${ADVICE}`)
  if (!found.isFile) {
    // what lies elsewhere could not be destroyed by overwriting it here
    const message = `${KEY_FILE} is a link: move the file itself into the data directory`
    throw new ShoalError('E_STORE_IO', message)
  }
  if (!LENGTHS.includes(found.sizeBytes)) throw damaged()
}

/** Whether there is a file as long as a key. */
export async function isKeyFile(folder: string): Promise<boolean> {
  const found = await fileAt(join(folder, KEY_FILE))
  return found?.isFile === true && LENGTHS.includes(found.sizeBytes)
}

/** Whether there is a key that only a passphrase opens. */
export async function isKeyProtected(folder: string): Promise<boolean> {
  return (await fileAt(join(folder, KEY_FILE)))?.sizeBytes === WRAPPED_SECRET_BYTES
}

/** The secret; the caller wipes it. @throws ShoalError E_PASSPHRASE, E_STORE_IO. */
export async function loadSecret(
  folder: string,
  passphrase: string | undefined,
): Promise<Uint8Array> {
  await checkKeyFile(folder)
  const file = await readAtMost(join(folder, KEY_FILE), WRAPPED_SECRET_BYTES)
  if (file?.length === STORE_SECRET_BYTES) return file
  if (file === undefined || wrapCost(file) === undefined) throw damaged()
  if (passphrase === undefined) {
    throw new ShoalError('E_PASSPHRASE', `${KEY_FILE} is locked: a passphrase is needed`)
  }
  const secret = await unwrapSecret(file, passphraseBytes(passphrase)).catch((error: unknown) => {
    const message = `there is not enough memory to open ${KEY_FILE}`
    throw new ShoalError('E_PASSPHRASE', message, { cause: error })
  })
  if (secret !== undefined) return secret
  throw new ShoalError('E_PASSPHRASE', 'the passphrase is wrong')
}

/** A new secret, on the disk under its name only when it is whole. The caller wipes it. */
export async function createKeyFile(
  folder: string,
  passphrase: string | undefined,
): Promise<Uint8Array> {
  const secret = createStoreSecret()
  await writeSecret(folder, secret, passphrase)
  return secret
}

/**
 * Another passphrase, or none, for the same secret. What the old file held is overwritten afterwards, so
 * far as the file system writes in place.
 */
export async function rewriteKey(
  folder: string,
  before: string | undefined,
  after: string | undefined,
  cost?: PassphraseCost,
): Promise<void> {
  if (after !== undefined) passphraseBytes(after)
  const secret = await loadSecret(folder, before)
  try {
    await withFile(join(folder, KEY_FILE), 'r+', async (old) => {
      const { size } = await old.stat()
      await writeSecret(folder, secret, after, cost)
      await old.write(noise(size), 0, size, 0)
      await old.sync()
    })
  } finally {
    secret.fill(0)
  }
}

async function writeSecret(
  folder: string,
  secret: Uint8Array,
  passphrase: string | undefined,
  cost?: PassphraseCost,
): Promise<void> {
  const isOpen = passphrase === undefined
  const file = isOpen ? secret : await wrapSecret(secret, passphraseBytes(passphrase), cost)
  await replaceFile(join(folder, KEY_FILE), file)
}

/** One spelling for a passphrase however a keyboard composes it. @throws ShoalError E_PASSPHRASE */
function passphraseBytes(passphrase: string): Uint8Array {
  const bytes = utf8(passphrase.normalize('NFC'))
  if (bytes.length > 0 && bytes.length <= MAX_PASSPHRASE_BYTES) return bytes
  throw new ShoalError('E_PASSPHRASE', `a passphrase has 1 to ${MAX_PASSPHRASE_BYTES} bytes`)
}

function damaged(): ShoalError {
  return new ShoalError('E_STORE_IO', `${KEY_FILE} is damaged: ${ADVICE}`)
}
