/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowance } from '../../src/routing/allowance.ts'
import { PeerExchange, tellNearest } from '../../src/routing/peer-exchange.ts'

test('an allowance gives its burst at once, then its rate, and never more than the burst', () => {
  const allowance = new Allowance({ perSecond: 2, burst: 3 })
  const taken = (nowMs: number): number => {
    let count = 0
    while (allowance.take(nowMs)) count++
    return count
  }
  assert.equal(taken(0), 3)
  assert.equal(taken(499), 0)
  assert.equal(taken(500), 1)
  assert.equal(taken(400), 0, 'time that goes back gives nothing')
  assert.equal(taken(1_000_000), 3)
})

test('SEEK: 16 at once and 4 a second are answered, more are ignored, ten times as many cost the link', () => {
  const exchange = new PeerExchange()
  const at = (nowMs: number, times: number) =>
    Array.from({ length: times }, () => exchange.takeSeek(nowMs))
  assert.deepEqual(new Set(at(0, 16)), new Set(['taken']))
  assert.deepEqual(new Set(at(0, 144)), new Set(['ignored']))
  assert.equal(exchange.takeSeek(0), 'ban')
  assert.equal(exchange.ignored, 145)
  assert.deepEqual(at(1000, 5), ['taken', 'taken', 'taken', 'taken', 'ignored'])
})

test('NEIGHBORS: 4 at once and one a second are taken', () => {
  const exchange = new PeerExchange()
  const at = (nowMs: number, times: number) =>
    Array.from({ length: times }, () => exchange.takeNeighbors(nowMs))
  assert.deepEqual(at(0, 5), ['taken', 'taken', 'taken', 'taken', 'ignored'])
  assert.deepEqual(at(1000, 2), ['taken', 'ignored'])
  assert.equal(at(1000, 40).at(-1), 'ban')
})

test('PEERS: each SEEK has one answer, in time; unasked ones are rare; an unknown id says nothing', () => {
  const exchange = new PeerExchange()
  const first = exchange.openSeek(0) as number
  const second = exchange.openSeek(0) as number
  assert.ok(first !== second && first > 0 && second > 0)
  assert.equal(exchange.takePeers(first, 10), 'taken')
  assert.equal(exchange.takePeers(first, 10), 'ignored')
  assert.equal(exchange.takePeers(second, 60_000), 'ignored', 'too late')
  const unasked = Array.from({ length: 6 }, () => exchange.takePeers(0, 120_000))
  assert.deepEqual(unasked, ['taken', 'taken', 'taken', 'taken', 'ignored', 'ignored'])
  const more = Array.from({ length: 40 }, () => exchange.takePeers(0, 120_000))
  assert.equal(more.at(-1), 'ban')
})

test('own SEEKs stay below what a peer bears, and the oldest of many is forgotten', () => {
  const exchange = new PeerExchange()
  const ids: number[] = []
  for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
    const id = exchange.openSeek(nowMs)
    if (id !== undefined) ids.push(id)
  }
  assert.ok(ids.length >= 60 && ids.length <= 12 + 3 * 20, `${ids.length}`)
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(exchange.takePeers(ids.at(-17) as number, 20_000), 'ignored')
  assert.equal(exchange.takePeers(ids.at(-16) as number, 20_000), 'taken')
})

test('own neighbors are sent at once, then when they have changed, at most every 5 s', () => {
  const exchange = new PeerExchange()
  const before = [1, 2]
  assert.equal(exchange.neighborsToSend(before, 0), before)
  assert.equal(exchange.neighborsToSend(before, 9000), undefined)
  const after = [1, 2, 3]
  assert.equal(exchange.neighborsToSend(after, 9000), after)
  const later = [1]
  assert.equal(exchange.neighborsToSend(later, 13_999), undefined)
  assert.equal(exchange.neighborsToSend(later, 14_000), later)
})

test('an asker is told of five others at most, and never of itself', () => {
  const all = [0, 1, 2, 3, 4, 5, 6].map((position) => ({ key: `k${position}`, position }))
  const view = { nearest: (_target: number, count: number) => all.slice(0, count) }
  assert.deepEqual(
    tellNearest(view, 0, 'k2').map(({ key }) => key),
    ['k0', 'k1', 'k3', 'k4', 'k5'],
  )
  assert.equal(tellNearest(view, 0, 'stranger').length, 5)
})
