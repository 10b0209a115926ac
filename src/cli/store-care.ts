/**
 * `shoal store check` and `resize`: looking after the store of a running node, and what one sees of it.
 * @module
 */
import type { StoreStats } from '../node.ts'
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../options.ts'
import type { Arguments } from './command.ts'
import { CommandError } from './failures.ts'
import { gatewayOf, GatewayError, requestJson } from './gateway-client.ts'
import { requestEvents, type GatewayEvent } from './gateway-events.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { createProgress } from './progress.ts'
import { pause } from './spread.ts'
import { fetchStats, statsIn, STORE_PATH } from './store-stats.ts'
import { countedText, countText } from './store-words.ts'
import { formatBytes, parseSize } from './values.ts'

/** How often the node is asked how far a resize is, ms. */
const LOOK_MS = 500

/** Has every block verified, as fast as the disk goes. Ctrl-C ends the check on the node, too. */
export async function checkStore(given: Arguments, io: Io): Promise<void> {
  const gateway = gatewayOf(given)
  const progress = createProgress(
    io.stderr,
    'check',
    (done, total) => `${countText(done)} of ${countText(total ?? 0)} slots`,
  )
  const path = `${STORE_PATH}/check`
  const { signal } = io
  try {
    for await (const event of requestEvents({ gateway, method: 'POST', path, signal })) {
      const { checked, freed, of } = numbersIn(event)
      if (event.name === 'progress') progress.show(checked, of)
      if (event.name === 'failed') throw failureIn(event)
      if (event.name !== 'done') continue
      progress.clear()
      const verdict = freed === 0 ? 'all of them good' : `${countText(freed)} damaged and freed`
      writeLine(io.stdout, `${countedText(checked, 'slot')} checked, ${verdict}`)
      return
    }
  } finally {
    progress.clear()
  }
  throw new CommandError('the check broke off: is the node still running?')
}

function numbersIn({ value }: GatewayEvent): { checked: number; freed: number; of: number } {
  const numberAt = (name: string): number => {
    const found = value[name]
    return typeof found === 'number' ? found : 0
  }
  return { checked: numberAt('checked'), freed: numberAt('freed'), of: numberAt('of') }
}

function failureIn({ value: { detail, code } }: GatewayEvent): GatewayError {
  const words = typeof detail === 'string' ? detail : 'the node could not go on'
  return new GatewayError(oneLine(words), typeof code === 'string' ? code : undefined)
}

/** Gives the store another size while the node runs, and waits until it has it. */
export async function resizeStore(given: Arguments, io: Io): Promise<void> {
  const wanted = parseSize('SIZE', given.operand(1), MIN_STORE_BYTES, MAX_STORE_BYTES)
  const gateway = gatewayOf(given)
  const { stats: before } = await fetchStats(gateway, io)
  const path = `${STORE_PATH}/resize?bytes=${wanted}`
  const answer = await requestJson({ gateway, method: 'POST', path, signal: io.signal })
  const begun = statsIn(answer)
  if (before.quotaBytes !== wanted) {
    const from = `from ${formatBytes(before.quotaBytes)} to ${formatBytes(wanted)}`
    writeLine(io.stderr, `shoal store: ${from}: ${changeOf(before.quotaBytes, begun, wanted)}`)
  }
  if (given.flag('no-wait')) return
  const after = await untilResized(begun, gateway, io)
  if (after.quotaBytes !== wanted) {
    throw new CommandError(
      `the resize ended before it was done, at ${formatBytes(after.quotaBytes)}: the log of the node says why`,
    )
  }
  writeLine(io.stdout, `the store may take ${formatBytes(wanted)}`)
  if (after.filledShare < 1) {
    writeLine(io.stderr, 'its slab is filled in the background: "shoal store stats" shows how far')
  }
}

function changeOf(beforeBytes: number, { resize }: StoreStats, wanted: number): string {
  if (resize === undefined) return 'done at once'
  const what =
    wanted < beforeBytes
      ? 'blocks move out of the part that is cut off, and what finds no room goes'
      : 'making room'
  return `${what}; Ctrl-C stops only the waiting`
}

async function untilResized(begun: StoreStats, gateway: URL, io: Io): Promise<StoreStats> {
  const progress = createProgress(io.stderr, 'resize', (done, total) =>
    total === undefined
      ? 'under way'
      : `${countText(done)} of ${countedText(total, 'block')} out of the way`,
  )
  let stats = begun
  let most = 0
  try {
    while (stats.resize !== undefined) {
      const { slotsLeft } = stats.resize
      most = Math.max(most, slotsLeft)
      progress.show(most - slotsLeft, most === 0 ? undefined : most)
      await pause(LOOK_MS, io.signal)
      ;({ stats } = await fetchStats(gateway, io))
    }
  } finally {
    progress.clear()
  }
  return stats
}
