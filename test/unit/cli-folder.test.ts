/** @module */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, test } from 'node:test'

import * as fc from 'fast-check'

import { surveyFolder, type SurveyRequest } from '../../src/cli/folder-source.ts'
import { DISK, walkFolder, type Disk } from '../../src/cli/folder-walk.ts'
import { tarBody } from '../../src/cli/tar-body.ts'
import type { FolderItems } from '../../src/node-types.ts'
import { comparePaths } from '../helpers/folder.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { untar } from '../helpers/untar.ts'

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'shoal-cli-folder-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function make(files: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const place = join(root, path)
    await mkdir(content === undefined ? place : dirname(place), { recursive: true })
    if (content !== undefined) await writeFile(place, content)
  }
}

async function walk(disk: Disk = DISK): Promise<string[]> {
  const lines: string[] = []
  for await (const entry of walkFolder(root, disk)) {
    lines.push(entry.type === 'fault' ? `${entry.path} ${entry.what}` : entry.path)
  }
  return lines
}

class Lines extends Writable {
  text = ''

  override _write(part: Buffer, _encoding: string, done: () => void): void {
    this.text += part.toString()
    done()
  }
}

function requestFor(more: Partial<SurveyRequest> = {}) {
  const stderr = new Lines()
  const { signal } = new AbortController()
  return { stderr, request: { root, isSkipping: false, io: { stderr, signal }, ...more } }
}

async function unpack(items: FolderItems) {
  const found = await untar(tarBody(items))
  return found.map(({ path, type, content }) => ({ path, type, content: content.toString() }))
}

function unreadable(...suffixes: readonly string[]): Disk {
  const refuse = (path: Buffer): void => {
    if (!suffixes.some((suffix) => path.toString().endsWith(suffix))) return
    throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  }
  return {
    ...DISK,
    readNames: async (folder) => {
      refuse(folder)
      return DISK.readNames(folder)
    },
    checkReadable: async (path) => {
      refuse(path)
      return DISK.checkReadable(path)
    },
  }
}

test('a folder is walked depth first, by the bytes of its names, folders by their own', async () => {
  await make({
    'a.txt': '1',
    'a/z': '2',
    'a/Z/é': '3',
    B: '4',
    'é.txt': '5',
    z: '6',
    'b/': undefined,
  })
  const expected = ['B', 'a', 'a/Z', 'a/Z/é', 'a/z', 'a.txt', 'b', 'z', 'é.txt']
  assert.deepEqual(await walk(), expected)
  assert.deepEqual([...expected].sort(comparePaths), expected)
})

test('names are sent in NFC, and sorted so', async () => {
  // decomposed it would stand before "eb", composed it stands behind
  await make({ 'e\u0301': '1', eb: '2', f: '3' })
  assert.deepEqual(await walk(), ['eb', 'f', '\u00e9'])
  const { request } = requestFor()
  const items = await unpack((await surveyFolder(request)).items(() => {}))
  assert.deepEqual(items.at(-1), { path: '\u00e9', type: 'file', content: '1' })
})

test('what cannot be inserted is named with its reason', async () => {
  await make({ 'ok.txt': '1', 'back\\slash': '2', 'new\nline': '3', '\u00e9': '4', 'e\u0301': '5' })
  await writeFile(Buffer.from(`${root}/latin1-\u00ff`, 'latin1'), '6')
  await symlink('ok.txt', join(root, 'link'))
  await symlink('nowhere', join(root, 'link-to-nowhere'))
  execFileSync('mkfifo', [join(root, 'pipe')])
  const server = createServer().listen(join(root, 'socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    assert.deepEqual((await walk()).filter((line) => line !== 'ok.txt' && line !== 'é').sort(), [
      'back\\slash has a name that has a slash, a backslash, a control character or half a character',
      'latin1-\ufffd has a name that is not UTF-8',
      'link is a symbolic link',
      'link-to-nowhere is a symbolic link',
      'new\nline has a name that has a slash, a backslash, a control character or half a character',
      'pipe is a named pipe',
      'socket is a socket',
      '\u00e9 has the name of another one, written with other Unicode characters',
    ])
  } finally {
    server.close()
  }
})

