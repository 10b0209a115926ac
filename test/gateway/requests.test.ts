/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'
import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import type { Found } from '../../src/gateway/file-serving.ts'
import { mayLearnLocality } from '../../src/gateway/locality.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const BODY = 'abcdefghij'.repeat(50)

/** One key of every kind, with paths that are there and paths that are not. */
function gateway() {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger })
  const site = { 'index.html': '<p>', 'film.webm': BODY, 'about/a.txt': BODY }
  const folder = node.addFolder(site, 'site')
  const roots = [folder, node.addEdition('blog', site), node.addFixed('book', site)]
  const word = node.addWord('word', site)
  const paths = [...roots, word].flatMap((root) =>
    ['', '/', '/film.webm', '/about', '/about/', '/nothing'].map((path) => `/${root}${path}`),
  )
  const files = [
    node.add(BODY, { name: 'film.webm', contentType: 'video/webm' }),
    node.add(BODY, { bare: true }),
    node.add(''),
    node.addWord('text', BODY),
    node.addFixed('note', BODY),
    node.addEdition('letter', BODY),
  ]
  const file = `/${files[0]}`
  return { node, app, file, paths: [...paths, ...files.map((uri) => `/${uri}`), '/CHK@x'] }
}

/** Headers that must not differ between HEAD and GET. */
function lasting(headers: Record<string, unknown>) {
  const { date: _date, ...rest } = headers
  return rest
}

const HEADERS = fc.record(
  {
    Range: fc.constantFrom('bytes=0-3', 'bytes=-5', 'bytes=0-1,300-301', 'bytes=900-', 'x'),
    'If-None-Match': fc.constantFrom('*', '"other"', 'own', 'W/own'),
    'If-Match': fc.constantFrom('*', '"other"', 'own', 'W/own'),
    'If-Range': fc.constantFrom('"other"', 'own', 'Wed, 21 Oct 2015 07:28:00 GMT'),
    Accept: fc.constantFrom('text/html', 'application/json', '*/*', 'image/png'),
    'Cache-Control': fc.constantFrom('only-if-cached', 'no-cache'),
  },
  { requiredKeys: [] },
)
const QUERY = fc.constantFrom('', '?download', '?filename=x.html', '?info', '?timeout=3', '?info=2')

test('HEAD has the status and headers of GET for every kind of key, whatever is asked', async () => {
  const { node, app, paths } = gateway()
  const tags = new Map<string, string>()
  for (const path of paths) {
    tags.set(path, (await request(app).get(path).redirects(0)).headers['etag'] ?? '"none"')
  }
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), QUERY, HEADERS, async (path, query, given) => {
      const own = tags.get(path) ?? ''
      const headers = Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, value.replace('own', own)]),
      )
      const get = await request(app).get(`${path}${query}`).set(headers).redirects(0)
      const head = await request(app).head(`${path}${query}`).set(headers).redirects(0)
      assert.equal(head.status, get.status)
      assert.deepEqual(lasting(head.headers), lasting(get.headers))
      assert.equal(head.text ?? '', '')
      assert.equal(node.live.streams, 0)
    }),
    { seed, numRuns: 300 },
  )
})

type Row = readonly [
  what: string,
  headers: Readonly<Record<string, string>>,
  status: number,
  expected: Readonly<Record<string, string | undefined>>,
]
const TABLE: readonly Row[] = [
  [
    'nothing',
    {},
    200,
    { 'content-length': '500', 'accept-ranges': 'bytes', vary: 'Accept, Sec-Fetch-Dest' },
  ],
  ['its tag in If-Match', { 'If-Match': 'own' }, 200, {}],
  ['any tag in If-Match', { 'If-Match': '*' }, 200, {}],
  ['its tag among others', { 'If-Match': '"a", own' }, 200, {}],
  ['another tag in If-Match', { 'If-Match': '"a"' }, 412, { etag: undefined }],
  ['its weak tag in If-Match', { 'If-Match': 'W/own' }, 412, {}],
  ['its tag in If-None-Match', { 'If-None-Match': 'own' }, 304, { 'content-length': undefined }],
  ['any tag in If-None-Match', { 'If-None-Match': '*' }, 304, {}],
  ['another in If-None-Match', { 'If-None-Match': '"a"' }, 200, {}],
  ['both, If-Match first', { 'If-Match': '"a"', 'If-None-Match': 'own' }, 412, {}],
  ['both that hold', { 'If-Match': 'own', 'If-None-Match': 'own' }, 304, {}],
  ['a date', { 'If-Unmodified-Since': 'Wed, 21 Oct 2015 07:28:00 GMT' }, 200, {}],
  ['a date since', { 'If-Modified-Since': 'Wed, 21 Oct 2065 07:28:00 GMT' }, 200, {}],
  ['a range', { Range: 'bytes=0-9' }, 206, { 'content-range': 'bytes 0-9/500' }],
  ['a range of its tag', { Range: 'bytes=0-9', 'If-Range': 'own' }, 206, {}],
  ['a range of another', { Range: 'bytes=0-9', 'If-Range': '"a"' }, 200, {}],
  ['a range beyond the end', { Range: 'bytes=500-' }, 416, { 'content-range': 'bytes */500' }],
  ['the same of another', { Range: 'bytes=500-', 'If-Range': '"a"' }, 200, {}],
  ['a failed condition and a range', { Range: 'bytes=0-9', 'If-Match': '"a"' }, 412, {}],
]

