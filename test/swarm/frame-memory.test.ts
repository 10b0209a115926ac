/**
 * Frames with a block over real streams, whose memory is used again while others are on their way.
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { BLOCK_FRAME_BYTES } from '../../src/routing/messages.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import { HOST, makeTransport, settle } from '../helpers/transport.ts'
import { record } from '../suites/transport-suite.ts'

const WAVES = 12
const IN_A_WAVE = 40

test('frames arrive as they were sent, both ways, when there are more of them than buffers', async () => {
  const bootstrap = await startBootstrap({ host: HOST, port: 0 })
  const topic = randomBytes(32)
  const [a, b] = [makeTransport(bootstrap, { topic }), makeTransport(bootstrap, { topic })]
  const hello = Uint8Array.of(1)
  const [seenA, seenB] = await Promise.all([record(a, hello), record(b, hello)])
  const isUp = (seen: typeof seenA): boolean => seen.links.length > seen.closes
  await settle(Promise.all([seenA, seenB].map((seen) => seen.until(() => isUp(seen)))))
  let sent = 0
  for (let wave = 1; wave <= WAVES; wave++) {
    for (let frame = 0; frame < IN_A_WAVE; frame++) {
      const bytes = frameOf(sent++)
      seenA.links.at(-1)?.send(bytes)
      seenB.links.at(-1)?.send(bytes.subarray(0, 256), bytes.subarray(256))
    }
    const isThere = (seen: typeof seenA): boolean => seen.frames.length >= sent
    await settle(Promise.all([seenA, seenB].map((seen) => seen.until(() => isThere(seen)))))
  }
  for (const { frames } of [seenA, seenB]) {
    assert.equal(frames.length, sent)
    frames.forEach((frame, number) => assert.deepEqual(frame, frameOf(number)))
  }
  await Promise.all([a.close(), b.close()])
  await bootstrap.close()
})

function frameOf(number: number): Uint8Array {
  const frame = new Uint8Array(BLOCK_FRAME_BYTES).fill(number % 251)
  new DataView(frame.buffer).setUint32(0, number)
  return frame
}
