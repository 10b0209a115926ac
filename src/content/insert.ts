/**
 * From a stream of bytes to blocks in the outbox and a URI (spec §3, §5). Encodes while it receives;
 * what it holds is bounded by the head that may become inline and by the blocks on their way.
 * @module
 */
import mime from 'mime'
import { ShoalError } from '../errors.ts'
import type { Outbox } from '../datastore/store.ts'
import { BLOCK_BYTES, toAddress, toBlock } from '../keys/block.ts'
import { concat } from '../keys/bytes.ts'
import { CONVERGENCE_SECRET_BYTES, ErisEncoder } from '../keys/eris.ts'
import type { EncodedBlock, ReadCapability } from '../keys/eris.ts'
import { randomBytes } from '../keys/primitives.ts'
import { formatUri, formatUrn } from '../keys/uri.ts'
import type { ContentUri } from '../keys/uri.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import { homesOf } from './blocks.ts'
import { encodeManifest, isContentType, maxInlineBytes } from './manifest.ts'

/** Blocks on their way into the outbox at once, 512 KiB: keeps a disk busy. */
const MAX_PARALLEL_ADDS = 16
/** How long a full outbox waits for a node that has lost all its peers, ms. */
const ALONE_MS = 30_000
const ROOM_CHECK_MS = 1000

export interface InsertContext {
  readonly outbox: Outbox
  readonly clock: Clock
  /** Any of them ends the insert. */
  readonly signals: readonly (AbortSignal | undefined)[]
  readonly peers: () => number
  /** Something is in the outbox that was not there before. */
  readonly added: () => void
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

/**
 * Takes `content` to its end and resolves when all is safe in the outbox; when that fails nothing of
 * it stays. @throws ShoalError E_QUERY, E_STORE_FULL, E_STORE_IO; rejects with `signal.reason`.
 */
export async function insertContent(
  content: AsyncIterable<Uint8Array>,
  request: InsertRequest,
  context: InsertContext,
): Promise<Inserted> {
  const { contentType } = request
  if (contentType !== undefined && !isContentType(contentType)) {
    throw new ShoalError('E_QUERY', 'The content type is not of the form type/subtype.')
  }
  const abort = linkAbort(context.signals)
  const { signal } = abort
  signal.throwIfAborted()
  const insertId = await context.outbox.begin()
  try {
    const inserted = await new InsertRun(insertId, request, { ...context, signal }).run(
      untilAborted(content, signal),
    )
    await context.outbox.commit(insertId)
    return inserted
  } catch (error) {
    await context.outbox.discard(insertId)
    throw error
  } finally {
    abort.unlink()
  }
}

class InsertRun {
  readonly #insertId: number
  readonly #request: InsertRequest
  readonly #context: InsertContext & { readonly signal: AbortSignal }
  readonly #secret: Uint8Array
  readonly #adds = new Set<Promise<void>>()
  #failure: Error | undefined
  #hadPeers = false

  constructor(
    insertId: number,
    request: InsertRequest,
    context: InsertContext & { readonly signal: AbortSignal },
  ) {
    this.#insertId = insertId
    this.#request = request
    this.#context = context
    const isConvergent = request.isConvergent || request.isBare
    this.#secret = isConvergent
      ? new Uint8Array(CONVERGENCE_SECRET_BYTES)
      : randomBytes(CONVERGENCE_SECRET_BYTES)
  }

  async run(content: AsyncIterable<Uint8Array>): Promise<Inserted> {
    const { name, isBare, isConvergent, contentType } = this.#request
    const frozenType = contentType ?? (isConvergent ? undefined : typeOfName(name))
    const { size, uri } = isBare
      ? await this.#insertBare(content)
      : await this.#insertWithManifest(content, frozenType)
    await this.#settle()
    const type = frozenType ?? typeOfName(name) ?? 'application/octet-stream'
    return {
      uri: isBare ? formatUrn(uri) : formatUri({ ...uri, name }),
      size,
      type,
      insertId: this.#insertId,
    }
  }

  async #insertBare(content: AsyncIterable<Uint8Array>) {
    const encoder = new ErisEncoder(this.#secret, BLOCK_BYTES)
    const size = await this.#encode(content, encoder, 0)
    const root = await this.#finish(encoder)
    return { size, uri: uriOf(root, 'bare') }
  }

