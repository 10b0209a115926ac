/**
 * ERIS 1.0 as its specification and §3.1 of ours write it: recursive, with the whole content in
 * memory, and every check that a reader must make.
 * @module
 */
import { hash } from './blake2b.ts'
import { chacha20 } from './chacha20.ts'
import { hex, join } from './text.ts'

export interface Pair {
  readonly reference: Uint8Array
  readonly readKey: Uint8Array
}

export interface Capability extends Pair {
  readonly blockBytes: number
  readonly level: number
}

/** Blocks by the hexadecimal form of their references. */
export type Blocks = Map<string, Uint8Array>

/** §3.1 steps 1 to 4. */
export function encodeContent(content: Uint8Array, secret: Uint8Array, blockBytes: number) {
  const blocks: Blocks = new Map()
  let pairs = splitIntoPieces(pad(content, blockBytes), blockBytes).map((piece) =>
    encryptLeaf(piece, secret, blocks),
  )
  let level = 0
  while (pairs.length > 1) {
    level += 1
    pairs = joinPairs(pairs, blockBytes).map((node) => encryptNode(node, level, blocks))
  }
  const capability: Capability = { ...(pairs[0] as Pair), blockBytes, level }
  return { capability, blocks }
}

/** The whole content. @throws Error where a MUST of §3.1 is hurt or a block is absent. */
export function decodeContent(capability: Capability, blocks: Blocks): Uint8Array {
  const leaves = collectLeaves(capability, blocks, true)
  const content = unpad(join(...leaves))
  const { level } = encodeShape(leaves.length, capability.blockBytes)
  if (level !== capability.level) throw new Error('the tree is deeper than its content')
  if (leaves.length * capability.blockBytes - content.length > capability.blockBytes) {
    throw new Error('the padding is longer than a leaf')
  }
  return content
}

/** Read capability in its binary form: block size code, level, reference, key. */
export function capabilityBytes({ blockBytes, level, reference, readKey }: Capability): Uint8Array {
  return join(Uint8Array.of(Math.log2(blockBytes), level), reference, readKey)
}

export function capabilityOf(bytes: Uint8Array): Capability {
  const [code = 0, level = 0] = bytes
  return {
    blockBytes: 2 ** code,
    level,
    reference: bytes.slice(2, 34),
    readKey: bytes.slice(34, 66),
  }
}

export function encryptLeaf(piece: Uint8Array, secret: Uint8Array, blocks: Blocks): Pair {
  const readKey = hash(piece, secret)
  return keep(chacha20(readKey, nonce(0), piece), readKey, blocks)
}

export function encryptNode(node: Uint8Array, level: number, blocks: Blocks): Pair {
  const readKey = hash(node)
  return keep(chacha20(readKey, nonce(level), node), readKey, blocks)
}

/** Nodes of `arity` pairs each, the last one filled with zeros. */
export function joinPairs(pairs: readonly Pair[], blockBytes: number): Uint8Array[] {
  const arity = blockBytes / 64
  const nodes: Uint8Array[] = []
  for (let first = 0; first < pairs.length; first += arity) {
    const node = new Uint8Array(blockBytes)
    const inside = pairs.slice(first, first + arity)
    node.set(join(...inside.flatMap(({ reference, readKey }) => [reference, readKey])))
    nodes.push(node)
  }
  return nodes
}

/** Level of the tree over so many leaves. */
export function encodeShape(leaves: number, blockBytes: number): { level: number } {
  if (leaves === 1) return { level: 0 }
  return { level: 1 + encodeShape(Math.ceil(leaves / (blockBytes / 64)), blockBytes).level }
}

export function pad(content: Uint8Array, blockBytes: number): Uint8Array {
  const padded = new Uint8Array((Math.floor(content.length / blockBytes) + 1) * blockBytes)
  padded.set(content)
  padded[content.length] = 0x80
  return padded
}

export function splitIntoPieces(padded: Uint8Array, blockBytes: number): Uint8Array[] {
  return Array.from({ length: padded.length / blockBytes }, (_, i) =>
    padded.slice(i * blockBytes, (i + 1) * blockBytes),
  )
}

function unpad(padded: Uint8Array): Uint8Array {
  let end = padded.length - 1
  while (end >= 0 && padded[end] === 0) end -= 1
  if (padded[end] !== 0x80) throw new Error('the padding is wrong')
  return padded.slice(0, end)
}

function collectLeaves(tree: Capability, blocks: Blocks, isLast: boolean): Uint8Array[] {
  const plain = decrypt(tree, blocks)
  if (tree.level === 0) return [plain]
  if (hex(hash(plain)) !== hex(tree.readKey)) throw new Error('a node does not fit its key')
  const pairs = pairsOf(plain, isLast)
  return pairs.flatMap((pair, i) => {
    const child = { ...pair, blockBytes: tree.blockBytes, level: tree.level - 1 }
    return collectLeaves(child, blocks, isLast && i === pairs.length - 1)
  })
}

function decrypt(tree: Capability, blocks: Blocks): Uint8Array {
  const block = blocks.get(hex(tree.reference))
  if (block === undefined) throw new Error('a block is missing')
  if (hex(hash(block)) !== hex(tree.reference)) throw new Error('a block is not its reference')
  return chacha20(tree.readKey, nonce(tree.level), block)
}

function pairsOf(node: Uint8Array, isLast: boolean): Pair[] {
  const isZero = (pair: Uint8Array): boolean => pair.every((byte) => byte === 0)
  const slots = splitIntoPieces(node, 64)
  const end = slots.findIndex(isZero)
  const used = end < 0 ? slots : slots.slice(0, end)
  if (!slots.slice(used.length).every(isZero)) throw new Error('a node has a gap')
  if (used.length === 0) throw new Error('a node is empty')
  if (!isLast && used.length < slots.length) throw new Error('a node inside is not full')
  return used.map((pair) => ({ reference: pair.slice(0, 32), readKey: pair.slice(32) }))
}

function keep(block: Uint8Array, readKey: Uint8Array, blocks: Blocks): Pair {
  const reference = hash(block)
  blocks.set(hex(reference), block)
  return { reference, readKey }
}

function nonce(level: number): Uint8Array {
  return Uint8Array.of(level, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}
