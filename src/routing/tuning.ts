/**
 * Every number of the forwarding rules that was set by trial (spec §9, decision 0016), in one place, so
 * that the simulator can set others. What ships are the defaults.
 * @module
 */
import { LOOK_AHEAD_PEERS } from './look-ahead.ts'

export interface Tuning {
  /** Directly nearest peers among which a first try looks one hop ahead; 0: no look-ahead. */
  readonly lookAheadPeers: number
  /** Share of the last 100 own first tries that one of 8 or more peers may take; 1: all. */
  readonly ownShare: number
  /** Silence every child is allowed, ms. */
  readonly silenceBaseMs: number
  /** Silence that each unit of its credit adds, ms. */
  readonly silencePerCreditMs: number
  /** Silence after which a second try begins beside the first, ms; Infinity: no hedging. */
  readonly hedgeAfterMs: number
  /** Round trips that a hop still to go adds to the time until the hedge. */
  readonly hedgeRoundTripsPerHop: number
  /** How much longer a hedge, or another home, waits while a message of the peer is arriving, ms. */
  readonly lateHoldMs: number
  /** And how much longer a try waits until it has failed, ms. */
  readonly silenceHoldMs: number
  /** Silence of home 0 after which the other homes are asked too, ms. */
  readonly otherHomesAfterMs: number
  /** Round trips that a hop to home 0 adds to that. */
  readonly otherHomesRoundTripsPerHop: number
  /** A link that owes an answer and was silent this long (and a trip across the ring) is no first choice, ms. */
  readonly silentDebtMs: number
  /** How long a peer is second choice once it is suspect, ms; doubles with each more. */
  readonly suspectMs: number
  /** How long a failed search answers for the next one, ms; doubles up to 60 s; 0: not at all. */
  readonly failedRecentlyMs: number
}

export const DEFAULT_TUNING: Tuning = {
  lookAheadPeers: LOOK_AHEAD_PEERS,
  ownShare: 0.3,
  silenceBaseMs: 1000,
  silencePerCreditMs: 500,
  hedgeAfterMs: 200,
  hedgeRoundTripsPerHop: 1,
  lateHoldMs: 1000,
  silenceHoldMs: 2000,
  otherHomesAfterMs: 500,
  otherHomesRoundTripsPerHop: 1.75,
  silentDebtMs: 1000,
  suspectMs: 5000,
  failedRecentlyMs: 10_000,
}
