/** @module */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

import * as fc from 'fast-check'
import { pack } from 'tar-stream'
import type { Header } from 'tar-stream'

import { isShoalError, ShoalError } from '../../src/errors.ts'
import { findStaticDir } from '../../src/gateway/start-page.ts'
import { tarItems } from '../../src/gateway/tar-items.ts'

type Given = Partial<Header> & { name: string; pax?: unknown; content?: string | Uint8Array }
interface TarModule {
  readonly tarOf: (files: Iterable<{ path: string; file: Blob | undefined }>) => Blob
}

const tarModule = pathToFileURL(join(findStaticDir(), 'tar.js')).href
const { tarOf } = (await import(tarModule)) as TarModule

async function tarWith(entries: readonly Given[]): Promise<Uint8Array> {
  const packing = pack()
  const pieces: Uint8Array[] = []
  const collected = (async () => {
    for await (const piece of packing) pieces.push(piece as Uint8Array)
  })()
  for (const { content = '', ...header } of entries) {
    await new Promise<void>((resolve, reject) => {
      packing.entry(header, content, (error) => {
        if (error) reject(error)
        else resolve()
      })
    })
  }
  packing.finalize()
  await collected
  return Buffer.concat(pieces)
}

/** A header whose fields are put at their places, with the right checksum. */
function rawHeader(fields: Readonly<Record<number, string | Uint8Array>>): Uint8Array {
  const header = Buffer.alloc(512)
  const all = { 100: '0000644\0', 124: '00000000000\0', 156: '0', 257: 'ustar\x0000', ...fields }
  for (const [at, text] of Object.entries(all)) header.set(Buffer.from(text), Number(at))
  header.write(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve()
    yield bytes.subarray(at, at + size)
  }
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

/** Path and text of each item; folders have no text. */
async function read(bytes: Uint8Array, pieceSize = 65_536): Promise<[string, string?][]> {
  const items: [string, string?][] = []
  for await (const item of tarItems(inPieces(bytes, pieceSize))) {
    if (item.type === 'folder') {
      items.push([item.path])
      continue
    }
    const text = await textOf(item.content)
    assert.equal(Buffer.byteLength(text), item.size)
    items.push([item.path, text])
  }
  return items
}

function isFolderError(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isShoalError(error), String(error))
    assert.equal(error.code, 'E_FOLDER')
    assert.match(error.message, pattern)
    return true
  }
}

const LONG = `${'deep folder/'.repeat(20)}${'n'.repeat(200)}.txt`

test('files and folders come in their order, however the bytes are cut', async () => {
  const bytes = await tarWith([
    { name: './', type: 'directory' },
    { name: './a/', type: 'directory' },
    { name: './a/empty', content: '' },
    { name: './a/x.txt', content: 'x'.repeat(512) },
    { name: 'b//', type: 'directory' },
    { name: '././c.txt', content: 'c'.repeat(513) },
    { name: LONG, content: 'long' },
    { name: 'ünï/文.txt', content: 'ü' },
  ])
  for (const size of [1, 7, 511, 512, 513, 65_536]) {
    assert.deepEqual(await read(bytes, size), [
      ['a'],
      ['a/empty', ''],
      ['a/x.txt', 'x'.repeat(512)],
      ['b'],
      ['c.txt', 'c'.repeat(513)],
      [LONG, 'long'],
      ['ünï/文.txt', 'ü'],
    ])
  }
})

test('names of GNU tar, and one beyond 100 bytes in two fields, come whole', async () => {
  const long = Buffer.from(`${'g'.repeat(300)}\0`)
  const gnu = Buffer.concat([
    rawHeader({
      0: '././@LongLink',
      124: `${long.length.toString(8).padStart(11, '0')}\0`,
      156: 'L',
      257: 'ustar  \0',
    }),
    long,
    Buffer.alloc(512 - long.length),
    rawHeader({ 0: 'g'.repeat(100), 257: 'ustar  \0' }),
    rawHeader({ 0: 'name', 345: 'some/prefix' }),
    Buffer.alloc(1024),
  ])
  assert.deepEqual(await read(gnu), [
    ['g'.repeat(300), ''],
    ['some/prefix/name', ''],
  ])
})

test('what climbs out, is absolute or comes twice is left to the node to refuse', async () => {
  const names = ['../x', '/etc/passwd', 'a/../b', 'b', 'b', 'a']
  const items = await read(await tarWith(names.map((name) => ({ name }))))
  assert.deepEqual(
    items.map(([path]) => path),
    names,
  )
})

