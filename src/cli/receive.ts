/**
 * The body of an answer on its way to stdout or into a file.
 * @module
 */
import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CommandError, systemCode } from './failures.ts'
import type { Io } from './io.ts'
import { formatBytes } from './values.ts'

/** Told after each piece: bytes so far, and bytes in all where they are known. */
export type OnReceived = (receivedBytes: number, sizeBytes: number | undefined) => void

/** Resolves when `target` has it all. @throws CommandError where the body breaks off. */
export async function receive(
  content: IncomingMessage,
  target: Writable,
  io: Pick<Io, 'stdout' | 'signal'>,
  onReceived: OnReceived,
): Promise<void> {
  let received = 0
  const length = content.headers['content-length']
  const size = length === undefined ? undefined : Number(length)
  async function* counted(parts: AsyncIterable<Buffer>) {
    for await (const part of parts) {
      received += part.length
      onReceived(received, size)
      yield part
    }
  }
  try {
    await pipeline(content, counted, target, { end: target !== io.stdout })
  } catch (error) {
    if (io.signal.aborted) throw io.signal.reason
    if (!isBrokenBody(error)) throw error
    const whole = size === undefined ? '' : ` of ${formatBytes(size)}`
    const words = `the content broke off after ${formatBytes(received)}${whole}: try again later`
    throw new CommandError(words, { cause: error })
  }
}

/** True for what node:http says of a body that ends before its length; a bad disk speaks otherwise. */
function isBrokenBody(error: unknown): boolean {
  const code = systemCode(error) ?? ''
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code.startsWith('HPE_')
}

/**
 * A name beside `path` for what is not whole yet. Made up, so that nobody else writes there or has made a link
 * of it; not from the name of the file, which may be as long as the disk takes.
 */
export function partBeside(path: string): string {
  return join(dirname(path), `shoal-${randomBytes(8).toString('hex')}.part`)
}

/**
 * Opens `path` and closes it whatever `fill` does. `new`: a file that is not there yet, and follows no link, with
 * the permissions `mode`, default those of any new file; `device`: written as it is. @throws CommandError where
 * the folder is not there.
 */
export async function fillFile<T>(
  path: string,
  what: 'new' | 'device',
  fill: (target: Writable) => Promise<T>,
  mode?: number,
): Promise<T> {
  const file = await open(path, what === 'new' ? 'wx' : 'w', mode).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    throw new CommandError(`the folder ${dirname(path)} is not there (ENOENT)`, { cause: error })
  })
  try {
    if (mode !== undefined) await file.chmod(mode) // whatever the umask
    return await fill(file.createWriteStream())
  } finally {
    await file.close() // the stream does so itself at its end, but not where nothing came
  }
}
