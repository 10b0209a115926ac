/**
 * What a store counts of its work for peers: kept in memory only, never by address or link.
 * @module
 */
import type { Area, Histogram, PutResult, StoreStats } from './store.ts'

/** From a hit in the page cache to a disk that is in trouble, ms. */
const BOUNDS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500] as const

type Timed = 'get' | 'put' | 'commit'

export class StoreMeter {
  readonly #hits: Record<Area, number> = { store: 0, cache: 0 }
  readonly #puts: Record<PutResult, number> = { stored: 0, known: 0, older: 0, refused: 0 }
  readonly #latency = { get: new Times(), put: new Times(), commit: new Times() }
  #misses = 0
  #bytesWritten = 0
  #verifyFailures = 0

  /** A peer's read found its block in `area`. */
  hit(area: Area): void {
    this.#hits[area]++
  }

  miss(): void {
    this.#misses++
  }

  put(result: PutResult): void {
    this.#puts[result]++
  }

  /** Bytes written to the slab. */
  wrote(bytes: number): void {
    this.#bytesWritten += bytes
  }

  verifyFailed(): void {
    this.#verifyFailures++
  }

  time(what: Timed, elapsedMs: number): void {
    this.#latency[what].add(elapsedMs)
  }

  stats(): Pick<StoreStats, 'misses' | 'puts' | 'bytesWritten' | 'verifyFailures' | 'latency'> & {
    readonly hits: Readonly<Record<Area, number>>
  } {
    const { get, put, commit } = this.#latency
    return {
      hits: { ...this.#hits },
      misses: this.#misses,
      puts: { ...this.#puts },
      bytesWritten: this.#bytesWritten,
      verifyFailures: this.#verifyFailures,
      latency: { get: get.histogram(), put: put.histogram(), commit: commit.histogram() },
    }
  }
}

class Times {
  readonly #counts = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0)
  #sumMs = 0

  add(elapsedMs: number): void {
    const elapsed = Math.max(0, elapsedMs) // a clock that was set back
    let at = 0
    while (at < BOUNDS_MS.length && elapsed > (BOUNDS_MS[at] as number)) at++
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#sumMs += elapsed
  }

  histogram(): Histogram {
    return { boundsMs: BOUNDS_MS, counts: [...this.#counts], sumMs: this.#sumMs }
  }
}
