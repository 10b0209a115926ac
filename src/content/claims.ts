/**
 * Editions to be looked at again (spec §9.8): those published without peers, kept in the keyring, and
 * for half a minute every other one, in memory. This file knows when; what to do it is told.
 * @module
 */
import { isShoalError } from '../errors.ts'
import type { Clock } from '../runtime.ts'

/** Peers have just come: time for more of them, ms. */
const FIRST_PEERS_MS = 2000
/** Longer than another machine takes from its look-up to its push, ms. */
export const RECHECK_MS = 30_000
const LONGEST_PAUSE_MS = 600_000
/** About an hour of trying; what the network does not show then, it has lost. */
const MAX_TRIES = 12
/** Rechecks in memory, at most 8 MiB of bodies; the oldest goes. */
const MAX_RECHECKS = 256

/** A publication whose edition must still be checked. */
export interface Claim {
  /** Name of the key in the keyring. */
  readonly key: string
  readonly document: string
  readonly edition: number
  /** The document inside the edition's block (spec §5.6). */
  readonly body: Uint8Array
}

export interface Check {
  readonly claim: Claim
  /** Its blocks wait in the outbox for this check. */
  readonly isHeld: boolean
  /** Checks before this one. */
  readonly tries: number
}

interface Pending extends Check {
  readonly dueMs: number
}

export class ClaimChecker {
  readonly #clock: Clock
  readonly #peers: () => number
  readonly #check: (check: Check) => Promise<'settled' | 'later'>
  readonly #pending = new Map<string, Pending>()
  #stopTimer: (() => void) | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(options: {
    clock: Clock
    peers: () => number
    /** May add other claims; `later` asks again after a pause, a failure counts as that. */
    check: (check: Check) => Promise<'settled' | 'later'>
    /** Claims left from before, all of them held. */
    held: readonly Claim[]
  }) {
    this.#clock = options.clock
    this.#peers = options.peers
    this.#check = options.check
    for (const claim of options.held) this.#put(claim, true, Number.POSITIVE_INFINITY)
  }

  /** Checks `claim` in half a minute; a held one as soon as there are peers. */
  add(claim: Claim, isHeld: boolean): void {
    const delayMs = isHeld ? FIRST_PEERS_MS : RECHECK_MS
    this.#put(claim, isHeld, this.#clock.now() + delayMs)
    const rechecks = [...this.#pending].filter(([, pending]) => !pending.isHeld)
    const [oldest] = rechecks
    if (rechecks.length > MAX_RECHECKS && oldest !== undefined) this.#pending.delete(oldest[0])
    this.#schedule()
  }

  /** A peer has come. */
  wake(): void {
    const soonMs = this.#clock.now() + FIRST_PEERS_MS
    for (const [name, pending] of this.#pending) {
      if (pending.isHeld && pending.dueMs > soonMs) {
        this.#pending.set(name, { ...pending, dueMs: soonMs })
      }
    }
    this.#schedule()
  }

  /** Resolves when no check is running any more; the checks' own signal must have ended them. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopTimer?.()
    await this.#running
  }

  #put(claim: Claim, isHeld: boolean, dueMs: number): void {
    this.#pending.set(nameOf(claim), { claim, isHeld, dueMs, tries: 0 })
  }

  #schedule(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    if (this.#isClosed || this.#running !== undefined || this.#peers() === 0) return
    const dueMs = Math.min(...[...this.#pending.values()].map((pending) => pending.dueMs))
    if (dueMs === Number.POSITIVE_INFINITY) return
    this.#stopTimer = this.#clock.after(Math.max(0, dueMs - this.#clock.now()), () => {
      this.#stopTimer = undefined
      this.#running = this.#runDue().finally(() => {
        this.#running = undefined
        this.#schedule()
      })
    })
  }

  /** One after the other, older editions first. */
  async #runDue(): Promise<void> {
    const now = this.#clock.now()
    const due = [...this.#pending].filter(([, pending]) => pending.dueMs <= now)
    due.sort(([, a], [, b]) => a.claim.edition - b.claim.edition)
    for (const [name, pending] of due) {
      if (this.#isClosed || this.#peers() === 0) return
      const outcome = await this.#tryCheck(pending)
      if (this.#pending.get(name) !== pending) continue // published anew meanwhile
      const tries = pending.tries + 1
      if (outcome === 'settled' || (!pending.isHeld && tries >= MAX_TRIES)) {
        this.#pending.delete(name)
      } else {
        const pauseMs = Math.min(LONGEST_PAUSE_MS, RECHECK_MS * 2 ** (tries - 1))
        this.#pending.set(name, { ...pending, tries, dueMs: this.#clock.now() + pauseMs })
      }
    }
  }

  async #tryCheck(pending: Pending): Promise<'settled' | 'later'> {
    try {
      return await this.#check(pending)
    } catch (error) {
      // a removed key has no publications; anything else (disk, overload, the node's end) may pass
      return isShoalError(error) && error.code === 'E_NO_KEY' ? 'settled' : 'later'
    }
  }
}

function nameOf({ key, document, edition }: Claim): string {
  return `${key}\n${document}\n${edition}`
}
