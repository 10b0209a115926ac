/**
 * A node's way to the others: its network, its position proof, its transport, and the driver of them.
 * @module
 */
import { connectionStatus, forecastText } from './connection.ts'
import type { ConnectionStatus, SolvingWork } from './connection.ts'
import type { PeerWork } from './node-types.ts'
import type { BlockStore } from './datastore/store.ts'
import { isShoalError, ShoalError } from './errors.ts'
import { base64url } from './keys/bytes.ts'
import type { KeyPair } from './keys/primitives.ts'
import { keepProof, keptProof } from './node-proof.ts'
import type { ResolvedOptions } from './options.ts'
import { peerFile } from './peer-file.ts'
import { NO_PROOF } from './routing/handshake.ts'
import { Driver, ringFraction } from './routing/net/driver.ts'
import { createHyperswarmTransport } from './routing/net/hyperswarm.ts'
import type { Transport } from './routing/net/transport.ts'
import { networkDefinition } from './routing/network.ts'
import type { NetworkDefinition } from './routing/network.ts'
import { solveProof } from './routing/position-proof.ts'
import { networkTopic } from './routing/position.ts'
import type { Clock, Logger, Rng } from './runtime.ts'
import { linkAbort } from './signals.ts'

export interface NetworkParts {
  readonly keyPair: KeyPair
  readonly store: BlockStore
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
}

/** After so many tries it can be said how long it takes. */
const FIRST_TRIES = 16

/**
 * The driver, and how it comes about. Where the network asks for a proof and there is none yet the node
 * has no position: it is a lone one, with a driver that talks to nobody, until that is solved; then
 * another driver takes its place.
 */
export class NodeNetwork {
  readonly #options: ResolvedOptions
  readonly #parts: NetworkParts
  readonly #definition: NetworkDefinition
  readonly #transport: Transport | undefined
  readonly #closing = linkAbort([])
  #proof: Uint8Array = NO_PROOF
  #driver: Driver
  #joined = Promise.resolve()
  #work: SolvingWork | undefined
  #failure: string | undefined
  #dhtAnswers: boolean | undefined
  #onPeer = (): void => {}

  constructor(options: ResolvedOptions, parts: NetworkParts) {
    this.#options = options
    this.#parts = parts
    this.#definition = definitionOf(options)
    this.#transport = this.#createTransport()
    this.#driver = this.#createDriver(undefined)
  }

  /** The one of now: another one may take its place, so ask for it each time. */
  get driver(): Driver {
    return this.#driver
  }

  /**
   * Resolves when the node looks for peers, at once for one that meets nobody. Rejects where it cannot
   * (E_LISTEN), or is closed before (E_CLOSED); nobody has to look.
   */
  get joined(): Promise<void> {
    return this.#joined
  }

