/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { siteLabel } from '../../src/gateway/safe/site-label.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const NAVIGATION = { 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Mode': 'navigate' }
const HOST = 'localhost:8888'
const CHROMIUM = { 'Sec-CH-UA': '"Not:A-Brand";v="8", "Chromium";v="156"' }

function gateway(host?: string) {
  const node = createFakeNode()
  const app = createApp({ node, logger: silentLogger, ...(host && { host }) })
  const agent = request(app)
  const get = (path: string, headers: Record<string, string> = {}) =>
    agent
      .get(path)
      .redirects(0)
      .set({ Host: HOST, ...headers })
  /** The host of a site's own origin. */
  const hostOf = async (path: string) => {
    const { headers } = await get(path, NAVIGATION)
    return new URL(headers['location'] ?? '').host
  }
  const allow = async (path: string) => {
    const url = '/api/v1/scripts/site'
    assert.equal((await agent.post(url).query({ uri: path }).set({ Host: HOST })).status, 200)
  }
  const revoke = async (path: string) => {
    const url = '/api/v1/scripts/site'
    assert.equal((await agent.delete(url).query({ uri: path }).set({ Host: HOST })).status, 204)
  }
  return { node, agent, get, hostOf, allow, revoke }
}

const SITE = { 'index.html': '<p>a</p>', 'b.css': 'p {}', 'c.txt': 'c' }

test('a navigation goes to the origin of its site, whatever leads there; programs stay', async () => {
  const { node, get } = gateway()
  const sites = [
    `/${node.addFolder(SITE, 'site')}/`,
    `/${node.addFixed('site', SITE)}/`,
    `/${node.addEdition('site', SITE)}/`,
    `/${node.addWord('site', SITE)}/`,
    `/${node.add('<p>', { name: 'a.html' })}`,
    `/${node.add('<p>', { name: 'a.webm', contentType: 'text/html' })}?timeout=3`,
  ]
  for (const path of sites) {
    const isFilmByName = path.includes('.webm')
    const sent = await get(path, NAVIGATION)
    assert.equal(sent.status, isFilmByName ? 200 : 307, path)
    assert.equal((await get(path)).status, 200, path)
    assert.equal((await get(path, { 'Sec-Fetch-Mode': 'cors' })).status, 200, path)
    assert.equal((await get(path, { ...NAVIGATION, 'Sec-Fetch-Dest': 'iframe' })).status, 200)
    if (isFilmByName) continue
    const target = new URL(sent.headers['location'] ?? '')
    assert.match(target.host, /^[a-z2-7]{52}\.localhost:8888$/)
    assert.equal(target.pathname + target.search, path)
    assert.equal(sent.headers['cache-control'], 'no-store')
    const there = await get(path, { ...NAVIGATION, Host: target.host })
    assert.equal(there.status, 200, path)
  }
})

test('sound, film and pictures play where they were asked for', async () => {
  const { node, get } = gateway()
  for (const name of ['a.webm', 'a.mp3', 'a.png']) {
    assert.equal((await get(`/${node.add('x', { name })}`, NAVIGATION)).status, 200)
  }
})

test('all keys of a document have one origin, and other documents have others', () => {
  const { node } = gateway()
  const secret = new Uint8Array(32)
  const usk = node.addEdition('a', SITE)
  const labels = [
    usk,
    `${usk}/x/y`,
    usk.replace(/0$/, 'latest'),
    usk.replace(/0$/, '-7/'),
    usk.replace('USK', 'SSK').replace(/\/0$/, '/z'),
  ].map((text) => siteLabel(secret, parseUri(text)))
  assert.equal(new Set(labels).size, 1)
  const others = [node.addEdition('b', SITE), node.addFolder(SITE), 'KSK@a', 'KSK@b']
  const all = [...labels, ...others.map((text) => siteLabel(secret, parseUri(text)))]
  assert.equal(new Set(all).size, 5)
  const folder = node.addFolder(SITE, 'name')
  const label = (text: string) => siteLabel(secret, parseUri(text))
  assert.equal(label(folder), label(folder.replace('/name', '/other/path')))
})

test('another node has other labels', async () => {
  const [one, other] = [gateway(), gateway()]
  assert.notEqual(await one.hostOf('/KSK@a'), await other.hostOf('/KSK@a'))
})

