/** The line of a first start that shows how far the position proof is. @module */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import { createLogger } from '../../src/cli/io.ts'
import { createSolvingLine } from '../../src/cli/solving-line.ts'
import { createFakeNode } from '../helpers/fake-node.ts'

function createStream(isTTY: boolean) {
  let text = ''
  const stream = new Writable({
    write(part: Buffer, _encoding, done) {
      text += part.toString()
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY, columns: 80 }), text: () => text }
}

const WORK = { tries: 256, expectedTries: 512, elapsedMs: 4000 }
const LINE = 'place on the ring: 50 % of the expected work after 4 s, of about 8 s'

test('on a terminal the line is drawn under the log, and goes when the place is there', async () => {
  const { stream, text } = createStream(true)
  const node = createFakeNode()
  node.connection = { state: 'solving', work: WORK }
  const line = createSolvingLine(stream, createLogger(stream))
  const stop = line.follow(node)
  assert.equal(text(), `\r\u001b[K${LINE}`)
  line.logger.info('the store is filled')
  assert.equal(text(), `\r\u001b[K${LINE}\r\u001b[Kthe store is filled\n`)
  while (node.calls.status < 2) await new Promise(setImmediate)
  assert.ok(text().endsWith(`filled\n\r\u001b[K${LINE}`))
  node.connection = {}
  while (node.calls.status < 3) await new Promise(setImmediate)
  assert.ok(text().endsWith(`${LINE}\r\u001b[K`))
  stop()
})

test('in a file there is the log alone', () => {
  const { stream, text } = createStream(false)
  const node = createFakeNode()
  node.connection = { state: 'solving', work: WORK }
  const line = createSolvingLine(stream, createLogger(stream))
  const stop = line.follow(node)
  line.logger.warn('so far')
  stop()
  assert.equal(text(), 'warning: so far\n')
})
