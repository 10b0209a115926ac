/** What pages from the network may do on a gateway whose readers have logged in. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { TokenGate } from '../../src/gateway/token.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const TOKEN = 'correct-horse-battery-staple'
const Authorization = `Bearer ${TOKEN}`
const OWN = { Authorization, 'Sec-Fetch-Site': 'same-origin' }

function gateway(token?: string) {
  const node = createFakeNode()
  const options = { node, logger: silentLogger, isTls: true }
  const gate = token === undefined ? {} : { gate: new TokenGate(token) }
  const agent = request(createApp({ ...options, ...gate }))
  return { node, agent }
}

test('only with a token, and only in a browser that tells what asks, a page has the origin of the gateway, and never scripts', async () => {
  for (const [token, Accept, destination, isShared] of [
    [TOKEN, 'text/html', 'document', true],
    [TOKEN, 'text/html', undefined, false],
    [undefined, 'text/html', 'document', false],
  ] as const) {
    const { node, agent } = gateway(token)
    const uri = node.addFolder({ 'index.html': 'x', 'a.txt': 'y' }, 'site')
    const ask = (path: string) =>
      agent
        .get(`/${uri}/${path}`)
        .set({ Authorization, Accept, ...(destination && { 'Sec-Fetch-Dest': destination }) })
    const page = (await ask('')).headers
    const policy = page['content-security-policy'] as string
    assert.equal(policy.startsWith('sandbox allow-same-origin allow-downloads; '), isShared)
    assert.equal(policy.includes("script-src 'none'"), isShared)
    assert.doesNotMatch(policy, /allow-(?!same-origin|downloads)/)
    assert.equal((page['etag'] as string).endsWith('l"'), isShared)
    const text = (await ask('a.txt')).headers['content-security-policy'] as string
    assert.match(text, /^sandbox allow-downloads; /)
  }
})

test('what the markup of a page loads or leads to has no answer from the API and the metrics, and learns nothing of this node', async () => {
  const { node, agent } = gateway(TOKEN)
  const uri = node.add('x', { name: 'a.txt' })
  const loaded = ['image', 'style', 'iframe', 'object', 'video', 'track', 'script', 'manifest']
  const links = ['document', 'empty'] // to open, to save
  for (const destination of [...loaded, ...links]) {
    const mode = links.includes(destination) ? { 'Sec-Fetch-Mode': 'navigate' } : {}
    const sent = { ...OWN, 'Sec-Fetch-Dest': destination, ...mode }
    for (const path of ['/api/v1/status', '/api/v1/waits', '/api/v1/none', '/metrics']) {
      const { status } = await agent.get(path).set(sent)
      assert.equal(status, 403, `${path} as ${destination}`)
    }
  }
  for (const destination of loaded) {
    const sent = { ...OWN, 'Sec-Fetch-Dest': destination }
    assert.equal((await agent.get(`/${uri}?info`).set(sent)).status, 403, destination)
    assert.equal((await agent.get(`/${uri}`).set(sent)).headers['server-timing'], undefined)
  }
  const navigation = { 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Mode': 'navigate' }
  const typed = { ...OWN, 'Sec-Fetch-Site': 'none', ...navigation }
  for (const sent of [typed, { ...OWN, 'Sec-Fetch-Dest': 'empty' }, { Authorization }]) {
    assert.equal((await agent.get('/api/v1/status').set(sent)).status, 200)
    assert.equal((await agent.get(`/${uri}?info`).set(sent)).status, 200)
  }
})

test('a page has no field for a password, which a browser would fill in and styles could tell', async () => {
  const { node, agent } = gateway(TOKEN)
  const uri = node.add('<input TYPE=" PassWord " pattern=a.*><input type=checkbox>', {
    name: 'a.html',
    contentType: 'text/html',
  })
  const { text } = await agent.get(`/${uri}`).set({ ...OWN, 'Sec-Fetch-Dest': 'document' })
  assert.doesNotMatch(text, /password/i)
  assert.match(text, /type="checkbox"/)
})
