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

export class Window<Leaf, T> {
  readonly #leaves: AsyncIterator<Leaf>
  readonly #fetch: (leaf: Leaf, onTrouble: () => void) => Promise<T>
  readonly #queue: Promise<T>[] = []
  readonly #shares: WindowShares
  #size = FIRST_WINDOW
  /** Successes since the window last grew; while it never shrank it grows by one each. */
  #credit = 0
  #hasShrunk = false
  #isFilling = false
  #isExhausted = false
  #wake: (() => void) | undefined

  /** `fetch` calls `onTrouble` whenever it has to try again: the window is too large. */
  constructor(
    leaves: AsyncIterator<Leaf>,
    shares: WindowShares,
    fetch: (leaf: Leaf, onTrouble: () => void) => Promise<T>,
  ) {
    this.#shares = shares
    this.#leaves = leaves
    this.#fetch = fetch
  }

  /** The next result in order, or undefined after the last. Rejects as its fetch did. */
  async next(): Promise<T | undefined> {
    void this.#fill()
    while (this.#queue.length === 0 && !this.#isExhausted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const result = await this.#queue[0]
    void this.#queue.shift() // awaited just now
    void this.#fill()
    return result
  }

  async #fill(): Promise<void> {
    if (this.#isFilling) return
    this.#isFilling = true
    while (!this.#isExhausted && this.#queue.length < Math.min(this.#size, this.#shares.most)) {
      const leaf = this.#leaves.next()
      await leaf.then(
        (step) => {
          if (step.done === true) this.#isExhausted = true
          else this.#push(this.#run(step.value))
        },
        (error: Error) => {
          this.#isExhausted = true
          this.#push(Promise.reject(error))
        },
      )
      this.#wake?.()
    }
    this.#isFilling = false
  }

  #push(result: Promise<T>): void {
    result.catch(() => {}) // reported by next(), which may come later
    this.#queue.push(result)
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
