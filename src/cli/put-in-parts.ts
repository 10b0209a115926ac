/**
 * A large file into the gateway, so that nothing is sent twice for long: after a broken connection or a
 * restart of the node it goes on, also in another run of the command. The node keeps what there is to
 * know, sealed; here nothing is written.
 * @module
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'

import { CommandError, systemCode } from './failures.ts'
import {
  clientOf,
  ConnectionError,
  GatewayError,
  upload,
  type JsonAnswer,
} from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'
import { createProgress } from './progress.ts'
import { formatAmount } from './source.ts'
import { pause } from './spread.ts'
import { formatBytes } from './values.ts'

/** Smaller files are sent again in seconds. */
const LARGE_BYTES = 64 * 1024 * 1024
const READ_BYTES = 256 * 1024
/** Between two tries, doubling: a restart of the node takes some seconds. */
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
/** Tries in a row that bring nothing: about ten minutes. */
const MAX_VAIN_TRIES = 65
const UPLOADS = '/api/v1/uploads'

export interface LargeFile {
  readonly path: string
  readonly sizeBytes: number
  readonly writtenMs: number
}

interface Target {
  readonly gateway: URL
  /** How to insert, as `/api/v1/insert` takes it. */
  readonly query: URLSearchParams
}

interface Upload {
  readonly id: string
  readonly offset: number
}

/** The file that is worth parts; undefined for all else. Throws what the system says. */
export async function largeFileAt(path: string): Promise<LargeFile | undefined> {
  if (path === '-') return undefined
  const found = await stat(path)
  if (!found.isFile() || found.size <= LARGE_BYTES) return undefined
  return { path: await realpath(path), sizeBytes: found.size, writtenMs: found.mtimeMs }
}

/**
 * Resolves with the gateway's 201. What fails for good leaves nothing on the node.
 * @throws CommandError, and what the system says of the file.
 */
export async function sendInParts(file: LargeFile, to: Target, io: Io): Promise<JsonAnswer> {
  const progress = createProgress(io.stderr, 'upload', formatAmount)
  const tries = new Tries((words) => {
    progress.clear()
    writeLine(io.stderr, words)
  })
  let known: Upload | undefined
  const goOn = async (): Promise<JsonAnswer> => {
    const done = known && (await ended(to.gateway, known.id, io))
    if (done !== undefined) return done
    const begun = await begin(file, to, io)
    tries.begun(begun.offset, known?.offset ?? 0)
    known = begun
    const onSent = (sentBytes: number): void => {
      progress.show(begun.offset + sentBytes, file.sizeBytes)
    }
    return sendRest(file, { ...to, upload: begun, onSent }, io)
  }
  try {
    for (;;) {
      const answer = await goOn().catch((error: unknown) => tries.failed(error))
      if (answer !== undefined) return answer
      await pause(tries.pauseMs, io.signal)
    }
  } catch (error) {
    progress.clear()
    if (known !== undefined) await leave(known, error, { gateway: to.gateway, io })
    throw error
  } finally {
    progress.clear()
  }
}

/** Which failures are waited out, and what the person is told meanwhile. */
class Tries {
  readonly #tell: (words: string) => void
  #vain = 0
  /** The node has answered: before, there is nothing to wait for. */
  #isReached = false
  #hasUpload = false
  #told: string | undefined

  constructor(tell: (words: string) => void) {
    this.#tell = tell
  }

  get pauseMs(): number {
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#vain - 1))
  }

  begun(offset: number, before: number): void {
    this.#isReached = true
    this.#hasUpload = true
    if (offset <= before) return
    this.#vain = 0
    this.#told = undefined
    this.#tell(`going on after ${formatBytes(offset)}`)
  }

