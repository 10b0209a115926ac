/**
 * The peers that are connected now, and what each owes: enough to choose the next one (spec §9.1).
 * @module
 */
import { RING, distance } from './position.ts'
import type { PeerId } from './ports.ts'

/**
 * Requests this node may have open at one peer. 256 × 33 KB of answers are what a link is asked to
 * carry at most; a peer that has so many is not chosen.
 */
export const MAX_OPEN_PER_PEER = 256
/** A link that owes an answer and has been silent this long is never a first choice, ms (spec §9.1). */
const SILENT_MS = 1000
/** A peer that let a request time out is second choice for this long, ms; doubles with each more. */
const SUSPECT_MS = 5000
const LONGEST_SUSPECT_MS = 60_000

interface Peer {
  readonly id: PeerId
  readonly position: number
  /** Requests that wait for an answer. */
  open: number
  /** When it was last heard of, or began to owe, ms. */
  heardAtMs: number
  /** Requests in a row that it let time out. */
  timeOuts: number
  suspectUntilMs: number
}

export class PeerTable {
  readonly #peers = new Map<PeerId, Peer>()

  get size(): number {
    return this.#peers.size
  }

  add(id: PeerId, position: number): void {
    this.#peers.set(id, { id, position, open: 0, heardAtMs: 0, timeOuts: 0, suspectUntilMs: 0 })
  }

  remove(id: PeerId): void {
    this.#peers.delete(id)
  }

  heard(id: PeerId, nowMs: number): void {
    const peer = this.#peers.get(id)
    if (peer !== undefined) peer.heardAtMs = nowMs
  }

  /** It brought a request to its end, not merely took it: it is trusted again. */
  answered(id: PeerId): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    peer.timeOuts = 0
    peer.suspectUntilMs = 0
  }

  /** It let a request time out. */
  timedOut(id: PeerId, nowMs: number): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    peer.suspectUntilMs = nowMs + Math.min(LONGEST_SUSPECT_MS, SUSPECT_MS * 2 ** peer.timeOuts)
    peer.timeOuts++
  }

  opened(id: PeerId, nowMs: number): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    if (peer.open === 0) peer.heardAtMs = nowMs
    peer.open++
  }

  closed(id: PeerId): void {
    const peer = this.#peers.get(id)
    if (peer !== undefined) peer.open--
  }

  /**
   * Positions whose blocks belong here: up to the second peer on either side, since home 0 has copies
   * at the two nearest nodes. The whole ring while fewer than four peers are known.
   */
  rangeAround(position: number): { from: number; to: number } {
    const clockwise = [...this.#peers.values()]
      .map((peer) => (peer.position - position + RING) % RING)
      .sort((a, b) => a - b)
    const [after, before] = [clockwise[1], clockwise.at(-2)]
    if (clockwise.length < 4 || after === undefined || before === undefined) {
      return { from: 0, to: RING - 1 }
    }
    return { from: (position + before) % RING, to: (position + after) % RING }
  }

  /**
   * The peer nearest to `target` among those that are allowed: nearer than `within`, not in
   * `excluded`; peers in silent debt, then those in `avoided`, only if there is no other. Equal
   * distances go to the older connection.
   */
  nearest(
    target: number,
    limits: {
      readonly within: number
      readonly excluded: ReadonlySet<PeerId>
      readonly avoided?: ReadonlySet<PeerId>
      readonly nowMs: number
    },
  ): PeerId | undefined {
    let best: Peer | undefined
    let bestRank = Infinity
    let bestDistance = Infinity
    for (const peer of this.#peers.values()) {
      const away = distance(peer.position, target)
      if (away >= limits.within || limits.excluded.has(peer.id)) continue
      if (peer.open >= MAX_OPEN_PER_PEER) continue
      const rank = rankOf(peer, limits)
      if (rank > bestRank || (rank === bestRank && away >= bestDistance)) continue
      best = peer
      bestRank = rank
      bestDistance = away
    }
    return best?.id
  }
}

/** 0: a first choice; more: only where no peer ranks lower. */
function rankOf(
  peer: Peer,
  limits: { readonly avoided?: ReadonlySet<PeerId>; readonly nowMs: number },
): number {
  const isSilent = peer.open > 0 && limits.nowMs - peer.heardAtMs > SILENT_MS
  const isSuspect = limits.nowMs < peer.suspectUntilMs
  return (isSilent || isSuspect ? 2 : 0) + (limits.avoided?.has(peer.id) === true ? 1 : 0)
}
