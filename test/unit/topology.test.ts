/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { RING } from '../../src/routing/position.ts'
import { Topology } from '../../src/routing/topology.ts'
import type { Candidate, TopologyInput, TopologyOutput } from '../../src/routing/topology.ts'
import { createSeededRng } from '../helpers/rng.ts'

const OWN = RING / 2
const MINUTE_MS = 60_000

function topologyAt(position = OWN): Topology {
  return new Topology({ position, rng: createSeededRng(1) })
}

function at(steps: number): number {
  return (OWN + steps + RING) % RING
}

function link(topology: Topology, key: string, position: number, nowMs = 0): TopologyOutput[] {
  return topology.handle({ type: 'linked', key, position, isInbound: true }, nowMs)
}

/** 8 ring neighbors 100 apart, and 16 others that fill slots and more. */
function full(nowMs = 0): Topology {
  const topology = topologyAt()
  for (let step = 1; step <= 4; step++) {
    link(topology, `after${step}`, at(100 * step), nowMs)
    link(topology, `before${step}`, at(-100 * step), nowMs)
  }
  for (let slot = 0; slot < 8; slot++) {
    const away = Math.round(420 * (RING / 2 / 420) ** ((slot + 0.5) / 8))
    link(topology, `long-after${slot}`, at(away), nowMs)
    link(topology, `long-before${slot}`, at(-away), nowMs)
  }
  return topology
}

function dialed(outputs: readonly TopologyOutput[]): string[] {
  return outputs.flatMap((output) => (output.type === 'dial' ? [output.key] : []))
}

function dropped(outputs: readonly TopologyOutput[]): string[] {
  return outputs.flatMap((output) => (output.type === 'drop' ? [output.key] : []))
}

function found(candidates: readonly Candidate[], source = 'rendezvous'): TopologyInput {
  return { type: 'found', candidates, source }
}

test('the nearest 4 on each side are ring neighbors, one link a slot is long, others are spare', () => {
  const topology = full()
  const ofRole = (role: string): string[] =>
    topology.links.filter((one) => one.role === role).map(({ key }) => key)
  assert.deepEqual(new Set(ofRole('ring').map((key) => key.replace(/\d/, ''))).size, 2)
  assert.equal(ofRole('ring').length, 8)
  assert.ok(ofRole('long').length >= 14, `${ofRole('long').length}`)
  const slots = topology.links.filter(({ role }) => role === 'long').map(({ slot }) => slot)
  assert.equal(new Set(slots).size, slots.length)
  assert.equal(topology.neighborPositions.length, 24)
  link(topology, 'nearer', at(150))
  assert.equal(topology.links.find(({ key }) => key === 'nearer')?.role, 'ring')
  assert.notEqual(topology.links.find(({ key }) => key === 'after4')?.role, 'ring')
})

test('with enough links only a nearer neighbor or one for a free or worse slot is let in', () => {
  const topology = full()
  assert.equal(topology.wouldAccept({ key: 'k', position: at(399) }), true)
  assert.equal(topology.wouldAccept({ key: 'k', position: at(402) }), false)
  assert.equal(topology.wouldAccept({ key: 'after1', position: at(100) }), true)
  const positions = Array.from({ length: 400 }, (_, index) => at(((index + 1) * RING) / 1000))
  const taken = positions.filter((position) => topology.wouldAccept({ key: 'k', position }))
  assert.ok(taken.length > 0 && taken.length < positions.length, `${taken.length}`)
})

test('below 20 links anybody is let in, but nobody who is no position of the ring', () => {
  const topology = topologyAt()
  assert.equal(topology.wouldAccept({ key: 'k', position: at(12_345) }), true)
  for (const position of [-1, RING, 0.5, Number.NaN, Infinity]) {
    assert.equal(topology.wouldAccept({ key: 'k', position }), false)
  }
})

