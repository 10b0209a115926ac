/**
 * Drives the ERIS codec of src/keys with all blocks in a map, as nothing in a node does.
 * @module
 */
import {
  ErisEncoder,
  lastLeafOf,
  openLeaf,
  unpaddedLength,
  walkLeaves,
  walkToSize,
} from '../../src/keys/eris.ts'
import type { EncodedBlock, ReadCapability, Walk } from '../../src/keys/eris.ts'
import { blake2b256 } from '../../src/keys/primitives.ts'
import { hex, join } from '../reference/text.ts'

/** A tree: blocks by the hexadecimal form of their references. */
export interface Tree {
  readonly capability: ReadCapability
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

export interface Encoded extends Tree {
  /** References of the blocks that were called the root. */
  readonly roots: readonly string[]
}

/** Thrown by a drive that needs a block it has not, or whose bytes are not what it is called. */
export class BadBlock extends Error {}

/** Feeds the content in pieces of the given lengths, over and over. */
export function encodeInPieces(
  content: Uint8Array,
  under: { secret: Uint8Array; blockBytes: number },
  lengths: readonly number[],
): Encoded {
  const encoder = new ErisEncoder(under.secret, under.blockBytes)
  const blocks = new Map<string, Uint8Array>()
  const roots: string[] = []
  const keep = ({ reference, block, isRoot }: EncodedBlock): void => {
    blocks.set(hex(reference), block)
    if (isRoot) roots.push(hex(reference))
  }
  for (let at = 0, turn = 0; at < content.length; turn++) {
    const length = lengths[turn % lengths.length] as number
    // a copy that is spoiled afterwards: the encoder must not go on looking at it
    const piece = content.slice(at, at + length)
    for (const block of encoder.update(piece)) keep(block)
    piece.fill(0xee)
    at += length
  }
  const last = encoder.finish()
  for (let step = last.next(); ; step = last.next()) {
    if (step.done === true) return { capability: step.value, blocks, roots }
    keep(step.value)
  }
}

/** The whole content: its size from the tree, then every leaf. */
export function decodeWhole(tree: Tree): Uint8Array {
  const size = drive(walkToSize(tree.capability), tree)
  const last = lastLeafOf(size, tree.capability.blockBytes)
  const leaves = readLeaves(tree, { first: 0, last })
  const end = unpaddedLength(leaves.get(last) as Uint8Array)
  if (last * tree.capability.blockBytes + end !== size) throw new Error('two sizes')
  return join(...leaves.values()).slice(0, size)
}

/** Plaintexts of the leaves of a range, by index, in the order that the walk gives them. */
export function readLeaves(
  tree: Tree,
  range: { first: number; last: number },
): Map<number, Uint8Array> {
  const leaves = new Map<number, Uint8Array>()
  drive(walkLeaves(tree.capability, range.first, range.last), tree, leaves)
  return leaves
}

/** Answers a walk from the map until it ends. */
export function drive<T>(walk: Walk<T>, tree: Tree, leaves = new Map<number, Uint8Array>()): T {
  for (let step = walk.next(); ;) {
    if (step.done === true) return step.value
    const { value } = step
    const block = blockOf(value.pair.reference, tree)
    if (value.type === 'leaf') leaves.set(value.index, openLeaf(block, value.pair))
    step = walk.next(value.type === 'need' ? block : undefined)
  }
}

function blockOf(reference: Uint8Array, { blocks }: Tree): Uint8Array {
  const block = blocks.get(hex(reference))
  if (block === undefined) throw new BadBlock('a block is missing')
  if (hex(blake2b256(block)) !== hex(reference)) throw new BadBlock('a block is not its reference')
  return block
}
