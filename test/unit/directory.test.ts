/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decodeDirectory, encodeDirectory, lengthOfEntry } from '../../src/content/directory.ts'
import type { Directory, DirectoryEntry } from '../../src/content/directory.ts'
import { MAX_DIRECTORY_BYTES, decodeManifest, encodeManifest } from '../../src/content/manifest.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { concat, uint64, utf8 } from '../../src/keys/bytes.ts'

const MAX = Number.MAX_SAFE_INTEGER
const pair = { reference: new Uint8Array(32).fill(1), readKey: new Uint8Array(32).fill(2) }
const rootOf = (level: number) => ({ blockBytes: BLOCK_BYTES, level, ...pair })
const file = (name: string, bytes = ''): DirectoryEntry => ({
  type: 'inline',
  name,
  contentType: undefined,
  bytes: utf8(bytes),
})
const pack = { size: 40_000, root: rootOf(1) }
const packed = (name: string, size: number, offset: number): DirectoryEntry => ({
  type: 'packed',
  name,
  contentType: 'text/plain',
  size,
  pack,
  offset,
})

// the same by hand
const u16 = (value: number): Uint8Array => uint64(value).subarray(0, 2)
const u32 = (value: number): Uint8Array => uint64(value).subarray(0, 4)
const short = (text: string): Uint8Array => concat(Uint8Array.of(utf8(text).length), utf8(text))
const u8 = (...values: number[]): Uint8Array => Uint8Array.of(...values)
const packRow = (size: number, level: number): Uint8Array =>
  concat(uint64(size), u8(level), pair.reference, pair.readKey)
const node = (...entries: Uint8Array[]): Uint8Array => concat(u8(0), u16(0), ...entries)
const inlineFile = (name: string, bytes = ''): Uint8Array =>
  concat(u8(0), short(name), short(''), u32(bytes.length), utf8(bytes))
const packedFile = (name: string, place: { size: number; pack: number; offset: number }) =>
  concat(
    concat(u8(1), short(name), short('')),
    concat(uint64(place.size), u16(place.pack), uint64(place.offset)),
  )
const inlineFolder = (name: string, size: number, ...entries: Uint8Array[]): Uint8Array => {
  const inside = concat(...entries)
  return concat(u8(3), short(name), uint64(size), u32(inside.length), inside)
}
const childOf = (name: string): Uint8Array => concat(short(name), pair.reference, pair.readKey)

test('a node of every kind of entry is written as the specification says, and read back', () => {
  const entries: DirectoryEntry[] = [
    file('a', 'xyz'),
    packed('b', 10, 5),
    { type: 'tree', name: 'c', contentType: undefined, size: 200_000, root: rootOf(1) },
    {
      type: 'inline-folder',
      name: 'd',
      size: 30_001,
      entries: [file('e', 'x'), packed('f', 30_000, 0)],
    },
    { type: 'folder', name: 'g', size: MAX - 300_000, ...pair },
  ]
  const byHand = concat(
    concat(u8(0), u16(1), packRow(40_000, 1)),
    concat(u8(0), short('a'), short(''), u32(3), utf8('xyz')),
    concat(u8(1), short('b'), short('text/plain'), uint64(10), u16(0), uint64(5)),
    concat(u8(2), short('c'), short(''), packRow(200_000, 1)),
    inlineFolder(
      'd',
      30_001,
      inlineFile('e', 'x'),
      concat(u8(1), short('f'), short('text/plain'), uint64(30_000), u16(0), uint64(0)),
    ),
    concat(u8(4), short('g'), uint64(MAX - 300_000), pair.reference, pair.readKey),
  )
  const directory: Directory = { level: 0, entries }
  assert.deepEqual(encodeDirectory(directory), byHand)
  const total = MAX - 300_000 + (3 + 10 + 200_000 + 30_001)
  assert.deepEqual(decodeDirectory(byHand, total), directory)
  const lengths = entries.reduce((sum, entry) => sum + lengthOfEntry(entry), 0)
  assert.equal(lengths, byHand.length - 3 - 73)
})

