import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BlockSource } from '../../src/content/blocks.ts'
import { readSpan } from '../../src/content/fetch.ts'
import { joinAdjacent } from '../../src/content/leaf-groups.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { WindowShares } from '../../src/content/window.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import type { Block } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { ErisEncoder } from '../../src/keys/eris.ts'
import { randomContent } from '../helpers/cluster.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng } from '../helpers/rng.ts'

const SEED = 20_261_123
const SIZE = 60 * BLOCK_BYTES + 1234

test(`read span: blocks that may be written over and others mixed give any part, and the others stay (seed ${SEED})`, async () => {
  const content = randomContent(SIZE, SEED)
  const { manifest, blocks } = encoded(content)
  const before = new Map([...blocks].map(([name, block]) => [name, new Uint8Array(block)]))
  const rng = createSeededRng(SEED)
  for (let round = 0; round < 20; round++) {
    const first = rng.below(SIZE)
    const last = first + rng.below(SIZE - first)
    const pieces: Uint8Array[] = []
    const source = mixedSource(blocks, () => rng.below(4) > 0)
    for await (const piece of readSpan(manifest, { first, last }, contextOf(source)))
      pieces.push(piece)
    assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), content.slice(first, last + 1))
  }
  assert.deepEqual(blocks, before)
})

test('read span: blocks that lie side by side come as one piece', async () => {
  const content = randomContent(SIZE, SEED)
  const { manifest, blocks } = encoded(content)
  let pieces = 0
  const context = contextOf(mixedSource(blocks, () => true))
  for await (const piece of readSpan(manifest, { first: 0, last: SIZE - 1 }, context)) {
    assert.ok(piece.length <= 8 * BLOCK_BYTES)
    pieces++
  }
  assert.ok(pieces < 30, `${pieces} pieces of 61 blocks`)
})

test('joining: only what follows in the same memory becomes one', () => {
  const memory = Uint8Array.from({ length: 12 }, (_, i) => i)
  const parts = [
    memory.subarray(0, 2),
    memory.subarray(2, 5),
    memory.subarray(6, 7),
    Uint8Array.of(9, 9),
    memory.subarray(7, 8),
    memory.subarray(8, 12),
    memory.subarray(0, 1),
  ]
  const joined = joinAdjacent(parts).map((part) => [...part])
  assert.deepEqual(joined, [[0, 1, 2, 3, 4], [6], [9, 9], [7, 8, 9, 10, 11], [0]])
  assert.deepEqual(joinAdjacent([]), [])
})

function encoded(content: Uint8Array): { manifest: Manifest; blocks: Map<string, Uint8Array> } {
  const blocks = new Map<string, Uint8Array>()
  const encoder = new ErisEncoder(new Uint8Array(32), BLOCK_BYTES)
  for (const { reference, block } of encoder.update(content)) blocks.set(mapKey(reference), block)
  const finishing = encoder.finish()
  let step = finishing.next()
  for (; step.done !== true; step = finishing.next())
    blocks.set(mapKey(step.value.reference), step.value.block)
  const body = { type: 'tree', root: step.value } as const
  return { manifest: { size: content.length, contentType: undefined, body }, blocks }
}

/** Fresh blocks are copies, four of them side by side in memory; the others are those of `blocks` themselves. */
function mixedSource(blocks: ReadonlyMap<string, Uint8Array>, isFresh: () => boolean): BlockSource {
  let memory = new Uint8Array(0)
  let used = 0
  const getBlock: BlockSource['getBlock'] = (address) => {
    const block = blocks.get(mapKey(address)) as Block
    if (!isFresh()) return Promise.resolve({ type: 'found', block })
    if (used === memory.length) {
      memory = new Uint8Array(4 * BLOCK_BYTES)
      used = 0
    }
    const copy = memory.subarray(used, (used += BLOCK_BYTES))
    copy.set(block)
    return Promise.resolve({ type: 'found', block: copy as Uint8Array as Block, isFresh: true })
  }
  return { getBlock, getNewest: () => Promise.resolve({ type: 'not-found' }) }
}

function contextOf(source: BlockSource) {
  const { signal } = new AbortController()
  return { source, clock: createSimulatedClock(), signal, shares: new WindowShares() }
}
