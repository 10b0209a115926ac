/** @module */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { after, before, test } from 'node:test'

import { createApp } from '../../src/gateway/app.ts'
import { openKeyring, publisherKeysOf } from '../../src/keyring.ts'
import type { PublisherKeys } from '../../src/node-types.ts'
import { silentLogger } from '../../src/runtime.ts'
import type { CliOptions, CliResult } from '../helpers/cli-io.ts'
import { runCli, scriptGateway, sendJson } from '../helpers/cli-io.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const PREFIX = /^USK@[\w-]{43},\n$/

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-key-'))
})
after(() => rm(folder, { recursive: true, force: true }))

type Shoal = (words: readonly string[], options?: CliOptions) => Promise<CliResult>

/** A gateway before a keyring in memory, and `shoal key` that talks to it. */
async function start(t: TestContext): Promise<{ keys: PublisherKeys; key: Shoal }> {
  const keys = publisherKeysOf(await openKeyring({ dataDir: undefined }))
  const node = Object.assign(createFakeNode(), { keys })
  const server = createServer(createApp({ node, logger: silentLogger }))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { keys, key: (words, options) => runCli(['key', ...words, '--gateway', url], options) }
}

test('new and show print the beginning of the key’s URIs on stdout, and nothing else', async (t) => {
  const { key, keys } = await start(t)
  const made = await key(['new', 'my blog'])
  assert.deepEqual([made.exit, made.stderr], [0, ''])
  assert.match(made.stdout, PREFIX)
  assert.equal(made.stdout, `${keys.get('my blog').uri}\n`)
  assert.deepEqual(await key(['show', 'my blog']), made)
})

test('show prints the beginning of a document’s URIs', async (t) => {
  const { key, keys } = await start(t)
  await keys.create('日記')
  const shown = await key(['show', '日記', '--document', 'my site'])
  const stdout = `${keys.documentUri('日記', 'my site')}\n`
  assert.deepEqual(shown, { exit: 0, stdout, stderr: '' })
  const { exit, stderr } = await key(['show', '日記', '--document', '12'])
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal key: .*looks like an edition.*\n$/)
})

test('list prints a line for each key, and none where there is none', async (t) => {
  const { key, keys } = await start(t)
  assert.deepEqual(await key(['list']), { exit: 0, stdout: '', stderr: '' })
  const [b, a] = [await keys.create('b  b'), await keys.create('a')]
  const stdout = `a\t${a.uri}\nb  b\t${b.uri}\n`
  assert.deepEqual(await key(['list']), { exit: 0, stdout, stderr: '' })
})

test('export prints the text, and on stderr what it is worth', async (t) => {
  const { key, keys } = await start(t)
  await keys.create('blog')
  const { exit, stdout, stderr } = await key(['export', 'blog'])
  assert.deepEqual([exit, stdout], [0, `${keys.export('blog')}\n`])
  assert.match(stderr, /^shoal key: whoever has this text can publish under this name.*\n$/)
})

test('import takes what export printed, from a file or from stdin', async (t) => {
  const left = await start(t)
  const { uri } = await left.keys.create('blog')
  const { stdout: text } = await left.key(['export', 'blog'])
  const path = join(folder, 'paper.txt')
  await writeFile(path, text.replaceAll('\n', '\r\n').toLowerCase().replace('blog', 'Blog'))

  const right = await start(t)
  assert.deepEqual(await right.key(['import', path]), { exit: 0, stdout: `${uri}\n`, stderr: '' })
  assert.deepEqual(right.keys.list(), [{ name: 'Blog', uri }])

  const third = await start(t)
  const stdin = Readable.from([Buffer.from(text.slice(0, 40)), Buffer.from(text.slice(40))])
  const imported = await third.key(['import', '-', '--name', 'mine'], { stdin })
  assert.deepEqual(imported, { exit: 0, stdout: `${uri}\n`, stderr: '' })
  assert.deepEqual(third.keys.list(), [{ name: 'mine', uri }])
})

test('an import that cannot be says why in one line', async (t) => {
  const { key, keys } = await start(t)
  await keys.create('blog')
  const file = async (text: string): Promise<string> => {
    const path = join(folder, 'try.txt')
    await writeFile(path, text)
    return path
  }
  const text = keys.export('blog')
  const tries: readonly (readonly [path: string, words: RegExp])[] = [
    [await file('x'.repeat(4097)), /is too long for an exported key/],
    [join(folder, 'nothing'), /ENOENT/],
    [folder, /EISDIR/],
  ]
  for (const [path, words] of tries) {
    const { exit, stdout, stderr } = await key(['import', path])
    assert.deepEqual([exit, stdout], [1, ''])
    assert.match(stderr, words)
    assert.match(stderr, /^shoal key: .*\n$/)
  }
  for (const [content, words] of [
    ['', /0 characters, not 60/],
    [text.replace(/.$/, 'B'), /not the one that was written down/],
    [text.replace('blog', 'other'), /this key is here as "blog"/],
    [text.split('\n')[1] ?? '', /has no name/],
  ] as const) {
    const { exit, stdout, stderr } = await key(['import', await file(content)])
    assert.deepEqual([exit, stdout], [1, ''])
    assert.match(stderr, words)
  }
  assert.equal(keys.list().length, 1)
})

