/**
 * The slot file: 32 KiB places, read and written whole (spec §11.2). It is as long as what has been
 * filled with random bytes, so it has no holes, and a slot that was never used looks like the others.
 * What callers put into slots is sealed.
 * @module
 */
import { read, write } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES } from '../keys/block.ts'
import { noise } from '../keys/seal.ts'
import { SpareBuffers } from './spare-buffers.ts'

/** Slots appended in one write, 1 MiB: making the bytes keeps the event loop for 0.4 ms. */
const PIECE_SLOTS = 32
/** The filling syncs at least this often; what a power cut leaves blank lies in the last so many slots. */
export const UNSYNCED_SLOTS = 2048
/** Read buffers kept for the next read: as many as the thread pool can fill at once, doubled. */
const SPARE_BUFFERS = 8
/** File systems lose whole pages: one that reads as zeros was never written. */
const BLANK_PAGE = new Uint8Array(4096)

export interface Slab {
  /** Slots that are there, from 0. */
  readonly slots: number
  /** Calls `use` with the bytes of a slot, which are only lent: another read follows in them. */
  read<T>(slot: number, use: (sealed: Uint8Array) => T): Promise<T>
  /** Lends the number of the file to `use`, which may read until it resolves. */
  lend<T>(use: (fd: number) => Promise<T>): Promise<T>
  /** Rejects beyond the end: the slab grows by `extend` alone. */
  write(slot: number, sealed: Uint8Array): Promise<void>
  /**
   * Appends `count` slots of random bytes; neither this nor `truncate` may be under way already. Where
   * the disk fails, `slots` counts those that were appended whole, and nothing is left of the others.
   */
  extend(count: number): Promise<void>
  /** Cuts off all slots from `slots` on; what still reads them rejects. */
  truncate(slots: number): Promise<void>
  /** Resolves when everything written before the call survives a power cut. */
  sync(): Promise<void>
  /** Waits for reads and writes under way; later ones reject. */
  close(): Promise<void>
}

/**
 * Opens or creates the file: a new one has no slots. A torn last slot is cut off; slots that a power cut
 * left blank while the file grew are filled again. @throws ShoalError E_STORE_IO where it has more than
 * `maxSlots`: who knows what is in them.
 */
export async function openSlab(path: string, maxSlots: number): Promise<Slab> {
  const file = await open(path, 'a+', 0o600).then(async (created) => {
    await created.close()
    return open(path, 'r+') // append mode would ignore positions
  })
  try {
    const { size } = await file.stat()
    const slots = Math.floor(size / BLOCK_BYTES)
    if (slots > maxSlots) throw new ShoalError('E_STORE_IO', 'the slab is longer than the store')
    if (size !== slots * BLOCK_BYTES) await file.truncate(slots * BLOCK_BYTES)
    const slab = new FileSlab(file, slots)
    await fillBlanks(slab)
    return slab
  } catch (error) {
    await file.close()
    throw error
  }
}

/**
 * A crash while the file grew leaves pages of zeros near its end. No sealed slot has one: whatever block was
 * to be there is lost already.
 */
async function fillBlanks(slab: Slab): Promise<void> {
  const first = Math.max(0, slab.slots - UNSYNCED_SLOTS)
  for (let slot = first; slot < slab.slots; slot += SPARE_BUFFERS) {
    const last = Math.min(slot + SPARE_BUFFERS, slab.slots)
    await Promise.all(Array.from({ length: last - slot }, (_, i) => fillIfBlank(slab, slot + i)))
  }
}

/** A slot that the disk does not give, or does not take, stays as it is: what is in it is a miss later. */
async function fillIfBlank(slab: Slab, slot: number): Promise<void> {
  const isBlank = await slab.read(slot, hasBlankPage).catch(() => false)
  if (isBlank) await slab.write(slot, noise(BLOCK_BYTES)).catch(() => {})
}

function hasBlankPage(bytes: Uint8Array): boolean {
  for (let at = 0; at < BLOCK_BYTES; at += BLANK_PAGE.length) {
    if (Buffer.compare(bytes.subarray(at, at + BLANK_PAGE.length), BLANK_PAGE) === 0) return true
  }
  return false
}

class FileSlab implements Slab {
  readonly #file: FileHandle
  readonly #buffers = new SpareBuffers(SPARE_BUFFERS)
  #slots: number
  #running = 0
  #isClosed = false
  #onidle: (() => void) | undefined

  constructor(file: FileHandle, slots: number) {
    this.#file = file
    this.#slots = slots
  }

  get slots(): number {
    return this.#slots
  }

  async read<T>(slot: number, use: (sealed: Uint8Array) => T): Promise<T> {
    const buffer = this.#buffers.take()
    const offset = slot * BLOCK_BYTES
    for (let at = 0; at < BLOCK_BYTES;) {
      const bytesRead = await this.#transfer('read', buffer, at, offset + at)
      if (bytesRead === 0) throw new RangeError('the slab is shorter than its slots')
      at += bytesRead
    }
    const result = use(buffer)
    this.#buffers.giveBack(buffer)
    return result
  }

  async lend<T>(use: (fd: number) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error('the slab is closed')
    this.#running++
    try {
      return await use(this.#file.fd)
    } finally {
      this.#ended()
    }
  }

  async write(slot: number, sealed: Uint8Array): Promise<void> {
    if (slot >= this.#slots) throw new RangeError('a slot beyond the end of the slab')
    const offset = slot * BLOCK_BYTES
    for (let at = 0; at < BLOCK_BYTES;) at += await this.#transfer('write', sealed, at, offset + at)
  }

  async extend(count: number): Promise<void> {
    const end = this.#slots + count
    while (this.#slots < end) await this.#append(Math.min(PIECE_SLOTS, end - this.#slots))
  }

  /**
   * The length first: to a file that grows by being written some file systems give much more room than it
   * needs (XFS twice as much), and all of it counts against the quota.
   */
  async #append(slots: number): Promise<void> {
    const position = this.#slots * BLOCK_BYTES
    const bytes = noise(slots * BLOCK_BYTES)
    let at = 0
    try {
      await this.#file.truncate(position + bytes.length)
      while (at < bytes.length) at += await this.#transfer('write', bytes, at, position + at)
    } catch (error) {
      this.#slots += Math.floor(at / BLOCK_BYTES)
      // where not even that works, the next append or open goes over it
      await this.#file.truncate(this.#slots * BLOCK_BYTES).catch(() => {})
      throw error
    }
    this.#slots += slots
  }

  async truncate(slots: number): Promise<void> {
    if (slots >= this.#slots) return
    const before = this.#slots
    this.#slots = slots
    try {
      await this.#file.truncate(slots * BLOCK_BYTES)
    } catch (error) {
      this.#slots = before
      throw error
    }
  }

  sync(): Promise<void> {
    return this.#file.datasync()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    // a plain write that is still under way would go to whatever file gets this number next
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#onidle = resolve
      })
    }
    await this.#file.close()
  }

  /** The plain calls: a FileHandle's cost up to half as much again, on the path of every block. */
  #transfer(
    how: 'read' | 'write',
    buffer: Uint8Array,
    at: number,
    position: number,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new Error('the slab is closed')
      const done = (error: Error | null, bytes: number): void => {
        this.#ended()
        if (error === null) resolve(bytes)
        else reject(error)
      }
      this.#running++
      const { fd } = this.#file
      if (how === 'read') read(fd, buffer, at, buffer.length - at, position, done)
      else write(fd, buffer, at, buffer.length - at, position, done)
    })
  }

  #ended(): void {
    if (--this.#running === 0) this.#onidle?.()
  }
}