test('the origin of a site has the site, and neither API nor control pages', async () => {
  const { node, agent, get, hostOf } = gateway()
  const path = `/${node.addEdition('site', SITE)}`
  const Host = await hostOf(path)
  const own = await get(`${path}/c.txt`, { Host })
  assert.equal(own.status, 200)
  // its fonts are asked for by an origin that is opaque; on the main origin nobody is let in
  assert.equal(own.headers['access-control-allow-origin'], 'null')
  assert.equal((await get(`${path}/c.txt`)).headers['access-control-allow-origin'], undefined)
  for (const other of [
    '/api/v1/status',
    '/app.js',
    '/index.html',
    '/favicon.svg',
    '/nothing',
    '//',
  ]) {
    assert.equal((await get(other, { Host })).status, 404, other)
    assert.equal((await agent.post(other).set({ Host })).status, 404, other)
  }
  assert.equal((await agent.post('/api/v1/insert').set({ Host }).send('x')).status, 404)
  assert.equal(node.calls.insert.length, 0)
  const home = await get('/', { ...NAVIGATION, Host })
  assert.equal(home.status, 307)
  assert.equal(home.headers['location'], 'http://localhost:8888/')
})

test('a page may lead to another site and show its pictures, but not read it', async () => {
  const { node, get, hostOf } = gateway()
  const Host = await hostOf(`/${node.addEdition('site', SITE)}`)
  const path = `/${node.addEdition('other', SITE)}/b.css`
  const to = await get(path, { ...NAVIGATION, Host })
  assert.equal(to.status, 307)
  assert.equal(to.headers['location'], `http://${await hostOf(path)}${path}`)
  for (const shown of ['image', 'audio', 'video', 'font', 'style', 'track']) {
    assert.equal((await get(path, { 'Sec-Fetch-Dest': shown, Host })).status, 200, shown)
  }
  const calls = node.calls.fetch.length
  for (const read of ['empty', 'script', 'iframe', 'frame', 'object', 'embed', 'worker', 'x', '']) {
    assert.equal((await get(path, { 'Sec-Fetch-Dest': read, Host })).status, 403, read)
  }
  assert.equal(node.calls.fetch.length, calls)
})

test('a site with scripts gets nothing of another site, and says so before it leads there', async () => {
  const { node, get, hostOf, allow, revoke } = gateway()
  const site = `/${node.addEdition('site', SITE)}`
  const Host = await hostOf(site)
  await allow(site)
  const path = `/${node.addEdition('other', SITE)}/b.css`
  const calls = node.calls.fetch.length
  for (const shown of ['image', 'style', 'empty', 'script']) {
    assert.equal((await get(path, { 'Sec-Fetch-Dest': shown, Host })).status, 403, shown)
  }
  const to = await get(path, { ...NAVIGATION, Host })
  assert.equal(to.headers['location'], `/outside?to=${encodeURIComponent(path)}`)
  const page = await get(to.headers['location'] ?? '', { Host })
  assert.equal(page.status, 200)
  assert.ok(page.text.includes(`href="http://localhost:8888${path}"`))
  // a page that is still open goes on with its scripts
  await revoke(site)
  assert.equal((await get(path, { 'Sec-Fetch-Dest': 'image', Host })).status, 403)
  const later = await get(path, { ...NAVIGATION, Host })
  assert.equal(later.headers['location'], to.headers['location'])
  assert.equal(node.calls.fetch.length, calls)
})

test('a site with scripts gets the editions that its reader was led to, and no other', async () => {
  const { node, get, hostOf, allow } = gateway()
  const site = `/${node.addEdition('site', SITE)}`
  const Host = await hostOf(site)
  await allow(site)
  const edition = (number: number | string) => site.replace(/0$/, String(number))
  const byScript = (path: string, dest = 'empty') =>
    get(path, { 'Sec-Fetch-Dest': dest, 'Sec-Fetch-Site': 'cross-site', Host })
  const byPage = { ...NAVIGATION, 'Sec-Fetch-Site': 'cross-site', Host }
  const calls = node.calls.fetch.length + node.calls.lookUp.length
  for (const chosen of [2041234567890123, -2041234567890123, 'latest']) {
    const path = `${edition(chosen)}/c.txt?pinned`
    for (const dest of ['empty', 'image', 'script', 'iframe']) {
      assert.equal((await byScript(path, dest)).status, 403, `${chosen} ${dest}`)
    }
    const to = await get(path, { ...byPage, 'Sec-Fetch-User': '?1' })
    assert.equal(to.headers['location'], `/outside?to=${encodeURIComponent(path.slice(0, -7))}`)
  }
  assert.equal(node.calls.fetch.length + node.calls.lookUp.length, calls)
  assert.equal((await byScript(`${site}/c.txt`)).status, 200)
  assert.equal((await get(`${site}/`, byPage)).status, 200)
  // the gateway leads to the newest edition, whatever page asks
  node.addEdition('site', SITE)
  node.names.nowMs += 61_000
  assert.equal((await byScript(`${edition(1)}/c.txt`)).status, 403)
  assert.equal((await byScript(`${site}/c.txt`)).headers['location'], `${edition(1)}/c.txt`)
  assert.equal((await byScript(`${edition(1)}/c.txt`)).status, 200)
  // the address bar leads anywhere; so does a link of another page
  node.addEdition('site', SITE, 5)
  const typed = { ...NAVIGATION, 'Sec-Fetch-Site': 'none', Host }
  assert.equal((await get(`${edition(5)}/c.txt?pinned`, typed)).status, 200)
  assert.equal((await byScript(`${edition(5)}/c.txt?pinned`)).status, 200)
  node.addEdition('site', SITE, 4)
  assert.equal((await byScript(`${edition(4)}/c.txt?pinned`)).status, 403)
  await get(`${edition(4)}/`, NAVIGATION)
  assert.equal((await byScript(`${edition(4)}/c.txt?pinned`)).status, 200)
})

