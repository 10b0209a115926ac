/**
 * SEEK, PEERS and NEIGHBORS on one link (spec §9.9): how often either may come, what is told to whom,
 * and which answers were asked for. What goes beyond is ignored, ten times that costs the link.
 * @module
 */
import { Allowance, Limit } from './allowance.ts'
import type { Verdict } from './allowance.ts'
import type { Candidate, PeerKey } from './topology-ports.ts'

/** Peers in one answer. */
export const PEERS_TOLD = 5
/** SEEKs of this node that wait for an answer on one link; beyond it the oldest is forgotten. */
const MAX_OPEN_SEEKS = 16
/** No answer counts after this, ms. */
const ANSWER_MS = 30_000
/** Own lists of neighbors are sent this often at most, ms. */
const NEIGHBORS_EVERY_MS = 5000
const MAX_UINT32 = 2 ** 32 - 1

const SEEK_RATE = { perSecond: 4, burst: 16 }
const NEIGHBORS_RATE = { perSecond: 1, burst: 4 }
/** PEERS that nobody asked for, or asked for too long ago. */
const UNASKED_RATE = { perSecond: 0.2, burst: 4 }
/** Below what the other side allows: its clock is another one. */
const OWN_SEEK_RATE = { perSecond: 3, burst: 12 }

/** What is told comes from here. */
export interface NeighborView {
  nearest(target: number, count: number): Candidate[]
}

/** Up to 5 linked peers nearest to `target`, without `asker`: the answer to its SEEK. */
export function tellNearest(view: NeighborView, target: number, asker: PeerKey): Candidate[] {
  return view
    .nearest(target, PEERS_TOLD + 1)
    .filter(({ key }) => key !== asker)
    .slice(0, PEERS_TOLD)
}

export class PeerExchange {
  readonly #seeks = new Limit(SEEK_RATE)
  readonly #neighbors = new Limit(NEIGHBORS_RATE)
  readonly #unasked = new Limit(UNASKED_RATE)
  readonly #ownSeeks = new Allowance(OWN_SEEK_RATE)
  /** When each was sent, by id. */
  readonly #open = new Map<number, number>()
  #lastId = 0
  #sentPositions: readonly number[] | undefined
  #sentAtMs = -Infinity
  #ignored = 0

  /** Messages of the peer that went beyond its rates. */
  get ignored(): number {
    return this.#ignored
  }

  /** The id for a SEEK to this peer, never 0; undefined: too many, it must not be sent. */
  openSeek(nowMs: number): number | undefined {
    if (!this.#ownSeeks.take(nowMs)) return undefined
    this.#lastId = this.#lastId >= MAX_UINT32 ? 1 : this.#lastId + 1
    this.#open.set(this.#lastId, nowMs)
    const [oldest] = this.#open.keys()
    if (this.#open.size > MAX_OPEN_SEEKS && oldest !== undefined) this.#open.delete(oldest)
    return this.#lastId
  }

  /** A SEEK of the peer: taken, it is answered with `tellNearest`. */
  takeSeek(nowMs: number): Verdict {
    return this.#count(this.#seeks.take(nowMs))
  }

  /** A PEERS of the peer: taken, its records may be looked at. Each SEEK has one answer. */
  takePeers(id: number, nowMs: number): Verdict {
    const askedAtMs = this.#open.get(id)
    this.#open.delete(id)
    if (askedAtMs !== undefined && nowMs - askedAtMs < ANSWER_MS) return 'taken'
    const verdict = this.#unasked.take(nowMs)
    // an answer to nothing is no help, whatever the rate
    return this.#count(verdict === 'taken' && id !== 0 ? 'ignored' : verdict)
  }

  /** A NEIGHBORS of the peer. */
  takeNeighbors(nowMs: number): Verdict {
    return this.#count(this.#neighbors.take(nowMs))
  }

  /**
   * The positions to send to the peer now: the first time, and then when they are another array, at
   * most every 5 s; undefined: nothing. What it returns counts as sent.
   */
  neighborsToSend(positions: readonly number[], nowMs: number): readonly number[] | undefined {
    if (positions === this.#sentPositions || nowMs - this.#sentAtMs < NEIGHBORS_EVERY_MS) {
      return undefined
    }
    this.#sentPositions = positions
    this.#sentAtMs = nowMs
    return positions
  }

  #count(verdict: Verdict): Verdict {
    if (verdict !== 'taken') this.#ignored++
    return verdict
  }
}
