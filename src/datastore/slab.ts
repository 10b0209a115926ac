/**
 * The slot file: 32 KiB places in one sparse file, read and written whole (spec §11.2). What is in
 * them is sealed by the caller.
 * @module
 */
import { read } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

import { BLOCK_BYTES } from '../keys/block.ts'

/** Read buffers kept for the next read: as many as the thread pool can fill at once, doubled. */
const SPARE_BUFFERS = 8

export interface Slab {
  /** Calls `use` with the bytes of a slot, which are only lent: another read follows in them. */
  read<T>(slot: number, use: (sealed: Uint8Array) => T): Promise<T>
  write(slot: number, sealed: Uint8Array): Promise<void>
  /** Resolves when everything written before the call survives a power cut. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens or creates the file and gives it `slots` places; a smaller number cuts it. */
export async function openSlab(path: string, slots: number): Promise<Slab> {
  const file = await open(path, 'a+', 0o600).then(async (created) => {
    await created.close()
    return open(path, 'r+') // append mode would ignore positions
  })
  try {
    const size = slots * BLOCK_BYTES
    if ((await file.stat()).size !== size) await file.truncate(size)
  } catch (error) {
    await file.close()
    throw error
  }
  return new FileSlab(file)
}

class FileSlab implements Slab {
  readonly #file: FileHandle
  readonly #spare: Uint8Array[] = []

  constructor(file: FileHandle) {
    this.#file = file
  }

  async read<T>(slot: number, use: (sealed: Uint8Array) => T): Promise<T> {
    const buffer = this.#spare.pop() ?? new Uint8Array(BLOCK_BYTES)
    const offset = slot * BLOCK_BYTES
    for (let at = 0; at < BLOCK_BYTES;) {
      const bytesRead = await this.#readSome(buffer, at, offset + at)
      if (bytesRead === 0) throw new RangeError('the slab is shorter than its slots')
      at += bytesRead
    }
    const result = use(buffer)
    if (this.#spare.length < SPARE_BUFFERS) this.#spare.push(buffer)
    return result
  }

  /** The plain call: a FileHandle's costs half as much again, on the path of every block. */
  #readSome(buffer: Uint8Array, at: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#file.fd, buffer, at, BLOCK_BYTES - at, position, (error, bytesRead) => {
        if (error === null) resolve(bytesRead)
        else reject(error)
      })
    })
  }

  async write(slot: number, sealed: Uint8Array): Promise<void> {
    const offset = slot * BLOCK_BYTES
    for (let at = 0; at < sealed.length;) {
      const length = sealed.length - at
      at += (await this.#file.write(sealed, at, length, offset + at)).bytesWritten
    }
  }

  sync(): Promise<void> {
    return this.#file.datasync()
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
