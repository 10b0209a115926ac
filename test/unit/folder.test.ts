/** @module */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { decodeDirectory, hasEntries } from '../../src/content/directory.ts'
import type { DirectoryEntry } from '../../src/content/directory.ts'
import { MAX_INLINE_MANIFEST_BYTES } from '../../src/content/document.ts'
import { openContent, readSpan } from '../../src/content/fetch.ts'
import { isCut } from '../../src/content/folder-cuts.ts'
import type { FolderItem } from '../../src/content/folder-item.ts'
import { insertFolder } from '../../src/content/folder-writer.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { findPath } from '../../src/content/site.ts'
import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { mapKey, utf8 } from '../../src/keys/bytes.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { bytesOf, createBlockMap, listOf } from '../helpers/block-map.ts'
import type { BlockMap } from '../helpers/block-map.ts'
import { folderItems } from '../helpers/folder.ts'
import type { Files } from '../helpers/folder.ts'
import type { ManyFilesReport } from '../helpers/many-files.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import { blocksIn, newIn, partsOf } from '../helpers/site-parts.ts'
import type { SiteParts } from '../helpers/site-parts.ts'

const KIB = 1024
const seed = seedFromEnvironment()
const SHAPES = ['flat', 'folders', 'deep'] as const

/** Bytes that differ from those of other numbers in each block. */
function content(size: number, number: number): Uint8Array {
  const bytes = Buffer.alloc(size)
  const rng = createSeededRng(number)
  for (let at = 0; at + 6 <= size; at += 300) bytes.writeUIntLE(rng.below(2 ** 48), at, 6)
  return new Uint8Array(bytes)
}

/** 1,000 files of 2 to 20 KiB: in one folder, in 50, or in 100 that are in 10. */
function siteOf(number: number, shape: (typeof SHAPES)[number]): Record<string, Uint8Array> {
  const rng = createSeededRng(number)
  const files = Array.from({ length: 1000 }, (_, i): [string, Uint8Array] => {
    const folder = {
      flat: '',
      folders: `part-${i % 50}/`,
      deep: `a${i % 10}/b${Math.floor(i / 10) % 10}/`,
    }[shape]
    const size = 2 * KIB + rng.below(18 * KIB + 1)
    return [`${folder}page-${rng.below(1e6)}-${i}.html`, content(size, number + i)]
  })
  return Object.fromEntries(files)
}

interface Written {
  readonly map: BlockMap
  readonly manifest: Uint8Array
  readonly opened: Manifest
  readonly parts: SiteParts
}

async function write(files: Files): Promise<Written> {
  const map = createBlockMap()
  const { manifest, opened } = await map.add(folderItems(files))
  return { map, manifest, opened, parts: await partsOf(map, opened) }
}

function entriesOf({ size, body }: Manifest): readonly DirectoryEntry[] {
  assert.ok(body.type === 'directory')
  const directory = decodeDirectory(body.node, size)
  assert.ok(hasEntries(directory))
  return directory.entries
}

for (const shape of SHAPES) {
  test(`1,000 files of 2 to 20 KiB (${shape}) take few more blocks than their bytes need`, async () => {
    const shares: number[] = []
    for (let run = 0; run < 3; run++) {
      const site = siteOf((seed + run * 1000) % 2 ** 32, shape)
      const total = Object.values(site).reduce((sum, bytes) => sum + bytes.length, 0)
      const { map } = await write(site)
      const blocks = map.homes.size + 1 // the topmost manifest
      shares.push((blocks * BLOCK_BYTES) / total)
    }
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
    assert.ok(Math.max(...shares) <= 1.15 && mean <= 1.11, `${shares.join(' ')} with SEED=${seed}`)
  })

  test(`an edit that keeps the class of the size (${shape}) changes one pack and what leads to it`, async () => {
    const site = siteOf(seed, shape)
    const before = await write(site)
    const rng = createSeededRng(seed)
    for (let run = 0; run < 3; run++) {
      const path = Object.keys(site)[rng.below(1000)] as string
      const sizeClass = 2 ** Math.floor(Math.log2((site[path] as Uint8Array).length))
      const size = sizeClass + rng.below(sizeClass)
      const after = await write({ ...site, [path]: content(size, seed + 5000 + run) })
      const packs = newIn(before.parts.packs, after.parts.packs)
      assert.equal(packs.length, 1, `${path} with SEED=${seed}`)
      const nodes = [...after.parts.nodes].filter((node) => !before.parts.nodes.has(node))
      assert.ok(nodes.length <= 4, `${nodes.length} nodes, ${path} with SEED=${seed}`)
      const changed = newIn(before.map.homes, after.map.homes)
      const most = nodes.length + packs.reduce((sum, pack) => sum + blocksIn(pack), 0)
      assert.ok(changed.length <= most, `${changed.length} blocks with SEED=${seed}`)
    }
  })

  test(`a file more or less (${shape}) changes at most two packs`, async () => {
    const site = siteOf(seed, shape)
    const before = await write(site)
    const rng = createSeededRng(seed)
    const paths = Object.keys(site)
    for (let run = 0; run < 2; run++) {
      const path = paths[rng.below(1000)] as string
      const more = { ...site, [`${path}.${run}`]: content(9000, seed + 6000 + run) }
      const { [path]: removed, ...less } = site
      assert.ok(removed !== undefined)
      for (const files of [more, less]) {
        const after = await write(files)
        const came = newIn(before.parts.packs, after.parts.packs)
        const went = newIn(after.parts.packs, before.parts.packs)
        assert.ok(came.length <= 2 && went.length <= 2, `${path} with SEED=${seed}`)
      }
    }
  })
}

