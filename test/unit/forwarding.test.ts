/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homePosition, signedAddress } from '../../src/keys/block.ts'
import type { Address, Block } from '../../src/keys/block.ts'
import type { Message } from '../../src/routing/messages.ts'
import type { Output } from '../../src/routing/ports.ts'
import { RouterChecker } from '../helpers/router-checker.ts'

const RING = 2 ** 48
const block = new Uint8Array(128).fill(7) as Block
block.set([1, 0, 0, 0, 0, 0, 0, 0], 96)
const address = signedAddress(block.subarray(0, 32))
const target = homePosition(address, 0)
const ASKER = 90

/**
 * A node with `nearer` peers nearer to home 0 than itself, number 1 the nearest, at 20 ms each, and one
 * farther away that asks. So many peers that each hop to go counts: 3 hops from here to the home.
 */
function nodeWith(nearer: number): RouterChecker {
  const checker = new RouterChecker(1, (target + 2 ** 40) % RING)
  for (let peer = 1; peer <= nearer; peer++) {
    const position = (target + peer * 2 ** 37) % RING
    checker.input({ type: 'peer-up', peer, link: peer, position, rttMs: 20 })
  }
  const position = (target + 2 ** 46) % RING
  checker.input({ type: 'peer-up', peer: ASKER, link: ASKER, position, rttMs: 20 })
  return checker
}

/** The asker's FETCH. */
function ask(
  checker: RouterChecker,
  id: number,
  of: { credit?: number; freshness?: 0 | 2; phase?: 'greedy' | 'stem'; home?: 0 | 1 } = {},
): readonly Output[] {
  const { credit = 8, freshness = 0, phase = 'greedy', home = 0 } = of
  const rest = { home, trafficClass: 'realtime' } as const
  return hear(checker, ASKER, { type: 'fetch', id, phase, credit, freshness, address, ...rest })
}

function hear(checker: RouterChecker, from: number, message: Message): readonly Output[] {
  return checker.input({ type: 'message', from, message })
}

/** What was sent, as `TYPE to`, with the credit of a FETCH. */
function sends(outputs: readonly Output[]): string[] {
  return outputs.flatMap((output) => {
    if (output.type !== 'send') return []
    const { message, to } = output
    return [`${message.type} ${to}${message.type === 'fetch' ? ` c${message.credit}` : ''}`]
  })
}

function isSend(output: Output): output is Extract<Output, { type: 'send' }> {
  return output.type === 'send'
}

/** Id of the FETCH that is open at `peer`. */
function idAt(checker: RouterChecker, peer: number): number {
  const names = [...checker.sent.keys()].filter((name) => name.startsWith(`${peer}/`))
  return Number(names.at(-1)?.split('/')[1])
}

/** Lets timers fire until something is sent; says what, and when. */
function nextSends(checker: RouterChecker): string[] {
  for (let fired = 0; fired < 20 && checker.timers.size > 0; fired++) {
    const before = [...checker.sent.keys()].length
    const outputs = fireOne(checker)
    if (sends(outputs).length > 0 || checker.sent.size !== before) return sends(outputs)
  }
  return []
}

function fireOne(checker: RouterChecker): readonly Output[] {
  const [timer, atMs] = [...checker.timers].reduce((a, b) => (b[1] < a[1] ? b : a))
  checker.nowMs = Math.max(checker.nowMs, atMs)
  checker.timers.delete(timer)
  return checker.input({ type: 'timer', timer })
}

const loadOf = ({ router }: RouterChecker): number =>
  Object.values(router.load).reduce((sum, count) => sum + count, 0)

test('a second try begins beside a first that is late, from the same credit, and the first goes on', () => {
  const checker = nodeWith(4)
  assert.deepEqual(sends(ask(checker, 1, { home: 0, freshness: 2 })), ['fetch 1 c4'])
  assert.deepEqual(nextSends(checker), ['fetch 2 c2'])
  assert.ok(checker.nowMs < 400, `${checker.nowMs} ms`)
  const found = hear(checker, 1, { type: 'found', id: idAt(checker, 1), block })
  assert.deepEqual(sends(found), ['cancel 2', `found ${ASKER}`])
  assert.equal(loadOf(checker), 0)
  assert.equal(checker.router.stats().hedges, 1)
})

