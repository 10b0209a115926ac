/**
 * From a URI to a stream of bytes (spec §3.1, §5): the manifest says what and how long, the range says
 * which leaves, and only those are fetched, the play head first.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address } from '../keys/block.ts'
import { lastLeafOf, openLeaf, unpaddedLength, walkLeaves, walkToSize } from '../keys/eris.ts'
import type { ReadCapability, ReferenceKeyPair, Walk } from '../keys/eris.ts'
import type { ContentUri } from '../keys/uri.ts'
import type { Clock } from '../runtime.ts'
import { MissingBlock } from './blocks.ts'
import type { BlockResult, BlockSource } from './blocks.ts'
import { decodeManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { Window } from './window.ts'
import type { WindowShares } from './window.ts'

/** Waits between tries for one leaf, ms: with the routing's own time-outs about 30 s in all. */
const RETRY_DELAYS_MS = [250, 1000, 4000, 8000]

/** Bytes `first` to `last`, both included; `last` is `first - 1` for none. */
export interface Span {
  readonly first: number
  readonly last: number
}

export interface FetchContext {
  readonly source: BlockSource
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Shared by all readers of the node. */
  readonly shares: WindowShares
}

/**
 * What `uri` names, without its bytes unless they are inline. @throws MissingBlock, ShoalError
 * E_DECODE; rejects with `signal.reason`.
 */
export async function openContent(uri: ContentUri, context: FetchContext): Promise<Manifest> {
  const root = { blockBytes: BLOCK_BYTES, ...uri }
  if (uri.kind === 'bare') {
    const size = await drive(walkToSize(root), root, context)
    return { size, contentType: undefined, body: { type: 'tree', root } }
  }
  const leaf = openLeaf(await need(root, true, context), root)
  return decodeManifest(leaf.subarray(0, unpaddedLength(leaf)))
}

/**
 * The bytes of `span`, in order, in pieces of at most a block; only the leaves that it covers are
 * asked for. Its first piece comes before any is handed out, so a failure can still be told in words.
 * @throws MissingBlock, ShoalError E_DECODE
 */
export async function* readSpan(
  manifest: Manifest,
  span: Span,
  context: FetchContext,
): AsyncGenerator<Uint8Array, void> {
  if (span.last < span.first) return
  if (manifest.body.type === 'inline') {
    yield manifest.body.bytes.slice(span.first, span.last + 1)
    return
  }
  const { root } = manifest.body
  const leaves = leavesOf(root, span, context)
  const window = new Window(leaves, context.shares, (leaf: Leaf, onTrouble) =>
    fetchLeaf(leaf, { manifest, root, context, onTrouble }),
  )
  context.shares.enter()
  try {
    for (let leaf = await window.next(); leaf !== undefined; leaf = await window.next()) {
      const base = leaf.index * BLOCK_BYTES
      const from = Math.max(0, span.first - base)
      yield leaf.bytes.subarray(from, Math.min(BLOCK_BYTES, span.last + 1 - base))
    }
  } finally {
    context.shares.leave()
  }
}

interface Leaf {
  readonly pair: ReferenceKeyPair
  readonly index: number
}

/** Walks the tree ahead of the reader, as far as the window allows. */
async function* leavesOf(
  root: ReadCapability,
  span: Span,
  context: FetchContext,
): AsyncGenerator<Leaf, void> {
  const first = Math.floor(span.first / BLOCK_BYTES)
  const last = Math.floor(span.last / BLOCK_BYTES)
  const walk = walkLeaves(root, first, last)
  let step = walk.next()
  while (step.done !== true) {
    if (step.value.type === 'leaf') {
      yield step.value
      step = walk.next()
    } else {
      const { pair } = step.value
      step = walk.next(await need(pair, isRoot(pair, root), context))
    }
  }
}

async function fetchLeaf(
  leaf: Leaf,
  {
    manifest,
    root,
    context,
    onTrouble,
  }: {
    manifest: Manifest
    root: ReadCapability
    context: FetchContext
    onTrouble: () => void
  },
): Promise<{ index: number; bytes: Uint8Array }> {
  const block = await need(leaf.pair, isRoot(leaf.pair, root), context, onTrouble)
  const bytes = openLeaf(block, leaf.pair)
  const isLast = leaf.index === lastLeafOf(manifest.size, BLOCK_BYTES)
  if (isLast && unpaddedLength(bytes) !== manifest.size % BLOCK_BYTES) {
    throw new ShoalError('E_DECODE', 'The content is not as long as its manifest says.')
  }
  return { index: leaf.index, bytes }
}

async function drive<T>(walk: Walk<T>, root: ReadCapability, context: FetchContext): Promise<T> {
  let step = walk.next()
  while (step.done !== true) {
    const { pair } = step.value
    step = walk.next(await need(pair, isRoot(pair, root), context))
  }
  return step.value
}

function isRoot(pair: ReferenceKeyPair, root: ReadCapability): boolean {
  return pair.reference === root.reference
}

/**
 * One block, tried again when it is part of content whose beginning was found: what is missing now
 * may be a peer that is just leaving. The block a URI names is asked for once: absent is absent.
 */
async function need(
  pair: ReferenceKeyPair,
  isTop: boolean,
  { source, clock, signal }: FetchContext,
  onTrouble: () => void = () => {},
): Promise<Uint8Array> {
  const delays = isTop ? [] : RETRY_DELAYS_MS
  let result: BlockResult = await source.getBlock(pair.reference as Address, { isTop, signal })
  for (const delayMs of delays) {
    if (result.type === 'found') break
    onTrouble()
    await delay(clock, delayMs, signal)
    result = await source.getBlock(pair.reference as Address, { isTop, signal })
  }
  if (result.type !== 'found') throw new MissingBlock(result)
  return result.block
}

function delay(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      stop()
      reject(signal.reason as Error)
    }
    const stop = clock.after(delayMs, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