test('a small site with a sub-folder is one manifest and no other block', async () => {
  const files = {
    'index.html': content(9 * KIB, 1),
    'style.css': content(3 * KIB, 2),
    'empty.txt': '',
    'img/a.png': content(9 * KIB, 3),
    'img/deep/b.png': content(8 * KIB, 4),
  }
  const { map, manifest } = await write(files)
  assert.equal(map.homes.size, 0)
  assert.ok(manifest.length <= MAX_INLINE_MANIFEST_BYTES)
})

test('the longest folder that fits a manifest lies in it, and one byte more does not', async () => {
  // node 3, folder 14 + 1, file 7 + 1: with the fields of the manifest, 19, this is the limit
  const most = MAX_INLINE_MANIFEST_BYTES - 19 - 3 - 15 - 8
  const whole = await write({ 'a/b': content(most, 1) })
  assert.equal(whole.manifest.length, MAX_INLINE_MANIFEST_BYTES)
  assert.equal(whole.map.homes.size, 0)
  const split = await write({ 'a/b': content(most + 1, 1) })
  assert.equal(split.parts.packs.size, 1)
})

test('empty files stay inline, files of 128 KiB have a tree, others share packs', async () => {
  const { opened, parts } = await write({
    a: content(128 * KIB - 1, 1),
    b: content(128 * KIB, 2),
    c: '',
    d: content(1, 3),
  })
  assert.deepEqual(
    entriesOf(opened).map((entry) => entry.type),
    ['packed', 'tree', 'inline', 'packed'],
  )
  assert.ok(parts.packs.size <= 2)
})

/** Paths that no cut comes before, for files of one size. */
function pathsWithoutCut(count: number, packedBytes: number): string[] {
  const paths: string[] = []
  for (let i = 0; paths.length < count; i++) {
    const path = `name-${String(i).padStart(6, '0')}`
    if (!isCut(path, packedBytes)) paths.push(path)
  }
  return paths
}

test('without a cut a pack ends before 8 MiB, and after 4,096 entries', async () => {
  const large = pathsWithoutCut(70, 127 * KIB).map((path, i) => [path, content(127 * KIB, i)])
  const heavy = await write(Object.fromEntries(large) as Files)
  const sizes = [...heavy.parts.packs.values()].map(({ size }) => size)
  assert.deepEqual(sizes, [64 * 127 * KIB, 6 * 127 * KIB])
  const tiny = pathsWithoutCut(9000, 8).map((path, i) => [path, content(8, i)])
  const many = await write(Object.fromEntries(tiny) as Files)
  const files = [...many.parts.packs.values()].map(({ size }) => size / 8)
  assert.deepEqual(files, [4096, 4096, 808])
})

