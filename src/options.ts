/**
 * Every option and default of a node, each with its unit and reason. No other file holds a default.
 * @module
 */
import { ShoalError } from './errors.ts'
import type { StorePair } from './datastore/store.ts'
import type { Clock, Logger, Rng } from './runtime.ts'
import type { Transport } from './routing/net/transport.ts'
import type { NetworkDefinition } from './routing/network.ts'

const GIB = 1024 ** 3
const MIB = 1024 ** 2

/** What most laptops can lend without noticing; Freenet's wizard proposes the same order. */
export const DEFAULT_STORE_BYTES = 10 * GIB
/** Below this the fixed reserve for index and logs would leave no room for blocks. */
export const MIN_STORE_BYTES = 64 * MIB
/** Slot numbers are u32 and the index is sized for it: 2^32 slots of 32 KiB would be 128 TiB. */
export const MAX_STORE_BYTES = 64 * 1024 * GIB
/** Blocks this node's own readers fetched, in memory only: a film's seeks and reloads. */
export const DEFAULT_READ_CACHE_BYTES = 64 * MIB
/** A person waits about this long for a page before leaving it. */
export const FIRST_BYTE_TIMEOUT_MS = 10_000
export const DEFAULT_NETWORK = 'shoal'
/** Length of the key that the nodes of a private network share. */
export const NETWORK_KEY_BYTES = 32

export interface NodeOptions {
  /** Directory of everything the node keeps; created if absent. Undefined: memory only. */
  readonly dataDir?: string
  /**
   * Hard ceiling over the data directory, bytes, MIN_STORE_BYTES to MAX_STORE_BYTES. Undefined: what the
   * directory was made or resized with, DEFAULT_STORE_BYTES for a new one. Another size than it has is a
   * resize that goes on in the background.
   */
  readonly storeBytes?: number
  /** Opens `store.key` where that is wrapped in one; 1 to 1,024 bytes of UTF-8. */
  readonly passphrase?: string
  /** Name of the network: nodes of other networks are refused. 1 to 64 characters a-z 0-9 - . */
  readonly network?: string
  /**
   * Makes the network a private one: 32 random bytes that all its nodes share. Nodes without them learn
   * nothing but that a node is there, and get no answer. A secret.
   */
  readonly networkKey?: Uint8Array
  /** Gives up opening the node. */
  readonly signal?: AbortSignal
  /** Memory for what own readers fetched, bytes; 0 turns it off. */
  readonly readCacheBytes?: number
  /** How to reach other nodes; undefined: not at all. */
  readonly connect?: ConnectOptions
  /** Swaps parts for others of the same contract: the seam that tests use. */
  readonly parts?: Partial<Parts>
}

export interface ConnectOptions {
  /** Entry points of the DHT; undefined: the public one. */
  readonly bootstrap?: readonly { readonly host: string; readonly port: number }[]
  /** Address to bind to. Given, the node takes itself to be reachable there (not firewalled). */
  readonly listenHost?: string
}

export interface Parts {
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  readonly store: StorePair
  /** Takes the place of what `connect` would make. */
  readonly transport: Transport
  /** Takes the place of what `network` and `networkKey` define: of another puzzle, say. */
  readonly definition: NetworkDefinition
  /** 32-byte seed of the node's identity; default: kept in the data directory. */
  readonly identitySeed: Uint8Array
}

export interface ResolvedOptions {
  readonly dataDir: string | undefined
  readonly storeBytes: number | undefined
  readonly passphrase: string | undefined
  readonly network: string
  readonly networkKey: Uint8Array | undefined
  readonly signal: AbortSignal | undefined
  readonly readCacheBytes: number
  readonly connect: ConnectOptions | undefined
  readonly parts: Partial<Parts>
}

/** Checks everything once. @throws ShoalError E_OPTION naming the option, its value and its range. */
export function resolveOptions(options: NodeOptions): ResolvedOptions {
  const { dataDir, connect, storeBytes, passphrase, networkKey, signal, parts = {} } = options
  if (storeBytes !== undefined) within('storeBytes', storeBytes, MIN_STORE_BYTES, MAX_STORE_BYTES)
  const readCacheBytes = options.readCacheBytes ?? DEFAULT_READ_CACHE_BYTES
  within('readCacheBytes', readCacheBytes, 0, 4 * GIB)
  const network = options.network ?? DEFAULT_NETWORK
  if (!/^[a-z0-9.-]{1,64}$/.test(network)) {
    throw new ShoalError('E_OPTION', 'network: 1 to 64 characters, a-z 0-9 . and - only')
  }
  if (networkKey !== undefined && networkKey.length !== NETWORK_KEY_BYTES) {
    throw new ShoalError('E_OPTION', `networkKey: ${NETWORK_KEY_BYTES} bytes`)
  }
  return Object.freeze({
    dataDir,
    connect,
    storeBytes,
    passphrase,
    network,
    networkKey,
    signal,
    readCacheBytes,
    parts,
  })
}

function within(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new ShoalError('E_OPTION', `${name}: a whole number from ${least} to ${most}, not ${value}`)
}