  /** Own ring position, in [0, 1); undefined: it has none yet. */
  get position(): number | undefined {
    const isPlaced = this.#proof[0] === this.#definition.proof.kind
    return isPlaced ? ringFraction(this.#driver.position) : undefined
  }

  get isPrivate(): boolean {
    return this.#definition.key !== undefined
  }

  status(): ConnectionStatus {
    return connectionStatus({
      state: this.#state(),
      withoutPeersMs: this.#driver.aloneMs,
      work: this.#work,
      dhtAnswers: this.#dhtAnswers,
      isPrivate: this.isPrivate,
      peers: this.#driver.peers,
      failure: this.#failure,
    })
  }

  /** What was done for peers, and how often they broke the rules. */
  work(): PeerWork {
    const { received, bans, invalidBlocks } = this.#driver.counters
    const { circuits, bytes } = this.#transport?.relayed ?? { circuits: 0, bytes: 0 }
    return {
      fetches: received.fetch,
      inserts: received.insert,
      circuits,
      circuitBytes: bytes,
      bans,
      invalidBlocks,
    }
  }

  /** Calls `listener` whenever a peer has come. */
  onPeer(listener: () => void): void {
    this.#onPeer = listener
  }

  /**
   * Joins, or begins to solve the proof that is missing: `joined` tells when that is done.
   * @throws ShoalError E_STORE_IO, E_LISTEN
   */
  async open(): Promise<void> {
    if (this.#transport === undefined) return
    const definition = this.#definition
    const { keyPair, logger } = this.#parts
    const { publicKey } = keyPair
    const kept = await keptProof(this.#options.dataDir, { definition, publicKey, logger })
    this.#joined = kept === undefined ? this.#solveAndJoin() : this.#join(kept)
    this.#joined.catch(() => {}) // who waits for it is told
    if (kept !== undefined) await this.#joined
  }

  /** `forget`: the peers of this run are not kept for the next. */
  async close(options: { readonly forget?: boolean } = {}): Promise<void> {
    this.#closing.abort(new ShoalError('E_CLOSED', 'The node is closing.'))
    if (this.#work !== undefined) await this.#joined.catch(() => {})
    await this.#driver.close(options)
  }

  #state(): ConnectionStatus['state'] {
    if (this.#transport === undefined) return 'alone'
    if (this.#failure !== undefined) return 'failed'
    if (this.#work !== undefined) return 'solving'
    return this.#driver.peers > 0 ? 'connected' : 'seeking'
  }

  async #solveAndJoin(): Promise<void> {
    const { logger } = this.#parts
    try {
      const proof = await this.#solve()
      await keepProof(this.#options.dataDir, proof, logger)
      this.#work = undefined
      logger.info('the place on the ring is solved: looking for peers')
      await this.#join(proof)
    } catch (error) {
      this.#work = undefined
      this.#failure = isShoalError(error) ? error.message : 'something went wrong inside it.'
      throw error
    }
  }

  async #solve(): Promise<Uint8Array> {
    const { proof } = this.#definition
    const expectedTries = proof.kind === 0 ? 1 : 2 ** proof.difficultyBits
    const { clock, keyPair, logger } = this.#parts
    const sinceMs = clock.now()
    this.#work = { tries: 0, expectedTries, elapsedMs: 0 }
    return solveProof(this.#definition, keyPair.publicKey, {
      signal: this.#closing.signal,
      onprogress: (tries) => {
        this.#work = { tries, expectedTries, elapsedMs: Math.round(clock.now() - sinceMs) }
        if (tries === FIRST_TRIES) logger.info(forecastText(this.#work))
      },
    })
  }

  /** The driver that was alone until now has nothing under way that would not have failed. */
  async #join(proof: Uint8Array): Promise<void> {
    await this.#driver.close()
    this.#closing.signal.throwIfAborted() // from here on it is the new one that is closed
    this.#proof = proof
    this.#driver = this.#createDriver(this.#transport)
    this.#driver.onPeer(() => this.#onPeer())
    await this.#driver.open()
  }

  #createDriver(transport: Transport | undefined): Driver {
    const { dataDir } = this.#options
    const { keyPair, logger } = this.#parts
    const peerCache = dataDir === undefined ? undefined : peerFile(dataDir, logger)
    return new Driver({
      ...this.#parts,
      definition: this.#definition,
      publicKey: keyPair.publicKey,
      proof: this.#proof,
      transport,
      peerCache,
    })
  }

  #createTransport(): Transport | undefined {
    const { connect, parts } = this.#options
    if (parts.transport !== undefined || connect === undefined) return parts.transport
    const { keyPair, logger } = this.#parts
    const { bootstrap, listenHost } = connect
    return createHyperswarmTransport({
      keyPair,
      topic: networkTopic(this.#definition.hash),
      bootstrap,
      logger,
      ondht: (answers) => {
        this.#dhtAnswers = answers
      },
      ...(listenHost === undefined ? {} : { listenHost }),
    })
  }
}

/** What tells this network from others of the same name, in words that say nothing of its key. */
export function networkLabel(options: ResolvedOptions): string {
  const { network, networkKey } = options
  if (networkKey === undefined) return network
  return `${network} ${base64url(definitionOf(options).hash)}`
}

function definitionOf({ network, networkKey, parts }: ResolvedOptions): NetworkDefinition {
  return parts.definition ?? networkDefinition(network, networkKey)
}