test('what the system does not let be read is named with its code', async () => {
  await make({ 'a/b': '1', 'a/c': '2', d: '3' })
  assert.deepEqual(await walk(unreadable('/a')), ['a cannot be read (EACCES)', 'd'])
  assert.deepEqual(await walk(unreadable('/c')), ['a', 'a/b', 'a/c cannot be read (EACCES)', 'd'])
})

test('a link to a folder is followed where it is the folder itself', async () => {
  await make({ 'real/x': '1' })
  await symlink(join(root, 'real'), join(root, 'link'))
  root = join(root, 'link')
  assert.deepEqual(await walk(), ['x'])
})

test('a folder over 64 deep ends in a fault, not in a deep stack', async () => {
  await make({ [`${'d/'.repeat(64)}x`]: '1', [`${'e/'.repeat(63)}x`]: '1' })
  const faults = (await walk()).filter((line) => line.includes('deep'))
  assert.deepEqual(faults, [`${'d/'.repeat(64)}x lies more than 64 folders deep`])
})

test('the archive holds every file and folder, with nothing of their owner', async () => {
  const long = 'n'.repeat(255)
  const files = {
    [`${long}/${long}/${long}`]: 'long',
    'empty.txt': '',
    'empty folder': undefined,
    'film 日本語.webm': 'x'.repeat(600_000),
  }
  await make(files)
  const { request } = requestFor()
  const survey = await surveyFolder(request)
  let read = 0
  const found = await unpack(
    survey.items((bytes) => {
      read = bytes
    }),
  )
  assert.deepEqual(
    found.map(({ path, type, content }) => [path, type, content.length]),
    [
      ['empty folder/', 'directory', 0],
      ['empty.txt', 'file', 0],
      ['film 日本語.webm', 'file', 600_000],
      [`${long}/`, 'directory', 0],
      [`${long}/${long}/`, 'directory', 0],
      [`${long}/${long}/${long}`, 'file', 4],
    ],
  )
  assert.deepEqual([survey.sizeBytes, read], [600_004, 600_004])
})

