/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { formatUri } from '../../src/keys/uri.ts'
import type { FetchOutcome } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { fakeUsk } from '../helpers/fake-keys.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import type { FakeNode } from '../helpers/fake-node.ts'

const BODY = 'abcdefghij'

function gateway() {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger })
  const uri = node.add(BODY, { name: 'letters.txt', contentType: 'text/plain' })
  return { node, uri, path: `/${uri}`, agent: request(app) }
}

/** The headers that must not differ between HEAD and GET. */
function lasting(headers: Record<string, unknown>) {
  const { date: _date, connection: _connection, 'keep-alive': _keep, ...rest } = headers
  return rest
}

test('content comes whole, with what a client needs to seek, cache and resume', async () => {
  const { agent, path } = gateway()
  const { status, headers, text } = await agent.get(path)
  assert.equal(status, 200)
  assert.equal(text, BODY)
  assert.equal(headers['content-length'], '10')
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
  assert.equal(headers['accept-ranges'], 'bytes')
  assert.equal(headers['cache-control'], 'public, max-age=29030400, immutable')
  assert.match(headers['etag'] ?? '', /^"[\w-]{43}"$/)
  assert.equal(headers['x-powered-by'], undefined)
})

const RANGES = [
  ['bytes=0-0', 206, 'a', 'bytes 0-0/10'],
  ['bytes=2-4', 206, 'cde', 'bytes 2-4/10'],
  ['bytes=7-', 206, 'hij', 'bytes 7-9/10'],
  ['bytes=0-', 206, BODY, 'bytes 0-9/10'],
  ['bytes=-3', 206, 'hij', 'bytes 7-9/10'],
  ['bytes=-99', 206, BODY, 'bytes 0-9/10'],
  ['bytes=8-99999999999999999999999999', 206, 'ij', 'bytes 8-9/10'],
  ['BYTES=1-1', 206, 'b', 'bytes 1-1/10'],
  ['bytes=10-', 416, undefined, 'bytes */10'],
  ['bytes=10-20', 416, undefined, 'bytes */10'],
  ['bytes=99999999999999999999999999-', 416, undefined, 'bytes */10'],
  ['bytes=-0', 416, undefined, 'bytes */10'],
  ['bytes=4-2', 200, BODY, undefined],
  ['bytes=-', 200, BODY, undefined],
  ['bytes=a-b', 200, BODY, undefined],
  ['bytes=1-2,4-5', 206, 'bcdef', 'bytes 1-5/10'],
  ['bytes=--2', 200, BODY, undefined],
  ['lines=1-2', 200, BODY, undefined],
  ['', 200, BODY, undefined],
] as const

for (const [range, status, body, contentRange] of RANGES) {
  test(`a range of "${range}" is answered ${status}`, async () => {
    const { agent, path } = gateway()
    const response = await agent.get(path).set('Range', range)
    assert.equal(response.status, status)
    assert.equal(response.headers['content-range'], contentRange)
    if (body === undefined) {
      assert.equal((response.body as { code: string }).code, 'E_RANGE')
      return
    }
    assert.equal(response.text, body)
    assert.equal(response.headers['content-length'], String(body.length))
  })
}

test('a range of an empty file is unsatisfiable, and the file itself is there', async () => {
  const { agent, node } = gateway()
  const path = `/${node.add('')}`
  const whole = await agent.get(path)
  assert.equal(whole.status, 200)
  assert.equal(whole.headers['content-length'], '0')
  const part = await agent.get(path).set('Range', 'bytes=0-')
  assert.equal(part.status, 416)
  assert.equal(part.headers['content-range'], 'bytes */0')
})

test('If-Range keeps a range for the same version only, and only for a strong tag', async () => {
  const { agent, path } = gateway()
  const tag = (await agent.head(path)).headers['etag'] ?? ''
  const part = (ifRange: string) => agent.get(path).set({ Range: 'bytes=0-1', 'If-Range': ifRange })
  assert.equal((await part(tag)).status, 206)
  assert.equal((await part(`W/${tag}`)).status, 200)
  assert.equal((await part('"other"')).status, 200)
  assert.equal((await part('Wed, 21 Oct 2015 07:28:00 GMT')).status, 200)
})

