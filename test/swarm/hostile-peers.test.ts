/**
 * What a peer may do on the wire that is not in the protocol, and relays that it may name.
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import DHT from 'hyperdht'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'

import { compare, equals } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import { bindDht } from '../../src/routing/net/dht.ts'
import { createHyperswarmTransport } from '../../src/routing/net/hyperswarm.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { HOST, closed, connect, makeTransport, settle, until } from '../helpers/transport.ts'
import { record } from '../suites/transport-suite.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import type { Link } from '../../src/routing/net/transport.ts'

const HELLO = Uint8Array.of(1)
const OPEN = Uint8Array.of(0, 1, 1, 7, ...Buffer.from('shoal/1'), 0, 1)

let bootstrap: Bootstrap

before(async () => {
  bootstrap = await startBootstrap({ host: HOST, port: 0 })
})
after(() => bootstrap.close())

describe('hyperswarm transport: hostile peers', () => {
  /** Opens a bare Noise stream to a transport, on which `run` does harm; it must be cut off. */
  const attack = async (run: (stream: NoiseStream) => void): Promise<void> => {
    const transport = makeTransport(bootstrap)
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    try {
      const seen = await record(transport, HELLO)
      const stream = await connect(dht, transport.keyPair.publicKey)
      const end = closed(stream)
      stream.write(OPEN)
      await settle(seen.until(() => seen.links.length === 1))
      run(stream)
      await settle(end)
      await settle(seen.until(() => seen.closes === 1))
      assert.equal(seen.frames.length, 0)
    } finally {
      await dht.destroy({ force: true })
      await transport.close()
    }
  }

  it('cuts off a peer as soon as it announces a message of 1 MiB', () =>
    attack((stream) => {
      stream.rawStream.write(Uint8Array.of(0, 0, 0x10, 1, 2, 3)) // 24-bit little-endian length
    }))

  it('cuts off a peer whose messages are malformed, or made to harm protomux', async () => {
    const nested = [0, 0]
    for (let left = 64_000; left > 10; left -= 5) nested.push(0, 0xfd, left & 0xff, left >> 8, 0)
    for (const message of [
      nested,
      new Uint8Array(66_000).fill(1), // longer than any frame
      [0, 0, 1, 200, 0, 1], // a batch shorter than it says
      [0, 0, 1, 0xfd, 1],
      [0, 0, 1, 0xfe, 1, 0, 0, 0, 0], // a length of more than 16 bits
      [0, 0, 0, 2, 3, 1], // a control message in a batch
      [0xfd, 0, 0, 3, 1], // channel 0 in another spelling
      [0, 4],
      [0],
      [0, 1, 200, 1, 120, 0], // opens channel 200
    ]) {
      await attack((stream) => stream.write(Uint8Array.from(message)))
    }
  })

  it('cuts off a peer whose message trickles in, and one that says nothing when dialed', async () => {
    const clock = createSimulatedClock()
    const transport = makeTransport(bootstrap, { clock })
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const mute = keyPairFromSeed(randomBytes(32))
    const server = dht.createServer({}, (stream) => stream.on('error', () => {}))
    await server.listen(mute)
    const seen = await record(transport, HELLO)
    const stream = await connect(dht, transport.keyPair.publicKey)
    const end = closed(stream)
    stream.write(OPEN)
    await settle(seen.until(() => seen.links.length === 1))
    stream.rawStream.write(Uint8Array.of(0, 1, 0, 1, 2, 3)) // three bytes of 256
    transport.dial(mute.publicKey)
    await clock.runFor(300)
    await sleep(300)
    await clock.runFor(29_000)
    await settle(seen.until(() => seen.failures.length === 1))
    assert.equal(seen.failures[0]?.wasRefused, false, 'who says nothing is as good as dead')
    assert.equal(seen.closes, 0)
    await clock.runFor(1_000)
    await settle(end)
    assert.equal(seen.frames.length, 0)
    await dht.destroy({ force: true })
    await transport.close()
  })

  it('gives a message that begins right behind another one no more time', async () => {
    const clock = createSimulatedClock()
    const transport = makeTransport(bootstrap, { clock })
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const seen = await record(transport, HELLO)
    const stream = await connect(dht, transport.keyPair.publicKey)
    const end = closed(stream)
    stream.write(OPEN)
    await settle(seen.until(() => seen.links.length === 1))
    const { rawStream } = stream
    const write = rawStream.write.bind(rawStream)
    const BEGUN = Uint8Array.of(0, 1, 0, 1, 2, 3) // three bytes of 256
    rawStream.write = (bytes) => {
      rawStream.write = write
      return write(Buffer.concat([bytes, BEGUN]))
    }
    stream.write(Uint8Array.of(1, 0, ...HELLO)) // a frame
    await settle(seen.until(() => seen.frames.length === 1))
    await settle(seen.until(() => seen.progress > 0))
    await clock.runFor(29_000)
    assert.equal(seen.closes, 0)
    await clock.runFor(1_000)
    await settle(end)
    await dht.destroy({ force: true })
    await transport.close()
  })

  it('keeps the dial of the greater key where two cross', async () => {
    const pair = [keyPairFromSeed(randomBytes(32)), keyPairFromSeed(randomBytes(32))]
    const [lesser, greater] = pair.toSorted((a, b) => compare(a.publicKey, b.publicKey)) as [
      NoiseKeyPair,
      NoiseKeyPair,
    ]
    for (const [own, remote] of [
      [lesser, greater],
      [greater, lesser],
    ] as const) {
      const transport = makeTransport(bootstrap, { keyPair: own })
      const seen = await record(transport, HELLO)
      const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
      const dialed: NoiseStream[] = []
      const server = dht.createServer({}, (stream) => {
        dialed.push(stream.on('error', () => {}).on('data', () => {}))
      })
      await server.listen(remote)
      transport.dial(remote.publicKey)
      await until(() => dialed.length > 0)
      const crossing = await connect(dht, own.publicKey, { keyPair: remote })
      let isRefused = false
      crossing.on('close', () => (isRefused = true))
      crossing.write(OPEN)
      if (own === lesser) {
        await settle(seen.until(() => seen.links.length === 1))
        assert.equal(seen.links[0]?.isInitiator, false)
        assert.equal(isRefused, false)
      } else {
        await until(() => isRefused)
        assert.equal(seen.links.length, 0)
        dialed[0]?.write(OPEN)
        await settle(seen.until(() => seen.links.length === 1))
        assert.equal(seen.links[0]?.isInitiator, true)
      }
      await dht.destroy({ force: true })
      await transport.close()
    }
  })

  it('says nothing before the dialer has, and then only if it takes the link', async () => {
    const transport = makeTransport(bootstrap)
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const handshakes: Uint8Array[] = []
    const decide = (link: Link): boolean => {
      handshakes.push(Uint8Array.from(link.remoteHandshake))
      return false
    }
    const seen = await record(transport, HELLO, { decide })
    const stream = await connect(dht, transport.keyPair.publicKey)
    const heard: Uint8Array[] = []
    stream.on('data', (message: Uint8Array) => message.length > 0 && heard.push(message))
    const end = closed(stream)
    await sleep(100)
    stream.write(OPEN)
    await settle(end)
    assert.deepEqual([handshakes, heard], [[Uint8Array.of(1)], []])
    assert.equal(seen.closes, 0)
    await dht.destroy({ force: true })
    await transport.close()
  })

  it('holds no more than 64 connections that say nothing, however many come', async () => {
    // its time stands still: none of them is cut off for its silence
    const transport = makeTransport(bootstrap, { clock: createSimulatedClock() })
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const seen = await record(transport, HELLO)
    await connect(dht, transport.keyPair.publicKey) // silent as well
    const open = new Set<NoiseStream>()
    const dials: Promise<void>[] = []
    for (let count = 0; count < 200; count++) {
      const keyPair = keyPairFromSeed(randomBytes(32))
      const stream = dht.connect(Buffer.from(transport.keyPair.publicKey), { keyPair })
      stream.on('error', () => {}).on('close', () => open.delete(stream))
      const opened = once(stream, 'open').then(() => void open.add(stream))
      dials.push(Promise.race([opened, once(stream, 'close').then(() => {})]).catch(() => {}))
      if (count % 20 === 19) await sleep(20)
    }
    await settle(Promise.all(dials))
    await settle(until(() => open.size < 64))
    assert.ok(open.size > 32, `${open.size} are let in`)
    assert.equal(seen.links.length, 0)
    await dht.destroy({ force: true })
    await transport.close()
  })

  it('cuts off a peer that opens channel after channel', () =>
    attack((stream) => {
      for (let id = 0; id < 20; id++) stream.write(Uint8Array.of(0, 1, 2, 1, 120, 0))
    }))

  it('cuts off a peer that opens no channel', async () => {
    const clock = createSimulatedClock()
    const transport = makeTransport(bootstrap, { clock })
    const seen = await record(transport, HELLO)
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const stream = await connect(dht, transport.keyPair.publicKey)
    const end = closed(stream)
    await sleep(50)
    await clock.runFor(5_000)
    await settle(end)
    assert.equal(seen.links.length, 0)
    await dht.destroy({ force: true })
    await transport.close()
  })
})

