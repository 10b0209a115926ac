/**
 * The composition root: opens the parts, wires them, closes them in reverse. The only file that knows
 * all of them, and no place for logic.
 * @module
 */
import { ShoalError } from './errors.ts'
import { loadIdentitySeed } from './identity.ts'
import { homesOf } from './content/blocks.ts'
import type { BlockSource } from './content/blocks.ts'
import { insertContent } from './content/insert.ts'
import { ReadCache } from './content/read-cache.ts'
import { fetchContent } from './content/serve.ts'
import { Spreader } from './content/spread.ts'
import { WindowShares } from './content/window.ts'
import { openDiskStore } from './datastore/disk-store.ts'
import { createMemoryStore } from './datastore/memory-store.ts'
import type { StorePair } from './datastore/store.ts'
import { keyPairFromSeed, randomBytes } from './keys/primitives.ts'
import type { KeyPair } from './keys/primitives.ts'
import type { ContentUri } from './keys/uri.ts'
import { resolveOptions } from './options.ts'
import type { NodeOptions, ResolvedOptions } from './options.ts'
import { Driver, ringFraction } from './routing/net/driver.ts'
import { createHyperswarmTransport } from './routing/net/hyperswarm.ts'
import type { Transport } from './routing/net/transport.ts'
import { networkHash, networkTopic } from './routing/position.ts'
import { createSystemRng, silentLogger, systemClock } from './runtime.ts'
import type { Clock, Logger, Rng } from './runtime.ts'
import { linkAbort } from './signals.ts'
import { VERSION } from './version.ts'

/** Bytes `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** How a request names its range before the size is known: RFC 9110 §14.1.2. */
export type RequestedRange =
  | { readonly type: 'from-to'; readonly first: number; readonly last: number | undefined }
  | { readonly type: 'suffix'; readonly length: number }

export type FetchOutcome =
  | {
      readonly type: 'found'
      /** Size of the whole content, bytes. */
      readonly size: number
      /** The part that `stream` carries; undefined: all of it (no range was asked for). */
      readonly range: ByteRange | undefined
      /** Content type from the manifest; undefined where it names none. */
      readonly contentType: string | undefined
      /** The bytes of the range, in order. Errors: E_DECODE, E_TIMEOUT. Cancel it to stop fetching. */
      readonly stream: ReadableStream<Uint8Array>
    }
  | { readonly type: 'unsatisfiable-range'; readonly size: number }
  | { readonly type: 'not-found' }
  | { readonly type: 'no-peers' }
  | { readonly type: 'timed-out' }

export interface FetchOptions {
  readonly range?: RequestedRange
  /** Only the size and type are wanted: `stream` is empty and no leaf is fetched. */
  readonly headOnly?: boolean
  /** Time until the first byte must be there, ms; default FIRST_BYTE_TIMEOUT_MS. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface InsertOptions {
  /** Last path segment of the URI, and where the content type comes from. */
  readonly name?: string
  /** Overrides the type derived from `name`. */
  readonly contentType?: string
  /** Null convergence secret: the same bytes give the same key, so others can confirm a known file. */
  readonly convergent?: boolean
  /** Bare content without a manifest, convergent: the URI is a standard `urn:eris:`. */
  readonly bare?: boolean
  readonly signal?: AbortSignal
}

export interface InsertResult {
  /** `CHK@…[/name]` or `urn:eris:…`. */
  readonly uri: string
  readonly size: number
  /** Content type in the manifest, else the one that the name gives, else application/octet-stream. */
  readonly type: string
  /** Number under which `insertStatus` tells how far the blocks have spread. */
  readonly insertId: number
}

export interface InsertStatus {
  /** Distinct blocks of the insert. */
  readonly blocks: number
  /** Those with every copy they want; all of them: "spread". */
  readonly spreadBlocks: number
  /** Peers connected now: with none, nothing spreads. */
  readonly peers: number
}

export interface NodeStatus {
  readonly version: string
  readonly network: string
  readonly peers: number
  /** Own ring position, in [0, 1). */
  readonly position: number
  readonly store: {
    readonly quotaBytes: number
    readonly usedBytes: number
    readonly blocks: number
  }
  readonly outbox: { readonly pendingBlocks: number }
}

/** What the gateway and library users see of a node. */
export interface Node {
  /**
   * Resolves when the first bytes are there or it is clear that they will not be. Throws E_DECODE for
   * content that is not what its key says, E_CLOSED; rejects with `signal.reason` when aborted.
   */
  fetch(uri: ContentUri, options?: FetchOptions): Promise<FetchOutcome>
  /**
   * Takes `content` to its end, holding at most a few blocks in memory, and resolves when the last
   * byte is safe in the outbox. On an error or abort everything it held is released. Throws
   * E_STORE_FULL, E_STORE_IO, E_CLOSED.
   */
  insert(content: AsyncIterable<Uint8Array>, options?: InsertOptions): Promise<InsertResult>
  /** undefined: no such insert, or finished long ago. */
  insertStatus(insertId: number): InsertStatus | undefined
  status(): NodeStatus
  close(): Promise<void>
}

