/**
 * Twelve real nodes on a DHT of their own: they join, leave, come back, part and meet again; and a
 * private network that has nothing to say to a stranger.
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import DHT from 'hyperdht'
import type { NoiseStream } from 'hyperdht'
import { equals } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import type { Node } from '../../src/node.ts'
import { NO_PROOF, createHandshake } from '../../src/routing/handshake.ts'
import { decodePeers } from '../../src/routing/net/peer-cache.ts'
import type { Transport } from '../../src/routing/net/transport.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { randomContent } from '../helpers/cluster.ts'
import { neighborShare } from '../helpers/ring.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { createSwarm, insertAndSpread, read, until } from '../helpers/swarm.ts'

const NODES = 12
const HOST = '127.0.0.1'
const seed = seedFromEnvironment()
const at = `seed ${seed}`

test('twelve nodes link all with all, close ranks when two leave, and take one back that remembers them', async (t) => {
  const swarm = await createSwarm()
  t.after(() => swarm.close())
  const kept = await swarm.add()
  const others: Node[] = []
  for (let count = 1; count < NODES; count++) others.push((await swarm.addInMemory()).node)
  const all = [kept.node, ...others]
  await until(() => all.every((node) => node.status().peers === NODES - 1))
  for (const node of all) {
    assert.equal(neighborShare(node, all, 4), 1)
    const { estimatedNodes, links } = node.status().ring
    assert.ok(estimatedNodes !== undefined && estimatedNodes >= 2)
    assert.equal(links.length, NODES - 1)
  }
  await readsElsewhere(others, seed)

  const [leaving, staying] = [others[10] as Node, others.slice(0, 10)]
  await Promise.all([kept.node.close(), leaving.close()])
  await until(() => staying.every((node) => node.status().peers === NODES - 3))
  // what all copies have left with is gone: what is inserted now has its copies with those that stay
  const [content, uri] = await readsElsewhere(staying, seed + 1)

  const path = join(kept.dataDir, 'peers')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal(decodePeers(await readFile(path))?.length, NODES - 1)
  const again = await swarm.add(kept.dataDir)
  await until(() => [again.node, ...staying].every((node) => node.status().peers === NODES - 2))
  assert.deepEqual(await read(again.node, uri), content, at)
})

/** What the first of some nodes inserts the sixth of them reads. */
async function readsElsewhere(
  nodes: readonly Node[],
  contentSeed: number,
): Promise<readonly [Uint8Array, string]> {
  const content = randomContent(300_000, contentSeed)
  const uri = await insertAndSpread(nodes[0] as Node, content)
  assert.deepEqual(await read(nodes[5] as Node, uri), content, at)
  return [content, uri]
}

/** Whom a node can reach, as the test says. */
class Wall {
  readonly #behind: Uint8Array[] = []
  readonly #transports: { transport: Transport; isBehind: boolean }[] = []
  isUp = false

  /** `isBehind`: on the far side. Its key is told by `put`, as it is made later. */
  wrap(isBehind: boolean): (transport: Transport) => Transport {
    return (transport) => {
      this.#transports.push({ transport, isBehind })
      return {
        ...methodsOf(transport),
        open: (handlers) =>
          transport.open({
            ...handlers,
            onlink: (link) =>
              this.#parts(isBehind, link.remotePublicKey) ? undefined : handlers.onlink(link),
          }),
      }
    }
  }

  put(publicKey: Uint8Array): void {
    this.#behind.push(publicKey)
  }

  /** Ends what passes it. */
  raise(all: readonly Uint8Array[]): void {
    this.isUp = true
    for (const { transport, isBehind } of this.#transports) {
      for (const key of all) if (this.#parts(isBehind, key)) transport.drop(key)
    }
  }

  #parts(isBehind: boolean, publicKey: Uint8Array): boolean {
    return this.isUp && isBehind !== this.#behind.some((key) => equals(key, publicKey))
  }
}

function methodsOf(transport: Transport): Transport {
  return {
    open: (handlers) => transport.open(handlers),
    dial: (publicKey, options) => transport.dial(publicKey, options),
    drop: (publicKey) => transport.drop(publicKey),
    seek: (topics) => transport.seek(topics),
    close: () => transport.close(),
  }
}