test('what a client has already is not asked for again', async () => {
  const { agent, node, path } = gateway()
  const { etag = '' } = (await agent.get(path)).headers
  for (const held of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const { status, text, headers } = await agent.get(path).set('If-None-Match', held)
    assert.equal(status, 304)
    assert.equal(text, '')
    assert.equal(headers['etag'], etag)
  }
  assert.equal(node.calls.fetch.length, 1)
  assert.equal((await agent.get(path).set('If-None-Match', '"other"')).status, 200)
  assert.equal((await agent.get(path).set('If-None-Match', '*')).status, 304)
})

test('a tag is the same for all spellings of a key, differs between keys and shows none of it', async () => {
  const { agent, node, uri, path } = gateway()
  const tagAt = async (at: string) => (await agent.head(at)).headers['etag'] ?? ''
  const tag = await tagAt(path)
  assert.equal(await tagAt(`/freenet:${uri}`), tag)
  assert.equal(await tagAt(`/${uri.replace('letters.txt', 'other.txt')}`), tag)
  assert.notEqual(await tagAt(`/${node.add(BODY)}`), tag)
  assert.ok(!uri.includes(tag.slice(1, 12)))
})

test('every spelling of a key that people paste works as it is', async () => {
  const { agent, uri, node } = gateway()
  const urn = node.add(BODY, { bare: true })
  const [key = '', name = ''] = uri.split('/')
  const spellings = [
    uri,
    key,
    `${key}/`,
    `${key}/another%20name.txt`,
    `freenet:${uri}`,
    `shoal:${uri}`,
    `freenet%3A${uri}`,
    uri.replace('@', '%40').replaceAll(',', '%2C'),
    uri.replace('@', '%40').replaceAll(',', '%2c'),
    `freenet:${key.replace('@', '%40')}/${name}`,
    urn,
    urn.replaceAll(':', '%3A'),
    `freenet:${urn}`,
  ]
  for (const spelling of spellings) {
    const { status, headers } = await agent.get(`/${spelling}`)
    assert.deepEqual({ spelling, status }, { spelling, status: 200 })
    assert.equal(headers['content-length'], '10')
  }
})