test('no more than two tries are open at a time, and one that fails makes room for the next', () => {
  const checker = nodeWith(5)
  ask(checker, 1, { freshness: 2, credit: 16 })
  assert.deepEqual(nextSends(checker), ['fetch 2 c4'])
  assert.equal(checker.sent.size, 2)
  checker.nowMs += 30 // so late that the peer may have spent what it got
  const failed = hear(checker, 2, { type: 'not-found', id: idAt(checker, 2) })
  assert.deepEqual(sends(failed), ['fetch 3 c2'], 'the first is late already')
  assert.deepEqual(
    nextSends(checker),
    ['cancel 3', 'fetch 4 c1'],
    'until one was silent for too long',
  )
})

test('a try that fails while the other is not late yet is not replaced before that is', () => {
  const checker = nodeWith(5)
  ask(checker, 1, { freshness: 2, credit: 16 })
  nextSends(checker)
  assert.deepEqual(sends(hear(checker, 1, { type: 'timeout', id: idAt(checker, 1) })), [])
  assert.deepEqual(nextSends(checker), ['fetch 3 c2'])
})

test('with no credit left there is no second try', () => {
  const checker = nodeWith(5)
  assert.deepEqual(sends(ask(checker, 1, { freshness: 2, credit: 1 })), ['fetch 1 c1'])
  assert.deepEqual(nextSends(checker), ['cancel 1', `timeout ${ASKER}`])
})

test('close to the home a node whose credit is spent asks one neighbor more for its own copy', () => {
  const checker = new RouterChecker(1, (target + 2 ** 35) % RING)
  for (const [i, away] of [2 ** 33, 2 ** 36, 2 ** 37, 2 ** 38].entries()) {
    const position = (target + away) % RING
    checker.input({ type: 'peer-up', peer: i + 1, link: i + 1, position, rttMs: 20 })
  }
  const position = (target + 2 ** 46) % RING
  checker.input({ type: 'peer-up', peer: ASKER, link: ASKER, position, rttMs: 20 })
  assert.deepEqual(sends(ask(checker, 1, { credit: 1 })), ['fetch 1 c1'])
  const [next] = hear(checker, 1, { type: 'not-found', id: idAt(checker, 1) }).filter(isSend)
  assert.ok(next?.to === 2 && next.message.type === 'fetch' && next.message.phase === 'copy')
  const last = hear(checker, 2, { type: 'not-found', id: idAt(checker, 2) })
  assert.deepEqual(sends(last), [`not-found ${ASKER}`], 'and none beyond it')
  assert.equal(loadOf(checker), 0)
})

test('a node says TIMEOUT in time to be told from one that is silent', () => {
  const checker = nodeWith(5)
  ask(checker, 1, { freshness: 2, credit: 8 })
  for (let rounds = 0; rounds < 50 && checker.timers.size > 0; rounds++) {
    if (sends(fireOne(checker)).includes(`timeout ${ASKER}`)) break
  }
  assert.ok(checker.nowMs <= 1000 + 8 * 500 + 2 * 20 * 3, `${checker.nowMs} ms`)
  assert.equal(loadOf(checker), 0)
})

test('CANCEL of the last that waits takes every try back; of one of two it takes none', () => {
  const checker = nodeWith(5)
  ask(checker, 1, { freshness: 2 })
  assert.deepEqual(sends(ask(checker, 2, { freshness: 2 })), [], 'it joins')
  nextSends(checker)
  assert.deepEqual(sends(hear(checker, ASKER, { type: 'cancel', id: 1 })), [])
  const last = sends(hear(checker, ASKER, { type: 'cancel', id: 2 }))
  assert.deepEqual(last.toSorted(), ['cancel 1', 'cancel 2'])
  assert.equal(loadOf(checker), 0)
  assert.equal(checker.router.stats().joins, 1)
})

test('what a peer cannot have spent is taken back: it answered too soon, or not at all', () => {
  const soon = nodeWith(7)
  ask(soon, 1, { freshness: 2, credit: 8 })
  const credits: string[] = []
  for (let peer = 1; peer <= 7; peer++) {
    soon.nowMs += 29 // less than one and a half round trips
    credits.push(...sends(hear(soon, peer, { type: 'not-found', id: idAt(soon, peer) })))
  }
  // the first three tries cost one each, the others all that they were given
  assert.deepEqual(credits.slice(0, 6), [
    'fetch 2 c3',
    'fetch 3 c3',
    'fetch 4 c2',
    'fetch 5 c1',
    'fetch 6 c1',
    'fetch 7 c1',
  ])
  const silent = nodeWith(7)
  const rest = { freshness: 0, trafficClass: 'realtime' } as const
  silent.input({ type: 'fetch', id: 1, address, homes: [0], ...rest })
  silent.settle()
  const { fetchesSent, silences } = silent.router.stats()
  assert.equal(silences, fetchesSent)
  assert.ok(fetchesSent >= 7, `${fetchesSent} tries`)
})

