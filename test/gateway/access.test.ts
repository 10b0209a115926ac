/** Who may use a gateway that other machines reach, and what it does not serve. @module */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { denyHash, openDenyList } from '../../src/gateway/deny-list.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { LOGIN_S, TokenGate } from '../../src/gateway/token.ts'
import { formatUri, parseUri, type ContentUri } from '../../src/keys/uri.ts'
import { silentLogger } from '../../src/runtime.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from '../helpers/certificate.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const TOKEN = 'correct-horse-battery-staple'
const PAGE = { Accept: 'text/html' }

function gateway(token = TOKEN) {
  const node = createFakeNode()
  const time = { nowMs: 0 }
  const clock = { wallNow: () => 1_800_000_000_000 + time.nowMs }
  const agent = request(
    createApp({ node, logger: silentLogger, gate: new TokenGate(token, clock) }),
  )
  return { node, agent, time }
}

function logIn({ agent }: ReturnType<typeof gateway>, token: string, next = '/') {
  return agent.post('/login').send(new URLSearchParams({ token, next }).toString())
}

function cookieOf(headers: Record<string, unknown>): string {
  const [cookie = ''] = (headers['set-cookie'] ?? []) as string[]
  return cookie
}

test('without its token a gateway gives nothing away: pages to log in on, and 401 for programs', async () => {
  const { node, agent } = gateway()
  const uri = node.add('secret content')
  for (const path of [`/${uri}`, '/', '/api/v1/status', '/metrics', '/nothing', '/CHK@bad']) {
    const { status, text, headers } = await agent.get(path)
    assert.equal(status, 401, path)
    assert.equal(headers['www-authenticate'], 'Bearer realm="shoal"')
    assert.equal((JSON.parse(text) as { code: string }).code, 'E_TOKEN')
  }
  const page = await agent.get(`/${uri}`).set(PAGE)
  assert.equal(page.status, 401)
  assert.match(page.text, /<form method="post" action="\/login">/)
  assert.ok(!/<title>[^<]*CHK/.test(page.text))
  assert.equal((await agent.put('/api/v1/insert').send('x')).status, 401)
  assert.equal(node.calls.fetch.length + node.calls.insert.length, 0)
})

test('a program gets in with the token as a bearer, and with nothing that is nearly it', async () => {
  const { agent } = gateway()
  const right = await agent.get('/api/v1/status').set('Authorization', `Bearer ${TOKEN}`)
  assert.equal(right.status, 200)
  for (const header of [`Bearer ${TOKEN}x`, `Basic ${TOKEN}`, 'Bearer', `Bearer ${TOKEN} x`]) {
    const { status } = await agent.get('/api/v1/status').set('Authorization', header)
    assert.equal(status, 401, header)
  }
})

test('a browser logs in once: the cookie is signed, out of reach of scripts and other sites, and holds 30 days', async () => {
  const door = gateway()
  const { agent, node, time } = door
  const uri = node.add('hello', { name: 'a.txt' })
  const { status, headers } = await logIn(door, ` ${TOKEN}\n`, `/${uri}`)
  assert.deepEqual([status, headers['location']], [303, `/${uri}`])
  const cookie = cookieOf(headers)
  assert.match(
    cookie,
    /^shoal-login=\d+\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=2592000$/,
  )
  const [pair = ''] = cookie.split(';')
  const read = (value: string) => agent.get(`/${uri}`).set('Cookie', `a=b; ${value}`)
  assert.equal((await read(pair)).text, 'hello')
  const [, end = '0', signature = ''] = /=(\d+)\.(.*)$/.exec(pair) ?? []
  for (const forged of [
    `shoal-login=${Number(end) + 1}.${signature}`,
    `shoal-login=${end}.${'A'.repeat(43)}`,
    `shoal-login=${end}.`,
    `shoal-login=${TOKEN}`,
  ]) {
    assert.equal((await read(forged)).status, 401, forged)
  }
  const other = gateway(`${TOKEN}-changed`).agent
  assert.equal((await other.get('/').set('Cookie', pair)).status, 401)
  time.nowMs = LOGIN_S * 1000 + 1
  assert.equal((await read(pair)).status, 401)
})

