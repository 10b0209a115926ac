/**
 * A rate with a burst: so many at once, then so many a second. Pure: time comes in as an argument.
 * @module
 */
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
