/**
 * Manifests and directories under bytes of any kind, and folders of any shape from files to blocks and
 * back. SEED repeats a run, SLOW=1 makes it fifty times as long.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { compareNames, decodeDirectory, encodeDirectory } from '../../src/content/directory.ts'
import type { Directory, DirectoryEntry, Pack } from '../../src/content/directory.ts'
import { readSpan } from '../../src/content/fetch.ts'
import { decodeManifest, encodeManifest } from '../../src/content/manifest.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { findPath } from '../../src/content/site.ts'
import { isShoalError } from '../../src/errors.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { levelOf } from '../../src/keys/eris.ts'
import { nameFault } from '../../src/keys/uri.ts'
import { bytesOf, createBlockMap, listOf } from '../helpers/block-map.ts'
import type { BlockMap } from '../helpers/block-map.ts'
import { folderItems } from '../helpers/folder.ts'
import type { Files } from '../helpers/folder.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const KIB = 1024
const runs = (count: number): fc.Parameters<unknown> => ({
  numRuns: process.env['SLOW'] === undefined ? count : count * 50,
  seed: seedFromEnvironment() | 0, // fast-check prints it when a property fails
})

/** The value, or undefined where the call threw the one error that it may throw. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (isShoalError(error) && error.code === 'E_DECODE') return undefined
    throw error
  }
}

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .map((text) => text.normalize('NFC'))
  .filter((text) => nameFault(text) === undefined)
const contentType = fc.option(fc.constantFrom('text/html', 'a/b; c=d'), { nil: undefined })
const pair = fc.record({ reference: hash, readKey: hash })
const size = fc.integer({ min: 1, max: 2 ** 40 })
const rooted = fc
  .record({ size, reference: hash, readKey: hash })
  .map(({ size: total, ...rest }) => ({
    size: total,
    root: { blockBytes: BLOCK_BYTES, level: levelOf(total, BLOCK_BYTES), ...rest },
  }))
const pack: fc.Arbitrary<Pack> = rooted

type Nameless = DirectoryEntry extends infer E
  ? E extends unknown
    ? Omit<E, 'name'>
    : never
  : never

function entryIn(packs: readonly Pack[], depth: number): fc.Arbitrary<Nameless> {
  const kinds: fc.Arbitrary<Nameless>[] = [
    fc.record({ type: fc.constant('inline' as const), contentType, bytes: bytes(30) }),
    fc.tuple(contentType, rooted).map(([type, place]) => ({
      type: 'tree' as const,
      contentType: type,
      ...place,
    })),
    fc
      .tuple(size, pair)
      .map(([total, place]) => ({ type: 'folder' as const, size: total, ...place })),
  ]
  if (packs.length > 0) {
    const slice = fc.tuple(fc.constantFrom(...packs), fc.nat(), fc.nat(), contentType)
    kinds.push(
      slice.map(([from, at, length, type]) => {
        const offset = at % from.size
        const sliced = 1 + (length % (from.size - offset))
        return { type: 'packed' as const, contentType: type, pack: from, offset, size: sliced }
      }),
    )
  }
  if (depth > 0) {
    kinds.push(
      entriesIn(packs, depth - 1).map((entries) => ({
        type: 'inline-folder' as const,
        size: totalOf(entries),
        entries,
      })),
    )
  }
  return fc.oneof(...kinds)
}

function entriesIn(packs: readonly Pack[], depth: number): fc.Arbitrary<DirectoryEntry[]> {
  return fc
    .uniqueArray(name, { maxLength: 5 })
    .chain((names) =>
      fc.tuple(
        ...names
          .sort(compareNames)
          .map((each) =>
            entryIn(packs, depth).map((entry): DirectoryEntry => ({ ...entry, name: each })),
          ),
      ),
    )
}

function totalOf(entries: readonly DirectoryEntry[]): number {
  return entries.reduce(
    (sum, entry) => sum + ('size' in entry ? entry.size : entry.bytes.length),
    0,
  )
}

const branch: fc.Arbitrary<Directory> = fc
  .record({
    level: fc.integer({ min: 1, max: 3 }),
    names: fc.uniqueArray(name, { minLength: 1 }),
    pair,
  })
  .map(({ level, names, pair: place }) => ({
    level,
    children: names.sort(compareNames).map((firstName) => ({ firstName, ...place })),
  }))
const leaf: fc.Arbitrary<Directory> = fc
  .array(pack, { maxLength: 3 })
  .chain((packs) => entriesIn(packs, 3))
  .map((entries) => ({ level: 0, entries }))
const directory = fc.oneof(branch, { arbitrary: leaf, weight: 3 })

function sizeOf(value: Directory): number {
  return 'entries' in value ? totalOf(value.entries) : 1
}

test('directories: what is encoded is decoded', () => {
  fc.assert(
    fc.property(directory, (value) => {
      assert.deepEqual(decodeDirectory(encodeDirectory(value), sizeOf(value)), value)
    }),
    runs(300),
  )
})

const spoiledNode = fc
  .tuple(directory, fc.nat(), fc.nat({ max: 4 }), bytes(4))
  .map(([value, at, cut, put]) => {
    const node = encodeDirectory(value)
    const from = at % (node.length + 1)
    const spoiled = Uint8Array.of(...node.subarray(0, from), ...put, ...node.subarray(from + cut))
    return { node: spoiled, size: sizeOf(value) }
  })
const anyNode = fc.record({ node: bytes(200), size: fc.nat({ max: 300 }) })
const shortNode = fc.record({
  node: fc
    .tuple(fc.nat({ max: 4 }), fc.nat({ max: 2 }), bytes(100))
    .map(([level, packs, rest]) => Uint8Array.of(level, packs, 0, ...rest)),
  size: fc.constant(0),
})

test('directories: spoiled ones are refused with E_DECODE, or have one spelling', () => {
  fc.assert(
    fc.property(fc.oneof(spoiledNode, anyNode, shortNode), ({ node, size: total }) => {
      const decoded = attempt(() => decodeDirectory(node, total))
      if (decoded !== undefined) assert.deepEqual(encodeDirectory(decoded), node)
    }),
    runs(2000),
  )
})

test('manifests: spoiled ones of folders are refused with E_DECODE, or have one spelling', () => {
  const manifest = directory.map((value): Manifest => {
    const body = { type: 'directory', node: encodeDirectory(value) } as const
    return { size: sizeOf(value), contentType: undefined, body }
  })
  const spoiled = fc
    .tuple(manifest.map(encodeManifest), fc.nat(), fc.nat({ max: 4 }), bytes(4))
    .map(([value, at, cut, put]) => {
      const from = at % (value.length + 1)
      return Uint8Array.of(...value.subarray(0, from), ...put, ...value.subarray(from + cut))
    })
  fc.assert(
    fc.property(spoiled, (value) => {
      const decoded = attempt(() => decodeManifest(value))
      if (decoded === undefined) return
      assert.deepEqual(decodeManifest(encodeManifest(decoded)), decoded)
      if (decoded.body.type !== 'directory') return
      const { node } = decoded.body
      attempt(() => decodeDirectory(node, decoded.size))
    }),
    runs(1000),
  )
})

const anySize = fc.oneof(
  { arbitrary: fc.nat({ max: 300 }), weight: 8 },
  { arbitrary: fc.nat({ max: 20 * KIB }), weight: 4 },
  { arbitrary: fc.constantFrom(0, 1, 32 * KIB - 1, 32 * KIB, 128 * KIB - 1, 128 * KIB), weight: 1 },
  { arbitrary: fc.nat({ max: 300 * KIB }), weight: 1 },
)

type Tree = ReadonlyMap<string, Tree | number>

/** Names to sizes of files or to folders, a few levels deep. */
const tree = (depth: number): fc.Arbitrary<Tree> =>
  fc
    .uniqueArray(
      fc.tuple(
        name,
        depth === 0
          ? anySize
          : fc.oneof({ arbitrary: anySize, weight: 3 }, { arbitrary: tree(depth - 1), weight: 1 }),
      ),
      { maxLength: 12, selector: ([each]) => each },
    )
    .map((entries) => new Map(entries))