test('a thousand peers that connect at once leave 32 links at most, the neighbors among them', () => {
  const topology = full()
  const rng = createSeededRng(7)
  let accepted = 0
  for (let each = 0; each < 1000; each++) {
    const position = rng.below(RING)
    if (!topology.wouldAccept({ key: `k${each}`, position })) continue
    accepted++
    link(topology, `k${each}`, position, 1000)
    assert.ok(topology.links.length <= 32)
  }
  assert.ok(accepted > 0)
  assert.equal(topology.links.filter(({ role }) => role === 'ring').length, 8)
  assert.ok(topology.links.filter(({ key }) => /^(after|before)/.test(key)).length === 8)
  assert.equal(topology.load.known, 0)
})

test('a link that came unbidden is told to go when there are 33, though it is young', () => {
  const topology = full()
  for (let each = 0; each < 8; each++) link(topology, `near${each}`, at(405 + each), 0)
  assert.equal(topology.links.length, 32)
  assert.deepEqual(dropped(link(topology, 'last', at(420), 1)), ['last'])
  assert.equal(topology.links.length, 32)
})

test('more links than are kept go one a tick, and none that is younger than a minute', () => {
  const topology = full()
  topology.handle({ type: 'started' }, 0)
  for (let each = 0; each < 6; each++) link(topology, `near${each}`, at(405 + each), 0)
  assert.deepEqual(dropped(topology.handle({ type: 'tick' }, MINUTE_MS - 1)), [])
  for (let tick = 0; tick < 10; tick++) topology.handle({ type: 'tick' }, MINUTE_MS + tick * 1000)
  assert.equal(topology.links.length, 26)
})

test('a node that starts dials the nearest of those that the rendezvous tells of, few at a time', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  const candidates = [9, 3, 7, 1, 10, 5, 8].map((step) => ({
    key: `k${step}`,
    position: at(step * 1000),
  }))
  assert.deepEqual(dialed(topology.handle(found(candidates), 0)), [
    'k1',
    'k3',
    'k5',
    'k7',
    'k8',
    'k9',
  ])
  const next = topology.handle({ type: 'dial-failed', key: 'k1' }, 100)
  assert.deepEqual(dialed(next), ['k10'])
})

test('a new neighbor is asked who is nearer, and soon all neighbors whom they have beside them', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  const outputs = link(topology, 'k', at(500), 0)
  assert.deepEqual(outputs, [
    { type: 'seek', via: 'k', target: OWN },
    { type: 'seek', via: 'k', target: at(500) },
  ])
  link(topology, 'l', at(-500), 0)
  const asked = topology.handle({ type: 'tick' }, 1000).filter(({ type }) => type === 'seek')
  for (const [key, position] of [
    ['k', at(500)],
    ['l', at(-500)],
  ] as const) {
    assert.ok(
      asked.some((one) => one.type === 'seek' && one.via === key && one.target === position),
    )
  }
})

test('a lost neighbor is sought at once, and dialed again a second later', () => {
  const topology = full()
  topology.handle({ type: 'started' }, 0)
  const lost: TopologyInput = { type: 'unlinked', key: 'after1', wasWanted: true }
  const outputs = topology.handle(lost, MINUTE_MS)
  assert.ok(outputs.some(({ type }) => type === 'seek'))
  assert.deepEqual(dialed(topology.handle({ type: 'tick' }, MINUTE_MS + 999)), [])
  assert.deepEqual(dialed(topology.handle({ type: 'tick' }, MINUTE_MS + 1000)), ['after1'])
})

test('a full peer that refused four dials is let in when it dials itself', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  const peer = { key: 'k', position: at(1) }
  topology.handle(found([peer], 'cache'), 0)
  let refused = 0
  for (let nowMs = 0; refused < 4; nowMs += 500) {
    if (dialed(topology.handle({ type: 'tick' }, nowMs)).length === 0) continue
    refused++
    topology.handle({ type: 'dial-failed', key: 'k', wasRefused: true }, nowMs)
    assert.equal(topology.wouldAccept(peer), true)
  }
})

