/**
 * One piece of work after the other.
 * @module
 */

export class Turns {
  #isTaken = false
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>()

  /**
   * Resolves or rejects as `work` does. Whoever still waits for it is let go by `signal`, and leaves nothing
   * behind; work that has begun goes on to its end. @throws the signal's reason.
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#isTaken) await this.#wait(signal)
    this.#isTaken = true
    try {
      return await work()
    } finally {
      const [next] = this.#waiting
      // the turn goes from hand to hand: nobody comes in between
      if (next === undefined) this.#isTaken = false
      else next()
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const enter = (): void => {
        this.#waiting.delete(enter)
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.delete(enter)
        reject(signal?.reason as Error)
      }
      this.#waiting.add(enter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }
}
