/**
 * Whatever peers say on the channel for circuits, in any order: nothing throws, no table and no queue
 * outgrows its bound, and when the links are gone nothing is left.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MAX_ENDS, MAX_ENDS_PER_RELAY } from '../../src/routing/net/circuit-ends.ts'
import { MAX_RELAYED, MAX_RELAYED_PER_LINK } from '../../src/routing/net/relay.ts'
import { WINDOW_BYTES } from '../../src/routing/relay-messages.ts'
import type { CircuitMessage } from '../../src/routing/relay-messages.ts'
import { addBarePeer, createCircuitNode } from '../helpers/circuits.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

const PEERS = 5
const which = fc.integer({ min: 0, max: PEERS - 1 })
/** The last but so many that the peer asked for or was asked; beyond that, a made-up number. */
const circuit = fc.integer({ min: 0, max: 4 })
/** Under a number that is in use, perhaps: that costs the link. */
const isAgain = fc.integer({ min: 0, max: 30 }).map((number) => number === 0)
const common = fc.oneof(
  fc.record({ do: fc.constant('open' as const), which, isAgain, to: which }),
  fc.record({ do: fc.constant('invite' as const), which, isAgain, from: fc.nat(9) }),
  fc.record({
    do: fc.constant('signal' as const),
    which,
    circuit,
    type: fc.constantFrom('accept' as const, 'accept' as const, 'close' as const),
  }),
  fc.record({
    do: fc.constant('bytes' as const),
    which,
    circuit,
    length: fc.constantFrom(1, 3, 100, 16_000, 16_384),
    byte: fc.constantFrom(0, 1, 96, 255),
    times: fc.constantFrom(1, 1, 5, 9, 300),
  }),
  fc.record({
    do: fc.constant('ack' as const),
    which,
    circuit,
    bytes: fc.integer({ min: 1, max: WINDOW_BYTES }),
  }),
  fc.record({ do: fc.constant('clog' as const), which, isOpen: fc.boolean() }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 6_000 }) }),
)
const rare = fc.oneof(
  fc.record({ do: fc.constant('noise' as const), which, bytes: fc.uint8Array() }),
  fc.record({ do: fc.constant('leave' as const), which }),
)
const step = fc.oneof({ weight: 40, arbitrary: common }, { weight: 1, arbitrary: rare })
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function createWorld() {
  const clock = createSimulatedClock()
  const node = createCircuitNode(clock)
  const peers = Array.from({ length: PEERS }, () => addBarePeer(node, clock))
  const peerAt = (index: number) => peers[index] as (typeof peers)[number]
  const say = (index: number, message: CircuitMessage): void => peerAt(index).say(message)
  const asked: number[][] = peers.map(() => [])
  const ask = (index: number, isUsed: boolean): number => {
    const numbers = asked[index] as number[]
    if (!isUsed) numbers.push(2 * numbers.length + 1)
    return numbers.at(-1) ?? 1
  }
  const numberOf = ({
    which: index,
    circuit: back,
  }: {
    which: number
    circuit: number
  }): number => {
    const invited = peerAt(index)
      .of('invite')
      .map((one) => one.circuit)
    const known = [...invited.slice(-2).reverse(), ...(asked[index] as number[]).slice(-2)]
    return known[back] ?? back
  }
  const take = async (one: Step): Promise<void> => {
    switch (one.do) {
      case 'open': {
        const { publicKey } = peerAt(one.to)
        return say(one.which, { type: 'open', circuit: ask(one.which, one.isAgain), publicKey })
      }
      case 'invite': {
        const publicKey = new Uint8Array(32).fill(one.from)
        return say(one.which, { type: 'invite', circuit: ask(one.which, one.isAgain), publicKey })
      }
      case 'signal':
        return say(one.which, { type: one.type, circuit: numberOf(one) })
      case 'bytes':
        for (let time = 0; time < one.times; time++) {
          const payload = new Uint8Array(one.length).fill(one.byte)
          say(one.which, { type: 'bytes', circuit: numberOf(one), payload })
        }
        return
      case 'ack':
        return say(one.which, { type: 'ack', circuit: numberOf(one), bytes: one.bytes })
      case 'noise':
        return peerAt(one.which).link.receive(one.bytes)
      case 'clog':
        peerAt(one.which).isOpen = one.isOpen
        return peerAt(one.which).link.drained()
      case 'leave':
        return peerAt(one.which).link.end()
      case 'pass':
        return clock.runFor(one.ms)
    }
  }
  return { clock, node, peers, take }
}

test('no order of messages throws, holds more than its bound, or leaves a circuit behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 300 }), async (steps) => {
      const { clock, node, peers, take } = createWorld()
      for (const one of steps) {
        await take(one)
        assert.ok(node.relay.size <= MAX_RELAYED)
        assert.ok(node.ends.size <= MAX_ENDS)
        for (const { link } of peers) {
          assert.ok(link.count(false) <= MAX_RELAYED_PER_LINK)
          assert.ok(link.count(true) <= MAX_ENDS_PER_RELAY)
          const windows = MAX_RELAYED_PER_LINK + MAX_ENDS_PER_RELAY
          assert.ok(link.waitingBytes <= windows * WINDOW_BYTES)
        }
      }
      for (const { link } of peers) link.end()
      await clock.runFor(20_000)
      const left = peers.map(({ link }) => link.count(true) + link.count(false) + link.waitingBytes)
      assert.deepEqual([node.relay.size, node.ends.size, ...left], [0, 0, 0, 0, 0, 0, 0])
    }),
  )
})
