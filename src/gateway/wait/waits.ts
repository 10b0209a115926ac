/**
 * The waits of a gateway: one job for a key, whoever looks at it, and an end for each of them.
 * @module
 */
import { randomBytes } from 'node:crypto'

import { ShoalError } from '../../errors.ts'
import type { ShoalUri } from '../../keys/uri.ts'
import { formatUri } from '../../keys/uri.ts'
import type { Node } from '../../node.ts'
import type { Clock } from '../../runtime.ts'
import { systemClock } from '../../runtime.ts'
import { openingOf } from './open-beginning.ts'
import { KEPT_MS, WaitJob, WAIT_MS } from './wait-job.ts'

/** Jobs at once; beyond this many nobody is shown a page, and browsers wait as programs do. */
const MAX_JOBS = 64
/** Of these, how many may keep trying. */
const MAX_KEPT = 16
/** How long a job runs that nobody looks at, ms: a page without scripts comes back every 3 s. */
const IDLE_MS = 30_000
/** The same, after a page that nobody sees has asked: browsers let it do so once a minute, ms. */
const POLL_IDLE_MS = 90_000
/** How long a job that is over can still be told to keep trying, ms. */
const OVER_MS = 600_000
/** For how long its end is the answer to the next load, and turns the pages of other windows, ms. */
const FRESH_MS = 30_000
const ID_BYTES = 16

export interface WaitsOptions {
  readonly node: Node
  readonly clock?: Clock
}

export interface WaitFor {
  readonly uri: ShoalUri
  /** The very edition that is named. */
  readonly isPinned: boolean
  /** Longest wait of one who looks, ms; default WAIT_MS. */
  readonly limitMs?: number | undefined
}

interface Place {
  readonly job: WaitJob
  /** Requests and pages that look at it. */
  viewers: number
  /** How long it goes on after the last of them, ms. */
  idleMs: number
  /** Its page was sent: there may be a window that turns when it is found. */
  isShown: boolean
  /** What was found was the answer to a load. */
  isAnswered: boolean
  stopTimer: () => void
}

export class Waits {
  readonly clock: Clock
  readonly #node: Node
  /** By what is waited for, in the order of their beginning. */
  readonly #places = new Map<string, Place>()

  constructor({ node, clock = systemClock }: WaitsOptions) {
    this.#node = node
    this.clock = clock
  }

  /** The job for this key, or a new one; undefined where there is no room for it. */
  join(wanted: WaitFor): WaitJob | undefined {
    const { uri, isPinned, limitMs = WAIT_MS } = wanted
    const key = `${isPinned ? 'pinned ' : ''}${formatUri(uri)}`
    const known = this.#places.get(key)?.job
    if (known !== undefined && !(known.isOver && known.overMs > FRESH_MS)) {
      known.extend(limitMs)
      return known
    }
    if (known !== undefined) this.cancel(known)
    if (!this.#makeRoom()) return undefined
    const id = randomBytes(ID_BYTES).toString('base64url')
    const open = openingOf(this.#node, uri, isPinned)
    const job = new WaitJob({ id, uri, limitMs, open, clock: this.clock })
    const flags = { isShown: false, isAnswered: false }
    const place = { job, viewers: 0, idleMs: IDLE_MS, ...flags, stopTimer: () => {} }
    this.#places.set(key, place)
    job.onChange(() => {
      if (job.isOver || job.isKept) this.#setTimer(place)
    })
    return job
  }

  /** Jobs now, those that are over and not forgotten among them. */
  get size(): number {
    return this.#places.size
  }

  /** @throws ShoalError E_ROUTE where there is none, or none any more. */
  find(id: string): WaitJob {
    const place = [...this.#places.values()].find(({ job }) => job.id === id)
    if (place === undefined) throw new ShoalError('E_ROUTE', 'There is no such wait any more.')
    return place.job
  }

  /** Those that keep trying, and what they have found for nobody yet, the oldest first. */
  get kept(): readonly WaitJob[] {
    const places = [...this.#places.values()]
    return places.flatMap(({ job, isAnswered }) => (job.isKept && !isAnswered ? [job] : []))
  }

  /** As long as somebody looks the job goes on; the returned function, called once, says that one has left. */
  view(job: WaitJob): () => void {
    const place = this.#placeOf(job)
    if (place === undefined) return () => {}
    place.viewers++
    this.#setTimer(place)
    return () => {
      place.viewers--
      this.#setTimer(place)
    }
  }

  /** Somebody asks how it stands, and will again. */
  poll(job: WaitJob): void {
    const place = this.#placeOf(job)
    if (place === undefined) return
    place.idleMs = POLL_IDLE_MS
    this.#setTimer(place)
  }

  /** A window shows its page. */
  showPage(job: WaitJob): void {
    const place = this.#placeOf(job)
    if (place !== undefined) place.isShown = true
  }

  /**
   * Its end was the answer to a load; true for the first one. What failed begins anew with the next; what was
   * found stays a while for the other windows that show its page.
   */
  answer(job: WaitJob): boolean {
    const place = this.#placeOf(job)
    const isFirst = place?.isAnswered !== true
    if (place === undefined || job.state !== 'found' || !place.isShown) this.cancel(job)
    else if (isFirst) {
      place.isAnswered = true
      this.#setTimer(place)
    }
    return isFirst
  }

  /** @throws ShoalError E_BUSY where too many do already. */
  keep(job: WaitJob): void {
    const trying = this.kept.filter(({ isOver }) => !isOver)
    if (!job.isKept && trying.length >= MAX_KEPT) {
      throw new ShoalError('E_BUSY', `${MAX_KEPT} keys are being tried in the background already.`)
    }
    job.keep()
  }

  /** Ends a job and forgets it. Idempotent. */
  cancel(job: WaitJob): void {
    for (const [key, place] of this.#places) {
      if (place.job !== job) continue
      this.#places.delete(key)
      place.stopTimer()
    }
    job.cancel()
  }

  /** Ends them all. */
  close(): void {
    for (const { job } of this.#places.values()) this.cancel(job)
  }

  /** What is over makes room for what is new. */
  #makeRoom(): boolean {
    if (this.#places.size < MAX_JOBS) return true
    const ended = [...this.#places.values()].filter(({ job }) => job.isOver)
    const over = ended.find(({ job }) => !job.isKept) ?? ended[0]
    if (over !== undefined) this.cancel(over.job)
    return over !== undefined
  }

  #placeOf(wanted: WaitJob): Place | undefined {
    return [...this.#places.values()].find(({ job }) => job === wanted)
  }

  /** When it is to be forgotten, as it stands now. */
  #setTimer(place: Place): void {
    place.stopTimer()
    const delayMs = delayOf(place)
    const stop = delayMs === undefined ? undefined : this.#cancelAfter(delayMs, place)
    place.stopTimer = stop ?? ((): void => {})
  }

  #cancelAfter(delayMs: number, { job }: Place): () => void {
    return this.clock.after(delayMs, () => {
      this.cancel(job)
    })
  }
}

/** undefined: it stays, or is forgotten already. */
function delayOf({ job, viewers, idleMs, isAnswered }: Place): number | undefined {
  if (job.state === 'cancelled') return undefined
  if (isAnswered) return FRESH_MS
  if (job.isOver) return job.isKept && job.state === 'found' ? KEPT_MS : OVER_MS
  return job.isKept || viewers > 0 ? undefined : idleMs
}
