/**
 * ERIS 1.0: content to a tree of equal, encrypted, content-addressed blocks and back (spec §3.1).
 * The encoder is pulled: it makes the next block when asked, and holds one block a level. The decoder
 * is a walk that says which blocks it needs; who drives it fetches them, one by one or ahead.
 * @module
 */
import { ShoalError } from '../errors.ts'
import { concat, equals, readUint64, uint64 } from './bytes.ts'
import { blake2b256, chacha20 } from './primitives.ts'

export const CONVERGENCE_SECRET_BYTES = 32
/** Deepest tree at 32 KiB: 512^5 leaves hold 2^60 bytes, more than the 2^53 - 1 that sizes allow. */
export const MAX_TREE_LEVEL = 5
const PAIR_BYTES = 64
const REFERENCE_BYTES = 32
const PAD_MARK = 0x80
/** Of a length in a snapshot. */
const LENGTH_BYTES = 8

/** What names and opens one block of a tree. */
export interface ReferenceKeyPair {
  readonly reference: Uint8Array
  readonly readKey: Uint8Array
}

/** Everything needed to read a tree (ERIS "read capability"). */
export interface ReadCapability extends ReferenceKeyPair {
  readonly blockBytes: number
  readonly level: number
}

export interface EncodedBlock {
  readonly reference: Uint8Array
  readonly block: Uint8Array
  /** The last block of the tree; its pair is in the read capability. */
  readonly isRoot: boolean
}

/** Pairs in a node of `blockBytes`. */
export function arityOf(blockBytes: number): number {
  return blockBytes / PAIR_BYTES
}

/** Index of the leaf that holds the padding of content of `size` bytes: the last one. */
export function lastLeafOf(size: number, blockBytes: number): number {
  return Math.floor(size / blockBytes)
}

/** Level of the tree of content of `size` bytes. */
export function levelOf(size: number, blockBytes: number): number {
  let level = 0
  for (let nodes = lastLeafOf(size, blockBytes) + 1; nodes > 1; level++) {
    nodes = Math.ceil(nodes / arityOf(blockBytes))
  }
  return level
}

/**
 * Content in, blocks out. Feed pieces of any size to `update`, then call `finish` once; iterate what
 * each returns to its end before the next call. Equal pieces give equal blocks, again each time.
 */
export class ErisEncoder {
  readonly #blockBytes: number
  readonly #secret: Uint8Array
  readonly #partial: Uint8Array
  #partialBytes = 0
  readonly #levels: PairBuffer[] = []

  /** `secret`: the convergence secret, 32 bytes. `blockBytes`: 32,768, or 1,024 for test vectors. */
  constructor(secret: Uint8Array, blockBytes: number) {
    this.#secret = secret
    this.#blockBytes = blockBytes
    this.#partial = new Uint8Array(blockBytes)
  }

  /** An encoder that goes on where another one of the same secret was when it made `snapshot`, whole. */
  static resume(secret: Uint8Array, blockBytes: number, snapshot: Uint8Array): ErisEncoder {
    const encoder = new ErisEncoder(secret, blockBytes)
    let at = 0
    const take = (): Uint8Array => {
      const from = at + LENGTH_BYTES
      at = from + (readUint64(snapshot, at) ?? 0)
      return snapshot.subarray(from, at)
    }
    const partial = take()
    encoder.#partial.set(partial)
    encoder.#partialBytes = partial.length
    while (at < snapshot.length) encoder.#levels.push(PairBuffer.of(take(), blockBytes))
    return encoder
  }

