/**
 * Memory of messages with a block: taken again when the peer has what was in it, and not before.
 * @module
 */
/* oxlint-disable no-underscore-dangle -- where secret-stream looks for what it encrypts in place */
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import type { NoiseStream } from 'hyperdht'
import { BLOCK_FRAME_BYTES } from '../../src/routing/messages.ts'
import { FramePool } from '../../src/routing/net/frame-pool.ts'

const LENGTH = BLOCK_FRAME_BYTES + 2
const MANY = 40

/** A stream whose peer acknowledges when the test says so. */
function makeStream() {
  const flushes: ((isDone: boolean) => void)[] = []
  const fields = { _outgoingPlain: null as unknown, _outgoingWrapped: null as unknown }
  const stream = {
    ...fields,
    alloc: (length: number) => new Uint8Array(length),
    flush: () => new Promise<boolean>((resolve) => flushes.push(resolve)),
  }
  const acknowledge = async (isDone: boolean): Promise<void> => {
    for (const resolve of flushes.splice(0)) resolve(isDone)
    await turn()
  }
  return { stream, pool: new FramePool(stream as unknown as NoiseStream), flushes, acknowledge }
}

function buffersOf(pool: FramePool, count: number): ArrayBufferLike[] {
  return Array.from({ length: count }, () => pool.alloc(LENGTH).buffer)
}

test('no buffer is given out again before the peer has what is in it', () => {
  const { pool } = makeStream()
  const buffers = buffersOf(pool, MANY)
  assert.equal(new Set(buffers).size, MANY)
})

test('buffers that the peer has are given out again, to any stream', async () => {
  const { pool, acknowledge } = makeStream()
  const before = new Set(buffersOf(pool, MANY))
  await acknowledge(true)
  const after = buffersOf(makeStream().pool, MANY)
  assert.ok(after.filter((buffer) => before.has(buffer)).length >= MANY / 2)
  assert.equal(new Set(after).size, MANY)
})

test('buffers of a stream that ends are never given out again', async () => {
  const { pool, acknowledge } = makeStream()
  buffersOf(makeStream().pool, MANY) // what other tests left is in use
  const before = new Set(buffersOf(pool, MANY))
  await acknowledge(false)
  assert.ok(buffersOf(makeStream().pool, MANY).every((buffer) => !before.has(buffer)))
})

test('no more buffers are kept than the pool may hold', async () => {
  const { pool, acknowledge } = makeStream()
  const before = new Set(buffersOf(pool, 400))
  await acknowledge(true)
  const again = buffersOf(makeStream().pool, 400).filter((buffer) => before.has(buffer))
  assert.equal(again.length, 128)
})

test('the stream finds the message in its place in the buffer, and gives room for others itself', () => {
  const { stream, pool } = makeStream()
  const plain = pool.alloc(LENGTH)
  assert.equal(stream._outgoingPlain, plain)
  const wrapped = stream._outgoingWrapped as Uint8Array
  assert.equal(plain.byteOffset - wrapped.byteOffset, 4)
  assert.equal(wrapped.length, LENGTH + 20)
  assert.equal(pool.alloc(300).length, 300)
  assert.equal(stream._outgoingWrapped, wrapped)
})
