/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_OPEN_PER_PEER, PeerTable } from '../../src/routing/peers.ts'
import { RING } from '../../src/routing/position.ts'
import { DEFAULT_TUNING } from '../../src/routing/tuning.ts'

function tableOf(...positions: number[]): PeerTable {
  const peers = new PeerTable()
  positions.forEach((position, index) => {
    peers.add({ id: index + 1, link: index + 1, position })
  })
  return peers
}

const anywhere = { within: RING, excluded: new Set<number>(), nowMs: 0 }
/** How long a link may owe an answer in silence, in a ring of four or fewer and at 100 ms a link. */
const SILENT_MS = DEFAULT_TUNING.silentDebtMs + 2 * 100

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
  const late = SILENT_MS + 1
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: SILENT_MS }), 1)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: late }), 2)
  const avoided = new Set([2])
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: late, avoided }), 3)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: late, excluded: new Set([2, 3]) }), 1)
  peers.heard(1, late)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: late + 500 }), 1)
})

test('on slow links a debt is silent later, since every answer is', () => {
  const peers = tableOf(100, 200, 300)
  for (const id of [1, 2, 3]) peers.setRtt(id, 800)
  peers.opened(1, 0)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 2500 }), 1)
  assert.equal(peers.nearest(100, { ...anywhere, nowMs: 2601 }), 2)
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

test('the first choice is the peer with the nearest link among the four directly nearest', () => {
  const peers = tableOf(100, 200, 300, 400, 500)
  assert.deepEqual(peers.firstChoice(0, anywhere), { peer: 1, isAhead: false })
  peers.setNeighbors(3, [9000, 30])
  assert.deepEqual(peers.firstChoice(0, anywhere), { peer: 3, isAhead: true })
  peers.setNeighbors(5, Float64Array.of(1)) // the fifth nearest: not looked at
  assert.deepEqual(peers.firstChoice(0, anywhere), { peer: 3, isAhead: true })
  assert.equal(peers.nearest(0, anywhere), 1, 'later tries go by direct distance')
})

test('equal links are settled by direct distance, and a peer itself counts as much as its links', () => {
  const peers = tableOf(100, 200, 300)
  for (const id of [1, 2, 3]) peers.setNeighbors(id, [50])
  assert.equal(peers.firstChoice(0, anywhere)?.peer, 1)
  peers.setNeighbors(3, [150])
  peers.setNeighbors(1, [])
  assert.equal(peers.firstChoice(100, anywhere)?.peer, 1)
})

test('links make no peer eligible that is not strictly nearer, and no suspect one a first choice', () => {
  const peers = tableOf(100, 200, 300)
  peers.setNeighbors(3, [0])
  assert.equal(peers.firstChoice(0, { ...anywhere, within: 300 })?.peer, 1)
  peers.opened(3, 0)
  assert.equal(peers.firstChoice(0, { ...anywhere, nowMs: SILENT_MS + 1 })?.peer, 1)
})

test('of a list of links only the first 32 count', () => {
  const peers = tableOf(100, 200)
  peers.setNeighbors(2, [...Array.from({ length: 32 }, () => 5000), 0])
  assert.equal(peers.firstChoice(0, anywhere)?.peer, 1)
})

test('where the two nearest hold a copy each, either may be asked first, and none farther away', () => {
  const eight = [1, 2, 3, 4, 5, 6, 7, 8].map((step) => step * 1000)
  const peers = new PeerTable(4500)
  eight.forEach((position, index) => {
    peers.add({ id: index + 1, link: index + 1, position })
  })
  assert.equal(peers.spacing, 875)
  assert.equal(peers.firstChoice(2900, { ...anywhere, isSecond: true })?.peer, 2)
  assert.equal(peers.firstChoice(2900, { ...anywhere, isSecond: false })?.peer, 3)
  assert.equal(peers.firstChoice(RING - 2000, { ...anywhere, isSecond: true })?.peer, 1)
})

test('no link gets over 30 % of the own first tries while others are nearer than this node too', () => {
  const peers = tableOf(...Array.from({ length: 10 }, (_, index) => 100 * (index + 1)))
  const taken = new Map<number, number>()
  for (let round = 0; round < 300; round++) {
    const { peer = 0 } = peers.firstChoice(0, { ...anywhere, isOwn: true }) ?? {}
    taken.set(peer, (taken.get(peer) ?? 0) + 1)
  }
  for (const count of taken.values()) assert.ok(count <= 90, `${count} of 300`)
  assert.ok(peers.overShare > 0)
  assert.equal(peers.firstChoice(0, anywhere)?.peer, 1, 'of others it still gets all')
  const only = { ...anywhere, within: 150, isOwn: true }
  assert.equal(peers.firstChoice(0, only)?.peer, 1, 'there is no other')
})

