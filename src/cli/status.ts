/**
 * `shoal status`: how the node is doing.
 * @module
 */
import type { Answer } from '../client/index.ts'
import type { Arguments, Command } from './command.ts'
import { EXIT_DONE } from './failures.ts'
import { clientOf, GATEWAY_OPTION, gatewayOf } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { estimateText, linksText, distancesText } from './ring-words.ts'
import { conditionText } from './store-words.ts'
import { formatBytes } from './values.ts'

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
  const answer = await clientOf(gatewayOf(given)).status({ signal: io.signal })
  if (given.flag('json')) writeLine(io.stdout, JSON.stringify(answer))
  else for (const line of formatStatus(answer)) writeLine(io.stdout, line)
  return EXIT_DONE
}

/** A table for people; a part that the gateway leaves out shows as `?`. */
export function formatStatus(from: Partial<Answer<'Status'>>): readonly string[] {
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

function networkText({
  network,
  isPrivate = false,
}: Partial<Answer<'Status'>>): string | undefined {
  return isPrivate ? `${network}, private` : network
}

function positionText({ position, connection }: Partial<Answer<'Status'>>): string | undefined {
  return connection?.state === 'solving' ? 'not known yet' : position?.toFixed(6)
}