test('after a login no address leads to another host', async () => {
  for (const next of [
    '//evil.example/',
    '/\\evil.example',
    'http://evil.example/',
    '',
    '/a\r\nb: c',
  ]) {
    const { status, headers } = await logIn(gateway(), TOKEN, next)
    assert.deepEqual([status, headers['location']], [303, '/'], next)
  }
})

test('a login is refused from pages of other origins, over its length, and with the wrong token', async () => {
  const door = gateway()
  const wrong = await logIn(door, 'wrong')
  assert.equal(wrong.status, 401)
  assert.match(wrong.text, /That was not the token/)
  assert.equal(cookieOf(wrong.headers as Record<string, unknown>), '')
  assert.equal((await logIn(door, TOKEN).set('Origin', 'null')).status, 403)
  assert.equal((await logIn(door, TOKEN).set('Origin', 'http://evil.example')).status, 403)
  assert.equal((await logIn(door, 'x'.repeat(40_000))).status, 400)
  assert.equal((await door.agent.delete('/login')).status, 405)
  assert.equal((await door.agent.get('/login').set('Host', 'evil.example')).status, 403)
})

test('the right token gets in, however many wrong ones came from the same address', async () => {
  const door = gateway()
  const program = (token: string) =>
    door.agent.get('/api/v1/status').set('Authorization', `Bearer ${token}`)
  for (let n = 0; n < 20; n++) {
    assert.equal((await logIn(door, `wrong ${n}`)).status, 401)
    assert.equal((await program(`wrong-${n}`)).status, 401)
  }
  assert.equal((await program(TOKEN)).status, 200)
  assert.equal((await logIn(door, TOKEN)).status, 303)
})

