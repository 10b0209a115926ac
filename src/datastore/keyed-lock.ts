/**
 * One at a time for each name, in the order of asking: two puts of an address never race.
 * @module
 */
import { ShoalError } from '../errors.ts'

/** More tasks than this are refused: each may carry a block, and these are 128 MiB of blocks. */
const MAX_TASKS = 4096

export class KeyedLock {
  /** The last task of each name; its promise never rejects. */
  readonly #tails = new Map<string, Promise<void>>()
  #tasks = 0

  /** Whether nobody has it: `runAlways` then begins before anybody else can. */
  isFree(name: string): boolean {
    return !this.#tails.has(name)
  }

  /** Runs `task` when all earlier ones of `name` are done. @throws ShoalError E_BUSY over MAX_TASKS. */
  async run<T>(name: string, task: () => Promise<T>): Promise<T> {
    if (this.#tasks >= MAX_TASKS) throw new ShoalError('E_BUSY', 'the store has too much to do')
    return this.runAlways(name, task)
  }

  /** The same for what must not be refused: tasks without a block, or within one that was let in. */
  async runAlways<T>(name: string, task: () => Promise<T>): Promise<T> {
    this.#tasks++
    const running = (this.#tails.get(name) ?? Promise.resolve()).then(task)
    const tail = running.then(nothing, nothing)
    this.#tails.set(name, tail)
    try {
      return await running
    } finally {
      this.#tasks--
      if (this.#tails.get(name) === tail) this.#tails.delete(name)
    }
  }
}

function nothing(): void {}
