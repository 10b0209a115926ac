/** Request lines that a program writes by hand, and what of them is checked. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

import { createApp } from '../../src/gateway/app.ts'
import { denyHash } from '../../src/gateway/deny-list.ts'
import { parseUri, type ShoalUri } from '../../src/keys/uri.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const HOST = '127.0.0.1:8888'

test('an absolute target is its path, for the host that the request names; no other way to write it reaches anything', async (t) => {
  const node = createFakeNode()
  const denied = node.addEdition('blog', { 'index.html': 'x' })
  const denyList = { has: (uri: ShoalUri) => denyHash(uri) === denyHash(parseUri(denied)) }
  const server = createApp({ node, logger: silentLogger, denyList }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const ask = async (path: string) => {
    const sent = httpRequest({ port, host: '127.0.0.1', path, headers: { Host: HOST } }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode, body: await text(response) }
  }
  const path = '/api/v1/lookup'
  const query = `?uri=${encodeURIComponent(denied)}`
  for (const [target, status] of [
    [path, 451],
    [`http://${HOST}${path}`, 451],
    [`HTTPS://${HOST}${path}`, 451],
    [`ftp://${HOST}${path}`, 400],
    [`x:${path}`, 400],
    [`http://evil.example${path}`, 400],
    [`http://me@${HOST}${path}`, 400],
    [`http:${path}`, 400],
    [`http:///${path}`, 400],
  ] as const) {
    assert.equal((await ask(target + query)).status, status, target)
  }
  for (const target of [`${path + query}&#`, '*', '/#/api']) {
    const { status, body } = await ask(target)
    assert.equal(status, 400, target)
    assert.match(body, /"code":"E_REQUEST"/)
  }
  assert.equal((await ask(`http://${HOST}`)).status, 200)
  assert.equal((await ask(`http://${HOST}/api/v1/status`)).status, 200)
  const other = node.addEdition('other', { 'index.html': 'x' })
  assert.equal((await ask(`https://${HOST}${path}?uri=${other}`)).status, 200)
  assert.equal((await ask(`http://${HOST}?none=1`)).status, (await ask('/?none=1')).status)
  assert.equal(node.calls.lookUp.length, 1)
})
