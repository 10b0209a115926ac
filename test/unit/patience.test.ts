/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hopsLeft } from '../../src/routing/hops.ts'
import { Patience } from '../../src/routing/patience.ts'
import { PeerTable } from '../../src/routing/peers.ts'
import { RING } from '../../src/routing/position.ts'
import { DEFAULT_TUNING } from '../../src/routing/tuning.ts'

const SPACING = 2 ** 30

/** Peers of a node at 0 in a ring that is settled evenly, all with the same round trip. */
function patienceAt(rttMs: number): Patience {
  const peers = new PeerTable(0)
  for (let step = 1; step <= 4; step++) {
    peers.add({ id: step, link: step, position: step * SPACING, rttMs })
    peers.add({ id: step + 10, link: step + 10, position: RING - step * SPACING, rttMs })
  }
  return new Patience(DEFAULT_TUNING, peers)
}

test('hops to go are half of the doublings of the distance, and one, between 1 and 10', () => {
  assert.equal(hopsLeft(0, 100), 1)
  assert.equal(hopsLeft(100, 100), 1)
  assert.equal(hopsLeft(101, 100), 2)
  assert.equal(hopsLeft(400, 100), 2)
  assert.equal(hopsLeft(401, 100), 3)
  assert.equal(hopsLeft(RING / 2, 1), 10)
})

test('a first try is late before it is silent, and sooner the nearer the home is', () => {
  const patience = patienceAt(100)
  const [near, far] = [SPACING / 2, SPACING * 2 ** 10]
  for (const credit of [1, 8]) {
    for (const target of [near, far]) {
      assert.ok(patience.hedgeMs(target) < patience.silenceMs(credit, target))
    }
  }
  assert.ok(patience.hedgeMs(near) < patience.hedgeMs(far))
  assert.ok(patience.silenceMs(1, near) < patience.silenceMs(8, near))
})

test('a healthy answer is there before the second try begins, at any round trip', () => {
  for (const rttMs of [1, 50, 450, 1000]) {
    const patience = patienceAt(rttMs)
    for (let away = 0; away <= 16; away += 2) {
      const target = SPACING * 2 ** away
      const hops = hopsLeft(target, SPACING)
      assert.ok(hops * rttMs < patience.hedgeMs(target), `${rttMs} ms, 2^${away}`)
      assert.ok(hops * rttMs < patience.otherHomesMs(target), `${rttMs} ms, 2^${away}`)
    }
  }
})

test('who was asked answers before who asked gives it up, from no farther away and on no slower links', () => {
  for (const rttMs of [1, 100, 1000]) {
    const patience = patienceAt(rttMs)
    for (let away = 0; away <= 16; away++) {
      const target = SPACING * 2 ** away
      for (const credit of [1, 4, 8]) {
        const answeredMs = patience.deadlineMs(credit, target) + 2 * rttMs
        assert.ok(answeredMs <= patience.silenceMs(credit, target))
      }
    }
  }
})

test('a receipt has time for two round trips a hop, and an ACCEPT for one', () => {
  const patience = patienceAt(400)
  assert.ok(patience.receiptMs(1, SPACING * 16) >= 2 * 3 * 400)
  assert.equal(patience.acceptMs(), 1400)
})