test('what is on the deny-list is 451 in every spelling, edition and path, and the rest is served', async () => {
  const node = createFakeNode()
  const file = node.add('file', { name: 'a.txt' })
  const folder = node.addFolder({ 'index.html': 'x', 'b/c.html': 'y' }, 'site')
  const edition = node.addEdition('blog', { 'index.html': 'x' })
  const fixed = node.addFixed('doc', 'x')
  const word = node.addWord('word', 'x')
  const urn = node.add('bare', { bare: true })
  const denied = [file, folder, edition, fixed, word, urn]
  const hashes = new Set(denied.map((uri) => denyHash(parseUri(uri))))
  assert.equal(hashes.size, denied.length)
  const denyList = { has: (uri: ReturnType<typeof parseUri>) => hashes.has(denyHash(uri)) }
  const agent = request(createApp({ node, logger: silentLogger, denyList }))
  const spellings = [
    ...denied,
    file.replace('/a.txt', ''),
    file.replace('/a.txt', '/other.txt'),
    encodeURIComponent(file),
    `freenet:${file}`,
    `${folder}/b/c.html`,
    formatUri({ ...(parseUri(file) as ContentUri), kind: 'bare', name: undefined }),
    edition.replace(/\d+$/, '7'),
    edition.replace(/\d+$/, 'latest/index.html'),
  ]
  for (const uri of spellings) {
    const { status, body } = await agent.get(`/${uri}`)
    assert.deepEqual([status, (body as { code: string }).code], [451, 'E_DENIED'], uri)
  }
  const page = await agent.get(`/${file}`).set(PAGE)
  assert.equal(page.status, 451)
  assert.match(page.text, /This gateway does not serve that/)
  assert.equal(node.calls.fetch.length + node.calls.lookUp.length, 0)
  assert.equal((await agent.get(`/${node.add('other')}`)).status, 200)
  assert.equal((await agent.get(`/${node.addEdition('blog2', 'x')}`)).status, 200)
})

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-access-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('the deny-list holds on the origin of a site, for ?info and partial answers, and for what the API would fetch', async () => {
  const node = createFakeNode()
  const uri = node.addFolder({ 'index.html': '<p>x' }, 'site')
  const usk = node.addEdition('blog', 'x')
  const hashes = new Set([uri, usk].map((one) => denyHash(parseUri(one))))
  const denyList = { has: (one: ReturnType<typeof parseUri>) => hashes.has(denyHash(one)) }
  const agent = request(createApp({ node, logger: silentLogger, denyList }))
  const navigation = { ...PAGE, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
  const sent = await agent.get(`/${uri}/`).set(navigation)
  const there = new URL(sent.headers['location'] as string)
  const page = await agent.get(there.pathname).set({ ...navigation, Host: there.host })
  assert.deepEqual([sent.status, page.status], [307, 451])
  const folder = await mkdtemp(join(tmpdir(), 'shoal-denied-'))
  const path = join(folder, 'x')
  for (const answer of [
    await agent.get(`/${uri}/?info`),
    await agent.get(`/${uri}/index.html`).set('Range', 'bytes=0-0,2-2'),
    await agent.head(`/${uri}/index.html`).set('Cache-Control', 'only-if-cached'),
    await agent.get('/api/v1/lookup').query({ uri: usk }),
    await agent.get('/api/v1/watch').query({ uri: usk }),
    await agent.post('/api/v1/announce').query({ uri: usk }),
    await agent.post('/api/v1/transfers').query({ uri: `freenet:${uri}`, path }),
  ]) {
    assert.equal(answer.status, 451)
  }
  assert.equal((await agent.get('/api/v1/lookup').query({ uri: 'no key' })).status, 400)
  const { fetch, inspect, lookUp } = node.calls
  assert.equal(fetch.length + inspect.length + lookUp.length + node.transfers.list().length, 0)
  await rm(folder, { recursive: true })
})

test('a deny-list is read again when it changes, and a damaged one leaves the one of before', async (t) => {
  const file = join(await folderFor(t), 'denied')
  const uri = parseUri(createFakeNode().add('x'))
  const line = denyHash(uri)
  const lines: string[] = []
  const tell = (message: string): void => void lines.push(message)
  await writeFile(file, '# nothing yet\n\n')
  const told: boolean[] = []
  const list = await openDenyList(file, { info: tell, warn: tell }, (has) => told.push(has(uri)))
  t.after(() => list.close())
  await list.refresh()
  assert.deepEqual([list.has(uri), lines], [false, []])
  await writeFile(file, `${line.toUpperCase()}  # a film\r\n`)
  await list.refresh()
  assert.equal(list.has(uri), true)
  await writeFile(file, `${line}\nnonsense of mine\n`)
  await list.refresh()
  await list.refresh()
  await rm(file)
  await list.refresh()
  assert.equal(list.has(uri), true)
  assert.deepEqual(told, [false, true], 'once for each list that could be read')
  assert.equal(lines.length, 3)
  assert.match(lines[2] ?? '', /the list of before holds: the file cannot be read/)
  assert.match(lines[1] ?? '', /the list of before holds: .*line 2/)
  assert.ok(!lines.join('\n').includes('nonsense') && !lines.join('\n').includes(line))
})

test('a deny-list stops downloads to disk that are under way, and those of other keys go on', async (t) => {
  const folder = await folderFor(t)
  const node = createFakeNode()
  const uri = node.add('x', { name: 'a' })
  for (const name of ['a', 'b']) {
    node.nextFetch = 'hang'
    const key = name === 'a' ? uri : node.add('y')
    await node.transfers.add({ uri: key, path: join(folder, name) })
  }
  const denyListFile = join(folder, 'denied')
  await writeFile(denyListFile, `${denyHash(parseUri(uri))}\n`)
  const listening = await startGateway({ node, logger: silentLogger, port: 0, denyListFile })
  t.after(() => listening.close())
  const states = node.transfers.list().map(({ phase, fault }) => [phase, fault])
  assert.deepEqual(states, [
    ['failed', 'E_DENIED'],
    ['running', undefined],
  ])
})

test('a gateway with a deny-list that cannot be read does not start', async (t) => {
  const folder = await folderFor(t)
  const bad = join(folder, 'bad')
  await writeFile(bad, 'CHK@abc\n')
  for (const denyListFile of [join(folder, 'none'), folder, bad]) {
    const starting = startGateway({
      node: createFakeNode(),
      logger: silentLogger,
      port: 0,
      denyListFile,
    })
    await assert.rejects(starting, { code: 'E_OPTION' })
  }
})

test('no gateway listens beyond this machine without a token that cannot be guessed', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    for (const token of [undefined, '', 'short']) {
      const options = { node: createFakeNode(), logger: silentLogger, host, port: 0 }
      const starting = startGateway({ ...options, ...(token !== undefined && { token }) })
      await assert.rejects(starting, { code: 'E_OPTION' })
    }
  }
})

