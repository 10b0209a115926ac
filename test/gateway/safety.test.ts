/** @module */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { findStaticDir } from '../../src/gateway/start-page.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const SANDBOX =
  "sandbox allow-downloads; default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; form-action 'none'; base-uri 'none'"
const MEDIA = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'"
const OWN =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' http://*.localhost:*; base-uri 'none'; frame-ancestors 'none'"

function gateway(host?: string) {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger, ...(host !== undefined && { host }) })
  return { node, agent: request(app) }
}

const POLICIES = [
  ['text/html', SANDBOX],
  ['text/html; charset=utf-8', SANDBOX],
  ['application/xhtml+xml', SANDBOX],
  ['image/svg+xml', SANDBOX],
  ['IMAGE/SVG+XML', SANDBOX],
  ['image/other+xml', SANDBOX],
  ['video/x+xml', SANDBOX],
  ['audio/x+xml; a=b', SANDBOX],
  ['text/xml', SANDBOX],
  ['application/pdf', SANDBOX],
  ['application/javascript', SANDBOX],
  ['text/plain', SANDBOX],
  ['message/rfc822', SANDBOX],
  ['image/unheard-of', SANDBOX],
  ['nonsense', SANDBOX],
  ['image/png', MEDIA],
  ['image/jpeg; q=1', MEDIA],
  ['Image/WebP', MEDIA],
  ['image/avif', MEDIA],
  ['audio/mpeg', MEDIA],
  ['video/webm', MEDIA],
  ['video/webm; codecs="vp9, opus"', MEDIA],
] as const

for (const [contentType, policy] of POLICIES) {
  test(`bytes of type ${contentType} come with their policy, on GET, HEAD and parts`, async () => {
    const { node, agent } = gateway()
    const path = `/${node.add('<script>alert(1)</script>', { contentType })}`
    const responses = [
      await agent.get(path),
      await agent.head(path),
      await agent.get(path).set('Range', 'bytes=0-3'),
      await agent.get(`${path}?download`),
    ]
    for (const { headers } of responses) {
      assert.equal(headers['content-security-policy'], policy)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['access-control-allow-origin'], undefined)
      assert.equal(headers['set-cookie'], undefined)
    }
  })
}

test('the policy follows the type that is served, not the one that is missing', async () => {
  const { node, agent } = gateway()
  const uri = node.add('<script>alert(1)</script>', { name: 'film.webm' })
  const policyAt = async (query: string) =>
    (await agent.get(`/${uri}${query}`)).headers['content-security-policy']
  assert.equal(await policyAt(''), MEDIA)
  assert.equal(await policyAt('?filename=page.html'), SANDBOX)
  assert.equal(await policyAt('?filename=picture.svg'), SANDBOX)
})

test('every response has a policy; only "not modified" leaves the cached one in force', async () => {
  const { node, agent } = gateway()
  const path = `/${node.add('x')}`
  const { etag = '' } = (await agent.head(path)).headers
  const responses = [
    await agent.get('/'),
    await agent.get('/app.js'),
    await agent.get('/nothing'),
    await agent.get('/nothing').set('Accept', 'text/html'),
    await agent.get('/CHK@').set('Accept', 'text/html'),
    await agent.post('/'),
    await agent.get('/api/v1/status'),
    await agent.get('/api/nothing'),
    await agent.get('/api/v1/status').set('Host', 'evil.example'),
    await agent.get('/api/v1/status').set('Origin', 'null'),
    await agent.get(`/?key=${path}`).redirects(0),
    await agent.get(path).set('Range', 'bytes=9-'),
  ]
  for (const { headers, status } of responses) {
    assert.match(headers['content-security-policy'] ?? '', /^default-src 'none'/, String(status))
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['referrer-policy'], 'no-referrer')
  }
  const notModified = await agent.get(path).set('If-None-Match', etag)
  assert.equal(notModified.headers['content-security-policy'], undefined)
  assert.equal(notModified.headers['x-content-type-options'], 'nosniff')
})

test('the start page and its files run under the strict policy', async () => {
  const { agent } = gateway()
  for (const path of ['/', '/index.html', '/app.js', '/style.css', '/favicon.svg']) {
    const { status, headers } = await agent.get(path)
    assert.equal(status, 200, path)
    assert.equal(headers['content-security-policy'], OWN)
    assert.equal(headers['cache-control'], 'no-cache')
  }
})

test('an error page shows nothing of the request', async () => {
  const { agent } = gateway()
  for (const path of ['/<b>bold</b>', '/CHK@<b>bold</b>', '/?key=<b>bold</b>']) {
    const { text } = await agent.get(path).set('Accept', 'text/html')
    assert.match(text, /<main>/)
    assert.ok(!text.includes('bold'), path)
  }
})

