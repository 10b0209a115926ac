/**
 * `shoal transfers`: the downloads that the node makes by itself, and how to begin one.
 * @module
 */
import { basename, resolve } from 'node:path'
import type { Arguments, Command } from './command.ts'
import { CommandError, EXIT_DONE, UsageError } from './failures.ts'
import { GATEWAY_OPTION, gatewayOf, requestJson } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { formatBytes } from './values.ts'

const PATH = '/api/v1/transfers'

export const transfersCommand: Command = {
  name: 'transfers',
  summary: 'Show and steer downloads in the background',
  details: [
    'ACTION is list (default), pause, resume, cancel or priority; N from 0 to 9, the greater goes first.',
    '"shoal get --background" adds one. They go on after a restart of the node; a file appears when it is',
    'whole, and until then FILE.part is beside it.',
  ],
  operands: ['[ACTION]', '[ID]', '[N]'],
  options: { gateway: GATEWAY_OPTION },
  run: transfers,
}

type Value = Readonly<Record<string, unknown>>

async function transfers(given: Arguments, io: Io): Promise<number> {
  const gateway = gatewayOf(given)
  const action = given.operand(0) || 'list'
  if (action === 'list') return list(gateway, io)
  const request = requestOf(action, given)
  const { value } = await requestJson({ gateway, ...request, signal: io.signal })
  if (value['id'] !== undefined) writeLine(io.stdout, lineOf(value))
  return EXIT_DONE
}

function requestOf(action: string, given: Arguments): { method: 'PATCH' | 'DELETE'; path: string } {
  const [id, priority] = [given.operand(1), given.operand(2)]
  if (!/^\d{1,15}$/.test(id)) throw new UsageError(`ID: a number of "shoal transfers", not "${id}"`)
  const path = `${PATH}/${id}`
  if (action !== 'priority' && priority !== '') throw new UsageError('N: goes with priority')
  switch (action) {
    case 'pause':
      return { method: 'PATCH', path: `${path}?paused=1` }
    case 'resume':
      return { method: 'PATCH', path: `${path}?paused=0` }
    case 'cancel':
      return { method: 'DELETE', path }
    case 'priority':
      if (!/^\d$/.test(priority)) throw new UsageError(`N: 0 to 9, not "${priority}"`)
      return { method: 'PATCH', path: `${path}?priority=${priority}` }
    default:
      throw new UsageError(`ACTION: list, pause, resume, cancel or priority, not "${action}"`)
  }
}

async function list(gateway: URL, io: Io): Promise<number> {
  const { value } = await requestJson({ gateway, method: 'GET', path: PATH, signal: io.signal })
  if (!Array.isArray(value['transfers'])) {
    throw new CommandError('that is not the gateway of a shoal node')
  }
  for (const transfer of value['transfers'] as Value[]) writeLine(io.stdout, lineOf(transfer))
  return EXIT_DONE
}

/** `7 running 5 3 MiB of 7 MiB /home/me/film.webm`. */
function lineOf({ id, phase, priority, doneBytes, sizeBytes, path, fault }: Value): string {
  const done = formatBytes(Number(doneBytes))
  const size = typeof sizeBytes === 'number' ? ` of ${formatBytes(sizeBytes)}` : ''
  const why = typeof fault === 'string' ? ` (${fault})` : ''
  return oneLine(
    `${Number(id)} ${String(phase)}${why} ${Number(priority)} ${done}${size} ${String(path)}`,
  )
}

/** Leaves a download to the node, and says under which number. */
export async function addTransfer(
  {
    gateway,
    key,
    to,
  }: { readonly gateway: URL; readonly key: string; readonly to: string | undefined },
  io: Io,
): Promise<number> {
  const path = resolve(to ?? nameIn(key))
  const query = new URLSearchParams({ uri: key.replace(/^\//, ''), path })
  const { value } = await requestJson({
    gateway,
    method: 'POST',
    path: `${PATH}?${query.toString()}`,
    signal: io.signal,
  })
  writeLine(io.stdout, lineOf(value))
  return EXIT_DONE
}

/** @throws UsageError where the key ends without a name that a file may have. */
function nameIn(key: string): string {
  const last = key.split('?')[0]?.split('/').slice(2).at(-1) ?? ''
  const name = /%(?![0-9a-f]{2})/i.test(last) ? last : decodeURIComponent(last)
  if (name === '' || name !== basename(name) || name === '..' || name === '.') {
    throw new UsageError('--to is missing: the key has no name to take in its place')
  }
  return name
}
