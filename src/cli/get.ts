/**
 * `shoal get`: content to stdout or into a file, as it arrives; folders onto the disk.
 * @module
 */
import { realpath, rename, rm, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'
import type { Arguments, Command } from './command.ts'
import { CommandError, EXIT_DONE, systemCode, UsageError } from './failures.ts'
import {
  GATEWAY_OPTION,
  gatewayFor,
  getContent,
  isFolderPath,
  type Content,
} from './gateway-client.ts'
import type { Io } from './io.ts'
import { parsePastedKey } from './pasted-key.ts'
import { createProgress } from './progress.ts'
import { fillFile, partBeside, receive } from './receive.ts'
import { addTransfer } from './transfers.ts'
import { formatBytes } from './values.ts'

export const getCommand: Command = {
  name: 'get',
  summary: 'Fetch a key URI',
  details: [
    'URI may be spelled as it was pasted: CHK@…, USK@…, urn:eris:…, freenet:CHK@…, or the whole URL of',
    'a gateway on this machine. FILE appears only when it is whole. A URI that ends with a slash is a',
    'folder: all that is in it is fetched, into DIR, or a new folder of its name. With --background the',
    'node fetches it, also after this command has ended: see "shoal transfers".',
  ],
  operands: ['URI'],
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE|DIR',
      help: 'write there, - for stdout; DIR is new or empty',
    },
    background: {
      type: 'boolean',
      help: 'leave it to the node, which puts the file or folder where --to says',
    },
    to: {
      type: 'string',
      value: 'FILE|DIR',
      help: 'with --background; default: its name, in this folder',
    },
    priority: {
      type: 'string',
      value: 'N',
      help: 'with --background: 0 to 9, the greater goes first (default: 5)',
    },
    overwrite: { type: 'boolean', help: 'with --background: replaces a file that is there' },
    gateway: GATEWAY_OPTION,
  },
  run: get,
}

async function get(given: Arguments, io: Io): Promise<number> {
  const key = parsePastedKey(given.operand(0))
  const gateway = gatewayFor(given, key)
  checkOptions(given)
  if (given.flag('background')) return addTransfer({ gateway, key: key.path, given }, io)
  const output = given.text('output')
  const file = output === '-' ? undefined : output
  const ask = (): Promise<Content> => getContent(gateway, key.path, io.signal)
  const folder =
    file === undefined || isFolderPath(key.path)
      ? await print(await ask(), output, io)
      : await save(file, ask, io)
  if (folder === undefined) return EXIT_DONE
  if (output === '-') throw new CommandError('that is a folder: name one with -o DIR')
  const { folderNameOf, getFolder } = await import('./get-folder.ts')
  await getFolder({ gateway, path: folder, directory: file ?? folderNameOf(folder) }, io)
  return EXIT_DONE
}

/** @throws UsageError for options that do not go together. */
function checkOptions(given: Arguments): void {
  const output = given.text('output')
  if (output === '') throw new UsageError('--output: is empty')
  if (given.flag('background')) {
    if (output !== undefined) throw new UsageError('--output: say --to with --background')
    return
  }
  for (const option of ['to', 'priority', 'overwrite']) {
    if (given.values[option] === undefined) continue
    const instead = option === 'to' ? '; otherwise -o FILE' : ''
    throw new UsageError(`--${option}: goes with --background${instead}`)
  }
}

/** To stdout; the path in place of that where it is a folder's. */
async function print(
  { response, path }: Content,
  output: string | undefined,
  io: Io,
): Promise<string | undefined> {
  if (isFolderPath(path)) {
    response.destroy() // the listing is asked for again when there is where to put it
    return path
  }
  if (output !== undefined && output !== '-') {
    response.destroy()
    throw new CommandError('that is a file: leave out the slash at the end of its key')
  }
  await writeStdout(response, output === '-', io)
  return undefined
}

/** Into a file, which is opened before anything is asked; the path where it is a folder's. */
async function save(
  file: string,
  ask: () => Promise<Content>,
  io: Io,
): Promise<string | undefined> {
  let folder: string | undefined
  await writeFile(file, async (target) => {
    const { response, path } = await ask()
    if (!isFolderPath(path)) {
      await show(response, target, io)
      return true
    }
    response.destroy()
    folder = path
    return false
  })
  return folder
}

async function writeStdout(content: IncomingMessage, isForced: boolean, io: Io): Promise<void> {
  const type = content.headers['content-type'] ?? 'application/octet-stream'
  if (io.stdout.isTTY === true && !isForced && !/^text\/|json/.test(type)) {
    content.destroy()
    throw new CommandError('that is no text: name a file with -o FILE, or print it with -o -')
  }
  try {
    await show(content, io.stdout, io)
  } catch (error) {
    if (systemCode(error) !== 'EPIPE') throw error // the reader (`| head`) has all it wants
  }
}

/**
 * Through a part beside FILE, so that FILE is never half a file; devices and pipes are written as they are.
 * `fill` resolves with whether there is something to keep.
 */
async function writeFile(
  path: string,
  fill: (target: Writable) => Promise<boolean>,
): Promise<void> {
  const old = await stat(path).catch(() => undefined)
  if (old?.isDirectory()) {
    throw new CommandError(`${path} is a folder: -o takes a file (the key of a folder ends with /)`)
  }
  if (old !== undefined && !old.isFile()) {
    await fillFile(path, 'device', fill)
    return
  }
  const target = old === undefined ? path : await realpath(path)
  const part = partBeside(target)
  try {
    const mode = old === undefined ? undefined : old.mode & 0o777 // a private file stays one
    if (await fillFile(part, 'new', fill, mode)) await rename(part, target)
  } finally {
    await rm(part, { force: true })
  }
}

/** Receives with a line of progress. */
async function show(content: IncomingMessage, target: Writable, io: Io): Promise<void> {
  const progress = createProgress(io.stderr, 'fetch', (done, total) =>
    total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`,
  )
  try {
    await receive(content, target, io, (done, total) => {
      progress.show(done, total)
    })
  } finally {
    progress.clear()
  }
}