const HOSTS = [
  ['localhost', 200],
  ['localhost:8888', 200],
  ['LOCALHOST:1', 200],
  ['127.0.0.1', 200],
  ['127.0.0.1:8888', 200],
  ['[::1]', 200],
  ['[::1]:8888', 200],
  ['evil.example', 403],
  ['evil.example:8888', 403],
  ['localhost.evil.example', 403],
  ['evil-localhost', 403],
  ['localhost.', 403],
  ['127.0.0.1.nip.io', 403],
  ['127.0.0.2', 403],
  ['[::2]', 403],
  ['localhost:8888:1', 403],
  ['localhost:port', 403],
  ['user@localhost', 403],
  ['192.168.1.2:8888', 403],
  ['', 403],
] as const

for (const [host, status] of HOSTS) {
  test(`Host "${host}" is answered ${status} everywhere`, async () => {
    const { node, agent } = gateway()
    const paths = ['/', `/${node.add('x')}`, '/api/v1/status', '/app.js']
    for (const path of paths) {
      const response = await agent.get(path).set('Host', host)
      assert.equal(response.status, status, path)
      if (status !== 403) continue
      assert.equal((response.body as { code: string }).code, 'E_ACCESS')
    }
  })
}

test('the name that the gateway was started with is one of its own', async () => {
  for (const [host, sent] of [
    ['192.168.1.2', '192.168.1.2:8888'],
    ['fd00::1', '[fd00::1]:8888'],
  ] as const) {
    const { agent } = gateway(host)
    assert.equal((await agent.get('/').set('Host', sent)).status, 200)
    assert.equal((await agent.get('/').set('Host', 'localhost')).status, 200)
    assert.equal((await agent.get('/').set('Host', 'evil.example')).status, 403)
  }
})

const ORIGINS: readonly (readonly [Record<string, string>, number])[] = [
  [{}, 200],
  [{ Origin: 'http://127.0.0.1:8888' }, 200],
  [{ Origin: 'http://127.0.0.1:8888', 'Sec-Fetch-Site': 'same-origin' }, 200],
  [{ 'Sec-Fetch-Site': 'same-origin' }, 200],
  [{ 'Sec-Fetch-Site': 'none' }, 200],
  [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
  [{ 'Sec-Fetch-Site': 'same-site' }, 403],
  [{ 'Sec-Fetch-Site': '' }, 403],
  [{ Origin: 'null' }, 403],
  [{ Origin: '' }, 403],
  [{ Origin: 'http://evil.example' }, 403],
  [{ Origin: 'https://127.0.0.1:8888' }, 403],
  [{ Origin: 'http://127.0.0.1' }, 403],
  [{ Origin: 'http://127.0.0.1:9999' }, 403],
  [{ Origin: 'http://localhost:8888' }, 403],
  [{ Origin: 'http://127.0.0.1:8888', 'Sec-Fetch-Site': 'cross-site' }, 403],
]

for (const [headers, status] of ORIGINS) {
  test(`the API answers ${status} to ${JSON.stringify(headers)}`, async () => {
    const { node, agent } = gateway()
    const sent = { Host: '127.0.0.1:8888', ...headers }
    assert.equal((await agent.get('/api/v1/status').set(sent)).status, status)
    const insert = await agent.post('/api/v1/insert').set(sent).send('x')
    assert.equal(insert.status, status === 200 ? 201 : status)
    assert.equal(node.calls.insert.length, status === 200 ? 1 : 0)
  })
}

test('content does not look at the origin: the pictures of a sandboxed page have none', async () => {
  const { node, agent } = gateway()
  const sent = { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' }
  assert.equal((await agent.get(`/${node.add('x')}`).set(sent)).status, 200)
})

test('no spelling of the API goes around its checks', async () => {
  const { node, agent } = gateway()
  for (const path of ['/API/v1/status', '//api/v1/status', '/%61pi/v1/status', '/api/v1/status/']) {
    const response = await agent.get(path).set('Origin', 'null')
    assert.ok([403, 404].includes(response.status), path)
  }
  assert.equal(node.calls.status, 0)
})

test('nothing of ours makes markup from strings in a page', () => {
  const root = dirname(findStaticDir())
  const folders = [join(root, 'static'), join(root, 'src', 'gateway')]
  const forbidden =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment/
  for (const folder of folders) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.[a-z]+$/.test(file),
    )
    assert.ok(files.length > 0)
    for (const file of files) {
      assert.ok(!forbidden.test(readFileSync(join(folder, file), 'utf8')), `${folder}/${file}`)
    }
  }
})

test('the start page has no script, style or handler of its own in its markup', () => {
  const html = readFileSync(join(findStaticDir(), 'index.html'), 'utf8')
  assert.ok(!/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:/i.test(html))
})
