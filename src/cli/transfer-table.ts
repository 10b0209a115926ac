/**
 * Downloads to disk as a person reads them: one line each, none longer than a window is wide.
 * @module
 */
import type { Answer } from '../client/index.ts'
import { oneLine } from './io.ts'
import { formatBytes } from './values.ts'

type Transfer = Answer<'Transfer'>
type Row = readonly string[]

const WIDTH = 100
const GAP = '  '
const HEADER: Row = ['ID', 'PRIO', 'DONE', 'SIZE', 'FILE', 'STATE']
const NUMBERS = 4
/** Leaves a path enough to be known by. */
const MAX_STATE_WIDTH = 48
const WORDS: Readonly<Record<string, string>> = {
  E_NOT_FOUND: 'nobody has it yet',
  E_NO_PEERS: 'no peers yet',
  E_TIMEOUT: 'no answer in time',
  E_BUSY: 'the node is busy',
  E_CLOSED: 'the node was closing',
  E_EXISTS: 'its path, or its .part, is taken',
  E_PATH: 'its folder or .part was changed',
  E_STORE_FULL: 'the disk is full',
  E_STORE_IO: 'the disk failed',
  E_DENIED: 'the operator does not allow it',
  E_FOLDER: 'not a file or folder as the key says',
  E_NO_PATH: 'the site has no such path',
  E_DECODE: 'its content is broken',
}

/** Lines with a header; one that says so where there are none. */
export function transferTable(transfers: readonly Transfer[]): readonly string[] {
  if (transfers.length === 0) return ['There are none.']
  const rows = [HEADER, ...transfers.map(rowOf)]
  const widthOf = (column: number) => Math.max(...rows.map((row) => lengthOf(row[column] ?? '')))
  const widths = HEADER.map((_, column) => widthOf(column))
  const others = widths.reduce((sum, width) => sum + width + GAP.length, 0) - widthOf(NUMBERS)
  const most = WIDTH - others + GAP.length
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        if (column < NUMBERS) return cell.padStart(width)
        return column === NUMBERS ? fit(cell, Math.min(width, most)) : cell
      })
      .join(GAP),
  )
}

function rowOf(transfer: Transfer): Row {
  const { id, priority, doneBytes, sizeBytes, path } = transfer
  const size = sizeBytes === undefined ? '' : formatBytes(sizeBytes)
  const state = Array.from(oneLine(stateOf(transfer)))
    .slice(0, MAX_STATE_WIDTH)
    .join('')
  return [`${id}`, `${priority}`, shareOf(doneBytes, sizeBytes), size, oneLine(path), state]
}

/** 100 % only of what is whole. */
function shareOf(doneBytes: number, sizeBytes: number | undefined): string {
  if (sizeBytes === undefined) return ''
  return `${sizeBytes === 0 ? 100 : Math.floor((doneBytes * 100) / sizeBytes)} %`
}

function stateOf(transfer: Transfer): string {
  const { phase, fault, nextTryMs } = transfer
  if (phase === 'running') return ['running', ...paceOf(transfer)].join(', ')
  const why = fault === undefined ? '' : `: ${WORDS[fault] ?? fault}`
  const next = nextTryMs === undefined ? '' : `; next try in ${formatDuration(nextTryMs)}`
  return `${phase}${why}${next}`
}

function paceOf({ doneBytes, sizeBytes, bytesPerSecond = 0 }: Transfer): readonly string[] {
  if (bytesPerSecond === 0) return []
  const rate = `${formatBytes(bytesPerSecond)}/s`
  if (sizeBytes === undefined) return [rate]
  return [rate, `${formatDuration(((sizeBytes - doneBytes) * 1000) / bytesPerSecond)} left`]
}

function formatDuration(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000)
  if (seconds < 100) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 100) return `${minutes} min`
  const hours = Math.ceil(minutes / 60)
  return hours < 72 ? `${hours} h` : `${Math.ceil(hours / 24)} days`
}

/** Exactly so wide; of a path its end is what it is known by. */
function fit(text: string, width: number): string {
  const characters = Array.from(text)
  if (characters.length <= width) return text + ' '.repeat(width - characters.length)
  return `…${characters.slice(characters.length - width + 1).join('')}`
}

function lengthOf(text: string): number {
  return Array.from(text).length
}
