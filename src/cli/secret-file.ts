/**
 * A secret that is the first line of a file.
 * @module
 */
import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import { CommandError, systemCode } from './failures.ts'
import type { Io } from './io.ts'

/** Why a file cannot be read, by what the system says. */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'you may not read it',
}

export interface SecretFile {
  readonly file: string
  /** In errors, such as `a passphrase`. */
  readonly what: string
  /** Names the file in errors: its path, or an option where the path may be the secret, mistyped. */
  readonly label: string
  /** Longest line, bytes; of a longer one a part longer than that is given back. */
  readonly maxBytes: number
}

/** The first line of a file, of a pipe, too. @throws CommandError that never tells what is in it. */
export async function readSecretLine(
  { file, what, label, maxBytes }: SecretFile,
  { signal }: Pick<Io, 'signal'>,
): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  try {
    const source = addAbortSignal(signal, createReadStream(file))
    for await (const part of source as AsyncIterable<Buffer>) {
      bytes += part.length
      parts.push(part)
      if (bytes > maxBytes + 2 || part.includes('\n')) break
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    const code = systemCode(error)
    throw code === undefined
      ? error
      : new CommandError(`${label}: ${WORDS[code] ?? 'cannot be read'} (${code})`)
  }
  const [line = ''] = decoded(Buffer.concat(parts), what, label).split(/\r?\n/)
  return line
}

function decoded(bytes: Buffer, what: string, label: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new CommandError(`${label}: ${what} is one line of UTF-8 text`)
  }
}
