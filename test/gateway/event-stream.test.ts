/** @module */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'

import { EventStream } from '../../src/gateway/event-stream.ts'

function response() {
  const sent: string[] = []
  const answer = Object.assign(new EventEmitter(), {
    req: { httpVersion: '1.1' },
    writableNeedDrain: false,
    writeHead: () => {},
    write: (text: string) => sent.push(text),
    end: () => {},
  })
  return { sent, answer, stream: () => new EventStream(answer as unknown as ServerResponse) }
}

test('a stream of events shows that it lives every 15 seconds, to those who read', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { sent, answer, stream } = response()
  stream()
  t.mock.timers.tick(15_000)
  assert.deepEqual(sent.splice(0), ['retry: 5000\n\n', ':\n\n'])
  answer.writableNeedDrain = true
  t.mock.timers.tick(15_000)
  assert.deepEqual(sent, [])
})

test('nothing is written once it has ended, or its reader has gone', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const ended = response()
  ended.stream().end()
  const left = response()
  left.stream()
  left.answer.emit('close')
  t.mock.timers.tick(60_000)
  assert.deepEqual([ended.sent.length, left.sent.length], [1, 1])
})
