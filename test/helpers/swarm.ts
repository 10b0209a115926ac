/**
 * Real nodes on a private DHT on loopback: RocksDB in temporary folders, hyperswarm, real time.
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseUri } from '../../src/keys/uri.ts'
import { createNode } from '../../src/node.ts'
import type { FetchOptions, InsertOptions, InsertResult, Node } from '../../src/node.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import { readAll } from './cluster.ts'

const HOST = '127.0.0.1'
const STORE_BYTES = 128 * 1024 * 1024
const POLL_MS = 50

export interface Swarm {
  /** A node in a folder of its own, or again in that of one that was closed. */
  add(dataDir?: string): Promise<{ node: Node; dataDir: string }>
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
  return {
    async add(dataDir) {
      const folder = dataDir ?? (await newFolder())
      const node = await createNode({
        dataDir: folder,
        storeBytes: STORE_BYTES,
        network: 'swarm-test',
        connect: { bootstrap: [{ host: HOST, port: entry.port }], listenHost: HOST },
      })
      nodes.push(node)
      return { node, dataDir: folder }
    },
    async close() {
      for (const node of nodes) await node.close()
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
