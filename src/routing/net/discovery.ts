/**
 * Keeps this node findable under its topic, and finds others there: announces, looks up, dials.
 * hyperswarm's own topics dial at random, look again after 10 minutes only, and leave a timer behind
 * when they are destroyed by force; so the rounds are ours, and hyperswarm does the dialing.
 * @module
 */
import { compare, mapKey } from '../../keys/bytes.ts'
import type { Clock, Logger, Rng } from '../../runtime.ts'
import type DHT from 'hyperdht'
import type { DhtQuery, NoiseKeyPair } from 'hyperdht'
import type Hyperswarm from 'hyperswarm'

/** Pauses before the first rounds, ms: those who start together find each other within a second. */
const FIRST_PAUSES_MS = [300, 700, 2_000]
/** Pause while the DHT does not answer, or does not know us, ms. */
const RETRY_PAUSE_MS = 5_000
/** A first round that has found nobody to talk to by then is worth a warning, ms. */
const PATIENCE_MS = 3_000
/** Pause between rounds, ms, give or take PAUSE_JITTER_MS. */
const PAUSE_MS = 30_000
const PAUSE_JITTER_MS = 10_000
/** DHT nodes forget an announcement after 20 minutes. */
const ANNOUNCE_AGAIN_MS = 600_000
/** DHT nodes give at most this many peers of a topic: with more, missing one's own says nothing. */
const RECORDS_PER_NODE = 20
/** Most peers that one round looks at. */
const MAX_FOUND = 256
/**
 * Of two nodes that find each other at once, the one with the greater key waits this long, ms:
 * simultaneous dials cost both connections more often than not.
 */
const YIELD_MS = 250
/** A lost peer is dialed again after this and up to as much again, ms. */
const REDIAL_MS = 500

export interface Discovery {
  /** The link to this peer was lost without anybody wanting that. */
  lost(publicKey: Uint8Array): void
  /** No longer dial this peer. */
  drop(publicKey: Uint8Array): void
  /** Whether the DHT knows of us, and is worth a goodbye. */
  isAnnounced(): boolean
  /** Takes the announcement back where the DHT answers quickly; looks for nobody any more. */
  close(): Promise<void>
}

export interface DiscoveryOptions {
  readonly dht: DHT
  readonly swarm: Hyperswarm
  readonly keyPair: NoiseKeyPair
  readonly topic: Uint8Array
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  /** How many more peers to dial now. */
  readonly vacancies: () => number
  /** Whether this peer is another than us, wanted, and not linked already. */
  readonly isCandidate: (publicKey: Uint8Array) => boolean
}

export function startDiscovery(options: DiscoveryOptions): Discovery {
  return new Rounds(options)
}

class Rounds implements Discovery {
  readonly #options: DiscoveryOptions
  /** Peers that hyperswarm was told to dial; at most `vacancies()` of them without a link. */
  readonly #dialed = new Map<string, Uint8Array>()
  readonly #timers = new Set<() => void>()
  #query: DhtQuery | undefined
  #round = 0
  #announcedAtMs: number | undefined
  #answered = false
  #warned = false
  #closed = false

  constructor(options: DiscoveryOptions) {
    this.#options = options
    this.#later(PATIENCE_MS, () => this.#heard(this.#answered))
    void this.#run()
  }

  lost(publicKey: Uint8Array): void {
    this.#later(REDIAL_MS + this.#options.rng.below(REDIAL_MS), () => this.#dial(publicKey))
  }

  drop(publicKey: Uint8Array): void {
    this.#dialed.delete(mapKey(publicKey))
    this.#options.swarm.leavePeer(publicKey)
  }

  isAnnounced(): boolean {
    return this.#announcedAtMs !== undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#query?.destroy()
    if (!this.isAnnounced()) return
    const { dht, topic, keyPair } = this.#options
    await dht.unannounce(topic, keyPair).catch(() => {}) // it would be forgotten anyway
  }

  async #run(): Promise<void> {
    this.#answered = await this.#find()
    if (this.#closed) return
    this.#heard(this.#answered)
    const usual = PAUSE_MS - PAUSE_JITTER_MS + this.#options.rng.below(2 * PAUSE_JITTER_MS)
    const pause = FIRST_PAUSES_MS[this.#round++] ?? (this.isAnnounced() ? usual : RETRY_PAUSE_MS)
    this.#later(pause, () => void this.#run())
  }

  /** Tells the operator when the DHT falls silent, and when it is heard again. */
  #heard(answered: boolean): void {
    const { logger } = this.#options
    if (!answered && !this.#warned) {
      logger.warn('the DHT does not answer: looking for peers again every few seconds')
    }
    if (answered && this.#warned) logger.info('the DHT answers')
    this.#warned = !answered
  }

  /** One round. False: the DHT did not answer. */
  async #find(): Promise<boolean> {
    const { dht, swarm, topic, keyPair } = this.#options
    const announcing = !this.isAnnounced()
    try {
      await swarm.listen()
      if (this.#closed) return false
      if (announcing) swarm.server.refresh()
      this.#query = announcing
        ? dht.announce(topic, keyPair, swarm.server.relayAddresses)
        : dht.lookup(topic)
      const found = await this.#collect(this.#query)
      if (announcing) this.#announcedAtMs = this.#options.clock.now()
      else this.#checkOwn(found)
      this.#dialSome(found)
      return true
    } catch {
      return false // nobody answered, or we are closing
    }
  }

  async #collect(query: DhtQuery): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    for await (const { peers } of query) {
      for (const { publicKey } of peers) {
        if (found.size < MAX_FOUND) found.set(mapKey(publicKey), publicKey)
      }
    }
    return found
  }

  /** Announces again in the next round when the DHT has forgotten us, or is about to. */
  #checkOwn(found: ReadonlyMap<string, Uint8Array>): void {
    const { keyPair, clock } = this.#options
    const age = clock.now() - (this.#announcedAtMs ?? 0)
    const isForgotten = !found.has(mapKey(keyPair.publicKey)) && found.size < RECORDS_PER_NODE
    if (isForgotten || age > ANNOUNCE_AGAIN_MS) this.#announcedAtMs = undefined
  }

  /** Drops those who did not come up since the last round and tries others, at random. */
  #dialSome(found: ReadonlyMap<string, Uint8Array>): void {
    const { isCandidate, rng } = this.#options
    for (const publicKey of [...this.#dialed.values()].filter(isCandidate)) this.drop(publicKey)
    const candidates = [...found.values()].filter(isCandidate)
    const most = Math.min(this.#options.vacancies(), candidates.length)
    for (let chosen = 0; chosen < most; chosen++) {
      const [next] = candidates.splice(rng.below(candidates.length), 1)
      if (next !== undefined) this.#dialInTurn(next)
    }
  }

  #dialInTurn(publicKey: Uint8Array): void {
    if (compare(this.#options.keyPair.publicKey, publicKey) < 0) this.#dial(publicKey)
    else this.#later(YIELD_MS, () => this.#dial(publicKey))
  }

  #dial(publicKey: Uint8Array): void {
    const { swarm, isCandidate, vacancies } = this.#options
    if (!isCandidate(publicKey) || vacancies() <= 0) return
    this.#dialed.set(mapKey(publicKey), publicKey)
    swarm.joinPeer(publicKey)
  }

  #later(ms: number, run: () => void): void {
    if (this.#closed) return
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(cancel)
      run()
    })
    this.#timers.add(cancel)
  }
}