const REFUSED: readonly (readonly [string, Given, RegExp])[] = [
  [
    'a symbolic link',
    { name: 'my link', type: 'symlink', linkname: '/etc/passwd' },
    /"my link" is a symbolic link/,
  ],
  ['a hard link', { name: 'my link', type: 'link', linkname: 'a' }, /"my link" is a hard link/],
  ['a character device', { name: 'null', type: 'character-device' }, /"null" is a device/],
  ['a block device', { name: 'disk', type: 'block-device' }, /"disk" is a device/],
  ['a pipe', { name: 'pipe', type: 'fifo' }, /"pipe" is a named pipe/],
  ['a contiguous file', { name: 'odd', type: 'contiguous-file' }, /"odd" is of an unknown kind/],
  [
    'a sparse file',
    { name: 'holes', pax: { 'GNU.sparse.major': '1' } },
    /"holes" is a sparse file/,
  ],
]

for (const [what, entry, pattern] of REFUSED) {
  test(`${what} in an archive is refused by its name`, async () => {
    const bytes = await tarWith([{ name: 'a.txt', content: 'a' }, entry])
    await assert.rejects(read(bytes), isFolderError(pattern))
  })
}

const DAMAGED: readonly (readonly [string, Uint8Array | string, RegExp])[] = [
  ['nothing', '', /cut off/],
  ['a text', 'hello', /no tar/],
  ['a longer text', 'hello '.repeat(500), /no tar/],
  ['half an end', Buffer.alloc(511), /no tar|cut off/],
  [
    'a name in Latin-1',
    Buffer.concat([rawHeader({ 0: Buffer.from('f\xfcr', 'latin1') }), Buffer.alloc(1024)]),
    /not UTF-8/,
  ],
  [
    'a wrong checksum',
    Buffer.concat([Buffer.from(rawHeader({ 0: 'a' })).fill('b', 1, 2), Buffer.alloc(1024)]),
    /no tar/,
  ],
  [
    'a negative size',
    Buffer.concat([
      rawHeader({ 0: 'a', 124: Buffer.alloc(12, 255).fill(254, 11) }),
      Buffer.alloc(1024),
    ]),
    /no tar|size/,
  ],
  [
    'a size beyond all numbers',
    Buffer.concat([
      rawHeader({ 0: 'a', 124: Buffer.from(`80${'ff'.repeat(11)}`, 'hex') }),
      Buffer.alloc(1024),
    ]),
    /size/,
  ],
  [
    'a name of 5 MiB',
    Buffer.concat([rawHeader({ 0: 'x', 124: '00024000000\0', 156: 'L' }), Buffer.alloc(6 << 20)]),
    /no tar/,
  ],
  [
    'an old archive without a format',
    Buffer.concat([rawHeader({ 0: 'a', 257: '\0'.repeat(8) }), Buffer.alloc(1024)]),
    /no tar/,
  ],
]

for (const [what, bytes, pattern] of DAMAGED) {
  test(`${what} is no folder, and says so`, async () => {
    await assert.rejects(read(Buffer.from(bytes)), isFolderError(pattern))
  })
}

test('an archive that is cut off anywhere before its end is refused', async () => {
  const bytes = await tarWith([
    { name: 'a.txt', content: 'a'.repeat(600) },
    { name: LONG, content: 'long' },
    { name: 'z', type: 'directory' },
  ])
  const contentEnd = bytes.length - 1024
  assert.ok(bytes.subarray(contentEnd).every((byte) => byte === 0))
  for (
    let length = 0;
    length <= contentEnd;
    length += length % 512 === 0 ? 1 : 511 - ((length - 1) % 512)
  ) {
    await assert.rejects(
      read(bytes.subarray(0, length)),
      isFolderError(/cut off|no tar/),
      `${length}`,
    )
  }
  assert.equal((await read(bytes.subarray(0, contentEnd + 512))).length, 3)
})

test('what goes wrong with the upload comes through as it is', async () => {
  const bytes = await tarWith([{ name: 'a.txt', content: 'a'.repeat(100_000) }])
  const fault = new ShoalError('E_REQUEST', 'The upload stood still.')
  for (const length of [0, 100, 512, 50_000]) {
    async function* breaking(): AsyncGenerator<Uint8Array, void> {
      yield* inPieces(bytes.subarray(0, length), 1000)
      throw fault
    }
    const reading = (async () => {
      for await (const item of tarItems(breaking())) {
        if (item.type === 'file') await textOf(item.content)
      }
    })()
    await assert.rejects(reading, (error) => error === fault)
  }
})

