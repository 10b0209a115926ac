/**
 * What a node remembers of those whose proof does not hold: enough to refuse them, never more than its bound.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { PUZZLE_PROOF_BYTES } from '../../src/routing/handshake.ts'
import { Driver } from '../../src/routing/net/driver.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createFakeTransport } from '../helpers/fake-transport.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const MAX_UNPROVEN = 256
/** Nobody solves it, and it takes no time to see that. */
const network: NetworkDefinition = {
  ...networkDefinition('test'),
  proof: { kind: 1, difficultyBits: 250, passes: 1, memoryKib: 8 },
}
const proof = new Uint8Array(PUZZLE_PROOF_BYTES).fill(1)

test('of those that came with a bad proof the last 256 are refused unheard, and the one before them is tried again', async () => {
  const rng = createSeededRng(seedFromEnvironment())
  const publicKey = new Uint8Array(32)
  const fake = createFakeTransport(network, publicKey)
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 23, rng })
  const parts = { definition: network, publicKey, transport: fake.transport, store: blocks }
  const clock = createSimulatedClock()
  const driver = new Driver({ ...parts, peerCache: undefined, clock, rng, logger: silentLogger })
  await driver.open()
  const keyOf = (number: number): Uint8Array =>
    new Uint8Array(32).fill(1 + (number >> 8)).fill(number & 0xff, 1)
  for (let number = 0; number <= MAX_UNPROVEN; number++) {
    const liar = fake.connect(keyOf(number), { proof })
    assert.ok(liar.isTaken)
    while (liar.ended() === undefined) await turn()
  }
  assert.equal(driver.counters.refused.proof, MAX_UNPROVEN + 1)
  const isTaken = (number: number): boolean => fake.connect(keyOf(number), { proof }).isTaken
  assert.deepEqual([MAX_UNPROVEN, 1, 0].map(isTaken), [false, false, true])
  await driver.close()
})
