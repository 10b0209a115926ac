/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MAX_KNOWN, MAX_SOURCES } from '../../src/routing/known-peers.ts'
import { PeerExchange } from '../../src/routing/peer-exchange.ts'
import { RING } from '../../src/routing/position.ts'
import { Topology } from '../../src/routing/topology.ts'
import type { TopologyInput, TopologyOutput } from '../../src/routing/topology.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const numRuns = process.env['SLOW'] === undefined ? 150 : 15_000
const OWN = 1000
const seed = seedFromEnvironment()

const key = fc.oneof(
  fc.nat(60).map((number) => `k${number}`),
  fc.nat(100_000).map((number) => `k${number}`),
  fc.constantFrom('', 'rendezvous', 'cache', 'past', '__proto__'),
)
const position = fc.oneof(
  fc.nat(5000),
  fc.integer({ min: 0, max: RING - 1 }),
  fc.constantFrom(OWN, 0, RING - 1, RING, -1, 0.5, Number.NaN, Infinity, -Infinity),
)
const candidates = fc.array(fc.record({ key, position }), { maxLength: 300, size: '+1' })
const input: fc.Arbitrary<TopologyInput> = fc.oneof(
  fc.record({ type: fc.constant('started' as const) }),
  fc.record({ type: fc.constant('linked' as const), key, position, isInbound: fc.boolean() }),
  fc.record({ type: fc.constant('unlinked' as const), key, wasWanted: fc.boolean() }),
  fc.record({ type: fc.constant('found' as const), candidates, source: key }),
  fc.record({ type: fc.constant('dial-failed' as const), key, wasRefused: fc.boolean() }),
  fc.record({ type: fc.constant('banned' as const), key }),
  fc.record({ type: fc.constant('tick' as const) }),
)
/** Mostly forward, by anything from nothing to an hour; now and then back. */
const step = fc.oneof(fc.constantFrom(0, 1, 1000, 5000), fc.integer({ min: -5000, max: 3_600_000 }))

function checkOutput(output: TopologyOutput, topology: Topology): void {
  const isLinked = (of: string): boolean => topology.links.some((link) => link.key === of)
  if (output.type === 'dial') assert.ok(!isLinked(output.key), 'dials a peer that is linked')
  else if (output.type === 'drop') assert.ok(!isLinked(output.key), 'keeps what it drops')
  else assert.ok(Number.isInteger(output.target) && output.target >= 0 && output.target < RING)
}

function checkBounds(topology: Topology): void {
  const { known, sources, dials, banned } = topology.load
  assert.ok(topology.links.length <= 32)
  assert.ok(known <= MAX_KNOWN && sources <= MAX_SOURCES && dials <= 16 && banned <= 256)
  assert.ok(topology.neighborPositions.length <= 32)
  assert.ok(topology.worthKeeping.length <= 256)
  assert.ok(topology.nearest(OWN, 5).length <= 5)
  const ring = topology.links.filter(({ role }) => role === 'ring').length
  assert.equal(ring, Math.min(8, topology.links.length))
  const size = topology.estimatedSize
  assert.ok(size === undefined ? topology.links.length < 2 : size > topology.links.length)
}

test('no sequence of inputs throws, breaks a bound, or has it dial whom it is linked with', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(input, step), { maxLength: 150 }),
      fc.nat(),
      (inputs, rngSeed) => {
        const topology = new Topology({ position: OWN, rng: createSeededRng(rngSeed) })
        let nowMs = 0
        for (const [one, afterMs] of inputs) {
          nowMs += afterMs
          const outputs = topology.handle(one, nowMs)
          outputs.forEach((output, index) => {
            // a seek may come before the drop of whom it asks: only the last word on a key counts
            if (index === outputs.length - 1 || output.type !== 'seek') {
              checkOutput(output, topology)
            }
          })
          checkBounds(topology)
          topology.wouldAccept({ key: 'k1', position: OWN + 5 })
        }
      },
    ),
    { seed, numRuns },
  )
})

test('a hostile crowd that links, tells and leaves as it likes never gets more than 32 dials and 2 a second', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(input, fc.nat(200)), { maxLength: 300 }), (inputs) => {
      const topology = new Topology({ position: OWN, rng: createSeededRng(1) })
      topology.handle({ type: 'started' }, 0)
      let [nowMs, dials] = [0, 0]
      for (const [one, afterMs] of inputs) {
        nowMs += afterMs
        dials += topology.handle(one, nowMs).filter(({ type }) => type === 'dial').length
        assert.ok(dials <= 32 + (2 * nowMs) / 1000, `${dials} dials in ${nowMs} ms`)
      }
    }),
    { seed, numRuns },
  )
})

test('what a peer may do on one link ends in taken, ignored or ban, and a slow one is never banned', () => {
  const action = fc.oneof(
    fc.constantFrom('seek' as const, 'neighbors' as const, 'open' as const),
    fc.nat(40),
    fc.constantFrom(0, 2 ** 32 - 1),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(action, fc.nat(3000)), { maxLength: 200 }), (actions) => {
      const exchange = new PeerExchange()
      let nowMs = 0
      for (const [what, afterMs] of actions) {
        nowMs += 2000 + afterMs
        if (what === 'open') assert.ok((exchange.openSeek(nowMs) as number) > 0)
        else if (what === 'seek') assert.equal(exchange.takeSeek(nowMs), 'taken')
        else if (what === 'neighbors') assert.equal(exchange.takeNeighbors(nowMs), 'taken')
        else assert.notEqual(exchange.takePeers(what, nowMs), 'ban')
      }
    }),
    { seed, numRuns },
  )
})
