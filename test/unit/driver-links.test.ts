/**
 * For which link a driver keeps what passes: the one that inserted it or asked for it, under the same
 * number however often its peer connects.
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import type { PutRequest } from '../../src/datastore/store.ts'
import { concat } from '../../src/keys/bytes.ts'
import { createHandshake, NO_PROOF } from '../../src/routing/handshake.ts'
import { decodeMessage, encodeMessage } from '../../src/routing/messages.ts'
import type { Message, RequestedMessage } from '../../src/routing/messages.ts'
import { Driver } from '../../src/routing/net/driver.ts'
import type { Link, LinkHandlers, Transport } from '../../src/routing/net/transport.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const definition = networkDefinition('test')

interface Peer {
  readonly heard: RequestedMessage[]
  say(message: Message): void
  leave(): void
}

/** One node, and peers that say what the test wants, each under the key that its number makes. */
async function openNode() {
  const clock = createSimulatedClock()
  const rng = createSeededRng(1)
  const { blocks } = createMemoryStore({ quotaBytes: 2 ** 23, rng })
  const puts: PutRequest[] = []
  const put = blocks.put.bind(blocks)
  blocks.put = (request) => {
    puts.push(request)
    return put(request)
  }
  let accept: ((link: Link) => LinkHandlers | undefined) | undefined
  const transport: Transport = {
    open: (options) => {
      accept = (link) => options.onlink(link)
      return Promise.resolve()
    },
    dial: () => {},
    drop: () => {},
    seek: () => {},
    close: () => Promise.resolve(),
  }
  const publicKey = new Uint8Array(32)
  const parts = { definition, publicKey, transport, store: blocks }
  const driver = new Driver({ ...parts, clock, rng, logger: silentLogger })
  await driver.open()
  const connect = (key: number): Peer => {
    const heard: RequestedMessage[] = []
    const remotePublicKey = new Uint8Array(32).fill(key)
    const ends = { channelBinding: new Uint8Array(32).fill(key), isInitiator: false }
    const theirs = { definition, publicKey: remotePublicKey, proof: NO_PROOF }
    const handlers = accept?.({
      ...ends,
      remotePublicKey,
      remoteHandshake: createHandshake(theirs, { ...ends, remotePublicKey: publicKey }),
      remoteHost: undefined,
      isRelayed: false,
      rttMs: undefined,
      send: (frame, rest = new Uint8Array(0)) => {
        const message = decodeMessage(concat(frame, rest)) as Message
        if (isRequested(message)) heard.push(message)
        return true
      },
      close: () => {},
    })
    return {
      heard,
      say: (message) => handlers?.onframe(encodeMessage(message)),
      leave: () => handlers?.onclose(),
    }
  }
  return { clock, driver, puts, connect }
}

/** All but what nodes tell each other of other nodes. */
function isRequested(message: Message): message is RequestedMessage {
  return !['seek', 'peers', 'neighbors'].includes(message.type)
}

const REQUEST = { trafficClass: 'bulk', freshness: 0, home: 0, credit: 8 } as const

test('a block found for a peer is cached for the one that asked, not for the one that had it', async () => {
  const { clock, driver, puts, connect } = await openNode()
  const { address, block } = contentBlock(1)
  const holders = [1, 2, 3, 4, 5, 6, 7, 8].map((key) => connect(key))
  const asker = connect(100)
  asker.say({ ...REQUEST, type: 'fetch', id: 1, phase: 'greedy', address })
  await clock.runFor(1)
  const asked = holders.find(({ heard }) => heard.length > 0)
  assert.ok(asked !== undefined)
  asked.say({ type: 'found', id: asked.heard[0]?.id ?? 0, block })
  await clock.runFor(1)
  assert.deepEqual(asker.heard, [{ type: 'found', id: 1, block }])
  assert.deepEqual(
    puts.map(({ area, link }) => [area, link]),
    [['cache', 9]],
  )
  await driver.close()
})

test('of several that ask for one block, it is cached for the first whose request may be cached', async () => {
  const { clock, driver, puts, connect } = await openNode()
  const { address, block } = contentBlock(1)
  const holders = [1, 2, 3, 4, 5, 6, 7, 8].map((key) => connect(key))
  const askers = [100, 101, 102].map((key) => connect(key))
  for (const [index, asker] of askers.entries()) {
    const phase = index === 0 ? 'stem' : 'greedy'
    asker.say({ ...REQUEST, type: 'fetch', id: 1, phase, address })
  }
  await clock.runFor(1)
  const asked = holders.find(({ heard }) => heard.length > 0)
  asked?.say({ type: 'found', id: asked.heard[0]?.id ?? 0, block })
  await clock.runFor(1)
  for (const { heard } of askers) assert.deepEqual(heard, [{ type: 'found', id: 1, block }])
  assert.deepEqual(
    puts.map(({ area, link }) => [area, link]),
    [['cache', 10]],
  )
  await driver.close()
})

test('what a node itself reads is kept for nobody', async () => {
  const { clock, driver, puts, connect } = await openNode()
  const { address, block } = contentBlock(1)
  const holder = connect(1)
  const fetched = driver.fetch(address, { homes: [0] })
  await clock.runFor(1)
  holder.say({ type: 'found', id: holder.heard[0]?.id ?? 0, block })
  assert.equal((await clock.runUntilSettled(fetched)).type, 'found')
  assert.deepEqual(puts, [])
  await driver.close()
})

test('a peer that comes back inserts under the number it had, even where it left before the block was kept', async () => {
  const { clock, driver, puts, connect } = await openNode()
  connect(1)
  for (let round = 1; round <= 3; round++) {
    const { address, block } = contentBlock(round)
    const peer = connect(2)
    peer.say({ ...REQUEST, type: 'insert', id: 1, phase: 'copy', address, tail: [] })
    await clock.runFor(1)
    assert.deepEqual(peer.heard, [{ type: 'accept', id: 1 }])
    peer.say({ type: 'data', id: 1, block })
    peer.leave()
    await clock.runFor(1)
  }
  assert.deepEqual(
    puts.map(({ area, link }) => [area, link]),
    [
      ['store', 2],
      ['store', 2],
      ['store', 2],
    ],
  )
  await driver.close()
})