test('large folders among small ones, in each other, are read back', async () => {
  const site: Record<string, Uint8Array> = { 'a/first': content(10, 1), 'z/last': content(10, 2) }
  for (let i = 0; i < 2500; i++) {
    const folder = ['m/', 'm/deep/', 'm/deep/er/'][i % 3] as string
    site[`${folder}the-name-of-file-${i}`] = content(i % 200, i)
    if (i % 100 === 0) site[`m/small-${i}/x`] = content(50, i)
  }
  const { opened, map, parts } = await write(site)
  assert.ok(parts.nodes.size > 10)
  for (const [path, bytes] of Object.entries(site).filter((_, i) => i % 20 === 0)) {
    const result = await findPath(opened, path.split('/'), map.fetchContext)
    assert.ok(result.type === 'file', path)
    const span = { first: 0, last: bytes.length - 1 }
    assert.deepEqual(await bytesOf(readSpan(result.file, span, map.fetchContext)), bytes)
  }
  for (const [path, count] of Object.entries({ '': 3, 'm/': 860, 'm/deep/': 834 })) {
    const result = await findPath(opened, path.split('/'), map.fetchContext)
    assert.ok(result.type === 'folder')
    assert.equal((await listOf(result.list())).length, count)
  }
})

test('roots, packs and manifests have three homes, all else two', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 900 }, (_, i) => [`folder/name-of-${i}`, content(500, i)] as const),
  )
  const { map, parts } = await write({ ...files, film: content(200 * KIB, 1) })
  const tops = new Set([...parts.packs.keys(), ...parts.nodes])
  assert.ok(parts.nodes.size >= 2)
  for (const [reference, homes] of map.homes) {
    if (tops.has(reference)) assert.equal(homes.length, 3)
  }
  const roots = [...map.homes.values()].filter((homes) => homes.length === 3)
  assert.equal(roots.length, tops.size + 1) // and the film's
})

test('the same files under the same secret give the same manifest, however they come', async () => {
  const site = siteOf(seed, 'folders')
  const first = await write(site)
  const second = createBlockMap()
  const items = async function* (): AsyncGenerator<FolderItem> {
    for await (const item of folderItems(site)) {
      assert.ok(item.type === 'file')
      const bytes = site[item.path] as Uint8Array
      yield { ...item, content: pieces(bytes, 777) }
    }
  }
  const again = await second.add(items())
  assert.deepEqual(again.manifest, first.manifest)
  assert.deepEqual([...second.homes.keys()].sort(), [...first.map.homes.keys()].sort())
  assert.equal(again.files, 1000)
})

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

test('insertFolder gives the key of a folder, with a name', async () => {
  const map = createBlockMap()
  const files = { 'a.html': '<p>', 'b/c.txt': 'text' }
  const how = { name: undefined, isConvergent: false }
  const inserted = await insertFolder(folderItems(files), how, map.insertContext)
  const uri = parseUri(inserted.uri)
  assert.ok(uri.type === 'chk')
  assert.deepEqual([uri.kind, uri.name, uri.path], ['folder', 'folder', []])
  assert.deepEqual([inserted.size, inserted.files], [7, 2])
  assert.deepEqual([...map.homes], [[mapKey(uri.reference), [0, 1, 2]]])
})

test('convergent folders have one key and no types, others a key each and types by name', async () => {
  const typesOf = async (isConvergent: boolean): Promise<unknown[]> => {
    const map = createBlockMap()
    const how = { name: 'site', isConvergent }
    const { uri } = await insertFolder(folderItems({ 'a.html': '<p>' }), how, map.insertContext)
    const parsed = parseUri(uri)
    assert.ok(parsed.type === 'chk')
    const [entry] = entriesOf(await openContent(parsed, map.fetchContext))
    assert.ok(entry?.type === 'inline')
    return [uri, entry.contentType]
  }
  assert.deepEqual(await typesOf(true), await typesOf(true))
  assert.equal((await typesOf(true))[1], undefined)
  assert.notEqual((await typesOf(false))[0], (await typesOf(false))[0])
  assert.equal((await typesOf(false))[1], 'text/html')
})

test('an empty folder, and one of empty folders, are folders', async () => {
  const { opened, map } = await write({})
  assert.deepEqual(entriesOf(opened), [])
  assert.equal(opened.size, 0)
  assert.equal(map.homes.size, 0)
  const nested = await write({ 'a/b/': '', 'c/': '' })
  const found = await findPath(nested.opened, ['a', ''], nested.map.fetchContext)
  assert.ok(found.type === 'folder')
  assert.deepEqual(await listOf(found.list()), [{ name: 'b', type: 'folder', size: 0 }])
})

const file = (path: string, bytes = 'x', size = bytes.length): FolderItem => ({
  type: 'file',
  path,
  size,
  content: pieces(utf8(bytes), 10),
})
const folder = (path: string): FolderItem => ({ type: 'folder', path })
const wide = { ...file('b'), size: Number.MAX_SAFE_INTEGER }

