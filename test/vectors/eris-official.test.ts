/**
 * The test vectors of ERIS 1.0 itself (CC0), read from a folder beside the repository: encoding gives
 * exactly their capabilities and blocks, decoding their contents, and what they call wrong is refused.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { base32, fromBase32 } from '../../src/keys/bytes.ts'
import { capabilityBytes, capabilityOf, decodeContent, encodeContent } from '../reference/eris.ts'
import { hex } from '../reference/text.ts'
import { BadBlock, decodeWhole, encodeInPieces } from './tree.ts'
import type { Tree } from './tree.ts'
import { repositoryRoot } from './vector.ts'

interface Official {
  readonly id: number
  readonly type: 'positive' | 'negative'
  readonly name: string
  readonly content?: string
  readonly 'convergence-secret'?: string
  readonly 'block-size'?: number
  readonly urn: string
  readonly blocks: Record<string, string>
}

/** Why each negative vector fails: by a block that is absent or wrong, or by what is in the blocks. */
const REASONS: Record<number, typeof BadBlock | 'E_DECODE'> = {
  13: BadBlock,
  14: BadBlock,
  15: BadBlock,
  16: BadBlock,
  17: 'E_DECODE',
  18: 'E_DECODE',
}

const folder = join(repositoryRoot(), '..', 'shared', 'eris-vectors')
const skip = existsSync(folder)
  ? false
  : 'the folder shared/eris-vectors is not beside this repository'
const vectors = skip === false ? readdirSync(folder).sort().map(read) : []

test('the official vectors of ERIS 1.0 are there in full', { skip }, () => {
  assert.deepEqual(
    vectors.map(({ id }) => id),
    [13, 14, 15, 16, 17, 18, 0, 1, 2, 3, 4, 6, 7, 8],
  )
})

for (const vector of vectors) {
  test(`official ERIS vector ${vector.id}: ${vector.name.trim()}`, () => {
    if (vector.type === 'positive') checkPositive(vector)
    else checkNegative(vector)
  })
}

function checkPositive(vector: Official): void {
  const content = bytes(vector.content ?? '')
  const under = {
    secret: bytes(vector['convergence-secret'] ?? ''),
    blockBytes: vector['block-size'] ?? 0,
  }
  const tree = treeOf(vector)
  const made = encodeInPieces(content, under, [1000, 33_000, 1])
  assert.equal(`urn:eris:${base32(capabilityBytes(made.capability))}`, vector.urn)
  assert.deepEqual([...made.blocks.keys()].sort(), [...tree.blocks.keys()].sort())
  for (const [reference, block] of tree.blocks) {
    assert.equal(hex(made.blocks.get(reference) ?? block.slice(1)), hex(block))
  }
  assert.equal(hex(decodeWhole(tree)), hex(content))

  const { capability, blocks } = encodeContent(content, under.secret, under.blockBytes)
  assert.equal(hex(capabilityBytes(capability)), hex(capabilityBytes(tree.capability)))
  assert.deepEqual([...blocks.keys()].sort(), [...tree.blocks.keys()].sort())
  assert.equal(hex(decodeContent(tree.capability, new Map(tree.blocks))), hex(content))
}

function checkNegative(vector: Official): void {
  const tree = treeOf(vector)
  const reason = REASONS[vector.id]
  assert.ok(reason !== undefined)
  assert.throws(() => decodeWhole(tree), reason === 'E_DECODE' ? { code: reason } : reason)
  assert.throws(() => decodeContent(tree.capability, new Map(tree.blocks)))
}

function treeOf(vector: Official): Tree {
  const blocks = Object.entries(vector.blocks).map(([reference, block]): [string, Uint8Array] => {
    return [hex(bytes(reference)), bytes(block)]
  })
  const capability = capabilityOf(bytes(vector.urn.slice('urn:eris:'.length)))
  return { capability, blocks: new Map(blocks) }
}

function bytes(text: string): Uint8Array {
  const decoded = fromBase32(text)
  assert.ok(decoded !== undefined, 'canonical base32')
  return decoded
}

function read(file: string): Official {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Official
}
