/**
 * Keeps this node findable under its topics, and finds the keys of others there: announces, and looks
 * up. hyperswarm's own topics look again after 10 minutes only, dial whom they find, and leave a timer
 * behind when they are destroyed by force; so the rounds are ours. Whom to dial is decided elsewhere.
 * @module
 */
import { equals, mapKey } from '../../keys/bytes.ts'
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
/** Region topics at a time. */
const MAX_REGIONS = 8

export interface Discovery {
  /** Region topics beside that of the network, in place of those before. */
  seek(topics: readonly Uint8Array[]): void
  /** Whether the DHT knows of us, and is worth a goodbye. */
  isAnnounced(): boolean
  /** Takes the announcements back where the DHT answers quickly; looks for nobody any more. */
  close(): Promise<void>
}

export interface DiscoveryOptions {
  readonly dht: DHT
  readonly swarm: Hyperswarm
  readonly keyPair: NoiseKeyPair
  /** That of the network. */
  readonly topic: Uint8Array
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  /** Every key that a round has found, this node's own excepted. */
  readonly onfound: (publicKey: Uint8Array, topic: Uint8Array) => void
  /** Told again and again whether the DHT answered. */
  readonly ondht?: ((answered: boolean) => void) | undefined
}

export function startDiscovery(options: DiscoveryOptions): Discovery {
  return new Topics(options)
}

class Topics implements Discovery {
  readonly #options: DiscoveryOptions
  readonly #network: Rounds
  readonly #regions = new Map<string, Rounds>()
  /** Regions that were left, and may still be taken back. */
  readonly #leaving = new Set<Promise<void>>()
  #isClosed = false

  constructor(options: DiscoveryOptions) {
    this.#options = options
    this.#network = new Rounds(options, options.topic, createDhtReport(options))
  }

  seek(topics: readonly Uint8Array[]): void {
    if (this.#isClosed) return
    const wanted = new Map(topics.slice(0, MAX_REGIONS).map((topic) => [mapKey(topic), topic]))
    for (const [id, rounds] of this.#regions) {
      if (wanted.has(id)) continue
      this.#regions.delete(id)
      const left = rounds.close().finally(() => this.#leaving.delete(left))
      this.#leaving.add(left)
    }
    for (const [id, topic] of wanted) {
      if (!this.#regions.has(id)) this.#regions.set(id, new Rounds(this.#options, topic))
    }
  }

  isAnnounced(): boolean {
    return this.#network.isAnnounced()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const regions = [...this.#regions.values()]
    await Promise.all([this.#network, ...regions].map((rounds) => rounds.close()))
    await Promise.all(this.#leaving)
  }
}

/** Hears after each round whether the DHT answered. */
interface DhtReport {
  heard(answered: boolean): void
  close(): void
}

/** Tells the operator when the DHT falls silent, and when it is heard again. */
function createDhtReport({ clock, logger, ondht }: DiscoveryOptions): DhtReport {
  let wasHeard = false
  let hasWarned = false
  const heard = (answered: boolean): void => {
    wasHeard = answered
    ondht?.(answered)
    if (!answered && !hasWarned) {
      logger.warn('the DHT does not answer: looking for peers again every few seconds')
    }
    if (answered && hasWarned) logger.info('the DHT answers')
    hasWarned = !answered
  }
  const close = clock.after(PATIENCE_MS, () => heard(wasHeard))
  return { heard, close }
}

/** The rounds of one topic. */
class Rounds {
  readonly #options: DiscoveryOptions
  readonly #topic: Uint8Array
  readonly #report: DhtReport | undefined
  #cancelTimer = (): void => {}
  #query: DhtQuery | undefined
  #round = 0
  #announcedAtMs: number | undefined
  #isClosed = false

  constructor(options: DiscoveryOptions, topic: Uint8Array, report?: DhtReport) {
    this.#options = options
    this.#topic = topic
    this.#report = report
    void this.#run()
  }

  isAnnounced(): boolean {
    return this.#announcedAtMs !== undefined
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    this.#report?.close()
    this.#query?.destroy()
    if (!this.isAnnounced()) return
    const { dht, keyPair } = this.#options
    await dht.unannounce(this.#topic, keyPair).catch(() => {}) // it would be forgotten anyway
  }

  async #run(): Promise<void> {
    const answered = await this.#find()
    if (this.#isClosed) return
    this.#report?.heard(answered)
    const { clock, rng } = this.#options
    const usual = PAUSE_MS - PAUSE_JITTER_MS + rng.below(2 * PAUSE_JITTER_MS)
    const pause = FIRST_PAUSES_MS[this.#round++] ?? (this.isAnnounced() ? usual : RETRY_PAUSE_MS)
    this.#cancelTimer = clock.after(pause, () => void this.#run())
  }

  /** One round. False: the DHT did not answer. */
  async #find(): Promise<boolean> {
    const { dht, swarm, keyPair } = this.#options
    const announcing = !this.isAnnounced()
    try {
      await swarm.listen()
      if (this.#isClosed) return false
      if (announcing) swarm.server.refresh()
      this.#query = announcing
        ? dht.announce(this.#topic, keyPair, swarm.server.relayAddresses)
        : dht.lookup(this.#topic)
      const found = await this.#collect(this.#query)
      if (announcing) this.#announcedAtMs = this.#options.clock.now()
      else this.#checkOwn(found)
      if (!this.#isClosed) this.#tell(found)
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

  #tell(found: ReadonlyMap<string, Uint8Array>): void {
    const { keyPair, onfound } = this.#options
    for (const publicKey of found.values()) {
      if (!equals(publicKey, keyPair.publicKey)) onfound(publicKey, this.#topic)
    }
  }
}