test('a node above others is written as the specification says, and read back', () => {
  const children = [
    { firstName: 'a', ...pair },
    { firstName: 'é', ...pair },
  ]
  const byHand = concat(u8(3), childOf('a'), childOf('é'))
  assert.deepEqual(encodeDirectory({ level: 3, children }), byHand)
  assert.deepEqual(decodeDirectory(byHand, 12), { level: 3, children })
})

test('names are in the order of their bytes, which is not that of strings', () => {
  const names = ['Z', 'a', 'a b', 'aa', '～', '🐟']
  const written = encodeDirectory({ level: 0, entries: names.map((name) => file(name)) })
  const decoded = decodeDirectory(written, 0)
  assert.ok('entries' in decoded)
  assert.deepEqual(
    decoded.entries.map((entry) => entry.name),
    names,
  )
})

/** Inline folders inside each other, `depth` of them. */
function nested(depth: number): Uint8Array {
  let inside = new Uint8Array()
  for (let i = 0; i < depth; i++) inside = inlineFolder('a', 0, inside) as Uint8Array<ArrayBuffer>
  return node(inside)
}

test('64 folders inside each other are read, more are E_DECODE, however many', () => {
  assert.ok(decodeDirectory(nested(64), 0))
  for (const depth of [65, 2000, 10_000]) {
    assert.throws(() => decodeDirectory(nested(depth), 0), { code: 'E_DECODE' })
  }
})

const onePack = (...entries: Uint8Array[]): Uint8Array =>
  concat(u8(0), u16(1), packRow(100, 0), ...entries)
const whole = packedFile('a', { size: 100, pack: 0, offset: 0 })
const treeOf = (size: number, level: number): Uint8Array =>
  concat(u8(2), short('a'), short(''), packRow(size, level))
