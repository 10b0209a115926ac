/**
 * Who gets the waiting page, and when: a person who opens a key in a browser, and whom it would keep
 * waiting for more than a second. Programs, pictures, films and frames wait as they always did.
 * @module
 */
import type { ServerResponse } from 'node:http'

import { ShoalError } from '../../errors.ts'
import type { Clock } from '../../runtime.ts'
import type { Ask } from '../ask.ts'
import type { WaitJob, WaitState } from './wait-job.ts'
import { WAIT_MS } from './wait-job.ts'
import { viewOf } from './wait-view.ts'
import { WAITING_PAGE_POLICY, waitingPage } from './waiting-page.ts'
import type { Waits } from './waits.ts'

/** How long a blank window is borne, ms. */
const PAGE_AFTER_MS = 1000

/**
 * Resolves with the request, to be answered as any other, when what it asks for is at hand or nobody is
 * to be shown a page; with undefined when the page was sent. @throws what keeps the content from being there.
 */
export async function attend(waits: Waits, ask: Ask): Promise<Ask | undefined> {
  const job = isForPeople(ask) ? jobFor(waits, ask) : undefined
  if (job === undefined) return ask
  const { signal } = ask.fetchOptions
  const leave = waits.view(job)
  const end = await endOf(job, { clock: waits.clock, ...ask.fetchOptions })
  leave()
  if (signal.aborted || ask.response.closed) return undefined
  if (end === undefined) {
    waits.showPage(job)
    sendPage(ask.response, job)
    return undefined
  }
  if (end.state === 'late') {
    throw new ShoalError('E_TIMEOUT', 'No complete answer came from the network in time.')
  }
  const isFirst = waits.answer(job)
  if (end.state === 'failed') throw end.error
  // later loads look it up anew: it may have been superseded
  return isFirst && end.edition !== undefined ? { ...ask, edition: end.edition } : ask
}

/** A navigation of a whole window that can take any answer. */
export function isForPeople({ request, isInfo, fetchOptions }: Ask): boolean {
  const { headers, method } = request
  return (
    method === 'GET' &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document' &&
    headers['sec-purpose'] === undefined && // a browser that fetches ahead shows it to nobody
    (headers.accept ?? '').includes('text/html') &&
    headers.range === undefined &&
    headers['if-match'] === undefined && // If-None-Match comes with every return to a stale copy
    !isInfo &&
    fetchOptions.isLocalOnly !== true
  )
}

function jobFor(waits: Waits, { uri, isPinned, fetchOptions }: Ask): WaitJob | undefined {
  return waits.join({ uri, isPinned, limitMs: fetchOptions.timeoutMs })
}

type End = Pick<WaitJob, 'error' | 'edition'> & { readonly state: WaitState | 'late' }

/**
 * How the job ended, told at that very moment: another window may forget it in the next. `late`: not within
 * `timeoutMs`; undefined: it has gone on for a second, or nobody is there any more.
 */
function endOf(
  job: WaitJob,
  { clock, signal, timeoutMs = WAIT_MS }: Ask['fetchOptions'] & { readonly clock: Clock },
): Promise<End | undefined> {
  const leftMs = job.beganMs + PAGE_AFTER_MS - clock.now()
  const endNow = ({ state, error, edition }: WaitJob): End => ({ state, error, edition })
  if (job.isOver) return Promise.resolve(endNow(job))
  if (signal.aborted || leftMs <= 0) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const done = (end?: End): void => {
      stopTimer()
      ignore()
      signal.removeEventListener('abort', giveUp)
      resolve(end)
    }
    const giveUp = (): void => {
      done()
    }
    const stopTimer = clock.after(Math.min(leftMs, timeoutMs), () => {
      done(timeoutMs < leftMs ? { ...endNow(job), state: 'late' } : undefined)
    })
    const ignore = job.onChange(() => {
      if (job.isOver) done(endNow(job))
    })
    signal.addEventListener('abort', giveUp)
  })
}

function sendPage(response: ServerResponse, job: WaitJob): void {
  const body = Buffer.from(waitingPage(job.id, viewOf(job)))
  response.writeHead(202, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': body.length,
    'Content-Security-Policy': WAITING_PAGE_POLICY,
    'Cache-Control': 'no-store',
  })
  response.end(body)
}
