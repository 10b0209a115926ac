/**
 * `shoal transfers`: the downloads that the node makes by itself, and how to begin one.
 * @module
 */
import { basename, resolve } from 'node:path'
import type { Answer } from '../client/index.ts'
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { clientOf, GATEWAY_OPTION, gatewayOf, isFolderPath } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { formatBytes } from './values.ts'

export const transfersCommand: Command = {
  name: 'transfers',
  summary: 'Show and steer downloads in the background',
  details: [
    'ACTION is list (default), pause, resume, cancel or priority; N from 0 to 9, the greater goes first.',
    '"shoal get --background" adds one. They go on after a restart of the node; a file or folder appears when',
    'it is whole, and until then there is a .part beside it.',
  ],
  operands: ['[ACTION]', '[ID]', '[N]'],
  options: { gateway: GATEWAY_OPTION },
  run: transfers,
}

type Transfer = Answer<'Transfer'>

async function transfers(given: Arguments, io: Io): Promise<number> {
  const client = clientOf(gatewayOf(given))
  const { signal } = io
  const action = given.operand(0) || 'list'
  if (action === 'list') {
    for (const transfer of await client.listTransfers({ signal })) {
      writeLine(io.stdout, lineOf(transfer))
    }
    return EXIT_DONE
  }
  const id = idOf(given)
  if (action === 'cancel') await client.removeTransfer(id, { signal })
  else {
    const change = changeOf(action, given)
    writeLine(io.stdout, lineOf(await client.changeTransfer(id, { ...change, signal })))
  }
  return EXIT_DONE
}

/** @throws UsageError */
function idOf(given: Arguments): number {
  const [action, id, priority] = [given.operand(0), given.operand(1), given.operand(2)]
  if (!['pause', 'resume', 'cancel', 'priority'].includes(action)) {
    throw new UsageError(`ACTION: list, pause, resume, cancel or priority, not "${action}"`)
  }
  if (!/^\d{1,15}$/.test(id)) throw new UsageError(`ID: a number of "shoal transfers", not "${id}"`)
  if (action !== 'priority' && priority !== '') throw new UsageError('N: goes with priority')
  return Number(id)
}

/** @throws UsageError */
function changeOf(action: string, given: Arguments): { paused: boolean } | { priority: number } {
  if (action !== 'priority') return { paused: action === 'pause' }
  const priority = given.operand(2)
  if (!/^\d$/.test(priority)) throw new UsageError(`N: 0 to 9, not "${priority}"`)
  return { priority: Number(priority) }
}

/** `7 running 5 3 MiB of 7 MiB /home/me/film.webm`. */
function lineOf({ id, phase, priority, doneBytes, sizeBytes, path, fault }: Transfer): string {
  const size = sizeBytes === undefined ? '' : ` of ${formatBytes(sizeBytes)}`
  const why = fault === undefined ? '' : ` (${fault})`
  return oneLine(`${id} ${phase}${why} ${priority} ${formatBytes(doneBytes)}${size} ${path}`)
}

/** Leaves a download to the node, and says under which number. */
export async function addTransfer(
  {
    gateway,
    key,
    to,
  }: { readonly gateway: URL; readonly key: string; readonly to: string | undefined },
  { signal, stdout }: Io,
): Promise<number> {
  const path = resolve(to ?? (await nameIn(key)))
  const uri = key.replace(/^\//, '')
  writeLine(stdout, lineOf(await clientOf(gateway).addTransfer({ uri, path, signal })))
  return EXIT_DONE
}

/** @throws UsageError where the key of a file ends without a name that one may have. */
async function nameIn(key: string): Promise<string> {
  if (isFolderPath(key)) {
    const { folderNameOf } = await import('./get-folder.ts')
    return folderNameOf(key)
  }
  const last = key.split('?')[0]?.split('/').slice(2).at(-1) ?? ''
  const name = /%(?![0-9a-f]{2})/i.test(last) ? last : decodeURIComponent(last)
  if (name === '' || name !== basename(name) || name === '..' || name === '.') {
    throw new UsageError('--to is missing: the key has no name to take in its place')
  }
  return name
}
