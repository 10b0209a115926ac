/** @module */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'

import { folderNameOf } from '../../src/cli/get-folder.ts'
import { runCli, scriptGateway, sendJson, type ScriptedGateway } from '../helpers/cli-io.ts'

const BIG = Buffer.alloc(2_000_000, 'shoal')
const KEY = 'CHK@a,b,c'

let folder = ''
let gateway: ScriptedGateway
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-get-'))
  gateway = await scriptGateway((request, response) => {
    const name = (request.url ?? '').split('/').pop() ?? ''
    if (name === 'big.webm') {
      const headers = { 'content-type': 'video/webm', 'content-length': BIG.length }
      response.writeHead(200, headers).end(BIG)
    } else if (name === 'text') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('hello')
    } else if (name === 'broken') {
      response.writeHead(200, { 'content-length': 5000 })
      response.write('half', () => response.destroy())
    } else if (name === 'moved') {
      response.writeHead(301, { location: `/${KEY}/text` }).end()
    } else if (name === 'loop') {
      response.writeHead(302, { location: `/${KEY}/loop` }).end()
    } else {
      sendJson(response, 404, { title: 'Not found', detail: 'Nobody has it.\u001b[31m' })
    }
  })
})
after(async () => {
  await gateway.close()
  await rm(folder, { recursive: true, force: true })
})

function get(name: string, ...more: string[]): string[] {
  return ['get', `${KEY}/${name}`, '--gateway', gateway.url, ...more]
}

test('content goes to stdout as it is', async () => {
  const { exit, stdout, stderr } = await runCli(get('big.webm'))
  assert.deepEqual([exit, stderr], [0, ''])
  assert.ok(Buffer.from(stdout).equals(BIG))
})

test('content goes to a file, which replaces the old one when it is whole', async () => {
  const path = join(folder, 'film.webm')
  await writeFile(path, 'old')
  const { exit, stdout } = await runCli(get('big.webm', '-o', path))
  assert.deepEqual([exit, stdout], [0, ''])
  assert.ok((await readFile(path)).equals(BIG))
  assert.equal((await readdir(folder)).filter((name) => name.endsWith('.part')).length, 0)
})

test('a link is written through, a device as it is, and a private file stays private', async () => {
  const [target, link] = [join(folder, 'target'), join(folder, 'link')]
  await writeFile(target, 'old', { mode: 0o600 })
  await symlink(target, link)
  await runCli(get('text', '-o', link))
  assert.equal(await readFile(target, 'utf8'), 'hello')
  assert.equal((await stat(target)).mode & 0o777, 0o600)
  assert.equal((await runCli(get('text', '-o', '/dev/null'))).exit, 0)
})

test('what is not whole yet has a name of its own: FILE.part of others is left alone, and no link followed', async () => {
  const path = join(folder, 'shared')
  await writeFile(`${path}.part`, 'mine')
  assert.equal((await runCli(get('text', '-o', path))).exit, 0)
  assert.equal((await runCli(get('broken', '-o', path))).exit, 1)
  assert.equal(await readFile(`${path}.part`, 'utf8'), 'mine')
  await rm(`${path}.part`)
  await symlink(path, `${path}.part`)
  assert.equal((await runCli(get('big.webm', '-o', path))).exit, 0)
  assert.equal((await runCli(get('broken', '-o', path))).exit, 1)
  assert.ok((await readFile(`${path}.part`)).equals(BIG))
  await rm(`${path}.part`)
  assert.equal((await readdir(folder)).filter((name) => name.endsWith('.part')).length, 0)
})

test('two commands that write the same file leave one of them whole', async () => {
  const path = join(folder, 'both')
  const both = await Promise.all(['big.webm', 'text'].map((name) => runCli(get(name, '-o', path))))
  assert.deepEqual(
    both.map(({ exit }) => exit),
    [0, 0],
  )
  const left = await readFile(path)
  assert.ok(left.equals(BIG) || left.toString() === 'hello')
})

test('a body that breaks off is told, and leaves neither FILE nor a part of it', async () => {
  const path = join(folder, 'broken')
  const { exit, stderr } = await runCli(get('broken', '-o', path))
  assert.equal(exit, 1)
  assert.match(stderr, /^shoal get: the content broke off after 4 B of 4\.9 KiB: .*\n$/)
  assert.deepEqual(
    (await readdir(folder)).filter((name) => /^broken|\.part$/.test(name)),
    [],
  )
  assert.equal((await runCli(get('broken'))).exit, 1)
})

test('the gateway’s words are shown in one line without control characters', async () => {
  const path = join(folder, 'absent')
  const { exit, stdout, stderr } = await runCli(get('absent', '-o', path))
  assert.deepEqual([exit, stdout, stderr], [1, '', 'shoal get: Nobody has it. [31m\n'])
  assert.ok(!(await readdir(folder)).some((name) => name.startsWith('absent')))
})

