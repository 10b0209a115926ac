/**
 * A file of random bytes that keeps room on the disk for the moments in which a full one would end the
 * store: RocksDB writes when it is opened, and a store that is to give room back first has to write where its
 * blocks went (spec §11.4).
 * @module
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { noise } from '../keys/seal.ts'
import type { Clock } from '../runtime.ts'
import { freeBytes } from './disk-space.ts'
import { fileAt, withFile } from './whole-file.ts'

export const RESERVE_FILE = 'reserve'
/** Written at once. */
const PIECE_BYTES = 1024 * 1024
/** Left to others when the file is made behind their back. */
const LEFT_BYTES = 1024 * 1024
/** Between two tries to make it whole, ms. */
const RETRY_MS = 60_000

export class SpareRoom {
  readonly #folder: string
  readonly #path: string
  #bytes: number
  #working: Promise<boolean> = Promise.resolve(true)
  #cancelTimer: (() => void) | undefined
  #isStopped = false
  #isShort = false

  constructor(folder: string, bytes: number) {
    this.#folder = folder
    this.#path = join(folder, RESERVE_FILE)
    this.#bytes = bytes
  }

  /** From now on it keeps so much room. */
  set bytes(bytes: number) {
    this.#bytes = bytes
  }

  /** When it was looked at last the disk had not all of this room. */
  get isShort(): boolean {
    return this.#isShort
  }

  /** Gives the room back to the disk. False: there was none to give. */
  async release(): Promise<boolean> {
    await this.#working
    const size = await this.#size()
    await rm(this.#path, { force: true }).catch(() => {})
    return size > 0
  }

  /**
   * Takes what is missing, as far as there is room beyond `leftBytes`. False: it is not whole. Rejects never.
   */
  restore(leftBytes = 0): Promise<boolean> {
    this.#working = this.#working.then(() => this.#fill(leftBytes)).catch(() => false)
    return this.#working
  }

  /** Restores it in the background, again and again until it is whole. */
  start(clock: Clock): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    void this.restore(LEFT_BYTES).then((isWhole) => {
      if (isWhole || this.#isStopped) return
      this.#cancelTimer?.()
      this.#cancelTimer = clock.after(RETRY_MS, () => this.start(clock))
    })
  }

  /** After the last write, the index closed: what that gave back to a full disk is kept for the next open. */
  async topUp(): Promise<void> {
    if (!this.#isShort || (await this.#size()) === 0) return
    this.#isStopped = false
    await this.restore()
    this.#isStopped = true
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    await this.#working
  }

  async #size(): Promise<number> {
    return (await fileAt(this.#path).catch(() => undefined))?.sizeBytes ?? 0
  }

  /** Not synced: it only has to have the room. */
  async #fill(leftBytes: number): Promise<boolean> {
    const size = await this.#size()
    const free = (await freeBytes(this.#folder)) - leftBytes
    if (this.#isStopped) return true
    const end = Math.min(this.#bytes, size + Math.max(0, free))
    this.#isShort = end < this.#bytes
    if (end !== size) await withFile(this.#path, 'a', (file) => this.#to(file, size, end))
    return end === this.#bytes
  }

  async #to(file: Appendable, size: number, end: number): Promise<void> {
    if (size > end) await file.truncate(end)
    for (let at = size; at < end && !this.#isStopped; at += PIECE_BYTES) {
      await file.appendFile(noise(Math.min(PIECE_BYTES, end - at)))
    }
  }
}

interface Appendable {
  truncate(length: number): Promise<void>
  appendFile(bytes: Uint8Array): Promise<void>
}
