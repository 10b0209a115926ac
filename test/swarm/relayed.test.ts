/**
 * Links through a third node, on real sockets: two that cannot reach each other keep all that a link
 * promises, and the relay, hostile or not, gets nothing but ciphertext.
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import DHT from 'hyperdht'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'
import { compare, concat } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { createNode } from '../../src/node.ts'
import { NO_PROOF } from '../../src/routing/handshake.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import type { Link } from '../../src/routing/net/transport.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { RING, networkTopic, nodePosition } from '../../src/routing/position.ts'
import { decodeCircuitMessage } from '../../src/routing/relay-messages.ts'
import type { CircuitMessage } from '../../src/routing/relay-messages.ts'
import { systemClock } from '../../src/runtime.ts'
import { addBarePeer, bytesOf, createCircuitNode } from '../helpers/circuits.ts'
import { randomContent } from '../helpers/cluster.ts'
import { createRelayed, reachOnly } from '../helpers/relayed.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { insert, insertAndSpread, read } from '../helpers/swarm.ts'
import { HOST, closed, connect, makeTransport, settle, until } from '../helpers/transport.ts'
import { record, transportSuite } from '../suites/transport-suite.ts'

/** Longer than every first retry of both sides. */
const QUIET_MS = 1_600

let bootstrap: Bootstrap

before(async () => {
  bootstrap = await startBootstrap({ host: HOST, port: 0 })
})
after(() => bootstrap.close())

transportSuite('hyperswarm through a relay', async () => {
  const { relay, a, b } = await createRelayed(bootstrap)
  return {
    a,
    b,
    aPublicKey: Uint8Array.from(a.keyPair.publicKey),
    bPublicKey: Uint8Array.from(b.keyPair.publicKey),
    settle,
    pass: () => sleep(QUIET_MS),
    release: () => relay.close(),
  }
})

describe('nodes that cannot reach each other', () => {
  const NETWORK = 'relayed-test'
  const { hash } = networkDefinition(NETWORK)

  /** A node in the `third` of three parts of the ring that can reach `only` these, or all. */
  const addNode = async (t: TestContext, third: number, only?: readonly Uint8Array[]) => {
    let identitySeed = randomBytes(32)
    const isThere = (): boolean => {
      const { publicKey } = keyPairFromSeed(identitySeed)
      const place = (3 * nodePosition(hash, publicKey, NO_PROOF)) / RING - third
      return place > 0.4 && place < 0.6
    }
    while (!isThere()) identitySeed = randomBytes(32)
    const transport = makeTransport(bootstrap, {
      keyPair: keyPairFromSeed(identitySeed),
      topic: networkTopic(hash),
      ...(only !== undefined && { bind: reachOnly(only) }),
    })
    const storeBytes = 128 * 1024 * 1024
    const parts = { identitySeed, transport }
    const node = await createNode({ network: NETWORK, storeBytes, parts })
    t.after(() => node.close())
    return { node, transport, publicKey: Uint8Array.from(transport.keyPair.publicKey) }
  }

  it('link through a third, and what one inserts the other has and reads; without it they live on', async (t) => {
    const relay = await addNode(t, 0)
    const only = [relay.publicKey]
    const [a, b] = [await addNode(t, 1, only), await addNode(t, 2, only)]
    const all = [relay, a, b].map(({ node }) => node)
    await until(() => all.every((node) => node.status().peers === 2))

    const seed = seedFromEnvironment()
    const content = randomContent(1_000_000, seed)
    const uri = await insertAndSpread(b.node, content)
    assert.deepEqual(await read(a.node, uri), content, `seed ${seed}`)
    const { bytes } = relay.transport.relayed
    assert.ok(bytes > 5 * 32_768, `${bytes} bytes were relayed`)

    await relay.node.close()
    await until(() => [a, b].every(({ node }) => node.status().peers === 0))
    const own = await insert(a.node, content)
    assert.deepEqual(await read(a.node, own.uri), content)
  })
})

