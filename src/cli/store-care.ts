/**
 * `shoal store check` and `resize`: looking after the store of a running node, and what one sees of it.
 * @module
 */
import type { StoreStats } from '../node.ts'
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../options.ts'
import type { Arguments } from './command.ts'
import { CommandError } from './failures.ts'
import { clientOf, gatewayOf } from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'
import { createProgress } from './progress.ts'
import { pause } from './spread.ts'
import { fetchStats, statsIn } from './store-stats.ts'
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
  const { signal } = io
  try {
    for await (const event of clientOf(gateway).checkStore({ signal })) {
      if (event.type === 'progress') {
        progress.show(event.checked, event.of)
        continue
      }
      const { checked, freed } = event
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

/** Gives the store another size while the node runs, and waits until it has it. */
export async function resizeStore(given: Arguments, io: Io): Promise<void> {
  const wanted = parseSize('SIZE', given.operand(1), MIN_STORE_BYTES, MAX_STORE_BYTES)
  const gateway = gatewayOf(given)
  const before = await fetchStats(gateway, io)
  const { signal } = io
  const begun = statsIn(await clientOf(gateway).resizeStore(wanted, { signal }))
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
      stats = await fetchStats(gateway, io)
    }
  } finally {
    progress.clear()
  }
  return stats
}