test('any tree arrives as it is', async () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => {
    const isPlain = !/[/\\\p{Cc}\p{Cs}]/u.test(text) && text !== '.' && text !== '..'
    return isPlain && text.normalize('NFC') === text && Buffer.byteLength(text) < 200
  })
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
  const tree = fc
    .uniqueArray(path, { maxLength: 12 })
    .map((paths) => paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`))))
  const seed = seedFromEnvironment() | 0 // fast-check prints it when a property fails
  const property = fc.asyncProperty(tree, async (paths) => {
    await rm(root, { recursive: true, force: true })
    await mkdir(root)
    await make(Object.fromEntries(paths.map((one) => [one, `content of ${one}`])))
    const found = await unpack((await surveyFolder(requestFor().request)).items(() => {}))
    const files = found.filter(({ type }) => type === 'file')
    assert.deepEqual(
      files.map((file) => [file.path, file.content]),
      [...paths].sort(comparePaths).map((one) => [one, `content of ${one}`]),
    )
  })
  await fc.assert(property, { seed, numRuns: 30 })
})

test('faults end it before anything is read: ten are listed, the others counted', async () => {
  for (let i = 0; i < 13; i++) await symlink('x', join(root, `link-${String(i).padStart(2, '0')}`))
  const { request, stderr } = requestFor()
  await assert.rejects(surveyFolder(request), /nothing was sent: --skip-unreadable leaves out/)
  const lines = stderr.text.trimEnd().split('\n')
  assert.equal(lines[0], 'cannot be inserted: "link-00" is a symbolic link')
  assert.deepEqual([lines.length, lines.at(-1)], [11, 'and 3 more'])
})

test('what is left out is listed one by one, and the rest comes whole', async () => {
  await make({ 'a/secret': '1', 'a/x': '2', 'closed/y': '3', z: '4' })
  await symlink('z', join(root, 'li\u001bnk'))
  const disk = unreadable('/secret', '/closed')
  const { request, stderr } = requestFor({ isSkipping: true, disk })
  const items = await unpack((await surveyFolder(request)).items(() => {}))
  assert.deepEqual(
    items.map(({ path }) => path),
    ['a/', 'a/x', 'z'],
  )
  assert.deepEqual(stderr.text.trimEnd().split('\n'), [
    'left out: "a/secret" cannot be read (EACCES)',
    'left out: "closed" cannot be read (EACCES)',
    'left out: "li\\u001bnk" has a name that has a slash, a backslash, a control character or half a character',
  ])
})

const CHANGES: readonly (readonly [what: string, change: () => Promise<void>, words: RegExp])[] = [
  ['grew', () => writeFile(join(root, 'b'), '12345'), /folder changed at "b" while it was read/],
  ['shrank', () => truncate(join(root, 'b'), 1), /folder changed at "b"/],
  ['went away', () => rm(join(root, 'b')), /folder changed at "c"/],
  ['was the last and went away', () => rm(join(root, 'c')), /the folder changed while/],
  ['came', () => writeFile(join(root, 'a2'), ''), /folder changed at "a2"/],
  [
    'became a link',
    async () => {
      await rm(join(root, 'b'))
      await symlink('a', join(root, 'b'))
    },
    /folder changed at "b"/,
  ],
]

for (const [what, change, words] of CHANGES) {
  test(`a file that ${what} after the first look ends the archive with words`, async () => {
    await make({ a: '1', b: '22', c: '333' })
    const survey = await surveyFolder(requestFor().request)
    await change()
    await assert.rejects(unpackFailing(survey.items(() => {})), words)
  })
}

test('a file that changes between its size and its bytes ends the archive with words', async () => {
  await make({ a: '1', b: '22' })
  for (const [change, words] of [
    [(path: Buffer) => writeFile(path, 'x'.repeat(300_000)), /"b" changed while it was read/],
    [(path: Buffer) => truncate(path, 1), /"b" changed while it was read/],
    [(path: Buffer) => rm(path), /"b" cannot be read \(ENOENT\): nothing was inserted/],
  ] as const) {
    await make({ b: '22' })
    const disk: Disk = {
      ...DISK,
      open: async (path) => {
        if (path.toString().endsWith('/b')) await change(path)
        return DISK.open(path)
      },
    }
    const survey = await surveyFolder(requestFor({ disk }).request)
    await assert.rejects(unpackFailing(survey.items(() => {})), words)
  }
})

/** Reads the archive to its end, and rejects with the body's own error. */
async function unpackFailing(items: FolderItems): Promise<void> {
  for await (const part of tarBody(items)) assert.ok(part)
}

test('Ctrl-C ends the first look', async () => {
  await make({ a: '1' })
  const { request } = requestFor()
  const io = { ...request.io, signal: AbortSignal.abort(new Error('interrupted')) }
  await assert.rejects(surveyFolder({ ...request, io }), /interrupted/)
})

test('an archive that nobody reads on holds little and ends its files', async () => {
  let made = 0
  let isOver = false
  const items: FolderItems = (async function* () {
    try {
      for (; made < 100_000; made++) {
        yield made % 2 === 0
          ? { type: 'folder' as const, path: `folder-${String(made).padStart(6, '0')}` }
          : { type: 'file' as const, path: `folder-${made}.txt`, size: 0, content: none() }
      }
    } finally {
      isOver = true
    }
  })()
  const body = tarBody(items)
  await new Promise((resolve) => body.once('readable', resolve))
  await settled(() => made)
  assert.ok(made < 1000, `${made} entries are held`)
  body.destroy()
  await settled(() => isOver)
  assert.ok(isOver)
})

async function* none(): AsyncGenerator<Uint8Array, void> {}

/** Waits until `value` has been the same for some turns of the loop. */
async function settled(value: () => unknown): Promise<void> {
  for (let same = 0, last = value(); same < 50; same++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (value() !== last) same = 0
    last = value()
  }
}
