/**
 * The peers that are connected now, and what each owes: enough to choose the next one (spec §9.1).
 * A node has few of them, so a list that is walked is both the smallest and the fastest table.
 * @module
 */
import { hopsLeft } from './hops.ts'
import { bestAhead } from './look-ahead.ts'
import { OwnShare } from './own-share.ts'
import { RING, distance } from './position.ts'
import type { LinkNumber, PeerId } from './ports.ts'
import { DEFAULT_TUNING } from './tuning.ts'
import type { Tuning } from './tuning.ts'

/**
 * Requests this node may have open at one peer. 256 × 33 KB of answers are what a link is asked to
 * carry at most; a peer that has so many is not chosen.
 */
export const MAX_OPEN_PER_PEER = 256
const LONGEST_SUSPECT_MS = 60_000
/** A message that takes longer is no sign of life: a block at 16 KiB/s, ms (spec §9.2). */
const MESSAGE_MS = 2000
/** Round trip of a link that has not been measured, and what a measured one is clipped to, ms. */
const UNKNOWN_RTT_MS = 100
const LEAST_RTT_MS = 1
const MOST_RTT_MS = 1000
/** Peers on each side whose mean gap tells how densely the ring is settled here. */
const SPACING_PEERS = 4
/** With fewer peers than this no share of own first tries is kept to. */
const LEAST_PEERS_FOR_SHARES = 8
/** Ranks add up: silent or suspect outweighs a full share, and that a first hop of another home. */
const RANK_SILENT = 4
const RANK_OVER_SHARE = 2
const RANK_AVOIDED = 1
/** The second nearest node to a point is on average one spacing away. */
const HOLDER_SPACINGS = 1.5
const NO_NEIGHBORS: readonly number[] = []

interface Peer {
  readonly id: PeerId
  readonly link: LinkNumber
  readonly position: number
  neighbors: readonly number[] | Float64Array
  rttMs: number
  isRttMeasured: boolean
  /** Requests that wait for an answer. */
  open: number
  /** When it last said something to what it was asked, or began to owe, ms. */
  heardAtMs: number
  /** When the message began that is arriving, ms; -Infinity: none is. */
  receivingSinceMs: number
  /** When it last answered a request in whatever way, ms. */
  answeredAtMs: number
  /** Requests in a row that it let go by in silence. */
  silences: number
  /** Times in a row that it was made suspect. */
  suspicions: number
  suspectUntilMs: number
}

/** Who may be chosen. */
export interface Limits {
  /** Only peers nearer to the target than this. */
  readonly within: number
  readonly excluded: { has(peer: PeerId): boolean }
  /** First hops of the other homes: second choice. */
  readonly avoided?: { has(peer: PeerId): boolean } | undefined
  /** The first try of this node's own request: no peer gets more than its share of these. */
  readonly isOwn?: boolean
  /** Where the two nearest peers hold a copy each, as far as this node can tell: the second one. */
  readonly isSecond?: boolean
  readonly nowMs: number
}

/** What a choice was, besides the peer. */
export interface Choice {
  readonly peer: PeerId
  /** The directly nearest one was passed over for another's neighbors. */
  readonly isAhead: boolean
}

/** The best of the last walk through the peers, in order; used again by each, so that none allocates. */
const best: Peer[] = []
const bestRanks: number[] = []
const bestDistances: number[] = []

export class PeerTable {
  readonly #peers: Peer[] = []
  readonly #position: number
  readonly #tuning: Tuning
  readonly #ownShare: OwnShare
  #medianRttMs: number | undefined = UNKNOWN_RTT_MS
  #spacing: number | undefined
  #lastAnswerMs = -Infinity
  #lastAnswerer: PeerId = 0
  #lastOtherAnswerMs = -Infinity
  /** Times that a peer came last because it had its share of own first tries. */
  overShare = 0

  /** `position`: own ring position. */
  constructor(position = 0, tuning: Tuning = DEFAULT_TUNING) {
    this.#position = position
    this.#tuning = tuning
    this.#ownShare = new OwnShare(tuning.ownShare)
  }

  get size(): number {
    return this.#peers.length
  }

  /** Median round trip of the links, ms, in [1, 1000]. */
  get medianRttMs(): number {
    this.#medianRttMs ??= medianOf(this.#peers.map(({ rttMs }) => rttMs))
    return this.#medianRttMs
  }

  /** Mean gap between neighbors on the ring around here, as the 4 nearest peers on each side tell. */
  get spacing(): number {
    this.#spacing ??= this.#meanGap()
    return this.#spacing
  }

