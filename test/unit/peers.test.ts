/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_OPEN_PER_PEER, PeerTable } from '../../src/routing/peers.ts'
import { RING } from '../../src/routing/position.ts'

function tableOf(...positions: number[]): PeerTable {
  const peers = new PeerTable()
  positions.forEach((position, index) => {
    peers.add(index + 1, position)
  })
  return peers
}

const anywhere = { within: RING, excluded: new Set<number>(), nowMs: 0 }

test('the nearest allowed peer is chosen, across zero too, and the older one of two at a distance', () => {
  const peers = tableOf(100, RING - 50, 300, 100)
  assert.equal(peers.nearest(0, anywhere), 2)
  assert.equal(peers.nearest(90, anywhere), 1)
  assert.equal(peers.nearest(90, { ...anywhere, excluded: new Set([1]) }), 4)
  assert.equal(peers.nearest(90, { ...anywhere, within: 10 }), undefined)
})

test('a peer in silent debt, and then an avoided one, is chosen only if there is no other', () => {
  const peers = tableOf(100, 200, 300)
  peers.opened(1, 0)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 1000 }), 1)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 1001 }), 2)
  const avoided = new Set([2])
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 1001, avoided }), 3)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 1001, excluded: new Set([2, 3]) }), 1)
  peers.heard(1, 1001)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 1500 }), 1)
})

test('a peer with as many open requests as it may have is not chosen', () => {
  const peers = tableOf(100, 200)
  for (let open = 0; open < MAX_OPEN_PER_PEER; open++) peers.opened(1, 0)
  assert.equal(peers.nearest(100, anywhere), 2)
  peers.closed(1)
  assert.equal(peers.nearest(100, anywhere), 1)
})

test('a node is responsible up to its second peer on either side, and for all while it knows few', () => {
  const whole = { from: 0, to: RING - 1 }
  assert.deepEqual(tableOf().rangeAround(500), whole)
  assert.deepEqual(tableOf(100, 200, 600).rangeAround(500), whole)
  assert.deepEqual(tableOf(100, 200, 600, 700, 900).rangeAround(500), { from: 100, to: 700 })
  assert.deepEqual(tableOf(10, 20, RING - 10, RING - 20).rangeAround(0), {
    from: RING - 20,
    to: 20,
  })
})