test('redirects within the gateway are followed, but not for ever', async () => {
  assert.equal((await runCli(get('moved'))).stdout, 'hello')
  const { exit, stderr } = await runCli(get('loop'))
  assert.equal(exit, 1)
  assert.match(stderr, /redirects without end/)
})

test('a whole URL is asked of the gateway it names', async () => {
  const { exit, stdout } = await runCli(['get', `${gateway.url}${KEY}/text?download`])
  assert.deepEqual([exit, stdout], [0, 'hello'])
  assert.equal(gateway.requests.at(-1), `GET /${KEY}/text`)
})

test('bytes that are no text are not poured into a terminal unless asked', async () => {
  const { exit, stdout, stderr } = await runCli(get('big.webm'), { terminal: 'stdout' })
  assert.deepEqual([exit, stdout], [1, ''])
  assert.match(stderr, /-o FILE/)
  assert.equal((await runCli(get('text'), { terminal: 'stdout' })).stdout, 'hello')
  assert.equal((await runCli(get('big.webm', '-o', '-'), { terminal: 'stdout' })).exit, 0)
})

test('a reader that goes away early is no failure, a full disk is', async () => {
  for (const [code, expected] of [
    ['EPIPE', 0],
    ['ENOSPC', 1],
  ] as const) {
    const stdout = new Writable({
      write(_part, _encoding, done) {
        done(Object.assign(new Error(`${code}: write`), { code }))
      },
    })
    const { exit, stderr } = await runCli(get('big.webm'), { stdout })
    assert.equal(exit, expected, code)
    assert.equal(stderr, expected === 0 ? '' : 'shoal get: ENOSPC: write\n')
  }
})

test('a folder as FILE and a folder that is not there are told before anything is asked', async () => {
  const asked = gateway.requests.length
  const inside = join(folder, 'inside')
  await mkdir(inside)
  assert.match((await runCli(get('text', '-o', inside))).stderr, /is a folder/)
  const { stderr } = await runCli(get('text', '-o', join(folder, 'no', 'x')))
  assert.equal(stderr, `shoal get: the folder ${join(folder, 'no')} is not there (ENOENT)\n`)
  assert.equal(gateway.requests.length, asked)
})

test('status is a table for people and JSON for programs', async () => {
  const body = {
    version: '0.1.0',
    network: 'shoal',
    isPrivate: true,
    peers: 5,
    connection: { state: 'connected', withoutPeersMs: 0, words: 'Connected to 5 peers.' },
    position: 0.25,
    ring: {
      estimatedNodes: 1234.5,
      links: [
        { distance: 0.001, role: 'ring' },
        { distance: 0.01, role: 'ring' },
        { distance: 0.2, role: 'long' },
        { distance: 0.25, role: 'spare' },
        { distance: 0.5, role: 'long' },
      ],
    },
    store: {
      condition: 'ok',
      quotaBytes: 1024 ** 3,
      filledShare: 0.5,
      usedBytes: 1536,
      blocks: 3,
    },
    outbox: { pendingBlocks: 2 },
  }
  const server = await scriptGateway((_request, response) => {
    sendJson(response, 200, body)
  })
  const table = await runCli(['status', '--gateway', server.url])
  const json = await runCli(['status', '--json', '--gateway', server.url])
  await server.close()
  assert.deepEqual(JSON.parse(json.stdout), body)
  assert.deepEqual(table.stdout.trimEnd().split('\n'), [
    'version   0.1.0',
    'network   shoal, private',
    'peers     5',
    'state     Connected to 5 peers.',
    'position  0.250000',
    'links     2 to neighbors, 2 long, 1 spare',
    'distances 1/2: 1, 1/4: 2, 1/64: 1, 1/512: 1',
    'nodes     about 1,200 in the network',
    'store     1.5 KiB of 1 GiB, 3 blocks',
    'condition ok, 50 % of the slab filled so far',
    'outbox    2 blocks still spreading',
  ])
})

test('status says so where the node has no position yet, and what a gateway leaves out is not known', async () => {
  const words = 'Solving its place on the ring, once: some seconds of work.'
  const bodies = [{ connection: { state: 'solving', withoutPeersMs: 100, words } }, {}]
  const server = await scriptGateway((_request, response) => {
    sendJson(response, 200, bodies.shift() ?? {})
  })
  const solving = await runCli(['status', '--gateway', server.url])
  const unknown = await runCli(['status', '--gateway', server.url])
  await server.close()
  assert.match(solving.stdout, new RegExp(`^state     ${words}\nposition  not known yet$`, 'm'))
  assert.match(unknown.stdout, /^network   \?\npeers     \?\nstate     \?\nposition  \?$/m)
})