test('remove forgets the key, and says on stderr what that means', async (t) => {
  const { key, keys } = await start(t)
  const { uri } = await keys.create('blog')
  const { exit, stdout, stderr } = await key(['remove', 'blog'])
  assert.deepEqual([exit, stdout], [0, ''])
  assert.ok(stderr.startsWith(`shoal key: removed "blog", ${uri} `), stderr)
  assert.match(stderr, /without an exported copy nobody can publish under it again\n$/)
  assert.deepEqual(keys.list(), [])
})

test('a key that is not there, or there already, is told in the gateway’s words', async (t) => {
  const { key, keys } = await start(t)
  await keys.create('blog')
  for (const action of ['show', 'export', 'remove']) {
    const { exit, stdout, stderr } = await key([action, 'gone'])
    assert.deepEqual([exit, stdout], [1, ''], action)
    assert.match(stderr, /^shoal key: The keyring has no key "gone"\. \(E_NO_KEY\)\n$/)
  }
  for (const [name, words] of [
    ['blog', /there is another key "blog"/],
    ['a/b', /slash/],
    ['..', /must not be/],
  ] as const) {
    const { exit, stderr } = await key(['new', name])
    assert.equal(exit, 1)
    assert.match(stderr, words)
  }
  assert.equal(keys.list().length, 1)
})

const WRONG: readonly (readonly [words: readonly string[], expected: RegExp])[] = [
  [[], /^shoal key: new\|list\|show\|export\|import\|remove is missing \(see shoal key --help\)$/],
  [['fly'], /^shoal key: one of new, list, show, export, import, remove is expected, not "fly"/],
  [['toString'], /is expected, not "toString"/],
  [['new'], /^shoal key: new: NAME is missing/],
  [['new', ''], /NAME is missing/],
  [['show'], /NAME is missing/],
  [['export'], /NAME is missing/],
  [['import'], /^shoal key: import: FILE is missing/],
  [['remove'], /NAME is missing/],
  [['list', 'blog'], /^shoal key: list: unexpected argument "blog"/],
  [['new', 'a', 'b'], /unexpected argument "b"/],
  [['new', 'a', '--document', 'b'], /--document: not with new/],
  [['show', 'a', '--name', 'b'], /--name: not with show/],
  [['list', '--name', 'b'], /--name: not with list/],
  [['new', '-x'], /-x/],
  [['new', 'a', '--gateway', 'ftp://a'], /--gateway/],
]

for (const [words, expected] of WRONG) {
  test(`"shoal key ${words.join(' ')}" is a usage error in one line`, async () => {
    const { exit, stdout, stderr } = await runCli(['key', ...words])
    assert.deepEqual([exit, stdout], [2, ''], stderr)
    assert.match(stderr.trimEnd(), expected)
    assert.equal(stderr.split('\n').length, 2, stderr)
  })
}

test('help lists what can be done with keys', async () => {
  const { exit, stdout } = await runCli(['key', '--help'])
  assert.equal(exit, 0)
  assert.match(stdout, /^Usage: shoal key new\|list\|show\|export\|import\|remove \[NAME\|FILE\] /)
  assert.ok(stdout.split('\n').every((line) => line.length <= 100))
  assert.match((await runCli(['--help'])).stdout, /^ {2}key +/m)
})

test('an answer that is no node’s, or would move the cursor, is not printed', async () => {
  const bodies = [{}, { uri: 'USK@\u001b[2J', text: '\u0007', keys: [{ name: 'a', uri: 'b\rc' }] }]
  for (const body of bodies) {
    const gateway = await scriptGateway((_request, response) => {
      sendJson(response, 200, body)
    })
    for (const words of [['list'], ['new', 'a'], ['show', 'a'], ['export', 'a']]) {
      const { exit, stdout, stderr } = await runCli(['key', ...words, '--gateway', gateway.url])
      assert.deepEqual([exit, stdout], [1, ''], words[0])
      assert.equal(stderr, 'shoal key: that is not the gateway of a shoal node\n')
    }
    await gateway.close()
  }
})

test('names go over the wire as they are, whatever they hold', async () => {
  const gateway = await scriptGateway((_request, response) => {
    sendJson(response, 200, { uri: 'USK@x,', documentUri: 'USK@x,y,z/', text: 'x' })
  })
  const to = ['--gateway', gateway.url]
  await runCli(['key', 'new', 'a b&c', ...to])
  await runCli(['key', 'show', '?#%2F é', '--document', 'd/e', ...to])
  await runCli(['key', 'export', '..', ...to])
  await gateway.close()
  assert.deepEqual(gateway.requests, [
    'POST /api/v1/keys?name=a+b%26c',
    'GET /api/v1/keys/%3F%23%252F%20%C3%A9?document=d%2Fe',
    'POST /api/v1/keys/../export',
  ])
})

test('a gateway that is not there is told with what starts it', async () => {
  const gateway = await scriptGateway(() => {})
  await gateway.close()
  const { exit, stderr } = await runCli(['key', 'list', '--gateway', gateway.url])
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal key: no node answers at .*shoal start.*\n$/)
})

test('Ctrl-C while the key is typed in ends the command', async (t) => {
  const { key } = await start(t)
  const controller = new AbortController()
  const stdin = new Readable({
    read() {
      controller.abort(new Error('interrupted'))
    },
  })
  const { exit, stdout } = await key(['import', '-'], { stdin, signal: controller.signal })
  assert.deepEqual([exit, stdout], [1, ''])
})
