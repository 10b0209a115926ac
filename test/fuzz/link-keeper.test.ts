/**
 * Whatever peers, the DHT and the clock do to a node's links, in any order: nothing throws, and every
 * table stays within its bound.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { NO_PROOF } from '../../src/routing/handshake.ts'
import type { ExchangeMessage } from '../../src/routing/messages.ts'
import { Driver } from '../../src/routing/net/driver.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { RING } from '../../src/routing/position.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createFakeTransport } from '../helpers/fake-transport.ts'
import type { FakePeer } from '../helpers/fake-transport.ts'
import { createSeededRng } from '../helpers/rng.ts'

const definition = networkDefinition('test')
/** Few enough to meet again. */
const key = fc.integer({ min: 0, max: 80 }).map((number) => new Uint8Array(32).fill(number))
const position = fc.integer({ min: 0, max: RING - 1 })
const message: fc.Arbitrary<ExchangeMessage> = fc.oneof(
  fc.record({
    type: fc.constant('seek' as const),
    id: fc.integer({ min: 1, max: 9 }),
    target: position,
  }),
  fc.record({
    type: fc.constant('peers' as const),
    id: fc.integer({ min: 0, max: 9 }),
    records: fc.array(fc.record({ publicKey: key, proof: fc.constant(NO_PROOF) }), {
      maxLength: 5,
    }),
  }),
  fc.record({
    type: fc.constant('neighbors' as const),
    positions: fc.array(position, { maxLength: 32 }),
  }),
)
const step = fc.oneof(
  fc.record({ do: fc.constant('connect' as const), key, isInitiator: fc.boolean() }),
  fc.record({ do: fc.constant('say' as const), which: fc.nat(), message }),
  fc.record({ do: fc.constant('noise' as const), which: fc.nat(), bytes: fc.uint8Array() }),
  fc.record({ do: fc.constant('leave' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('found' as const), key }),
  fc.record({ do: fc.constant('failed' as const), key, wasRefused: fc.boolean() }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 60_000 }) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function openNode() {
  const clock = createSimulatedClock()
  const rng = createSeededRng(1)
  const publicKey = new Uint8Array(32)
  const fake = createFakeTransport(definition, publicKey)
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 22, rng })
  const parts = { definition, publicKey, transport: fake.transport, store: blocks }
  const driver = new Driver({ ...parts, clock, rng, logger: silentLogger })
  await driver.open()
  return { clock, fake, driver }
}

test('no order of events throws, leaves a link behind, or lets one in too many', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async (steps) => {
      const { clock, fake, driver } = await openNode()
      const peers: FakePeer[] = []
      const isOpen = (peer: FakePeer): boolean => peer.isTaken && peer.ended() === undefined
      const take = async (one: Step): Promise<void> => {
        const open = peers.filter(isOpen)
        const peer = 'which' in one ? open[one.which % Math.max(1, open.length)] : undefined
        switch (one.do) {
          case 'connect':
            if (open.some(({ publicKey }) => publicKey[0] === one.key[0])) break
            peers.push(fake.connect(one.key, one))
            break
          case 'say':
            peer?.say(one.message)
            break
          case 'noise':
            peer?.sayBytes(one.bytes)
            break
          case 'leave':
            peer?.leave()
            break
          case 'found':
            fake.handlers().onfound(one.key)
            break
          case 'failed':
            fake.handlers().onfailed(one.key, one.wasRefused)
            break
          case 'pass':
            await clock.runFor(one.ms)
            break
        }
      }
      for (const one of steps) {
        await take(one)
        await Promise.resolve() // ends of links are told later
        assert.ok(driver.peers <= 40)
      }
      await clock.runFor(6_000) // by then those that were dialed and said nothing are ended
      assert.equal(driver.peers, peers.filter(isOpen).length)
      assert.equal(driver.ringLinks.length, driver.peers)
      for (const peer of peers.filter(isOpen)) peer.leave()
      await clock.runFor(2_000)
      assert.deepEqual([driver.peers, driver.ringLinks.length], [0, 0])
      await driver.close()
    }),
    { numRuns: 60 },
  )
})
