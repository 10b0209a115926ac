/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'

import request from 'supertest'

import { ShoalError } from '../../src/errors.ts'
import { createApp } from '../../src/gateway/app.ts'
import { sizeText } from '../../src/gateway/listing.ts'
import type { FolderEntry } from '../../src/node.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'
import { openGateway } from '../helpers/gateway.ts'

const FILES = {
  'Zebra.txt': 'x'.repeat(1234),
  'music/loud/drum.ogg': 'x'.repeat(2_000_000),
  'music/quiet.ogg': 'x',
  'notes.txt': '',
}

function gateway() {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger: silentLogger })) }
}

/** `count` entries that are made while they are read; how many were made, and whether it has ended. */
function madeEntries(count: number, error?: Error) {
  const state = { made: 0, hasEnded: false }
  async function* make(): AsyncGenerator<FolderEntry, void> {
    try {
      while (state.made < count) {
        if (state.made % 64 === 0) await new Promise((next) => setImmediate(next))
        yield { name: `file ${state.made++} of many`, type: 'file', size: state.made }
      }
      if (error !== undefined) throw error
    } finally {
      state.hasEnded = true
    }
  }
  return { state, outcome: { type: 'folder', entries: make(), identity: 'identity' } as const }
}

test('a folder without a front page lists what is in it, in its order', async () => {
  const { node, agent } = gateway()
  const { status, headers, text } = await agent.get(`/${node.addFolder(FILES, 'things')}/`)
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  const rows = [
    ...text.matchAll(
      /<tr( class="folder")?><th scope="row"><a href="([^"]*)">(.*?)<\/a><\/th><td class="size">(.*?)<\/td>/g,
    ),
  ]
  assert.deepEqual(
    rows.map(([, kind, href, name]) => [kind !== undefined, href, name]),
    [
      [false, 'Zebra.txt', '<bdi>Zebra.txt</bdi>'],
      [true, 'music/', '<bdi>music</bdi>/'],
      [false, 'notes.txt', '<bdi>notes.txt</bdi>'],
    ],
  )
  assert.deepEqual(
    rows.map(([, , , , size]) => size),
    [
      '<data value="1234" title="1,234 bytes">1.2 KiB</data>',
      '<data value="2000001" title="2,000,001 bytes">1.9 MiB</data>',
      '<data value="0" title="0 bytes">0 bytes</data>',
    ],
  )
  assert.match(text, /<h1><bdi>things<\/bdi><\/h1>/)
  assert.match(text, /<tfoot><tr><td>1 folder, 2 files<\/td><td class="size">1\.9 MiB<\/td>/)
  assert.ok(!text.includes('Parent folder'))
  assert.ok(!text.includes('Anyone may write'))
})

test('a folder inside a site shows the way up', async () => {
  const { node, agent } = gateway()
  const { text } = await agent.get(`/${node.addEdition('my site', FILES)}/music/loud/`)
  const links = [...text.matchAll(/<a href="([^"]*)">(.*?)<\/a>/g)].map(([, href, name]) => [
    href,
    name,
  ])
  assert.deepEqual(links, [
    ['/', 'shoal'],
    ['../../', '<bdi>my site</bdi>'],
    ['../', '<bdi>music</bdi>'],
    ['../', 'Parent folder'],
    ['drum.ogg', '<bdi>drum.ogg</bdi>'],
  ])
  assert.match(text, /<li aria-current="page"><bdi>loud<\/bdi><\/li>/)
})

test('a listing under a word says that anyone may write there', async () => {
  const { node, agent } = gateway()
  const { text, headers } = await agent.get(`/${node.addWord('word', FILES)}/`)
  assert.match(text, /Anyone may write to this word\./)
  assert.equal(headers['x-shoal-warning'], 'anyone may write to this word')
})

test('an empty folder is a listing of nothing', async () => {
  const { node, agent } = gateway()
  const path = `/${node.addFolder({ 'empty/': '' }, 'things')}/empty/`
  const { status, text } = await agent.get(path)
  assert.equal(status, 200)
  assert.match(text, /<td>0 files<\/td><td class="size">0 bytes<\/td>/)
  const json = await agent.get(path).set('Accept', 'application/json')
  assert.deepEqual(json.body, { name: 'empty', entries: [] })
})

