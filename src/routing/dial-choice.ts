/**
 * Whom to dial next out of those that are known (spec §9.9): nearer neighbors before long links before
 * spares, and those of sources that told of dead ones later.
 * @module
 */
import type { DialKind, Dials } from './dials.ts'
import type { KnownPeer, KnownPeers } from './known-peers.ts'
import type { LinkTable } from './link-table.ts'
import { distance } from './position.ts'
import type { SlotSearch } from './slot-search.ts'
import type { CandidateSource } from './topology-ports.ts'

/**
 * Neighbors that are dialed side by side: each that answers tells of nearer ones, and what was dialed
 * meanwhile is wasted; but liars must not take all places (tried: 3 to 6, decision 0017).
 */
const MAX_RING_DIALS = 6

export interface Want {
  readonly peer: KnownPeer
  readonly kind: DialKind
  /** The slot it is to fill. */
  readonly slot: number | undefined
  /** Lower goes first. */
  readonly rank: number
  /** Of the same rank: lower goes first. */
  readonly distance: number
}

export interface Chooser {
  readonly links: LinkTable
  readonly dials: Dials
  readonly known: KnownPeers
  readonly slots: SlotSearch
  /** Whether anything but ring neighbors is wanted yet. */
  readonly isSettled: boolean
  /** Whether there are too few links, so that anybody is wanted. */
  readonly isShort: boolean
  readonly nowMs: number
}

/** What all candidates are held against, found out once. */
interface Needs extends Chooser {
  /** Nobody farther is wanted as a neighbor now. */
  readonly ringReach: number
  readonly isSpareWanted: boolean
  /** By slot: 1 where nobody holds it or is dialed for it. */
  readonly free: Uint8Array
  /** What each source has under way that counts against it. */
  readonly pending: ReadonlyMap<CandidateSource, number>
}

/** The best of those who are wanted; the rendezvous's best when it is its turn; undefined: nobody. */
export function chooseDial(chooser: Chooser): Want | undefined {
  const { nowMs, known, links } = chooser
  known.placeAll(links.boundaries, (position) => links.slotOf(position))
  const needs = needsOf(chooser)
  let best: Want | undefined
  let bestFound: Want | undefined
  for (const peer of known.all) {
    if (nowMs < peer.retryAtMs || !mayBeWanted(peer, needs)) continue
    const want = wantOf(peer, needs)
    if (want === undefined) continue
    if (isBefore(want, best)) best = want
    if (peer.source.name === 'rendezvous' && isBefore(want, bestFound)) bestFound = want
  }
  return chooser.dials.isRendezvousDue ? (bestFound ?? best) : best
}

function needsOf(chooser: Chooser): Needs {
  const { links, dials } = chooser
  const free = links.freeSlots()
  for (let slot = 0; slot < free.length; slot++) {
    const mayDial = chooser.isSettled && chooser.slots.mayDial(slot, chooser.nowMs)
    if (free[slot] === 1 && (!mayDial || dials.fills(slot))) free[slot] = 0
  }
  const pending = dials.pending(chooser.nowMs)
  const isRingOpen = dials.freshRing(chooser.nowMs) < MAX_RING_DIALS
  const ringReach = isRingOpen ? links.ringReach : 0
  return {
    ...chooser,
    free,
    pending,
    ringReach,
    isSpareWanted: chooser.isSettled && chooser.isShort,
  }
}

/** The quick answer, which is no for most. */
function mayBeWanted({ away, slot }: KnownPeer, needs: Needs): boolean {
  const isForSlot = slot !== undefined && needs.free[slot] === 1
  return away < needs.ringReach || isForSlot || needs.isSpareWanted
}

function wantOf(peer: KnownPeer, needs: Needs): Want | undefined {
  const { links, dials } = needs
  const want = purposeOf(peer, needs)
  const isTaken = want === undefined || dials.has(peer.key) || links.get(peer.key) !== undefined
  return isTaken ? undefined : want
}

/** What a peer at that position would be good for now. */
function purposeOf(peer: KnownPeer, needs: Needs): Want | undefined {
  const { links, free } = needs
  // who has failed comes after all of its source that were never tried: a stale cache is long
  const { source } = peer
  const pending = needs.pending.get(source.name) ?? 0
  const doubt = Math.floor(source.doubt) + pending + 2 * peer.failures
  if (peer.away < needs.ringReach && links.wouldBeRing(peer.position)) {
    return { peer, kind: 'ring', slot: undefined, rank: doubt, distance: peer.away }
  }
  const { slot } = peer
  if (slot !== undefined && free[slot] === 1) {
    const away = distance(peer.position, links.aimOf(slot))
    return { peer, kind: 'long', slot, rank: doubt + 2, distance: away }
  }
  if (!needs.isSpareWanted) return undefined
  return { peer, kind: 'spare', slot: undefined, rank: doubt + 4, distance: links.countIn(slot) }
}

function isBefore(a: Want, b: Want | undefined): boolean {
  if (b === undefined || a.rank < b.rank) return true
  return a.rank === b.rank && a.distance < b.distance
}
