/** HAS: who asked in vain hears, once, that the block is here (spec §9.3). @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homePosition, signedAddress } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import { Hints, MAX_MISSED_ADDRESSES, MAX_MISSED_PEERS } from '../../src/routing/hints.ts'
import type { Message } from '../../src/routing/messages.ts'
import type { Output } from '../../src/routing/ports.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { RouterChecker } from '../helpers/router-checker.ts'
import { RouterNetwork } from '../helpers/router-network.ts'

const RING = 2 ** 48
const block = new Uint8Array(128).fill(7) as Block
block.set([1, 0, 0, 0, 0, 0, 0, 0], 96)
const address = signedAddress(block.subarray(0, 32))
const target = homePosition(address, 0)
const rest = { home: 0, trafficClass: 'realtime', freshness: 0, credit: 8, address } as const
/** The one peer that is nearer to home 0 than the node under test, and those that are not. */
const NEARER = 1
const ASKERS = [11, 12, 13, 14, 15, 16] as const

function nodeWithPeers(): RouterChecker {
  const checker = new RouterChecker(1, (target + 2 ** 40) % RING)
  const up = (peer: number, away: number): void => {
    checker.input({ type: 'peer-up', peer, link: peer, position: (target + away) % RING })
  }
  up(NEARER, 2 ** 37)
  for (const peer of ASKERS) up(peer, 2 ** 45 + peer)
  return checker
}

function hear(checker: RouterChecker, from: number, message: Message): readonly Output[] {
  return checker.input({ type: 'message', from, message })
}

/** Id of the request that is open at the nearer peer. */
function openId(checker: RouterChecker): number {
  const name = [...checker.sent.keys()].findLast((one) => one.startsWith(`${NEARER}/`))
  assert.ok(name !== undefined)
  return Number(name.split('/')[1])
}

/** Who is told by these outputs that the block is here. */
function toldBy(outputs: readonly Output[]): number[] {
  return outputs.flatMap((output) => {
    return output.type === 'send' && output.message.type === 'has' ? [output.to] : []
  })
}

/** `peer` asks, and hears that nobody has it. */
function askInVain(
  checker: RouterChecker,
  peer: number,
  phase: 'greedy' | 'stem' | 'copy' = 'greedy',
): void {
  const outputs = [...hear(checker, peer, { type: 'fetch', id: 5, phase, ...rest })]
  if (checker.router.load.fetches > 0) {
    const id = openId(checker)
    outputs.push(...hear(checker, NEARER, { type: 'not-found', id }))
    while (checker.router.load.fetches > 0) {
      const [name] = checker.sent.keys()
      const [from = 0, asked = 0] = (name ?? '').split('/').map(Number)
      outputs.push(...hear(checker, from, { type: 'not-found', id: asked }))
    }
  }
  const answers = outputs.filter(
    (output) => output.type === 'send' && output.message.type === 'not-found',
  )
  assert.equal(answers.length, 1)
}

/** A peer inserts the block by way of this node; whom this node told until the block had gone on. */
function insertBy(checker: RouterChecker, from: number): number[] {
  const { home, trafficClass, credit, freshness } = rest
  const fields = { home, trafficClass, credit, freshness, address }
  hear(checker, from, { type: 'insert', id: 9, phase: 'greedy', ...fields })
  return toldBy(hear(checker, from, { type: 'data', id: 9, block }))
}

test('who was told not-found hears once that the block is here when an insert brings it', () => {
  const checker = nodeWithPeers()
  askInVain(checker, 11)
  askInVain(checker, 12)
  assert.deepEqual(insertBy(checker, 16), [11, 12])
  checker.settle()
  assert.deepEqual(toldBy(hear(checker, NEARER, { type: 'has', address })), [], 'only once')
  assert.equal(checker.router.stats().hintsSent, 2)
})

test('who was told not-found hears of the block when it passes by to another', () => {
  const checker = nodeWithPeers()
  askInVain(checker, 11)
  checker.nowMs += 15_000 // the failure answers no more
  hear(checker, 12, { type: 'fetch', id: 6, phase: 'greedy', ...rest })
  const found = hear(checker, NEARER, { type: 'found', id: openId(checker), block })
  assert.deepEqual(toldBy(found), [11])
})