for (const [what, headers, status, expected] of TABLE) {
  test(`a file asked for with ${what} is answered ${status}`, async () => {
    const { app, file } = gateway()
    const own = (await request(app).head(file)).headers['etag'] ?? ''
    const given = Object.entries(headers).map(([name, value]) => [name, value.replace('own', own)])
    const answer = await request(app)
      .get(file)
      .set(Object.fromEntries(given) as Record<string, string>)
    assert.equal(answer.status, status)
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(answer.headers[name], value, name)
    }
    if (status === 412) assert.equal((answer.body as { code: string }).code, 'E_CONDITION')
  })
}

test('a condition about any version waits for the network to say that there is one', async () => {
  const { node, app } = gateway()
  const absent = `/${node.add('x')}`
  node.nextFetch = { type: 'not-found' }
  const answer = await request(app).get(absent).set('If-None-Match', '*')
  assert.equal(answer.status, 404)
})

test('only-if-cached asks nobody, and what is not here is 412', async () => {
  const { node, app, file } = gateway()
  node.nextFetch = { type: 'not-local' }
  const ask = (path: string, value = 'only-if-cached') =>
    request(app).get(path).set('Cache-Control', value)
  const absent = await ask(file)
  assert.equal(absent.status, 412)
  assert.equal((absent.body as { code: string }).code, 'E_NOT_LOCAL')
  assert.equal((await ask(file, 'max-age=0, only-if-cached')).status, 200)
  const latest = `/${node.addEdition('blog', BODY, 7)}`.replace(/\/\d+$/, '/-1')
  node.calls.lookUp.length = 0
  await ask(latest)
  assert.equal(node.calls.lookUp.length, 0)
  assert.ok(node.calls.fetch.slice(-3).every(({ options }) => options.isLocalOnly === true))
  await ask(file, 'only-if-cachedx')
  assert.equal(node.calls.fetch.at(-1)?.options.isLocalOnly, false)
})

test('a deadline comes from the query, else from a header, and both are checked', async () => {
  const { node, app, file } = gateway()
  const ask = (query: string, header: string) =>
    request(app).get(`${file}${query}`).set('X-Shoal-Timeout', header)
  await ask('', '2.5')
  await ask('?timeout=7', '2.5')
  assert.deepEqual(
    node.calls.fetch.map(({ options }) => options.timeoutMs),
    [2500, 7000],
  )
  for (const header of ['', '0', 'ten', '601', '1e2', '-1']) {
    const answer = await ask('', header)
    assert.equal(answer.status, 400, header)
    assert.match((answer.body as { detail: string }).detail, /x-shoal-timeout/)
  }
})

/** Three bytes, and how long they took. */
function foundWith(timing: NonNullable<Found['timing']>): Found {
  const nothing = { range: undefined, contentType: undefined, name: undefined }
  const stream = new Response('abc').body as ReadableStream<Uint8Array>
  return { type: 'found', size: 3, identity: 'x', stream, timing, ...nothing }
}

test('what a fetch says of its time is told to the client', async () => {
  const { node, app, file } = gateway()
  const given = (isLocal: boolean, documentMs: number | undefined) => {
    node.nextFetch = foundWith({ documentMs, manifestMs: 12.34, firstMs: 0, isLocal })
    return request(app).get(file)
  }
  const near = (await given(true, undefined)).headers['server-timing']
  assert.equal(near, 'manifest;dur=12.3, first;dur=0.0, cache;desc=local')
  const far = (await given(false, 250)).headers['server-timing']
  assert.equal(far, 'document;dur=250.0, manifest;dur=12.3, first;dur=0.0, cache;desc=network')
})

test('?info says what a key names, fetches none of it and is never cached', async () => {
  const { node, app, file } = gateway()
  const urn = 'urn:eris:AAAA'
  const local = { blocks: 3, of: 256, isSampled: true }
  const found = {
    type: 'found',
    kind: 'file',
    size: 500,
    contentType: undefined,
    name: 'film.webm',
    tree: { level: 1, blocks: 3 },
    urn,
    local,
  } as const
  node.nextInspect = found
  const answer = await request(app).get(`${file}?info&timeout=3`)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.equal(answer.headers['cache-control'], 'no-store')
  const { type: _type, contentType: _contentType, ...rest } = found
  assert.deepEqual(answer.body, { ...rest, type: 'video/webm' })
  node.nextInspect = found
  const alone = await request(app).get(file).set('Accept', 'application/json')
  assert.deepEqual(alone.body, answer.body)
  assert.equal(node.calls.fetch.length, 0)
  assert.equal(node.calls.inspect[0]?.options.timeoutMs, 3000)
  for (const accept of ['application/json, text/plain, */*', '*/*', 'text/html']) {
    const content = await request(app).get(file).set('Accept', accept)
    assert.equal(content.headers['content-length'], '500', accept)
  }
})