/** All that are asked say no, at once. */
function sayNo(checker: RouterChecker): string[] {
  const said: string[] = []
  while (checker.sent.size > 0) {
    const [name = ''] = checker.sent.keys()
    checker.sent.delete(name)
    const [from = 0, id = 0] = name.split('/').map(Number)
    said.push(...sends(hear(checker, from, { type: 'not-found', id })))
  }
  return said
}

test('what failed a moment ago is answered at once, unless with more credit, freshness 2 or from a stem', () => {
  const checker = nodeWith(3)
  ask(checker, 1)
  assert.equal(sayNo(checker).at(-1), `not-found ${ASKER}`)
  assert.deepEqual(sends(ask(checker, 2)), [`not-found ${ASKER}`])
  assert.equal(checker.router.stats().failedRecently, 1)
  for (const of of [{ credit: 16 }, { freshness: 2 }, { phase: 'stem' }, { home: 1 }] as const) {
    const id = 10 + checker.router.stats().fetchesSent
    assert.match(sends(ask(checker, id, of))[0] ?? '', /^fetch/, JSON.stringify(of))
    hear(checker, ASKER, { type: 'cancel', id })
  }
  checker.nowMs += 10_000
  assert.match(sends(ask(checker, 50))[0] ?? '', /^fetch/)
})

test('an INSERT of the address ends what is remembered of its absence', () => {
  const checker = nodeWith(3)
  ask(checker, 1)
  sayNo(checker)
  const rest = { phase: 'greedy', freshness: 0, home: 0, trafficClass: 'bulk', credit: 1 } as const
  hear(checker, ASKER, { type: 'insert', id: 2, address, ...rest })
  assert.match(sends(ask(checker, 3))[0] ?? '', /^fetch/)
})

test('a search that any time-out was part of is no reason to refuse the next', () => {
  const checker = nodeWith(3)
  ask(checker, 1)
  hear(checker, [...checker.sent.keys()].map((name) => Number(name.split('/')[0]))[0] ?? 0, {
    type: 'timeout',
    id: Number([...checker.sent.keys()][0]?.split('/')[1]),
  })
  checker.settle()
  assert.equal(loadOf(checker), 0)
  assert.match(sends(ask(checker, 2))[0] ?? '', /^fetch/)
})

test('what a joined request hears is not remembered', () => {
  const checker = nodeWith(2)
  ask(checker, 1, { credit: 1 })
  ask(checker, 2, { credit: 16 })
  sayNo(checker)
  assert.equal(loadOf(checker), 0)
  assert.deepEqual(sends(ask(checker, 3, { credit: 1 })), [`not-found ${ASKER}`])
  assert.match(sends(ask(checker, 4, { credit: 2 }))[0] ?? '', /^fetch/)
})

test('ten thousand requests of one link stay within the bounds, and each is answered', () => {
  const checker = nodeWith(3)
  let refused = 0
  for (let id = 1; id <= 10_000; id++) {
    const other = address.slice() as Address
    new DataView(other.buffer).setUint32(12, id)
    const rest = { phase: 'greedy', freshness: 0, home: 0, trafficClass: 'bulk' } as const
    const asked = hear(checker, ASKER, { type: 'fetch', id, address: other, credit: 1, ...rest })
    if (sends(asked).includes(`overload ${ASKER}`)) refused++
  }
  assert.equal(refused, 10_000 - 256)
  assert.equal(checker.router.load.fetches, 256)
  checker.settle()
  assert.equal(loadOf(checker), 0)
})

test('an own fetch asks the other homes sooner on fast links than on slow ones', () => {
  const startOfOthers = (rttMs: number): number => {
    const checker = nodeWith(5)
    for (let peer = 1; peer <= 5; peer++) checker.input({ type: 'peer-rtt', peer, rttMs })
    const rest = { freshness: 0, trafficClass: 'realtime' } as const
    checker.input({ type: 'fetch', id: 1, address, homes: [0, 1], ...rest })
    for (let fired = 0; fired < 20; fired++) {
      if ([...checker.sent.values()].some(({ home }) => home === 1)) break
      fireOne(checker)
    }
    const { nowMs } = checker
    checker.settle()
    return nowMs
  }
  const [fast, slow] = [startOfOthers(20), startOfOthers(900)]
  assert.ok(fast < 1000, `${fast} ms`)
  assert.ok(slow > 1000, `${slow} ms`)
})