test('a node that no rendezvous helps and nobody dials is back by what it remembers', async (t) => {
  const swarm = await createSwarm()
  t.after(() => swarm.close())
  const dataDir = await swarm.newFolder()
  const identitySeed = randomBytes(32)
  const { publicKey } = keyPairFromSeed(identitySeed)
  let isForgotten = false
  const others: Node[] = []
  const forgets = (transport: Transport): Transport => ({
    ...methodsOf(transport),
    dial: (key, options) => {
      if (!isForgotten || !equals(key, publicKey)) transport.dial(key, options)
    },
  })
  for (let count = 0; count < 3; count++) {
    others.push((await swarm.addInMemory({ wrap: forgets })).node)
  }
  const { node } = await swarm.addInMemory({ dataDir, identitySeed })
  await until(() => [node, ...others].every((one) => one.status().peers === 3))
  isForgotten = true
  await node.close()
  await until(() => others.every((one) => one.status().peers === 2))
  const findsNobody = (transport: Transport): Transport => ({
    ...methodsOf(transport),
    open: (handlers) => transport.open({ ...handlers, onfound: () => {} }),
  })
  const again = await swarm.addInMemory({ dataDir, identitySeed, wrap: findsNobody })
  await until(() => again.node.status().peers === 3)
})

test('a network that was parted is one again, and each half learns what the other inserted', async (t) => {
  const swarm = await createSwarm()
  t.after(() => swarm.close())
  const wall = new Wall()
  const members: { node: Node; publicKey: Uint8Array }[] = []
  for (let count = 0; count < NODES; count++) {
    const isBehind = count >= NODES / 2
    const member = await swarm.addInMemory({ wrap: wall.wrap(isBehind) })
    if (isBehind) wall.put(member.publicKey)
    members.push(member)
  }
  const nodes = members.map(({ node }) => node)
  await until(() => nodes.every((node) => node.status().peers === NODES - 1))
  wall.raise(members.map(({ publicKey }) => publicKey))
  await until(() => nodes.every((node) => node.status().peers === NODES / 2 - 1))
  const contents = [randomContent(50_000, seed), randomContent(50_000, seed + 1)]
  const uris = [
    await insertAndSpread(nodes[0] as Node, contents[0] as Uint8Array),
    await insertAndSpread(nodes[NODES - 1] as Node, contents[1] as Uint8Array),
  ]
  wall.isUp = false
  await until(() => nodes.every((node) => node.status().peers === NODES - 1))
  for (const [index, uri] of uris.entries()) {
    const reader = nodes[index === 0 ? NODES - 2 : 1] as Node
    assert.deepEqual(await read(reader, uri), contents[index], at)
  }
})

test('a private network links its own, and a stranger who dials hears nothing', async (t) => {
  const swarm = await createSwarm()
  t.after(() => swarm.close())
  const networkKey = randomBytes(32)
  const own = [await swarm.addInMemory({ networkKey }), await swarm.addInMemory({ networkKey })]
  const strangers = [
    await swarm.addInMemory(),
    await swarm.addInMemory({ networkKey: randomBytes(32) }),
  ]
  await until(() => own.every(({ node }) => node.status().peers === 1))
  const { publicKey } = own[0] as (typeof own)[number]
  const dht = new DHT({ bootstrap: swarm.bootstrap, host: HOST, firewalled: false })
  t.after(() => dht.destroy({ force: true }))
  const keyPair = keyPairFromSeed(randomBytes(32))
  for (const key of [undefined, randomBytes(32)]) {
    const stream = dht.connect(Buffer.from(publicKey), { keyPair })
    const heard = listen(stream)
    await new Promise((resolve) => stream.on('open', resolve))
    const definition = networkDefinition('swarm-test', key)
    const ends = { remotePublicKey: publicKey, channelBinding: stream.handshakeHash }
    const theirs = { definition, publicKey: keyPair.publicKey, proof: NO_PROOF }
    const handshake = createHandshake(theirs, { ...ends, isInitiator: true })
    const opening = [0, 1, 1, 7, ...Buffer.from('shoal/1'), 0]
    stream.write(Buffer.from([...opening, ...handshake]))
    assert.deepEqual(await heard, [], 'not a byte')
  }
  await sleep(200)
  for (const { node } of strangers) assert.equal(node.status().peers, 0)
  for (const { node } of own) assert.equal(node.status().peers, 1)
})

/** What comes on a stream until it ends, keep-alives left out. */
function listen(stream: NoiseStream): Promise<Uint8Array[]> {
  const heard: Uint8Array[] = []
  stream.on('error', () => {})
  stream.on('data', (message: Uint8Array) => {
    if (message.length > 0) heard.push(message)
  })
  return new Promise((resolve) => {
    stream.on('close', () => resolve(heard))
  })
}
