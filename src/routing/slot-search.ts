/**
 * When this node asks around (spec §9.9): for its place on the ring, and for peers in slots that are
 * free. Slower where nothing is found; all together bounded.
 * @module
 */
import { Allowance } from './allowance.ts'

/** A slot that was asked for is asked for again after this, ms; doubles. */
const FIRST_WAIT_MS = 2000
const LONGEST_WAIT_MS = 60_000
/** All SEEKs of a node: a newcomer sends 40 or so until it has its place. */
const RATE = { perSecond: 8, burst: 48 }
/** A slot of which a dial has failed waits this long for the next, ms; doubles. */
const FIRST_DIAL_WAIT_MS = 1000

export class SlotSearch {
  readonly #nextAtMs: Float64Array
  readonly #tries: Uint8Array
  readonly #nextDialAtMs: Float64Array
  readonly #failedDials: Uint8Array
  readonly #allowance = new Allowance(RATE)

  constructor(slots: number) {
    this.#nextAtMs = new Float64Array(slots)
    this.#tries = new Uint8Array(slots)
    this.#nextDialAtMs = new Float64Array(slots)
    this.#failedDials = new Uint8Array(slots)
  }

  /** Whether it is time to ask for peers in a free slot. */
  isDue(slot: number, nowMs: number): boolean {
    return nowMs >= (this.#nextAtMs[slot] as number)
  }

  /** It is asked for; returns the times that this happened since it was filled. */
  asked(slot: number, nowMs: number): number {
    const tries = Math.min(250, (this.#tries[slot] as number) + 1)
    this.#tries[slot] = tries
    this.#nextAtMs[slot] = nowMs + waitMs(FIRST_WAIT_MS, tries)
    return tries
  }

  /** Whether a peer may be dialed for a free slot. */
  mayDial(slot: number, nowMs: number): boolean {
    return nowMs >= (this.#nextDialAtMs[slot] as number)
  }

  /** A dial for it failed or was refused: the next one waits. */
  dialFailed(slot: number, nowMs: number): void {
    const failed = Math.min(250, (this.#failedDials[slot] as number) + 1)
    this.#failedDials[slot] = failed
    this.#nextDialAtMs[slot] = nowMs + waitMs(FIRST_DIAL_WAIT_MS, failed)
  }

  /** A link lies in it: if that goes, all begins anew. */
  filled(slot: number): void {
    this.#tries[slot] = 0
    this.#nextAtMs[slot] = 0
    this.#failedDials[slot] = 0
    this.#nextDialAtMs[slot] = 0
  }

  /** Whether one more SEEK may be sent now, which is counted. */
  take(nowMs: number): boolean {
    return this.#allowance.take(nowMs)
  }
}

function waitMs(firstMs: number, times: number): number {
  return Math.min(LONGEST_WAIT_MS, firstMs * 2 ** Math.min(8, times - 1))
}