const USK = formatUri(fakeUsk('publisher', 'doc')).replace('/doc/0', '')
const SSK = USK.replace('USK@', 'SSK@')
const KEYS = {
  42: 'A'.repeat(42),
  43: 'A'.repeat(43),
  extra: 'AQEAAQ',
}
const BAD_KEYS: readonly (readonly [string, number, RegExp | undefined])[] = [
  ['CHK@', 400, /parts/],
  [`CHK@${KEYS[43]},${KEYS[43]}`, 400, /parts/],
  [`CHK@${'A'.repeat(42)},${KEYS[43]},${KEYS.extra}`, 400, /reference/],
  [`CHK@${'A'.repeat(44)},${KEYS[43]},${KEYS.extra}`, 400, /reference/],
  [`CHK@${'A'.repeat(42)}B,${KEYS[43]},${KEYS.extra}`, 400, /reference/],
  [`CHK@${KEYS[43]},${KEYS[43]}=,${KEYS.extra}`, 400, /read key/],
  [`CHK@${KEYS[43]},${KEYS[43]},AAAAAA`, 400, /extra/],
  [`CHK@${KEYS[43]},${KEYS[43]},AAMC--8`, 400, /Hyphanet/],
  [`chk@${KEYS[43]},${KEYS[43]},${KEYS.extra}`, 400, /scheme/],
  [`XYZ@${KEYS[43]}`, 400, /scheme/],
  ['mail@example.org', 400, /scheme/],
  ['%40', 400, /scheme/],
  ['CHK@%ff', 400, /percent/],
  ['CHK@%zz', 400, /percent/],
  [`CHK@${'A'.repeat(5000)}`, 400, /4,096/],
  [`CHK@${KEYS[43]},${KEYS[43]},${KEYS.extra}/a/b`, 400, /name/],
  [`CHK@${KEYS[43]},${KEYS[43]},${KEYS.extra}/%2e%2e`, 400, /name/],
  [`CHK@${KEYS[43]},${KEYS[43]},${KEYS.extra}/a%0Ab`, 400, /name/],
  ['urn:', 400, /scheme/],
  ['urn:isbn:123', 400, /scheme/],
  ['URN:ERIS:AAAA', 400, /scheme/],
  ['urn:eris:AAAA', 400, /urn/],
  ['freenet:', 400, /scheme/],
  ['shoal:hello', 400, /scheme/],
  [`SSK@${KEYS[43]},${KEYS[43]},AQEAAg/doc`, 400, /public key/],
  [SSK, 400, /document/],
  [`${SSK}/`, 400, /document/],
  [`${SSK}/7`, 400, /document/],
  [`${SSK}/doc//x`, 400, /path/],
  [`${SSK}/doc/%2e%2e/x`, 400, /path/],
  [`${SSK.replace(/,[^,]*,/, `,${KEYS[42]},`)}/doc`, 400, /read key/],
  [`${USK}/doc`, 400, /edition/],
  [`${USK}/doc/`, 400, /edition/],
  [`${USK}/doc/newest`, 400, /edition/],
  [`${USK}/doc/01`, 400, /edition/],
  [`${USK}/doc/2251799813685248`, 400, /edition/],
  ['KSK@', 400, /word/],
  ['KSK@12', 400, /word/],
  ['index.htm', 404, undefined],
  ['favicon.ico', 404, undefined],
  ['x/CHK@y', 404, undefined],
  ['%ff', 404, undefined],
  ['%00', 404, undefined],
  ['../package.json', 404, undefined],
  ['..%2fpackage.json', 404, undefined],
  ['.git/config', 404, undefined],
  ['CHK', 404, undefined],
]

for (const [key, status, detail] of BAD_KEYS) {
  test(`"/${key.slice(0, 60)}" is answered ${status}, and nothing is sent`, async () => {
    const { agent, node } = gateway()
    const response = await agent.get(`/${key}`)
    assert.equal(response.status, status)
    assert.equal(response.headers['content-type'], 'application/problem+json')
    const problem = response.body as { status: number; detail: string }
    assert.equal(problem.status, status)
    if (detail !== undefined) assert.match(problem.detail, detail)
    assert.deepEqual([node.calls.fetch.length, node.calls.lookUp.length], [0, 0])
  })
}

const OUTCOMES: readonly (readonly [FetchOutcome | Error, number, string])[] = [
  [{ type: 'not-found' }, 404, 'E_NOT_FOUND'],
  [{ type: 'no-peers' }, 503, 'E_NO_PEERS'],
  [{ type: 'timed-out' }, 504, 'E_TIMEOUT'],
  [{ type: 'not-local' }, 412, 'E_NOT_LOCAL'],
  [new ShoalError('E_DECODE', 'It does not decode.'), 502, 'E_DECODE'],
  [new ShoalError('E_CLOSED', 'The node is closing.'), 503, 'E_CLOSED'],
  [new TypeError('/root/secret CHK@abc'), 500, 'E_INTERNAL'],
]

for (const [outcome, status, code] of OUTCOMES) {
  test(`${code} is ${status}, in JSON for programs and in words for people`, async () => {
    const { agent, node, path } = gateway()
    node.nextFetch = outcome
    const forProgram = await agent.get(path)
    assert.equal(forProgram.status, status)
    assert.equal(forProgram.headers['content-type'], 'application/problem+json')
    assert.equal(forProgram.headers['cache-control'], 'no-store')
    const { detail, ...rest } = forProgram.body as Record<string, unknown>
    assert.equal(typeof detail, 'string')
    assert.ok(!String(detail).includes('secret'))
    assert.deepEqual({ ...rest, title: '' }, { type: 'about:blank', title: '', status, code })
    node.nextFetch = outcome
    const forPerson = await agent.get(path).set('Accept', 'text/html,*/*;q=0.8')
    assert.equal(forPerson.status, status)
    assert.equal(forPerson.headers['content-type'], 'text/html; charset=utf-8')
    assert.match(forPerson.text, /<h1>[^<]+<\/h1>/)
    assert.ok(!forPerson.text.includes('secret'))
    const retryAfter = forProgram.headers['retry-after']
    assert.equal(retryAfter !== undefined, [503, 504].includes(status))
  })
}