test('what a peer without a link tells counts against who told of it, however many there are of them', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  link(topology, 'liar', at(RING / 4))
  let made = 0
  const lies = (): Candidate[] =>
    Array.from({ length: 5 }, () => ({ key: `lie${made}`, position: at(10_000 - made++) }))
  const outputs = topology.handle(found(lies(), 'liar'), 0)
  for (let nowMs = 0; nowMs < 10 * MINUTE_MS; nowMs += 500) {
    for (const key of dialed(outputs.splice(0))) {
      outputs.push(...topology.handle(found(lies(), key), nowMs))
      outputs.push(...topology.handle({ type: 'dial-failed', key, wasRefused: true }, nowMs))
    }
    outputs.push(...topology.handle({ type: 'tick' }, nowMs))
    assert.ok(topology.load.sources <= 2, `${topology.load.sources} sources`)
  }
  assert.ok(made < 200, `${made} lies were listened to`)
})

test('dials that fail while this node has no link at all take nothing from who told of the others', () => {
  const told = Array.from({ length: 12 }, (_, index) => ({
    key: `p${index}`,
    position: at(10 + index),
  }))
  const believedAfter = (isCutOff: boolean): boolean => {
    const topology = topologyAt()
    topology.handle({ type: 'started' }, 0)
    link(topology, 'teller', at(5))
    topology.handle(found(told, 'teller'), 0)
    if (isCutOff) topology.handle({ type: 'unlinked', key: 'teller', wasWanted: true }, 1)
    for (let nowMs = 1000; nowMs <= 120_000; nowMs += 1000) {
      for (const key of dialed(topology.handle({ type: 'tick' }, nowMs))) {
        topology.handle({ type: 'dial-failed', key }, nowMs)
      }
    }
    link(topology, 'teller', at(5), 121_000)
    const outputs = topology.handle(found([{ key: 'new', position: at(1) }], 'teller'), 121_000)
    return dialed(outputs).includes('new')
  }
  assert.deepEqual([believedAfter(true), believedAfter(false)], [true, false])
})

test('a neighbor that cannot be dialed is dialed through who told of it, then through the nearest', () => {
  const topology = full()
  topology.handle({ type: 'started' }, 0)
  topology.handle(found([{ key: 'k', position: at(50) }], 'before2'), 0)
  const ways: (string | undefined)[] = []
  let nowMs = 0
  while (ways.length < 4 && nowMs < 10 * MINUTE_MS) {
    nowMs += 500
    for (const output of topology.handle({ type: 'tick' }, nowMs)) {
      if (output.type === 'dial' && output.key === 'k') ways.push(output.through)
    }
    topology.handle({ type: 'dial-failed', key: 'k' }, nowMs)
  }
  assert.deepEqual(ways, [undefined, undefined, 'before2', 'after1'])
})

test('a peer that connects and leaves in a loop is not taken for a while', () => {
  const topology = full()
  topology.handle({ type: 'started' }, 0)
  const peer = { key: 'k', position: at(50) }
  let taken = 0
  for (let nowMs = 0; nowMs < MINUTE_MS; nowMs += 100) {
    if (!topology.wouldAccept(peer)) continue
    taken++
    link(topology, peer.key, peer.position, nowMs)
    topology.handle({ type: 'unlinked', key: 'k', wasWanted: true }, nowMs + 50)
  }
  assert.ok(taken >= 4 && taken < 10, `${taken} times`)
})

test('simultaneous dials: linked twice is one link, and the dial that failed later changes nothing', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  topology.handle(found([{ key: 'k', position: at(50) }]), 0)
  link(topology, 'k', at(50), 10)
  topology.handle({ type: 'linked', key: 'k', position: at(50), isInbound: false }, 20)
  topology.handle({ type: 'dial-failed', key: 'k' }, 30)
  assert.deepEqual(
    topology.links.map(({ key }) => key),
    ['k'],
  )
  assert.equal(topology.load.dials, 0)
})

test('a banned peer is dropped, not dialed, not taken for an hour, and the bans are bounded', () => {
  const topology = full()
  topology.handle({ type: 'started' }, 0)
  assert.deepEqual(dropped(topology.handle({ type: 'banned', key: 'after1' }, 0)), ['after1'])
  const peer = { key: 'after1', position: at(100) }
  assert.deepEqual(dialed(topology.handle(found([peer]), 0)), [])
  assert.equal(topology.wouldAccept(peer), false)
  assert.deepEqual(dropped(link(topology, peer.key, peer.position, 0)), ['after1'])
  for (let each = 0; each < 1000; each++) topology.handle({ type: 'banned', key: `b${each}` }, 0)
  assert.equal(topology.load.banned, 256)
  assert.equal(topology.wouldAccept({ key: 'b999', position: at(100) }), false)
  topology.handle({ type: 'tick' }, 60 * MINUTE_MS)
  assert.equal(topology.wouldAccept({ key: 'b999', position: at(100) }), true)
})

