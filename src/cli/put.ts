/**
 * `shoal put`: a file or stdin into the network; the URI on stdout, and nothing else there.
 * @module
 */
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { GATEWAY_OPTION, gatewayOf, insert } from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'
import { createProgress } from './progress.ts'
import { untilSpread, type Spread } from './spread.ts'
import { formatBytes } from './values.ts'

/** Few system calls a MiB, little memory. */
const READ_BYTES = 256 * 1024

export const putCommand: Command = {
  name: 'put',
  summary: 'Insert a file and print its key URI',
  details: [
    'PATH may be - for stdin. The URI is printed when the last byte is safe on the node; the',
    'command ends when every block has spread to other nodes.',
  ],
  operands: ['PATH'],
  options: {
    name: { type: 'string', value: 'N', help: 'last part of the URI (default: name of the file)' },
    convergent: {
      type: 'boolean',
      help: 'same bytes, same key: others can confirm that you hold a known file',
    },
    urn: { type: 'boolean', help: 'bare content, convergent: prints a standard urn:eris:' },
    'no-wait': { type: 'boolean', help: 'end as soon as the URI is printed' },
    gateway: GATEWAY_OPTION,
  },
  run: put,
}

interface Source {
  readonly stream: Readable
  readonly sizeBytes?: number
}

async function put(given: Arguments, io: Io): Promise<number> {
  const gateway = gatewayOf(given)
  const path = given.operand(0)
  const query = queryOf(given, path)
  const source = await openSource(path, io)
  const upload = createProgress(io.stderr, 'upload', formatAmount)
  const { signal } = io
  const onSent = (sentBytes: number): void => {
    upload.show(sentBytes, source.sizeBytes)
  }
  const { stream, ...size } = source
  const inserted = await insert({
    gateway,
    source: stream,
    ...size,
    query,
    onSent,
    signal,
  }).finally(() => {
    upload.clear()
  })
  writeLine(io.stdout, inserted.uri)
  if (given.flag('no-wait') || inserted.statusPath === undefined) return EXIT_DONE
  await showSpread(gateway, inserted.statusPath, io)
  return EXIT_DONE
}

function queryOf(given: Arguments, path: string): URLSearchParams {
  const query = new URLSearchParams()
  const name = given.text('name')
  if (given.flag('urn')) {
    if (name !== undefined) throw new UsageError('--name: a urn:eris: has no name, leave out one')
    query.set('urn', '1')
    return query
  }
  if (name !== undefined) query.set('name', name)
  else if (path !== '-') query.set('name', basename(path))
  if (given.flag('convergent')) query.set('convergent', '1')
  return query
}

async function openSource(path: string, io: Io): Promise<Source> {
  if (path === '-') return { stream: io.stdin }
  const file = await open(path)
  const stat = await file.stat()
  if (stat.isDirectory()) {
    await file.close()
    throw new UsageError(`PATH: one file, not the folder ${JSON.stringify(path)}`)
  }
  const options = { highWaterMark: READ_BYTES, autoClose: true }
  // A pipe or device has no size to promise.
  if (!stat.isFile()) return { stream: file.createReadStream(options) }
  return { stream: file.createReadStream(options), sizeBytes: stat.size }
}

async function showSpread(gateway: URL, statusPath: string, io: Io): Promise<void> {
  const progress = createProgress(
    io.stderr,
    'spread',
    (done, total) => `${done} of ${total} blocks`,
  )
  let toldLonely = false
  const onSpread = ({ blocks, spreadBlocks, peers }: Spread): void => {
    if (peers > 0 || spreadBlocks >= blocks) {
      progress.show(spreadBlocks, blocks)
    } else if (!toldLonely) {
      toldLonely = true
      progress.clear()
      writeLine(
        io.stderr,
        'no peers are connected: the file is safe on your node and spreads when there are some; waiting (Ctrl-C stops only the waiting)',
      )
    }
  }
  try {
    await untilSpread({ gateway, statusPath, onSpread, signal: io.signal })
  } finally {
    progress.clear()
  }
}

function formatAmount(done: number, total: number | undefined): string {
  return total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`
}