const faults: Record<string, [Uint8Array, number?]> = {
  'nothing at all': [u8()],
  'a level above 3': [concat(u8(4), childOf('a'))],
  'a node above others with none below': [u8(1)],
  'a child cut off': [concat(u8(1), childOf('a').subarray(0, 60))],
  'children out of order': [concat(u8(1), childOf('b'), childOf('a'))],
  'a child twice': [concat(u8(1), childOf('a'), childOf('a'))],
  'no number of packs': [u8(0, 0)],
  'packs cut off': [concat(u8(0), u16(2), packRow(100, 0))],
  'a pack that no file is in': [onePack(inlineFile('a'))],
  'a pack that is not there': [onePack(packedFile('a', { size: 100, pack: 1, offset: 0 })), 100],
  'packs not in the order of their use': [
    concat(
      concat(u8(0), u16(2), packRow(100, 0), packRow(100, 0)),
      packedFile('a', { size: 1, pack: 1, offset: 0 }),
      packedFile('b', { size: 1, pack: 0, offset: 0 }),
    ),
    2,
  ],
  'a pack whose tree does not fit its size': [concat(u8(0), u16(1), packRow(100, 1), whole), 100],
  'a tree that does not fit its size': [node(treeOf(100, 1)), 100],
  'an empty tree': [node(treeOf(0, 0))],
  'an empty file in a pack': [onePack(packedFile('a', { size: 0, pack: 0, offset: 0 }))],
  'a slice past its pack': [onePack(packedFile('a', { size: 100, pack: 0, offset: 1 })), 100],
  'a slice larger than its pack': [
    onePack(packedFile('a', { size: 101, pack: 0, offset: 0 })),
    101,
  ],
  'a slice that begins at 2^53 - 1': [
    onePack(packedFile('a', { size: 1, pack: 0, offset: MAX })),
    1,
  ],
  'an offset above 2^53 - 1': [onePack(concat(whole.subarray(0, whole.length - 1), u8(0x20))), 100],
  'a kind that is not known': [node(concat(u8(5), short('a'), short(''), u32(0)))],
  'an empty name': [node(inlineFile(''))],
  'one dot': [node(inlineFile('.'))],
  'two dots': [node(inlineFile('..'))],
  'a slash in a name': [node(inlineFile('a/b'))],
  'an absolute name': [node(inlineFile('/a'))],
  'a backslash in a name': [node(inlineFile('a\\b'))],
  'a control character in a name': [node(inlineFile('a\n'))],
  'a name that is not in NFC': [node(inlineFile('e\u0301'))],
  'a name that is not UTF-8': [node(concat(u8(0, 1, 0xff), short(''), u32(0)))],
  'a name twice': [node(inlineFile('a'), inlineFile('a'))],
  'a file and a folder of one name': [node(inlineFile('a'), inlineFolder('a', 0))],
  'names out of order': [node(inlineFile('b'), inlineFile('a'))],
  'names out of order in an inline folder': [
    node(inlineFolder('f', 0, inlineFile('b'), inlineFile('a'))),
  ],
  'a type that is none': [node(concat(u8(0), short('a'), short('html'), u32(0)))],
  'a file cut off': [node(concat(u8(0), short('a'), short(''), u32(9), utf8('xy')))],
  'a folder cut off': [node(concat(u8(4), short('a'), uint64(0), pair.reference))],
  'an inline folder longer than its node': [
    node(concat(u8(3), short('a'), uint64(0), u32(2 ** 32 - 1))),
  ],
  'an inline folder with a wrong size': [node(inlineFolder('a', 2, inlineFile('b', 'x'))), 2],
  'a size that is not that of the files': [node(inlineFile('a', 'x')), 2],
  'sizes that are together above 2^53 - 1': [
    node(
      concat(u8(4), short('a'), uint64(MAX), pair.reference, pair.readKey),
      inlineFile('b', 'x'),
    ),
    MAX,
  ],
  'bytes left over': [concat(onePack(whole), u8(0)), 100],
}
for (const [what, [bytes, size]] of Object.entries(faults)) {
  test(`E_DECODE: ${what}`, () => {
    assert.throws(() => decodeDirectory(bytes, size ?? 0), { code: 'E_DECODE' })
  })
}

test('what would not be read is not written', () => {
  const wrong: Directory[] = [
    { level: 0, entries: [file('b'), file('a')] },
    { level: 0, entries: [file('..')] },
    { level: 0, entries: [packed('a', 40_000, 1)] },
    { level: 0, entries: [{ type: 'folder', name: 'a', size: MAX, ...pair }, file('b', 'x')] },
    { level: 4, children: [{ firstName: 'a', ...pair }] },
    { level: 1, children: [] },
  ]
  for (const directory of wrong)
    assert.throws(() => encodeDirectory(directory), { code: 'E_DECODE' })
})

test('a manifest holds a directory of at most its limit, without a type', () => {
  const fits = { type: 'directory', node: new Uint8Array(MAX_DIRECTORY_BYTES) } as const
  const manifest = { size: 7, contentType: undefined, body: fits }
  assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest)
  const long = { type: 'directory', node: new Uint8Array(MAX_DIRECTORY_BYTES + 1) } as const
  const refused = [
    { ...manifest, body: long },
    { ...manifest, contentType: 'text/html' },
  ]
  for (const each of refused) {
    const bytes = encodeManifest(each)
    assert.throws(() => decodeManifest(bytes), { code: 'E_DECODE' })
  }
  const root = concat(
    encodeManifest(manifest).subarray(0, 14),
    u8(5),
    u32(65),
    u8(0),
    new Uint8Array(64),
  )
  const both = concat(root, u8(7), u32(3), u8(0, 0, 0))
  assert.ok(decodeManifest(root))
  assert.throws(() => decodeManifest(both), { code: 'E_DECODE' })
})
