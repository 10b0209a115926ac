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
import { LeafGroups, joinAdjacent } from './leaf-groups.ts'
import { decodeManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { Window } from './window.ts'
import type { WindowShares } from './window.ts'

/** Waits between tries for one leaf, ms: with the routing's own time-outs about 30 s in all. */
const RETRY_DELAYS_MS = [250, 1000, 4000, 8000]

/** Leaves handed on together, 256 KiB. */
const MOST_AT_ONCE = 8

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
  /** `source` asks nobody. */
  readonly isLocalOnly?: boolean
}

/**
 * What a CHK names, without its bytes unless they are inline. @throws MissingBlock, ShoalError
 * E_DECODE, also for a folder under the key of a file; rejects with `signal.reason`.
 */
export async function openContent(uri: ContentUri, context: FetchContext): Promise<Manifest> {
  if (uri.kind === 'bare') {
    const root = { blockBytes: BLOCK_BYTES, ...uri }
    const size = await drive(walkToSize(root), root, context)
    return { size, contentType: undefined, body: { type: 'tree', root } }
  }
  const manifest = await openManifest(uri, context)
  const isFolder = manifest.body.type === 'directory'
  if (isFolder !== (uri.kind === 'folder')) {
    throw new ShoalError(
      'E_DECODE',
      'The key of a file leads to a folder, or that of a folder to a file.',
    )
  }
  return manifest
}

/**
 * The manifest in one content block, of a file or a folder. `isPatient`: what is missing is tried again
 * for a while, as leaves are. @throws MissingBlock, ShoalError E_DECODE; rejects with `signal.reason`.
 */
export async function openManifest(
  pair: ReferenceKeyPair,
  context: FetchContext,
  { isPatient }: { readonly isPatient: boolean } = { isPatient: false },
): Promise<Manifest> {
  const block = await need(pair, { isTop: true, isPatient }, context)
  const leaf = openLeaf(block, pair)
  return decodeManifest(leaf.subarray(0, unpaddedLength(leaf)))
}

/**
 * The bytes of `span`, in order, in pieces of some blocks; only the leaves that it covers are asked
 * for. Its first piece comes before any is handed out, so a failure can still be told in words.
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
  const tree = treeOf(manifest)
  const first = tree.offset + span.first
  const last = tree.offset + span.last
  const leaves = leavesOf(tree.root, { first, last }, context)
  const groups = new LeafGroups(Math.floor(first / BLOCK_BYTES), Math.floor(last / BLOCK_BYTES))
  const window = new Window(leaves, context.shares, (leaf: Leaf, onTrouble) =>
    fetchLeaf(leaf, { tree, context, onTrouble, groups }),
  )
  context.shares.enter()
  try {
    for (let leaf = Math.floor(first / BLOCK_BYTES); ;) {
      const taken = await window.take(MOST_AT_ONCE)
      if (taken.length === 0) return
      for (const bytes of joinAdjacent(taken)) {
        const base = leaf * BLOCK_BYTES
        leaf += bytes.length / BLOCK_BYTES
        groups.passed(leaf)
        yield bytes.subarray(Math.max(0, first - base), Math.min(bytes.length, last + 1 - base))
      }
    }
  } finally {
    context.shares.leave()
  }
}

/** The tree that content lies in. */
interface ContentTree {
  readonly root: ReadCapability
  /** Bytes of the whole tree. */
  readonly size: number
  /** Where in the tree the content begins. */
  readonly offset: number
}

function treeOf({ size, body }: Manifest): ContentTree {
  switch (body.type) {
    case 'tree':
      return { root: body.root, size, offset: 0 }
    case 'slice':
      return { root: body.root, size: body.packSize, offset: body.offset }
    case 'inline':
    case 'directory':
      throw new RangeError('this content has no tree')
  }
}

interface Leaf {
  readonly pair: ReferenceKeyPair
  readonly index: number
}

/** Walks the tree ahead of the reader, as far as the window allows: the leaves of one node after the other. */
async function* leavesOf(
  root: ReadCapability,
  span: Span,
  context: FetchContext,
): AsyncGenerator<readonly Leaf[], void> {
  const first = Math.floor(span.first / BLOCK_BYTES)
  const last = Math.floor(span.last / BLOCK_BYTES)
  const walk = walkLeaves(root, first, last)
  let known: Leaf[] = []
  try {
    let step = walk.next()
    while (step.done !== true) {
      if (step.value.type === 'leaf') {
        known.push(step.value)
        step = walk.next()
        continue
      }
      const { pair } = step.value
      if (known.length > 0) yield known
      known = []
      step = walk.next(await need(pair, placeIn(root, pair), context))
    }
  } catch (error) {
    if (known.length > 0) yield known // what comes before a fault in the tree is good
    throw error
  }
  yield known
}

/** Opened where it lies, if it may be, else in its place beside others. */
async function fetchLeaf(
  leaf: Leaf,
  {
    tree,
    context,
    onTrouble,
    groups,
  }: {
    tree: ContentTree
    context: FetchContext
    onTrouble: () => void
    groups: LeafGroups
  },
): Promise<Uint8Array> {
  const place = placeIn(tree.root, leaf.pair)
  const { block, isFresh } = await needFound(leaf.pair, place, context, onTrouble)
  const out = isFresh === true ? block : groups.placeOf(leaf.index)
  const bytes = openLeaf(block, leaf.pair, out)
  const isLast = leaf.index === lastLeafOf(tree.size, BLOCK_BYTES)
  if (isLast && unpaddedLength(bytes) !== tree.size % BLOCK_BYTES) {
    throw new ShoalError('E_DECODE', 'The content is not as long as its manifest says.')
  }
  return bytes
}

async function drive<T>(walk: Walk<T>, root: ReadCapability, context: FetchContext): Promise<T> {
  let step = walk.next()
  while (step.done !== true) {
    const { pair } = step.value
    step = walk.next(await need(pair, placeIn(root, pair), context))
  }
  return step.value
}

function placeIn(root: ReadCapability, pair: ReferenceKeyPair): BlockPlace {
  const isTop = pair.reference === root.reference
  return { isTop, isPatient: !isTop }
}

interface BlockPlace {
  /** A manifest or root: it has a third home. */
  readonly isTop: boolean
  /** Worth trying again. */
  readonly isPatient: boolean
}

/**
 * One block, tried again when it is part of content whose beginning was found: what is missing now
 * may be a peer that is just leaving. What leads to a file is asked for once: absent is absent.
 */
async function needFound(
  pair: ReferenceKeyPair,
  { isTop, isPatient }: BlockPlace,
  { source, clock, signal }: FetchContext,
  onTrouble: () => void = () => {},
): Promise<Extract<BlockResult, { type: 'found' }>> {
  const delays = isPatient ? RETRY_DELAYS_MS : []
  let result: BlockResult = await source.getBlock(pair.reference as Address, { isTop, signal })
  for (const delayMs of delays) {
    if (result.type === 'found') break
    onTrouble()
    await delay(clock, delayMs, signal)
    result = await source.getBlock(pair.reference as Address, { isTop, signal })
  }
  if (result.type !== 'found') throw new MissingBlock(result)
  return result
}

async function need(
  pair: ReferenceKeyPair,
  place: BlockPlace,
  context: FetchContext,
): Promise<Uint8Array> {
  return (await needFound(pair, place, context)).block
}

/** Waits; rejects with `signal.reason` when that aborts. */
export function delay(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
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
