/**
 * Real nodes on a private DHT on loopback: RocksDB in temporary folders, hyperswarm, real time.
 * @module
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DhtAddress } from 'hyperdht'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { createNode } from '../../src/node.ts'
import type { FetchOptions, InsertOptions, InsertResult, Node } from '../../src/node.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import { createHyperswarmTransport } from '../../src/routing/net/hyperswarm.ts'
import type { Transport } from '../../src/routing/net/transport.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import { networkTopic } from '../../src/routing/position.ts'
import { silentLogger } from '../../src/runtime.ts'
import { readAll } from './cluster.ts'

const HOST = '127.0.0.1'
const NETWORK = 'swarm-test'
const STORE_BYTES = 128 * 1024 * 1024
const POLL_MS = 50

export interface Swarm {
  /** Entry point of its DHT. */
  readonly bootstrap: readonly DhtAddress[]
  /** A node in a folder of its own, or again in that of one that was closed. */
  add(dataDir?: string): Promise<{ node: Node; dataDir: string }>
  /** A node that keeps everything in memory, or in `dataDir`; `wrap` stands between it and its transport. */
  addInMemory(options?: {
    networkKey?: Uint8Array
    identitySeed?: Uint8Array
    dataDir?: string
    wrap?: (transport: Transport) => Transport
  }): Promise<{ node: Node; publicKey: Uint8Array }>
  /** A folder that goes with the swarm. */
  newFolder(): Promise<string>
  close(): Promise<void>
}

export async function createSwarm(): Promise<Swarm> {
  const entry = await startBootstrap({ host: HOST, port: 0 })
  const nodes: Node[] = []
  const folders: string[] = []
  const newFolder = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-swarm-'))
    folders.push(folder)
    return folder
  }
  const bootstrap = [{ host: HOST, port: entry.port }]
  return {
    bootstrap,
    newFolder,
    async addInMemory({ networkKey, dataDir, ...options } = {}) {
      const { identitySeed = randomBytes(32), wrap = (transport) => transport } = options
      const keyPair = keyPairFromSeed(identitySeed)
      const topic = networkTopic(networkDefinition(NETWORK, networkKey).hash)
      const how = { keyPair, topic, bootstrap, listenHost: HOST, logger: silentLogger }
      const node = await createNode({
        network: NETWORK,
        ...(networkKey !== undefined && { networkKey }),
        ...(dataDir !== undefined && { dataDir }),
        storeBytes: STORE_BYTES,
        parts: { identitySeed, transport: wrap(createHyperswarmTransport(how)) },
      })
      nodes.push(node)
      return { node, publicKey: Uint8Array.from(keyPair.publicKey) }
    },
    async add(dataDir) {
      const folder = dataDir ?? (await newFolder())
      const node = await createNode({
        dataDir: folder,
        storeBytes: STORE_BYTES,
        network: NETWORK,
        connect: { bootstrap, listenHost: HOST },
      })
      nodes.push(node)
      return { node, dataDir: folder }
    },
    async close() {
      await Promise.all(nodes.map((node) => node.close()))
      await entry.close()
      for (const folder of folders) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits for a state; the test runner's time-out is the limit. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(POLL_MS)
}

export async function insert(
  node: Node,
  bytes: Uint8Array,
  options?: InsertOptions,
): Promise<InsertResult> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  }
  return node.insert(pieces(), options)
}

export async function insertAndSpread(node: Node, bytes: Uint8Array): Promise<string> {
  const { uri, insertId } = await insert(node, bytes)
  await until(() => {
    const status = node.insertStatus(insertId)
    return status?.spreadBlocks === status?.blocks
  })
  return uri
}

export async function read(node: Node, uri: string, options?: FetchOptions): Promise<Uint8Array> {
  const outcome = await node.fetch(parseUri(uri), options)
  if (outcome.type !== 'found') throw new Error(outcome.type)
  return readAll(outcome.stream)
}