const NOT_THERE = [
  ['not-found', 404],
  ['no-such-path', 404],
  ['no-peers', 503],
  ['timed-out', 504],
  ['not-local', 412],
] as const

for (const [type, status] of NOT_THERE) {
  test(`?info of what is ${type} is ${status}`, async () => {
    const { node, app, file } = gateway()
    node.nextInspect = { type }
    const answer = await request(app).get(`${file}?info`)
    assert.equal(answer.status, status)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
  })
}

test('JSON of any file is what is known of it, and of a folder its listing', async () => {
  const { node, app } = gateway()
  const site = { 'index.html': '<p>', 'data.json': '{"a":1}' }
  const roots = [
    node.addFolder(site, 'site'),
    node.addEdition('page', site),
    node.addFixed('tome', site),
    node.addWord('thing', site),
  ]
  const files = [
    node.add(BODY),
    node.add(BODY, { bare: true }),
    node.addEdition('letters', BODY),
    node.addFixed('notes', BODY),
    node.addWord('texts', BODY),
    ...roots.map((root) => `${root}/data.json`),
  ]
  const ask = (path: string) =>
    request(app).get(`/${path}`).set('Accept', 'application/json').redirects(0)
  for (const uri of files) {
    const info = (await ask(uri)).body as { kind: string; size: number; local: unknown }
    assert.deepEqual([info.kind, info.size], ['file', uri.endsWith('.json') ? 7 : 500], uri)
    assert.ok(info.local !== undefined, uri)
  }
  for (const uri of roots) {
    const listing = (await ask(`${uri}/`)).body as { entries: { name: string }[] }
    assert.deepEqual(
      listing.entries.map(({ name }) => name),
      ['index.html', 'data.json'],
      uri,
    )
    assert.equal((await ask(uri)).status, 301, uri)
    const info = (await ask(`${uri}/?info`)).body as Record<string, unknown>
    assert.deepEqual([info['kind'], info['size'], 'local' in info], ['folder', 10, false], uri)
  }
})

test('?info of a folder is about the folder, and of the newest edition about that', async () => {
  const { node, app } = gateway()
  const uri = node.addEdition('paper', { 'index.html': '<p>', 'a.txt': 'abc' }, 3)
  const info = await request(app).get(`/${uri}/?info`)
  assert.equal((info.body as { kind: string }).kind, 'folder')
  const old = await request(app)
    .get(`/${uri.replace(/3$/, '2')}/a.txt?info`)
    .redirects(0)
  assert.equal(old.status, 307)
  assert.match(old.headers['location'] ?? '', /\/3\/a\.txt\?info$/)
})

const ASKERS: readonly (readonly [string, Readonly<Record<string, string>>, boolean])[] = [
  ['a program', {}, true],
  ['the address bar', { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate' }, true],
  ['a page of our own', { 'Sec-Fetch-Site': 'same-origin' }, true],
  ['a page of the web', { 'Sec-Fetch-Site': 'cross-site' }, false],
  ['a sandboxed page', { 'Sec-Fetch-Site': 'cross-site', Origin: 'null' }, false],
  ['a page of another port', { 'Sec-Fetch-Site': 'same-site' }, false],
]

for (const [who, headers, may] of ASKERS) {
  test(`${who} ${may ? 'learns' : 'does not learn'} what is on this node`, async () => {
    const { node, app, file } = gateway()
    const ask = (more: Record<string, string> = {}, query = '') =>
      request(app).get(`${file}${query}`).set(headers).set(more)
    assert.equal((await ask({}, '?info')).status, may ? 200 : 403)
    const json = await ask({ Accept: 'application/json' })
    assert.equal(json.headers['content-type'], may ? 'application/json' : 'video/webm')
    assert.equal((await ask({ 'Cache-Control': 'only-if-cached' })).status, may ? 200 : 403)
    // nor by what comes at once, and what does not
    await ask({}, '?timeout=0.1')
    assert.equal(node.calls.fetch.at(-1)?.options.timeoutMs, may ? 100 : undefined)
    await ask({ 'X-Shoal-Timeout': '0.1' })
    assert.equal(node.calls.fetch.at(-1)?.options.timeoutMs, may ? 100 : undefined)
    node.nextFetch = foundWith({ documentMs: undefined, manifestMs: 1, firstMs: 1, isLocal: true })
    const content = await ask()
    assert.equal(content.status, 200)
    assert.equal(content.headers['server-timing'] !== undefined, may)
  })
}

test('a page on the host of a site is not one of our own', () => {
  const site = 'same-origin'
  for (const host of ['127.0.0.1:8888', 'localhost:8888', '[::1]:8888']) {
    assert.equal(mayLearnLocality({ 'sec-fetch-site': site, host }), true, host)
  }
  const label = 'a'.repeat(52)
  for (const host of [`${label}.localhost:8888`, `${label}.LOCALHOST`]) {
    assert.equal(mayLearnLocality({ 'sec-fetch-site': site, host }), false, host)
    assert.equal(mayLearnLocality({ host }), true, 'a program')
  }
})