test('the next header is read when the file was taken, and no more than a few pieces before', async () => {
  const bytes = await tarWith([
    { name: 'a.bin', content: new Uint8Array(8 << 20) },
    { name: 'b.bin', content: 'b' },
  ])
  let given = 0
  async function* counted(): AsyncGenerator<Uint8Array, void> {
    for await (const piece of inPieces(bytes, 65_536)) {
      given += piece.length
      yield piece
    }
  }
  const items = tarItems(counted())
  const first = (await items.next()).value
  assert.ok(first?.type === 'file')
  for (let turn = 0; turn < 100; turn++) await new Promise((next) => setImmediate(next))
  assert.ok(given < 1 << 20, `${given} bytes were read before anyone asked`)
  let taken = 0
  for await (const piece of first.content) {
    taken += piece.length
    assert.ok(given - taken < 1 << 20, `${given} read, ${taken} taken`)
  }
  const second = (await items.next()).value
  assert.equal(second?.path, 'b.bin')
  await items.return()
})

test('a reader that stops early ends the upload', async () => {
  const bytes = await tarWith([{ name: 'a.bin', content: new Uint8Array(1 << 20) }])
  let hasEnded = false
  async function* body(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* inPieces(bytes, 1000)
    } finally {
      hasEnded = true
    }
  }
  for await (const item of tarItems(body())) {
    assert.equal(item.path, 'a.bin')
    break
  }
  for (let turn = 0; turn < 100; turn++) await new Promise((next) => setImmediate(next))
  assert.ok(hasEnded)
})

test('a file that nobody read holds nothing up', async () => {
  const bytes = await tarWith([
    { name: 'a.bin', content: new Uint8Array(1 << 20) },
    { name: 'b.bin', content: 'b' },
  ])
  const paths: string[] = []
  for await (const { path } of tarItems(inPieces(bytes, 1000))) paths.push(path)
  assert.deepEqual(paths, ['a.bin', 'b.bin'])
})

test('random bytes end in one error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
      const zeros = bytes.length >= 512 && bytes.every((byte) => byte === 0)
      if (!zeros) await assert.rejects(read(bytes), isFolderError(/./))
    }),
    { numRuns: 100 },
  )
})

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer())
}

test('the page packs a folder in the order that nodes ask for', async () => {
  const files: Record<string, string | undefined> = {
    'b.txt': '1',
    'a.txt': '2',
    'a/z': '3',
    'a/b/c': '4',
    'a b': '5',
    A: '6',
    '\u{1f41f}': '7',
    '\uff0e': '8',
    ü: '9',
    [LONG]: '10',
    'empty folder': undefined,
    [`${'e'.repeat(99)}x`]: undefined,
    'e\u0301': '11',
    'empty file': '',
    block: 'x'.repeat(512),
  }
  const blob = tarOf(
    Object.entries(files).map(([path, text]) => ({
      path,
      file: text === undefined ? undefined : new Blob([text]),
    })),
  )
  assert.equal(blob.size % 512, 0)
  assert.deepEqual(await read(await bytesOf(blob)), [
    ['A', '6'],
    ['a/b/c', '4'],
    ['a/z', '3'],
    ['a b', '5'],
    ['a.txt', '2'],
    ['b.txt', '1'],
    ['block', 'x'.repeat(512)],
    [LONG, '10'],
    [`${'e'.repeat(99)}x`],
    ['empty file', ''],
    ['empty folder'],
    ['\u00e9', '11'],
    ['ü', '9'],
    ['\uff0e', '8'],
    ['\u{1f41f}', '7'],
  ])
})

test('the page packs names of every length', async () => {
  for (const length of [1, 80, 88, 89, 90, 99, 100, 101, 255, 968, 975, 976, 977, 1000]) {
    for (const letter of ['n', 'ü']) {
      const path = letter.repeat(length)
      const items = await read(await bytesOf(tarOf([{ path, file: new Blob(['x']) }])))
      assert.deepEqual(items, [[path, 'x']])
      const folder = await read(await bytesOf(tarOf([{ path, file: undefined }])))
      assert.deepEqual(folder, [[path]])
    }
  }
})

test('the page packs a file whose size has more than eleven octal digits', async () => {
  const size = 8 ** 11
  const huge = { size } as Blob // taken for a text: what is in it does not matter here
  const bytes = await bytesOf(tarOf([{ path: 'huge', file: huge }]))
  const first = await tarItems(inPieces(bytes, 65_536)).next()
  assert.ok(first.value?.type === 'file')
  assert.equal(first.value.size, size)
})