const HOSTILE_NAMES = [
  '<img src=x onerror=alert(1)>',
  '"><script>alert(1)<',
  "' onclick='alert(1)",
  'javascript:alert(1)',
  '&lt;b&gt;',
  'a?b#c',
  '%2e%2e',
  '%00',
  'http:',
  '\u202egnp.exe',
  '文 ü',
  '-->',
]

test('names are text and nothing else, and lead into the folder they are in', async () => {
  const { node, agent } = gateway()
  const names = HOSTILE_NAMES.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const suffix of ['', '/x']) {
    const files = Object.fromEntries(names.map((name) => [name + suffix, 'x']))
    const root = `/${node.addFolder(files, '<title>"\'&')}/`
    const { text } = await agent.get(root)
    const markup = text.replace(/<style>[\s\S]*?<\/style>/, '').replace(/<!doctype html>/, '')
    const tags = new Set([...markup.matchAll(/<\/?([^\s>]*)/g)].map(([, tag]) => tag))
    const ours =
      'a bdi body data h1 head html li main meta nav ol style table tbody td tfoot th thead title tr'
    for (const tag of tags) assert.ok(ours.split(' ').includes(tag ?? ''), tag)
    const hrefs = [...text.matchAll(/<th scope="row"><a href="([^"]*)"/g)].map(([, href = '']) =>
      href.replace(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(Number(code))),
    )
    const base = `http://127.0.0.1:8888${root}`
    assert.deepEqual(
      hrefs.map((href) => {
        const url = new URL(href, base).href
        assert.ok(url.startsWith(base), url)
        return decodeURIComponent(url.slice(base.length)).replace(/\/$/, '')
      }),
      names,
    )
    for (const href of hrefs) assert.equal((await agent.get(root + href)).status, 200)
  }
})

test('the page runs under a policy of its own, which allows its style and nothing else', async () => {
  const { node, agent } = gateway()
  const { headers, text } = await agent.get(`/${node.addFolder(FILES, 'things')}/`)
  const policy = headers['content-security-policy'] ?? ''
  assert.match(
    policy,
    /^default-src 'none'; style-src 'sha256-[\w+/=]{44}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'$/,
  )
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['referrer-policy'], 'no-referrer')
  assert.ok(!/<script|\sstyle=|\son[a-z]+=/i.test(text))
})

test('programs that ask for JSON get the same entries, exactly', async () => {
  const { node, agent } = gateway()
  const root = `/${node.addFolder(FILES, 'things')}/`
  const { status, headers, body } = await agent.get(root).set('Accept', 'application/json')
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'application/json')
  assert.deepEqual(body, {
    name: 'things',
    entries: [
      { name: 'Zebra.txt', type: 'file', size: 1234 },
      { name: 'music', type: 'folder', size: 2_000_001 },
      { name: 'notes.txt', type: 'file', size: 0 },
    ],
  })
  const inside = await agent.get(`${root}music/`).set('Accept', 'application/json')
  assert.equal((inside.body as { name: string }).name, 'music')
})

test('a listing has a tag for each of its forms, and is not kept for ever', async () => {
  const { node, agent } = gateway()
  const root = `/${node.addFolder(FILES, 'things')}/`
  const page = await agent.get(root).set('Accept', 'text/html')
  const json = await agent.get(root).set('Accept', 'application/json')
  assert.notEqual(page.headers['etag'], json.headers['etag'])
  for (const { headers } of [page, json]) {
    assert.equal(headers['vary'], 'Accept')
    assert.equal(headers['cache-control'], 'max-age=3600')
    assert.equal(headers['content-length'], undefined)
    assert.equal(headers['transfer-encoding'], 'chunked')
  }
  const { etag = '' } = page.headers
  const held = await agent.get(root).set({ Accept: 'text/html', 'If-None-Match': etag })
  assert.equal(held.status, 304)
  assert.equal(held.headers['cache-control'], 'max-age=3600')
  assert.equal(held.headers['vary'], 'Accept')
  const other = await agent.get(root).set({ Accept: 'application/json', 'If-None-Match': etag })
  assert.equal(other.status, 200)
})

test('a range of a listing is the whole of it', async () => {
  const { node, agent } = gateway()
  const { status } = await agent.get(`/${node.addFolder(FILES)}/folder/`).set('Range', 'bytes=0-9')
  assert.equal(status, 200)
})

