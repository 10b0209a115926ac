/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { signedAddress } from '../../src/keys/block.ts'
import type { Address, Block, Home } from '../../src/keys/block.ts'
import type { HeldCopy } from '../../src/routing/held-copy.ts'
import type { Freshness, Message, RequestMessage } from '../../src/routing/messages.ts'
import type { Input } from '../../src/routing/ports.ts'
import { RouterChecker } from '../helpers/router-checker.ts'

const numRuns = process.env['SLOW'] === undefined ? 300 : 20_000

/** Few of everything, so that hostile inputs hit what is open. */
const BLOCKS = [0, 1, 2].map((number) => {
  const block = new Uint8Array(128).fill(number) as Block
  block.set([number + 1, 0, 0, 0, 0, 0, 0, 0], 96) // the sequence
  return block
})
const ADDRESSES: readonly Address[] = BLOCKS.map((block) => signedAddress(block.subarray(0, 32)))
const address = fc.constantFrom(...ADDRESSES)
const block = fc.constantFrom(...BLOCKS)
const peer = fc.integer({ min: 1, max: 12 })
const localId = fc.integer({ min: 1, max: 30 })
const home = fc.constantFrom<Home>(0, 1, 2)
const homes = fc.uniqueArray(home, { minLength: 1, maxLength: 3 })
const freshness = fc.constantFrom<Freshness>(0, 1, 2)
const trafficClass = fc.constantFrom('realtime', 'bulk')
const position = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const strangeNumber = fc.oneof(fc.double(), fc.integer(), fc.constant(Number.NaN))
const held = fc.option(fc.record<HeldCopy>({ block, area: fc.constantFrom('store', 'cache') }), {
  nil: undefined,
  freq: 4,
})

const request = fc.record<RequestMessage>({
  type: fc.constantFrom('fetch', 'insert'),
  id: fc.integer({ min: 0, max: 20 }),
  phase: fc.constantFrom('greedy', 'greedy', 'stem', 'copy'),
  trafficClass,
  freshness,
  home,
  credit: fc.integer({ min: 1, max: 16 }),
  address,
})
const signal = fc.record({
  type: fc.constantFrom('not-found', 'overload', 'timeout', 'accept', 'have', 'cancel'),
  id: fc.integer({ min: 0, max: 40 }),
})
const other: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constantFrom('found', 'data'), id: fc.integer({ min: 0, max: 40 }), block }),
  fc.record({
    type: fc.constant('receipt'),
    id: fc.integer({ min: 0, max: 40 }),
    copies: fc.integer({ min: 0, max: 255 }),
  }),
  fc.record({ type: fc.constant('seek'), id: fc.constant(1), target: position }),
  fc.record({ type: fc.constant('neighbors'), positions: fc.array(position, { maxLength: 4 }) }),
  fc.record({ type: fc.constant('peers'), id: fc.constant(0), records: fc.constant([]) }),
  fc.record({ type: fc.constant('has'), address }),
)
const message: fc.Arbitrary<Message> = fc.oneof(request, request, signal, signal, other)

const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ type: fc.constant('message'), from: peer, message, held }),
  fc.record({ type: fc.constant('message'), from: peer, message, held }),
  fc.record({ type: fc.constant('fetch'), id: localId, address, homes, freshness, trafficClass }),
  fc.record({
    type: fc.constant('fetch-newest'),
    id: localId,
    address,
    homes,
    trafficClass,
    held,
  }),
  fc.record({ type: fc.constant('insert'), id: localId, address, home, block, trafficClass }),
  fc.record({ type: fc.constant('abort'), id: localId }),
  fc.record({
    type: fc.constant('peer-up'),
    peer,
    link: peer,
    position,
    rttMs: fc.option(strangeNumber, { nil: undefined }),
  }),
  fc.record({ type: fc.constant('peer-down'), peer }),
  fc.record({ type: fc.constant('peer-rtt'), peer, rttMs: strangeNumber }),
  fc.record({ type: fc.constant('receiving'), peer, isArriving: fc.boolean() }),
  fc.record({
    type: fc.constant('neighbors'),
    peer,
    positions: fc.array(strangeNumber, { maxLength: 40 }),
  }),
  fc.record({ type: fc.constant('timer'), timer: fc.integer({ min: 1, max: 60 }) }),
)