function content(length: number, number: number): Uint8Array {
  const rng = createSeededRng(number)
  return Uint8Array.from({ length }, () => rng.below(256))
}

/** Files of a tree by path; folders of nothing by their path and a slash. */
function filesOf(value: Tree, prefix = ''): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {}
  for (const [each, below] of value) {
    const path = `${prefix}${each}`
    if (typeof below === 'number') files[path] = content(below, path.length * 1000 + below)
    else if (below.size === 0) files[`${path}/`] = new Uint8Array()
    else Object.assign(files, filesOf(below, `${path}/`))
  }
  return files
}

function sizeOfTree(value: Tree | number): number {
  if (typeof value === 'number') return value
  return [...value.values()].reduce<number>((sum, below) => sum + sizeOfTree(below), 0)
}

async function checkFiles(map: BlockMap, opened: Manifest, files: Files): Promise<void> {
  for (const [path, expected] of Object.entries(files)) {
    if (path.endsWith('/')) continue
    const result = await findPath(opened, path.split('/'), map.fetchContext)
    assert.ok(result.type === 'file', path)
    const span = { first: 0, last: result.file.size - 1 }
    assert.deepEqual(await bytesOf(readSpan(result.file, span, map.fetchContext)), expected)
  }
}

async function checkListings(
  map: BlockMap,
  opened: Manifest,
  { value, path }: { value: Tree; path: string[] },
): Promise<void> {
  const result = await findPath(opened, [...path, ''], map.fetchContext)
  assert.ok(result.type === 'folder')
  const expected = [...value]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([each, below]) => {
      const type = typeof below === 'number' ? 'file' : 'folder'
      return { name: each, type, size: sizeOfTree(below) }
    })
  assert.deepEqual(await listOf(result.list()), expected)
  for (const [each, below] of value) {
    if (typeof below === 'number') continue
    await checkListings(map, opened, { value: below, path: [...path, each] })
  }
}

test('folders: every file of any tree is read back, and every listing is whole and sorted', async () => {
  await fc.assert(
    fc.asyncProperty(tree(3), async (value) => {
      const map = createBlockMap()
      const files = filesOf(value)
      const { opened, size: total, files: count } = await map.add(folderItems(files))
      assert.equal(total, sizeOfTree(value))
      assert.equal(count, Object.keys(files).filter((path) => !path.endsWith('/')).length)
      assert.deepEqual(decodeManifest(encodeManifest(opened)), opened)
      await checkFiles(map, opened, files)
      await checkListings(map, opened, { value, path: [] })
    }),
    runs(60),
  )
})
