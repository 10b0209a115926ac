/** Downloads of whole folders to disk (spec §11.12). @module */
import assert from 'node:assert/strict'
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { createMemoryJournal } from '../../src/journal.ts'
import { formatUri } from '../../src/keys/uri.ts'
import { createNode } from '../../src/node.ts'
import type { FolderEntry, Node, NodeTransfers, Transfer } from '../../src/node-types.ts'
import { readTransfers } from '../../src/transfers/transfer-records.ts'
import { Transfers } from '../../src/transfers/transfers.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { once } from '../helpers/publishing.ts'

const PIECE_BYTES = 100_000
const LARGE = Buffer.from(Array.from({ length: 350_001 }, (_, i) => Math.imul(i, 48_271) >>> 8))

async function bench(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-transfers-'))
  const clock = createSimulatedClock()
  const journal = createMemoryJournal()
  const node = createFakeNode()
  const gate = { fetch: node.fetch.bind(node) }
  const fetch: Node['fetch'] = (uri, options) => gate.fetch(uri, options)
  const options = { journal, clock, dataDir: undefined, pieceBytes: PIECE_BYTES, fetch }
  const opened: Transfers[] = []
  const open = async () => {
    const transfers = new Transfers(options, await readTransfers(journal))
    opened.push(transfers)
    return transfers
  }
  const transfers = await open()
  t.after(async () => {
    for (const one of opened) await one.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { folder, clock, node, gate, open, transfers, path: join(folder, 'site') }
}

type Bench = Awaited<ReturnType<typeof bench>>

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 1))
}

async function untilPhase(transfers: NodeTransfers, phase: Transfer['phase']): Promise<Transfer> {
  const now = () => transfers.get(1) ?? assert.fail('it is gone')
  await until(() => now().phase === phase || now().phase === 'failed' || now().phase === 'done')
  assert.equal(now().phase, phase, now().fault)
  return now()
}

/** Files whose key ends so come to `afterBytes`, and then no further until the fetch is given up. */
function stall({ gate, node }: Bench, ending: string, afterBytes = 0): void {
  gate.fetch = async (uri, options = {}) => {
    const outcome = await node.fetch(uri, options)
    if (outcome.type !== 'found' || !formatUri(uri).endsWith(ending)) return outcome
    const reader = outcome.stream.getReader()
    let bytes = 0
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (bytes >= afterBytes && options.signal?.aborted !== true) {
          await new Promise((resolve) => options.signal?.addEventListener('abort', resolve))
        }
        if (options.signal?.aborted === true) {
          controller.error(options.signal.reason)
          return
        }
        const { value } = await reader.read()
        bytes += value?.length ?? 0
        controller.enqueue(value ?? new Uint8Array())
      },
    })
    return { ...outcome, stream }
  }
}

/** What every listing shows. */
function list({ gate }: Bench, ...entries: FolderEntry[]): void {
  gate.fetch = () => {
    const lines = (async function* () {
      await Promise.resolve()
      yield* entries
    })()
    return Promise.resolve({ type: 'folder', entries: lines, identity: 'x' })
  }
}

/** Everything below a folder: files with their text, folders with nothing. */
async function treeOf(folder: string, below = ''): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const at = join(below, entry.name)
    if (entry.isDirectory()) Object.assign(tree, { [`${at}/`]: '' }, await treeOf(folder, at))
    else tree[at] = await readFile(join(folder, at), 'utf8')
  }
  return tree
}

const FILES = {
  'a.part': 'a',
  'b/c/d.txt': 'd',
  'b/index.html': 'i',
  'e/': '',
  files: 'f',
  now: 'n',
}
const TREE = { ...FILES, 'b/': '', 'b/c/': '' }

test('a folder appears whole at its path, whatever its files are called, and nothing else is left', async (t) => {
  const { transfers, node, path, folder } = await bench(t)
  const uri = `${node.addFolder(FILES, 'site')}/`
  await transfers.add({ uri, path })
  const { doneBytes, sizeBytes } = await untilPhase(transfers, 'done')
  assert.deepEqual([doneBytes, sizeBytes], [5, 5])
  assert.deepEqual(await treeOf(path), TREE)
  assert.deepEqual(await readdir(folder), ['site'])
  assert.equal((await stat(path)).mode & 0o077, 0)
  assert.equal((await stat(join(path, 'now'))).mode & 0o077, 0)
  await assert.rejects(transfers.add({ uri, path, overwrite: true }), { code: 'E_EXISTS' })
})

test('a part of a folder and an empty one are downloaded, too', async (t) => {
  const { transfers, node, folder } = await bench(t)
  const uri = node.addFolder(FILES, 'site')
  await transfers.add({ uri: `${uri}/b/`, path: join(folder, 'b') })
  await transfers.add({ uri: `${uri}/e/`, path: join(folder, 'e') })
  await until(() => transfers.list().every(({ phase }) => phase === 'done'))
  assert.deepEqual(await treeOf(join(folder, 'b')), { 'c/': '', 'c/d.txt': 'd', 'index.html': 'i' })
  assert.deepEqual(await readdir(join(folder, 'e')), [])
})

