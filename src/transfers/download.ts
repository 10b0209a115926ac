/**
 * One try of one download: from where it was kept to the whole file. Blocks are verified as they come;
 * at the end the file is read back, since a part of it may have been written before a power cut.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { parseUri } from '../keys/uri.ts'
import type { FetchOutcome, Node } from '../node-types.ts'
import {
  Chain,
  checkRoom,
  hasPart,
  isInPlace,
  otherPart,
  PartFile,
  removePart,
} from './target-file.ts'
import type { Place } from './target-file.ts'

/** What of a download is on the disk for good. */
export interface Kept {
  /** Whole pieces of it. */
  readonly bytes: number
  /** `Chain` over them. */
  readonly digest: string
  /** Of the content: under a name there may be another one by now. undefined: a .part would be of somebody else. */
  readonly identity: string | undefined
  /** All of it: what is left is to put it in its place, or, after a crash, to find it there. */
  readonly isWhole?: true
  /** Of a folder, whose whole files are there by name: the one that came in, by its names joined with `/`. */
  readonly file?: { readonly name: string; readonly kept: Kept } | undefined
}

/** What may be there later. */
export type Missing = 'not-found' | 'no-peers' | 'timed-out'

export const NOTHING_KEPT: Kept = { bytes: 0, digest: '', identity: undefined }

export interface DownloadRequest extends Place {
  readonly uri: string
  readonly overwrite: boolean
  readonly kept: Kept
  /** More is kept after as many bytes. */
  readonly pieceBytes: number
  readonly signal: AbortSignal
  readonly onsize: (sizeBytes: number) => void
  readonly onbytes: (doneBytes: number) => void
  /** That much is on the disk. */
  readonly onkept: (kept: Kept) => Promise<void>
}

type Found = FetchOutcome & { type: 'found' }

/**
 * Resolves when the file is in its place, with undefined, or with why to try again later. @throws ShoalError
 * E_DECODE, E_FOLDER, E_PATH, E_EXISTS, E_STORE_FULL, and what the system says of the disk.
 */
export async function download(
  request: DownloadRequest,
  fetch: Node['fetch'],
): Promise<Missing | undefined> {
  const { kept } = request
  if (kept.isWhole === true && (await isInPlace(request, counted(request)))) {
    await removePart(request)
    return undefined
  }
  if (kept.isWhole !== true && kept.bytes === 0) return fetchRest(request, fetch)
  if (!(await hasPart(request))) return downloadAnew(request, fetch)
  if (kept.isWhole !== true) return fetchRest(request, fetch)
  await using(await PartFile.reopen(request, kept.bytes), (file) => place(file, request))
  return undefined
}

async function fetchRest(
  request: DownloadRequest,
  fetch: Node['fetch'],
): Promise<Missing | undefined> {
  const { kept } = request
  const outcome = await ask(request, kept.bytes, fetch)
  if (outcome.type === 'not-found' || outcome.type === 'no-peers' || outcome.type === 'timed-out') {
    return outcome.type
  }
  const isOther =
    outcome.type !== 'found' || outcome.identity !== (kept.identity ?? outcome.identity)
  if (kept.bytes > 0 && isOther) {
    if (outcome.type === 'found') await outcome.stream.cancel()
    return downloadAnew(request, fetch)
  }
  if (outcome.type !== 'found') throw noFile(outcome.type)
  const file = await openPart(outcome, request).catch((error: unknown) => letGo(outcome, error))
  await using(file, () => complete(file, outcome, request))
  return undefined
}

async function downloadAnew(
  request: DownloadRequest,
  fetch: Node['fetch'],
): Promise<Missing | undefined> {
  await startAnew(request)
  return fetchRest({ ...request, kept: NOTHING_KEPT }, fetch)
}

async function using(file: PartFile, use: (file: PartFile) => Promise<void>): Promise<void> {
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

async function openPart(found: Found, request: DownloadRequest): Promise<PartFile> {
  const { part, kept, onsize } = request
  onsize(found.size)
  await checkRoom(part, found.size - kept.bytes)
  return kept.bytes > 0 ? PartFile.reopen(request, kept.bytes) : createPart(found, request)
}

/** It is recorded before it is there, so that after a crash it can be told from the part of somebody else. */
async function createPart({ identity }: Found, request: DownloadRequest): Promise<PartFile> {
  const { kept, onkept } = request
  if (kept.identity !== undefined)
    await removePart(request) // begun before, and nothing of it kept
  else if (await hasPart(request)) throw otherPart()
  await onkept({ ...NOTHING_KEPT, identity })
  try {
    return await PartFile.create(request)
  } catch (error) {
    await onkept(NOTHING_KEPT) // what is there is not ours
    throw error
  }
}

async function complete(file: PartFile, found: Found, request: DownloadRequest): Promise<void> {
  const digest = await fill(file, found, request)
  request.signal.throwIfAborted()
  await file.sync()
  const kept: Kept = { bytes: found.size, digest, identity: found.identity, isWhole: true }
  await request.onkept(kept)
  await place(file, { ...request, kept })
}

/** Reads the whole back, and puts it where it belongs. */
async function place(file: PartFile, request: DownloadRequest): Promise<void> {
  if (!(await file.holds(counted(request)))) {
    await startAnew(request)
    throw new ShoalError('E_STORE_IO', 'The file on the disk is not what was written to it.')
  }
  request.signal.throwIfAborted()
  await file.finish(request.overwrite)
}

function counted({ kept, pieceBytes, signal }: DownloadRequest) {
  return { bytes: kept.bytes, digest: kept.digest, pieceBytes, signal }
}

function ask({ uri, signal }: DownloadRequest, from: number, fetch: Node['fetch']) {
  const range = { type: 'from-to', first: from, last: undefined } as const
  return fetch(parseUri(uri), { signal, ...(from > 0 && { range }) })
}

/** The digest of the whole. */
async function fill(file: PartFile, found: Found, request: DownloadRequest): Promise<string> {
  const { kept, pieceBytes, onbytes, onkept } = request
  const { identity } = found
  const chain = new Chain(kept.digest, pieceBytes)
  let at = kept.bytes
  let keptBytes = at
  for await (const bytes of found.stream as unknown as AsyncIterable<Uint8Array>) {
    request.signal.throwIfAborted()
    await file.write(bytes, at)
    at += bytes.length
    onbytes(at)
    for (let rest = bytes; rest.length > 0;) {
      const take = rest.subarray(0, pieceBytes - ((at - rest.length) % pieceBytes))
      chain.add(take)
      rest = rest.subarray(take.length)
      const whole = at - rest.length
      if (whole % pieceBytes !== 0 || whole === keptBytes || whole === found.size) continue
      await file.sync()
      keptBytes = whole
      await onkept({ bytes: keptBytes, digest: chain.digest, identity })
    }
  }
  if (at !== found.size) throw new ShoalError('E_TIMEOUT', 'The content broke off.')
  return chain.end()
}

async function startAnew(request: DownloadRequest): Promise<void> {
  await removePart(request)
  await request.onkept(NOTHING_KEPT)
}

async function letGo(found: Found, error: unknown): Promise<never> {
  await found.stream.cancel().catch(() => {})
  throw error
}

/** Why a key cannot be downloaded. */
export function noFile(type: FetchOutcome['type']): ShoalError {
  if (type === 'no-such-path') return new ShoalError('E_NO_PATH', 'The site has no such path.')
  return new ShoalError('E_FOLDER', 'That is a folder: end its key with a slash to have all of it.')
}
