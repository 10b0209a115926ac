/** @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { openContent } from '../../src/content/fetch.ts'
import { encodeManifest } from '../../src/content/manifest.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { fetchContent } from '../../src/content/serve.ts'
import type { ServeContext, ServeOptions, ServeOutcome } from '../../src/content/serve.ts'
import { findPath } from '../../src/content/site.ts'
import { mapKey, utf8 } from '../../src/keys/bytes.ts'
import type { ContentUri, Path, ShoalUri } from '../../src/keys/uri.ts'
import { bytesOf, createBlockMap, listOf, putTree, uriOf } from '../helpers/block-map.ts'
import type { BlockMap } from '../helpers/block-map.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { folderItems } from '../helpers/folder.ts'
import type { Files } from '../helpers/folder.ts'
import { createSeededRng } from '../helpers/rng.ts'

const KIB = 1024

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

describe('serving', () => {
  const openDocument = (): Promise<Manifest> => Promise.reject(new Error('no document here'))

  function contextOf(map: BlockMap, changes: Partial<ServeContext> = {}): ServeContext {
    const { source, clock, shares } = map.fetchContext
    return { source, clock, shares, signals: [], openDocument, ...changes }
  }

  async function serve(
    path: Path,
    { options = {}, given = files }: { options?: ServeOptions; given?: Files } = {},
  ): Promise<ServeOutcome> {
    const map = createBlockMap()
    const { manifest } = await map.add(folderItems(given))
    return await fetchContent(
      uriOf(putTree(map, manifest), 'folder', path),
      options,
      contextOf(map),
    )
  }

  test('a file of a folder has its type, name, size and bytes', async () => {
    const outcome = await serve(['img', 'fish.png'])
    assert.ok(outcome.type === 'found')
    const { size, contentType, name, range } = outcome
    assert.deepEqual([size, contentType, name, range], [40, 'image/png', 'fish.png', undefined])
    assert.deepEqual(await bytesOf(outcome.stream), files['img/fish.png'])
  })

  test('a default document is called index.html', async () => {
    const outcome = await serve(['docs', ''])
    assert.ok(outcome.type === 'found')
    assert.equal(outcome.name, 'index.html')
    assert.equal(new TextDecoder().decode(await bytesOf(outcome.stream)), '<p>docs')
  })

  test('a folder without one is its listing, also where only the head is wanted', async () => {
    for (const headOnly of [false, true]) {
      const outcome = await serve(['img', ''], { options: { headOnly } })
      assert.ok(outcome.type === 'folder')
      assert.match(outcome.identity, /^[\w-]{22}$/)
      const names = (await listOf(outcome.entries)).map((entry) => entry.name)
      assert.deepEqual(names, ['fish.png', 'index.html'])
    }
  })

  test('a missing slash and a missing path are told apart', async () => {
    assert.deepEqual(await serve([]), { type: 'slash-missing' })
    assert.deepEqual(await serve(['docs']), { type: 'slash-missing' })
    assert.deepEqual(await serve(['absent']), { type: 'no-such-path' })
  })

  test('ranges of a packed file, and those outside it', async () => {
    const given = { a: content(50 * KIB, 1), b: content(50 * KIB, 2) }
    const range = { type: 'suffix', length: 10 } as const
    const outcome = await serve(['b'], { options: { range }, given })
    assert.ok(outcome.type === 'found')
    assert.deepEqual(outcome.range, { first: 50 * KIB - 10, last: 50 * KIB - 1 })
    assert.deepEqual(await bytesOf(outcome.stream), given.b.slice(-10))
    const beyond = { type: 'from-to', first: 50 * KIB, last: undefined } as const
    const refused = await serve(['b'], { options: { range: beyond }, given })
    assert.deepEqual(refused, { type: 'unsatisfiable-range', size: 50 * KIB })
  })

  test('documents are opened by who knows how, and lend their name', async () => {
    const map = createBlockMap()
    const body = { type: 'inline', bytes: utf8('text') } as const
    const file: Manifest = { size: 4, contentType: undefined, body }
    const { opened: site } = await map.add(folderItems(files))
    const key = { publicKey: new Uint8Array(32), readKey: new Uint8Array(32), document: 'notes' }
    const uris = (path: Path): ShoalUri[] => [
      { type: 'ssk', ...key, path },
      { type: 'usk', ...key, edition: 3, path },
      { type: 'ksk', word: 'notes', path },
    ]
    for (const uri of uris([])) {
      const context = contextOf(map, { openDocument: () => Promise.resolve(file) })
      const outcome = await fetchContent(uri, {}, context)
      assert.ok(outcome.type === 'found')
      assert.equal(outcome.name, 'notes')
    }
    for (const uri of uris(['about.html'])) {
      const context = contextOf(map, { openDocument: () => Promise.resolve(site) })
      const outcome = await fetchContent(uri, {}, context)
      assert.ok(outcome.type === 'found')
      assert.equal(outcome.name, 'about.html')
    }
  })

  test('the key of a file that leads to a folder, and the reverse, are E_DECODE', async () => {
    const map = createBlockMap()
    const { manifest } = await map.add(folderItems(files))
    const folder = putTree(map, manifest)
    const body = { type: 'inline', bytes: utf8('text') } as const
    const file = putTree(map, encodeManifest({ size: 4, contentType: undefined, body }))
    for (const uri of [uriOf(folder, 'manifest'), uriOf(file, 'folder')]) {
      await assert.rejects(openContent(uri, map.fetchContext), { code: 'E_DECODE' })
      await assert.rejects(fetchContent(uri, {}, contextOf(map)), { code: 'E_DECODE' })
    }
  })

  /** A site with a folder that has a manifest of its own, and where that is. */
  async function withOwnFolder(): Promise<{ map: BlockMap; uri: ContentUri; node: string }> {
    const map = createBlockMap()
    const entries = Array.from({ length: 300 }, (_, i) => [
      `own/a-name-of-file-${i}`,
      content(200, i),
    ])
    const { manifest, opened } = await map.add(folderItems(Object.fromEntries(entries) as Files))
    map.asked.length = 0
    await findPath(opened, ['own', 'absent'], map.fetchContext)
    const [asked] = map.asked
    assert.ok(asked !== undefined)
    return {
      map,
      uri: uriOf(putTree(map, manifest), 'folder', ['own', 'a-name-of-file-7']),
      node: mapKey(asked.address),
    }
  }

  for (const type of ['not-found', 'timed-out', 'no-peers'] as const) {
    test(`a folder's own block that is ${type} answers as the first block would`, async () => {
      const { map, uri, node } = await withOwnFolder()
      const source = {
        ...map.source,
        getBlock: (...[address, options]: Parameters<typeof map.source.getBlock>) =>
          mapKey(address) === node
            ? Promise.resolve({ type } as const)
            : map.source.getBlock(address, options),
      }
      assert.deepEqual(await fetchContent(uri, {}, contextOf(map, { source })), { type })
    })
  }

  test('the time to the first byte counts from the first block to the last on the way', async () => {
    const { map, uri } = await withOwnFolder()
    const clock = createSimulatedClock()
    const delayed = (delayMs: number): ServeContext => {
      const getBlock: typeof map.source.getBlock = (address, options) =>
        new Promise((resolve, reject) => {
          const { signal } = options
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error)
          })
          clock.after(delayMs, () => {
            void map.source.getBlock(address, options).then(resolve, reject)
          })
        })
      return contextOf(map, { source: { ...map.source, getBlock }, clock })
    }
    const serveIn = (delayMs: number): Promise<ServeOutcome> =>
      clock.runUntilSettled(fetchContent(uri, { timeoutMs: 1000 }, delayed(delayMs)))
    // the folder, its sub-folder, the root of the pack and its leaf
    assert.equal((await serveIn(240)).type, 'found')
    assert.equal((await serveIn(260)).type, 'timed-out')
  })

  test('a listing whose later node is missing ends with E_NOT_FOUND, and one given up with its reason', async () => {
    const map = createBlockMap()
    const entries = Array.from({ length: 3000 }, (_, i) => [`a-name-of-file-${i}`, content(50, i)])
    const { manifest } = await map.add(folderItems(Object.fromEntries(entries) as Files))
    const uri = uriOf(putTree(map, manifest), 'folder', [''])
    const stop = new AbortController()
    const context = contextOf(map, { signals: [stop.signal] })
    const given = await fetchContent(uri, {}, context)
    assert.ok(given.type === 'folder')
    stop.abort(new Error('enough'))
    await assert.rejects(listOf(given.entries), { message: 'enough' })

    const nodes = map.asked.filter(({ isTop }) => isTop).map(({ address }) => mapKey(address))
    const later = nodes.at(-2) as string // in the last one an index.html is looked for
    const clock = createSimulatedClock()
    map.blocks.delete(later)
    const outcome = await fetchContent(uri, {}, contextOf(map, { clock }))
    assert.ok(outcome.type === 'folder')
    const listing = listOf(outcome.entries)
    await assert.rejects(clock.runUntilSettled(listing), { code: 'E_NOT_FOUND' })
  })
})
