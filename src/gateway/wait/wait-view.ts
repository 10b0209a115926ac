/**
 * A wait in words and numbers: what its page shows and what its events carry. No key, and nothing of one.
 * @module
 */
import { isShoalError } from '../../errors.ts'
import type { FetchProgress } from '../../node.ts'
import { adviceOf } from '../error-page.ts'
import { problemOf } from '../problem.ts'
import type { WaitJob, WaitState } from './wait-job.ts'

/** What programs and the page are told of a wait. */
export interface WaitView {
  readonly state: WaitState
  readonly isKept: boolean
  /** Whether it may be told to keep trying. */
  readonly canBeKept: boolean
  /** Of its last or present try. */
  readonly foundBlocks: number
  /** Blocks asked for; one that is asked for again counts again. */
  readonly tries: number
  readonly waitingBlocks: number
  readonly bytesPerSecond: number
  /** How often it began anew, the first time included. */
  readonly attempts: number
  readonly elapsedMs: number
  /** Until it gives up, or, where it is kept, until this try ends or the next begins. */
  readonly leftMs: number
  /** Status that the next load gets; only where it has failed. */
  readonly status?: number
  readonly heading: string
  readonly detail: string
  /** The numbers, named, as a person reads them. */
  readonly facts: readonly (readonly [name: string, value: string])[]
}

/** What a block carries (spec §2). */
const BLOCK_BYTES = 32 * 1024

const SEEKING: Readonly<Record<FetchProgress['stage'], string>> = {
  document: 'The node asks for the signed document that the key names.',
  manifest: 'The node asks for the block that says what the key leads to.',
  content: 'It exists, and its first part is on its way.',
}

/** As it stands now. */
export function viewOf(job: WaitJob): WaitView {
  const { state, isKept, attempts, attemptMs } = job
  const { foundBlocks, tries, waitingBlocks } = job.progress
  const bytesPerSecond = Math.round((foundBlocks * BLOCK_BYTES * 1000) / Math.max(1000, attemptMs))
  return {
    state,
    isKept,
    canBeKept: !isKept && job.isWorthKeeping && state !== 'found' && state !== 'cancelled',
    foundBlocks,
    tries,
    waitingBlocks,
    bytesPerSecond,
    attempts,
    elapsedMs: Math.round(attemptMs),
    leftMs: Math.round(job.leftMs),
    ...wordsOf(job),
    facts: factsOf(job, bytesPerSecond),
  }
}

function wordsOf(job: WaitJob): Pick<WaitView, 'heading' | 'detail' | 'status'> {
  switch (job.state) {
    case 'trying':
      return { heading: 'Looking for it', detail: SEEKING[job.progress.stage] }
    case 'pausing':
      return { heading: 'Looking for it', detail: `${reasonOf(job)} The node tries again.` }
    case 'found':
      return { heading: 'Here it is', detail: 'Opening it. A file to save is in your downloads.' }
    case 'cancelled':
      return { heading: 'Stopped', detail: 'Nothing more is asked of the network for this key.' }
    case 'failed': {
      const problem = problemOf(job.error)
      const { heading, next } = adviceOf(problem)
      return { heading, detail: `${problem.detail} ${next}`, status: problem.status }
    }
  }
}

function reasonOf({ error }: WaitJob): string {
  return isShoalError(error) ? error.message : 'No answer came.'
}

function factsOf(job: WaitJob, bytesPerSecond: number): WaitView['facts'] {
  if (job.isOver) return []
  const { foundBlocks, tries, waitingBlocks } = job.progress
  const isPausing = job.state === 'pausing'
  const ofTry: WaitView['facts'] = [
    ['Blocks found', `${foundBlocks} (${kibibytes(foundBlocks * BLOCK_BYTES)})`],
    ['Rate', `${kibibytes(bytesPerSecond)}/s`],
    ['Blocks asked for', `${tries} (${waitingBlocks} on their way)`],
  ]
  return [
    ...(isPausing ? [] : ofTry),
    ['Tries', `${job.attempts}`],
    [isPausing && job.isKept ? 'Next try in' : 'Time left', durationText(job.leftMs)],
  ]
}

function kibibytes(bytes: number): string {
  return `${Math.round(bytes / 1024).toLocaleString('en')} KiB`
}

function durationText(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