  /** Holds back as much as could be inline, and makes a tree once there is more. */
  async #insertWithManifest(content: AsyncIterable<Uint8Array>, contentType: string | undefined) {
    const limit = maxInlineBytes(contentType)
    const head: Uint8Array[] = []
    let size = 0
    let encoder: ErisEncoder | undefined
    const pieces = content[Symbol.asyncIterator]()
    for (let step = await pieces.next(); step.done !== true; step = await pieces.next()) {
      head.push(step.value)
      size += step.value.length
      if (size <= limit) continue
      encoder = new ErisEncoder(this.#secret, BLOCK_BYTES)
      await this.#add(encoder.update(concat(...head)))
      size = await this.#encode({ [Symbol.asyncIterator]: () => pieces }, encoder, size)
      break
    }
    const bytes = encoder === undefined ? concat(...head) : undefined
    const body =
      encoder === undefined
        ? ({ type: 'inline', bytes: bytes as Uint8Array } as const)
        : ({ type: 'tree', root: await this.#finish(encoder) } as const)
    const manifest = new ErisEncoder(this.#secret, BLOCK_BYTES)
    await this.#add(manifest.update(encodeManifest({ size, contentType, body })))
    return { size, uri: uriOf(await this.#finish(manifest), 'manifest') }
  }

  async #encode(
    content: AsyncIterable<Uint8Array>,
    encoder: ErisEncoder,
    sizeSoFar: number,
  ): Promise<number> {
    let size = sizeSoFar
    for await (const piece of content) {
      size += piece.length
      await this.#add(encoder.update(piece))
    }
    return size
  }

  async #finish(encoder: ErisEncoder): Promise<ReadCapability> {
    const blocks = encoder.finish()
    let step = blocks.next()
    for (; step.done !== true; step = blocks.next()) await this.#addOne(step.value)
    return step.value
  }

  async #add(blocks: Iterable<EncodedBlock>): Promise<void> {
    for (const block of blocks) await this.#addOne(block)
  }

  /** Starts one add; waits only while too many are under way. */
  async #addOne(encoded: EncodedBlock): Promise<void> {
    this.#context.signal.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    const add = this.#store(encoded).then(
      () => {
        this.#adds.delete(add)
      },
      (error: Error) => {
        this.#adds.delete(add)
        this.#failure ??= error
      },
    )
    this.#adds.add(add)
    if (this.#adds.size >= MAX_PARALLEL_ADDS) await Promise.race(this.#adds)
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#adds)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #store({ reference, block, isRoot }: EncodedBlock): Promise<void> {
    const { outbox, signal, added } = this.#context
    const entry = {
      insertId: this.#insertId,
      address: toAddress(reference),
      block: toBlock(block),
      homes: homesOf(isRoot),
      signal,
    }
    while ((await outbox.add(entry)) === 'full') await this.#awaitRoom()
    added()
  }

  /** A full outbox empties as blocks spread; alone, it never does, but peers may come back. */
  async #awaitRoom(): Promise<void> {
    const { outbox, clock, signal, peers } = this.#context
    const startMs = clock.now()
    let hasRoom = false
    while (!hasRoom) {
      signal.throwIfAborted()
      this.#hadPeers ||= peers() > 0
      const patienceMs = this.#hadPeers ? ALONE_MS : 0
      if (peers() === 0 && clock.now() - startMs >= patienceMs) throw full()
      const check = linkAbort([signal])
      const stop = clock.after(ROOM_CHECK_MS, () => {
        check.abort(new Error('time to look again'))
      })
      hasRoom = await outbox.room({ signal: check.signal }).then(
        () => true,
        () => false,
      )
      stop()
      check.unlink()
    }
  }
}

/** `content`, ended by `signal` even while its source says nothing. */
async function* untilAborted(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const pieces = content[Symbol.asyncIterator]()
  const next = (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error)
      }
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
      const unhook = (): void => {
        signal.removeEventListener('abort', abort)
      }
      pieces.next().then(resolve, reject).finally(unhook)
    })
  try {
    for (let step = await next(); step.done !== true; step = await next()) yield step.value
  } finally {
    // not awaited: a source that hangs would hang here too
    pieces.return?.().catch(() => {})
  }
}

function full(): ShoalError {
  return new ShoalError(
    'E_STORE_FULL',
    'The outbox is full and there are no peers to hand its blocks to; connect, or enlarge the store.',
  )
}

function uriOf(root: ReadCapability, kind: ContentUri['kind']): ContentUri {
  const { level, readKey } = root
  const reference = toAddress(root.reference)
  return { type: 'chk', reference, readKey, level, kind, name: undefined }
}