test('what this node reads itself, and what it reads for a stem, is told to nobody', () => {
  const checker = nodeWithPeers()
  askInVain(checker, 11)
  checker.nowMs += 15_000
  const { home, ...of } = rest
  checker.input({ type: 'fetch', id: 1, homes: [home], ...of })
  assert.deepEqual(toldBy(hear(checker, NEARER, { type: 'found', id: openId(checker), block })), [])
  hear(checker, 12, { type: 'fetch', id: 6, phase: 'stem', ...rest })
  assert.deepEqual(toldBy(hear(checker, NEARER, { type: 'found', id: openId(checker), block })), [])
  assert.deepEqual(insertBy(checker, 16), [11], 'it was not forgotten either')
})

test('an own insert tells of the block only where the own store keeps it, as with a stranger’s', () => {
  for (const isResponsible of [false, true]) {
    const checker = nodeWithPeers()
    askInVain(checker, 11)
    if (isResponsible) checker.input({ type: 'peer-down', peer: NEARER })
    const own = { type: 'insert', id: 2, home: 0, trafficClass: 'bulk', address, block } as const
    const before = toldBy(checker.input(own))
    assert.deepEqual(before, [], 'not before it is written')
    if (isResponsible) {
      const write = checker.writes.shift()
      assert.ok(write !== undefined)
      assert.deepEqual(toldBy(checker.input({ type: 'kept', isKept: true, ...write })), [11])
    }
    assert.equal(checker.router.stats().hintsSent, isResponsible ? 1 : 0)
  }
})

test('a node that could not write the block tells nobody that it is here', () => {
  const checker = nodeWithPeers()
  askInVain(checker, 11)
  checker.input({ type: 'peer-down', peer: NEARER })
  const own = { type: 'insert', id: 2, home: 0, trafficClass: 'bulk', address, block } as const
  checker.input(own)
  const write = checker.writes.shift()
  assert.ok(write !== undefined)
  assert.deepEqual(toldBy(checker.input({ type: 'kept', isKept: false, ...write })), [])
})

test('who asked on the stem, or for a copy only, is not remembered', () => {
  for (const phase of ['stem', 'copy'] as const) {
    const checker = nodeWithPeers()
    askInVain(checker, 11, phase)
    assert.deepEqual(insertBy(checker, 16), [], phase)
  }
})

test('a HAS ends the failure here, and goes on to those who asked in vain, but not back', () => {
  const checker = nodeWithPeers()
  askInVain(checker, 11)
  askInVain(checker, NEARER, 'greedy')
  const before = checker.router.stats()
  assert.deepEqual(toldBy(hear(checker, NEARER, { type: 'has', address })), [11])
  hear(checker, 12, { type: 'fetch', id: 7, phase: 'greedy', ...rest })
  const after = checker.router.stats()
  assert.equal(after.fetchesSent, before.fetchesSent + 1, 'it is looked for again')
  assert.equal(after.failedRecently, before.failedRecently)
})

test('a HAS of what nobody asked for is sent to nobody and starts nothing', () => {
  const checker = nodeWithPeers()
  for (const from of [NEARER, ...ASKERS]) {
    assert.deepEqual(hear(checker, from, { type: 'has', address }), [])
  }
  assert.deepEqual(hear(checker, 99, { type: 'has', address }), [], 'nor from a link that is gone')
})

test('more than a burst of HAS is ignored and counted, and ten times that costs the link', () => {
  const checker = nodeWithPeers()
  for (let sent = 0; sent < 256; sent++) hear(checker, NEARER, { type: 'has', address })
  assert.equal(checker.router.stats().hintsIgnored, 0)
  askInVain(checker, 11)
  assert.deepEqual(toldBy(hear(checker, NEARER, { type: 'has', address })), [])
  assert.equal(checker.router.stats().hintsIgnored, 1)
  let bans = 0
  for (let sent = 257; bans === 0; sent++) {
    assert.ok(sent <= 2560)
    const outputs = hear(checker, NEARER, { type: 'has', address })
    bans = outputs.filter(({ type }) => type === 'ban').length
  }
  assert.ok(!checker.peers.has(NEARER))
  assert.deepEqual(toldBy(hear(checker, 12, { type: 'has', address })), [11], 'others may')
})