  /** Hops from here to `target`, as the spacing tells, in [1, 10]. */
  hopsTo(target: number): number {
    return hopsLeft(distance(this.#position, target), this.spacing)
  }

  /** `rttMs`: round trip of the link; undefined: not measured yet. */
  add(peer: { id: PeerId; link: LinkNumber; position: number; rttMs?: number | undefined }): void {
    this.#peers.push({
      id: peer.id,
      link: peer.link,
      position: peer.position,
      neighbors: NO_NEIGHBORS,
      rttMs: clippedRtt(peer.rttMs),
      isRttMeasured: isMeasured(peer.rttMs),
      open: 0,
      heardAtMs: 0,
      receivingSinceMs: -Infinity,
      answeredAtMs: -Infinity,
      silences: 0,
      suspicions: 0,
      suspectUntilMs: 0,
    })
    this.#changed()
  }

  remove(id: PeerId): void {
    const index = this.#peers.findIndex((peer) => peer.id === id)
    if (index < 0) return
    this.#peers.splice(index, 1)
    this.#changed()
  }

  setRtt(id: PeerId, rttMs: number): void {
    const peer = this.#find(id)
    if (peer === undefined) return
    peer.rttMs = clippedRtt(rttMs)
    peer.isRttMeasured = isMeasured(rttMs)
    this.#medianRttMs = undefined
  }

  /** Round trip of the link, ms, in [1, 1000]; not measured, or the peer is gone: 0. */
  rttOf(id: PeerId): number {
    const peer = this.#find(id)
    return peer?.isRttMeasured === true ? peer.rttMs : 0
  }

  /** Positions of the peer's own links; kept by reference. */
  setNeighbors(id: PeerId, positions: readonly number[] | Float64Array): void {
    const peer = this.#find(id)
    if (peer !== undefined) peer.neighbors = positions
  }

  /** It said something to what it was asked, if only that it takes it: it is not in silent debt. */
  heard(id: PeerId, nowMs: number): void {
    const peer = this.#find(id)
    if (peer !== undefined) peer.heardAtMs = nowMs
  }

  /** A message of it has begun to arrive. */
  receiving(id: PeerId, nowMs: number): void {
    const peer = this.#find(id)
    if (peer !== undefined) peer.receivingSinceMs = nowMs
  }

  /** A message of it is all there. */
  received(id: PeerId): void {
    const peer = this.#find(id)
    if (peer !== undefined) peer.receivingSinceMs = -Infinity
  }

  /** Whether a message of it has begun, less than 2 s ago, that is not all there. */
  isReceiving(id: PeerId, nowMs: number): boolean {
    const peer = this.#find(id)
    return peer !== undefined && nowMs - peer.receivingSinceMs < MESSAGE_MS
  }

  /** It answered a request, in whatever way: it is not silent, and trusted again. */
  answered(id: PeerId, nowMs: number): void {
    const peer = this.#find(id)
    if (peer === undefined) return
    peer.answeredAtMs = nowMs
    peer.silences = 0
    peer.suspicions = 0
    peer.suspectUntilMs = 0
    if (this.#lastAnswerer !== id) this.#lastOtherAnswerMs = this.#lastAnswerMs
    this.#lastAnswerer = id
    this.#lastAnswerMs = nowMs
  }

  /**
   * It let a request of `sinceMs` go by in silence. It is suspect if it answered nothing else since, and
   * either others did or it was silent the time before too: else this node may be the one cut off.
   */
  timedOut(id: PeerId, sinceMs: number, nowMs: number): void {
    const peer = this.#find(id)
    if (peer === undefined || peer.answeredAtMs >= sinceMs) return
    peer.silences++
    const otherMs = this.#lastAnswerer === id ? this.#lastOtherAnswerMs : this.#lastAnswerMs
    if (peer.silences < 2 && otherMs < sinceMs) return
    const spanMs = this.#tuning.suspectMs * 2 ** peer.suspicions
    peer.suspectUntilMs = nowMs + Math.min(LONGEST_SUSPECT_MS, spanMs)
    peer.suspicions++
  }

  opened(id: PeerId, nowMs: number): void {
    const peer = this.#find(id)
    if (peer === undefined) return
    if (peer.open === 0) peer.heardAtMs = nowMs
    peer.open++
  }

  closed(id: PeerId): void {
    const peer = this.#find(id)
    if (peer !== undefined) peer.open--
  }

  /**
   * Positions whose blocks belong here: up to the second peer on either side, since home 0 has copies
   * at the two nearest nodes. The whole ring while fewer than four peers are known.
   */
  rangeAround(position: number): { from: number; to: number } {
    const clockwise = this.#clockwiseFrom(position)
    const [after, before] = [clockwise[1], clockwise.at(-2)]
    if (clockwise.length < 4 || after === undefined || before === undefined) {
      return { from: 0, to: RING - 1 }
    }
    return { from: (position + before) % RING, to: (position + after) % RING }
  }

  /**
   * The peer nearest to `target` among those that are allowed. Peers in silent debt or suspect, then
   * those in `avoided`, only if there is no other. Equal distances go to the older connection.
   */
  nearest(target: number, limits: Limits): PeerId | undefined {
    return this.#fill(target, limits, 1) === 0 ? undefined : (best[0] as Peer).id
  }

  /**
   * The first choice for `target`: among the few directly nearest allowed peers of the best rank the one
   * that has, itself or among its links, somebody nearest to it. No list of links makes a peer allowed.
   */
  firstChoice(target: number, limits: Limits): Choice | undefined {
    const found = this.#fill(target, limits, Math.max(1, this.#tuning.lookAheadPeers))
    if (found === 0) return undefined
    let count = 1
    while (count < found && bestRanks[count] === bestRanks[0]) count++
    const index = this.#isAtHolders(limits, count) ? 1 : bestAhead(best, count, target)
    const { id, link } = best[index] as Peer
    if (limits.isOwn === true) this.#ownShare.took(link)
    return { peer: id, isAhead: index > 0 }
  }

  /** Whether the second of the `count` best is so near to the target that it holds a copy. */
  #isAtHolders({ isSecond }: Limits, count: number): boolean {
    if (isSecond !== true || count < 2) return false
    return (bestDistances[1] as number) <= HOLDER_SPACINGS * this.spacing
  }

