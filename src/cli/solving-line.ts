/**
 * How far the position proof is, on one line of a terminal: the first start has some seconds of work,
 * and the person shall see it end.
 * @module
 */
import { workText } from '../connection.ts'
import type { Node, SolvingWork } from '../node.ts'
import type { Logger } from '../runtime.ts'
import type { OutputStream } from './io.ts'
import { createProgress } from './progress.ts'

const LOOK_MS = 200

export interface SolvingLine {
  /** Its lines go above the line of the progress. */
  readonly logger: Logger
  /** Follows `node` until it has its place; the returned function ends that sooner. */
  follow(node: Node): () => void
}

/** The line, and `log`, which shares the terminal with it. Elsewhere than on a terminal just the log. */
export function createSolvingLine(stderr: OutputStream, log: Logger): SolvingLine {
  let work: SolvingWork = { tries: 0, expectedTries: 1, elapsedMs: 0 }
  const progress = createProgress(stderr, 'place on the ring:', () => workText(work))
  const above =
    (level: keyof Logger) =>
    (message: string): void => {
      progress.clear()
      log[level](message)
    }
  return {
    logger: { info: above('info'), warn: above('warn') },
    follow(node) {
      const look = (): void => {
        const now = node.status().connection.work
        if (now === undefined) return stop()
        work = now
        progress.show(work.tries, undefined)
      }
      const timer = setInterval(look, LOOK_MS)
      const stop = (): void => {
        clearInterval(timer)
        progress.clear()
      }
      look()
      return stop
    },
  }
}