test('a page that was open before its site was allowed scripts goes on in its edition', async () => {
  const { node, get, hostOf, allow } = gateway()
  const site = `/${node.addEdition('site', SITE)}`
  const Host = await hostOf('/KSK@a')
  const own = await get(`${site}/`, { ...NAVIGATION, Host })
  const { host } = new URL(own.headers['location'] ?? '')
  await allow(site)
  const sent = { 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'cross-site', Host: host }
  assert.equal((await get(`${site}/c.txt`, sent)).status, 200)
})

test('a page whose scripts are allowed comes sealed, to a browser that keeps the seal', async () => {
  const { node, get, hostOf, allow } = gateway()
  const path = `/${node.addEdition('site', { 'index.html': '<script>a</script>' })}/`
  const Host = await hostOf(path)
  const sent = { ...NAVIGATION, ...CHROMIUM, Host }
  const before = await get(path, sent)
  assert.equal(before.text, '')
  assert.equal(before.headers['x-dns-prefetch-control'], 'off')
  assert.match(before.headers['permissions-policy'] ?? '', /camera=\(\)/)
  assert.match(before.headers['content-security-policy'] ?? '', /^sandbox allow-downloads; /)
  await allow(path)
  const allowed = await get(path, sent)
  assert.equal(allowed.text, '<script>a</script>')
  assert.match(allowed.headers['content-security-policy'] ?? '', /^sandbox allow-scripts; /)
  assert.equal(allowed.headers['connection-allowlist'], '(response-origin)')
  assert.match(allowed.headers['permissions-policy'] ?? '', /(?:^|, )clipboard-write=\(\)(?:,|$)/)
  assert.equal(allowed.headers['x-dns-prefetch-control'], 'off')
  assert.notEqual(allowed.headers['etag'], before.headers['etag'])
  // the way back shows what a cache holds, whatever has become of the permission
  assert.equal(allowed.headers['cache-control'], 'no-store')
  assert.equal(before.headers['cache-control'], 'no-cache')
  for (const brands of ['"Firefox";v="199"', '"Chromium";v="155"', '']) {
    assert.equal((await get(path, { ...sent, 'Sec-CH-UA': brands })).text, '', brands)
  }
  assert.equal((await get(`${path}x.js`, { Host, 'Service-Worker': 'script' })).status, 403)
})

test('where the gateway is not on this machine alone there are no origins of sites', async () => {
  const { node, get } = gateway('192.168.1.2')
  const path = `/${node.addEdition('site', SITE)}/`
  assert.equal((await get(path, NAVIGATION)).status, 200)
  const Host = `${'a'.repeat(52)}.localhost`
  assert.equal((await get(path, { Host })).status, 403)
})

const HOSTS = ['a.localhost', `${'a'.repeat(51)}.localhost`, `${'1'.repeat(52)}.localhost`, `x.${'a'.repeat(52)}.localhost`, `${'a'.repeat(52)}.localhost.evil.example`, `${'a'.repeat(52)}.evil.example`] // prettier-ignore

for (const host of HOSTS) {
  test(`Host "${host}" is no origin of a site`, async () => {
    const { get } = gateway()
    assert.equal((await get('/KSK@a', { Host: host })).status, 403)
  })
}