const addressOf = (number: number): Address => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes as Address
}

test('the memory of who asked in vain keeps to its bounds, and to a minute', () => {
  const hints = new Hints()
  for (let number = 0; number < MAX_MISSED_ADDRESSES; number++) {
    hints.missed(addressOf(number), 1, number)
  }
  hints.missed(addressOf(0), 2, 5000) // asked for last now
  hints.missed(addressOf(100_000), 1, 5000)
  assert.equal(hints.size, MAX_MISSED_ADDRESSES)
  assert.deepEqual(
    hints.take(addressOf(1), 5001),
    [],
    'the one that was asked for longest ago went',
  )
  assert.deepEqual(hints.take(addressOf(0), 5001), [1, 2])
  for (let peer = 1; peer <= MAX_MISSED_PEERS; peer++) hints.missed(address, peer, 6000)
  hints.missed(address, 1, 6001) // again: 2 is the oldest now
  hints.missed(address, 9, 6001)
  assert.deepEqual(hints.take(address, 6002), [3, 4, 1, 9])
  hints.missed(address, 1, 10_000)
  hints.missed(address, 2, 40_000)
  assert.deepEqual(hints.take(address, 70_000), [2], 'a minute, each for itself')
})

test('no order of misses and arrivals makes a node send more than a link takes', () => {
  const hints = new Hints()
  const other = new Hints()
  for (let at = 0; at < 20_000; at++) {
    const nowMs = at * 2
    hints.missed(addressOf(at), 1, nowMs)
    const told = hints.take(addressOf(at), nowMs).length
    if (told > 0) assert.equal(other.judge(7, nowMs + (at % 50)), 'taken')
  }
})

test('a link that went is told nothing', () => {
  const hints = new Hints()
  hints.missed(address, 1, 0)
  hints.missed(address, 2, 0)
  hints.closed(1)
  assert.deepEqual(hints.take(address, 1), [2])
})

test('a link that went leaves nothing behind of what it may say and hear', () => {
  const hints = new Hints()
  const toldNow = (): boolean => {
    hints.missed(address, 1, 0)
    return hints.take(address, 0).length > 0
  }
  for (let count = 0; count < 1_000; count++) {
    hints.judge(1, 0)
    toldNow()
  }
  assert.deepEqual([hints.judge(1, 0) === 'taken', toldNow()], [false, false])
  hints.closed(1)
  assert.deepEqual([hints.judge(1, 0) === 'taken', toldNow()], [true, true])
})

test('a reader three hops away finds what came after it had looked in vain, at its next try', async () => {
  const network = new RouterNetwork({ rng: createSeededRng(3) })
  const at = (away: number) => network.addNode((target + away) % RING)
  const [reader, near, nearer, home] = [at(2 ** 46), at(2 ** 45), at(2 ** 44), at(2 ** 30)]
  network.link(reader, near)
  network.link(near, nearer)
  network.link(nearer, home)
  const inserter = at(2 ** 46 + 1)
  network.link(inserter, home)
  const results: string[] = []
  const fetch = async (): Promise<void> => {
    void network.fetch(reader, address, [0]).then(({ type }) => results.push(type))
    await network.run()
  }
  for (let tries = 0; tries < 6; tries++) await fetch()
  const answered = reader.router.stats().failedRecently
  assert.ok(answered >= 3, 'the failure answers until the one with the most credit is over')
  void network.insert(inserter, address, block, 0)
  await network.run()
  await fetch()
  assert.equal(results.pop(), 'found')
  assert.deepEqual([...new Set(results)], ['not-found'])
  const hints = network.sent.filter(({ message }) => message.type === 'has')
  assert.deepEqual(
    hints.map(({ from, to }) => [from, to]),
    [
      [home.index, nearer.index],
      [nearer.index, near.index],
      [near.index, reader.index],
    ],
  )
})