test('room for a whole folder is asked for before anything of it is there, and not again', async (t) => {
  const given = await bench(t)
  const { transfers, node, gate, path } = given
  const uri = `${node.addFolder({ a: 'a', z: 'z' }, 'site')}/`
  stall(given, 'z')
  await transfers.add({ uri, path })
  await until(() => transfers.get(1)?.doneBytes === 1)
  await transfers.change(1, { paused: true })
  gate.fetch = async (key, options = {}) => {
    const outcome = await node.fetch(key, options)
    if (outcome.type !== 'folder') return outcome
    const entries = (async function* () {
      for await (const entry of outcome.entries) {
        yield entry.name === 'a' ? { ...entry, size: 2 ** 52 } : entry // as if the disk were filled by it
      }
    })()
    return { ...outcome, entries }
  }
  await transfers.change(1, { paused: false })
  await until(() => transfers.get(1)?.phase === 'failed' || transfers.get(1)?.phase === 'done')
  assert.notEqual(transfers.get(1)?.fault, 'E_STORE_FULL')
})

test('after a restart a folder goes on: with what is missing, in a large file where that was', async (t) => {
  const given = await bench(t)
  const { transfers, node, gate, path, open } = given
  const uri = `${node.addFolder({ a: 'a', 'b/large': LARGE, 'b/z': 'z' }, 'site')}/`
  stall(given, 'large', 250_000)
  await transfers.add({ uri, path })
  await until(() => (transfers.get(1)?.doneBytes ?? 0) > 200_001)
  await transfers.close()
  await assert.rejects(lstat(path), { code: 'ENOENT' })
  node.calls.fetch.length = 0
  gate.fetch = node.fetch.bind(node)
  const again = await open()
  assert.equal(again.get(1)?.doneBytes, 200_001)
  const { doneBytes } = await untilPhase(again, 'done')
  assert.equal(doneBytes, LARGE.length + 2)
  assert.ok((await readFile(join(path, 'b/large'))).equals(LARGE))
  const asked = node.calls.fetch
    .filter(({ options }) => options.listing !== true)
    .map(({ uri: { path: names }, options }) => [names.join('/'), options.range?.type])
  assert.deepEqual(asked, [
    ['b/large', 'from-to'],
    ['b/z', undefined],
  ])
})

test('a file that nobody has now does not keep the rest from coming, and is looked for again', async (t) => {
  const { transfers, node, gate, path, clock } = await bench(t)
  gate.fetch = (uri, options) =>
    uri.path.at(-1) === 'b'
      ? Promise.resolve({ type: 'not-found' })
      : node.fetch.call(node, uri, options)
  await transfers.add({ uri: `${node.addFolder({ a: 'a', b: 'b', c: 'c' }, 'site')}/`, path })
  assert.equal((await untilPhase(transfers, 'waiting')).fault, 'E_NOT_FOUND')
  assert.deepEqual(await treeOf(`${path}.part/files`), { a: 'a', c: 'c' })
  gate.fetch = node.fetch.bind(node)
  await clock.runFor(10_000)
  await untilPhase(transfers, 'done')
  assert.deepEqual(await treeOf(path), { a: 'a', b: 'b', c: 'c' })
})

test('when there is another folder under the word by now all of it begins anew', async (t) => {
  const given = await bench(t)
  const { transfers, node, gate, path } = given
  const uri = `${node.addWord('word', { a: 'old', b: 'old' })}/`
  stall(given, 'b')
  await transfers.add({ uri, path })
  await until(() => lstat(`${path}.part/files/a`).then(Boolean, () => false))
  await transfers.change(1, { paused: true })
  node.addWord('word', { a: 'new', c: 'new one' })
  gate.fetch = node.fetch.bind(node)
  await mkdir(path)
  await writeFile(join(path, 'mine'), 'mine')
  await transfers.change(1, { paused: false })
  await until(() => transfers.get(1)?.phase === 'failed')
  assert.deepEqual(await treeOf(path), { mine: 'mine' }, 'what came there meanwhile stays')
  await rm(path, { recursive: true })
  await transfers.change(1, { paused: false })
  await untilPhase(transfers, 'done')
  assert.deepEqual(await treeOf(path), { a: 'new', c: 'new one' })
})

for (const name of ['..', '.', '', '../x', 'a/b', 'a\\b', 'a\nb', 'a\0b', 'a'.repeat(256)]) {
  test(`a folder that holds the name ${JSON.stringify(name).slice(0, 20)} is refused, and nothing is written outside`, async (t) => {
    const given = await bench(t)
    for (const type of ['file', 'folder'] as const) {
      list(given, { name, type, size: 1 })
      const { id } = await given.transfers.add({ uri: 'KSK@word/', path: given.path })
      await until(() => given.transfers.get(id)?.phase === 'failed')
      assert.equal(given.transfers.get(id)?.fault, 'E_FOLDER')
      assert.deepEqual(await treeOf(given.folder), { 'site.part/': '', 'site.part/files/': '' })
      await given.transfers.remove(id)
    }
    assert.deepEqual(await readdir(given.folder), [])
  })
}