  /** All that there is to know between two calls of `update`; its plaintext and keys want sealing. */
  snapshot(): Uint8Array {
    const partial = this.#partial.subarray(0, this.#partialBytes)
    const parts = [partial, ...this.#levels.map((pairs) => pairs.used)]
    return concat(...parts.flatMap((part) => [uint64(part.length), part]))
  }

  *update(piece: Uint8Array): Generator<EncodedBlock, void> {
    let rest = piece
    while (this.#partialBytes + rest.length >= this.#blockBytes) {
      const take = this.#blockBytes - this.#partialBytes
      yield* this.#leaf(this.#fill(rest.subarray(0, take)), false)
      this.#partialBytes = 0
      rest = rest.subarray(take)
    }
    this.#partial.set(rest, this.#partialBytes)
    this.#partialBytes += rest.length
  }

  *finish(): Generator<EncodedBlock, ReadCapability> {
    this.#partial.fill(0, this.#partialBytes)
    this.#partial[this.#partialBytes] = PAD_MARK
    yield* this.#leaf(this.#partial, this.#levels.length === 0)
    for (let level = 0; ; level++) {
      const pairs = this.#levels[level] as PairBuffer
      const isTop = level === this.#levels.length - 1
      if (isTop && pairs.count === 1) {
        return { blockBytes: this.#blockBytes, level, ...pairs.pair(0) }
      }
      yield* this.#node(level, isTop)
    }
  }

  /** The whole leaf without a copy where the piece has it whole. */
  #fill(piece: Uint8Array): Uint8Array {
    if (this.#partialBytes === 0) return piece
    this.#partial.set(piece, this.#partialBytes)
    return this.#partial
  }

  *#leaf(content: Uint8Array, isRoot: boolean): Generator<EncodedBlock, void> {
    yield* this.#encode(content, { level: 0, isRoot })
  }

  /** Turns the pairs of `level` into a node one level up. */
  *#node(level: number, isRoot: boolean): Generator<EncodedBlock, void> {
    const pairs = this.#levels[level] as PairBuffer
    const node = pairs.take()
    yield* this.#encode(node, { level: level + 1, isRoot })
  }

