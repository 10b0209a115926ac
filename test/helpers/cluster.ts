/**
 * Whole nodes in one process: memory transport, memory store, simulated clock, one seed.
 * @module
 */
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { createNode } from '../../src/node.ts'
import type {
  FetchOptions,
  FetchOutcome,
  InsertOptions,
  InsertResult,
  Node,
  PublishOptions,
  PublishResult,
} from '../../src/node.ts'
import { createMemoryNetwork } from '../../src/routing/net/memory.ts'
import type { MemoryNetwork } from '../../src/routing/net/memory.ts'
import type { Rng } from '../../src/runtime.ts'
import { createSimulatedClock } from './clock.ts'
import type { SimulatedClock } from './clock.ts'
import { folderItems } from './folder.ts'
import type { Files } from './folder.ts'
import { createSeededRng } from './rng.ts'

export interface ClusterNode {
  readonly node: Node
  readonly store: StorePair
  readonly publicKey: Uint8Array
  readonly identitySeed: Uint8Array
}

export interface Cluster {
  readonly clock: SimulatedClock
  readonly rng: Rng
  readonly network: MemoryNetwork
  readonly nodes: ClusterNode[]
  /** One more node; `store` and `identitySeed` of one that was closed make it a restart. */
  add(options?: {
    store?: StorePair
    identitySeed?: Uint8Array
    networkName?: string
    networkKey?: Uint8Array
    storeBytes?: number
  }): Promise<ClusterNode>
  /** The n-th node, from 0. */
  at(index: number): Node
  insert(node: Node, bytes: Uint8Array, options?: InsertOptions): Promise<InsertResult>
  fetch(node: Node, uri: string, options?: FetchOptions): Promise<FetchOutcome>
  read(node: Node, uri: string, options?: FetchOptions): Promise<Uint8Array>
  /** Publishes a folder, and lets it spread. */
  publish(node: Node, files: Files, options: PublishOptions): Promise<PublishResult>
  /** Lets time pass until every block of the insert has its copies. */
  spread(node: Node, insertId: number): Promise<void>
  close(): Promise<void>
}

const STORE_BYTES = 64 * 1024 * 1024

export async function createCluster(options: {
  count: number
  seed: number
  latencyMs?: number
  lossRate?: number
}): Promise<Cluster> {
  const clock = createSimulatedClock()
  const rng = createSeededRng(options.seed)
  const { latencyMs = 10, lossRate = 0 } = options
  const network = createMemoryNetwork({ clock, rng, latencyMs, lossRate })
  const nodes: ClusterNode[] = []
  const cluster: Cluster = {
    clock,
    rng,
    network,
    nodes,
    async add({ store, identitySeed, networkName, networkKey, storeBytes = STORE_BYTES } = {}) {
      const seed = identitySeed ?? Uint8Array.from({ length: 32 }, () => rng.below(256))
      const { publicKey } = keyPairFromSeed(seed)
      const pair = store ?? createMemoryStore({ quotaBytes: storeBytes, rng })
      const node = await createNode({
        network: networkName ?? 'test',
        ...(networkKey !== undefined && { networkKey }),
        parts: {
          clock,
          rng,
          store: pair,
          identitySeed: seed,
          transport: network.transport(publicKey),
        },
      })
      const added = { node, store: pair, publicKey, identitySeed: seed }
      nodes.push(added)
      return added
    },
    at: (index) => (nodes[index] as ClusterNode).node,
    insert: (node, bytes, insertOptions) =>
      clock.runUntilSettled(node.insert(inPieces(bytes), insertOptions)),
    fetch: (node, uri, fetchOptions) =>
      clock.runUntilSettled(node.fetch(parseUri(uri), fetchOptions)),
    async read(node, uri, fetchOptions) {
      const outcome = await cluster.fetch(node, uri, fetchOptions)
      if (outcome.type !== 'found') throw new Error(outcome.type)
      return clock.runUntilSettled(readAll(outcome.stream))
    },
    async publish(node, files, publishOptions) {
      const source = { type: 'folder', items: folderItems(files) } as const
      const result = await clock.runUntilSettled(node.publish(source, publishOptions))
      await cluster.spread(node, result.insertId)
      return result
    },
    async spread(node, insertId) {
      for (let seconds = 0; seconds < 300; seconds++) {
        const status = node.insertStatus(insertId)
        if (status?.spreadBlocks === status?.blocks) return
        await clock.runFor(1000)
      }
      throw new Error('the insert does not spread')
    },
    async close() {
      for (const { node } of nodes) await clock.runUntilSettled(node.close())
    },
  }
  for (let index = 0; index < options.count; index++) await cluster.add()
  await clock.runFor(1000)
  return cluster
}

/** `length` bytes that repeat nowhere, the same for the same seed. */
export function randomContent(length: number, seed: number): Uint8Array {
  const rng = createSeededRng(seed)
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 5) {
    let value = rng.below(2 ** 40)
    for (let i = at; i < Math.min(at + 5, length); i++) {
      bytes[i] = value & 0xff
      value = Math.floor(value / 256)
    }
  }
  return bytes
}

export async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return new Uint8Array(Buffer.concat(pieces))
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000)
}
