/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { encodeDirectory } from '../../src/content/directory.ts'
import type { Directory, DirectoryChild, DirectoryEntry } from '../../src/content/directory.ts'
import { readSpan } from '../../src/content/fetch.ts'
import { encodeManifest } from '../../src/content/manifest.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { findPath } from '../../src/content/site.ts'
import { BLOCK_BYTES, toBlock } from '../../src/keys/block.ts'
import { mapKey, utf8 } from '../../src/keys/bytes.ts'
import { chacha20 } from '../../src/keys/primitives.ts'
import type { Path } from '../../src/keys/uri.ts'
import { bytesOf, createBlockMap, listOf, putTree } from '../helpers/block-map.ts'
import type { BlockMap } from '../helpers/block-map.ts'
import { createSeededRng } from '../helpers/rng.ts'

const KIB = 1024

function content(size: number, number: number): Uint8Array {
  const rng = createSeededRng(number)
  return Uint8Array.from({ length: size }, () => rng.below(256))
}

describe('what a folder says that is not so', () => {
  /** A folder whose topmost manifest holds `directory`, over `map`. */
  const manifestOf = (directory: Directory, size: number): Manifest => ({
    size,
    contentType: undefined,
    body: { type: 'directory', node: encodeDirectory(directory) },
  })
  const inline = (name: string, bytes = 'x'): DirectoryEntry => ({
    type: 'inline',
    name,
    contentType: undefined,
    bytes: utf8(bytes),
  })
  const leaf = (...names: string[]): Directory => ({
    level: 0,
    entries: names.map((name) => inline(name)),
  })
  const child = (
    map: BlockMap,
    firstName: string,
    below: Directory,
    size: number,
  ): DirectoryChild => ({
    firstName,
    ...putTree(map, encodeManifest(manifestOf(below, size))),
  })
  const branch = (...children: DirectoryChild[]): Directory => ({ level: 1, children })

  /** A block that opens to `manifest` under the made-up address and key `lie`. */
  const putLie = (map: BlockMap, lie: Uint8Array, manifest: Manifest): void => {
    const leafBytes = new Uint8Array(BLOCK_BYTES)
    const bytes = encodeManifest(manifest)
    leafBytes.set(bytes)
    leafBytes[bytes.length] = 0x80
    map.blocks.set(mapKey(lie), toBlock(chacha20(leafBytes, new Uint8Array(12), lie)))
  }

  const lies: Record<string, (map: BlockMap) => [Directory, number, Path]> = {
    'a node that begins before the name that led to it': (map) => [
      branch(child(map, 'b', leaf('a', 'b'), 2), child(map, 'm', leaf('m'), 1)),
      3,
      ['b'],
    ],
    'a node that begins after the name that led to it': (map) => [
      branch(child(map, 'a', leaf('b'), 1), child(map, 'm', leaf('m'), 1)),
      2,
      ['b'],
    ],
    'a node with a name of the next one': (map) => [
      branch(child(map, 'a', leaf('a', 'n'), 2), child(map, 'm', leaf('m'), 1)),
      3,
      ['a'],
    ],
    'a node two levels down with a name of its uncle': (map) => {
      const nephew = branch(child(map, 'a', leaf('a'), 1), child(map, 'c', leaf('c', 'n'), 2))
      const uncle = branch(child(map, 'm', leaf('m'), 1))
      const top = [child(map, 'a', nephew, 3), child(map, 'm', uncle, 1)]
      return [{ level: 2, children: top }, 4, ['c']]
    },
    'a node of the wrong level': (map) => [
      { level: 2, children: [child(map, 'a', leaf('a'), 1)] },
      1,
      ['a'],
    ],
    'a node larger than its folder': (map) => [
      branch(child(map, 'a', leaf('a', 'b'), 2)),
      1,
      ['a'],
    ],
    'an empty node': (map) => [branch(child(map, 'a', leaf(), 0)), 0, ['a']],
    'a node that is a file': (map) => {
      const body = { type: 'inline', bytes: utf8('x') } as const
      const file = putTree(map, encodeManifest({ size: 1, contentType: undefined, body }))
      return [branch({ firstName: 'a', ...file }), 1, ['a']]
    },
    'a node that is no manifest': (map) => [
      branch({ firstName: 'a', ...putTree(map, content(400, 1)) }),
      1,
      ['a'],
    ],
    'a folder of another size than its entry says': (map) => {
      const pair = putTree(map, encodeManifest(manifestOf(leaf('a'), 1)))
      return [
        { level: 0, entries: [{ type: 'folder', name: 'f', size: 2, ...pair }] },
        2,
        ['f', 'a'],
      ]
    },
    'a folder that is a file': (map) => {
      const body = { type: 'inline', bytes: utf8('x') } as const
      const pair = putTree(map, encodeManifest({ size: 1, contentType: undefined, body }))
      return [
        { level: 0, entries: [{ type: 'folder', name: 'f', size: 1, ...pair }] },
        1,
        ['f', 'a'],
      ]
    },
  }
  for (const [what, make] of Object.entries(lies)) {
    test(`E_DECODE: ${what}`, async () => {
      const map = createBlockMap()
      const [directory, size, path] = make(map)
      const opened = manifestOf(directory, size)
      await assert.rejects(findPath(opened, path, map.fetchContext), { code: 'E_DECODE' })
    })
  }

  test('E_DECODE: a listing whose nodes are not as large as the folder', async () => {
    const map = createBlockMap()
    const opened = manifestOf(branch(child(map, 'a', leaf('a'), 1)), 5)
    const result = await findPath(opened, [''], map.fetchContext)
    assert.ok(result.type === 'folder')
    await assert.rejects(listOf(result.list()), { code: 'E_DECODE' })
  })

  test('E_DECODE: a packed file whose pack is shorter than it says', async () => {
    const map = createBlockMap()
    const root = { ...putTree(map, content(40 * KIB, 1)), level: 1 }
    const pack = { size: 100 * KIB, root }
    const entry = { type: 'packed', name: 'a', contentType: undefined, size: 9, pack } as const
    const directory: Directory = { level: 0, entries: [{ ...entry, offset: 99 * KIB }] }
    const result = await findPath(manifestOf(directory, 9), ['a'], map.fetchContext)
    assert.ok(result.type === 'file')
    const read = bytesOf(readSpan(result.file, { first: 0, last: 8 }, map.fetchContext))
    await assert.rejects(read, { code: 'E_DECODE' })
  })

  test('a folder in itself, from a source that lies, costs one block for each name and no more', async () => {
    const map = createBlockMap()
    const lie = new Uint8Array(32).fill(1)
    const self = { type: 'folder', name: 'a', size: 0, reference: lie, readKey: lie } as const
    const opened = manifestOf({ level: 0, entries: [self] }, 0)
    putLie(map, lie, opened)
    const path = Array.from({ length: 60 }, () => 'a')
    assert.equal((await findPath(opened, path, map.fetchContext)).type, 'slash-missing')
    assert.equal(map.asked.length, 59)
    const long = Array.from({ length: 10_000 }, () => 'a')
    assert.equal((await findPath(opened, long, map.fetchContext)).type, 'no-such-path')
    assert.equal(map.asked.length, 59)
  })

  test('a node that is its own child, from a source that lies, is of the wrong level', async () => {
    const map = createBlockMap()
    const lie = new Uint8Array(32).fill(2)
    const opened = manifestOf(branch({ firstName: 'a', reference: lie, readKey: lie }), 0)
    putLie(map, lie, opened)
    await assert.rejects(findPath(opened, ['a'], map.fetchContext), { code: 'E_DECODE' })
    assert.equal(map.asked.length, 1)
  })
})