test('with fewer than eight peers, and of the first ten, any peer may get all', () => {
  const few = tableOf(100, 200, 300)
  for (let round = 0; round < 50; round++) {
    assert.equal(few.firstChoice(0, { ...anywhere, isOwn: true })?.peer, 1)
  }
  const many = tableOf(...Array.from({ length: 10 }, (_, index) => 100 * (index + 1)))
  for (let round = 0; round < 10; round++) {
    assert.equal(many.firstChoice(0, { ...anywhere, isOwn: true })?.peer, 1)
  }
  assert.notEqual(many.firstChoice(0, { ...anywhere, isOwn: true })?.peer, 1)
})

test('one silence makes a peer suspect if others answered meanwhile, else the second in a row does', () => {
  const peers = tableOf(100, 200)
  peers.timedOut(1, 0, 3000)
  assert.equal(
    peers.nearest(0, { ...anywhere, nowMs: 3000 }),
    1,
    'it may be this node that is cut off',
  )
  peers.timedOut(1, 3000, 6000)
  assert.equal(peers.nearest(0, { ...anywhere, nowMs: 6000 }), 2)
  peers.answered(1, 6500)
  assert.equal(peers.nearest(0, { ...anywhere, nowMs: 6500 }), 1, 'it answered: trusted again')
  peers.answered(2, 8000)
  peers.timedOut(1, 7000, 9000)
  assert.equal(peers.nearest(0, { ...anywhere, nowMs: 9000 }), 2)
})

test('a peer that answered anything since it was asked is not suspect', () => {
  const peers = tableOf(100, 200)
  peers.answered(2, 2000)
  peers.answered(1, 1000)
  peers.timedOut(1, 500, 3000)
  peers.timedOut(1, 600, 3000)
  assert.equal(peers.nearest(0, { ...anywhere, nowMs: 3000 }), 1)
})

test('a suspect peer is second choice for 5 s, then twice as long each time, at most a minute', () => {
  const peers = tableOf(100, 200)
  let nowMs = 10_000
  for (const spanMs of [5000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    peers.timedOut(1, nowMs - 1000, nowMs)
    if (spanMs === 5000) peers.timedOut(1, nowMs - 1000, nowMs)
    assert.equal(peers.nearest(0, { ...anywhere, nowMs: nowMs + spanMs - 1 }), 2)
    assert.equal(peers.nearest(0, { ...anywhere, nowMs: nowMs + spanMs }), 1)
    nowMs += spanMs
  }
})

test('the median of the measured round trips counts, clipped, and 100 ms before any', () => {
  const peers = new PeerTable()
  assert.equal(peers.medianRttMs, 100)
  peers.add({ id: 1, link: 1, position: 1, rttMs: 0 })
  assert.equal(peers.medianRttMs, 1)
  peers.add({ id: 2, link: 2, position: 2, rttMs: Number.NaN })
  peers.add({ id: 3, link: 3, position: 3, rttMs: 1e9 })
  assert.equal(peers.medianRttMs, 100)
  assert.deepEqual(
    [1, 2, 3, 99].map((id) => peers.rttOf(id)),
    [1, 0, 1000, 0],
  )
  peers.setRtt(2, 5000)
  assert.equal(peers.medianRttMs, 1000)
  peers.setRtt(99, 5) // gone
  peers.remove(3)
  peers.remove(2)
  assert.equal(peers.medianRttMs, 1)
})

test('spacing is the mean gap of the four nearest on each side, or the ring shared by all', () => {
  assert.equal(new PeerTable().spacing, RING)
  assert.equal(tableOf(100, 200, 300).spacing, RING / 4)
  const near = [10, 20, 30, 40, RING - 10, RING - 20, RING - 30, RING - 40, 2 ** 40, 2 ** 46]
  const peers = tableOf(...near)
  assert.equal(peers.spacing, 10)
  assert.equal(peers.hopsTo(5), 1)
  assert.equal(peers.hopsTo(10 * 2 ** 6), 4)
  assert.equal(peers.hopsTo(RING / 2), 10)
  const together = tableOf(0, 0, 0, 0, 0, 0, 0, 0)
  assert.ok(Number.isFinite(together.hopsTo(RING / 2)) && together.spacing >= 1)
})