test('with a certificate the gateway speaks TLS, its pages may use the API, and logins stay on it', async (t) => {
  const tls = { cert: CERTIFICATE, key: CERTIFICATE_KEY }
  const node = createFakeNode()
  const server = await startGateway({ node, logger: silentLogger, port: 0, tls, token: TOKEN })
  t.after(() => server.close())
  assert.match(server.url, /^https:/)
  const ask = (path: string, headers: Record<string, string>, body?: string) =>
    new Promise<{ status: number | undefined; cookie: string }>((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST'
      const sent = httpsRequest(
        {
          host: '127.0.0.1',
          port: server.port,
          ca: CERTIFICATE,
          path,
          headers,
          method,
          agent: false,
        },
        (response) => {
          response.resume()
          const [cookie = ''] = response.headers['set-cookie'] ?? []
          response.on('end', () => resolve({ status: response.statusCode, cookie }))
        },
      )
      sent.on('error', reject)
      sent.end(body)
    })
  const Authorization = `Bearer ${TOKEN}`
  const Origin = `https://127.0.0.1:${server.port}`
  assert.equal((await ask('/api/v1/status', { Authorization, Origin })).status, 200)
  const plain = { Authorization, Origin: Origin.replace('https', 'http') }
  assert.equal((await ask('/api/v1/status', plain)).status, 403)
  const { status, cookie } = await ask('/login', { Origin }, `token=${TOKEN}&next=/`)
  assert.equal(status, 303)
  assert.match(cookie, /; Secure$/)
  await assert.rejects(
    startGateway({ node, logger: silentLogger, port: 0, tls: { cert: 'none', key: 'none' } }),
    { code: 'E_OPTION' },
  )
})

test('a gateway answers under the names that it was given besides its own', async () => {
  const app = createApp({
    node: createFakeNode(),
    logger: silentLogger,
    hostNames: ['Node.example'],
  })
  for (const [host, status] of [
    ['node.example:8888', 200],
    ['localhost', 200],
    ['evil.example', 403],
  ] as const) {
    assert.equal((await request(app).get('/api/v1/status').set('Host', host)).status, status)
  }
})

test('a gateway with a token, TLS or other names sends nobody to the origin of a site, where no login and no certificate holds', async () => {
  const node = createFakeNode()
  const uri = node.addFolder({ 'index.html': 'x' }, 'site')
  const navigation = { ...PAGE, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
  const Authorization = `Bearer ${TOKEN}`
  const shared = [{ gate: new TokenGate(TOKEN) }, { isTls: true }, { hostNames: ['node.example'] }]
  for (const options of [{}, ...shared]) {
    const agent = request(createApp({ node, logger: silentLogger, ...options }))
    const label = `${'a'.repeat(52)}.localhost`
    const ask = (host: string) =>
      agent.get(`/${uri}/`).set({ ...navigation, Authorization, Host: host })
    const isShared = shared.includes(options as (typeof shared)[0])
    const [main, site] = [await ask('127.0.0.1'), await ask(label)]
    assert.deepEqual([main.status, site.status], isShared ? [200, 403] : [307, 307])
    if (isShared) assert.match(main.headers['content-security-policy'] as string, /^sandbox/)
    const crossing = await agent
      .get('/outside')
      .query({ to: `/${uri}` })
      .set({ Authorization })
    assert.match(crossing.text, isShared ? /href="\/CHK@/ : /href="http:\/\/localhost/)
  }
})
