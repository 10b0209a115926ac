/**
 * How long a request is waited for: more where links are slow and the way is long, so that a healthy
 * request is not asked for twice and a silent peer not waited for in vain (spec §9.2).
 * @module
 */
import type { PeerTable } from './peers.ts'
import type { Tuning } from './tuning.ts'

/** An ACCEPT costs the peer nothing, so it is due at once, but for the link's round trip, ms (spec §9.5). */
const ACCEPT_MS = 1000
/** Steps at each hop of an insert: INSERT and ACCEPT, DATA and RECEIPT; and one hop more for the copy. */
const INSERT_TRIPS = 2

export class Patience {
  readonly #tuning: Tuning
  readonly #peers: PeerTable

  constructor(tuning: Tuning, peers: PeerTable) {
    this.#tuning = tuning
    this.#peers = peers
  }

  /** Time that an answer from `target` takes as a rule, ms: a round trip for each hop still to go. */
  tripMs(target: number): number {
    return this.#peers.hopsTo(target) * this.#peers.medianRttMs
  }

  /** Silence after which a second try towards `target` begins beside the first, ms. */
  hedgeMs(target: number): number {
    const { hedgeAfterMs, hedgeRoundTripsPerHop } = this.#tuning
    return hedgeAfterMs + hedgeRoundTripsPerHop * this.tripMs(target)
  }

  /** Silence after which a FETCH with `credit` has failed, ms. */
  silenceMs(credit: number, target: number): number {
    return this.#creditMs(credit) + 2 * this.tripMs(target)
  }

  /**
   * Time after which a FETCH that came with `credit` is answered TIMEOUT, ms: two round trips before
   * who asked, and is a hop farther away, gives this node up and holds it for silent.
   */
  deadlineMs(credit: number, target: number): number {
    const hops = this.#peers.hopsTo(target) - 1
    return this.#creditMs(credit) + 2 * hops * this.#peers.medianRttMs
  }

  /** Time in which a peer must take an INSERT, ms. */
  acceptMs(): number {
    return ACCEPT_MS + this.#peers.medianRttMs
  }

  /** Silence after which an INSERT with `credit` that was taken has failed, ms. */
  receiptMs(credit: number, target: number): number {
    const trips = 2 * INSERT_TRIPS * (this.#peers.hopsTo(target) + 1)
    return this.#creditMs(credit) + trips * this.#peers.medianRttMs
  }

  /** Silence of home 0 after which the other homes are asked too, ms. */
  otherHomesMs(target: number): number {
    const { otherHomesAfterMs, otherHomesRoundTripsPerHop } = this.#tuning
    return otherHomesAfterMs + otherHomesRoundTripsPerHop * this.tripMs(target)
  }

  #creditMs(credit: number): number {
    return this.#tuning.silenceBaseMs + credit * this.#tuning.silencePerCreditMs
  }
}
