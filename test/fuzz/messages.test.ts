import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isShoalError } from '../../src/errors.ts'
import { decodeHandshake } from '../../src/routing/handshake.ts'
import {
  BLOCK_FRAME_BYTES,
  HEADER_BYTES,
  decodeMessage,
  encodeMessage,
} from '../../src/routing/messages.ts'

const numRuns = process.env['SLOW'] === undefined ? 500 : 50_000

/** Frames that get past the first checks, and some that do not. */
const frames = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .tuple(fc.integer({ min: 0, max: 16 }), fc.uint8Array({ maxLength: 60 }), fc.boolean())
    .map(([type, bytes, isLong]) => {
      const frame = new Uint8Array(isLong ? BLOCK_FRAME_BYTES : HEADER_BYTES)
      frame.set(bytes, 1)
      frame[0] = type
      return frame
    }),
)

test('whatever arrives, decoding a message throws nothing but E_MESSAGE_CODEC', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      try {
        decodeMessage(frame)
      } catch (error) {
        assert.ok(isShoalError(error) && error.code === 'E_MESSAGE_CODEC')
      }
    }),
    { numRuns },
  )
})

test('a frame that decodes is the only frame of its message', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      let message: ReturnType<typeof decodeMessage>
      try {
        message = decodeMessage(frame)
      } catch {
        return
      }
      if (message !== undefined) assert.deepEqual(encodeMessage(message), frame)
    }),
    { numRuns },
  )
})

test('whatever arrives, decoding a handshake throws nothing but E_MESSAGE_CODEC', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeHandshake(bytes)
      } catch (error) {
        assert.ok(isShoalError(error) && error.code === 'E_MESSAGE_CODEC')
      }
    }),
    { numRuns },
  )
})
