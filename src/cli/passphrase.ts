/**
 * Where a passphrase comes from: a file, the environment, or the person at the terminal. Never from the
 * command line, which every program of the machine can read, and never into a message.
 * @module
 */
import type { Arguments, OptionSpec } from './command.ts'
import { CommandError } from './failures.ts'
import type { Io } from './io.ts'
import { readSecretLine } from './secret-file.ts'
import { askSecret } from './terminal-input.ts'

export const PASSPHRASE_VARIABLE = 'SHOAL_PASSPHRASE'
/** Longest passphrase, bytes of UTF-8. */
const MAX_PASSPHRASE_BYTES = 1024

export const PASSPHRASE_FILE_OPTION: OptionSpec = {
  type: 'string',
  value: 'FILE',
  help: `first line: the passphrase of store.key (else ${PASSPHRASE_VARIABLE}, else asked for)`,
}

/** From `--passphrase-file`, else the environment; undefined: neither. @throws CommandError. */
export async function givenPassphrase(given: Arguments, io: Io): Promise<string | undefined> {
  const file = given.text('passphrase-file')
  if (file !== undefined) return readPassphraseFile(file, io)
  const text = io.env[PASSPHRASE_VARIABLE]
  return text === undefined || text === '' ? undefined : checked(text, PASSPHRASE_VARIABLE)
}

/** The first line of a file, of a pipe, too. @throws CommandError naming the file, never its content. */
export async function readPassphraseFile(file: string, io: Io): Promise<string> {
  const what = 'a passphrase'
  const line = await readSecretLine({ file, what, label: file, maxBytes: MAX_PASSPHRASE_BYTES }, io)
  return checked(line, file)
}

/** Asked for once. @throws CommandError where nothing was typed. */
export async function askPassphrase(question: string, io: Io): Promise<string> {
  return checked(await askSecret(question, io), 'what was typed')
}

/** Asked for twice. @throws CommandError where the two differ. */
export async function askNewPassphrase(io: Io): Promise<string> {
  const first = await askPassphrase('New passphrase: ', io)
  const second = await askSecret('The same again: ', io)
  if (first === second) return first
  throw new CommandError('the two are not the same: nothing was changed, try again')
}

function checked(passphrase: string, source: string): string {
  const bytes = Buffer.byteLength(passphrase)
  if (bytes === 0) throw new CommandError(`${source}: an empty passphrase protects nothing`)
  if (bytes <= MAX_PASSPHRASE_BYTES) return passphrase
  throw new CommandError(
    `${source}: a passphrase has at most ${MAX_PASSPHRASE_BYTES.toLocaleString('en')} bytes`,
  )
}