/**
 * Opens a node: store, then network. @throws ShoalError E_OPTION, E_STORE_IO, E_STORE_LOCKED,
 * E_STORE_FULL where the disk cannot hold the store.
 */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  const resolved = resolveOptions(options)
  const { parts, dataDir } = resolved
  const clock = parts.clock ?? systemClock
  const rng = parts.rng ?? createSystemRng()
  const logger = parts.logger ?? silentLogger
  const store = parts.store ?? (await openStore(resolved, { clock, rng, logger }))
  try {
    const seed =
      parts.identitySeed ??
      (dataDir === undefined ? randomBytes(32) : await loadIdentitySeed(dataDir))
    const keyPair = keyPairFromSeed(seed)
    const transport = parts.transport ?? connect(resolved, keyPair, logger)
    const { network } = resolved
    const { publicKey } = keyPair
    const driver = new Driver({
      network,
      publicKey,
      transport,
      store: store.blocks,
      clock,
      rng,
      logger,
    })
    await driver.open()
    return new RunningNode({ resolved, store, driver, clock })
  } catch (error) {
    await store.blocks.close()
    throw error
  }
}

function openStore(
  { dataDir, storeBytes }: ResolvedOptions,
  runtime: { clock: Clock; rng: Rng; logger: Logger },
): Promise<StorePair> {
  if (dataDir !== undefined) return openDiskStore({ dataDir, storeBytes, ...runtime })
  return Promise.resolve(createMemoryStore({ quotaBytes: storeBytes, rng: runtime.rng }))
}

function connect(
  { connect: how, network }: ResolvedOptions,
  keyPair: KeyPair,
  logger: Logger,
): Transport | undefined {
  if (how === undefined) return undefined
  const topic = networkTopic(networkHash(network))
  const { bootstrap, listenHost } = how
  return createHyperswarmTransport({
    keyPair,
    topic,
    bootstrap,
    logger,
    ...(listenHost === undefined ? {} : { listenHost }),
  })
}

class RunningNode implements Node {
  readonly #resolved: ResolvedOptions
  readonly #store: StorePair
  readonly #driver: Driver
  readonly #clock: Clock
  readonly #spreader: Spreader
  readonly #readCache: ReadCache
  readonly #source: BlockSource
  readonly #shares = new WindowShares()
  readonly #closing = linkAbort([])
  #closed: Promise<void> | undefined

  constructor(parts: {
    resolved: ResolvedOptions
    store: StorePair
    driver: Driver
    clock: Clock
  }) {
    this.#resolved = parts.resolved
    this.#store = parts.store
    this.#driver = parts.driver
    this.#clock = parts.clock
    this.#readCache = new ReadCache(parts.resolved.readCacheBytes)
    this.#source = { getBlock: (address, options) => this.#getBlock(address, options) }
    this.#spreader = new Spreader({
      outbox: this.#store.outbox,
      clock: this.#clock,
      peers: () => this.#driver.peers,
      insertBlock: (address, block, options) => this.#driver.insert(address, block, options),
    })
    this.#driver.onPeer(() => {
      this.#spreader.retryNow()
    })
    this.#spreader.wake()
  }

  fetch(uri: ContentUri, options: FetchOptions = {}): Promise<FetchOutcome> {
    const signals = [this.#closing.signal, options.signal]
    return fetchContent(uri, options, {
      source: this.#source,
      clock: this.#clock,
      shares: this.#shares,
      signals,
    })
  }

  insert(content: AsyncIterable<Uint8Array>, options: InsertOptions = {}): Promise<InsertResult> {
    const request = {
      name: options.name,
      contentType: options.contentType,
      isConvergent: options.convergent === true,
      isBare: options.bare === true,
    }
    return insertContent(content, request, {
      outbox: this.#store.outbox,
      clock: this.#clock,
      signals: [this.#closing.signal, options.signal],
      peers: () => this.#driver.peers,
      added: () => {
        this.#spreader.wake()
      },
    })
  }

  insertStatus(insertId: number): InsertStatus | undefined {
    const insert = this.#store.outbox.insert(insertId)
    if (insert === undefined) return undefined
    const { blocks, spreadBlocks } = insert
    return { blocks, spreadBlocks, peers: this.#driver.peers }
  }

  status(): NodeStatus {
    return {
      version: VERSION,
      network: this.#resolved.network,
      peers: this.#driver.peers,
      position: ringFraction(this.#driver.position),
      store: this.#store.blocks.status(),
      outbox: { pendingBlocks: this.#store.outbox.pendingBlocks },
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort(new ShoalError('E_CLOSED', 'The node is closing.'))
    await this.#spreader.close()
    await this.#driver.close()
    await this.#store.blocks.close()
  }

  /** Own readers look into their private memory, then the outbox, then the network. */
  async #getBlock(
    address: Parameters<BlockSource['getBlock']>[0],
    { isTop, signal }: Parameters<BlockSource['getBlock']>[1],
  ): ReturnType<BlockSource['getBlock']> {
    const remembered = this.#readCache.get(address)
    if (remembered !== undefined) return { type: 'found', block: remembered }
    const own = await this.#store.outbox.get(address, { signal })
    if (own !== undefined) return { type: 'found', block: own }
    const result = await this.#driver.fetch(address, { homes: homesOf(isTop), signal })
    if (result.type === 'found') this.#readCache.put(address, result.block)
    return result
  }
}
