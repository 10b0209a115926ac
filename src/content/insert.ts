/**
 * From a stream of bytes to blocks in the outbox and a URI (spec §3, §5). Encodes while it receives;
 * what it holds is bounded by the head that may become inline and by the blocks on their way.
 * @module
 */
import mime from 'mime'
import { ShoalError } from '../errors.ts'
import { toAddress } from '../keys/block.ts'
import { CONVERGENCE_SECRET_BYTES } from '../keys/eris.ts'
import type { ReadCapability } from '../keys/eris.ts'
import { randomBytes } from '../keys/primitives.ts'
import { formatUri, formatUrn } from '../keys/uri.ts'
import type { ContentUri } from '../keys/uri.ts'
import { linkAbort } from '../signals.ts'
import { BlockSink, untilAborted } from './block-sink.ts'
import type { SinkContext } from './block-sink.ts'
import { FileEncoder } from './file-encoder.ts'
import { encodeManifest, isContentType, maxInlineBytes } from './manifest.ts'

/** Bare content has no manifest to lie in. */
export const NO_INLINE_BYTES = 0

/** What every insert needs of the node. */
export type InsertContext = Omit<SinkContext, 'signal'> & {
  /** Any of them ends the insert. */
  readonly signals: readonly (AbortSignal | undefined)[]
}

export interface InsertRequest {
  readonly name: string | undefined
  readonly contentType: string | undefined
  readonly isConvergent: boolean
  readonly isBare: boolean
}

export interface Inserted {
  readonly uri: string
  readonly size: number
  readonly type: string
  readonly insertId: number
}

/** Type that a name's extension gives, or undefined. The slash: `mime` takes a bare `html` for an extension. */
export function typeOfName(name: string | undefined): string | undefined {
  return name === undefined ? undefined : (mime.getType(`/${name}`) ?? undefined)
}

/** A secret for one insert: random, or the null one that makes the same bytes the same key. */
export function convergenceSecretFor(isConvergent: boolean): Uint8Array {
  return isConvergent
    ? new Uint8Array(CONVERGENCE_SECRET_BYTES)
    : randomBytes(CONVERGENCE_SECRET_BYTES)
}

/**
 * Takes `content` to its end and resolves when all is safe in the outbox; when that fails nothing of
 * it stays. @throws ShoalError E_QUERY, E_STORE_FULL, E_STORE_IO; rejects with `signal.reason`.
 */
export async function insertContent(
  content: AsyncIterable<Uint8Array>,
  request: InsertRequest,
  context: InsertContext,
): Promise<Inserted> {
  checkContentType(request.contentType)
  return await withSink(context, async (sink, signal) => {
    const { isBare, isConvergent } = request
    const secret = convergenceSecretFor(isConvergent || isBare)
    const bytes = untilAborted(content, signal)
    const { size, uri } = isBare
      ? await insertBare(bytes, sink, secret)
      : await insertWithManifest(bytes, { sink, secret, contentType: frozenTypeOf(request) })
    return insertedOf(request, { uri: textOf(uri, request), size, insertId: sink.insertId })
  })
}

/** The content type that the manifest of a request names. */
export function frozenTypeOf(request: InsertRequest): string | undefined {
  const { name, isConvergent, contentType } = request
  return contentType ?? (isConvergent ? undefined : typeOfName(name))
}

/** What is told of an insert that is whole. */
export function insertedOf(
  request: InsertRequest,
  { uri, size, insertId }: { uri: string; size: number; insertId: number },
): Inserted {
  const type = frozenTypeOf(request) ?? typeOfName(request.name) ?? 'application/octet-stream'
  return { uri, size, type, insertId }
}

/** The URI of content as it is told: with its name, or as a URN. */
export function textOf(uri: ContentUri, { name, isBare }: InsertRequest): string {
  return isBare ? formatUrn(uri) : formatUri({ ...uri, name })
}

/** @throws ShoalError E_QUERY */
export function checkContentType(contentType: string | undefined): void {
  if (contentType !== undefined && !isContentType(contentType)) {
    throw new ShoalError('E_QUERY', 'The content type is not of the form type/subtype.')
  }
}

/** Runs `work` as one insert: committed when all of it is in the outbox, else nothing of it stays. */
export async function withSink<T>(
  context: InsertContext,
  work: (sink: BlockSink, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = linkAbort(context.signals)
  const { signal } = abort
  signal.throwIfAborted()
  const insertId = await context.outbox.begin()
  try {
    const sink = new BlockSink(insertId, { ...context, signal })
    const result = await work(sink, signal)
    await sink.settle()
    await sink.commit()
    return result
  } catch (error) {
    await context.outbox.discard(insertId)
    throw error
  } finally {
    abort.unlink()
  }
}

async function insertBare(
  content: AsyncIterable<Uint8Array>,
  sink: BlockSink,
  secret: Uint8Array,
): Promise<{ size: number; uri: ContentUri }> {
  const file = new FileEncoder(secret, NO_INLINE_BYTES)
  for await (const piece of content) await sink.addAll(file.push(piece))
  return { size: file.size, uri: uriOf(await file.finishTree(sink), 'bare') }
}

async function insertWithManifest(
  content: AsyncIterable<Uint8Array>,
  how: { sink: BlockSink; secret: Uint8Array; contentType: string | undefined },
): Promise<{ size: number; uri: ContentUri }> {
  const { sink, secret } = how
  const { size, manifest } = await encodeFile(content, how)
  return { size, uri: uriOf(await sink.addTree(manifest, secret), 'manifest') }
}

/**
 * The manifest of one file, its tree in the sink. Holds back as much as could be inline, and makes a
 * tree once there is more than `maxManifestBytes` would take.
 */
export async function encodeFile(
  content: AsyncIterable<Uint8Array>,
  how: {
    sink: BlockSink
    secret: Uint8Array
    contentType: string | undefined
    maxManifestBytes?: number
  },
): Promise<{ size: number; manifest: Uint8Array }> {
  const { sink, secret, contentType, maxManifestBytes } = how
  const file = new FileEncoder(secret, maxInlineBytes(contentType, maxManifestBytes))
  for await (const piece of content) await sink.addAll(file.push(piece))
  const body = await file.finish(sink)
  return { size: file.size, manifest: encodeManifest({ size: file.size, contentType, body }) }
}

/** The URI of a tree whose root is in the outbox. */
export function uriOf(root: ReadCapability, kind: ContentUri['kind']): ContentUri {
  const { level, readKey } = root
  const reference = toAddress(root.reference)
  return { type: 'chk', reference, readKey, level, kind, name: undefined, path: [] }
}