const refused: Record<string, FolderItem[]> = {
  'out of order': [file('b'), file('a')],
  'a folder sorted with its slash': [file('a.txt'), file('a/z')],
  'out of order by bytes, not by UTF-16': [file('\u{1f41f}'), file('\uff5e')],
  'the same file twice': [file('a'), file('a')],
  'the same file in two spellings': [file('\u00e9'), file('e\u0301')],
  'a folder again': [file('a/b'), file('b'), file('a/c')],
  'a folder after what is in it': [file('a/b'), folder('a')],
  'a file that is a folder too': [file('a'), file('a/b')],
  'a folder that is a file too': [file('a/b'), file('a')],
  'an absolute path': [file('/a')],
  'a slash at the end': [file('a/')],
  'no name': [file('')],
  'an empty name inside': [file('a//b')],
  'two dots': [file('a/../b')],
  'one dot': [file('./a')],
  'a control character': [file('a\u0000b')],
  'a backslash': [file('a\\b')],
  'half a character': [file('\ud800')],
  'a name of 256 bytes': [file('é'.repeat(128))],
  '65 folders': [folder(Array.from({ length: 65 }, () => 'a').join('/'))],
  'less than its size': [file('a', 'xy', 3)],
  'more than its size': [file('a', 'xyz', 2)],
  'less than its size, and large': [file('a', 'xy', 300_000)],
  'more than its size, and none': [file('a', 'xy', 0)],
  'a negative size': [file('a', '', -1)],
  'half a byte': [file('a', '', 0.5)],
  'more than 2^53 - 1 bytes in all': [
    file('a', ''),
    { ...file('aa', ''), size: 0 },
    file('ab'),
    wide,
  ],
}
for (const [what, items] of Object.entries(refused)) {
  test(`refused with E_FOLDER, and nothing stays: ${what}`, async () => {
    const map = createBlockMap()
    const given = async function* (): AsyncGenerator<FolderItem> {
      yield await Promise.resolve(file('!large', 'x'.repeat(40_000)))
      yield* items
    }
    const insert = insertFolder(given(), { name: undefined, isConvergent: true }, map.insertContext)
    await assert.rejects(insert, (error) => isShoalError(error) && error.code === 'E_FOLDER')
    assert.equal(map.homes.size, 0)
  })
}

test('64 folders deep is not too deep', async () => {
  const path = Array.from({ length: 64 }, () => 'a')
  const { opened, map } = await write({ [path.join('/')]: 'x' })
  assert.equal((await findPath(opened, path, map.fetchContext)).type, 'file')
})

test('a content type that is none is refused with E_QUERY', async () => {
  const map = createBlockMap()
  const items = async function* (): AsyncGenerator<FolderItem> {
    yield await Promise.resolve({ ...file('a'), contentType: 'html' } as FolderItem)
  }
  await assert.rejects(map.add(items()), { code: 'E_QUERY' })
})

for (const where of ['items', 'content'] as const) {
  test(`an insert ends with its signal while its ${where} say nothing`, async () => {
    const map = createBlockMap()
    const stop = new AbortController()
    const silent = async function* (): AsyncGenerator<never> {
      yield await new Promise<never>(() => {})
    }
    const stuck = async function* (): AsyncGenerator<FolderItem> {
      yield await Promise.resolve({ type: 'file', path: 'a', size: 9, content: silent() } as const)
    }
    const items = where === 'items' ? silent() : stuck()
    const context = { ...map.insertContext, signals: [stop.signal] }
    const insert = insertFolder(items, { name: undefined, isConvergent: true }, context)
    const reason = new Error('enough')
    setImmediate(() => {
      stop.abort(reason)
    })
    await assert.rejects(insert, (error) => error === reason)
  })
}

test('100,000 files in one folder are not held, and each is one block a level away', async () => {
  const program = fileURLToPath(new URL('../helpers/many-files.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    program,
    `${seed}`,
  ])
  const report = JSON.parse(stdout) as ManyFilesReport
  const { files, listed, lookUps, absentFound, growthBytes } = report
  assert.deepEqual([files, listed, absentFound], [100_000, 100_000, 0])
  // below the topmost manifest there are two levels at most
  assert.ok(
    lookUps.every((blocks) => blocks === 1 || blocks === 2),
    lookUps.join(' '),
  )
  // 70,000 names and entries would take more than 15 MB
  assert.ok(growthBytes < 9e6, `grew by ${growthBytes} bytes`)
})
