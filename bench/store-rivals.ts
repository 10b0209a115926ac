/**
 * The yardsticks of the store benchmark, without any class of the store: a plain loop over an index, a
 * slot file and a cipher; and blocks as RocksDB values.
 * @module
 */
import { fdatasync, read, write } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import RocksDB from 'rocksdb-native'
import sodium from 'sodium-native'

import { randomBytes } from '../src/keys/primitives.ts'
import { MIB } from './store-kit.ts'
import type { Blocks } from './store-kit.ts'

const BLOCK_BYTES = 32_768
const NONCE_BYTES = 24
const TAG_BYTES = 16
/** As an index entry of the store: slot number, nonce, tag, and as much again of other things. */
const VALUE_BYTES = 148
const NONCE_AT = 4
const TAG_AT = NONCE_AT + NONCE_BYTES
const COMMIT_ENTRIES = 256
const HOMES = 3
/** RocksDB takes blocks in batches of this many: faster for it than one by one. */
const ROCKS_BATCH = 16

async function openRocks(path: string): Promise<RocksDB> {
  await mkdir(path)
  const db = new RocksDB(path, { writeBufferSize: 4 * MIB, maxBackgroundJobs: 2, maxOpenFiles: 64 })
  await db.ready()
  return db
}

async function lookUp(db: RocksDB, keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]> {
  const batch = db.read({ capacity: keys.length, autoDestroy: true })
  const values = keys.map((key) => batch.get(key))
  batch.tryFlush()
  return Promise.all(values)
}

interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** Key of the block that lost its slot. */
  readonly gone: Uint8Array | undefined
}

/** Index look-up, slot, cipher: the least that any such store must do for a block. */
export class PlainLoop {
  /** Whether `put` writes its index entry as well: 256 in a batch, after an fdatasync. */
  writesIndex = true
  readonly #db: RocksDB
  readonly #file: FileHandle
  readonly #blocks: Blocks
  readonly #secret = randomBytes(32)
  /** Number of the block in each slot, once there is one. */
  readonly #inSlot: Int32Array
  #entries: Entry[] = []
  #waiting = 0
  #commits: Promise<void> = Promise.resolve()

  private constructor(db: RocksDB, file: FileHandle, slots: number, blocks: Blocks) {
    this.#db = db
    this.#file = file
    this.#blocks = blocks
    this.#inSlot = new Int32Array(slots).fill(-1)
  }

  /** With a slot file that is full of random bytes already. */
  static async open(folder: string, slots: number, blocks: Blocks): Promise<PlainLoop> {
    const file = await open(join(folder, 'slots'), 'w+')
    for (let slot = 0; slot < slots; slot++) {
      await file.write(blocks.block(slot), 0, BLOCK_BYTES, slot * BLOCK_BYTES)
    }
    await file.sync()
    return new PlainLoop(await openRocks(join(folder, 'index')), file, slots, blocks)
  }

  /** Writes block `number` over what `slot` has: a put into a free slot, churn into one in use. */
  async put(number: number, slot: number): Promise<void> {
    const address = this.#blocks.address(number)
    await lookUp(this.#db, homeKeys(address))
    const value = new Uint8Array(VALUE_BYTES)
    new DataView(value.buffer).setUint32(0, slot)
    const nonce = randomBytes(NONCE_BYTES)
    const tag = value.subarray(TAG_AT, TAG_AT + TAG_BYTES)
    const sealed = new Uint8Array(BLOCK_BYTES)
    const block = this.#blocks.block(number)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
      sealed,
      tag,
      block,
      address,
      null,
      nonce,
      this.#secret,
    )
    value.set(nonce, NONCE_AT)
    const before = this.#inSlot[slot] as number
    await this.#write(sealed, slot)
    if (!this.writesIndex) return
    this.#inSlot[slot] = number
    const gone = before < 0 ? undefined : this.#blocks.address(before)
    await this.#enter({ key: address, value, gone })
  }

  async get(number: number): Promise<void> {
    const address = this.#blocks.address(number)
    const [value] = await lookUp(this.#db, [address])
    if (!value) throw new Error(`no entry of block ${number}`)
    const slot = new DataView(value.buffer, value.byteOffset).getUint32(0)
    const sealed = await this.#read(slot)
    const out = new Uint8Array(BLOCK_BYTES)
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
      out,
      null,
      sealed,
      value.subarray(TAG_AT, TAG_AT + TAG_BYTES),
      address,
      value.subarray(NONCE_AT, TAG_AT),
      this.#secret,
    )
    this.#blocks.check(number, out)
  }