test('a browser gets a page written anew, without ranges; programs get it as it came', async () => {
  const { node, get, agent } = gateway()
  const path = `/${node.add('<p onclick=x>a<script>b</script>', { name: 'a.html' })}`
  const raw = await get(path)
  assert.equal(raw.text, '<p onclick=x>a<script>b</script>')
  assert.equal(raw.headers['accept-ranges'], 'bytes')
  for (const sent of [{ Accept: 'text/html,*/*' }, { 'Sec-Fetch-Dest': 'iframe' }]) {
    const { headers, status, text } = await get(path, { ...sent, Range: 'bytes=0-2' })
    assert.equal(status, 200)
    assert.equal(text, '<p>a')
    assert.equal(headers['accept-ranges'], undefined)
    assert.equal(headers['content-length'], undefined)
    assert.equal(headers['content-range'], undefined)
    assert.equal(headers['cache-control'], 'no-cache')
    assert.equal(headers['vary'], 'Accept, Sec-Fetch-Dest')
    assert.notEqual(headers['etag'], raw.headers['etag'])
    const head = await agent.head(path).set({ Host: HOST, ...sent })
    const { date: _, ...got } = headers
    const { date: __, ...told } = head.headers as Record<string, string>
    assert.deepEqual(told, got)
    const again = await get(path, { ...sent, 'If-None-Match': headers['etag'] ?? '' })
    assert.equal(again.status, 304)
    assert.equal(again.headers['etag'], headers['etag'])
    const saved = await get(`${path}?download`, { Accept: 'text/html', Range: 'bytes=0-2' })
    assert.equal(saved.status, 206)
    assert.equal(saved.text, '<p ')
  }
  assert.equal(node.live.streams, 0)
})

const SERVED: readonly (readonly [string, string, 'inline' | 'attachment'])[] = [
  ['text/html; charset=koi8-r', 'text/html; charset=utf-8', 'inline'],
  ['application/xhtml+xml', 'text/html; charset=utf-8', 'inline'],
  ['image/svg+xml', 'image/svg+xml; charset=utf-8', 'inline'],
  ['application/xml', 'text/plain; charset=utf-8', 'inline'],
  ['text/xml', 'text/plain; charset=utf-8', 'inline'],
  ['application/xslt+xml', 'text/plain; charset=utf-8', 'inline'],
  ['application/rss+xml', 'text/plain; charset=utf-8', 'inline'],
  ['video/x+xml', 'text/plain; charset=utf-8', 'inline'],
  ['application/pdf', 'application/pdf', 'attachment'],
  ['multipart/related', 'multipart/related', 'attachment'],
  ['message/rfc822', 'message/rfc822', 'attachment'],
  ['application/x-shockwave-flash', 'application/x-shockwave-flash', 'attachment'],
  ['text/css', 'text/css; charset=utf-8', 'inline'],
  ['text/plain', 'text/plain; charset=utf-8', 'inline'],
  ['text/pdf', 'text/pdf; charset=utf-8', 'attachment'],
  ['application/octet-stream', 'application/octet-stream', 'attachment'],
  ['application/unheard-of', 'application/unheard-of', 'attachment'],
  ['image/unheard-of', 'image/unheard-of', 'attachment'],
  ['application/json', 'application/json', 'inline'],
  ['image/png', 'image/png', 'inline'],
]

for (const [type, served, disposition] of SERVED) {
  test(`a browser gets ${type} as ${served}, ${disposition}`, async () => {
    const { node, agent } = gateway()
    const path = `/${node.add('x', { contentType: type })}`
    const { headers } = await agent.head(path).set({ Host: HOST, 'Sec-Fetch-Dest': 'empty' })
    const framed = await agent.head(path).set({ Host: HOST, 'Sec-Fetch-Dest': 'iframe' })
    assert.equal(framed.status, disposition === 'inline' ? 200 : 403)
    assert.equal(headers['content-type'], served)
    assert.equal(headers['content-disposition'], disposition)
    assert.equal(headers['x-content-type-options'], 'nosniff')
  })
}

test('the page for an outside address shows it as text, and takes only GET', async () => {
  const { get, agent } = gateway()
  const evil = 'http://evil.example/<script>'
  const { text, headers, status } = await get(`/outside?to=${encodeURIComponent(evil)}`)
  assert.equal(status, 200)
  assert.ok(text.includes('http://evil.example/&#60;script&#62;'))
  assert.ok(!text.includes('<script') && !text.includes('href='))
  assert.match(headers['content-security-policy'] ?? '', /^default-src 'none'/)
  for (const elsewhere of ['/\\a@evil.example/', '//a@evil.example/', '/\\/KSK@a', '/\t/a@evil/']) {
    const page = await get(`/outside?to=${encodeURIComponent(elsewhere)}`)
    assert.equal(page.status, 200)
    assert.ok(!page.text.includes('href='), elsewhere)
  }
  assert.equal((await get('/outside?to=/XSK@a')).status, 400)
  const crossing = await get(`/outside?to=${encodeURIComponent('/freenet:KSK%40a/\\b')}`)
  assert.equal(crossing.status, 400)
  assert.equal((await get('/outside')).status, 400)
  assert.equal((await agent.post('/outside?to=x').set('Host', HOST)).status, 405)
})
