/**
 * A rate with a burst: so many at once, then so many a second; and what comes of a peer that keeps
 * to none. Pure: time comes in as an argument.
 * @module
 */
/** Times its rate at which a kind of message costs the link. */
const INTOLERABLE = 10

/** `ignored`: too many, not to be looked at; `ban`: far too many, the link is to be ended. */
export type Verdict = 'taken' | 'ignored' | 'ban'

export class Allowance {
  readonly #perSecond: number
  readonly #burst: number
  #left: number
  #atMs = 0

  constructor(options: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = options.perSecond
    this.#burst = options.burst
    this.#left = options.burst
  }

  /** Whether one more is allowed now. */
  has(nowMs: number): boolean {
    const earned = (Math.max(0, nowMs - this.#atMs) * this.#perSecond) / 1000
    this.#left = Math.min(this.#burst, this.#left + earned)
    this.#atMs = Math.max(this.#atMs, nowMs)
    return this.#left >= 1
  }

  /** Takes one if it is allowed now; whether it was. */
  take(nowMs: number): boolean {
    if (!this.has(nowMs)) return false
    this.#left--
    return true
  }
}

/** A rate, and how much of it is too much to be borne. */
export class Limit {
  readonly #allowed: Allowance
  readonly #borne: Allowance

  constructor({ perSecond, burst }: { perSecond: number; burst: number }) {
    this.#allowed = new Allowance({ perSecond, burst })
    this.#borne = new Allowance({ perSecond: perSecond * INTOLERABLE, burst: burst * INTOLERABLE })
  }

  /** What becomes of one more that comes now. */
  take(nowMs: number): Verdict {
    if (!this.#borne.take(nowMs)) return 'ban'
    return this.#allowed.take(nowMs) ? 'taken' : 'ignored'
  }
}
