/**
 * What a key names and how much of it is here, without its bytes: the way to the content is fetched as
 * for a fetch, and from there on only this node's own blocks are looked at.
 * @module
 */
import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address } from '../keys/block.ts'
import { arityOf, lastLeafOf, walkLeaves } from '../keys/eris.ts'
import type { ReadCapability, ReferenceKeyPair } from '../keys/eris.ts'
import type { ShoalUri } from '../keys/uri.ts'
import { formatUrn } from '../keys/uri.ts'
import type { InspectOptions, InspectOutcome, LocalShare } from '../node-types.ts'
import { linkAbort } from '../signals.ts'
import { MissingBlock } from './blocks.ts'
import type { Manifest } from './manifest.ts'
import { beforeTimeout, nameIn, openPath } from './serve.ts'
import type { ServeContext } from './serve.ts'
import type { PathResult } from './site.ts'

/** Leaves looked for, of content that has more: the share is told to about 3 percent. */
const MAX_SAMPLES = 256

export type InspectContext = ServeContext & {
  /** The block, if it is here. */
  readonly getOwn: (address: Address, signal: AbortSignal) => Promise<Uint8Array | undefined>
  /** Whether it is here; reads nothing where that can be told without. */
  readonly hasOwn: (address: Address, signal: AbortSignal) => Promise<boolean>
}

type OwnContext = Pick<InspectContext, 'getOwn' | 'hasOwn'> & { readonly signal: AbortSignal }
type PathFound = Extract<PathResult, { type: 'file' | 'folder' }>

/** @throws ShoalError E_DECODE; rejects with the reason of the first of `signals` to abort. */
export async function inspectContent(
  uri: ShoalUri,
  { timeoutMs, isLocalOnly = false }: Omit<InspectOptions, 'signal'>,
  context: InspectContext,
): Promise<InspectOutcome> {
  const stop = linkAbort(context.signals)
  const within = { ...context, stop, signal: stop.signal, isLocalOnly }
  try {
    return await beforeTimeout(timeoutMs, within, async () => {
      const found = await openSelf(uri, within)
      if (found.type === 'no-such-path') return found
      return await describe(found, nameOf(uri, found), within)
    })
  } catch (error) {
    if (error instanceof MissingBlock) return error.result
    throw error
  } finally {
    stop.unlink()
  }
}

/** Named with its slash or without, a folder is itself. */
async function openSelf(
  uri: ShoalUri,
  context: Parameters<typeof openPath>[2],
): Promise<PathFound | { readonly type: 'no-such-path' }> {
  const found = await openPath(uri, { listing: true }, context)
  if (found.type !== 'slash-missing') return found
  const asFolder = { ...uri, path: [...uri.path, ''] } as ShoalUri
  const folder = await openPath(asFolder, { listing: true }, context)
  return folder.type === 'slash-missing' ? { type: 'no-such-path' } : folder
}

function nameOf(uri: ShoalUri, found: PathFound): string | undefined {
  if (found.type === 'file') return found.name ?? nameIn(uri)
  return uri.path.findLast((name) => name !== '') ?? nameIn(uri)
}

async function describe(
  found: PathFound,
  name: string | undefined,
  context: OwnContext,
): Promise<InspectOutcome> {
  if (found.type === 'folder') {
    const { size } = found
    const nothing = { contentType: undefined, tree: undefined, urn: undefined, local: undefined }
    return { type: 'found', kind: 'folder', size, name, ...nothing }
  }
  const { size, contentType, body } = found.file
  const tree = treeOf(found.file)
  return {
    type: 'found',
    kind: 'file',
    size,
    contentType,
    name,
    tree: tree && { level: tree.root.level, blocks: blocksOf(tree.treeSize) },
    urn: body.type === 'tree' ? urnOf(body.root) : undefined,
    local: await countOwn(tree, context),
  }
}

interface LeavesOf {
  readonly root: ReadCapability
  /** Bytes of the whole tree. */
  readonly treeSize: number
  readonly firstLeaf: number
  readonly leaves: number
}

function treeOf({ size, body }: Manifest): LeavesOf | undefined {
  switch (body.type) {
    case 'tree': {
      const leaves = lastLeafOf(size, BLOCK_BYTES) + 1
      return { root: body.root, treeSize: size, firstLeaf: 0, leaves }
    }
    case 'slice': {
      const firstLeaf = Math.floor(body.offset / BLOCK_BYTES)
      const lastLeaf = Math.floor((body.offset + size - 1) / BLOCK_BYTES)
      const leaves = size === 0 ? 0 : lastLeaf - firstLeaf + 1
      return { root: body.root, treeSize: body.packSize, firstLeaf, leaves }
    }
    case 'inline':
    case 'directory':
      return undefined
  }
}

/** Leaves and nodes of a tree of `size` bytes. */
function blocksOf(size: number): number {
  let nodes = lastLeafOf(size, BLOCK_BYTES) + 1
  let blocks = nodes
  while (nodes > 1) {
    nodes = Math.ceil(nodes / arityOf(BLOCK_BYTES))
    blocks += nodes
  }
  return blocks
}

function urnOf(root: ReadCapability): string {
  const { level, reference, readKey } = root
  const address = reference as Address
  return formatUrn({
    type: 'chk',
    kind: 'bare',
    reference: address,
    readKey,
    level,
    name: undefined,
    path: [],
  })
}

/** A leaf whose way is not here counts as not here: nobody is asked for nodes either. */
async function countOwn(tree: LeavesOf | undefined, context: OwnContext): Promise<LocalShare> {
  if (tree === undefined) return { blocks: 0, of: 0, isSampled: false }
  const { leaves } = tree
  const of = Math.min(leaves, MAX_SAMPLES)
  const nodes = new LastNodes(context)
  let blocks = 0
  for (let sample = 0; sample < of; sample++) {
    const leaf = tree.firstLeaf + Math.floor(((sample + 0.5) * leaves) / of)
    const pair = await nodes.pairOf(tree.root, leaf)
    if (pair !== undefined && (await hasOwn(pair, context))) blocks++
  }
  return { blocks, of, isSampled: of < leaves }
}

function hasOwn({ reference }: ReferenceKeyPair, context: OwnContext): Promise<boolean> {
  context.signal.throwIfAborted()
  return context.hasOwn(reference as Address, context.signal)
}

/** The way from the root to one leaf after the other: the nodes of the last way are kept. */
class LastNodes {
  readonly #context: OwnContext
  /** By level below the root. */
  readonly #nodes: { reference: Uint8Array; block: Uint8Array | undefined }[] = []

  constructor(context: OwnContext) {
    this.#context = context
  }

  /** Undefined where a node on the way is not here. */
  async pairOf(root: ReadCapability, leaf: number): Promise<ReferenceKeyPair | undefined> {
    const walk = walkLeaves(root, leaf, leaf)
    let step = walk.next()
    for (let depth = 0; step.done !== true; depth++) {
      const { type, pair } = step.value
      if (type === 'leaf') return pair
      const block = await this.#node(depth, pair)
      if (block === undefined) return undefined
      step = walk.next(block)
    }
    return undefined
  }

  async #node(depth: number, { reference }: ReferenceKeyPair): Promise<Uint8Array | undefined> {
    const last = this.#nodes[depth]
    if (last !== undefined && Buffer.compare(last.reference, reference) === 0) return last.block
    const { getOwn, signal } = this.#context
    const block = await getOwn(reference as Address, signal)
    this.#nodes[depth] = { reference, block }
    return block
  }
}