test('a node without peers says why: its place on the ring, or a network that others are not in', async () => {
  const { agent, node, path } = gateway()
  const work = { tries: 256, expectedTries: 512, elapsedMs: 4000 }
  const cases: [FakeNode['connection'], RegExp][] = [
    [{ state: 'solving', work }, /solving its place on the ring, once: 50 % of the expected work/],
    [{ isPrivate: true }, /No peers for 10 s: .* peers with another key are not seen\./],
  ]
  node.peers = 0
  for (const [connection, words] of cases) {
    node.connection = connection
    node.nextFetch = { type: 'no-peers' }
    const { status, headers, body } = await agent.get(path)
    assert.deepEqual([status, headers['retry-after']], [503, '5'])
    assert.match((body as { detail: string }).detail, words)
  }
})

test('HEAD has the headers of GET, whatever the status', async () => {
  const { agent, node, path } = gateway()
  const tag = (await agent.head(path)).headers['etag'] ?? ''
  const cases: [string, Record<string, string>, FetchOutcome | undefined][] = [
    [path, {}, undefined],
    [path, { Range: 'bytes=2-4' }, undefined],
    [path, { Range: 'bytes=50-' }, undefined],
    [path, { 'If-None-Match': tag }, undefined],
    [`${path}?download&filename=x.html`, {}, undefined],
    [`/${node.add('<p>', { bare: true })}?filename=x.html`, {}, undefined],
    [path, {}, { type: 'not-found' }],
    [path, { Accept: 'text/html' }, { type: 'no-peers' }],
    [path, {}, { type: 'timed-out' }],
    ['/CHK@', {}, undefined],
    ['/KSK@word', { Accept: 'text/html' }, undefined],
    ['/', {}, undefined],
    ['/style.css', {}, undefined],
    ['/nothing', {}, undefined],
    ['/?key=KSK@word', {}, undefined],
    [`/?key=${path.slice(1)}`, {}, undefined],
    ['/api/v1/status', {}, undefined],
    ['/api/v1/inserts/9', {}, undefined],
  ]
  for (const [at, headers, outcome] of cases) {
    node.nextFetch = outcome
    const get = await agent.get(at).set(headers).redirects(0)
    node.nextFetch = outcome
    const head = await agent.head(at).set(headers).redirects(0)
    const what = JSON.stringify([at.slice(0, 9), headers])
    assert.equal(head.status, get.status, what)
    assert.deepEqual(lasting(head.headers), lasting(get.headers), what)
    assert.equal(head.text ?? '', '', what)
  }
})

test('HEAD asks the node for no content', async () => {
  const { agent, node, path } = gateway()
  await agent.head(path)
  assert.equal(node.calls.fetch[0]?.options.headOnly, true)
  assert.equal(node.live.streams, 0)
})

const METHODS = ['post', 'put', 'delete', 'patch', 'options'] as const
for (const method of METHODS) {
  test(`${method.toUpperCase()} of a key is refused, and names the methods that work`, async () => {
    const { agent, path } = gateway()
    const response = await agent[method](path)
    assert.equal(response.status, 405)
    assert.equal(response.headers['allow'], 'GET, HEAD')
  })
}

