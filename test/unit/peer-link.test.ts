/**
 * One link with signed blocks on it: what is held against what is offered and asked for (spec §9.3,
 * §9.5), and what costs the link.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { contentAddress, supersedes } from '../../src/keys/block.ts'
import type { Address } from '../../src/keys/block.ts'
import { concat } from '../../src/keys/bytes.ts'
import type { BlockStore, GetOptions } from '../../src/datastore/store.ts'
import type { HeldCopy } from '../../src/routing/held-copy.ts'
import { decodeMessage, encodeMessage, offerFields } from '../../src/routing/messages.ts'
import type {
  Field,
  Freshness,
  Message,
  Phase,
  RequestMessage,
} from '../../src/routing/messages.ts'
import { createCounters } from '../../src/routing/net/counters.ts'
import { PeerLink } from '../../src/routing/net/peer-link.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock, signedBlock } from '../helpers/signed-block.ts'
import type { NamedBlock } from '../helpers/signed-block.ts'

const request = {
  id: 7,
  phase: 'greedy',
  trafficClass: 'bulk',
  freshness: 0,
  home: 0,
  credit: 8,
} as const

function makeLink(awaited?: Address) {
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 22, rng: createSeededRng(1) })
  const reads: (number | undefined)[] = []
  const store = {
    ...methodsOf(blocks),
    get: (address: Address, options: GetOptions = {}) => {
      reads.push(options.link)
      return blocks.get(address, options)
    },
  }
  const handled: { message: Message; held: HeldCopy | undefined }[] = []
  const exchanged: Message[] = []
  const sent: Message[] = []
  const closes: boolean[] = []
  const counters = createCounters()
  const link = new PeerLink({
    number: 5,
    store,
    counters,
    link: {
      remotePublicKey: new Uint8Array(32),
      remoteHandshake: new Uint8Array(0),
      channelBinding: new Uint8Array(32),
      isInitiator: true,
      remoteHost: undefined,
      isRelayed: false,
      rttMs: undefined,
      send: (frame, rest = new Uint8Array(0)) => {
        sent.push(decodeMessage(concat(frame, rest)) as Message)
        return true
      },
      close: ({ ban = false } = {}) => {
        closes.push(ban)
      },
    },
    awaitedBlock: () => awaited,
    handle: (message, held) => {
      handled.push({ message, held })
    },
    exchange: (message) => exchanged.push(message),
    ban: () => closes.push(true),
  })
  const receive = async (message: Message): Promise<void> => {
    link.receive(encodeMessage(message))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const put = (named: NamedBlock, area: 'store' | 'cache' = 'store') =>
    blocks.put({ ...named, home: 0, area, link: 1 })
  return { handled, exchanged, sent, closes, counters, reads, receive, put }
}

/** A store as an object whose methods can be replaced one by one. */
function methodsOf(store: BlockStore): BlockStore {
  return {
    put: (what) => store.put(what),
    get: (address, options) => store.get(address, options),
    has: (address, options) => store.has(address, options),
    walk: (range, options) => store.walk(range, options),
    setRange: (range) => store.setRange(range),
    status: () => store.status(),
    close: () => store.close(),
  }
}

function insertOf(
  address: Address,
  tail: readonly Field[],
  phase: Phase = 'greedy',
): RequestMessage {
  return { ...request, type: 'insert', phase, address, tail }
}

function offerOf({ block }: NamedBlock, sequence: number, hasHash = true): readonly Field[] {
  return offerFields({ sequence, hash: hasHash ? contentAddress(block) : undefined })
}

test('a held edition settles an INSERT of the same or an older one, and not that of a newer', async () => {
  const [a, b] = [signedBlock(1, 7, 1), signedBlock(1, 7, 2)]
  const [winner, loser] = supersedes(a.block, b.block) ? [a, b] : [b, a]
  const { address } = a
  const cases: [held: NamedBlock, offer: readonly Field[], isSettled: boolean][] = [
    [winner, offerOf(winner, 7), true],
    [winner, offerOf(loser, 7), true],
    [loser, offerOf(winner, 7), false],
    [loser, offerOf(loser, 6), true],
    [winner, offerOf(loser, 8), false],
    // who names no hash offers nothing new at the same sequence, and who names nothing is asked
    [loser, offerOf(winner, 7, false), true],
    [winner, offerOf(winner, 8, false), false],
    [winner, [], false],
    [winner, [{ tag: 4, value: contentAddress(winner.block) }], false],
  ]
  for (const [index, [held, offer, isSettled]] of cases.entries()) {
    for (const area of ['store', 'cache'] as const) {
      const { put, receive, handled } = makeLink()
      await put(held, area)
      await receive(insertOf(address, offer))
      assert.deepEqual(handled[0]?.held?.block, isSettled ? held.block : undefined, `${index}`)
    }
  }
})

