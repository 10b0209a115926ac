/**
 * A node on disk and on the network, from what the command line says.
 * @module
 */
import { createNode, type Node } from '../node.ts'
import type { Logger } from '../runtime.ts'
import type { HostPort } from './values.ts'

export interface StartNodeOptions {
  readonly dataDir: string
  /** Undefined: what the directory has, the default for a new one. */
  readonly storeBytes: number | undefined
  readonly passphrase: string | undefined
  readonly network: string
  /** 32 bytes that make the network a private one. */
  readonly networkKey: Uint8Array | undefined
  /** Entry points of the DHT; undefined: the public ones; `none`: no DHT, no peers. */
  readonly bootstrap: readonly HostPort[] | 'none' | undefined
  /** IPv4 address the DHT binds to, which then counts as reachable; undefined: all, asked for. */
  readonly listenHost: string | undefined
  readonly logger: Logger
  /** Gives up opening the node. */
  readonly signal: AbortSignal
}

/** @throws ShoalError E_STORE_IO, E_STORE_FULL, E_STORE_LOCKED, E_STORE_FORMAT, E_PASSPHRASE, E_OPTION. */
export function startNode(options: StartNodeOptions): Promise<Node> {
  const { dataDir, storeBytes, passphrase, network, networkKey, signal } = options
  const { bootstrap, listenHost, logger } = options
  const node = {
    dataDir,
    network,
    signal,
    ...(networkKey !== undefined && { networkKey }),
    ...(storeBytes !== undefined && { storeBytes }),
    ...(passphrase !== undefined && { passphrase }),
    parts: { logger },
  }
  if (bootstrap === 'none') return createNode(node)
  const connect = {
    ...(bootstrap !== undefined && { bootstrap }),
    ...(listenHost !== undefined && { listenHost }),
  }
  return createNode({ ...node, connect })
}