const TYPES: readonly (readonly [string | undefined, string | undefined, string, string])[] = [
  ['text/html', 'x.txt', '', 'text/html; charset=utf-8'],
  ['text/html; charset=koi8-r', undefined, '', 'text/html; charset=koi8-r'],
  ['TEXT/PLAIN;Charset=latin1', undefined, '', 'TEXT/PLAIN;Charset=latin1'],
  ['application/json', undefined, '', 'application/json'],
  [undefined, 'film.webm', '', 'video/webm'],
  [undefined, 'notes.md', '', 'text/markdown; charset=utf-8'],
  [undefined, 'page.html', 'filename=film.mp4', 'video/mp4'],
  ['video/webm', 'page.html', 'filename=film.mp4', 'video/webm'],
  [undefined, 'html', '', 'application/octet-stream'],
  [undefined, 'no extension', '', 'application/octet-stream'],
  [undefined, undefined, '', 'application/octet-stream'],
  ['no type at all', undefined, '', 'application/octet-stream'],
  ['text/html\r\nSet-Cookie: a=b', undefined, '', 'application/octet-stream'],
]

for (const [type, name, query, served] of TYPES) {
  test(`type ${JSON.stringify(type)}, name ${name}, "${query}" is served as ${served}`, async () => {
    const { agent, node } = gateway()
    const uri = node.add(BODY, {
      ...(name !== undefined && { name }),
      ...(type !== undefined && { contentType: type }),
    })
    const { headers } = await agent.head(`/${uri}?${query}`)
    assert.equal(headers['content-type'], served)
  })
}

test('a name goes into the file that is saved, in every alphabet', async () => {
  const { agent, node } = gateway()
  const uri = node.add(BODY, { name: `Fisch "ü" (1)'s 100%.txt` })
  const shown = await agent.head(`/${uri}`)
  const full = "filename*=UTF-8''Fisch%20%22%C3%BC%22%20%281%29%27s%20100%25.txt"
  assert.equal(
    shown.headers['content-disposition'],
    `inline; filename="Fisch ___ (1)'s 100_.txt"; ${full}`,
  )
  const saved = await agent.head(`/${uri}?download`)
  assert.match(saved.headers['content-disposition'] ?? '', /^attachment; filename=/)
  const renamed = await agent.head(`/${uri}?download=1&filename=%D1%80.txt`)
  assert.equal(
    renamed.headers['content-disposition'],
    `attachment; filename="_.txt"; filename*=UTF-8''%D1%80.txt`,
  )
  const bare = await agent.head(`/${node.add(BODY)}?download`)
  assert.equal(bare.headers['content-disposition'], 'attachment')
})

test('a time limit in seconds reaches the node as milliseconds', async () => {
  const { agent, node, path } = gateway()
  for (const seconds of ['0.1', '2.5', '600']) await agent.get(`${path}?timeout=${seconds}`)
  assert.deepEqual(
    node.calls.fetch.map(({ options }) => options.timeoutMs),
    [100, 2500, 600_000],
  )
})

const BAD_QUERIES = [
  ['timeout=', 'timeout'],
  ['timeout=0', 'timeout'],
  ['timeout=0.09', 'timeout'],
  ['timeout=601', 'timeout'],
  ['timeout=-1', 'timeout'],
  ['timeout=1e2', 'timeout'],
  ['timeout=ten', 'timeout'],
  ['timeout=1&timeout=2', 'timeout'],
  ['download=maybe', 'download'],
  ['filename=..', 'filename'],
  ['filename=a/b', 'filename'],
  ['filename=%0d%0aX:y', 'filename'],
  ['filename=%ff', 'filename'],
  [`filename=${'x'.repeat(256)}`, 'filename'],
] as const

for (const [query, part] of BAD_QUERIES) {
  test(`the query "${query.slice(0, 30)}" is refused, naming ${part}`, async () => {
    const { agent, node, path } = gateway()
    const response = await agent.get(`${path}?${query}`)
    assert.equal(response.status, 400)
    const { code, detail } = response.body as { code: string; detail: string }
    assert.equal(code, 'E_QUERY')
    assert.match(detail, new RegExp(`: ${part}: `))
    assert.equal(node.calls.fetch.length, 0)
  })
}