describe('hyperswarm transport: relays that others name', () => {
  it('connects to none, neither for a caller nor for one that it calls', async () => {
    // not bound to a host: who can be reached at once needs no relay
    const keys = keyPairFromSeed(randomBytes(32))
    const topic = randomBytes(32)
    const ownDials: Uint8Array[] = []
    const bind: typeof bindDht = async (dhtOptions) => {
      const bound = await bindDht(dhtOptions)
      const dial = bound.connect.bind(bound)
      bound.connect = (publicKey, options) => {
        if (options === undefined) ownDials.push(publicKey) // hyperdht itself
        return dial(publicKey, options)
      }
      return bound
    }
    const how = { keyPair: keys, topic, bootstrap: [bootstrap], logger: silentLogger, bind }
    const victim = createHyperswarmTransport(how)
    const seen = await record(victim, HELLO)
    const others = keyPairFromSeed(randomBytes(32))
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, keyPair: others })
    const relayDht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const callers: Uint8Array[] = []
    const relayKeys = keyPairFromSeed(randomBytes(32))
    const relay = relayDht.createServer({}, (stream) => {
      stream.on('error', () => {})
      callers.push(stream.remotePublicKey)
    })
    await relay.listen(relayKeys)

    const through = { relayThrough: relayKeys.publicKey, localConnection: false, fastOpen: false }
    const plain = await connect(dht, keys.publicKey)
    plain.destroy() // the victim can be found now
    const keyPair = keyPairFromSeed(randomBytes(32))
    const caller = dht.connect(Buffer.from(keys.publicKey), { keyPair, ...through })
    await settle(closed(caller.on('error', () => {})))
    assert.deepEqual(ownDials, [], 'it does not even try')

    const calledKeys = keyPairFromSeed(randomBytes(32))
    const hidden = { shareLocalAddress: false, holepunch: () => false }
    const called = dht.createServer({ ...hidden, relayThrough: relayKeys.publicKey }, () => {})
    await called.listen(calledKeys)
    victim.dial(calledKeys.publicKey)
    await settle(seen.until(() => seen.failures.length === 1))

    assert.ok(callers.every((key) => equals(key, others.publicKey)))
    await Promise.all([dht, relayDht].map((each) => each.destroy({ force: true })))
    await victim.close()
  })
})