type Step =
  | { readonly type: 'input'; readonly input: Input }
  /** A peer answers something that it was asked: the `nth` of what is open. */
  | { readonly type: 'answer'; readonly nth: number; readonly message: Message }
  | { readonly type: 'pass'; readonly ms: number }
  | { readonly type: 'fire' }
  | { readonly type: 'write'; readonly isKept: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('input'), input }),
  fc.record({ type: fc.constant('input'), input }),
  fc.record({ type: fc.constant('answer'), nth: fc.nat(20), message: fc.oneof(signal, other) }),
  fc.record({ type: fc.constant('pass'), ms: fc.nat(3000) }),
  fc.record({ type: fc.constant('fire') }),
  fc.record({ type: fc.constant('write'), isKept: fc.boolean() }),
)

/** What a driver never puts in: a number that is in use, and a peer that is there already. */
function isPossible(checker: RouterChecker, used: Set<number>, next: Input): boolean {
  switch (next.type) {
    case 'fetch':
    case 'fetch-newest':
    case 'insert':
      if (used.has(next.id)) return false
      used.add(next.id)
      return true
    case 'peer-up':
      return !checker.peers.has(next.peer)
    case 'timer':
      return !checker.timers.has(next.timer) // one that was stopped: the driver's may cross
    case 'message':
    case 'abort':
    case 'peer-down':
    case 'peer-rtt':
    case 'receiving':
    case 'neighbors':
    case 'kept':
      return true
  }
}

function take(checker: RouterChecker, used: Set<number>, next: Step): void {
  switch (next.type) {
    case 'input':
      if (isPossible(checker, used, next.input)) checker.input(next.input)
      break
    case 'answer': {
      const names = [...checker.sent.keys()]
      const name = names[next.nth % Math.max(1, names.length)]
      if (name === undefined || next.message.type === 'neighbors' || next.message.type === 'has')
        break
      const [from = 0, id = 0] = name.split('/').map(Number)
      checker.input({ type: 'message', from, message: { ...next.message, id } })
      break
    }
    case 'pass':
      checker.nowMs += next.ms
      break
    case 'fire':
      checker.fire()
      break
    case 'write': {
      const write = checker.writes.shift()
      if (write !== undefined) checker.input({ type: 'kept', ...write, isKept: next.isKept })
    }
  }
}

const NOTHING = { fetches: 0, inserts: 0, asked: 0, timers: 0 }

test('no order of inputs throws, breaks a rule or leaves a request open', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      position,
      fc.array(step, { maxLength: 150, size: 'max' }),
      (seed, own, steps) => {
        const checker = new RouterChecker(seed, own)
        const used = new Set<number>()
        for (let id = 1; id <= 9; id++) {
          const at = (own + 2 ** (38 + id)) % 2 ** 48
          checker.input({ type: 'peer-up', peer: id, link: id, position: at, rttMs: 20 * id })
        }
        for (const next of steps) take(checker, used, next)
        checker.settle()
        assert.deepEqual(checker.router.load, NOTHING)
      },
    ),
    { numRuns, includeErrorInReport: true },
  )
})

test('peers that all go at once leave nothing open but writes, and those end', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      position,
      fc.array(step, { maxLength: 100, size: 'max' }),
      (seed, own, steps) => {
        const checker = new RouterChecker(seed, own)
        const used = new Set<number>()
        for (let id = 1; id <= 5; id++) {
          const at = (own + 2 ** (40 + id)) % 2 ** 48
          checker.input({ type: 'peer-up', peer: id, link: id, position: at })
        }
        for (const next of steps) take(checker, used, next)
        for (const gone of checker.peers.keys()) checker.input({ type: 'peer-down', peer: gone })
        assert.equal(checker.router.load.asked, 0)
        checker.settle()
        assert.deepEqual(checker.router.load, NOTHING)
      },
    ),
    { numRuns, includeErrorInReport: true },
  )
})
