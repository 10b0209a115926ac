/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { formatUri } from '../../src/keys/uri.ts'
import { silentLogger } from '../../src/runtime.ts'
import { fakeUsk } from '../helpers/fake-keys.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

function gateway() {
  const node = createFakeNode()
  return { node, agent: request(createApp({ node, logger: silentLogger })) }
}

const PASTED: readonly ((uri: string) => string)[] = [
  (uri) => uri,
  (uri) => `  ${uri}\n`,
  (uri) => `/${uri}`,
  (uri) => `freenet:${uri}`,
  (uri) => `shoal:${uri}`,
  (uri) => uri.replace('@', '%40').replaceAll(',', '%2C'),
  (uri) => decodeURIComponent(uri),
  (uri) => `http://localhost:8888/${uri}`,
  (uri) => `http://127.0.0.1:1234/${uri}`,
  (uri) => `http://[::1]:1234/${uri}`,
  (uri) => `https://gateway.example/${uri}`,
  (uri) => `localhost:8888/${uri}`,
  (uri) => `http://${'a'.repeat(52)}.localhost:8888/${uri}`,
  (uri) => `${'a'.repeat(52)}.localhost:8888/${uri}`,
  (uri) => `http://127.0.0.1:8888/freenet:${uri.replace('@', '%40')}?download#top`,
]

for (const paste of PASTED) {
  test(`pasting ${paste('CHK@…/a%20b.txt').trim()} goes to the key`, async () => {
    const { agent, node } = gateway()
    const uri = node.add('x', { name: 'a b.txt' })
    const { status, headers } = await agent
      .get('/')
      .query({ key: paste(uri) })
      .redirects(0)
    assert.equal(status, 303)
    assert.equal(headers['location'], `/${uri}`)
  })
}

test('pasting a URN goes to the URN', async () => {
  const { agent, node } = gateway()
  const urn = node.add('x', { bare: true })
  for (const pasted of [urn, `http://localhost:8888/${urn}`, `freenet:${urn}`]) {
    const { headers } = await agent.get('/').query({ key: pasted }).redirects(0)
    assert.equal(headers['location'], `/${urn}`)
  }
})

test('keys of all kinds are sent on to, with their paths', async () => {
  const { agent, node } = gateway()
  const keys = [
    `${node.addFolder({ 'a.txt': 'x' }, 'my folder')}/b/`,
    `${node.addFixed('blog', 'x')}/a%20b.txt`,
    `${node.addEdition('blog', 'x')}/a/b/`,
    node.addEdition('blog', 'x').replace(/\d+$/, 'latest'),
    node.addEdition('blog', 'x').replace(/\d+$/, '-1'),
    'KSK@gpl.txt',
  ]
  for (const key of keys) {
    for (const pasted of [key, `http://127.0.0.1:8888/${key}?x=1#y`]) {
      const { status, headers } = await agent.get('/').query({ key: pasted }).redirects(0)
      assert.equal(status, 303)
      assert.equal(headers['location'], `/${key}`)
    }
  }
})

const NOT_KEYS = [
  ['', 400],
  ['   ', 400],
  ['hello', 400],
  ['CHK@', 400],
  ['http://evil.example/', 400],
  ['//evil.example/', 400],
  ['https://evil.example/x@y', 400],
  ['javascript:alert(1)', 400],
  ['SSK@abc', 400],
  ['KSK@gpl.txt//evil.example', 400],
  [formatUri(fakeUsk('publisher', 'blog')).replace('/0', ''), 400],
] as const

for (const [pasted, status] of NOT_KEYS) {
  test(`pasting "${pasted}" is answered ${status}, with a page and no redirect`, async () => {
    const { agent } = gateway()
    const response = await agent
      .get('/')
      .query({ key: pasted })
      .set('Accept', 'text/html')
      .redirects(0)
    assert.equal(response.status, status)
    assert.equal(response.headers['location'], undefined)
    assert.match(response.text, /<h1>/)
  })
}

test('/status leads to how the node is, on the start page', async () => {
  const { agent } = gateway()
  const { status, headers } = await agent.get('/status').redirects(0)
  assert.deepEqual([status, headers['location']], [303, '/#status'])
  assert.match((await agent.get('/')).text, /<footer id="status">/)
})

test('the start page is there, with its form for browsers without scripts', async () => {
  const { agent } = gateway()
  const { status, text, headers } = await agent.get('/')
  assert.equal(status, 200)
  assert.match(headers['content-type'] ?? '', /^text\/html/)
  assert.match(text, /<form action="\/" method="get"/)
  assert.equal((await agent.post('/')).status, 405)
})
