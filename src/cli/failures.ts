/**
 * How a command ends badly: which line the person reads, and with which exit code.
 * @module
 */
import { isShoalError } from '../errors.ts'
import { oneLine } from './io.ts'

export const EXIT_DONE = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

/** What can be done about a locked key. */
const PASSPHRASE_ADVICE = ' (at a terminal, or with --passphrase-file or SHOAL_PASSPHRASE)'

/** The command line itself is wrong: names the option, its value and what it may be. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something outside did not work, said in one sentence. Exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** Reason of the signal that Ctrl-C aborts. */
export class Interruption extends Error {
  override readonly name = 'AbortError'
  constructor() {
    super('interrupted')
  }
}

/** What stderr says about `error`, and the exit code. Only a fault of our own shows its stack. */
export function describeFailure(error: unknown): { readonly text: string; readonly exit: number } {
  if (!(error instanceof Error)) return { text: oneLine(String(error)), exit: EXIT_FAILED }
  if (error instanceof UsageError) return { text: oneLine(error.message), exit: EXIT_USAGE }
  if (isShoalError(error) && error.code === 'E_OPTION') {
    return { text: oneLine(error.message), exit: EXIT_USAGE }
  }
  if (isMissingLibatomic(error)) {
    const text = 'libatomic.so.1 is missing on this system (Debian: apt-get install libatomic1)'
    return { text, exit: EXIT_FAILED }
  }
  const expected = error instanceof CommandError || error instanceof Interruption || 'code' in error
  if (!expected) return { text: error.stack ?? error.message, exit: EXIT_FAILED }
  const code = codeOf(error)
  return {
    text: `${oneLine(error.message)}${code === undefined ? '' : ` (${code})`}${adviceFor(code)}`,
    exit: EXIT_FAILED,
  }
}

/**
 * Library errors name no path; at a terminal it is half of the answer. Leaves alone what does not come
 * from the data directory.
 */
export function withFolder(error: unknown, dataDir: string): unknown {
  if (!isShoalError(error) || !/^E_(?:STORE_|PASSPHRASE$)/.test(error.code)) return error
  const reason = systemCode(error.cause)
  const what = error.message.replace(/\.$/, '')
  const how = what.endsWith('a passphrase is needed') ? PASSPHRASE_ADVICE : ''
  const words = `${dataDir}: ${what}${how}${reason === undefined ? '' : ` (${reason})`}`
  return new CommandError(words, { cause: error })
}

/** What can be done about it from where the person is. */
function adviceFor(code: string | undefined): string {
  return code === 'E_TOKEN'
    ? ': put it into the variable SHOAL_TOKEN; a pasted address needs --gateway, too'
    : ''
}

/** Our own code (spec §10) of an error or of what it wraps: the word that the manual can be searched for. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = systemCode(error)
  return code?.startsWith('E_') === true ? code : codeOf(error.cause)
}

/** The one system library that RocksDB's prebuilt binary needs and slim images lack. */
function isMissingLibatomic(error: Error): boolean {
  if (error.message.includes('libatomic')) return true
  return error.cause instanceof Error && isMissingLibatomic(error.cause)
}

/** `code` of a system error (`ENOENT`, `EPIPE`, …), undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
