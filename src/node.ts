/**
 * The composition root: opens the parts, wires them, closes them in reverse. The only file that knows
 * all of them, and no place for logic.
 * @module
 */
import { ShoalError } from './errors.ts'
import { loadIdentitySeed } from './identity.ts'
import { homesOf } from './content/blocks.ts'
import { insertFolder } from './content/folder-writer.ts'
import { insertContent } from './content/insert.ts'
import type { InsertContext } from './content/insert.ts'
import { Keywords } from './content/keyword.ts'
import { NameTable, requestOf } from './content/names.ts'
import { Publications } from './content/publish.ts'
import { inspectContent } from './content/inspect.ts'
import { fetchContent } from './content/serve.ts'
import type { ServeContext } from './content/serve.ts'
import { Spreader } from './content/spread.ts'
import { WatchList } from './content/watch.ts'
import { WindowShares } from './content/window.ts'
import { openDiskStore } from './datastore/disk-store.ts'
import { createMemoryStore } from './datastore/memory-store.ts'
import type { StorePair } from './datastore/store.ts'
import { openJournal } from './journal.ts'
import type { Journal } from './journal.ts'
import { openKeyring, publisherKeysOf } from './keyring.ts'
import type { Keyring } from './keyring.ts'
import { keyPairFromSeed, randomBytes } from './keys/primitives.ts'
import type { ShoalUri, UskUri } from './keys/uri.ts'
import { NodeBlocks } from './node-blocks.ts'
import { networkLabel, NodeNetwork } from './node-network.ts'
import type {
  FetchOptions,
  FetchOutcome,
  FolderItems,
  InsertFolderOptions,
  InsertFolderResult,
  InsertOptions,
  InsertResult,
  InsertStatus,
  InspectOptions,
  InspectOutcome,
  LookUpOptions,
  LookUpOutcome,
  Node,
  NodeStatus,
  NodeStore,
  PeerWork,
  PublishOptions,
  PublishResult,
  PublishSource,
  PublisherKeys,
} from './node-types.ts'
import { DEFAULT_STORE_BYTES, FIRST_BYTE_TIMEOUT_MS, resolveOptions } from './options.ts'
import type { NodeOptions, ResolvedOptions } from './options.ts'
import type { Driver } from './routing/net/driver.ts'
import { createSystemRng, silentLogger, systemClock } from './runtime.ts'
import type { Clock, Logger, Rng } from './runtime.ts'
import { linkAbort } from './signals.ts'
import { readTransfers } from './transfers/transfer-records.ts'
import type { KeptTransfer } from './transfers/transfer-records.ts'
import { Transfers } from './transfers/transfers.ts'
import { readUploads, Uploads } from './uploads/uploads.ts'
import type { UploadRecord } from './uploads/upload-record.ts'
import { VERSION } from './version.ts'

const DAY_MS = 86_400_000

export type * from './node-types.ts'

