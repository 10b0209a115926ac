/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  KnownPeers,
  MAX_KNOWN,
  MAX_PER_SOURCE,
  MAX_SOURCES,
  PAST,
} from '../../src/routing/known-peers.ts'
import type { Dialed } from '../../src/routing/known-peers.ts'
import type { CandidateSource } from '../../src/routing/topology-ports.ts'

function tell(
  known: KnownPeers,
  source: CandidateSource,
  keys: readonly string[],
  nowMs = 0,
): void {
  keys.forEach((key, index) => {
    known.add({ key, position: index }, { source, slot: index % 8, away: index }, nowMs)
  })
}

function by(source: CandidateSource, isRing = false): Dialed {
  return { source, isRing }
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`)
}

function countOf(known: KnownPeers, source: string): number {
  return known.all.filter((peer) => peer.source.name === source).length
}

test('a source has 64 entries and pushes out only its own, those of a crowded slot first', () => {
  const known = new KnownPeers()
  tell(known, 'a', names('a', 20))
  tell(known, 'b', names('b', 500))
  assert.equal(countOf(known, 'a'), 20)
  assert.equal(countOf(known, 'b'), MAX_PER_SOURCE)
  for (let each = 0; each < 40; each++) {
    known.add({ key: `c${each}`, position: 1 }, { source: 'c', slot: 3, away: 1 }, 0)
  }
  assert.equal(countOf(known, 'c'), 16)
})

test('the table as a whole is bounded; the largest source gives way, the rendezvous keeps its share', () => {
  const known = new KnownPeers()
  tell(known, 'rendezvous', names('r', 200))
  for (let source = 0; source < 200; source++) tell(known, `s${source}`, names(`s${source}-`, 100))
  assert.equal(known.size, MAX_KNOWN)
  assert.ok(known.sources <= MAX_SOURCES, `${known.sources} sources`)
  assert.equal(countOf(known, 'rendezvous'), 128)
})

test('who told of 8 dead ones in a row is not believed for 10 minutes; one that lives clears it', () => {
  const known = new KnownPeers()
  tell(known, 'liar', names('l', 20))
  tell(known, 'honest', names('h', 20))
  for (const key of names('l', 8)) known.failed(key, by('liar'), 1000)
  assert.equal(countOf(known, 'liar'), 0)
  tell(known, 'liar', names('m', 5), 600_999)
  assert.equal(countOf(known, 'liar'), 0)
  tell(known, 'liar', names('m', 5), 601_000)
  assert.equal(countOf(known, 'liar'), 5)
  for (const [index, key] of names('h', 20).entries()) {
    if (index % 7 === 6) known.worked({ key, position: index }, index, 'honest')
    else known.failed(key, by('honest'), 1000)
  }
  assert.equal(countOf(known, 'honest'), 20)
})

test('the rendezvous, the cache and own experience are never silenced', () => {
  for (const source of ['rendezvous', 'cache', PAST]) {
    const known = new KnownPeers()
    tell(known, source, names('k', 20))
    for (const key of names('k', 20)) known.failed(key, by(source), 0)
    assert.equal(countOf(known, source), 20)
  }
})

test('dials are repeated after 1 s, doubled to 5 minutes for neighbors and 30 for others', () => {
  const waits = (isRing: boolean): number[] => {
    const known = new KnownPeers()
    tell(known, PAST, ['k'])
    return Array.from({ length: 14 }, () => {
      known.failed('k', by(PAST, isRing), 0)
      return known.get('k')?.retryAtMs as number
    })
  }
  assert.deepEqual(waits(true).slice(0, 4), [1000, 2000, 4000, 8000])
  assert.equal(waits(true).at(-1), 300_000)
  assert.equal(waits(false).at(-1), 1_800_000)
})

test('of two positions that are told of a key the nearer counts, until a link has proved one', () => {
  const known = new KnownPeers()
  const told = (position: number, away: number) =>
    known.add({ key: 'k', position }, { source: `by${position}`, slot: undefined, away }, 0)
  assert.equal(told(500, 500), true)
  assert.equal(told(900, 900), false)
  assert.equal(known.get('k')?.position, 500)
  assert.equal(told(100, 100), true)
  assert.equal(known.get('k')?.position, 100)
  known.worked({ key: 'k', position: 700 }, 700)
  assert.equal(told(5, 5), false)
  assert.equal(known.get('k')?.position, 700)
})

test('a peer whose links keep breaking is flapping until its time has come, and one that is full is not', () => {
  const known = new KnownPeers()
  tell(known, PAST, ['k', 'full'])
  for (let each = 0; each < 4; each++) {
    known.broke('k', true, 0)
    known.refused('full', by(PAST, true), 0)
  }
  assert.equal(known.isFlapping('k', 0), true)
  assert.equal(known.isFlapping('full', 0), false)
  assert.equal(known.get('full')?.retryAtMs, 120_000)
  assert.equal(known.isFlapping('k', 300_000), false)
  known.parted('k', false, 0)
  assert.equal(known.isFlapping('k', 0), false)
})

test('neighbors that refuse count against who told of them, for a part; others, and links that break, do not', () => {
  const known = new KnownPeers()
  tell(known, 'teller', names('k', 30))
  const doubt = (): number => known.get('k29')?.source.doubt ?? Number.NaN
  known.refused('k0', by('teller'), 0)
  known.broke('k1', true, 0)
  assert.equal(doubt(), 0)
  for (const key of names('k', 15)) known.refused(key, by('teller', true), 0)
  assert.ok(doubt() > 3 && doubt() < 8, `${doubt()}`)
  known.worked({ key: 'k2', position: 2 }, 2, 'teller')
  assert.equal(doubt(), 0)
  for (const key of names('k', 24)) known.refused(key, by('teller', true), 0)
  assert.equal(countOf(known, 'teller'), 0)
})