test('folders without end are refused', async (t) => {
  const given = await bench(t)
  const { transfers, path } = given
  list(given, { name: 'a', type: 'folder', size: 0 })
  await transfers.add({ uri: 'KSK@word/', path })
  await until(() => transfers.get(1)?.phase === 'failed')
  assert.equal(transfers.get(1)?.fault, 'E_FOLDER')
})

test('a link that takes the place of a folder meanwhile is not followed', async (t) => {
  const given = await bench(t)
  const { transfers, node, gate, path, folder } = given
  await mkdir(join(folder, 'mine'))
  stall(given, '/a')
  await transfers.add({ uri: `${node.addFolder({ a: 'a', 'b/c': 'c' }, 'site')}/`, path })
  await until(() => lstat(`${path}.part/now`).then(Boolean, () => false))
  await transfers.change(1, { paused: true })
  await symlink(join(folder, 'mine'), `${path}.part/files/b`)
  gate.fetch = node.fetch.bind(node)
  await transfers.change(1, { paused: false })
  await until(() => transfers.get(1)?.phase === 'failed')
  assert.equal(transfers.get(1)?.fault, 'E_PATH')
  assert.equal(await transfers.remove(1), true)
  assert.deepEqual(await treeOf(folder), { 'mine/': '' })
})

test('what somebody else has at the path or beside it is neither written nor removed', async (t) => {
  const { transfers, node, path, folder } = await bench(t)
  const uri = `${node.addFolder(FILES, 'site')}/`
  await mkdir(`${path}.part/files`, { recursive: true })
  await writeFile(`${path}.part/files/a`, 'mine')
  await transfers.add({ uri, path })
  await until(() => transfers.get(1)?.phase === 'failed')
  assert.equal(transfers.get(1)?.fault, 'E_EXISTS')
  await transfers.remove(1)
  assert.equal(await readFile(`${path}.part/files/a`, 'utf8'), 'mine')
  await symlink(folder, join(folder, 'link.part'))
  await transfers.add({ uri, path: join(folder, 'link') })
  await until(() => transfers.get(2)?.phase === 'failed')
  assert.equal(transfers.get(2)?.fault, 'E_PATH')
  await transfers.remove(2)
  assert.ok((await lstat(join(folder, 'link.part'))).isSymbolicLink())
})

test('what appears at the path meanwhile is not replaced, and a download that is removed leaves no part', async (t) => {
  const given = await bench(t)
  const { transfers, node, gate, path, folder } = given
  stall(given, '/now')
  await transfers.add({ uri: `${node.addFolder(FILES, 'site')}/`, path })
  await until(() => lstat(`${path}.part/files/files`).then(Boolean, () => false))
  await transfers.change(1, { paused: true })
  await mkdir(path)
  gate.fetch = node.fetch.bind(node)
  await transfers.change(1, { paused: false })
  await until(() => transfers.get(1)?.phase === 'failed')
  assert.equal(transfers.get(1)?.fault, 'E_EXISTS')
  await transfers.remove(1)
  assert.deepEqual(await treeOf(folder), { 'site/': '' })
})

test('a folder comes in one edition, and a file has no slash', async (t) => {
  const { transfers, node, path } = await bench(t)
  const edition = node.addEdition('blog', { a: 'a' })
  for (const last of ['latest', '-1']) {
    const uri = `${edition.replace(/\d+$/, last)}/`
    await assert.rejects(transfers.add({ uri, path }), { code: 'E_URI', message: /one edition/ })
  }
  await transfers.add({ uri: `${edition}/`, path })
  await untilPhase(transfers, 'done')
  await transfers.add({ uri: `${node.addWord('file', 'x')}/`, path: `${path}2` })
  await until(() => transfers.get(2)?.phase === 'failed')
  assert.match(transfers.get(2)?.fault ?? '', /^E_(FOLDER|NO_PATH)$/)
})

test('a real node downloads a folder that it holds, the files of its pages included', async (t) => {
  const { folder, path } = await bench(t)
  const node = await createNode({ storeBytes: 2 ** 26 })
  t.after(() => node.close())
  const files: readonly (readonly [string, Uint8Array])[] = [
    ['a/large', LARGE],
    ['a/z.txt', Buffer.from('z')],
    ['index.html', Buffer.from('<p>')],
  ]
  const items = (async function* () {
    for (const [name, bytes] of files) {
      await Promise.resolve()
      yield { type: 'file', path: name, size: bytes.length, content: once(bytes) } as const
    }
  })()
  const { uri } = await node.insertFolder(items, { name: 'site' })
  await node.transfers.add({ uri: `${uri.replace(/\/$/, '')}/`, path })
  await untilPhase(node.transfers, 'done')
  for (const [name, bytes] of files) {
    assert.ok((await readFile(join(path, name))).equals(bytes), name)
  }
  assert.deepEqual((await readdir(folder)).sort(), ['site'])
})
