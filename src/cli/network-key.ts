/**
 * Where the key of a private network comes from: a file, the environment, or, for who insists, the
 * command line. Never into a message: what was given may be the key, mistyped.
 * @module
 */
import { NETWORK_KEY_BYTES } from '../options.ts'
import type { Arguments, OptionSpec } from './command.ts'
import { UsageError } from './failures.ts'
import type { Io } from './io.ts'
import { readSecretLine } from './secret-file.ts'

export const NETWORK_KEY_VARIABLE = 'SHOAL_NETWORK_KEY'
const DIGITS = 2 * NETWORK_KEY_BYTES
const KEY = new RegExp(`^[0-9a-f]{${DIGITS}}$`, 'i')
/** Room for spaces at the end of the line. */
const MAX_LINE_BYTES = 2 * DIGITS

export const NETWORK_KEY_OPTION: OptionSpec = {
  type: 'string',
  value: 'FILE|HEX',
  help: `first line: ${DIGITS} hex digits, the key of a private network (else ${NETWORK_KEY_VARIABLE})`,
}

export interface GivenNetworkKey {
  /** Undefined: none was given. */
  readonly key: Uint8Array | undefined
  /** It stood on the command line, which every program of the machine can read. */
  readonly isOnCommandLine: boolean
}

/** From `--network-key`, else the environment. @throws UsageError, CommandError; neither tells what it was. */
export async function givenNetworkKey(
  given: Arguments,
  io: Pick<Io, 'env' | 'signal'>,
): Promise<GivenNetworkKey> {
  const text = given.text('network-key')
  if (text === undefined) return { key: keyInEnvironment(io.env), isOnCommandLine: false }
  if (KEY.test(text)) return { key: bytesOf(text), isOnCommandLine: true }
  const label = '--network-key'
  const what = 'the key of a network'
  const line = await readSecretLine({ file: text, what, label, maxBytes: MAX_LINE_BYTES }, io)
  return { key: parsed(line.trimEnd(), label), isOnCommandLine: false }
}

/** Whether a word of a command line holds a key, so that the line should be hidden. */
export function holdsNetworkKey(word: string): boolean {
  return KEY.test(word.replace(/^--network-key=/, ''))
}

function keyInEnvironment(env: Io['env']): Uint8Array | undefined {
  const text = env[NETWORK_KEY_VARIABLE]
  return text === undefined || text === '' ? undefined : parsed(text, NETWORK_KEY_VARIABLE)
}

function parsed(text: string, label: string): Uint8Array {
  if (KEY.test(text)) return bytesOf(text)
  throw new UsageError(`${label}: the key of a network is ${DIGITS} hexadecimal digits`)
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
