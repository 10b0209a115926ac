/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'
import { pack } from 'tar-stream'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

function gateway() {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger: silentLogger })) }
}

/** A tar of files by their path, in the order given; a slash at the end makes a folder. */
async function tar(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const packing = pack()
  for (const [name, text] of Object.entries(files)) {
    if (name.endsWith('/')) packing.entry({ name, type: 'directory' })
    else packing.entry({ name }, text)
  }
  packing.finalize()
  const pieces: Buffer[] = []
  for await (const piece of packing) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

const FILES = { 'a/b.txt': 'b', 'a.txt': 'a', 'empty/': '', 'index.html': '<h1>front</h1>' }

test('a folder comes in as a tar, and opens under the key that is answered', async () => {
  const { node, agent } = gateway()
  for (const method of ['post', 'put'] as const) {
    const answer = await agent[method]('/api/v1/insert?folder=1&name=my%20site').send(
      await tar(FILES),
    )
    assert.equal(answer.status, 201)
    const { uri, ...rest } = answer.body as { uri: string }
    assert.deepEqual(rest, { size: 16, files: 3 })
    assert.match(uri, /^CHK@[\w,-]+\/my%20site$/)
    assert.equal(answer.headers['location'], `/${uri}`)
    assert.match(answer.headers['link'] ?? '', /^<\/api\/v1\/inserts\/\d+>; rel="status"$/)
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.deepEqual(node.folderOf(uri), FILES)
    assert.equal((await agent.get(`/${uri}/`)).text, '<h1>front</h1>')
  }
})

test('the query says how to insert a folder', async () => {
  const { node, agent } = gateway()
  const asked = async (query: string) => {
    await agent
      .post(`/api/v1/insert?folder=1${query}`)
      .send(await tar({}))
      .expect(201)
    const { signal, ...options } = node.calls.insertFolder.at(-1) ?? {}
    assert.ok(signal !== undefined)
    return options
  }
  assert.deepEqual(await asked(''), { convergent: false })
  assert.deepEqual(await asked('&name=a%20b&convergent=1'), { convergent: true, name: 'a b' })
  assert.deepEqual(await asked('&word=news'), { convergent: false, word: 'news' })
})

test('what is inserted under a word comes with a warning', async () => {
  const { node, agent } = gateway()
  const file = await agent.post('/api/v1/insert?word=my%20word').send('hello')
  assert.equal(file.status, 201)
  const { warning, ...rest } = file.body as { warning: string }
  assert.match(warning, /Anyone may write/)
  assert.deepEqual(rest, { uri: 'KSK@my%20word', size: 5, type: 'application/octet-stream' })
  assert.equal(file.headers['location'], '/KSK@my%20word')
  assert.equal((await agent.get('/KSK@my%20word').buffer(true)).body.toString(), 'hello')
  const folder = await agent.post('/api/v1/insert?folder=1&word=site').send(await tar(FILES))
  assert.match((folder.body as { warning: string }).warning, /Anyone may write/)
  assert.equal((await agent.get('/KSK@site/a.txt')).text, 'a')
  node.nextInsert = { afterBytes: 0, error: new ShoalError('E_COLLISION', 'The word is taken.') }
  const taken = await agent.post('/api/v1/insert?word=my%20word').send('hello')
  assert.equal(taken.status, 409)
  assert.equal((taken.body as { code: string }).code, 'E_COLLISION')
})

test('a publication answers with its edition, and the next one with the next', async () => {
  const { node, agent } = gateway()
  await node.keys.create('me')
  for (const edition of [0, 1]) {
    const answer = await agent
      .post('/api/v1/publish?key=me&document=blog&folder=1')
      .send(await tar(FILES))
    assert.equal(answer.status, 201)
    const { uri, ...rest } = answer.body as { uri: string }
    assert.deepEqual(rest, { edition, size: 16, files: 3, collisions: [], confirmed: true })
    assert.match(uri, new RegExp(`^USK@.*/blog/${edition}$`))
    assert.equal(answer.headers['location'], `/${uri}`)
    assert.match(answer.headers['link'] ?? '', /rel="status"$/)
    assert.equal((await agent.get(`/${uri}/a.txt`)).text, 'a')
    node.names.nowMs += 60_001
  }
})

test('a file can be published, with its name and type, or for good', async () => {
  const { node, agent } = gateway()
  await node.keys.create('me')
  const options = async (query: string) => {
    const { body } = await agent.post(`/api/v1/publish?key=me&${query}`).send('hello').expect(201)
    const { source, options: given } = node.calls.publish.at(-1) ?? assert.fail()
    assert.ok(source.type === 'file')
    const { content: _content, ...file } = source
    const { signal: _signal, ...rest } = given
    return { uri: (body as { uri: string }).uri, file, rest }
  }
  const plain = await options('document=notes.txt')
  assert.match(plain.uri, /^USK@.*\/notes\.txt\/0$/)
  assert.deepEqual(plain.file, { type: 'file' })
  assert.deepEqual(plain.rest, { key: 'me', document: 'notes.txt', fixed: false })
  const named = await options('document=notes&name=n.html&type=text/plain')
  assert.deepEqual(named.file, { type: 'file', name: 'n.html', contentType: 'text/plain' })
  const fixed = await options('document=constitution&fixed=1')
  assert.match(fixed.uri, /^SSK@.*\/constitution$/)
  assert.equal(fixed.rest.fixed, true)
})

test('who lost a race for an edition is told, and whether that could be found out', async () => {
  const { node, agent } = gateway()
  await node.keys.create('me')
  node.nextPublish = { edition: 9, collisions: [7, 8], isConfirmed: false }
  const { body } = await agent.post('/api/v1/publish?key=me&document=blog').send('x')
  const { collisions, confirmed, edition } = body as Record<string, unknown>
  assert.deepEqual([edition, collisions, confirmed], [9, [7, 8], false])
})

test('publishing with a key that is not there is 404', async () => {
  const { agent } = gateway()
  const { status, body } = await agent.post('/api/v1/publish?key=me&document=blog').send('x')
  assert.equal(status, 404)
  assert.equal((body as { code: string }).code, 'E_NO_KEY')
})

const BAD_QUERIES = [
  ['insert?folder=2', 'folder'],
  ['insert?folder=1&type=text/html', 'type'],
  ['insert?folder=1&urn=1', 'urn'],
  ['insert?folder=1&name=a/b', 'name'],
  ['insert?folder=1&word=..', 'word', 'E_NAME'],
  ['insert?word=a%2Fb', 'word', 'E_NAME'],
  ['insert?word=', 'word', 'E_NAME'],
  ['insert?word=12', 'word', 'E_NAME'],
  ['insert?word=a&urn=1', 'urn'],
  ['publish', 'key'],
  ['publish?key=&document=a', 'key'],
  ['publish?key=me', 'document'],
  ['publish?key=me&document=a%2Fb', 'document', 'E_NAME'],
  ['publish?key=me&document=', 'document', 'E_NAME'],
  ['publish?key=me&document=latest', 'document', 'E_NAME'],
  [`publish?key=me&document=${'a'.repeat(256)}`, 'document', 'E_NAME'],
  ['publish?key=me&key=you&document=a', 'key'],
  ['publish?key=me&document=a&fixed=maybe', 'fixed'],
  ['publish?key=me&document=a&folder=1&name=x', 'name'],
  ['publish?key=me&document=a&folder=1&type=text/html', 'type'],
  ['publish?key=me&document=a&type=text', 'type'],
] as const

for (const [query, part, expected = 'E_QUERY'] of BAD_QUERIES) {
  test(`"${query.slice(0, 50)}" is refused, naming ${part}`, async () => {
    const { node, agent } = gateway()
    await node.keys.create('me')
    const { status, body } = await agent.post(`/api/v1/${query}`).send('x')
    assert.equal(status, 400)
    const { code, detail } = body as { code: string; detail: string }
    assert.equal(code, expected)
    assert.match(detail, new RegExp(`: ${part}: `))
    const { insert, insertFolder, publish } = node.calls
    assert.deepEqual([insert.length, insertFolder.length, publish.length], [0, 0, 0])
  })
}

/** A file whose size field has -1 in base 256, and the checksum that goes with it. */
async function withNegativeSize(): Promise<Buffer> {
  const archive = await tar({ a: '' })
  archive.fill(0xff, 124, 136)
  archive.fill(' ', 148, 156)
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return archive
}

const BAD_FOLDERS: readonly (readonly [string, () => Promise<Buffer>])[] = [
  ['files out of order', () => tar({ b: '1', a: '2' })],
  [
    'the same file twice',
    async () => Buffer.concat([(await tar({ a: '1' })).subarray(0, 1024), await tar({ a: '2' })]),
  ],
  ['a path that climbs out', () => tar({ '../x': '1' })],
  ['an absolute path', () => tar({ '/x': '1' })],
  ['half an archive', async () => (await tar({ a: 'a'.repeat(5000) })).subarray(0, 2000)],
  ['a size of -1', () => withNegativeSize()],
  ['no archive', () => Promise.resolve(Buffer.from('hello'))],
]

for (const [what, body] of BAD_FOLDERS) {
  test(`a folder with ${what} is refused, and nothing of it stays`, async () => {
    const { node, agent } = gateway()
    await node.keys.create('me')
    for (const path of ['insert?folder=1', 'publish?key=me&document=blog&folder=1']) {
      const answer = await agent.post(`/api/v1/${path}`).send(await body())
      assert.equal(answer.status, 400)
      assert.equal((answer.body as { code: string }).code, 'E_FOLDER')
      assert.equal(answer.headers['content-type'], 'application/problem+json')
    }
    assert.equal(node.live.inserts, 0)
    assert.equal((await agent.post('/api/v1/insert').send('x')).status, 201)
  })
}

for (const path of [
  'insert?folder=1',
  'publish?key=me&document=blog&folder=1',
  'publish?key=me&document=blog',
]) {
  test(`a full store in the middle of ${path} is told to its sender`, async () => {
    const { node, agent } = gateway()
    await node.keys.create('me')
    node.nextInsert = { afterBytes: 100_000, error: new ShoalError('E_STORE_FULL', 'No.') }
    const body = await tar({ 'a.bin': 'x'.repeat(4_000_000) })
    const { status } = await agent.post(`/api/v1/${path}`).send(body)
    assert.equal(status, 507)
    assert.equal(node.live.inserts, 0)
  })
}

const METHODS = [
  ['get', 'publish', 'POST'],
  ['put', 'publish', 'POST'],
  ['post', 'lookup', 'GET, HEAD'],
  ['delete', 'watch', 'GET, HEAD'],
  ['get', 'announce', 'POST'],
] as const

for (const [method, path, allow] of METHODS) {
  test(`${method} ${path} is refused, and names the methods that work`, async () => {
    const { agent } = gateway()
    const { status, headers } = await agent[method](`/api/v1/${path}`)
    assert.equal(status, 405)
    assert.equal(headers['allow'], allow)
  })
}

test('pages of other origins can neither insert, publish, look up nor announce', async () => {
  const { node, agent } = gateway()
  await node.keys.create('me')
  const uri = encodeURIComponent(node.addEdition('blog', 'x'))
  for (const [method, path] of [
    ['post', 'insert?folder=1'],
    ['post', 'publish?key=me&document=blog'],
    ['get', `lookup?uri=${uri}`],
    ['get', `watch?uri=${uri}`],
    ['post', `announce?uri=${uri}`],
    ['get', 'keys'],
    ['post', 'keys/me/export'],
  ] as const) {
    for (const origin of ['null', 'http://evil.example']) {
      const { status } = await agent[method](`/api/v1/${path}`).set('Origin', origin)
      assert.equal(status, 403, path)
    }
  }
  assert.deepEqual(
    [node.calls.publish.length, node.calls.lookUp.length, node.live.watches],
    [0, 0, 0],
  )
})
