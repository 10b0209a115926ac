/**
 * Editions to be looked at again (spec §9.8): those that nobody could be asked about, kept in the
 * keyring, and for an hour every other one, in memory. This file knows when; what to do it is told.
 * @module
 */
import { isShoalError } from '../errors.ts'
import type { Clock } from '../runtime.ts'

/** Peers have just come: time for more of them, ms. */
const FIRST_PEERS_MS = 2000
/**
 * After how long an edition that is out is looked at, ms: longer than another machine takes from its
 * look-up to its push, than a line or a router is gone, and than a network stays parted on a bad day.
 */
const LOOKS_MS: readonly number[] = [30_000, 600_000, 3_600_000]
/** Pause after a look that told nothing, ms; doubles up to the longest. */
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 600_000
/** About an hour of trying; what the network does not show then, it has lost. */
const MAX_TRIES = 12
/** Looks without an answer that keep a publication back, 8 minutes; more would do so for nothing. */
const PATIENT_TRIES = 4
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
  /** Of one that is out: nobody has found it in its place yet. */
  readonly isFirst: boolean
  /** Without an answer it is worth while to wait for one. */
  readonly isPatient: boolean
}

/** `ours`: it is out and in its place, for now; `later`: ask again after a pause. */
export type CheckOutcome = 'ours' | 'done' | 'later'

interface Pending {
  readonly claim: Claim
  readonly isHeld: boolean
  readonly sinceMs: number
  dueMs: number
  /** A look out of turn, since a peer has come. */
  wokenMs: number
  /** Looks that told nothing, since the last one that did. */
  tries: number
  /** Looks that found it in its place. */
  looks: number
}

export class ClaimChecker {
  readonly #clock: Clock
  readonly #peers: () => number
  readonly #check: (check: Check) => Promise<CheckOutcome>
  readonly #pending = new Map<string, Pending>()
  #stopTimer: (() => void) | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(options: {
    clock: Clock
    peers: () => number
    /** May add other claims; a failure counts as `later`. */
    check: (check: Check) => Promise<CheckOutcome>
    /** Claims left from before, all of them held. */
    held: readonly Claim[]
  }) {
    this.#clock = options.clock
    this.#peers = options.peers
    this.#check = options.check
    for (const claim of options.held) this.add(claim, true)
  }

  /** Checks `claim` in half a minute and later; a held one as soon as there are peers. */
  add(claim: Claim, isHeld: boolean): void {
    const heldMs = this.#peers() === 0 ? Number.POSITIVE_INFINITY : FIRST_PEERS_MS
    this.#put(claim, isHeld, this.#clock.now() + (isHeld ? heldMs : (LOOKS_MS[0] as number)))
    const rechecks = [...this.#pending].filter(([, pending]) => !pending.isHeld)
    const [oldest] = rechecks
    if (rechecks.length > MAX_RECHECKS && oldest !== undefined) this.#pending.delete(oldest[0])
    this.#schedule()
  }

  /** No check of it any more. */
  drop(claim: Claim): void {
    this.#pending.delete(nameOf(claim))
  }

  /** Those of the same document with lower editions. */
  older(claim: Claim): readonly Pick<Check, 'claim' | 'isHeld'>[] {
    return this.#siblings(claim).filter((other) => other.claim.edition < claim.edition)
  }

  /** Whether `claim` still waits here, and no later edition of its document does. */
  isNewest(claim: Claim): boolean {
    const siblings = this.#siblings(claim)
    return Math.max(...siblings.map((other) => other.claim.edition)) === claim.edition
  }

  /** A peer has come. */
  wake(): void {
    const now = this.#clock.now()
    const soonMs = now + FIRST_PEERS_MS
    for (const pending of this.#pending.values()) {
      if (!pending.isHeld) continue
      const isLate = pending.dueMs === Number.POSITIVE_INFINITY || pending.dueMs < now
      if (isLate) pending.dueMs = soonMs
      else pending.wokenMs = Math.min(pending.wokenMs, soonMs)
    }
    this.#schedule()
  }

  /** Resolves when no check is running any more; the checks' own signal must have ended them. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopTimer?.()
    await this.#running
  }

  #siblings({ key, document }: Claim): readonly Pending[] {
    return [...this.#pending.values()].filter(
      ({ claim }) => claim.key === key && claim.document === document,
    )
  }

  #put(claim: Claim, isHeld: boolean, dueMs: number): void {
    const fresh = { sinceMs: this.#clock.now(), wokenMs: Number.POSITIVE_INFINITY }
    this.#pending.set(nameOf(claim), { claim, isHeld, dueMs, ...fresh, tries: 0, looks: 0 })
  }

  #schedule(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    if (this.#isClosed || this.#running !== undefined || this.#peers() === 0) return
    const dueMs = Math.min(...[...this.#pending.values()].map(nextMsOf))
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
    const due = [...this.#pending].filter(([, pending]) => nextMsOf(pending) <= now)
    due.sort(([, a], [, b]) => a.claim.edition - b.claim.edition)
    for (const [name, pending] of due) {
      if (this.#isClosed || this.#peers() === 0) return
      // dropped or published anew meanwhile
      if (this.#pending.get(name) === pending) await this.#look(name, pending)
    }
  }

  async #look(name: string, pending: Pending): Promise<void> {
    const { claim, isHeld, tries, looks } = pending
    const isEarly = pending.dueMs > this.#clock.now()
    pending.wokenMs = Number.POSITIVE_INFINITY
    const isPatient = isEarly || tries < PATIENT_TRIES
    const outcome = await this.#tryCheck({ claim, isHeld, isFirst: looks === 0, isPatient })
    if (this.#pending.get(name) !== pending) return
    const isLast =
      outcome === 'ours' ? looks + 1 >= LOOKS_MS.length : !isHeld && tries + 1 >= MAX_TRIES
    if (outcome === 'done' || isLast) this.#pending.delete(name)
    else if (outcome === 'ours') this.#foundOurs(pending)
    else if (!isEarly) {
      pending.tries++
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries)
      pending.dueMs = this.#clock.now() + pauseMs
    }
  }

  #foundOurs(pending: Pending): void {
    pending.looks++
    pending.tries = 0
    const dueMs = pending.sinceMs + (LOOKS_MS[pending.looks] ?? 0)
    pending.dueMs = Math.max(dueMs, this.#clock.now() + FIRST_PAUSE_MS)
  }

  async #tryCheck(check: Check): Promise<CheckOutcome> {
    try {
      return await this.#check(check)
    } catch (error) {
      // a removed key has no publications; anything else (disk, overload, the node's end) may pass
      return isShoalError(error) && error.code === 'E_NO_KEY' ? 'done' : 'later'
    }
  }
}

function nextMsOf({ dueMs, wokenMs }: Pending): number {
  return Math.min(dueMs, wokenMs)
}

function nameOf({ key, document, edition }: Claim): string {
  return `${key}\n${document}\n${edition}`
}
