/** @module */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'

import { MAX_CONNECTIONS, Places } from '../../src/gateway/connections.ts'
import { Refusals } from '../../src/gateway/refusals.ts'

function taken(places: Places, client: string, wanted: number): number {
  const isOfThisMachine = client === '127.0.0.1'
  const takes = Array.from({ length: wanted }, () => places.take(client, isOfThisMachine))
  return takes.filter(Boolean).length
}

test('one client of another machine gets 64 connections, and others have theirs', () => {
  const places = new Places()
  assert.equal(taken(places, '192.0.2.1', 1000), 64)
  assert.equal(taken(places, '192.0.2.2', 10), 10)
  places.giveBack('192.0.2.1')
  assert.equal(taken(places, '192.0.2.1', 10), 1)
})

test('this machine, where a proxy may be, gets all that there are', () => {
  const places = new Places()
  assert.equal(taken(places, '127.0.0.1', 1000), MAX_CONNECTIONS)
  assert.equal(taken(places, '192.0.2.1', 1), 0)
  places.giveBack('127.0.0.1')
  assert.equal(taken(places, '192.0.2.1', 1), 1)
})

test('a connection is refused once, whatever else comes on it', () => {
  const answers: string[] = []
  const socket = Object.assign(new EventEmitter(), {
    end: (text: string) => answers.push(text),
    resume: () => {},
    destroy: () => {},
  }) as unknown as Socket
  const refusals = new Refusals()
  assert.equal(refusals.has(socket), false)
  for (const status of [400, 431]) {
    refusals.refuse(socket, { status, detail: 'No.', code: 'E_REQUEST' })
    assert.equal(refusals.has(socket), true)
  }
  socket.emit('close')
  assert.equal(answers.length, 1)
  assert.match(answers[0] ?? '', /^HTTP\/1\.1 400 Bad Request\r\n/)
})
