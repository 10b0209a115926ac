/**
 * `shoal status`: how the node is doing.
 * @module
 */
import type { NodeStatus } from '../node.ts'
import type { Arguments, Command } from './command.ts'
import { CommandError, EXIT_DONE } from './failures.ts'
import { GATEWAY_OPTION, gatewayOf, getJson } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { estimateText, linksText, distancesText } from './ring-words.ts'
import { conditionText } from './store-words.ts'
import { formatBytes } from './values.ts'

export const STATUS_PATH = '/api/v1/status'

export const statusCommand: Command = {
  name: 'status',
  summary: 'Show how the node is doing',
  details: [],
  operands: [],
  options: {
    json: { type: 'boolean', help: 'as JSON, for programs' },
    gateway: GATEWAY_OPTION,
  },
  run: status,
}

async function status(given: Arguments, io: Io): Promise<number> {
  const answer = await getJson(gatewayOf(given), STATUS_PATH, io.signal)
  if (answer === undefined) throw new CommandError('that is not the gateway of a shoal node')
  if (given.flag('json')) writeLine(io.stdout, answer.text.trimEnd())
  else for (const line of formatStatus(answer.value)) writeLine(io.stdout, line)
  return EXIT_DONE
}

/** A table for people; a part that the gateway leaves out shows as `?`. */
export function formatStatus(from: Partial<NodeStatus>): readonly string[] {
  const { store, outbox, ring } = from
  const held =
    store &&
    `${formatBytes(store.usedBytes)} of ${formatBytes(store.quotaBytes)}, ${store.blocks} blocks`
  const rows: readonly (readonly [string, string | number | undefined])[] = [
    ['version', from.version],
    ['network', networkText(from)],
    ['peers', from.peers],
    ['state', from.connection?.words],
    ['position', positionText(from)],
    ['links', ring && linksText(ring)],
    ['distances', ring && distancesText(ring)],
    ['nodes', ring && estimateText(ring)],
    ['store', held],
    ['condition', store?.condition && conditionText(store)],
    ['outbox', outbox && `${outbox.pendingBlocks} blocks still spreading`],
  ]
  return rows.map(([name, value]) => `${name.padEnd(10)}${oneLine(String(value ?? '?'))}`)
}

function networkText({ network, isPrivate = false }: Partial<NodeStatus>): string | undefined {
  return isPrivate ? `${network}, private` : network
}

function positionText({ position, connection }: Partial<NodeStatus>): string | undefined {
  return connection?.state === 'solving' ? 'not known yet' : position?.toFixed(6)
}
