/**
 * Who gets the waiting page, and when: a person who opens a key in a browser, and whom it would keep
 * waiting for more than a second. Programs, pictures, films and frames wait as they always did.
 * @module
 */
import type { ServerResponse } from 'node:http'

import type { Clock } from '../../runtime.ts'
import { isConditional } from '../conditions.ts'
import type { Ask } from '../ask.ts'
import type { WaitJob } from './wait-job.ts'
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
  await untilOver(job, { clock: waits.clock, signal })
  leave()
  if (signal.aborted || ask.response.closed) return undefined
  if (job.state === 'trying' || job.state === 'pausing') {
    sendPage(ask.response, job)
    return undefined
  }
  // its end is the answer to one load: the next one begins anew
  const { state, error, edition } = job
  waits.cancel(job)
  if (state === 'failed') throw error
  return edition === undefined ? ask : { ...ask, edition }
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
    !isConditional(headers) &&
    !isInfo &&
    fetchOptions.isLocalOnly !== true
  )
}

function jobFor(waits: Waits, { uri, isPinned, fetchOptions }: Ask): WaitJob | undefined {
  return waits.join({ uri, isPinned, limitMs: fetchOptions.timeoutMs })
}

/** Resolves when the job is over, has gone on for a second, or nobody is there any more. */
function untilOver(
  job: WaitJob,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const leftMs = job.beganMs + PAGE_AFTER_MS - clock.now()
  if (job.isOver || signal.aborted || leftMs <= 0) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      stopTimer()
      ignore()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const stopTimer = clock.after(leftMs, done)
    const ignore = job.onChange(() => {
      if (job.isOver) done()
    })
    signal.addEventListener('abort', done)
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