test('held content settles every INSERT, and on the stem no store is asked', async () => {
  const named = contentBlock(1)
  const { put, receive, handled } = makeLink()
  await put(named)
  await receive(insertOf(named.address, []))
  await receive(insertOf(named.address, [], 'stem'))
  assert.deepEqual(
    handled.map(({ held }) => held?.block),
    [named.block, undefined],
  )
})

test('which copies answer a FETCH, and which are only compared with what nearer nodes hold', async () => {
  type Case = [
    kind: 'content' | 'signed',
    area: 'store' | 'cache',
    freshness: Freshness,
    phase: Phase,
  ]
  const roleOf = async ([kind, area, freshness, phase]: Case): Promise<string> => {
    const named = kind === 'content' ? contentBlock(1) : signedBlock(1, 5)
    const { put, receive, handled, sent } = makeLink()
    await put(named, area)
    await receive({ ...request, type: 'fetch', phase, freshness, address: named.address })
    if (sent[0]?.type === 'found') return 'answer'
    return handled[0]?.held === undefined ? 'none' : 'rival'
  }
  const expected: [Case, string][] = [
    [['content', 'store', 0, 'greedy'], 'answer'],
    [['content', 'cache', 0, 'greedy'], 'answer'],
    [['content', 'store', 2, 'greedy'], 'answer'],
    [['content', 'cache', 2, 'greedy'], 'none'],
    [['signed', 'cache', 0, 'greedy'], 'answer'],
    [['signed', 'store', 1, 'greedy'], 'answer'],
    [['signed', 'cache', 1, 'greedy'], 'none'],
    [['signed', 'store', 2, 'greedy'], 'rival'],
    [['signed', 'cache', 2, 'greedy'], 'rival'],
    [['signed', 'store', 2, 'copy'], 'answer'],
    [['signed', 'cache', 2, 'copy'], 'none'],
    [['signed', 'store', 2, 'stem'], 'none'],
  ]
  for (const [of, role] of expected) assert.equal(await roleOf(of), role, of.join(' '))
})

test('a signed block replayed at another address costs the link, and goes no further', async () => {
  const named = signedBlock(1, 5)
  for (const type of ['found', 'data'] as const) {
    for (const awaited of [signedBlock(2, 5).address, contentBlock(1).address]) {
      const { receive, handled, closes, counters } = makeLink(awaited)
      await receive({ type, id: 7, block: named.block })
      assert.deepEqual([closes, handled, counters.invalidBlocks], [[true], [], 1])
    }
    const { receive, handled, closes } = makeLink(named.address)
    await receive({ type, id: 7, block: named.block })
    assert.deepEqual([closes.length, handled.length], [0, 1])
  }
})

test('a signed block with any changed bit costs the link', async () => {
  const named = signedBlock(1, 5)
  for (const at of [0, 40, 96, 103, 104, 20_000]) {
    const block = new Uint8Array(named.block) as typeof named.block
    block[at] = (block[at] as number) ^ 1
    const { receive, handled, closes, counters } = makeLink(named.address)
    await receive({ type: 'found', id: 7, block })
    assert.deepEqual([closes, handled, counters.invalidBlocks], [[true], [], 1], `byte ${at}`)
  }
})

test('an INSERT with a malformed offer costs the link, and is counted', async () => {
  const { address } = signedBlock(1, 5)
  for (const tail of [
    [{ tag: 2, value: new Uint8Array(7) }],
    [{ tag: 2, value: new Uint8Array(8).fill(255) }],
    [
      { tag: 2, value: new Uint8Array(8) },
      { tag: 4, value: new Uint8Array(31) },
    ],
  ]) {
    const { receive, handled, closes, counters } = makeLink()
    await receive(insertOf(address, tail))
    assert.deepEqual([closes, handled, counters.malformedFrames], [[true], [], 1])
  }
})

test('only a FETCH counts as a read of its link; who offers a block shows no interest in it', async () => {
  const named = contentBlock(1)
  const { put, receive, reads } = makeLink()
  await put(named)
  const { address } = named
  await receive({ ...request, type: 'fetch', address })
  await receive({ ...request, id: 8, type: 'fetch', phase: 'copy', freshness: 2, address })
  await receive({ ...insertOf(address, []), id: 9 })
  assert.deepEqual(reads, [5, 5, undefined])
})

test('what a peer says of other nodes goes to the exchange, not to the router', async () => {
  const { receive, handled, exchanged } = makeLink()
  const messages = [
    { type: 'seek', id: 1, target: 5 },
    { type: 'peers', id: 1, records: [] },
    { type: 'neighbors', positions: [1, 2] },
  ] as const
  for (const message of messages) await receive(message)
  assert.deepEqual(exchanged, messages)
  assert.deepEqual(handled, [])
})

test('a HAS goes to the router, and no store is asked', async () => {
  const { receive, handled, reads } = makeLink()
  const message = { type: 'has', address: signedBlock(1, 7).address } as const
  await receive(message)
  assert.deepEqual(handled, [{ message, held: undefined }])
  assert.deepEqual(reads, [])
})
