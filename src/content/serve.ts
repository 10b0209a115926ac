/**
 * One fetch as its caller sees it: an outcome that waits for the first byte, and a stream for the
 * rest. What routing could not find is a value before the first byte and an error after it.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { KskUri, ShoalUri, SskUri, UskUri } from '../keys/uri.ts'
import type { FetchOptions, FetchOutcome, FolderEntry, RequestedRange } from '../node-types.ts'
import { FIRST_BYTE_TIMEOUT_MS } from '../options.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import type { LinkedAbort } from '../signals.ts'
import { MissingBlock } from './blocks.ts'
import { openContent, readSpan } from './fetch.ts'
import type { FetchContext, Span } from './fetch.ts'
import { FetchMeter } from './fetch-meter.ts'
import type { Manifest } from './manifest.ts'
import { findPath, identityOf } from './site.ts'
import type { PathResult } from './site.ts'

export type ServeOptions = Omit<FetchOptions, 'signal'>
export type ServeOutcome = FetchOutcome

export type ServeContext = Omit<FetchContext, 'signal'> & {
  readonly signals: readonly (AbortSignal | undefined)[]
  /** The manifest of a signed document. @throws MissingBlock, ShoalError E_DECODE */
  readonly openDocument: (uri: SskUri | UskUri | KskUri, context: FetchContext) => Promise<Manifest>
}

type BeginContext = FetchContext & { readonly stop: LinkedAbort; readonly meter: FetchMeter }

/** @throws ShoalError E_DECODE; rejects with the reason of the first of `signals` to abort. */
export async function fetchContent(
  uri: ShoalUri,
  options: ServeOptions,
  context: ServeContext,
): Promise<ServeOutcome> {
  const meter = new FetchMeter(context.source, {
    clock: context.clock,
    stage: uri.type === 'chk' ? 'manifest' : 'document',
    onprogress: options.onprogress,
  })
  const stop = endingMeter(linkAbort(context.signals), meter)
  try {
    return await beforeTimeout(options.timeoutMs, { ...context, stop }, async () => {
      const { source } = meter
      const isLocalOnly = options.isLocalOnly === true
      const within = { ...context, source, signal: stop.signal, stop, meter, isLocalOnly }
      const found = await openPath(uri, options, within)
      meter.enter('content')
      return await begin(found, { ...options, uri }, within)
    })
  } catch (error) {
    end(stop, error)
    if (error instanceof MissingBlock) return error.result
    throw error
  }
}

/** Runs `work`, and aborts `stop` with a MissingBlock where it takes longer than `timeoutMs`. */
export async function beforeTimeout<T>(
  timeoutMs: number = FIRST_BYTE_TIMEOUT_MS,
  { clock, stop }: { readonly clock: Clock; readonly stop: LinkedAbort },
  work: () => Promise<T>,
): Promise<T> {
  const stopTimer = clock.after(timeoutMs, () => {
    stop.abort(new MissingBlock({ type: 'timed-out' }))
  })
  try {
    stop.signal.throwIfAborted()
    return await work()
  } finally {
    stopTimer()
  }
}

/** What a key leads to. @throws MissingBlock, ShoalError E_DECODE; rejects with `signal.reason`. */
export async function openPath(
  uri: ShoalUri,
  { listing }: Pick<FetchOptions, 'listing'>,
  context: FetchContext & Pick<ServeContext, 'openDocument'> & { readonly meter?: FetchMeter },
): Promise<PathResult> {
  const manifest = await (uri.type === 'chk'
    ? openContent(uri, context)
    : context.openDocument(uri, context))
  if (uri.type !== 'chk') context.meter?.enter('manifest')
  return await findPath(manifest, uri.path, { ...context, isListing: listing === true })
}

async function begin(
  found: PathResult,
  options: ServeOptions & { readonly uri: ShoalUri },
  context: BeginContext,
): Promise<ServeOutcome> {
  switch (found.type) {
    case 'file': {
      const name = found.name ?? nameIn(options.uri)
      return await beginFile(found.file, { ...options, name }, context)
    }
    case 'folder':
      return await beginFolder(found, options, context)
    case 'slash-missing':
    case 'no-such-path':
      context.stop.unlink()
      return found
  }
}

async function beginFile(
  file: Manifest,
  options: ServeOptions & { readonly name: string | undefined },
  context: BeginContext,
): Promise<ServeOutcome> {
  const { size, contentType } = file
  const range = options.range === undefined ? undefined : satisfy(options.range, size)
  if (range === 'unsatisfiable') {
    context.stop.unlink()
    return { type: 'unsatisfiable-range', size }
  }
  const whole = { first: 0, last: size - 1 }
  const span = options.headOnly === true ? { first: 0, last: -1 } : (range ?? whole)
  const pieces = readSpan(file, span, context)
  const first = await pieces.next()
  const stream = streamOf(first, pieces, context.stop)
  const identity = identityOf(file)
  const timing = context.meter.begun()
  return { type: 'found', size, range, contentType, name: options.name, identity, stream, timing }
}

async function beginFolder(
  folder: Extract<PathResult, { type: 'folder' }>,
  options: ServeOptions,
  { stop }: BeginContext,
): Promise<ServeOutcome> {
  const { identity } = folder
  const lines = folder.list()
  if (options.headOnly === true) {
    stop.unlink()
    return { type: 'folder', identity, entries: entriesOf(undefined, lines, stop) }
  }
  const first = await lines.next()
  // also where nobody reads: what the listing holds is let go when its caller gives up
  const giveUp = (): void => {
    stop.unlink()
    lines.return().catch(() => {})
  }
  stop.signal.addEventListener('abort', giveUp, { once: true })
  return { type: 'folder', identity, entries: entriesOf(first, lines, stop) }
}

/** What a document that is a file itself is called. */
export function nameIn(uri: ShoalUri): string | undefined {
  switch (uri.type) {
    case 'chk':
      return uri.name
    case 'ssk':
    case 'usk':
      return uri.document
    case 'ksk':
      return uri.word
  }
}

/** The lines of a listing; when it ends, or its reader leaves, so do the requests under way. */
async function* entriesOf(
  first: IteratorResult<FolderEntry, void> | undefined,
  rest: AsyncGenerator<FolderEntry, void>,
  stop: LinkedAbort,
): AsyncGenerator<FolderEntry, void> {
  try {
    let step = first ?? (await rest.next())
    for (; step.done !== true; step = await rest.next()) yield step.value
    stop.signal.throwIfAborted() // cut off, it must not look whole
  } catch (error) {
    throw asError(error)
  } finally {
    end(stop, new ShoalError('E_CLOSED', 'The reader has left.'))
    await rest.return()
  }
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
          stop.unlink()
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
    { highWaterMark: 1 },
  )
}

/** The same, and when it lets go the meter falls silent. */
function endingMeter(stop: LinkedAbort, meter: FetchMeter): LinkedAbort {
  return {
    ...stop,
    unlink() {
      stop.unlink()
      meter.stop()
    },
  }
}

/** Takes back every request that is under way. */
function end(stop: LinkedAbort, reason: unknown): void {
  stop.unlink()
  stop.abort(reason)
}

function asError(error: unknown): unknown {
  if (!(error instanceof MissingBlock)) return error
  const isAbsent = ['not-found', 'not-local'].includes(error.result.type)
  const code = isAbsent ? 'E_NOT_FOUND' : 'E_TIMEOUT'
  return new ShoalError(code, 'A part of the content could not be found in time.')
}
