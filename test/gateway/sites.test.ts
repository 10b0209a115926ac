/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import type { FetchOutcome } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const SITE = {
  'about/me.html': '<p>me</p>',
  'film.webm': 'abcdefghij',
  'index.html': '<h1>front</h1>',
  'only files/a.txt': 'a',
}

function gateway() {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger: silentLogger })) }
}

/** The headers that must not differ between HEAD and GET. */
function lasting(headers: Record<string, unknown>) {
  const { date: _date, connection: _connection, 'keep-alive': _keep, ...rest } = headers
  return rest
}

/** One site under every kind of key, by the path of its root without the slash. */
function everyKind(node: ReturnType<typeof createFakeNode>) {
  return {
    chk: `/${node.addFolder(SITE, 'site')}`,
    ssk: `/${node.addFixed('site', SITE)}`,
    usk: `/${node.addEdition('site', SITE)}`,
    ksk: `/${node.addWord('site', SITE)}`,
  }
}

const KINDS = ['chk', 'ssk', 'usk', 'ksk'] as const
const FOR_EVER = 'public, max-age=29030400, immutable'
const CACHE = { chk: FOR_EVER, ssk: 'max-age=3600', usk: 'max-age=60', ksk: 'max-age=60' }

for (const kind of KINDS) {
  test(`a site under its ${kind} is served by its paths`, async () => {
    const { node, agent } = gateway()
    const root = everyKind(node)[kind]
    const front = await agent.get(`${root}/`)
    assert.equal(front.status, 200)
    assert.equal(front.text, '<h1>front</h1>')
    assert.equal(front.headers['content-type'], 'text/html; charset=utf-8')
    assert.match(front.headers['content-security-policy'] ?? '', /^sandbox allow-downloads;/)
    assert.equal(front.headers['cache-control'], CACHE[kind])
    assert.match(front.headers['content-disposition'] ?? '', /"index\.html"/)
    const film = await agent.get(`${root}/film.webm`)
    assert.equal(film.headers['content-type'], 'video/webm')
    assert.equal(
      film.headers['content-disposition'],
      `inline; filename="film.webm"; filename*=UTF-8''film.webm`,
    )
    assert.equal((await agent.get(`${root}/about/me.html`)).text, '<p>me</p>')
    assert.equal((await agent.get(`${root}/only%20files/a.txt`)).text, 'a')
  })

  test(`files of a site under its ${kind} have tags, ranges and conditions`, async () => {
    const { node, agent } = gateway()
    const path = `${everyKind(node)[kind]}/film.webm`
    const whole = await agent.get(path)
    const { etag = '' } = whole.headers
    assert.match(etag, /^"[\w-]{22}"$/)
    const part = await agent.get(path).set('Range', 'bytes=2-4').buffer(true)
    assert.equal(part.status, 206)
    assert.equal(part.headers['content-range'], 'bytes 2-4/10')
    assert.equal((part.body as Buffer).toString(), 'cde')
    const conditions: [Record<string, string>, number][] = [
      [{ Range: 'bytes=0-1', 'If-Range': etag }, 206],
      [{ Range: 'bytes=0-1', 'If-Range': `W/${etag}` }, 200],
      [{ Range: 'bytes=0-1', 'If-Range': '"other"' }, 200],
      [{ Range: 'bytes=50-', 'If-Range': '"other"' }, 200],
      [{ Range: 'bytes=50-', 'If-Range': etag }, 416],
      [{ Range: 'bytes=50-' }, 416],
      [{ 'If-None-Match': etag }, 304],
      [{ 'If-None-Match': `"x", W/${etag}` }, 304],
      [{ 'If-None-Match': etag, Range: 'bytes=0-1' }, 304],
      [{ 'If-None-Match': '"other"' }, 200],
      [{ 'If-None-Match': '"other"', Range: 'bytes=0-1' }, 206],
      [{ 'If-None-Match': '*' }, 304],
      [{ 'If-Match': '*' }, 200],
      [{ 'If-Match': `"x", ${etag}` }, 200],
      [{ 'If-Match': `W/${etag}` }, 412],
      [{ 'If-Match': '"other"', 'If-None-Match': etag }, 412],
      [{ 'If-Match': etag, 'If-None-Match': etag }, 304],
      [{ Range: 'bytes=0-1,-2' }, 206],
    ]
    for (const [headers, status] of conditions) {
      const what = JSON.stringify(headers)
      const get = await agent.get(path).set(headers)
      assert.equal(get.status, status, what)
      const head = await agent.head(path).set(headers)
      assert.deepEqual(lasting(head.headers), lasting(get.headers), what)
      if (status !== 304) continue
      assert.equal(get.headers['etag'], etag)
      assert.equal(get.headers['cache-control'], CACHE[kind])
      assert.equal(get.headers['content-security-policy'], undefined)
    }
    assert.equal(node.live.streams, 0)
  })

  test(`HEAD has the headers of GET for everything under a ${kind}`, async () => {
    const { node, agent } = gateway()
    const root = everyKind(node)[kind]
    const paths = [
      '',
      '/',
      '/film.webm',
      '/about',
      '/about/',
      '/only%20files/',
      '/nothing',
      '?download',
    ]
    for (const path of paths) {
      for (const accept of ['text/html', 'application/json', '*/*']) {
        const get = await agent
          .get(root + path)
          .set('Accept', accept)
          .redirects(0)
        const head = await agent
          .head(root + path)
          .set('Accept', accept)
          .redirects(0)
        assert.equal(head.status, get.status, path)
        assert.deepEqual(lasting(head.headers), lasting(get.headers), path)
        assert.equal(head.text ?? '', '')
      }
    }
    assert.equal(node.live.streams, 0)
  })

  test(`a folder without its slash under a ${kind} is sent to the slash, query and all`, async () => {
    const { node, agent } = gateway()
    const root = everyKind(node)[kind]
    for (const path of ['', '/about', '/only%20files']) {
      const { status, headers, text } = await agent
        .get(`${root}${path}?timeout=9&x=//evil`)
        .redirects(0)
      assert.equal(status, 301)
      assert.equal(headers['location'], `${root}${path}/?timeout=9&x=//evil`)
      assert.equal(headers['cache-control'], CACHE[kind])
      assert.equal(text, '')
    }
    assert.equal((await agent.get(root).redirects(1)).text, '<h1>front</h1>')
  })

  test(`a path that a site under a ${kind} does not have is the site's fault, not the network's`, async () => {
    const { node, agent } = gateway()
    const root = everyKind(node)[kind]
    const program = await agent.get(`${root}/x/y.html`)
    assert.equal(program.status, 404)
    const { code, detail, site } = program.body as Record<string, unknown>
    assert.deepEqual(
      [code, detail, site],
      ['E_NO_PATH', 'The site "site" has no "x/y.html".', root],
    )
    assert.equal(program.headers['cache-control'], 'no-store')
    const person = await agent.get(`${root}/x/y.html`).set('Accept', 'text/html')
    assert.match(person.text, /The site &#34;site&#34; has no &#34;x\/y\.html&#34;\./)
    assert.ok(person.text.includes(`<a href="${root}">Front page of the site</a>`))
    for (const path of ['/film.webm/', '/film.webm/x', '/index.html/', '/About/']) {
      assert.equal((await agent.get(root + path)).status, 404, path)
    }
  })
}

test('a path that does not exist is shown as text, whatever it looks like', async () => {
  const { node, agent } = gateway()
  const root = `/${node.addWord('<b>"word', SITE)}`
  const hostile = encodeURIComponent(`<img src=x onerror="alert(1)">`)
  const { text } = await agent.get(`${root}/${hostile}`).set('Accept', 'text/html')
  assert.match(text, /&#60;img src=x onerror=&#34;alert\(1\)&#34;&#62;/)
  assert.ok(!/<img|<b>/.test(text))
})

test('a document that is one file has no paths below it, and is itself linked from the error', async () => {
  const { node, agent } = gateway()
  for (const root of [
    `/${node.addFixed('notes.txt', 'hello')}`,
    `/${node.addWord('notes.txt', 'hello')}`,
  ]) {
    const whole = await agent.get(root)
    assert.equal(whole.text, 'hello')
    assert.equal(whole.headers['content-type'], 'text/plain; charset=utf-8')
    assert.match(whole.headers['content-disposition'] ?? '', /"notes\.txt"/)
    for (const path of ['/', '/x']) {
      const { status, body } = await agent.get(root + path)
      assert.equal(status, 404)
      assert.equal((body as { site: string }).site, root)
    }
  }
})

test('a folder key without a name gets one, so that links in it work', async () => {
  const { node, agent } = gateway()
  const root = `/${node.addFolder(SITE)}`
  for (const path of [root, `${root}/`]) {
    const { status, headers } = await agent.get(`${path}?download=0`).redirects(0)
    assert.equal(status, 301)
    assert.equal(headers['location'], `${root}/folder/?download=0`)
  }
  assert.equal((await agent.get(`${root}/folder/film.webm`)).status, 200)
})

test('slashes that are escaped become real ones, so that links in a page work', async () => {
  const { node, agent } = gateway()
  const usk = node.addEdition('site', SITE)
  const spelled = `/freenet:${encodeURIComponent(`${usk}/about/me.html`)}?x=%2F`
  const { status, headers } = await agent.get(spelled).redirects(0)
  assert.equal(status, 301)
  assert.equal(headers['location'], `/${usk}/about/me.html?x=%2F`)
  assert.equal(node.calls.fetch.length, 0)
})

const HOSTILE_PATHS = [
  '//evil.example/CHK@x/..',
  '//evil.example%2fx@',
  '/%2f%2fevil.example/x@',
  '/\\evil.example\\@',
  '/KSK@//evil.example',
  '/KSK@%2f%2fevil.example/',
  '/KSK@evil/%2f%2fevil.example',
  '/KSK@\\\\evil.example',
  '/shoal:%2f%2fevil.example@/',
]

for (const path of HOSTILE_PATHS) {
  test(`"${path}" leads to no other host`, async () => {
    const { node, agent } = gateway()
    node.nextFetch = { type: 'slash-missing' }
    const { status, headers } = await agent.get(path).redirects(0)
    assert.ok(status === 400 || status === 404, String(status))
    assert.equal(headers['location'], undefined)
  })
}

test('the slash is added on this host for names that look like hosts', async () => {
  const { node, agent } = gateway()
  for (const name of ['evil.example', '@evil.example', 'http:', 'a?b#c', 'a\u2028b']) {
    const uri = node.addWord(name, SITE)
    const { status, headers } = await agent.get(`/${uri}`).redirects(0)
    assert.equal(status, 301)
    assert.equal(headers['location'], `/KSK@${encodeURIComponent(name)}/`)
  }
})

test('everything under a word warns that anyone may write there', async () => {
  const { node, agent } = gateway()
  const root = `/${node.addWord('word', SITE)}`
  const { etag = '' } = (await agent.get(`${root}/film.webm`)).headers
  const answers = [
    await agent.get(root).redirects(0),
    await agent.get(`${root}/`),
    await agent.get(`${root}/film.webm`).set('If-None-Match', etag),
    await agent.get(`${root}/nothing`),
    await agent.get(`${root}/film.webm`).set('Range', 'bytes=99-'),
    await agent.get('/KSK@nobody'),
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [301, 200, 304, 404, 416, 404],
  )
  for (const { headers } of answers) {
    assert.equal(headers['x-shoal-warning'], 'anyone may write to this word')
  }
  const other = await agent.get(`/${node.addFixed('site', SITE)}/`)
  assert.equal(other.headers['x-shoal-warning'], undefined)
})

test('a word that changes between two steps of one request is sent whole', async () => {
  const { node, agent } = gateway()
  const path = `/${node.addWord('word', 'first one')}`
  const { etag = '' } = (await agent.get(path)).headers
  const stream = new Response('ir').body as ReadableStream<Uint8Array>
  const changed: FetchOutcome = {
    type: 'found',
    size: 9,
    range: { first: 1, last: 2 },
    contentType: undefined,
    name: undefined,
    identity: 'other',
    stream,
  }
  const fetchAsBefore = node.fetch.bind(node)
  let calls = 0
  node.fetch = (uri, options) =>
    ++calls === 2 ? Promise.resolve(changed) : fetchAsBefore(uri, options)
  const response = await agent.get(path).set({ Range: 'bytes=1-2', 'If-Range': etag }).buffer(true)
  assert.equal(response.status, 200)
  assert.equal((response.body as Buffer).toString(), 'first one')
  assert.equal(calls, 3)
})

test('what is not there is asked for once, whatever the client holds', async () => {
  const { node, agent } = gateway()
  const root = `/${node.addFixed('site', SITE)}`
  for (const [path, status] of [
    ['/nothing', 404],
    ['/about', 301],
  ] as const) {
    const before = node.calls.fetch.length
    const response = await agent
      .get(root + path)
      .set('If-None-Match', '"x"')
      .redirects(0)
    assert.equal(response.status, status)
    assert.equal(node.calls.fetch.length, before + 1)
  }
})

test('names that a client holds already cost no content', async () => {
  const { node, agent } = gateway()
  const path = `/${node.addFixed('site', SITE)}/film.webm`
  const { etag = '' } = (await agent.get(path)).headers
  const before = node.live.pulledBytes
  assert.equal((await agent.get(path).set('If-None-Match', etag)).status, 304)
  assert.equal(node.live.pulledBytes, before)
  assert.equal(node.calls.fetch.at(-1)?.options.headOnly, true)
})

test('a program that asks for JSON gets the listing of a folder that has an index.html', async () => {
  const { node, agent } = gateway()
  const root = everyKind(node).chk
  const page = await agent.get(`${root}/`).set('Accept', 'text/html')
  assert.equal(page.text, '<h1>front</h1>')
  assert.equal(page.headers['vary'], 'Accept, Sec-Fetch-Dest') // programs get the page as it came
  const listed = await agent.get(`${root}/`).set('Accept', 'application/json')
  const { entries } = listed.body as { entries: { name: string; type: string }[] }
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['about', 'film.webm', 'index.html', 'only files'],
  )
  assert.notEqual(listed.headers['etag'], page.headers['etag'])
})
