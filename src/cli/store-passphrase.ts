/**
 * `shoal store passphrase`: sets, changes or takes away the passphrase of `store.key`, on the files of a
 * data directory, whether its node runs or not.
 * @module
 */
import { existsSync } from 'node:fs'
import type { Arguments } from './command.ts'
import { dataDirOf } from './data-dir.ts'
import { CommandError, UsageError, withFolder } from './failures.ts'
import { writeLine, type Io } from './io.ts'
import {
  askNewPassphrase,
  askPassphrase,
  givenPassphrase,
  readPassphraseFile,
} from './passphrase.ts'
import { canAsk } from './terminal-input.ts'

/** @throws UsageError, CommandError; the key is then as it was. */
export async function setPassphrase(given: Arguments, io: Io): Promise<void> {
  const dataDir = dataDirOf(given, io)
  try {
    await changeKey(dataDir, given, io)
  } catch (error) {
    throw withFolder(error, dataDir)
  }
}

async function changeKey(dataDir: string, given: Arguments, io: Io): Promise<void> {
  const isRemoval = given.flag('remove')
  if (isRemoval && given.text('new-passphrase-file') !== undefined) {
    throw new UsageError('--remove: not with --new-passphrase-file')
  }
  // Loaded here, so that the other commands start without sodium.
  const { changePassphrase, isProtected } = await import('../store-admin.ts')
  if (!existsSync(dataDir)) throw new CommandError(`${dataDir}: there is no such folder`)
  const hasOne = await isProtected(dataDir)
  if (isRemoval && !hasOne) throw new CommandError(`${dataDir}: store.key has no passphrase`)
  const before = hasOne ? await oldPassphrase(given, io) : undefined
  const after = isRemoval ? undefined : await newPassphrase(given, io)
  await changePassphrase(dataDir, { before, after })
  writeLine(io.stderr, `shoal store: ${outcome(hasOne, isRemoval)}`)
}

async function oldPassphrase(given: Arguments, io: Io): Promise<string> {
  const passphrase = await givenPassphrase(given, io)
  if (passphrase !== undefined) return passphrase
  if (canAsk(io)) return askPassphrase('Passphrase now: ', io)
  throw new UsageError('--passphrase-file is missing, and there is no terminal to ask at')
}

async function newPassphrase(given: Arguments, io: Io): Promise<string> {
  const file = given.text('new-passphrase-file')
  if (file !== undefined) return readPassphraseFile(file, io)
  if (canAsk(io)) return askNewPassphrase(io)
  throw new UsageError('--new-passphrase-file is missing, and there is no terminal to ask at')
}

function outcome(hadOne: boolean, isRemoval: boolean): string {
  if (isRemoval) return 'the passphrase is gone: whoever has the folder can open the store'
  const what = hadOne ? 'the passphrase is another one' : 'the passphrase is set'
  return `${what}; nobody can bring it back, and without it everything in the store is lost`
}
