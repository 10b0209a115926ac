/**
 * One line of progress on a terminal, drawn over itself; nothing where stderr is a file or pipe.
 * @module
 */
import type { OutputStream } from './io.ts'

/** Redraws more often than this only make a terminal flicker. */
const REDRAW_MS = 100
const BAR_WIDTH = 24
const FALLBACK_COLUMNS = 80

export interface Progress {
  /** Redraws, unless it was redrawn just now. `total` undefined: not known. */
  show(done: number, total: number | undefined): void
  /** Takes the line away, so that others can be written; the next `show` draws it again. */
  clear(): void
}

/** `amount` turns the two numbers into words: `3 of 12 blocks`. */
export function createProgress(
  stream: OutputStream,
  label: string,
  amount: (done: number, total: number | undefined) => string,
): Progress {
  if (stream.isTTY !== true) return { show: () => {}, clear: () => {} }
  let drawnAt = Number.NEGATIVE_INFINITY
  return {
    show(done, total) {
      const isLast = total !== undefined && done >= total
      if (!isLast && performance.now() - drawnAt < REDRAW_MS) return
      drawnAt = performance.now()
      const parts = [label, formatBar(done, total), amount(done, total)]
      const line = parts.filter((part) => part !== '').join(' ')
      stream.write(`\r\u001b[K${line.slice(0, (stream.columns || FALLBACK_COLUMNS) - 1)}`)
    },
    clear() {
      if (Number.isFinite(drawnAt)) stream.write('\r\u001b[K')
      drawnAt = Number.NEGATIVE_INFINITY
    },
  }
}

/** `[######..................]  25 %`; empty where the total is not known. */
export function formatBar(done: number, total: number | undefined): string {
  if (total === undefined) return ''
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.floor(share * BAR_WIDTH)
  const percent = String(Math.floor(share * 100)).padStart(3)
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${percent} %`
}