  /** Writes what waits. */
  async settle(): Promise<void> {
    this.#commit()
    await this.#commits
    await this.#file.sync()
  }

  async close(): Promise<void> {
    await this.#commits
    await Promise.all([this.#file.close(), this.#db.close()])
  }

  async #enter(entry: Entry): Promise<void> {
    this.#entries.push(entry)
    this.#waiting++
    if (this.#entries.length >= COMMIT_ENTRIES) this.#commit()
    while (this.#waiting >= 3 * COMMIT_ENTRIES) await this.#commits
  }

  #commit(): void {
    const entries = this.#entries
    if (entries.length === 0) return // a batch without room for anything never ends
    this.#entries = []
    this.#commits = this.#commits.then(async () => {
      await this.#sync()
      const batch = this.#db.write({ capacity: 2 * entries.length, autoDestroy: true })
      for (const { key, value, gone } of entries) {
        batch.tryPut(key, value)
        if (gone !== undefined) batch.tryDelete(gone)
      }
      await batch.flush()
      this.#waiting -= entries.length
    })
  }

  #write(sealed: Uint8Array, slot: number): Promise<void> {
    return new Promise((resolve, reject) => {
      write(this.#file.fd, sealed, 0, BLOCK_BYTES, slot * BLOCK_BYTES, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  #read(slot: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const sealed = new Uint8Array(BLOCK_BYTES)
      read(this.#file.fd, sealed, 0, BLOCK_BYTES, slot * BLOCK_BYTES, (error) => {
        if (error === null) resolve(sealed)
        else reject(error)
      })
    })
  }

  #sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#file.fd, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }
}

/** A block is looked for under each of its homes before it is written. */
function homeKeys(address: Uint8Array): Uint8Array[] {
  return Array.from({ length: HOMES }, (_, home) => {
    const key = new Uint8Array(address)
    key[0] = ((key[0] as number) + home * 85) & 255
    return key
  })
}

/** Blocks as RocksDB values, not sealed. */
export class RocksBlocks {
  readonly #db: RocksDB
  readonly #blocks: Blocks
  /** Numbers of the blocks that are in it. */
  readonly #live: number[] = []

  private constructor(db: RocksDB, blocks: Blocks) {
    this.#db = db
    this.#blocks = blocks
  }

  static async open(folder: string, blocks: Blocks): Promise<RocksBlocks> {
    return new RocksBlocks(await openRocks(join(folder, 'blocks')), blocks)
  }

  /** Puts blocks `from` to `from + count`, and deletes as many random ones with `isFull`. */
  async put(
    from: number,
    count: number,
    { inFlight, isFull }: { inFlight: number; isFull: boolean },
  ): Promise<void> {
    const size = Math.min(ROCKS_BATCH, inFlight)
    const end = from + count
    let next = from
    const work = async (): Promise<void> => {
      while (next < end) {
        const first = next
        next = Math.min(end, first + size)
        await this.#writeBatch(first, next, isFull)
      }
    }
    await Promise.all(Array.from({ length: Math.max(1, inFlight / size) }, work))
  }

  async get(number: number): Promise<void> {
    const [block] = await lookUp(this.#db, [this.#blocks.address(number)])
    this.#blocks.check(number, block)
  }

  async close(): Promise<void> {
    await this.#db.close()
  }

  async #writeBatch(from: number, to: number, isFull: boolean): Promise<void> {
    const batch = this.#db.write({ capacity: 2 * (to - from), autoDestroy: true })
    for (let number = from; number < to; number++) {
      if (isFull) {
        const at = Math.floor(Math.random() * this.#live.length)
        batch.tryDelete(this.#blocks.address(this.#live[at] as number))
        this.#live[at] = this.#live.at(-1) as number
        this.#live.pop()
      }
      batch.tryPut(this.#blocks.address(number), this.#blocks.block(number))
    }
    await batch.flush()
    for (let number = from; number < to; number++) this.#live.push(number)
  }
}