  /** Rethrows what does not pass, or not in time. */
  failed(error: unknown): undefined {
    this.#isReached ||= !(error instanceof ConnectionError)
    const isGone = codeOf(error) === 'E_ROUTE' && this.#hasUpload // it gave way to another
    const isWorthIt = this.#isReached && (isPassing(error) || isGone)
    if (!isWorthIt || ++this.#vain > MAX_VAIN_TRIES) throw error
    const words = waitingWords(error)
    if (words !== undefined && words !== this.#told) this.#tell(words)
    this.#told = words ?? this.#told
  }
}

function waitingWords(error: unknown): string | undefined {
  if (codeOf(error) === 'E_BUSY') return `the node is busy, waiting: ${(error as Error).message}`
  const isRefused = error instanceof ConnectionError && systemCode(error.cause) === 'ECONNREFUSED'
  return isRefused ? 'no node answers, waiting' : undefined
}

/** Where going on later makes no sense, the place of what was sent is given back. */
async function leave(
  { id }: Upload,
  error: unknown,
  { gateway, io }: { readonly gateway: URL; readonly io: Io },
): Promise<void> {
  if (io.signal.aborted || isPassing(error) || isUndecided(error)) {
    writeLine(io.stderr, 'to go on where it was, run the same command again within a day')
    return
  }
  if (error instanceof OtherPutError) return
  // a node that does not do it forgets the upload after a day
  await clientOf(gateway)
    .cancelUpload(id, { signal: io.signal })
    .catch(() => {})
}

/** The upload of this very file, a new one where the node has none. */
async function begin(file: LargeFile, { gateway, query }: Target, io: Io): Promise<Upload> {
  const [name, word] = [query.get('name'), query.get('word')]
  const { id, offset } = await clientOf(gateway).beginUpload({
    ...(name !== null && { name }),
    ...(word !== null && { word }),
    urn: query.has('urn'),
    convergent: query.has('convergent'),
    tag: tagOf(file, query),
    length: file.sizeBytes,
    signal: io.signal,
  })
  if (typeof id !== 'string' || typeof offset !== 'number') {
    throw new CommandError('the gateway takes no uploads in parts')
  }
  return { id, offset }
}

/** The answer that was lost on its way; undefined: the upload is not whole. */
async function ended(gateway: URL, id: string, io: Io): Promise<JsonAnswer | undefined> {
  try {
    const { statusPath, ...value } = await clientOf(gateway).getUpload(id, { signal: io.signal })
    return value.complete ? { value, statusPath } : undefined
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) return undefined
    throw error
  }
}

async function sendRest(
  file: LargeFile,
  how: Target & { readonly upload: Upload; readonly onSent: (sentBytes: number) => void },
  io: Io,
): Promise<JsonAnswer> {
  const { gateway, onSent } = how
  const { id, offset } = how.upload
  await checkUnchanged(file)
  return upload({
    gateway,
    onSent,
    method: 'PATCH',
    path: `${UPLOADS}/${encodeURIComponent(id)}`,
    source: Readable.from(restOf(file, offset), { objectMode: false }),
    contentType: 'application/partial-upload',
    headers: { 'upload-offset': offset, 'upload-complete': '?1' },
    sizeBytes: file.sizeBytes - offset,
    signal: io.signal,
  }).catch((error: unknown) => {
    // what else it says is never wrong here
    throw codeOf(error) === 'E_REQUEST' ? new OtherPutError() : error
  })
}

/** Another run has taken the upload over, and goes on with it. */
class OtherPutError extends CommandError {
  constructor() {
    super('another shoal put sends the same file, and goes on with what this one has sent')
  }
}

/** The last bytes are kept back until it is sure that the file is still what it was: without them nothing is inserted. */
async function* restOf(file: LargeFile, offset: number): AsyncGenerator<Buffer> {
  if (offset === file.sizeBytes) return
  const range = { start: offset, end: file.sizeBytes - 1, highWaterMark: READ_BYTES }
  let position = offset
  for await (const piece of createReadStream(file.path, range) as AsyncIterable<Buffer>) {
    position += piece.length
    if (position === file.sizeBytes) await checkUnchanged(file)
    yield piece
  }
}

/** @throws CommandError */
async function checkUnchanged(file: LargeFile): Promise<void> {
  const now = await stat(file.path)
  if (now.size === file.sizeBytes && now.mtimeMs === file.writtenMs) return
  throw new CommandError('the file changed while it was read: nothing was inserted')
}

/** What may be over in a moment: the node restarts, is busy, or heard of another offset. */
function isPassing(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  return error instanceof ConnectionError || ['E_BUSY', 'E_OFFSET', 'E_CLOSED'].includes(code)
}

/** All was sent, but nobody could say whether its word is free. */
function isUndecided(error: unknown): boolean {
  return ['E_NO_PEERS', 'E_TIMEOUT'].includes(codeOf(error) ?? '')
}

function codeOf(error: unknown): string | undefined {
  return error instanceof GatewayError ? error.code : undefined
}

/** Tells the node that it is the same file, inserted in the same way, and nothing else of it. */
function tagOf({ path, sizeBytes, writtenMs }: LargeFile, query: URLSearchParams): string {
  const of = JSON.stringify([path, sizeBytes, writtenMs, query.toString()])
  return createHash('sha256').update(of).digest('base64url')
}
