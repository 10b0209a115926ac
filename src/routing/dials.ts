/**
 * Dials under way and how many more may begin (spec §9.9): 8 at a time, the first 16 at once, then 2 a
 * second; one in four goes to a peer that the rendezvous told of, whatever others tell.
 * @module
 */
import { Allowance } from './allowance.ts'
import type { PeerKey } from './topology-ports.ts'

const MAX_UNDER_WAY = 8
const RATE = { perSecond: 2, burst: 16 }
/** Of these in a row, one is the rendezvous's. */
const RENDEZVOUS_EVERY = 4
/** Most dials that are answered have been by then, ms. */
const FRESH_MS = 1500
/** A dial of which nothing was heard has failed, ms. */
const DIAL_MS = 60_000

export type DialKind = 'ring' | 'long' | 'spare'

export interface Dial {
  readonly kind: DialKind
  /** The slot it is to fill. */
  readonly slot: number | undefined
  readonly sinceMs: number
}

export class Dials {
  readonly #underWay = new Map<PeerKey, Dial>()
  readonly #allowance = new Allowance(RATE)
  #sinceRendezvous = 0

  get size(): number {
    return this.#underWay.size
  }

  has(key: PeerKey): boolean {
    return this.#underWay.has(key)
  }

  /** Dials of ring neighbors that may well be answered still: most of the others are to the dead. */
  freshRing(nowMs: number): number {
    let count = 0
    for (const { kind, sinceMs } of this.#underWay.values()) {
      if (kind === 'ring' && nowMs - sinceMs < FRESH_MS) count++
    }
    return count
  }

  fills(slot: number): boolean {
    for (const dial of this.#underWay.values()) if (dial.slot === slot) return true
    return false
  }

  mayBegin(nowMs: number): boolean {
    return this.#underWay.size < MAX_UNDER_WAY && this.#allowance.has(nowMs)
  }

  /** Whether the next one is the rendezvous's, if it has told of anybody who is wanted. */
  get isRendezvousDue(): boolean {
    return this.#sinceRendezvous >= RENDEZVOUS_EVERY - 1
  }

  begin(key: PeerKey, dial: Dial, isRendezvous: boolean): void {
    this.#allowance.take(dial.sinceMs)
    this.#sinceRendezvous = isRendezvous ? 0 : this.#sinceRendezvous + 1
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
