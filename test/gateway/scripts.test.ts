/** The sites that their reader lets run scripts: the API and its page. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import type { AppOptions } from '../../src/gateway/app.ts'
import { createApp } from '../../src/gateway/app.ts'
import { ScriptPermissions } from '../../src/gateway/safe/script-permission.ts'
import { startGateway } from '../../src/gateway/server.ts'
import { TokenGate } from '../../src/gateway/token.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { silentLogger } from '../../src/runtime.ts'
import { runCli } from '../helpers/cli-io.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const HOST = 'localhost:8888'
const SITE = '/api/v1/scripts/site'
const LABEL = 'a'.repeat(52)
const FILES = { 'index.html': 'front' }

function gateway(options: Pick<AppOptions, 'gate' | 'host'> = {}) {
  const node = createFakeNode()
  const agent = request(createApp({ node, logger: silentLogger, ...options }))
  const ask = (method: 'get' | 'post' | 'delete', path: string, uri?: string) =>
    agent[method](path)
      .query(uri === undefined ? {} : { uri })
      .set('Host', HOST)
  const allowed = async () => {
    const { body } = await ask('get', '/api/v1/scripts')
    return (body as { sites: { uri: string }[] }).sites.map(({ uri }) => uri)
  }
  return { node, agent, ask, allowed }
}

test('a site is allowed and revoked by any of its keys, and listed as it was named', async () => {
  const { node, ask, allowed } = gateway()
  const edition = node.addEdition('blog', FILES)
  assert.deepEqual(await allowed(), [])
  const before = await ask('get', SITE, edition)
  assert.deepEqual(before.body, { uri: edition, name: 'blog', isAllowed: false })
  const answer = await ask('post', SITE, `${edition}/pages/a.html`)
  assert.deepEqual(answer.body, { uri: edition, name: 'blog', isAllowed: true })
  const fixed = edition.replace('USK@', 'SSK@').replace(/\/0$/, '')
  for (const other of [fixed, edition.replace(/0$/, 'latest'), edition.replace(/0$/, '-3/b')]) {
    const { body } = await ask('get', SITE, other)
    assert.equal((body as { isAllowed: boolean }).isAllowed, true, other)
  }
  assert.deepEqual(await allowed(), [edition])
  await ask('post', SITE, 'KSK@word')
  await ask('post', SITE, fixed) // the same site: the name that was given last stays
  assert.deepEqual(await allowed(), ['KSK@word', fixed])
  assert.equal((await ask('delete', SITE, edition)).status, 204)
  assert.equal((await ask('delete', SITE, edition)).status, 204)
  assert.deepEqual(await allowed(), ['KSK@word'])
  await ask('post', SITE, edition)
  assert.equal((await ask('delete', '/api/v1/scripts')).status, 204)
  assert.deepEqual(await allowed(), [])
  assert.equal(node.calls.fetch.length + node.calls.lookUp.length, 0)
})

test('a key is understood as it is copied from wherever it stands', async () => {
  const { node, ask } = gateway()
  const key = node.addEdition('blog', FILES)
  for (const pasted of [
    key,
    ` ${key}\n`,
    `freenet:${key}`,
    `shoal:${key}`,
    `/${key}/`,
    key.replace('@', '%40'),
    `http://${LABEL}.localhost:8888/${key}/a.html?x#y`,
    `${LABEL}.localhost:8888/${key}/`,
    `http://127.0.0.1:8888/${key}`,
    `127.0.0.1:8888/${key}`,
    `https://gateway.example/${key}`,
  ]) {
    const { status, body } = await ask('get', SITE, pasted)
    assert.equal(status, 200, pasted)
    assert.equal((body as { uri: string }).uri, key, pasted)
  }
  for (const pasted of ['', ' ', 'http://localhost:8888/', 'USK@a', `http://${LABEL}.localhost/`]) {
    for (const method of ['get', 'post', 'delete'] as const) {
      assert.equal((await ask(method, SITE, pasted)).status, 400, pasted)
    }
  }
})

const STRANGERS: readonly Readonly<Record<string, string>>[] = [
  { Origin: 'null' },
  { Origin: 'http://evil.example' },
  { Origin: `http://${LABEL}.localhost:8888` },
  { 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'same-site' },
]

test('pages of other origins, and those of sites, may neither ask nor allow', async () => {
  const { ask, allowed } = gateway()
  for (const headers of STRANGERS) {
    for (const method of ['get', 'post', 'delete'] as const) {
      assert.equal((await ask(method, SITE, 'KSK@a').set(headers)).status, 403)
    }
    assert.equal((await ask('get', '/api/v1/scripts').set(headers)).status, 403)
    assert.equal((await ask('delete', '/api/v1/scripts').set(headers)).status, 403)
  }
  for (const method of ['get', 'post', 'delete'] as const) {
    const answer = await ask(method, SITE, 'KSK@a').set('Host', `${LABEL}.localhost:8888`)
    assert.equal(answer.status, 404)
  }
  assert.deepEqual(await allowed(), [])
})

test('a browser that is not known to keep scripts sealed is told that they stay off', async () => {
  const { ask } = gateway()
  const hindrance = async (headers: Readonly<Record<string, string>>) => {
    const { body } = await ask('get', '/api/v1/scripts').set(headers)
    return (body as { hindrance?: string }).hindrance
  }
  const page = { 'Sec-Fetch-Dest': 'empty' }
  assert.match((await hindrance(page)) ?? '', /only Chromium from version 156/)
  const brands = (version: number) => ({ ...page, 'Sec-CH-UA': `"Chromium";v="${version}"` })
  assert.match((await hindrance(brands(155))) ?? '', /this browser/)
  assert.equal(await hindrance(brands(156)), undefined)
  assert.equal(await hindrance({}), undefined)
})

test('where all sites share one origin none may run scripts, and that is said', async () => {
  const shared = gateway({ host: '192.168.1.2' })
  const { status, body } = await shared.ask('post', SITE, 'KSK@a')
  assert.equal(status, 403)
  assert.match((body as { detail: string }).detail, /share one origin/)
  const list = await shared.ask('get', '/api/v1/scripts')
  assert.match((list.body as { hindrance: string }).hindrance, /share one origin/)
  const closed = gateway({ gate: new TokenGate('correct-horse-battery-staple') })
  for (const method of ['get', 'post', 'delete'] as const) {
    assert.equal((await closed.ask(method, SITE, 'KSK@a')).status, 401)
  }
})

test('the page stands in nobody’s frame, keeps no tie to who opened it, and takes no key from its address', async () => {
  const { agent, allowed } = gateway()
  for (const path of ['/scripts', '/scripts.html', '/scripts?key=KSK@a&uri=KSK@a&allow=1']) {
    const { status, headers, text } = await agent.get(path).set('Host', HOST)
    assert.equal(status, 200, path)
    assert.match(headers['content-security-policy'] ?? '', /frame-ancestors 'none'/)
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
    assert.ok(!text.includes('KSK@a'))
  }
  assert.equal((await agent.post('/scripts').set('Host', HOST)).status, 404)
  assert.equal((await agent.get('/scripts').set('Host', `${LABEL}.localhost`)).status, 404)
  assert.deepEqual(await allowed(), [])
})

test('no more sites are allowed in one run than there is room for, and those allowed stay so', () => {
  const permissions = new ScriptPermissions()
  const uri = parseUri('KSK@word')
  for (let i = 0; i < 256; i++) permissions.allow(`site ${i}`, uri)
  permissions.revoke('site 0')
  assert.throws(() => permissions.allow('one more', uri), { code: 'E_BUSY' })
  permissions.allow('site 0', uri)
  assert.equal(permissions.allowed.length, 256)
  permissions.revokeAll()
  assert.equal(permissions.allowed.length, 0)
  assert.ok(permissions.wasAllowed('site 0') && !permissions.isAllowed('site 0'))
})

test('the command lists, allows and revokes, also by an address out of the browser', async (t) => {
  const node = createFakeNode()
  const server = await startGateway({ node, logger: silentLogger, port: 0 })
  t.after(() => server.close())
  const to = ['--gateway', server.url]
  const shoal = (...words: readonly string[]) => runCli(['scripts', ...words])
  const uri = node.addEdition('my blog', FILES)
  const line = { exit: 0, stdout: `my blog\t${uri}\n`, stderr: '' }
  const nothing = { exit: 0, stdout: '', stderr: '' }
  assert.deepEqual(await shoal(...to), nothing)
  assert.deepEqual(await shoal('allow', `http://${LABEL}.localhost:${server.port}/${uri}/a`), line)
  assert.deepEqual(await shoal('list', ...to), line)
  assert.deepEqual(await shoal('revoke', `freenet:${uri}`, ...to), nothing)
  assert.deepEqual(await shoal(...to), nothing)
  await shoal('allow', uri, ...to)
  assert.deepEqual(await shoal('revoke', '--all', ...to), nothing)
  assert.deepEqual(await shoal(...to), nothing)
  for (const words of [
    ['stop'],
    ['allow'],
    ['revoke'],
    ['allow', 'word'],
    ['allow', '--all'],
    ['list', uri],
    ['revoke', uri, '--all'],
  ]) {
    assert.equal((await shoal(...words, ...to)).exit, 2, words.join(' '))
  }
  const wrong = await shoal('allow', 'USK@a', ...to)
  assert.deepEqual([wrong.exit, wrong.stdout], [1, ''])
})

test('the command says where scripts stay off altogether', async (t) => {
  const token = 'correct-horse-battery-staple'
  const server = await startGateway({
    node: createFakeNode(),
    logger: silentLogger,
    port: 0,
    token,
  })
  t.after(() => server.close())
  process.env['SHOAL_TOKEN'] = token
  t.after(() => {
    delete process.env['SHOAL_TOKEN']
  })
  const listed = await runCli(['scripts', '--gateway', server.url])
  assert.deepEqual([listed.exit, listed.stdout], [0, ''])
  assert.match(listed.stderr, /^shoal scripts: Scripts stay off on this gateway/)
})
