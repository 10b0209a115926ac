/** The form on which people log in, before anybody has shown a token. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { SHORT_TEXT_MS } from '../../src/gateway/short-text.ts'
import { TokenGate } from '../../src/gateway/token.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const TOKEN = 'correct-horse-battery-staple'

function gateway() {
  return createApp({
    node: createFakeNode(),
    logger: silentLogger,
    gate: new TokenGate(TOKEN),
  })
}

test('a login that is sent byte by byte is refused when its time is over, and its connection ends', async (t) => {
  const app = gateway()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const server = app.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const answer: string[] = []
  socket.on('data', (piece) => answer.push(piece.toString()))
  const body = `token=${TOKEN}&next=/`
  socket.write(`POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`)
  await once(server, 'request')
  for (let passedMs = 0; passedMs < SHORT_TEXT_MS; passedMs += 1000) {
    socket.write(body[passedMs / 1000] ?? '')
    await turn()
    t.mock.timers.tick(1000)
  }
  for (let turns = 0; turns < 10_000 && answer.length === 0; turns++) await turn()
  assert.match(answer.join(''), /^HTTP\/1\.1 400 [^]*The body has 10 seconds/)
  t.mock.timers.tick(10_000) // what it still sends is read for a while, so that it sees the answer
  await once(socket, 'close')
})

test('the page to log in on sends its form to this gateway, loads and runs nothing, and stands in no frame', async () => {
  for (const path of ['/login', '/']) {
    const { headers } = await request(gateway()).get(path).set('Accept', 'text/html')
    const policy = headers['content-security-policy'] as string
    for (const part of ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"]) {
      assert.ok(policy.split('; ').includes(part), `${part} is not in ${policy}`)
    }
    assert.doesNotMatch(policy, /script-src|unsafe/)
  }
})