  /** Puts the `most` best allowed peers into `best`, by rank and distance; returns how many. */
  #fill(target: number, limits: Limits, most: number): number {
    let count = 0
    for (const peer of this.#peers) {
      const away = distance(peer.position, target)
      if (away >= limits.within || limits.excluded.has(peer.id)) continue
      if (peer.open >= MAX_OPEN_PER_PEER) continue
      // the usual case, and cheap: no rank could bring it before the last of those that there are
      if (count === most && !isBefore(0, away, most - 1)) continue
      const rank = this.#rankOf(peer, limits)
      let at = Math.min(count, most - 1)
      if (count === most && !isBefore(rank, away, at)) continue
      while (at > 0 && isBefore(rank, away, at - 1)) {
        move(at - 1, at)
        at--
      }
      best[at] = peer
      bestRanks[at] = rank
      bestDistances[at] = away
      if (count < most) count++
    }
    return count
  }

  /** 0: a first choice; more: only where no peer ranks lower. */
  #rankOf(peer: Peer, { avoided, isOwn, nowMs }: Limits): number {
    let rank = avoided?.has(peer.id) === true ? RANK_AVOIDED : 0
    const isSilent = peer.open > 0 && nowMs - peer.heardAtMs > this.#silentDebtMs
    if (isSilent || nowMs < peer.suspectUntilMs) rank += RANK_SILENT
    if (isOwn === true && this.#isOverShare(peer)) {
      rank += RANK_OVER_SHARE
      this.overShare++
    }
    return rank
  }

  /** A second, and what an answer from across the ring takes. */
  get #silentDebtMs(): number {
    return this.#tuning.silentDebtMs + hopsLeft(RING / 2, this.spacing) * this.medianRttMs
  }

  #isOverShare({ link }: Peer): boolean {
    return this.#peers.length >= LEAST_PEERS_FOR_SHARES && this.#ownShare.isFull(link)
  }

  #find(id: PeerId): Peer | undefined {
    for (const peer of this.#peers) if (peer.id === id) return peer
    return undefined
  }

  #changed(): void {
    this.#medianRttMs = undefined
    this.#spacing = undefined
  }

  #meanGap(): number {
    const clockwise = this.#clockwiseFrom(this.#position)
    if (clockwise.length < 2 * SPACING_PEERS) return RING / (clockwise.length + 1)
    const after = clockwise[SPACING_PEERS - 1] as number
    const before = RING - (clockwise.at(-SPACING_PEERS) as number)
    return Math.max(1, (after + before) / (2 * SPACING_PEERS))
  }

  #clockwiseFrom(position: number): number[] {
    return this.#peers.map((peer) => (peer.position - position + RING) % RING).sort((a, b) => a - b)
  }
}

/** Whether `rank` and `away` come before what `best` has at `index`. */
function isBefore(rank: number, away: number, index: number): boolean {
  const other = bestRanks[index] as number
  return rank < other || (rank === other && away < (bestDistances[index] as number))
}

function move(from: number, to: number): void {
  best[to] = best[from] as Peer
  bestRanks[to] = bestRanks[from] as number
  bestDistances[to] = bestDistances[from] as number
}

function isMeasured(rttMs: number | undefined): rttMs is number {
  return rttMs !== undefined && !Number.isNaN(rttMs)
}

function clippedRtt(rttMs: number | undefined): number {
  if (!isMeasured(rttMs)) return UNKNOWN_RTT_MS
  return Math.min(MOST_RTT_MS, Math.max(LEAST_RTT_MS, rttMs))
}

function medianOf(values: number[]): number {
  if (values.length === 0) return UNKNOWN_RTT_MS
  return values.sort((a, b) => a - b)[values.length >> 1] as number
}
