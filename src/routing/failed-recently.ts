/**
 * What was looked for in vain a moment ago: the same request is answered at once instead of being
 * carried through the network again (spec §9.3). Bounded; the entry that failed longest ago goes first.
 * @module
 */
import type { Address, Home } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'
import type { Freshness } from './messages.ts'

/** Addresses that are remembered, each with at most six failures: about 1 MiB. */
export const MAX_FAILED_ADDRESSES = 4096
const LONGEST_MS = 60_000

interface Failure {
  readonly home: Home
  readonly freshness: Freshness
  untilMs: number
  spanMs: number
  /** The most credit that was spent in vain: a request with more is let through. */
  credit: number
}

interface What {
  readonly address: Address
  readonly home: Home
  readonly freshness: Freshness
}

export class FailedRecently {
  readonly #firstMs: number
  /** By address, in order of the last failure. */
  readonly #failures = new Map<string, { failures: Failure[]; lastMs: number }>()

  /** `firstMs`: how long a first failure counts; 0: nothing is remembered. */
  constructor(firstMs: number) {
    this.#firstMs = firstMs
  }

  /** Addresses remembered, at most MAX_FAILED_ADDRESSES. */
  get size(): number {
    return this.#failures.size
  }

  /**
   * A search with `credit` ended with not-found. Again within twice its span, the next one counts twice
   * as long. Of freshness 2 nothing is remembered.
   */
  failed(what: What, credit: number, nowMs: number): void {
    if (this.#firstMs === 0 || what.freshness === 2) return
    this.#dropOld(nowMs)
    const name = mapKey(what.address)
    const failures = this.#failures.get(name)?.failures ?? []
    this.#failures.delete(name)
    this.#failures.set(name, { failures, lastMs: nowMs }) // at the end: failed last
    const { home, freshness } = what
    const known = failures.find((one) => one.home === home && one.freshness === freshness)
    if (known === undefined) {
      const spanMs = this.#firstMs
      failures.push({ home, freshness, untilMs: nowMs + spanMs, spanMs, credit })
      return
    }
    const isAgain = nowMs < known.untilMs + known.spanMs
    const isOver = nowMs >= known.untilMs
    known.spanMs = isAgain ? Math.min(LONGEST_MS, 2 * known.spanMs) : this.#firstMs
    known.credit = isOver ? credit : Math.max(known.credit, credit)
    known.untilMs = nowMs + known.spanMs
  }

  /** Whether a search with `credit` would be in vain, as far as this node knows. */
  isVain(what: What, credit: number, nowMs: number): boolean {
    if (what.freshness === 2 || this.#failures.size === 0) return false
    const { home, freshness } = what
    const known = this.#failures
      .get(mapKey(what.address))
      ?.failures.find((one) => one.home === home && one.freshness === freshness)
    return known !== undefined && nowMs < known.untilMs && credit <= known.credit
  }

  /** The block came by here, or is offered: nothing that is known of its absence holds. */
  clear(address: Address): void {
    if (this.#failures.size > 0) this.#failures.delete(mapKey(address))
  }

  /** Makes room: what can no longer double a span goes, and beyond the bound what failed longest ago. */
  #dropOld(nowMs: number): void {
    for (const [name, { lastMs }] of this.#failures) {
      const isOld = lastMs + 2 * LONGEST_MS <= nowMs
      if (!isOld && this.#failures.size < MAX_FAILED_ADDRESSES) return
      this.#failures.delete(name)
    }
  }
}