test('one dial in four goes to a peer that the rendezvous told of, however much others tell', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  const told = (prefix: string, count: number, from: number): Candidate[] =>
    Array.from({ length: count }, (_, step) => ({
      key: `${prefix}${step}`,
      position: at(from + step),
    }))
  const liars = ['x', 'y', 'z']
  const outputs = liars.flatMap((name) => topology.handle(found(told(name, 40, 1), name), 0))
  outputs.push(...topology.handle(found(told('real', 40, 1_000_000)), 0))
  for (let nowMs = 0; nowMs < MINUTE_MS; nowMs += 1000) {
    for (const key of dialed(outputs.slice(-40))) {
      outputs.push(...topology.handle({ type: 'dial-failed', key }, nowMs))
    }
    outputs.push(...topology.handle({ type: 'tick' }, nowMs))
  }
  const keys = dialed(outputs)
  const real = keys.filter((key) => key.startsWith('real')).length
  assert.ok(keys.length <= 32 + 2 * 60, `${keys.length} dials`)
  assert.ok(real >= keys.length / 4 - 2, `${real} of ${keys.length}`)
})

test('SEEK is answered from links, and from those that this node gave up within 10 minutes', () => {
  const topology = full()
  topology.handle({ type: 'started' }, 0)
  const near = (): string[] => topology.nearest(at(110), 2).map(({ key }) => key)
  assert.deepEqual(near(), ['after1', 'after2'])
  topology.handle({ type: 'unlinked', key: 'after1', wasWanted: false }, 20_000)
  assert.deepEqual(near(), ['after1', 'after2'])
  topology.handle({ type: 'tick' }, 20_000 + 10 * MINUTE_MS)
  assert.deepEqual(near(), ['after2', 'after3'])
  topology.handle({ type: 'unlinked', key: 'after2', wasWanted: true }, 700_000)
  assert.deepEqual(near(), ['after3', 'before1'])
})

test('what is kept across restarts: links, the oldest first, then peers that were linked, then others', () => {
  const topology = topologyAt()
  topology.handle({ type: 'started' }, 0)
  link(topology, 'young', at(10), 500)
  link(topology, 'gone', at(20), 500)
  link(topology, 'old', at(30), 100)
  topology.handle(found([{ key: 'heard', position: at(999) }]), 600)
  topology.handle({ type: 'unlinked', key: 'gone', wasWanted: true }, 60_000)
  assert.equal(topology.worthKeeping.at(-1)?.key, 'heard')
  assert.equal(topology.worthKeeping.at(-2)?.key, 'gone')
  assert.equal(topology.worthKeeping.length, 4)
})

test('nothing is dialed or sought before the start, and ticks come each second while joining', () => {
  const topology = topologyAt()
  assert.equal(topology.nextTickMs, Infinity)
  assert.deepEqual(topology.handle(found([{ key: 'k', position: 1 }]), 0), [])
  assert.deepEqual(link(topology, 'l', at(5)), [])
  const started = topology.handle({ type: 'started' }, 1000)
  assert.deepEqual(dialed(started), ['k'])
  assert.equal(topology.nextTickMs, 2000)
})

test('a node of a network that stands still holds less than 10 KB', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const count = 2000
  const rng = createSeededRng(3)
  const keys = Array.from({ length: 24 }, (_, index) => `k${index}`)
  collect()
  const before = process.memoryUsage()
  const all = Array.from({ length: count }, () => {
    const topology = new Topology({ position: rng.below(RING), rng })
    for (const key of keys) link(topology, key, rng.below(RING))
    assert.equal(topology.neighborPositions.length, 24)
    return topology
  })
  collect()
  const after = process.memoryUsage()
  const bytes = after.heapUsed + after.external - before.heapUsed - before.external
  assert.equal(all.length, count)
  assert.ok(bytes / count < 10_000, `${bytes / count} bytes`)
})
