/**
 * `store.key` (spec §11.2): the one secret that everything in the data directory hangs on, alone or
 * under a passphrase. Wide, and a file of its own, so that it can be destroyed at once.
 * @module
 */
import { join } from 'node:path'

import { ShoalError } from '../errors.ts'
import { copyOf, utf8 } from '../keys/bytes.ts'
import {
  STORE_SECRET_BYTES,
  WRAPPED_SECRET_BYTES,
  createStoreSecret,
  unwrapSecret,
  wrapCost,
  wrapSecret,
} from '../keys/seal.ts'
import type { PassphraseCost } from '../keys/seal.ts'
import { inTheWay } from './store-error.ts'
import { fileAt, readAtMost, replaceFile } from './whole-file.ts'

export const KEY_FILE = 'store.key'
const MAX_PASSPHRASE_BYTES = 1024
const ADVICE = `put back a copy; without one the blocks are lost, and removing store.json, slab and index starts an empty store`

/** @throws ShoalError E_STORE_IO where the file is missing, of a wrong length, or a link. */
export async function checkKeyFile(folder: string): Promise<void> {
  const found = await fileAt(join(folder, KEY_FILE))
  if (found === undefined) throw new ShoalError('E_STORE_IO', `${KEY_FILE} is missing: ${ADVICE}`)
  if (found.isLink) {
    // what lies elsewhere could not be destroyed by overwriting it here
    const message = `${KEY_FILE} is a link: move the file itself into the data directory`
    throw new ShoalError('E_STORE_IO', message)
  }
  if (!found.isFile) throw inTheWay(KEY_FILE)
  if (!isKeyLength(found.sizeBytes)) throw damaged()
}

/** Whether a file of so many bytes may be a key. */
export function isKeyLength(bytes: number): boolean {
  return bytes === STORE_SECRET_BYTES || bytes === WRAPPED_SECRET_BYTES
}

/** Whether there is a file as long as a key. */
export async function isKeyFile(folder: string): Promise<boolean> {
  const found = await fileAt(join(folder, KEY_FILE))
  return found?.isFile === true && isKeyLength(found.sizeBytes)
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
  const file = (await readAtMost(join(folder, KEY_FILE), WRAPPED_SECRET_BYTES)) ?? new Uint8Array(0)
  try {
    return await openSecret(file, passphrase)
  } finally {
    file.fill(0)
  }
}

/** The secret in the content of a key file; the caller wipes both. @throws ShoalError as `loadSecret`. */
export async function openSecret(
  file: Uint8Array,
  passphrase: string | undefined,
): Promise<Uint8Array> {
  if (file.length === STORE_SECRET_BYTES) return copyOf(file, 0, file.length)
  if (wrapCost(file) === undefined) throw damaged()
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
  await replaceFile(join(folder, KEY_FILE), await keyFileOf(secret, passphrase))
  return secret
}

/** The content of a key file: the secret itself, or under a passphrase. @throws ShoalError E_PASSPHRASE */
export async function keyFileOf(
  secret: Uint8Array,
  passphrase: string | undefined,
  cost?: PassphraseCost,
): Promise<Uint8Array> {
  return passphrase === undefined ? secret : wrapSecret(secret, passphraseBytes(passphrase), cost)
}

/** @throws ShoalError E_PASSPHRASE where it is none. */
export function checkPassphrase(passphrase: string): void {
  passphraseBytes(passphrase)
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