/** A gateway with a site: paths of files and their content, listings made of them. */
async function siteGateway(
  files: Readonly<Record<string, string>>,
  bare: string[] = [],
): Promise<ScriptedGateway> {
  return scriptGateway((request, response) => {
    const [path = '', query] = (request.url ?? '').split('?')
    const url = decodeURIComponent(path)
    // once it is clear which edition it is, everything is asked of that one
    if (url.startsWith('/USK@a,b,c/site/1/') && query !== 'pinned') bare.push(url)
    if (url.startsWith('/USK@a,b,c/site/0')) {
      response.writeHead(307, { location: url.replace('/0', '/1') }).end()
    } else if (url === '/USK@a,b,c/site/1') {
      response.writeHead(301, { location: `${url}/` }).end()
    } else if (url.endsWith('/')) {
      assert.equal(request.headers.accept, 'application/json')
      sendJson(response, 200, {
        entries: entriesBelow(files, url.replace(/^\/.*?\/site\/1\//, '')),
      })
    } else {
      const content = files[url.replace(/^\/.*?\/site\/1\//, '')]
      if (content === undefined) sendJson(response, 404, { detail: 'Nobody has it.' })
      else response.writeHead(200, { 'content-length': Buffer.byteLength(content) }).end(content)
    }
  })
}

function entriesBelow(files: Readonly<Record<string, string>>, prefix: string): object[] {
  const below = Object.keys(files).filter((path) => path.startsWith(prefix) && path !== prefix)
  const names = new Set(below.map((path) => path.slice(prefix.length).replace(/(?<=\/).*/, '')))
  return [...names].map((name) =>
    name.endsWith('/')
      ? { name: name.slice(0, -1), type: 'folder', size: 0 }
      : { name, type: 'file', size: files[prefix + name]?.length },
  )
}

const SITE = {
  'index.html': '<h1>hello</h1>',
  'pictures/a b.jpg': 'jpg',
  'pictures/deep/100%.txt': 'percent',
  'pictures/empty/': '',
  'x.part': 'not a part',
}

async function filesIn(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(directory.length + 1)
    if (entry.isFile()) found[name] = await readFile(path, 'utf8')
    else if ((await readdir(path)).length === 0) found[`${name}/`] = ''
  }
  return found
}

test('a folder is fetched whole, by its newest edition, with or without its slash', async () => {
  const bare: string[] = []
  const site = await siteGateway(SITE, bare)
  for (const key of ['USK@a,b,c/site/0/', 'USK@a,b,c/site/0', 'USK@a,b,c/site/1/']) {
    const directory = join(folder, 'fetched')
    const { exit, stdout, stderr } = await runCli([
      'get',
      key,
      '-o',
      directory,
      '--gateway',
      site.url,
    ])
    assert.deepEqual([exit, stdout, stderr], [0, '', `4 files, 34 B in ${directory}\n`])
    assert.deepEqual(await filesIn(directory), SITE)
    assert.ok(!(await readdir(folder)).includes('fetched.part'))
    await rm(directory, { recursive: true })
  }
  assert.deepEqual(new Set(bare), new Set(['/USK@a,b,c/site/1/']))
  await site.close()
})

test('empty folders without end are given up, though each listing is short', async () => {
  const entries = Array.from({ length: 1000 }, (_, i) => ({
    name: `${i}`,
    type: 'folder',
    size: 0,
  }))
  const site = await scriptGateway((_request, response) => {
    sendJson(response, 200, { entries })
  })
  const directory = join(folder, 'bomb')
  const limited = ['get', 'KSK@w/', '-o', directory, '--gateway', site.url]
  const { exit, stderr } = await runCli(limited)
  await site.close()
  assert.equal(exit, 1)
  assert.match(stderr, /there are over 20000 folders in it/)
})

test('a folder takes an empty folder, and neither a full one, a file nor stdout', async () => {
  const site = await siteGateway(SITE)
  const [empty, full, file] = ['empty', 'full', 'file'].map((name) => join(folder, name))
  await mkdir(empty ?? '')
  await mkdir(join(full ?? '', 'x'), { recursive: true })
  await writeFile(file ?? '', 'kept')
  const to = (output = '') =>
    runCli(['get', 'USK@a,b,c/site/1/', '-o', output, '--gateway', site.url])
  assert.equal((await to(empty)).exit, 0)
  assert.match((await to(join(full ?? '', 'no', 'such'))).stderr, /the folder .*no is not there/)
  for (const one of [full, empty]) assert.match((await to(one)).stderr, /exists and is not empty/)
  assert.match((await to(file)).stderr, /ENOTDIR/)
  assert.match((await to('-')).stderr, /that is a folder: name one with -o DIR/)
  assert.equal(await readFile(file ?? '', 'utf8'), 'kept')
  await site.close()
})

test('what is missing in a folder is named, and what came before it stays', async () => {
  const entries = [
    { name: 'a', type: 'file', size: 1 },
    { name: 'gone', type: 'file', size: 1 },
  ]
  const site = await scriptGateway((request, response) => {
    if (request.url?.split('?')[0]?.endsWith('/')) sendJson(response, 200, { entries })
    else if (request.url?.split('?')[0]?.endsWith('/a')) response.end('a')
    else sendJson(response, 404, { detail: 'Nobody has it.' })
  })
  const directory = join(folder, 'partial')
  const { exit, stderr } = await runCli(['get', 'KSK@w/', '-o', directory, '--gateway', site.url])
  await site.close()
  assert.deepEqual([exit, stderr], [1, 'shoal get: "gone": Nobody has it.\n'])
  assert.deepEqual(await filesIn(directory), { a: 'a' })
})

const HOSTILE: readonly (readonly [what: string, body: object | string, words: RegExp])[] = [
  ['a parent', { entries: [{ name: '..', type: 'folder', size: 0 }] }, /holds the name "\.\."/],
  ['a path', { entries: [{ name: 'a/../../b', type: 'file', size: 0 }] }, /has a slash/],
  ['a backslash', { entries: [{ name: '..\\b', type: 'file', size: 0 }] }, /has a slash/],
  ['an escape', { entries: [{ name: '\u001b[2J', type: 'file', size: 0 }] }, /"\\u001b\[2J"/],
  ['no name', { entries: [{ name: '', type: 'file', size: 0 }] }, /is empty/],
  ['a number for a name', { entries: [{ name: 1, type: 'file', size: 0 }] }, /is no listing/],
  ['another type', { entries: [{ name: 'a', type: 'link', size: 0 }] }, /is no listing/],
  ['no entries', { entries: 'many' }, /is no listing/],
  ['no object', 'null', /is no listing/],
  ['half a listing', '{"entries":[', /is no listing/],
  [
    'a name twice',
    {
      entries: [
        { name: 'a', type: 'folder', size: 0 },
        { name: 'a', type: 'folder', size: 0 },
      ],
    },
    /EEXIST/,
  ],
]

for (const [what, body, words] of HOSTILE) {
  test(`a listing with ${what} writes nothing elsewhere`, async () => {
    const site = await scriptGateway((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
    const outside = await mkdtemp(join(folder, 'hostile-'))
    const directory = join(outside, 'dir')
    const { exit, stderr } = await runCli(['get', 'KSK@w/', '-o', directory, '--gateway', site.url])
    await site.close()
    assert.equal(exit, 1)
    assert.match(stderr, words)
    assert.deepEqual(await readdir(outside), ['dir'])
  })
}

test('a folder that holds itself ends at the depth that nobody inserts', async () => {
  const entries = [{ name: 'a', type: 'folder', size: 0 }]
  const site = await scriptGateway((_request, response) => {
    sendJson(response, 200, { entries })
  })
  const argv = ['get', 'KSK@w/', '-o', join(folder, 'endless'), '--gateway', site.url]
  const { exit, stderr } = await runCli(argv)
  await site.close()
  assert.equal(exit, 1)
  assert.match(stderr, /lies over 64 folders deep/)
})

test('a page in place of a listing is told', async () => {
  const site = await scriptGateway((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>')
  })
  const argv = ['get', 'KSK@w/', '-o', join(folder, 'page'), '--gateway', site.url]
  const { exit, stderr } = await runCli(argv)
  await site.close()
  assert.deepEqual(
    [exit, stderr],
    [1, 'shoal get: the gateway does not tell what is in this folder\n'],
  )
})

test('a folder is called by its last name, and a name that is none of a file becomes "folder"', () => {
  for (const [path, name] of [
    ['/CHK@a,b,c/photos/', 'photos'],
    ['/CHK@a,b,c/photos/2024%20May/', '2024 May'],
    ['/CHK@a,b,c/', 'folder'],
    ['/freenet:USK@a,b,c/site/3/', 'site'],
    ['/USK%40a,b,c/site/3/sub/', 'sub'],
    ['/SSK@a,b,c/doc/', 'doc'],
    ['/KSK@word/', 'word'],
    ['/CHK@a,b,c/%2e%2e/', 'folder'],
    ['/CHK@a,b,c/a%2fb/', 'folder'],
    ['/CHK@a,b,c/%ff/', '%ff'],
  ] as const) {
    assert.equal(folderNameOf(path), name, path)
  }
})