for (const [count, accept] of [
  [100_000, 'text/html'],
  [10_000, 'application/json'],
] as const) {
  test(`a folder of ${count} files is sent as ${accept} while it is read`, async (t) => {
    const { node, server } = await openGateway(t)
    const { state, outcome } = madeEntries(count)
    node.nextFetch = outcome
    const response = await fetch(`${server.url}KSK@word/`, { headers: { accept } })
    assert.ok(state.made < count, 'the head came only with the last entry')
    const text = await response.text()
    assert.equal(text.match(/file \d+ of many/g)?.length, count)
    assert.ok(state.hasEnded)
    if (accept === 'text/html') assert.match(text, /<td>100,000 files<\/td>/)
    else assert.equal((JSON.parse(text) as { entries: unknown[] }).entries.length, count)
  })
}

test('a reader that does not read holds the listing back; one that leaves ends it', async (t) => {
  const { node, server } = await openGateway(t)
  const { state, outcome } = madeEntries(5_000_000)
  node.nextFetch = outcome
  const socket = connect({ host: '127.0.0.1', port: server.port })
  socket.on('error', () => {})
  socket.pause()
  socket.write('GET /KSK@word/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
  let made = -1
  while (made !== state.made || made === 0) {
    made = state.made
    for (let turn = 0; turn < 2000; turn++) await new Promise((next) => setImmediate(next))
  }
  assert.ok(made < 1_000_000, `${made} entries were made for a reader that took none`)
  socket.destroy()
  while (!state.hasEnded) await new Promise((next) => setImmediate(next))
})

for (const accept of ['text/html', 'application/json']) {
  test(`a listing that breaks off looks broken (${accept})`, async (t) => {
    const { node, server } = await openGateway(t)
    const { outcome } = madeEntries(3000, new ShoalError('E_TIMEOUT', 'It broke.'))
    node.nextFetch = outcome
    const response = await fetch(`${server.url}KSK@word/`, { headers: { accept } })
    assert.equal(response.status, 200)
    await assert.rejects(response.text())
  })
}

test('a listing that breaks before it begins is answered with a status, on HEAD too', async () => {
  const { node, agent } = gateway()
  for (const method of ['get', 'head'] as const) {
    const { state, outcome } = madeEntries(0, new ShoalError('E_NOT_FOUND', 'It is gone.'))
    node.nextFetch = outcome
    assert.equal((await agent[method]('/KSK@word/')).status, 404)
    assert.ok(state.hasEnded)
  }
})

test('HEAD of a listing has no body, and leaves the connection and the folder as they should be', async (t) => {
  const { node, server } = await openGateway(t)
  const { state, outcome } = madeEntries(1000)
  node.nextFetch = outcome
  const socket = connect({ host: '127.0.0.1', port: server.port })
  t.after(() => socket.destroy())
  socket.write(
    'HEAD /KSK@word/ HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  )
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  const text = Buffer.concat(pieces).toString()
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\nHTTP\/1\.1 404 /)
  assert.match(text.split('\r\n\r\n')[0] ?? '', /transfer-encoding: chunked/i)
  assert.ok(state.hasEnded)
  assert.ok(state.made < 1000)
})

test('an old client without chunks gets a listing that ends with the connection', async (t) => {
  const { node, server } = await openGateway(t)
  node.nextFetch = madeEntries(3).outcome
  const socket = connect({ host: '127.0.0.1', port: server.port })
  socket.write('GET /KSK@word/ HTTP/1.0\r\nHost: localhost\r\n\r\n')
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  const text = Buffer.concat(pieces).toString()
  assert.ok(!/transfer-encoding/i.test(text))
  assert.match(text, /<\/html>\n$/)
})

const SIZES = [
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1000, '1.0 KiB'],
  [1024, '1.0 KiB'],
  [10_240, '10 KiB'],
  [1023 * 1024, '1.0 MiB'],
  [1024 ** 3, '1.0 GiB'],
  [2 ** 53 - 1, '8.0 PiB'],
] as const

for (const [bytes, text] of SIZES) {
  test(`${bytes} bytes are "${text}"`, () => {
    assert.equal(sizeText(bytes), text)
  })
}
