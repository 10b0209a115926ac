/** @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'

import { createApp } from '../../src/gateway/app.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

test('uploads that stand still are ended, and give their places back', async (t) => {
  const node = createFakeNode()
  const server = createServer(createApp({ node, logger: silentLogger, uploadIdleMs: 300 }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  await node.keys.create('me')
  const kinds = [
    'insert',
    'insert?folder=1',
    'publish?key=me&document=a',
    'publish?key=me&document=a&folder=1',
  ]
  const begin = (kind: string | undefined): Socket => {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write(
      `POST /api/v1/${kind} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc`,
    )
    return socket
  }
  const stalled = Array.from({ length: 16 }, (_value, i) => begin(kinds[i % kinds.length]))
  const answers = stalled.map(async (socket) => {
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString('latin1')
  })
  for (const answer of await Promise.all(answers)) {
    assert.match(answer, /^HTTP\/1\.1 400 /)
    assert.match(answer, /E_REQUEST/)
  }
  assert.equal(node.live.inserts, 0)
  const url = `http://127.0.0.1:${port}/api/v1/insert`
  assert.equal((await fetch(url, { method: 'POST', body: 'hello' })).status, 201)
})
