/**
 * `shoal store stats`: everything that the store counts, as a table for people.
 * @module
 */
import type { Answer } from '../client/index.ts'
import type { AreaStats, EvictionReason, Histogram, StoreStats } from '../node.ts'
import type { Arguments } from './command.ts'
import { CommandError } from './failures.ts'
import { clientOf, gatewayOf, GatewayError } from './gateway-client.ts'
import { oneLine, writeLine, type Io } from './io.ts'
import { bytesOfText, conditionText, countedText, countText, percentText } from './store-words.ts'
import { formatBytes } from './values.ts'

/** A slot holds one block (spec §2). */
const SLOT_BYTES = 32_768
const LABEL_WIDTH = 12
const COLUMN_WIDTH = 12

const REASONS: Readonly<Record<EvictionReason, string>> = {
  'out-of-range': 'farther away than what the node is responsible for',
  'fullest-link': 'of the peer that had filled most',
  random: 'at random',
  'asked-once': 'asked for only once',
  cold: 'not asked for any more',
  resize: 'for a smaller store',
}

/** Prints the table, or with `--json` what the gateway said. */
export async function showStats(given: Arguments, io: Io): Promise<void> {
  const stats = await fetchStats(gatewayOf(given), io)
  const lines = given.flag('json') ? [JSON.stringify(stats)] : formatStats(stats)
  for (const line of lines) writeLine(io.stdout, line)
}

/** What the store of a node counts. @throws CommandError where that is no node, or an older one. */
export async function fetchStats(gateway: URL, io: Pick<Io, 'signal'>): Promise<StoreStats> {
  const { signal } = io
  const answer = await clientOf(gateway)
    .storeStats({ signal })
    .catch((error: unknown) => {
      const isUnknown = error instanceof GatewayError && error.status === 404
      if (!isUnknown) throw error
      throw new CommandError(`the node at ${gateway.href} is too old for this: start it anew`)
    })
  return statsIn(answer)
}

/** The numbers in an answer. @throws CommandError where they are not there. */
export function statsIn(answer: Partial<Answer<'StoreStats'>>): StoreStats {
  const { condition, store, latency } = answer
  const hasAll = [store, latency].every((part) => typeof part === 'object' && part !== null)
  if (typeof condition !== 'string' || !hasAll) {
    throw new CommandError('that is not the gateway of a shoal node')
  }
  return answer as StoreStats
}

/** The table, line by line; counts begin with the start of the node. */
export function formatStats(stats: StoreStats): readonly string[] {
  return [...howItIs(stats), '', ...areaTable(stats), '', ...counters(stats), '', ...times(stats)]
}

function howItIs(stats: StoreStats): readonly string[] {
  const { resize, slots, filledSlots, rebuiltShare } = stats
  const isFilled = filledSlots >= slots
  const slab = isFilled
    ? `${formatBytes(slots * SLOT_BYTES)}, all of it filled`
    : `${bytesOfText(filledSlots * SLOT_BYTES, slots * SLOT_BYTES)} filled so far, ${percentText(filledSlots / slots)}`
  return [
    row('condition', oneLine(conditionText({ ...stats, filledShare: 1 }))),
    ...(rebuiltShare < 1 ? [row('rebuilt', `${percentText(rebuiltShare)} of the index`)] : []),
    row('disk', bytesOfText(diskBytesOf(stats), stats.quotaBytes)),
    row('slab', slab),
    ...(resize === undefined
      ? []
      : [row('resizing', `to ${formatBytes(resize.quotaBytes)}, ${movesText(resize.slotsLeft)}`)]),
  ]
}

/** What was measured a while ago, or what is known to be there now. */
function diskBytesOf({ diskBytes, filledSlots }: StoreStats): number {
  return Math.max(diskBytes, filledSlots * SLOT_BYTES)
}

function movesText(slotsLeft: number): string {
  return slotsLeft === 0 ? 'nearly done' : `${countedText(slotsLeft, 'block')} to move`
}

function areaTable({ store, cache, outbox }: StoreStats): readonly string[] {
  const line = (name: string, { used, slots }: Pick<AreaStats, 'used' | 'slots'>, more: string[]) =>
    row(name, columns(formatBytes(used * SLOT_BYTES), formatBytes(slots * SLOT_BYTES), ...more))
  const counts = (area: AreaStats): string[] => [countText(area.hits), countText(evictedFrom(area))]
  return [
    row('', columns('used', 'of', 'hits', 'evicted')),
    line('store', store, counts(store)),
    line('cache', cache, counts(cache)),
    line('outbox', outbox, []),
  ]
}

function counters(stats: StoreStats): readonly string[] {
  const { store, cache, misses, puts, index, scrub } = stats
  const hits = store.hits + cache.hits
  const reads = hits + misses
  const share = reads === 0 ? '' : `, ${percentText(hits / reads)} were here`
  const { stored, known, older, refused } = puts
  return [
    row('reads', `${countText(reads)} for peers${share}`),
    ...evictionRows('store', store),
    ...evictionRows('cache', cache),
    row(
      'puts',
      `${countText(stored)} stored, ${countText(known)} here already, ${countText(older)} superseded, ${countText(refused)} refused`,
    ),
    row('written', `${formatBytes(stats.bytesWritten)} to the slab, filling it included`),
    row('index', `${countText(index.entries)} entries, and ${countText(index.staleEntries)} stale`),
    row(
      'checked',
      `${countedText(scrub.checked, 'slot')} in ${countedText(scrub.rounds, 'whole round')}, ${countText(scrub.freed)} freed`,
    ),
    row('unreadable', countedText(stats.verifyFailures, 'slot')),
  ]
}

function evictionRows(name: string, area: AreaStats): readonly string[] {
  const reasons = Object.entries(area.evictions)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${countText(count)} ${REASONS[reason as EvictionReason] ?? reason}`)
  return reasons.map((words, at) => row(at === 0 ? `${name} lost` : '', oneLine(words)))
}

function evictedFrom({ evictions }: AreaStats): number {
  return Object.values(evictions).reduce((sum, count) => sum + count, 0)
}

function times({ latency }: StoreStats): readonly string[] {
  const line = (name: string, histogram: Histogram): string => {
    const calls = histogram.counts.reduce((sum, count) => sum + count, 0)
    const [median, most] = [0.5, 0.99].map((share) => quantileText(histogram, share))
    return row(name, columns(median ?? '–', most ?? '–', countText(calls)))
  }
  return [
    row('', columns('median', '99 %', 'calls')),
    line('get', latency.get),
    line('put', latency.put),
    line('commit', latency.commit),
  ]
}

/** What that share of the calls took at most: `≤ 2.5 ms`, `> 2,500 ms`; `–` where there were none. */
export function quantileText({ boundsMs, counts }: Histogram, share: number): string {
  const calls = counts.reduce((sum, count) => sum + count, 0)
  if (calls === 0) return '–'
  let sum = 0
  for (const [at, boundMs] of boundsMs.entries()) {
    sum += counts[at] ?? 0
    if (sum >= share * calls) return `≤ ${countText(boundMs)} ms`
  }
  return `> ${countText(boundsMs.at(-1) ?? 0)} ms`
}

function row(name: string, text: string): string {
  return `${name.padEnd(LABEL_WIDTH)}${text}`.trimEnd()
}

function columns(...cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(COLUMN_WIDTH)).join('')
}
