/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'

import express from 'express'
import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { createContentRoute } from '../../src/gateway/content-route.ts'
import { Sites } from '../../src/gateway/safe/sites.ts'
import type { FetchOutcome } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const HOST = 'localhost:8888'
const NAVIGATION = { 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Mode': 'navigate' }
const BROWSER = { 'Sec-Fetch-Dest': 'image' }
const FRAME = { 'Sec-Fetch-Dest': 'iframe' }
const CHROMIUM = { 'Sec-CH-UA': '"Not:A-Brand";v="8", "Chromium";v="156"' }
const PAGE = '<p onclick=x>a</p>'
const WRITTEN = '<p>a</p>'
const BYTES = 'abcdefghij'.repeat(50)

type Sent = Readonly<Record<string, string>>

function gateway() {
  const node = createFakeNode()
  const agent = request(createApp({ node, logger: silentLogger }))
  const ask = async (method: 'get' | 'head', path: string, sent: Sent) => {
    const { status, headers, text } = await agent[method](path)
      .redirects(0)
      .set({ Host: HOST, ...sent })
    const { date: _, connection: __, ...rest } = headers as Record<string, string>
    return { status, headers: rest, text }
  }
  /** `GET`; `HEAD` must have told the same. */
  const get = async (path: string, sent: Sent = {}) => {
    const told = await ask('head', path, sent)
    const got = await ask('get', path, sent)
    assert.equal(told.status, got.status)
    assert.deepEqual(told.headers, got.headers)
    return got
  }
  const allow = (path: string) =>
    agent.post('/api/v1/scripts/site').query({ uri: path }).set('Host', HOST)
  /** The host of a site's own origin. */
  const hostOf = async (path: string) => {
    const { headers } = await ask('get', path, NAVIGATION)
    return new URL(headers['location'] ?? '').host
  }
  return { node, ask, get, hostOf, allow }
}

const PAGES: readonly (readonly [string, (of: ReturnType<typeof createFakeNode>) => string])[] = [
  ['under its own key', (node) => `/${node.add(PAGE, { name: 'a.html' })}`],
  ['bare, with a name', (node) => `/${node.add(PAGE, { bare: true })}?filename=a.html`],
  ['in a site', (node) => `/${node.addEdition('site', { 'a.html': PAGE })}/a.html`],
  ['under a word', (node) => `/${node.addWord('word', { 'a.html': PAGE })}/a.html`],
]

for (const [what, add] of PAGES) {
  test(`a page ${what} has two versions, and neither stands for the other`, async () => {
    const { node, get } = gateway()
    const path = add(node)
    const raw = await get(path)
    const written = await get(path, BROWSER)
    assert.deepEqual([raw.text, written.text], [PAGE, WRITTEN])
    const [rawTag, writtenTag] = [raw.headers['etag'] ?? '', written.headers['etag'] ?? '']
    for (const { headers } of [raw, written]) {
      assert.equal(headers['vary'], 'Accept, Sec-Fetch-Dest')
    }
    const conditions: readonly (readonly [Sent, number, number])[] = [
      [{ 'If-None-Match': rawTag }, 304, 200],
      [{ 'If-None-Match': writtenTag }, 200, 304],
      [{ 'If-None-Match': `${rawTag}, ${writtenTag}` }, 304, 304],
      [{ 'If-None-Match': '*' }, 304, 304],
      [{ 'If-Match': rawTag }, 200, 412],
      [{ 'If-Match': writtenTag }, 412, 200],
      [{ 'If-Match': '*' }, 200, 200],
      [{ 'If-Range': rawTag, Range: 'bytes=0-1' }, 206, 200],
      [{ 'If-Range': writtenTag, Range: 'bytes=0-1' }, 200, 200],
    ]
    for (const [sent, toProgram, toBrowser] of conditions) {
      const about = JSON.stringify(sent)
      assert.equal((await get(path, sent)).status, toProgram, `program ${about}`)
      const answer = await get(path, { ...sent, ...BROWSER })
      assert.equal(answer.status, toBrowser, `browser ${about}`)
      if (toBrowser === 200) assert.equal(answer.text, WRITTEN)
      if (toBrowser < 400) assert.equal(answer.headers['etag'], writtenTag)
      if (toBrowser < 400) assert.equal(answer.headers['cache-control'], 'no-cache')
    }
    assert.equal(node.live.streams, 0)
  })

  test(`a page ${what} has no ranges for a browser, one or several, within it or beyond`, async () => {
    const { node, get } = gateway()
    const path = add(node)
    for (const range of ['0-1', '-3', '500-', '0-0,-1', '100-,200-', '0-0,9000-', '0-99,0-99']) {
      const { status, headers, text } = await get(path, { ...BROWSER, Range: `bytes=${range}` })
      assert.deepEqual([status, text], [200, WRITTEN], range)
      assert.equal(headers['content-range'], undefined)
      assert.equal(headers['accept-ranges'], undefined)
      assert.equal(headers['content-length'], undefined)
    }
    assert.equal((await get(path, { Range: 'bytes=500-' })).status, 416)
    assert.equal(node.live.streams, 0)
  })

  test(`a page ${what} is saved as it came, also in parts`, async () => {
    const { node, get } = gateway()
    const page = add(node)
    const path = `${page}${page.includes('?') ? '&' : '?'}download`
    const whole = await get(path, BROWSER)
    assert.equal(whole.text, PAGE)
    assert.match(whole.headers['content-disposition'] ?? '', /^attachment/)
    assert.equal(whole.headers['etag'], (await get(page)).headers['etag'])
    const tag = whole.headers['etag'] ?? ''
    const part = await get(path, { ...BROWSER, 'If-Range': tag, Range: 'bytes=3-9' })
    assert.deepEqual([part.status, part.text], [206, PAGE.slice(3, 10)])
    assert.equal((await get(path, { ...BROWSER, Range: 'bytes=500-' })).status, 416)
    for (const sent of [{}, { 'If-None-Match': tag }, { Range: 'bytes=0-0' }]) {
      assert.equal((await get(path, { ...FRAME, ...sent })).status, 403)
    }
    assert.equal(node.live.streams, 0)
  })
}

const SEVERAL: readonly (readonly [string, string, 'inline' | 'attachment'])[] = [
  ['video/webm', 'video/webm', 'inline'],
  ['application/pdf', 'application/pdf', 'attachment'],
  ['application/xml', 'text/plain; charset=utf-8', 'inline'],
]

for (const [type, served, disposition] of SEVERAL) {
  test(`several parts of ${type} are parts of ${served}, ${disposition} as the whole`, async () => {
    const { node, get } = gateway()
    const path = `/${node.add(BYTES, { contentType: type })}`
    const whole = await get(path, BROWSER)
    const parts = await get(path, { ...BROWSER, Range: 'bytes=0-9,200-209' })
    assert.equal(parts.status, 206)
    assert.match(parts.headers['content-type'] ?? '', /^multipart\/byteranges; boundary=/)
    for (const name of ['content-disposition', 'content-security-policy', 'etag', 'vary']) {
      assert.equal(parts.headers[name], whole.headers[name], name)
    }
    assert.equal(whole.headers['content-disposition'], disposition)
    const raw = await get(path, { Range: 'bytes=0-9,200-209' })
    assert.equal(raw.headers['etag'], whole.headers['etag'])
    const tag = whole.headers['etag'] ?? ''
    for (const sent of [{ Range: 'bytes=0-9,200-209' }, { 'If-None-Match': tag }, {}]) {
      const framed = await get(path, { ...FRAME, ...sent })
      assert.equal(framed.status === 403, disposition === 'attachment', JSON.stringify(sent))
    }
    assert.equal(node.live.streams, 0)
  })
}

function timedPage(stream?: ReadableStream<Uint8Array>): FetchOutcome {
  return {
    type: 'found',
    size: PAGE.length,
    range: undefined,
    contentType: 'text/html',
    name: undefined,
    identity: 'x',
    stream: stream ?? (new Response(PAGE).body as ReadableStream<Uint8Array>),
    timing: { documentMs: undefined, manifestMs: 1, firstMs: 1, isLocal: true },
  }
}

test('where a page came from is told in the address bar, not to pages, and not to a page with scripts', async () => {
  const { node, ask, hostOf, allow } = gateway()
  const path = `/${node.add(PAGE, { name: 'a.html' })}`
  const sent = { ...NAVIGATION, ...CHROMIUM, Host: await hostOf(path) }
  const timing = async (site: string) => {
    node.nextFetch = timedPage()
    const { status, headers } = await ask('get', path, { ...sent, 'Sec-Fetch-Site': site })
    assert.equal(status, 200)
    return headers['server-timing'] ?? 'nothing'
  }
  assert.match(await timing('none'), /cache;desc=local/)
  assert.equal(await timing('same-origin'), 'nothing')
  assert.equal(await timing('cross-site'), 'nothing')
  assert.equal((await allow(path)).status, 200)
  assert.equal(await timing('none'), 'nothing')
})

test('on the origin of a site what is here is told in the address bar and to programs, not to its pages', async () => {
  const { node, ask, hostOf } = gateway()
  const path = `/${node.addFolder({ 'index.html': PAGE }, 'site')}/`
  const Host = await hostOf(path)
  const askers: readonly (readonly [Sent, number])[] = [
    [{}, 200],
    [{ ...NAVIGATION, 'Sec-Fetch-Site': 'none' }, 200],
    [{ ...NAVIGATION, 'Sec-Fetch-Site': 'same-origin' }, 403],
    [{ ...NAVIGATION, 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'same-origin' }, 403],
    [{ 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'cross-site', Origin: 'null' }, 403],
  ]
  for (const [sent, status] of askers) {
    const about = JSON.stringify(sent)
    assert.equal((await ask('get', `${path}?info`, { Host, ...sent })).status, status, about)
    const cached = { Host, ...sent, 'Cache-Control': 'only-if-cached' }
    assert.equal((await ask('get', path, cached)).status, status, about)
  }
})

test('a listing on the origin of its site has no ranges, and its own version', async () => {
  const { node, get, hostOf } = gateway()
  const path = `/${node.addFolder({ 'a.txt': 'a' }, 'site')}/`
  const Host = await hostOf(path)
  const whole = await get(path, { ...NAVIGATION, Host })
  assert.match(whole.text, /<h1><bdi>site/)
  for (const range of ['0-1', '0-0,500-600', '900000-']) {
    const { status, text, headers } = await get(path, { Host, Range: `bytes=${range}` })
    assert.deepEqual([status, text], [200, whole.text], range)
    assert.equal(headers['accept-ranges'], undefined)
  }
  const tag = whole.headers['etag'] ?? ''
  assert.equal((await get(path, { ...NAVIGATION, Host, 'If-None-Match': tag })).status, 304)
  const json = { Host, 'Sec-Fetch-Dest': 'empty', Accept: 'application/json' }
  assert.equal((await get(path, { ...json, 'If-None-Match': tag })).status, 200)
})

test('a page that stands still while it is written anew breaks off, and looks broken', async (t) => {
  const node = createFakeNode()
  const sites = new Sites({ host: '127.0.0.1' })
  const app = express()
  app.use(createContentRoute(node, sites, { stallMs: 100 }))
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const long = new TextEncoder().encode(`${WRITTEN}${'b'.repeat(40_000)}`)
  const standing = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(long)
    },
  })
  node.nextFetch = timedPage(standing)
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/${node.add('x')}`, {
    headers: { Accept: 'text/html' },
  })
  assert.equal(response.status, 200)
  await assert.rejects(response.text())
})
