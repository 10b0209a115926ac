/**
 * HAS, the hint that asking again is not in vain (spec §9.3): who was told not-found is told once when
 * the block is kept here, or when a peer says that it has it. Bounded; the address that was asked for in
 * vain longest ago goes first.
 * @module
 */
import type { Address } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import { Allowance, Limit } from './allowance.ts'
import type { Verdict } from './allowance.ts'
import type { PeerId } from './ports.ts'

/** Addresses of which it is remembered who was told not-found. */
export const MAX_MISSED_ADDRESSES = 1024
/** Peers of one address; the one that asked longest ago gives way. */
export const MAX_MISSED_PEERS = 4
/** As long as a failure is remembered by whoever was told of it, ms. */
const REMEMBERED_MS = 60_000

/** What one link may say: a minute of failures in some seconds. */
const TAKEN_RATE = { perSecond: 32, burst: 256 }
/** Below what the other side allows: its clock is another one. */
const SENT_RATE = { perSecond: 24, burst: 192 }

interface Rates {
  readonly taken: Limit
  readonly sent: Allowance
}

export class Hints {
  /** By address, in order of the last not-found: the peers, and when each was told. */
  readonly #missed = new Map<string, Map<PeerId, number>>()
  /** Of links on which a hint went or came. */
  readonly #rates = new Map<PeerId, Rates>()

  /** Addresses remembered, at most MAX_MISSED_ADDRESSES. */
  get size(): number {
    return this.#missed.size
  }

  /** `peer` was told that the block is not found. */
  missed(address: Address, peer: PeerId, nowMs: number): void {
    const name = mapKey(address)
    const peers = this.#missed.get(name) ?? new Map<PeerId, number>()
    this.#missed.delete(name)
    dropOldest(this.#missed, MAX_MISSED_ADDRESSES)
    this.#missed.set(name, peers) // at the end: asked for last
    peers.delete(peer)
    dropOldest(peers, MAX_MISSED_PEERS)
    peers.set(peer, nowMs)
  }

  /** Whom to tell that the block is here: each not-found counts once, for a minute, as the rate allows. */
  take(address: Address, nowMs: number): PeerId[] {
    if (this.#missed.size === 0) return []
    const name = mapKey(address)
    const peers = [...(this.#missed.get(name) ?? [])]
    this.#missed.delete(name)
    return peers
      .filter(([peer, toldMs]) => nowMs - toldMs < REMEMBERED_MS && this.#maySend(peer, nowMs))
      .map(([peer]) => peer)
  }

  /** What becomes of a HAS that `peer` sent. */
  judge(peer: PeerId, nowMs: number): Verdict {
    return this.#ratesOf(peer).taken.take(nowMs)
  }

  /** The link is gone. */
  closed(peer: PeerId): void {
    this.#rates.delete(peer)
    for (const peers of this.#missed.values()) peers.delete(peer)
  }

  #maySend(peer: PeerId, nowMs: number): boolean {
    return this.#ratesOf(peer).sent.take(nowMs)
  }

  #ratesOf(peer: PeerId): Rates {
    const known = this.#rates.get(peer)
    if (known !== undefined) return known
    const rates = { taken: new Limit(TAKEN_RATE), sent: new Allowance(SENT_RATE) }
    this.#rates.set(peer, rates)
    return rates
  }
}

/** Makes room for one more below `most`. */
function dropOldest<K>(map: Map<K, unknown>, most: number): void {
  if (map.size < most) return
  const [oldest] = map.keys()
  map.delete(oldest as K)
}
