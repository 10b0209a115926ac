/** A gateway behind a proxy on its machine. @module */
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import express from 'express'
import request from 'supertest'

import { createApp } from '../../src/gateway/app.ts'
import { createProblemHandler } from '../../src/gateway/problem.ts'
import { TokenGate } from '../../src/gateway/token.ts'
import { createTransferRoutes } from '../../src/gateway/transfer-routes.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

const TOKEN = 'correct-horse-battery-staple'
const HOST = 'node.example:8888'

test('another machine with the token may not have the node write files, through a proxy either', async () => {
  for (const [remoteAddress, headers] of [
    ['192.0.2.1', {}],
    ['127.0.0.1', { Host: HOST }],
    ['127.0.0.1', { 'X-Forwarded-For': '192.0.2.1' }],
    ['::1', { Forwarded: 'for=192.0.2.1' }],
    ['::1', { Via: '1.1 proxy' }],
    // a reset right behind the request: the system no longer knows from where
    [undefined, {}],
  ] as const) {
    const node = createFakeNode()
    const app = express()
    app.use((incoming, _response, next) => {
      Object.defineProperty(incoming, 'socket', { value: { remoteAddress } })
      next()
    })
    app.use('/api', createTransferRoutes(node), createProblemHandler(silentLogger))
    const query = { uri: 'KSK@word', path: join(tmpdir(), 'shoal-from-afar') }
    const sent = request(app).post('/api/v1/transfers').set(headers).query(query)
    const { status, body } = await sent
    assert.deepEqual([status, (body as { code: string }).code], [403, 'E_ACCESS'])
    assert.deepEqual(node.transfers.list(), [])
  }
})

test('where the TLS is that of a proxy, pages of a given name may log in and use the API, and the login stays on TLS', async () => {
  const gate = new TokenGate(TOKEN)
  const options = { node: createFakeNode(), logger: silentLogger, hostNames: ['node.example'] }
  const agent = request(createApp({ ...options, gate }))
  const from = (Origin: string, Host = HOST) => ({ Host, Origin })
  const form = new URLSearchParams({ token: TOKEN, next: '/' }).toString()
  const logIn = (Origin: string) => agent.post('/login').set(from(Origin)).send(form)
  const cookieFrom = async (Origin: string): Promise<string> => {
    const { status, headers } = await logIn(Origin)
    assert.equal(status, 303)
    const [cookie = ''] = headers['set-cookie'] as unknown as string[]
    return cookie
  }
  const cookie = await cookieFrom(`https://${HOST}`)
  assert.match(cookie, /; Secure$/)
  assert.doesNotMatch(await cookieFrom(`http://${HOST}`), /Secure/)
  const Cookie = cookie.split(';')[0] ?? ''
  for (const [headers, status] of [
    [from(`https://${HOST}`), 201],
    [from('https://evil.example:8888'), 403],
    [from('https://localhost:8888', 'localhost:8888'), 403],
  ] as const) {
    const sent = agent.post('/api/v1/insert').set({ ...headers, Cookie })
    assert.equal((await sent.send('x')).status, status, headers.Origin)
  }
})