/**
 * Opens a node: store, then network. A position proof that is missing is solved afterwards, in the
 * background; until then the node has no peers (`joined`). @throws ShoalError E_OPTION, E_STORE_IO, E_STORE_LOCKED,
 * E_STORE_FULL where the disk cannot hold the store, E_STORE_FORMAT for a directory of another version,
 * E_PASSPHRASE where its key is locked and `passphrase` is missing or wrong, E_LISTEN where no other node
 * could reach it. Rejects with the reason of `options.signal`.
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
    const network = new NodeNetwork(resolved, { keyPair, store: store.blocks, clock, rng, logger })
    const keyring = await openKeyring({ dataDir })
    resolved.signal?.throwIfAborted()
    const journal = await openJournal({ dataDir, journalKey: store.journalKey })
    const uploads = await readUploads(journal)
    const transfers = await readTransfers(journal)
    await network.open()
    return new RunningNode({
      resolved,
      store,
      network,
      clock,
      rng,
      keyring,
      journal,
      uploads,
      transfers,
    })
  } catch (error) {
    await store.blocks.close()
    throw error
  }
}

function openStore(
  { dataDir, storeBytes, passphrase }: ResolvedOptions,
  runtime: { clock: Clock; rng: Rng; logger: Logger },
): Promise<StorePair> {
  const defaultBytes = DEFAULT_STORE_BYTES
  if (dataDir !== undefined) {
    return openDiskStore({ dataDir, storeBytes, defaultBytes, passphrase, ...runtime })
  }
  const quotaBytes = storeBytes ?? defaultBytes
  return Promise.resolve(createMemoryStore({ quotaBytes, rng: runtime.rng }))
}

interface RunningParts {
  resolved: ResolvedOptions
  store: StorePair
  network: NodeNetwork
  clock: Clock
  rng: Rng
  keyring: Keyring
  journal: Journal
  uploads: readonly UploadRecord[]
  transfers: readonly KeptTransfer[]
}

class RunningNode implements Node {
  readonly keys: PublisherKeys
  readonly uploads: Uploads
  readonly transfers: Transfers
  readonly store: NodeStore
  readonly destroyed: Promise<void>
  readonly #name: string
  readonly #store: StorePair
  readonly #network: NodeNetwork
  readonly #clock: Clock
  readonly #spreader: Spreader
  readonly #blocks: NodeBlocks
  readonly #shares = new WindowShares()
  readonly #names: NameTable
  readonly #watches: WatchList
  readonly #publications: Publications
  readonly #closing = linkAbort([])
  #isDestroyed = false
  #closed: Promise<void> | undefined

  constructor(parts: RunningParts) {
    const { resolved, store, network, clock, rng, keyring, journal } = parts
    this.#name = resolved.network // and nothing else: a passphrase is among the options
    this.#store = store
    this.store = store.care
    this.destroyed = store.care.destroyed.then(() => {
      this.#isDestroyed = true
      return this.close().catch(() => {}) // it is gone anyway
    })
    this.#network = network
    this.#clock = clock
    const { readCacheBytes } = resolved
    this.#blocks = new NodeBlocks({ store, driver: () => this.#driver, readCacheBytes })
    const keywords = new Keywords()
    this.keys = publisherKeysOf(keyring)
    this.#names = new NameTable({ clock, keywords })
    this.#watches = new WatchList({ names: this.#names, clock })
    const insertBlock: Driver['insert'] = (address, block, options) =>
      this.#driver.insert(address, block, options)
    this.#publications = new Publications({
      ...this.#insertParts(),
      network: {
        peers: () => this.#driver.peers,
        insertBlock,
        fetchNewest: (address, options) => this.#driver.fetchNewest(address, options),
      },
      source: this.#blocks.source,
      names: this.#names,
      keywords,
      keyring,
      today: () => Math.floor(Date.now() / DAY_MS),
      networkName: networkLabel(resolved),
      rng,
      askOthers: async (address, signal) =>
        (await this.#driver.fetch(address, { homes: homesOf(false), freshness: 2, signal })).type,
    })
    this.#spreader = new Spreader({
      outbox: store.outbox,
      clock,
      peers: () => this.#driver.peers,
      insertBlock,
      isHeld: (address) => this.#publications.isHeld(address),
    })
    const { signal } = this.#closing
    const peers = (): number => this.#driver.peers
    const sink = { ...this.#insertParts(), signal, peers, words: this.#publications }
    this.uploads = new Uploads({ journal, sink }, parts.uploads)
    const fetch: Node['fetch'] = (uri, options) => this.fetch(uri, options)
    const { dataDir } = resolved
    this.transfers = new Transfers({ journal, fetch, clock, dataDir }, parts.transfers)
    network.onPeer(() => {
      this.#spreader.retryNow()
      this.#publications.wake()
    })
    this.#spreader.wake()
  }

  get joined(): Promise<void> {
    return this.#network.joined
  }

  /** Another one takes its place when the node joins. */
  get #driver(): Driver {
    return this.#network.driver
  }

  fetch(uri: ShoalUri, options: FetchOptions = {}): Promise<FetchOutcome> {
    return fetchContent(uri, options, this.#serveContext(options))
  }

  inspect(uri: ShoalUri, options: InspectOptions = {}): Promise<InspectOutcome> {
    return inspectContent(uri, options, {
      ...this.#serveContext(options),
      getOwn: async (address, signal) => (await this.#blocks.getOwn(address, signal))?.block,
      hasOwn: (address, signal) => this.#blocks.hasOwn(address, signal),
    })
  }

  async insert(
    content: AsyncIterable<Uint8Array>,
    options: InsertOptions = {},
  ): Promise<InsertResult> {
    const { name, contentType, word, signal } = options
    const isConvergent = options.convergent === true
    if (word !== undefined) {
      const source = {
        type: 'file',
        content,
        ...(name !== undefined && { name }),
        ...(contentType !== undefined && { contentType }),
      } as const
      return this.#publications.insertWord(source, { word, isConvergent, signal })
    }
    const isBare = options.bare === true
    const request = { name, contentType, isConvergent, isBare }
    return insertContent(content, request, this.#insertContext(signal))
  }

  async insertFolder(
    items: FolderItems,
    options: InsertFolderOptions = {},
  ): Promise<InsertFolderResult> {
    const { name, word, signal } = options
    const isConvergent = options.convergent === true
    return word === undefined
      ? insertFolder(items, { name, isConvergent }, this.#insertContext(signal))
      : this.#publications.insertWord({ type: 'folder', items }, { word, isConvergent, signal })
  }

  publish(source: PublishSource, options: PublishOptions): Promise<PublishResult> {
    return this.#publications.publish(source, options)
  }

  async lookUp(uri: UskUri, options: LookUpOptions = {}): Promise<LookUpOutcome> {
    const { maxAgeMs = 0, timeoutMs = FIRST_BYTE_TIMEOUT_MS } = options
    const abort = linkAbort([this.#closing.signal, options.signal])
    const timedOut = new Error('not in time')
    const stopTimer = this.#clock.after(timeoutMs, () => {
      abort.abort(timedOut)
    })
    const { publicKey, readKey, document } = uri
    const key = { publicKey, readKey, name: document }
    const context = { source: this.#blocks.source, signal: abort.signal }
    try {
      return await this.#names.lookUp(key, requestOf(uri, maxAgeMs), context)
    } catch (error) {
      if (error === timedOut) return { type: 'timed-out' }
      throw error
    } finally {
      stopTimer()
      abort.unlink()
    }
  }

  async *watch(
    uri: UskUri,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<number, void> {
    const abort = linkAbort([this.#closing.signal, signal])
    try {
      yield* this.#watches.watch(uri, { source: this.#blocks.source, signal: abort.signal })
    } finally {
      abort.unlink()
    }
  }

  announce(
    uri: UskUri,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<{ edition: number; insertId: number }> {
    return this.#publications.announce(uri, options)
  }

  insertStatus(insertId: number): InsertStatus | undefined {
    const { outbox } = this.#store
    const insert = this.uploads.spread(insertId, outbox) ?? outbox.insert(insertId)
    if (insert === undefined) return undefined
    const { blocks, spreadBlocks, lostBlocks } = insert
    return { blocks, spreadBlocks, lostBlocks, peers: this.#driver.peers }
  }

  status(): NodeStatus {
    return {
      version: VERSION,
      network: this.#name,
      isPrivate: this.#network.isPrivate,
      peers: this.#driver.peers,
      connection: this.#network.status(),
      position: this.#network.position,
      ring: {
        estimatedNodes: this.#driver.estimatedSize,
        links: this.#driver.ringLinks,
      },
      store: this.#store.blocks.status(),
      outbox: { pendingBlocks: this.#store.outbox.pendingBlocks },
    }
  }

  peerWork(): PeerWork {
    return this.#network.work()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort(new ShoalError('E_CLOSED', 'The node is closing.'))
    await this.uploads.close()
    await this.transfers.close()
    await this.#publications.close()
    await this.#spreader.close()
    await this.#network.close({ forget: this.#isDestroyed })
    await this.#store.blocks.close()
  }

  #insertParts(): Pick<InsertContext, 'outbox' | 'clock' | 'added'> {
    const added = (): void => {
      this.#spreader.wake()
    }
    return { outbox: this.#store.outbox, clock: this.#clock, added }
  }

  #insertContext(signal: AbortSignal | undefined): InsertContext {
    const signals = [this.#closing.signal, signal]
    return { ...this.#insertParts(), signals, peers: () => this.#driver.peers }
  }

  #serveContext({ isLocalOnly, signal }: InspectOptions): ServeContext {
    return {
      source: isLocalOnly === true ? this.#blocks.ownSource : this.#blocks.source,
      clock: this.#clock,
      shares: this.#shares,
      signals: [this.#closing.signal, signal],
      openDocument: (document, context) => this.#names.open(document, context),
    }
  }
}
