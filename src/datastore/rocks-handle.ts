/**
 * A RocksDB that is opened anew while others use it: what they ask meanwhile waits.
 * @module
 */
import type RocksDB from 'rocksdb-native'

import { ShoalError } from '../errors.ts'

/** What an index asks of a database. */
export type Database = Pick<
  RocksDB,
  'read' | 'write' | 'iterator' | 'flush' | 'compactRange' | 'close'
>

export class RocksHandle {
  readonly #open: () => Promise<Database>
  /** undefined: it could not be opened again. */
  #db: Database | undefined
  #calls = 0
  #onidle: (() => void) | undefined
  #swapping: Promise<void> | undefined
  #isClosed = false

  private constructor(open: () => Promise<Database>, db: Database) {
    this.#open = open
    this.#db = db
  }

  static async create(open: () => Promise<Database>): Promise<RocksHandle> {
    return new RocksHandle(open, await open())
  }

  get isOpen(): boolean {
    return this.#db !== undefined
  }

  /** Settles when it is not being opened anew any more; undefined: it is not. */
  get swapping(): Promise<void> | undefined {
    return this.#swapping
  }

  /** @throws ShoalError E_STORE_IO while it cannot be opened again. */
  async use<T>(task: (db: Database) => Promise<T>): Promise<T> {
    while (this.#swapping !== undefined) await this.#swapping.catch(() => {})
    if (this.#db === undefined) {
      throw new ShoalError('E_STORE_IO', 'the index could not be opened again')
    }
    this.#calls++
    try {
      return await task(this.#db)
    } finally {
      this.#calls--
      if (this.#calls === 0) this.#onidle?.()
    }
  }

  /**
   * Waits for calls under way, closes, runs `between`, and opens, whatever `between` says; one after the
   * other.
   */
  reopen(between?: () => Promise<unknown>): Promise<void> {
    const run = (): Promise<void> => this.#swap(between)
    const swapping = (this.#swapping?.then(run, run) ?? run()).finally(() => {
      if (this.#swapping === swapping) this.#swapping = undefined
    })
    this.#swapping = swapping
    return swapping
  }

  /** For good. */
  async close(): Promise<void> {
    this.#isClosed = true
    while (this.#swapping !== undefined) await this.#swapping.catch(() => {})
    const db = this.#db
    this.#db = undefined
    await db?.close()
  }

  async #swap(between: (() => Promise<unknown>) | undefined): Promise<void> {
    if (this.#isClosed) throw new ShoalError('E_CLOSED', 'the index is closed')
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        this.#onidle = resolve
      })
      this.#onidle = undefined
    }
    const db = this.#db
    this.#db = undefined
    await db?.close()
    try {
      await between?.()
    } finally {
      this.#db = await this.#open()
    }
  }
}
