/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { BlockResult } from '../../src/content/blocks.ts'
import { readSpan } from '../../src/content/fetch.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { findPath, identityOf } from '../../src/content/site.ts'
import type { PathResult } from '../../src/content/site.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { utf8 } from '../../src/keys/bytes.ts'
import type { Path } from '../../src/keys/uri.ts'
import { bytesOf, createBlockMap, listOf } from '../helpers/block-map.ts'
import { folderItems } from '../helpers/folder.ts'
import type { Files } from '../helpers/folder.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const KIB = 1024
const seed = seedFromEnvironment()

function content(size: number, number: number): Uint8Array {
  const rng = createSeededRng(number)
  return Uint8Array.from({ length: size }, () => rng.below(256))
}

const files: Files = {
  'index.html': '<h1>shoal</h1>',
  'about.html': '<p>',
  'img/fish.png': content(40, 1),
  'img/index.html/odd.txt': 'a folder of that name',
  'docs/index.html': '<p>docs',
  'docs/deep/er/page.txt': 'deep',
  'empty.txt': '',
  'nothing/': '',
  'ünïcode/🐟.txt': 'fish',
}

async function found(path: Path, given = files): Promise<PathResult> {
  const map = createBlockMap()
  const { opened } = await map.add(folderItems(given))
  return await findPath(opened, path, map.fetchContext)
}

describe('a path in a folder', () => {
  const paths: [string, Path, string][] = [
    ['a file', ['about.html'], 'file about.html'],
    ['a file in a folder', ['img', 'fish.png'], 'file fish.png'],
    ['a file three folders down', ['docs', 'deep', 'er', 'page.txt'], 'file page.txt'],
    ['an empty file', ['empty.txt'], 'file empty.txt'],
    ['a name outside ASCII', ['ünïcode', '🐟.txt'], 'file 🐟.txt'],
    ['the folder itself', [''], 'file index.html'],
    ['a folder with a default document', ['docs', ''], 'file index.html'],
    ['a folder whose index.html is a folder', ['img', ''], 'folder'],
    ['an empty folder', ['nothing', ''], 'folder'],
    ['nothing at all', [], 'slash-missing'],
    ['a folder without its slash', ['docs', 'deep'], 'slash-missing'],
    ['a name that is not there', ['absent'], 'no-such-path'],
    ['a folder that is not there', ['absent', ''], 'no-such-path'],
    ['a path below a file', ['about.html', 'x'], 'no-such-path'],
    ['a slash after a file', ['about.html', ''], 'no-such-path'],
    ['a path of 1,000 names', Array.from({ length: 1000 }, () => 'docs'), 'no-such-path'],
  ]
  for (const [what, path, expected] of paths) {
    test(`${what}: ${expected}`, async () => {
      const result = await found(path)
      const name = result.type === 'file' ? ` ${result.name}` : ''
      assert.equal(`${result.type}${name}`, expected)
    })
  }

  test('a document that is a file has no path', async () => {
    const map = createBlockMap()
    const body = { type: 'inline', bytes: utf8('text') } as const
    const file: Manifest = { size: 4, contentType: 'text/plain', body }
    assert.deepEqual(await findPath(file, [], map.fetchContext), {
      type: 'file',
      file,
      name: undefined,
    })
    for (const path of [[''], ['a'], ['a', '']]) {
      assert.equal((await findPath(file, path, map.fetchContext)).type, 'no-such-path')
    }
  })

  test('a listing has the names in order, with kinds and sizes', async () => {
    const { 'index.html': _, ...rest } = files
    const result = await found([''], rest)
    assert.ok(result.type === 'folder')
    assert.deepEqual(await listOf(result.list()), [
      { name: 'about.html', type: 'file', size: 3 },
      { name: 'docs', type: 'folder', size: 11 },
      { name: 'empty.txt', type: 'file', size: 0 },
      { name: 'img', type: 'folder', size: 61 },
      { name: 'nothing', type: 'folder', size: 0 },
      { name: 'ünïcode', type: 'folder', size: 4 },
    ])
  })

  test('identities differ with the bytes and where they are, and are the same again', async () => {
    const map = createBlockMap()
    const site = { a: content(20 * KIB, 1), b: content(20 * KIB, 2), c: content(200 * KIB, 3) }
    const { opened } = await map.add(folderItems({ ...site, d: '', 'e/f': 'x' }))
    const identities: string[] = []
    for (const path of [['a'], ['b'], ['c'], ['d'], [''], ['e', '']]) {
      const result = await findPath(opened, path, map.fetchContext)
      assert.ok(result.type === 'file' || result.type === 'folder')
      identities.push(result.type === 'file' ? identityOf(result.file) : result.identity)
      const again = await findPath(opened, path, map.fetchContext)
      assert.ok(again.type === 'file' || again.type === 'folder')
      assert.equal(
        again.type === 'file' ? identityOf(again.file) : again.identity,
        identities.at(-1),
      )
    }
    assert.equal(new Set(identities).size, 6)
    for (const identity of identities) assert.match(identity, /^[\w-]{22}$/)
  })
})

describe('reading', () => {
  test('the page of a site of 10 files and 100 KiB is two round trips after the manifest', async () => {
    const map = createBlockMap()
    const pictures = Array.from({ length: 9 }, (_, i) => [`p/${i}.jpg`, content(10 * KIB, i)])
    const page = content(10 * KIB, 99)
    const site = { ...(Object.fromEntries(pictures) as Files), 'index.html': page }
    const { opened } = await map.add(folderItems(site))
    // every getBlock of one turn is one round trip
    let trips = 0
    let isOpen = false
    const getBlock = async (
      ...[address, options]: Parameters<typeof map.source.getBlock>
    ): Promise<BlockResult> => {
      if (!isOpen) trips++
      isOpen = true
      await new Promise((resolve) => setImmediate(resolve))
      isOpen = false
      return await map.source.getBlock(address, options)
    }
    const context = { ...map.fetchContext, source: { ...map.source, getBlock } }
    const result = await findPath(opened, [''], context)
    assert.ok(result.type === 'file')
    const span = { first: 0, last: page.length - 1 }
    assert.deepEqual(await bytesOf(readSpan(result.file, span, context)), page)
    assert.ok(trips <= 2, `${trips} round trips`)
  })

  test('a range of a packed file asks for the leaves that it covers, and for no others', async () => {
    const map = createBlockMap()
    const site = Object.fromEntries(
      Array.from({ length: 6 }, (_, i) => [`file-${i}`, content(60 * KIB + i, i)] as const),
    )
    const { opened } = await map.add(folderItems(site))
    const rng = createSeededRng(seed)
    for (let run = 0; run < 60; run++) {
      const name = `file-${rng.below(6)}`
      const bytes = site[name] as Uint8Array
      const result = await findPath(opened, [name], map.fetchContext)
      assert.ok(result.type === 'file' && result.file.body.type === 'slice')
      const { offset } = result.file.body
      const edges = [0, bytes.length - 1, BLOCK_BYTES - (offset % BLOCK_BYTES)]
      const first = run < 3 ? (edges[run] as number) : rng.below(bytes.length)
      const last = first + rng.below(bytes.length - first)
      map.asked.length = 0
      const read = await bytesOf(readSpan(result.file, { first, last }, map.fetchContext))
      assert.deepEqual(read, bytes.subarray(first, last + 1), `${first}-${last} with SEED=${seed}`)
      const leafOf = (at: number): number => Math.floor((offset + at) / BLOCK_BYTES)
      assert.equal(map.asked.length, leafOf(last) - leafOf(first) + 2, 'the leaves and the root')
    }
  })
})
