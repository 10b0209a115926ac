/** src/keys/eris.ts: the trees themselves are in test/vectors; here is how the codec behaves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  arityOf,
  ErisEncoder,
  lastLeafOf,
  levelOf,
  MAX_TREE_LEVEL,
  openLeaf,
  unpaddedLength,
  walkLeaves,
  walkToSize,
} from '../../src/keys/eris.ts'
import type { EncodedBlock, ReadCapability } from '../../src/keys/eris.ts'
import {
  capabilityBytes,
  encodeShape,
  encryptLeaf,
  encryptNode,
  joinPairs,
  pad,
} from '../reference/eris.ts'
import type { Blocks, Pair } from '../reference/eris.ts'
import { keyStream } from '../reference/chacha20.ts'
import { hex } from '../reference/text.ts'
import { decodeWhole, drive, encodeInPieces, readLeaves } from '../vectors/tree.ts'
import { seedOf } from '../vectors/vector.ts'

const NULL_SECRET = new Uint8Array(32)
const SMALL = { secret: NULL_SECRET, blockBytes: 1024 }
const LARGE = { secret: NULL_SECRET, blockBytes: 32_768 }

test('shapes: leaves and levels at every edge', () => {
  assert.equal(arityOf(32_768), 512)
  assert.equal(arityOf(1024), 16)
  for (const size of [0, 1, 32_767]) assert.equal(lastLeafOf(size, 32_768), 0)
  assert.equal(lastLeafOf(32_768, 32_768), 1)
  for (const blockBytes of [1024, 32_768]) {
    for (const leaves of [1, 2, 16, 17, 256, 257, 512, 513, 4096, 4097, 262_144, 262_145]) {
      const { level } = encodeShape(leaves, blockBytes)
      assert.equal(levelOf((leaves - 1) * blockBytes, blockBytes), level, `${leaves} leaves`)
      assert.equal(levelOf(leaves * blockBytes - 1, blockBytes), level, `${leaves} leaves`)
    }
  }
  assert.equal(levelOf(Number.MAX_SAFE_INTEGER, 32_768), MAX_TREE_LEVEL)
})

test('513 leaves of 32 KiB: a full node of 512 pairs and one more', () => {
  const blocks: Blocks = new Map()
  const leaf = encryptLeaf(new Uint8Array(32_768), NULL_SECRET, blocks)
  const last = encryptLeaf(pad(new Uint8Array(0), 32_768), NULL_SECRET, blocks)
  const full = joinPairs(
    Array.from({ length: 512 }, () => leaf),
    32_768,
  )
  const level1 = [...full, ...joinPairs([last], 32_768)].map((node) => encryptNode(node, 1, blocks))
  const [root] = joinPairs(level1, 32_768).map((node) => encryptNode(node, 2, blocks))

  const made = encodeInPieces(new Uint8Array(512 * 32_768), LARGE, [5_000_001])
  const expected = { ...(root as Pair), blockBytes: 32_768, level: 2 }
  assert.equal(hex(capabilityBytes(made.capability)), hex(capabilityBytes(expected)))
  assert.deepEqual([...made.blocks.keys()].sort(), [...blocks.keys()].sort())
  assert.equal(drive(walkToSize(made.capability), made), 512 * 32_768)
  const tail = readLeaves(made, { first: 511, last: 512 })
  assert.deepEqual([...tail.keys()], [511, 512])
})

test('512 leaves of 32 KiB: the full node is the root', () => {
  const made = encodeInPieces(new Uint8Array(512 * 32_768 - 1), LARGE, [3_000_000])
  assert.equal(made.capability.level, 1)
  assert.equal(made.blocks.size, 3)
  assert.equal(made.roots.length, 1)
})

test('blocks come as soon as they are full, children before parents, and the root last', () => {
  const encoder = new ErisEncoder(NULL_SECRET, 1024)
  const blocks: EncodedBlock[] = []
  for (let i = 0; i < 40; i++) {
    const made = [...encoder.update(keyStream(seedOf(`piece ${i}`), 1024))]
    assert.ok(made.length >= 1 && made.length <= 2, 'one leaf, and at times one node')
    blocks.push(...made)
  }
  blocks.push(...encoder.finish())
  assert.deepEqual(
    blocks.flatMap(({ isRoot }, i) => (isRoot ? [i] : [])),
    [blocks.length - 1],
  )
  assert.equal(blocks.length, 41 + 3 + 1)
})

test('an encoder makes the next block only when asked', () => {
  const encoder = new ErisEncoder(NULL_SECRET, 1024)
  const blocks = encoder.update(new Uint8Array(1024 * 65_536))
  assert.equal(blocks.next().done, false)
})

test('updates of nothing change nothing', () => {
  const content = keyStream(seedOf('content'), 3000)
  const made = encodeInPieces(content, SMALL, [3000])
  const encoder = new ErisEncoder(NULL_SECRET, 1024)
  const references: string[] = []
  for (const piece of [new Uint8Array(0), content, new Uint8Array(0)]) {
    for (const { reference } of encoder.update(piece)) references.push(hex(reference))
  }
  for (const { reference } of encoder.finish()) references.push(hex(reference))
  assert.deepEqual(references.sort(), [...made.blocks.keys()].sort())
})

test('what the encoder gave stays as it is while it goes on', () => {
  const encoder = new ErisEncoder(NULL_SECRET, 1024)
  const made: EncodedBlock[] = []
  const copies: string[] = []
  const keep = (block: EncodedBlock): void => {
    made.push(block)
    copies.push(hex(block.block) + hex(block.reference))
  }
  for (let i = 0; i < 50; i++) {
    for (const block of encoder.update(keyStream(seedOf(`${i}`), 700))) keep(block)
  }
  for (const block of encoder.finish()) keep(block)
  assert.deepEqual(
    made.map(({ block, reference }) => hex(block) + hex(reference)),
    copies,
  )
})

test('a walk over a few leaves asks only for the nodes above them', () => {
  const tree = encodeInPieces(keyStream(seedOf('content'), 300 * 1024), SMALL, [4096])
  const needs = (first: number, last: number): number => {
    let count = 0
    const walk = walkLeaves(tree.capability, first, last)
    for (let step = walk.next(); step.done !== true;) {
      const { type, pair } = step.value
      if (type === 'need') count++
      step = walk.next(type === 'need' ? tree.blocks.get(hex(pair.reference)) : undefined)
    }
    return count
  }
  assert.equal(tree.capability.level, 3)
  assert.equal(needs(0, 0), 3)
  assert.equal(needs(255, 256), 5)
  assert.equal(needs(300, 300), 3)
  assert.equal(needs(16, 47), 4)
})

test('a walk gives leaves that are far apart in one stream, in order, without their bytes', () => {
  const tree = encodeInPieces(keyStream(seedOf('content'), 40 * 1024), SMALL, [4096])
  const leaves = readLeaves(tree, { first: 3, last: 39 })
  assert.deepEqual(
    [...leaves.keys()],
    Array.from({ length: 37 }, (_, i) => i + 3),
  )
})

test('a range beyond the tree is undecodable, not endless', () => {
  for (const [size, first] of [
    [40 * 1024, 41],
    [40 * 1024, 48],
    [40 * 1024, 255],
    [2048, 3],
  ] as const) {
    const tree = encodeInPieces(keyStream(seedOf('content'), size), SMALL, [4096])
    assert.throws(() => readLeaves(tree, { first, last: first }), { code: 'E_DECODE' })
  }
})

test('a walk that is driven on without the block it needs says so', () => {
  const capability: ReadCapability = {
    blockBytes: 1024,
    level: 1,
    reference: new Uint8Array(32),
    readKey: new Uint8Array(32),
  }
  for (const walk of [walkLeaves(capability, 0, 0), walkToSize(capability)]) {
    walk.next()
    assert.throws(() => walk.next(), RangeError)
  }
})

test('padding: the mark, then zeros, and nothing else', () => {
  const leaf = (...bytes: number[]): Uint8Array =>
    Uint8Array.from({ length: 1024 }, (_, i) => bytes[i] ?? 0)
  assert.equal(unpaddedLength(leaf(0x80)), 0)
  assert.equal(unpaddedLength(leaf(1, 2, 0x80)), 2)
  assert.equal(unpaddedLength(leaf(0x80, 0x80)), 1)
  assert.equal(unpaddedLength(new Uint8Array(1024).fill(0x80)), 1023)
  for (const wrong of [leaf(), leaf(0x81), leaf(0x80, 1), leaf(0x40), new Uint8Array(0)]) {
    assert.throws(() => unpaddedLength(wrong), { code: 'E_DECODE' })
  }
})

test('openLeaf leaves the block as it is: it may be in a cache', () => {
  const tree = encodeInPieces(keyStream(seedOf('content'), 100), SMALL, [100])
  const block = tree.blocks.get(hex(tree.capability.reference)) as Uint8Array
  const before = hex(block)
  openLeaf(block, tree.capability)
  assert.equal(hex(block), before)
})

test('another secret gives other leaves, and the capability alone opens both', () => {
  const content = keyStream(seedOf('content'), 5000)
  const one = encodeInPieces(content, SMALL, [5000])
  const other = encodeInPieces(content, { ...SMALL, secret: new Uint8Array(32).fill(1) }, [5000])
  assert.ok([...one.blocks.keys()].every((reference) => !other.blocks.has(reference)))
  assert.equal(hex(decodeWhole(one)), hex(content))
  assert.equal(hex(decodeWhole(other)), hex(content))
})
