/**
 * Dials under way and how many more may begin (spec §9.9): 8 young ones at a time, 16 in all, the first 32
 * at once, then 2 a second; one in four goes to a peer that the rendezvous told of, whatever others tell.
 * @module
 */
import { Allowance } from './allowance.ts'
import type { CandidateSource, PeerKey } from './topology-ports.ts'

const MAX_UNDER_WAY = 16
const MAX_FRESH = 8
/** A newcomer needs some 25 until it has its neighbors (decision 0017); a liar is to burn the rest. */
const RATE = { perSecond: 2, burst: 32 }
/** Of these in a row, one is the rendezvous's. */
const RENDEZVOUS_EVERY = 4
/** Most dials that are answered have been by then, ms. */
const FRESH_MS = 1000
/** A dial of which nothing was heard has failed, ms. */
const DIAL_MS = 60_000

export type DialKind = 'ring' | 'long' | 'spare'

export interface Dial {
  readonly kind: DialKind
  /** The slot it is to fill. */
  readonly slot: number | undefined
  /** Who told of it. */
  readonly source: CandidateSource
  readonly sinceMs: number
}

export class Dials {
  readonly #underWay = new Map<PeerKey, Dial>()
  readonly #allowance = new Allowance(RATE)
  #sinceRendezvous = 0

  get size(): number {
    return this.#underWay.size
  }

  get(key: PeerKey): Dial | undefined {
    return this.#underWay.get(key)
  }

  has(key: PeerKey): boolean {
    return this.#underWay.has(key)
  }

  /** Dials of ring neighbors that may well be answered still: most of the others are to the dead. */
  freshRing(nowMs: number): number {
    let count = 0
    for (const dial of this.#underWay.values()) {
      if (dial.kind === 'ring' && isFresh(dial, nowMs)) count++
    }
    return count
  }

  fills(slot: number): boolean {
    for (const dial of this.#underWay.values()) if (dial.slot === slot) return true
    return false
  }

  /**
   * What each source has under way that counts against it before it has failed: all but one, and that one
   * too when it is no longer fresh. So who tells of the dead has few places, however late they fail.
   */
  pending(nowMs: number): ReadonlyMap<CandidateSource, number> {
    const counts = new Map<CandidateSource, number>()
    const hasFresh = new Set<CandidateSource>()
    for (const dial of this.#underWay.values()) {
      const { source } = dial
      const isFree = isFresh(dial, nowMs) && !hasFresh.has(source)
      if (isFree) hasFresh.add(source)
      else counts.set(source, (counts.get(source) ?? 0) + 1)
    }
    return counts
  }

  mayBegin(nowMs: number): boolean {
    let fresh = 0
    for (const dial of this.#underWay.values()) if (isFresh(dial, nowMs)) fresh++
    const hasPlace = fresh < MAX_FRESH && this.#underWay.size < MAX_UNDER_WAY
    return hasPlace && this.#allowance.has(nowMs)
  }

  /** Whether the next one is the rendezvous's, if it has told of anybody who is wanted. */
  get isRendezvousDue(): boolean {
    return this.#sinceRendezvous >= RENDEZVOUS_EVERY - 1
  }

  begin(key: PeerKey, dial: Dial): void {
    this.#allowance.take(dial.sinceMs)
    this.#sinceRendezvous = dial.source === 'rendezvous' ? 0 : this.#sinceRendezvous + 1
    this.#underWay.set(key, dial)
  }

  end(key: PeerKey): Dial | undefined {
    const dial = this.#underWay.get(key)
    this.#underWay.delete(key)
    return dial
  }

  /** Those of which nothing was heard for too long. */
  overdue(nowMs: number): PeerKey[] {
    return [...this.#underWay]
      .filter(([, dial]) => nowMs - dial.sinceMs >= DIAL_MS)
      .map(([key]) => key)
  }
}

function isFresh({ sinceMs }: Dial, nowMs: number): boolean {
  return nowMs - sinceMs < FRESH_MS
}
