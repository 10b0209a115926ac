/**
 * `shoal get`: content to stdout or into a file, as it arrives.
 * @module
 */
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Arguments, Command } from './command.ts'
import { CommandError, EXIT_DONE, systemCode } from './failures.ts'
import { GATEWAY_OPTION, gatewayOf, getContent } from './gateway-client.ts'
import type { Io } from './io.ts'
import { parsePastedKey } from './pasted-key.ts'
import { createProgress } from './progress.ts'
import { formatBytes } from './values.ts'

export const getCommand: Command = {
  name: 'get',
  summary: 'Fetch a key URI',
  details: [
    'URI may be spelled as it was pasted: CHK@…, urn:eris:…, freenet:CHK@…, or the whole URL of a',
    'gateway on this machine. FILE appears only when it is whole.',
  ],
  operands: ['URI'],
  options: {
    output: { type: 'string', short: 'o', value: 'FILE', help: 'write there, - for stdout' },
    gateway: GATEWAY_OPTION,
  },
  run: get,
}

async function get(given: Arguments, io: Io): Promise<number> {
  const key = parsePastedKey(given.operand(0))
  const asked = given.text('gateway') === undefined ? key.gateway : undefined
  const gateway = asked ?? gatewayOf(given)
  const output = given.text('output')
  const fetchContent = (): Promise<IncomingMessage> => getContent(gateway, key.path, io.signal)
  if (output !== undefined && output !== '-') {
    await writeFile(output, (target) => receive(fetchContent, target, io))
  } else {
    await writeStdout(fetchContent, output === '-', io)
  }
  return EXIT_DONE
}

async function writeStdout(
  fetchContent: () => Promise<IncomingMessage>,
  isForced: boolean,
  io: Io,
): Promise<void> {
  const content = await fetchContent()
  const type = content.headers['content-type'] ?? 'application/octet-stream'
  if (io.stdout.isTTY === true && !isForced && !/^text\/|json/.test(type)) {
    content.destroy()
    throw new CommandError('that is no text: name a file with -o FILE, or print it with -o -')
  }
  try {
    await receive(() => Promise.resolve(content), io.stdout, io)
  } catch (error) {
    if (systemCode(error) !== 'EPIPE') throw error // the reader (`| head`) has all it wants
  }
}

/** Through FILE.part, so that FILE is never half a file; devices and pipes are written as they are. */
async function writeFile(path: string, fill: (target: Writable) => Promise<void>): Promise<void> {
  const old = await stat(path).catch(() => undefined)
  if (old?.isDirectory()) throw new CommandError(`${path} is a folder: -o takes a file`)
  if (old !== undefined && !old.isFile()) return fillFile(path, fill)
  const target = old === undefined ? path : await realpath(path)
  const part = `${target}.part`
  try {
    await fillFile(part, fill)
    await rename(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

async function fillFile(path: string, fill: (target: Writable) => Promise<void>): Promise<void> {
  const file = await open(path, 'w')
  try {
    await fill(file.createWriteStream())
  } finally {
    await file.close() // the stream does so itself at its end, but not where nothing came
  }
}

/** True for what node:http says of a body that ends before its length; a bad disk speaks otherwise. */
function isBrokenBody(error: unknown): boolean {
  const code = systemCode(error) ?? ''
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code.startsWith('HPE_')
}

async function receive(
  fetchContent: () => Promise<IncomingMessage>,
  target: Writable,
  io: Io,
): Promise<void> {
  const progress = createProgress(io.stderr, 'fetch', (done, total) =>
    total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`,
  )
  let received = 0
  const content = await fetchContent()
  const length = content.headers['content-length']
  const size = length === undefined ? undefined : Number(length)
  async function* counted(parts: AsyncIterable<Buffer>) {
    for await (const part of parts) {
      received += part.length
      progress.show(received, size)
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
  } finally {
    progress.clear()
  }
}
