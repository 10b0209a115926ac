/**
 * One fetch as its caller sees it: an outcome that waits for the first byte, and a stream for the
 * rest. What routing could not find is a value before the first byte and an error after it.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { ContentUri } from '../keys/uri.ts'
import { FIRST_BYTE_TIMEOUT_MS } from '../options.ts'
import { linkAbort } from '../signals.ts'
import type { LinkedAbort } from '../signals.ts'
import { MissingBlock } from './blocks.ts'
import { openContent, readSpan } from './fetch.ts'
import type { FetchContext, Span } from './fetch.ts'

/** A range before the size is known (RFC 9110 §14.1.2). */
export type RequestedRange =
  | { readonly type: 'from-to'; readonly first: number; readonly last: number | undefined }
  | { readonly type: 'suffix'; readonly length: number }

export interface ServeOptions {
  readonly range?: RequestedRange
  readonly headOnly?: boolean
  readonly timeoutMs?: number
}

export type ServeOutcome =
  | {
      readonly type: 'found'
      readonly size: number
      readonly range: Span | undefined
      readonly contentType: string | undefined
      readonly stream: ReadableStream<Uint8Array>
    }
  | { readonly type: 'unsatisfiable-range'; readonly size: number }
  | { readonly type: 'not-found' }
  | { readonly type: 'no-peers' }
  | { readonly type: 'timed-out' }

/** @throws ShoalError E_DECODE; rejects with the reason of the first of `signals` to abort. */
export async function fetchContent(
  uri: ContentUri,
  options: ServeOptions,
  context: Omit<FetchContext, 'signal'> & { signals: readonly (AbortSignal | undefined)[] },
): Promise<ServeOutcome> {
  const stop = linkAbort(context.signals)
  const timeoutMs = options.timeoutMs ?? FIRST_BYTE_TIMEOUT_MS
  const stopTimer = context.clock.after(timeoutMs, () => {
    stop.abort(new MissingBlock({ type: 'timed-out' }))
  })
  try {
    stop.signal.throwIfAborted()
    return await begin(uri, options, { ...context, signal: stop.signal, stop })
  } catch (error) {
    end(stop, error)
    if (error instanceof MissingBlock) return error.result
    throw error
  } finally {
    stopTimer()
  }
}

async function begin(
  uri: ContentUri,
  options: ServeOptions,
  context: FetchContext & { stop: LinkedAbort },
): Promise<ServeOutcome> {
  const manifest = await openContent(uri, context)
  const { size, contentType } = manifest
  const range = options.range === undefined ? undefined : satisfy(options.range, size)
  if (range === 'unsatisfiable') {
    context.stop.unlink()
    return { type: 'unsatisfiable-range', size }
  }
  const whole = { first: 0, last: size - 1 }
  const span = options.headOnly === true ? { first: 0, last: -1 } : (range ?? whole)
  const pieces = readSpan(manifest, span, context)
  const first = await pieces.next()
  const stream = streamOf(first, pieces, context.stop)
  return { type: 'found', size, range, contentType, stream }
}

/** The bytes that `range` means for content of `size` bytes. */
function satisfy(range: RequestedRange, size: number): Span | 'unsatisfiable' {
  if (range.type === 'suffix') {
    if (range.length === 0 || size === 0) return 'unsatisfiable'
    return { first: Math.max(0, size - range.length), last: size - 1 }
  }
  if (range.first >= size) return 'unsatisfiable'
  return { first: range.first, last: Math.min(size - 1, range.last ?? size - 1) }
}

/** Pulled piece by piece; cancelling it takes back every request that is under way. */
function streamOf(
  first: IteratorResult<Uint8Array, void>,
  pieces: AsyncGenerator<Uint8Array, void>,
  stop: LinkedAbort,
): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<Uint8Array, void>> | undefined = Promise.resolve(first)
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // also where nobody reads: what the stream holds is let go when its caller gives up
        const giveUp = (): void => {
          controller.error(asError(stop.signal.reason))
          pieces.return().catch(() => {})
        }
        if (stop.signal.aborted) giveUp()
        else stop.signal.addEventListener('abort', giveUp, { once: true })
      },
      async pull(controller) {
        try {
          const step = await (next ?? pieces.next())
          next = undefined
          if (step.done !== true) controller.enqueue(step.value)
          else {
            stop.unlink()
            controller.close()
          }
        } catch (error) {
          end(stop, error)
          controller.error(asError(error))
        }
      },
      async cancel(reason) {
        end(stop, reason ?? new ShoalError('E_CLOSED', 'The reader has left.'))
        await pieces.return()
      },
    },
    { highWaterMark: 2 },
  )
}

/** Takes back every request that is under way. */
function end(stop: LinkedAbort, reason: unknown): void {
  stop.unlink()
  stop.abort(reason)
}

function asError(error: unknown): unknown {
  if (!(error instanceof MissingBlock)) return error
  const code = error.result.type === 'not-found' ? 'E_NOT_FOUND' : 'E_TIMEOUT'
  return new ShoalError(code, 'A part of the content could not be found in time.')
}
