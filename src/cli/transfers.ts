/**
 * `shoal transfers`: the downloads that the node makes by itself, and how to begin one.
 * @module
 */
import { resolve } from 'node:path'
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE, UsageError } from './failures.ts'
import { clientOf, GATEWAY_OPTION, gatewayOf, isFolderPath } from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'
import { chosenNameFault, nameInKey } from './key-name.ts'
import { transferTable } from './transfer-table.ts'

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

async function transfers(given: Arguments, io: Io): Promise<number> {
  const client = clientOf(gatewayOf(given))
  const { signal } = io
  const action = given.operand(0) || 'list'
  if (action === 'list') {
    const extra = given.operand(1)
    if (extra !== '') throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`)
    show(await client.listTransfers({ signal }), io)
    return EXIT_DONE
  }
  const id = idOf(given)
  if (action === 'cancel') await client.removeTransfer(id, { signal })
  else {
    const change = changeOf(action, given)
    show([await client.changeTransfer(id, { ...change, signal })], io)
  }
  return EXIT_DONE
}

/** @throws UsageError */
function idOf(given: Arguments): number {
  const [action, id, priority] = [given.operand(0), given.operand(1), given.operand(2)]
  if (!['pause', 'resume', 'cancel', 'priority'].includes(action)) {
    throw new UsageError(`ACTION: list, pause, resume, cancel or priority, not "${action}"`)
  }
  if (id === '') throw new UsageError('ID is missing')
  if (!/^\d{1,15}$/.test(id)) throw new UsageError(`ID: a number of "shoal transfers", not "${id}"`)
  if (action !== 'priority' && priority !== '') throw new UsageError('N: goes with priority')
  return Number(id)
}

/** @throws UsageError */
function changeOf(action: string, given: Arguments): { paused: boolean } | { priority: number } {
  if (action !== 'priority') return { paused: action === 'pause' }
  const priority = given.operand(2)
  if (priority === '') throw new UsageError('N is missing')
  return { priority: parsePriority('N', priority) }
}

/** @throws UsageError */
function parsePriority(option: string, text: string): number {
  if (!/^\d$/.test(text)) throw new UsageError(`${option}: 0 to 9, not ${JSON.stringify(text)}`)
  return Number(text)
}

function show(downloads: Parameters<typeof transferTable>[0], { stdout }: Io): void {
  for (const line of transferTable(downloads)) writeLine(stdout, line)
}

export interface AddRequest {
  readonly gateway: URL
  /** Percent-encoded path of the key. */
  readonly key: string
  /** The options `--to`, `--priority` and `--overwrite`. */
  readonly given: Arguments
}

/** Leaves a download to the node, and says under which number. @throws UsageError */
export async function addTransfer({ gateway, key, given }: AddRequest, io: Io): Promise<number> {
  const { signal } = io
  const path = resolve(await targetOf(key, given.text('to')))
  const uri = key.replace(/^\//, '')
  const priority = given.text('priority')
  const transfer = await clientOf(gateway).addTransfer({
    uri,
    path,
    overwrite: given.flag('overwrite'),
    ...(priority !== undefined && { priority: parsePriority('--priority', priority) }),
    signal,
  })
  show([transfer], io)
  return EXIT_DONE
}

/** @throws UsageError where there is no name to take, or none that others may choose. */
async function targetOf(key: string, to: string | undefined): Promise<string> {
  const isFolder = isFolderPath(key)
  if (to === '') throw new UsageError('--to: is empty')
  if (to !== undefined && !isFolder && /[/\\]$/.test(to)) {
    throw new UsageError(`--to: ${JSON.stringify(to)} is a folder: name the file in it, too`)
  }
  if (to !== undefined) return to
  if (isFolder) {
    const { folderNameOf } = await import('./get-folder.ts')
    return folderNameOf(key)
  }
  const name = nameInKey(key)
  if (name === undefined) throw new UsageError('--to is missing: the key has no name to take')
  const fault = chosenNameFault(name)
  if (fault === undefined) return name
  throw new UsageError(`--to is missing: the name in the key, ${JSON.stringify(name)}, ${fault}`)
}
