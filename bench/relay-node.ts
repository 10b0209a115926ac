/**
 * One process of the relay benchmark as a node: the real driver, router and links on hyperswarm, with a
 * store in memory. Links only with those it is told to, so that blocks go from the sender by way of the
 * relay to the receiver, and only there.
 * @module
 */
import { createMemoryStore } from '../src/datastore/memory-store.ts'
import { contentAddress, homePosition, toBlock } from '../src/keys/block.ts'
import type { Address, Block } from '../src/keys/block.ts'
import { equals } from '../src/keys/bytes.ts'
import { keyPairFromSeed, randomBytes } from '../src/keys/primitives.ts'
import type { KeyPair } from '../src/keys/primitives.ts'
import { Driver } from '../src/routing/net/driver.ts'
import { createHyperswarmTransport } from '../src/routing/net/hyperswarm.ts'
import type { Transport } from '../src/routing/net/transport.ts'
import { networkDefinition } from '../src/routing/network.ts'
import { RING, distance, networkTopic, nodePosition } from '../src/routing/position.ts'
import { NO_PROOF } from '../src/routing/handshake.ts'
import { createSystemRng, silentLogger, systemClock } from '../src/runtime.ts'

const HOST = '127.0.0.1'
const BLOCK_BYTES = 32_768
const NETWORK = networkDefinition('bench-relay')
/** Fetches under way at a time. */
const WINDOW = 64
const POLL_MS = 20
const SAMPLES = 1000

export type Role = 'sender' | 'relay' | 'receiver'
/** One seed a role, hex. */
export type Seeds = Readonly<Record<Role, string>>

export interface RelayNode {
  readonly driver: Driver
  readonly put: (block: Block) => Promise<void>
  /** Resolves when it has all its links. */
  readonly linked: () => Promise<void>
}

/** Starts the node of `role`; resolves when it listens. */
export async function startRelayNode(role: Role, seeds: Seeds, port: number): Promise<RelayNode> {
  const rng = createSystemRng()
  const quotaBytes = (role === 'sender' ? 1024 : 64) * 1024 * 1024
  const { blocks: store } = createMemoryStore({ quotaBytes, rng })
  const keyPair = keyPairOf(seeds, role)
  const transport = createHyperswarmTransport({
    keyPair,
    topic: networkTopic(NETWORK.hash),
    bootstrap: [{ host: HOST, port }],
    listenHost: HOST,
    logger: silentLogger,
  })
  const allowed = (role === 'relay' ? (['sender', 'receiver'] as const) : (['relay'] as const)).map(
    (name) => keyOf(seeds, name),
  )
  const driver = new Driver({
    definition: NETWORK,
    publicKey: keyPair.publicKey,
    transport: onlyWith(transport, allowed),
    store,
    clock: systemClock,
    rng,
    logger: silentLogger,
  })
  await driver.open()
  return {
    driver,
    put: async (block) => {
      await store.put({ address: contentAddress(block), home: 0, block, area: 'store', link: 0 })
    },
    linked: async () => {
      while (driver.peers < allowed.length) await new Promise((next) => setTimeout(next, POLL_MS))
    },
  }
}

/** Seeds for three nodes that lie so that of all blocks a fifth would take this way. */
export function drawSeeds(): Seeds {
  const rng = createSystemRng()
  for (;;) {
    const draw = (): string => Buffer.from(randomBytes(32)).toString('hex')
    const seeds = { sender: draw(), relay: draw(), receiver: draw() }
    const isOnWay = wayOf(seeds)
    const samples = Array.from({ length: SAMPLES }, () => rng.below(RING))
    if (samples.filter(isOnWay).length > SAMPLES / 5) return seeds
  }
}

/** Blocks for which the relay is nearer than the receiver, and the sender nearer still. */
export function* relayedBlocks(
  seeds: Seeds,
  count: number,
): Generator<{ address: Address; block: Block }> {
  const isOnWay = wayOf(seeds)
  let made = 0
  for (let number = 0; made < count; number++) {
    const block = toBlock(new Uint8Array(BLOCK_BYTES).fill(number % 251))
    new DataView(block.buffer).setFloat64(0, number)
    const address = contentAddress(block)
    if (!isOnWay(homePosition(address, 0))) continue
    made++
    yield { address, block }
  }
}

/** Whether a position is nearest to the sender and farthest from the receiver. */
function wayOf(seeds: Seeds): (home: number) => boolean {
  const [sender, relay, receiver] = (['sender', 'relay', 'receiver'] as const).map((role) =>
    nodePosition(NETWORK.hash, keyOf(seeds, role), NO_PROOF),
  ) as [number, number, number]
  return (home) => {
    const away = distance(relay, home)
    return distance(sender, home) < away && away < distance(receiver, home)
  }
}

/** Fetches all of them, some at a time; resolves to the time it took, ms. */
export async function fetchAll(driver: Driver, addresses: readonly Address[]): Promise<number> {
  const startMs = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    for (let address = addresses[next++]; address !== undefined; address = addresses[next++]) {
      const { type } = await driver.fetch(address, { homes: [0] })
      if (type !== 'found') throw new Error(`a block was ${type}`)
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, worker))
  return performance.now() - startMs
}

/** The key pair of `role`. */
export function keyPairOf(seeds: Seeds, role: Role): KeyPair {
  return keyPairFromSeed(Buffer.from(seeds[role], 'hex'))
}

function keyOf(seeds: Seeds, role: Role): Uint8Array {
  return keyPairOf(seeds, role).publicKey
}

/** The transport, as if nobody else were there. */
function onlyWith(transport: Transport, allowed: readonly Uint8Array[]): Transport {
  const isAllowed = (key: Uint8Array): boolean => allowed.some((each) => equals(each, key))
  let onfailed: (publicKey: Uint8Array) => void = () => {}
  return {
    async open(handlers) {
      onfailed = (publicKey) => handlers.onfailed(publicKey, true)
      await transport.open({
        handshake: (of) => handlers.handshake(of),
        onlink: (link) => (isAllowed(link.remotePublicKey) ? handlers.onlink(link) : undefined),
        onfound: (publicKey, topic) => {
          if (isAllowed(publicKey)) handlers.onfound(publicKey, topic)
        },
        onfailed: (publicKey, wasRefused) => handlers.onfailed(publicKey, wasRefused),
      })
      // one that is no node announces itself under no topic
      for (const key of allowed) handlers.onfound(key)
    },
    dial(publicKey, options) {
      if (isAllowed(publicKey)) transport.dial(publicKey, options)
      else setImmediate(onfailed, publicKey)
    },
    drop: (publicKey) => transport.drop(publicKey),
    seek: (topics) => transport.seek(topics),
    close: () => transport.close(),
  }
}