/** Lets `ms` pass, with what is due; says what was sent. */
function pass(checker: RouterChecker, ms: number): string[] {
  const endMs = checker.nowMs + ms
  const said: string[] = []
  while ([...checker.timers.values()].some((atMs) => atMs <= endMs)) {
    said.push(...sends(fireOne(checker)))
  }
  checker.nowMs = endMs
  return said
}

test('a peer whose answer is arriving, if slowly, is not asked beside', () => {
  for (const isReceiving of [false, true]) {
    const checker = nodeWith(4)
    ask(checker, 1, { freshness: 2 })
    pass(checker, 200)
    if (isReceiving) checker.input({ type: 'receiving', peer: 1, isArriving: true })
    const beside = pass(checker, 900) // a block at 40 KB/s
    assert.deepEqual(
      beside,
      isReceiving ? [] : ['fetch 2 c2', 'fetch 3 c1'].slice(0, beside.length),
    )
    assert.equal(beside.length > 0, !isReceiving)
    const found = hear(checker, 1, { type: 'found', id: idAt(checker, 1), block })
    assert.ok(sends(found).includes(`found ${ASKER}`))
    assert.equal(loadOf(checker), 0)
  }
})

test('when what arrived was the answer to something else, the next is asked soon', () => {
  const checker = nodeWith(4)
  ask(checker, 1, { freshness: 2 })
  pass(checker, 200)
  checker.input({ type: 'receiving', peer: 1, isArriving: true })
  assert.deepEqual(pass(checker, 200), [])
  hear(checker, 1, { type: 'found', id: 12_345, block }) // not asked for, or not any more
  assert.deepEqual(pass(checker, 250), ['fetch 2 c2'])
})

test('who trickles delays the second try by no more than a second, whatever it begins', () => {
  const checker = nodeWith(4)
  ask(checker, 1, { freshness: 2 })
  const usual = nodeWith(4)
  ask(usual, 1, { freshness: 2 })
  nextSends(usual)
  const said: string[] = []
  while (said.length === 0) {
    checker.input({ type: 'receiving', peer: 1, isArriving: true })
    said.push(...pass(checker, 50))
    assert.ok(checker.nowMs <= usual.nowMs + 1050)
  }
  assert.deepEqual(said, ['fetch 2 c2'])
})

test('who trickles is given up at most 2 s late, and a message that takes 2 s counts no more', () => {
  /** When the only peer is given up that begins a message so often, 50 ms after it was asked first. */
  const silentAfter = (everyMs: number): number => {
    const checker = nodeWith(1)
    checker.input({ type: 'peer-down', peer: ASKER })
    const rest = { homes: [0], freshness: 0, trafficClass: 'bulk' } as const
    checker.input({ type: 'fetch', id: 7, address, ...rest })
    while (checker.router.stats().silences === 0) {
      pass(checker, 50)
      if (checker.nowMs % everyMs === 50)
        checker.input({ type: 'receiving', peer: 1, isArriving: true })
    }
    return checker.nowMs
  }
  const usualMs = silentAfter(0)
  const trickledMs = silentAfter(100)
  assert.ok(trickledMs > usualMs + 1900 && trickledMs <= usualMs + 2050, `${trickledMs}`)
  assert.equal(silentAfter(1_000_000), usualMs)
})

test('the other homes wait up to a second for a block that is arriving', () => {
  const startMs = (isReceiving: boolean): number => {
    const checker = nodeWith(1)
    const homes = [0, 1] as const
    checker.input({ type: 'fetch', id: 1, address, homes, freshness: 0, trafficClass: 'bulk' })
    while (![...checker.sent.values()].some(({ home }) => home === 1)) {
      if (isReceiving) checker.input({ type: 'receiving', peer: 1, isArriving: true })
      pass(checker, 50)
      assert.ok(checker.nowMs < 10_000)
    }
    return checker.nowMs
  }
  const laterMs = startMs(true) - startMs(false)
  assert.ok(laterMs > 900 && laterMs <= 1050, `${laterMs}`)
})

test('no peer gets more than its share of the first tries of own inserts either', () => {
  const checker = nodeWith(10)
  let nearest = 0
  for (let id = 1; id <= 40; id++) {
    const own = { type: 'insert', id, home: 0, trafficClass: 'bulk', address, block } as const
    const [first] = checker.input(own).filter(isSend)
    if (first?.to === 1) nearest++
    checker.input({ type: 'abort', id })
  }
  assert.ok(nearest >= 10 && nearest <= 12, `${nearest}`)
})
