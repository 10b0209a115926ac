/**
 * Leaves fetched in parallel and handed out in order. What is in flight and what waits for its turn
 * together never exceed a window that grows by success and halves by failure (AIMD), so memory is
 * bounded by the window and a slow reader stops the fetching.
 * @module
 */

/** 256 KiB at once to begin with: enough to fill a loopback, little for a slow link. */
const FIRST_WINDOW = 8
const LEAST_WINDOW = 2
/** 4 MiB for each reader: 14 MB/s at 300 ms a round trip. */
const MOST_WINDOW = 128

/** Blocks that all readers of a node may have in flight together, 32 MiB. */
const MOST_FOR_ALL = 1024

/** What the readers of one node share: many, or many that do not read on, get small windows. */
export class WindowShares {
  #readers = 0

  /** Most blocks for one reader now. */
  get most(): number {
    const share = Math.floor(MOST_FOR_ALL / Math.max(1, this.#readers))
    return Math.max(LEAST_WINDOW, Math.min(MOST_WINDOW, share))
  }

  enter(): void {
    this.#readers++
  }

  leave(): void {
    this.#readers--
  }
}

/** One leaf that was asked for, until its turn comes. */
interface Place<T> {
  result: { readonly value: T } | { readonly error: unknown } | undefined
}

export class Window<Leaf, T> {
  readonly #leaves: AsyncIterator<readonly Leaf[]>
  readonly #fetch: (leaf: Leaf, onTrouble: () => void) => Promise<T>
  /** In the order of the leaves. */
  readonly #queue: Place<T>[] = []
  readonly #shares: WindowShares
  /** The run that leaves are taken from, from `#at` on. */
  #known: readonly Leaf[] = []
  #at = 0
  #size = FIRST_WINDOW
  /** Successes since the window last grew; while it never shrank it grows by one each. */
  #credit = 0
  #hasShrunk = false
  #isFilling = false
  #isExhausted = false
  #wake: (() => void) | undefined

  /**
   * `leaves` come in runs, as they become known. `fetch` calls `onTrouble` whenever it has to try again:
   * the window is too large.
   */
  constructor(
    leaves: AsyncIterator<readonly Leaf[]>,
    shares: WindowShares,
    fetch: (leaf: Leaf, onTrouble: () => void) => Promise<T>,
  ) {
    this.#shares = shares
    this.#leaves = leaves
    this.#fetch = fetch
  }

  /** The next result in order, or undefined after the last. Rejects as its fetch did. */
  async next(): Promise<T | undefined> {
    return (await this.take(1))[0]
  }

  /**
   * The next results in order, as many as are there, but at least one and at most `most`; none after the
   * last. Rejects as the fetch of the first of them did.
   */
  async take(most: number): Promise<T[]> {
    void this.#fill()
    while (!this.#isNextKnown()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const taken: T[] = []
    for (let first = this.#queue[0]; taken.length < most; first = this.#queue[0]) {
      if (first?.result === undefined) break
      if ('error' in first.result) {
        if (taken.length > 0) break // in its turn
        this.#queue.shift()
        throw first.result.error
      }
      taken.push(first.result.value)
      this.#queue.shift()
    }
    void this.#fill()
    return taken
  }

  #isNextKnown(): boolean {
    const [first] = this.#queue
    return first === undefined ? this.#isExhausted : first.result !== undefined
  }

  async #fill(): Promise<void> {
    if (this.#isFilling) return
    this.#isFilling = true
    while (!this.#isExhausted && this.#queue.length < Math.min(this.#size, this.#shares.most)) {
      if (this.#at < this.#known.length) {
        this.#begin(this.#run(this.#known[this.#at++] as Leaf))
      } else {
        await this.#nextRun()
        this.#wake?.()
      }
    }
    this.#isFilling = false
  }

  async #nextRun(): Promise<void> {
    try {
      const step = await this.#leaves.next()
      this.#isExhausted = step.done === true
      this.#known = step.done === true ? [] : step.value
    } catch (error) {
      this.#isExhausted = true
      this.#known = []
      this.#begin(Promise.reject(error))
    }
    this.#at = 0
  }

  #begin(work: Promise<T>): void {
    const place: Place<T> = { result: undefined }
    this.#queue.push(place)
    const settle = (result: NonNullable<Place<T>['result']>): void => {
      place.result = result
      if (this.#queue[0] === place) this.#wake?.()
    }
    work.then(
      (value) => settle({ value }),
      (error: unknown) => settle({ error }),
    )
  }

  async #run(leaf: Leaf): Promise<T> {
    let isSmooth = true
    const result = await this.#fetch(leaf, () => {
      if (isSmooth) this.#shrink()
      isSmooth = false
    })
    if (isSmooth) this.#grow()
    return result
  }

  #grow(): void {
    this.#credit++
    if (this.#hasShrunk && this.#credit < this.#size) return
    this.#credit = 0
    this.#size = Math.min(MOST_WINDOW, this.#size + 1)
  }

  #shrink(): void {
    this.#hasShrunk = true
    this.#credit = 0
    this.#size = Math.max(LEAST_WINDOW, this.#size / 2)
  }
}