describe('hyperswarm transport: hostile relays and callers', () => {
  const HELLO = Uint8Array.of(1)
  const opening = (channel: number, name: string): Uint8Array =>
    Uint8Array.of(0, 1, channel, name.length, ...Buffer.from(name), 0)
  const publicKey = keyPairFromSeed(new Uint8Array(32).fill(9)).publicKey

  /** A transport and a peer of it that says what it likes on the channel for circuits. */
  const attacked = async (t: TestContext, own = keyPairFromSeed(randomBytes(32))) => {
    const victim = makeTransport(bootstrap, { keyPair: own })
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    t.after(() => Promise.all([victim.close(), dht.destroy({ force: true })]))
    const seen = await record(victim, HELLO)
    const keyPair = keyPairFromSeed(randomBytes(32))
    const stream = await connect(dht, victim.keyPair.publicKey, { keyPair })
    const heard: CircuitMessage[] = []
    stream.on('data', (message: Uint8Array) => {
      const known = message[0] === 2 ? decodeCircuitMessage(message.subarray(2)) : undefined
      if (known !== undefined) heard.push(known)
    })
    stream.write(concat(opening(1, 'shoal/1'), HELLO))
    await settle(seen.until(() => seen.links.length === 1))
    stream.write(opening(2, 'shoal/relay/1'))
    stream.write(Uint8Array.of(1, 0, 42)) // when this is there, so is the channel
    await settle(seen.until(() => seen.frames.length === 1))
    const say = (message: CircuitMessage): boolean =>
      stream.write(concat(Uint8Array.of(2, 0), bytesOf(message)))
    const relayKey = Uint8Array.from(keyPair.publicKey)
    return { victim, dht, seen, stream, heard, say, keyPair, relayKey }
  }

  /** Passes the bytes of one circuit on between a victim and a node of the attacker, until the test ends. */
  const bridge = (
    t: TestContext,
    near: { heard: CircuitMessage[]; say: (message: CircuitMessage) => unknown; circuit: number },
    far: { heard: CircuitMessage[]; say: (message: CircuitMessage) => unknown; circuit: number },
  ): (() => void) => {
    const sides = [near, far].map((side) => ({ ...side, at: 0 }))
    const timer = setInterval(() => {
      for (const [index, from] of sides.entries()) {
        for (; from.at < from.heard.length; from.at++) {
          const message = from.heard[from.at]
          const to = sides[1 - index]
          if (message?.type === 'bytes') to?.say({ ...message, circuit: to.circuit })
        }
      }
    }, 5)
    const stop = (): void => clearInterval(timer)
    t.after(stop)
    return stop
  }

  /** Somebody with the keys `theirs` calls a victim through its peer, and opens the channel. */
  const callThrough = async (
    t: TestContext,
    { victim, heard, say }: Awaited<ReturnType<typeof attacked>>,
    theirs: NoiseKeyPair,
  ) => {
    const far = createCircuitNode(systemClock, () => true, theirs)
    const farPeer = addBarePeer(far, systemClock)
    const relayed = far.ends.connect(farPeer.link, victim.keyPair.publicKey)
    assert.ok(relayed !== undefined)
    const circuit = farPeer.of('open')[0]?.circuit as number
    say({ type: 'invite', circuit: 1, publicKey: theirs.publicKey })
    await until(() => heard.length === 1)
    farPeer.say({ type: 'accept', circuit })
    const stop = bridge(t, { heard, say, circuit: 1 }, { ...farPeer, circuit })
    t.after(() => relayed.destroy())
    relayed.write(concat(opening(1, 'shoal/1'), HELLO))
    return { relayed, stop }
  }

  /** Own key and theirs, the lesser one first, then another two the other way round. */
  const bothOrders = () => {
    const pair = (): NoiseKeyPair[] =>
      [randomBytes(32), randomBytes(32)]
        .map((secret) => keyPairFromSeed(secret))
        .toSorted((a, b) => compare(a.publicKey, b.publicKey))
    return [pair(), pair().reverse()] as [NoiseKeyPair, NoiseKeyPair][]
  }

  it('floods of OPEN and INVITE and malformed messages cost the link, and the key is refused from then on', async (t) => {
    const flood = (type: 'open' | 'invite') => (say: (message: CircuitMessage) => void) => {
      for (let count = 0; count < 200; count++) say({ type, circuit: 2 * count + 1, publicKey })
    }
    const harms = [
      flood('open'),
      flood('invite'),
      (say: (message: CircuitMessage) => void) => say({ type: 'open', circuit: 2, publicKey }),
      (_: unknown, stream: NoiseStream) => stream.write(Uint8Array.of(2, 0, 1, 0)),
    ]
    for (const harm of harms) {
      const { victim, dht, stream, seen, say, keyPair } = await attacked(t)
      const end = closed(stream)
      harm(say, stream)
      await settle(end)
      await settle(seen.until(() => seen.closes === 1))
      const again = dht.connect(Buffer.from(victim.keyPair.publicKey), { keyPair })
      const endAgain = closed(again.on('error', () => {}))
      again.write(concat(opening(1, 'shoal/1'), HELLO))
      await settle(endAgain)
      assert.equal(seen.links.length, 1)
    }
  })

  it('storms of CLOSE and what belongs to no circuit change nothing', async (t) => {
    const { stream, seen, say, heard } = await attacked(t)
    for (let circuit = 0; circuit < 5_000; circuit++) say({ type: 'close', circuit })
    say({ type: 'bytes', circuit: 7, payload: randomBytes(16_000) })
    say({ type: 'ack', circuit: 7, bytes: 5 })
    say({ type: 'accept', circuit: 8 })
    stream.write(Uint8Array.of(1, 0, 42))
    await settle(seen.until(() => seen.frames.length === 2))
    assert.deepEqual([seen.closes, heard], [0, []])
  })

  it('a relay that refuses, and one that accepts and talks nonsense, cost the dial and no more', async (t) => {
    const { victim, stream, seen, say, heard, relayKey } = await attacked(t)
    const answers: ((circuit: number) => void)[] = [
      (circuit) => say({ type: 'close', circuit }),
      (circuit) => {
        say({ type: 'accept', circuit })
        say({ type: 'bytes', circuit, payload: randomBytes(16_000) })
      },
      (circuit) => {
        say({ type: 'accept', circuit })
        say({ type: 'accept', circuit })
      },
    ]
    for (const [index, answer] of answers.entries()) {
      victim.dial(publicKey, { through: relayKey })
      const opens = (): CircuitMessage[] => heard.filter(({ type }) => type === 'open')
      await until(() => opens().length === index + 1)
      answer(opens()[index]?.circuit as number)
      await settle(seen.until(() => seen.failures.length === index + 1))
    }
    stream.write(Uint8Array.of(1, 0, 42))
    await settle(seen.until(() => seen.frames.length === 2))
    assert.deepEqual([seen.closes, seen.links.length], [0, 1])
    assert.ok(seen.failures.every(({ wasRefused }) => !wasRefused))
  })

  it('a dial that is dropped ends its circuit, and who can be reached directly is not sought through a relay', async (t) => {
    const { victim, dht, seen, heard, relayKey } = await attacked(t)
    victim.dial(publicKey, { through: relayKey })
    await until(() => heard.length === 1)
    victim.drop(publicKey)
    await until(() => heard.length === 2)
    assert.deepEqual(heard[1], { type: 'close', circuit: heard[0]?.circuit })
    const other = makeTransport(bootstrap)
    t.after(() => other.close())
    const seenByOther = await record(other, HELLO)
    ;(await connect(dht, other.keyPair.publicKey)).destroy() // it can be found now
    victim.dial(other.keyPair.publicKey, { through: relayKey })
    await settle(seenByOther.until(() => seenByOther.links.length === 1))
    assert.equal(heard.length, 2, 'the relay was not asked')
    await settle(seen.until(() => seen.links.length === 2))
    assert.deepEqual([seenByOther.links[0]?.isRelayed, seen.links[1]?.isRelayed], [false, false])
  })

  it('where a direct dial crosses one through a relay the direct one stays, whoever has which key', async (t) => {
    for (const [own, theirs] of bothOrders()) {
      const { victim, dht, seen, heard, say, relayKey } = await attacked(t, own)
      const far = createCircuitNode(systemClock, () => true, theirs)
      const farPeer = addBarePeer(far, systemClock)
      victim.dial(theirs.publicKey, { through: relayKey })
      await until(() => heard.length === 1)
      const circuit = heard[0]?.circuit as number
      say({ type: 'accept', circuit })
      farPeer.say({ type: 'invite', circuit: 1, publicKey: own.publicKey })
      bridge(t, { heard, say, circuit }, { ...farPeer, circuit: 1 })
      await until(() => far.arrived.length === 1) // the victim has dialed, and waits for its channel
      const direct = await connect(dht, own.publicKey, { keyPair: theirs })
      direct.write(concat(opening(1, 'shoal/1'), HELLO))
      await settle(seen.until(() => seen.links.length === 2))
      assert.deepEqual([seen.links[1]?.isRelayed, seen.links[1]?.isInitiator], [false, false])
    }
  })

  it('a dialer through a relay is refused while a direct dial to it is open, whoever has which key', async (t) => {
    for (const [own, theirs] of bothOrders()) {
      const all = await attacked(t, own)
      const { victim, dht, seen, heard } = all
      const dialed: NoiseStream[] = []
      const server = dht.createServer({}, (stream) => {
        dialed.push(stream.on('error', () => {}).on('data', () => {}))
      })
      await server.listen(theirs)
      victim.dial(theirs.publicKey)
      await until(() => dialed.length === 1)
      const { relayed } = await callThrough(t, all, theirs)
      const end = closed(relayed)
      await until(() => heard.some(({ type }) => type === 'close'))
      relayed.destroy()
      await end
      dialed[0]?.write(concat(opening(1, 'shoal/1'), HELLO))
      await settle(seen.until(() => seen.links.length === 2))
      assert.deepEqual([seen.links[1]?.isRelayed, seen.links[1]?.isInitiator], [false, true])
    }
  })

  it('a direct dial that succeeds late takes the place of the relayed link that came meanwhile', async (t) => {
    const all = await attacked(t)
    const { victim, dht, seen } = all
    const theirs = keyPairFromSeed(randomBytes(32))
    let answer = (): void => {}
    let isAsked = false
    const gate = new Promise<boolean>((resolve) => (answer = () => resolve(false)))
    const firewall = (): Promise<boolean> => {
      isAsked = true
      return gate
    }
    const dialed: NoiseStream[] = []
    const server = dht.createServer({ firewall }, (stream) => {
      dialed.push(stream.on('error', () => {}).on('data', () => {}))
    })
    await server.listen(theirs)
    victim.dial(theirs.publicKey)
    await until(() => isAsked)
    await callThrough(t, all, theirs)
    await settle(seen.until(() => seen.links.length === 2))
    answer()
    await until(() => dialed.length === 1)
    dialed[0]?.write(concat(opening(1, 'shoal/1'), HELLO))
    await settle(seen.until(() => seen.links.length === 3))
    assert.deepEqual(
      seen.links.map((link) => link.isRelayed),
      [false, true, false],
    )
    assert.equal(seen.closes, 1)
  })

  it('a relayed link carries no others, whatever its far end opens', async (t) => {
    const all = await attacked(t)
    const { seen } = all
    const { relayed } = await callThrough(t, all, keyPairFromSeed(randomBytes(32)))
    const told: Uint8Array[] = []
    relayed.on('data', (message: Uint8Array) => told.push(Uint8Array.from(message)))
    await settle(seen.until(() => seen.links.length === 2))
    relayed.write(opening(2, 'shoal/relay/1'))
    relayed.write(Uint8Array.of(1, 0, 42))
    await settle(seen.until(() => seen.frames.length === 2))
    seen.links[1]?.send(Uint8Array.of(43))
    await until(() => told.some((message) => message.at(-1) === 43))
    const said = Buffer.concat(told).toString('latin1')
    assert.deepEqual([said.includes('shoal/1'), said.includes('shoal/relay')], [true, false])
  })

  it('a relayed link whose far end falls silent ends, and its circuit with it', async (t) => {
    const all = await attacked(t)
    const { seen, heard } = all
    const { stop } = await callThrough(t, all, keyPairFromSeed(randomBytes(32)))
    await settle(seen.until(() => seen.links.length === 2))
    stop()
    await settle(seen.until(() => seen.closes === 1))
    await until(() => heard.some(({ type }) => type === 'close'))
    all.stream.write(Uint8Array.of(1, 0, 42))
    await settle(seen.until(() => seen.frames.length === 2))
  })

  it('a direct link takes the place of one through a relay', async (t) => {
    const { relay, a, b } = await createRelayed(bootstrap)
    t.after(() => Promise.all([a, b, relay].map((one) => one.close())))
    const seen = await record(a, HELLO)
    await record(b, HELLO)
    await settle(seen.until(() => seen.links.length === 1))
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    t.after(() => dht.destroy({ force: true }))
    const stream = await connect(dht, a.keyPair.publicKey, { keyPair: b.keyPair })
    stream.write(concat(opening(1, 'shoal/1'), HELLO))
    await settle(seen.until(() => seen.links.length === 2))
    const [first, second] = seen.links as [Link, Link]
    assert.deepEqual([first.isRelayed, second.isRelayed, seen.closes], [true, false, 1])
    assert.notDeepEqual(first.channelBinding, second.channelBinding)
    assert.deepEqual([first.remoteHost, first.rttMs], [undefined, undefined])
  })
})