  *#encode(
    content: Uint8Array,
    { level, isRoot }: { level: number; isRoot: boolean },
  ): Generator<EncodedBlock, void> {
    // a full node goes up only when one more pair comes, so that the root is known to be the root
    if (this.#levels[level]?.isFull === true) yield* this.#node(level, false)
    const readKey = level === 0 ? blake2b256(content, this.#secret) : blake2b256(content)
    const block = chacha20(content, nonceOf(level), readKey)
    const reference = blake2b256(block)
    this.#levels[level] ??= new PairBuffer(this.#blockBytes)
    this.#levels[level].push(reference, readKey)
    yield { reference, block, isRoot }
  }
}

/** Pairs of one level that wait for their node. */
class PairBuffer {
  readonly #bytes: Uint8Array
  count = 0

  constructor(blockBytes: number) {
    this.#bytes = new Uint8Array(blockBytes)
  }

  /** One that holds `used` already. */
  static of(used: Uint8Array, blockBytes: number): PairBuffer {
    const pairs = new PairBuffer(blockBytes)
    pairs.#bytes.set(used)
    pairs.count = used.length / PAIR_BYTES
    return pairs
  }

  get used(): Uint8Array {
    return this.#bytes.subarray(0, this.count * PAIR_BYTES)
  }

  get isFull(): boolean {
    return this.count * PAIR_BYTES === this.#bytes.length
  }

  push(reference: Uint8Array, readKey: Uint8Array): void {
    this.#bytes.set(reference, this.count * PAIR_BYTES)
    this.#bytes.set(readKey, this.count * PAIR_BYTES + REFERENCE_BYTES)
    this.count++
  }

  pair(index: number): ReferenceKeyPair {
    return pairAt(this.#bytes.slice(), index)
  }

  /** The node's bytes; the buffer is empty then. */
  take(): Uint8Array {
    const node = this.#bytes.slice()
    this.#bytes.fill(0)
    this.count = 0
    return node
  }
}

/** What a walk asks its driver for, or gives it. */
export type WalkStep =
  /** Answer `next(block)` with the verified block of `pair.reference`. */
  | { readonly type: 'need'; readonly pair: ReferenceKeyPair }
  /** A leaf in reach: fetch it when convenient; `openLeaf` opens it. Answer with `next()`. */
  | { readonly type: 'leaf'; readonly pair: ReferenceKeyPair; readonly index: number }

export type Walk<T> = Generator<WalkStep, T, Uint8Array | undefined>

/**
 * Leaves `first` to `last` in order, asking only for the nodes above them.
 * @throws ShoalError E_DECODE where the tree is not what its capability says.
 */
export function* walkLeaves(capability: ReadCapability, first: number, last: number): Walk<void> {
  yield* descend({ ...capability, base: 0, isLast: true }, { first, last })
}

interface Subtree extends ReadCapability {
  /** Index of its first leaf. */
  readonly base: number
  /** It ends the content: the only one of its level that may be less than full. */
  readonly isLast: boolean
}

function* descend(tree: Subtree, range: { first: number; last: number }): Walk<void> {
  if (tree.level === 0) {
    yield { type: 'leaf', pair: tree, index: tree.base }
    return
  }
  const pairs = yield* readNode(tree)
  if (!tree.isLast && pairs.length < arityOf(tree.blockBytes)) {
    throw undecodable('a node inside the tree is not full')
  }
  const span = arityOf(tree.blockBytes) ** (tree.level - 1)
  const firstChild = Math.max(0, Math.floor((range.first - tree.base) / span))
  const lastChild = Math.min(
    arityOf(tree.blockBytes) - 1,
    Math.floor((range.last - tree.base) / span),
  )
  for (let child = firstChild; child <= lastChild; child++) {
    const pair = pairs[child]
    if (pair === undefined) throw undecodable('the tree is shorter than its size')
    const { blockBytes } = tree
    const isLast = tree.isLast && child === pairs.length - 1
    const base = tree.base + child * span
    yield* descend({ ...pair, blockBytes, level: tree.level - 1, base, isLast }, range)
  }
}

/**
 * Size in bytes of content whose size nobody wrote down: down the right edge to the padding.
 * @throws ShoalError E_DECODE
 */
export function* walkToSize(capability: ReadCapability): Walk<number> {
  let tree: ReadCapability = capability
  let lastLeaf = 0
  while (tree.level > 0) {
    const pairs = yield* readNode(tree)
    const span = arityOf(tree.blockBytes) ** (tree.level - 1)
    lastLeaf += (pairs.length - 1) * span
    tree = {
      ...(pairs.at(-1) as ReferenceKeyPair),
      blockBytes: tree.blockBytes,
      level: tree.level - 1,
    }
  }
  const size = lastLeaf * tree.blockBytes + unpaddedLength(openLeaf(yield* need(tree), tree))
  if (!Number.isSafeInteger(size)) throw undecodable('the tree is larger than any content')
  // every node but the last of a level is full, exactly when size and level agree at each node
  if (levelOf(size, capability.blockBytes) !== capability.level) {
    throw undecodable('the tree is deeper than its content')
  }
  return size
}

/** Plaintext of a leaf, padding included; in `out`, as long as the block, where that is given. */
export function openLeaf(block: Uint8Array, pair: ReferenceKeyPair, out?: Uint8Array): Uint8Array {
  return chacha20(block, nonceOf(0), pair.readKey, out)
}

/** Length of a last leaf without its padding. @throws ShoalError E_DECODE where there is none. */
export function unpaddedLength(leaf: Uint8Array): number {
  let at = leaf.length - 1
  while (at >= 0 && leaf[at] === 0) at--
  if (leaf[at] !== PAD_MARK) throw undecodable('the padding is wrong')
  return at
}

function* readNode(tree: ReadCapability): Walk<ReferenceKeyPair[]> {
  const node = chacha20(yield* need(tree), nonceOf(tree.level), tree.readKey)
  if (!equals(blake2b256(node), tree.readKey)) throw undecodable('a node does not fit its key')
  const count = usedPairs(node)
  return Array.from({ length: count }, (_, index) => pairAt(node, index))
}

function* need(pair: ReferenceKeyPair): Walk<Uint8Array> {
  const block = yield { type: 'need', pair }
  if (block === undefined) throw new RangeError('a walk was driven on without the block it needs')
  return block
}

/** Number of pairs before the filling zeros. */
function usedPairs(node: Uint8Array): number {
  let end = node.length
  while (end > 0 && node[end - 1] === 0) end--
  const count = Math.ceil(end / PAIR_BYTES)
  if (count === 0) throw undecodable('a node is empty')
  for (let index = 0; index < count; index++) {
    const pair = node.subarray(index * PAIR_BYTES, (index + 1) * PAIR_BYTES)
    if (pair.every((byte) => byte === 0)) throw undecodable('a node has a gap')
  }
  return count
}

function pairAt(node: Uint8Array, index: number): ReferenceKeyPair {
  const at = index * PAIR_BYTES
  return {
    reference: node.subarray(at, at + REFERENCE_BYTES),
    readKey: node.subarray(at + REFERENCE_BYTES, at + PAIR_BYTES),
  }
}

function nonceOf(level: number): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce[0] = level
  return nonce
}

function undecodable(why: string): ShoalError {
  return new ShoalError('E_DECODE', `The content is not what its key says: ${why}.`)
}
