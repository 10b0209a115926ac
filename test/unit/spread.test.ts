/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Spreader } from '../../src/content/spread.ts'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { BLOCK_BYTES, contentAddress } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { mapKey } from '../../src/keys/bytes.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng } from '../helpers/rng.ts'

function world() {
  const clock = createSimulatedClock()
  const { outbox } = createMemoryStore({ quotaBytes: 64 * 1024 * 1024, rng: createSeededRng(1) })
  const refused = new Set<string>()
  const pushes: number[] = []
  const spreader = new Spreader({
    outbox,
    clock,
    peers: () => 3,
    insertBlock: (address, _block, { home }) => {
      pushes.push(clock.now())
      if (refused.has(mapKey(address))) return Promise.resolve(0)
      return Promise.resolve(home === 0 ? 2 : 1)
    },
  })
  let next = 0
  const add = async (): Promise<Address> => {
    const block = new Uint8Array(BLOCK_BYTES).fill(++next) as Block
    const address = contentAddress(block)
    const insertId = await outbox.begin()
    await outbox.add({ insertId, address, block, homes: [0, 1] })
    await outbox.commit(insertId)
    return address
  }
  return { clock, outbox, refused, pushes, spreader, add }
}

test('a block leaves the outbox when each home has its copies, and not before', async () => {
  const { clock, outbox, spreader, add } = world()
  await add()
  spreader.wake()
  await clock.runFor(10)
  assert.equal(outbox.pendingBlocks, 0)
  await spreader.close()
})

test('what fails is tried again after pauses that double up to a minute', async () => {
  const { clock, outbox, refused, pushes, spreader, add } = world()
  refused.add(mapKey(await add()))
  spreader.wake()
  await clock.runFor(200_000)
  const times = [...new Set(pushes.map((ms) => Math.round(ms / 1000)))]
  assert.deepEqual(times.slice(0, 8), [0, 1, 3, 7, 15, 31, 63, 123])
  refused.clear()
  spreader.retryNow()
  await clock.runFor(10)
  assert.equal(outbox.pendingBlocks, 0)
  await spreader.close()
})

test('a new insert does not wait for the long pause that an old failure earned', async () => {
  const { clock, outbox, refused, spreader, add } = world()
  refused.add(mapKey(await add()))
  spreader.wake()
  await clock.runFor(150_000)
  await add()
  spreader.wake()
  await clock.runFor(1500)
  assert.equal(outbox.pendingBlocks, 1)
  await spreader.close()
})
