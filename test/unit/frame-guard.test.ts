/**
 * The time that a message may take from its announcement on.
 * @module
 */
/* oxlint-disable no-underscore-dangle -- what the guard reads of secret-stream */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { NoiseStream } from 'hyperdht'
import { BLOCK_FRAME_BYTES } from '../../src/routing/messages.ts'
import { guardMessages } from '../../src/routing/net/frame-guard.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

function makeStream() {
  const clock = createSimulatedClock()
  const reasons: string[] = []
  const stream = Object.assign(new EventEmitter(), {
    _len: 0,
    _utp: null as NoiseStream['_utp'],
    destroy: (error: Error) => {
      reasons.push(error.message)
      stream.emit('close')
    },
  })
  guardMessages(stream as unknown as NoiseStream, clock)
  const announce = (): void => {
    stream._len = 1000
    stream._utp?.setContentSize(1)
  }
  const arrive = (): void => {
    stream._len = 0
    stream.emit('data', new Uint8Array(1))
  }
  return { clock, reasons, announce, arrive }
}

test('a message that is not all there after 30 s costs the link, whenever the one before came', async () => {
  const { clock, reasons, announce, arrive } = makeStream()
  announce()
  await clock.runFor(10_000)
  arrive()
  announce()
  await clock.runFor(29_999)
  assert.deepEqual(reasons, [])
  await clock.runFor(1)
  assert.deepEqual(reasons, ['too slow'])
})

test('24 blocks that share 384 kbit/s with each other cost none of the links', async () => {
  const BYTES_A_SECOND = 384_000 / 8
  const { clock, reasons, announce, arrive } = makeStream()
  announce()
  await clock.runFor((24 * BLOCK_FRAME_BYTES * 1000) / BYTES_A_SECOND)
  arrive()
  assert.deepEqual(reasons, [])
})

test('messages that come in time cost nothing, and neither does silence between them', async () => {
  const { clock, reasons, announce, arrive } = makeStream()
  for (let message = 0; message < 50; message++) {
    announce()
    await clock.runFor(1_300)
    arrive()
    if (message % 10 === 0) await clock.runFor(40_000)
  }
  assert.deepEqual(reasons, [])
})

test('a link that has ended is not ended again', async () => {
  const { clock, reasons, announce } = makeStream()
  announce()
  await clock.runFor(30_000)
  await clock.runFor(60_000)
  assert.deepEqual(reasons, ['too slow'])
})
