/**
 * `/api/v1/store/check` and `resize`: looking after the store of the running node.
 * @module
 */
import type { Request, RequestHandler } from 'express'

import { ShoalError } from '../errors.ts'
import type { Node } from '../node.ts'
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../options.ts'
import type { Logger } from '../runtime.ts'
import { EventStream } from './event-stream.ts'
import { hangUpSignal } from './hang-up.ts'
import { problemOf } from './problem.ts'
import { badQuery, queryOf, textOf } from './target.ts'

/** Least time between two events of progress, ms: a fast disk has hundreds of slots in it. */
const PROGRESS_MS = 200
/** A resize that cannot be has said so by then, ms: it asks the disk for its room, and no more. */
const KNOWN_AT_ONCE_MS = 500

/**
 * Server-sent events: `progress`, then `done`, or `failed` with what a problem says. Hanging up ends the
 * check. One at a time.
 */
export function createCheckRoute(node: Node): RequestHandler {
  let isRunning = false
  return async (_request, response) => {
    if (isRunning) throw new ShoalError('E_BUSY', 'The store is being checked already.')
    isRunning = true
    const signal = hangUpSignal(response)
    const events = new EventStream(response)
    let toldAtMs = Number.NEGATIVE_INFINITY
    const onprogress = (checked: number, of: number): void => {
      if (performance.now() - toldAtMs < PROGRESS_MS) return
      toldAtMs = performance.now()
      events.send('progress', { checked, of })
    }
    try {
      const { checked, freed } = await node.store.check({ signal, onprogress })
      events.send('done', { checked, freed })
    } catch (error) {
      if (!signal.aborted) events.send('failed', problemOf(error))
    } finally {
      isRunning = false
      events.end()
    }
  }
}

/** Starts a resize, which goes on by itself: what is known at once is the answer, the log has the rest. */
export function createResizeRoute(node: Node, logger: Logger): RequestHandler {
  return async (request, response) => {
    const resizing = node.store.resize(bytesOf(request))
    let isAnswered = false
    resizing.catch((error: unknown) => {
      const { detail, code } = problemOf(error)
      if (!isAnswered || code === 'E_CLOSED') return
      logger.warn(`store: the resize ended before it was done: ${detail} (${code})`)
    })
    await settledWithin(resizing, KNOWN_AT_ONCE_MS)
    isAnswered = true
    response.status(202).json(node.store.stats())
  }
}

/** Resolves when `work` has, or after `limitMs`. @throws what `work` throws before that. */
async function settledWithin(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  try {
    await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

function bytesOf(request: Request): number {
  const text = textOf(queryOf(request), 'bytes')
  const bytes = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (bytes >= MIN_STORE_BYTES && bytes <= MAX_STORE_BYTES) return bytes
  throw badQuery('bytes', `is a whole number from ${MIN_STORE_BYTES} to ${MAX_STORE_BYTES}`)
}
