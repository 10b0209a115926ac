/**
 * Opens slots for this node's own readers. Few at a time are opened here; where many are wanted at once,
 * as when a file is downloaded, another thread reads and opens them, some in one go, and the event loop
 * has its time for what only it can do.
 * @module
 */
import { Worker } from 'node:worker_threads'

import { BLOCK_BYTES } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { openSlot, slotSecret } from '../keys/seal.ts'
import type { SealKeys, SlotSeal } from '../keys/seal.ts'
import type { Slab } from './slab.ts'
import { encodeJobs } from './slot-batch.ts'
import type { SlotAnswer, SlotJob, SlotRequest, ThreadOptions } from './slot-batch.ts'
import type { SlotTenure } from './slot-table.ts'

/** So many slots are opened here at the same time: for small files no thread is started, or asked. */
const MOST_HERE = 4
/** Of one message, 256 KiB: more would keep the first of them waiting for the last. */
const MOST_IN_BATCH = 8
/** Seeking takes longer, and what the system or a disk without moving parts gives is there sooner, ms. */
const SLOW_READ_MS = 1
const SCRIPT = new URL('slot-worker.js', import.meta.url)

interface Waiting {
  readonly job: SlotJob
  /** undefined: it is left to be opened here. */
  readonly resolve: (block: Block | undefined) => void
}

export class SlotOpener {
  readonly #slab: Slab
  readonly #keys: SealKeys
  readonly #script: URL
  readonly #options: ThreadOptions
  /** Under way; as many as the windows of all readers together allow. */
  #reads = 0
  #waiting: Waiting[] = []
  #worker: Worker | undefined
  /** Waiting for the thread, by the number of their request. */
  readonly #asked = new Map<number, (answer: SlotAnswer | undefined) => void>()
  #lastId = 0
  /** A thread that has ended is not started again. */
  #hasEnded = false

  /** `thread`: for tests, another script or another idea of what is slow. */
  constructor(
    slab: Slab,
    keys: SealKeys,
    { script = SCRIPT, slowReadMs = SLOW_READ_MS }: Partial<ThreadOptions> & { script?: URL } = {},
  ) {
    this.#slab = slab
    this.#keys = keys
    this.#script = script
    this.#options = { slowReadMs }
  }

  /**
   * The block in a slot; undefined: it does not open. Rejects where the disk does not give it. It may lie
   * in one piece of memory with others that were wanted with it: who keeps it should copy it.
   */
  async open(address: Address, content: SlotTenure & SlotSeal): Promise<Block | undefined> {
    this.#reads++
    try {
      const isAside = this.#reads > MOST_HERE && !this.#hasEnded
      const block = isAside ? await this.#openAside(address, content) : undefined
      // what the thread could not open is looked at here: it may be damaged, or the disk may fail
      return block ?? (await this.#openHere(address, content))
    } finally {
      this.#reads--
    }
  }

  /** Ends the thread; what it has not answered is opened here. Idempotent. */
  async close(): Promise<void> {
    this.#hasEnded = true
    await this.#worker?.terminate()
  }

  #openHere(address: Address, content: SlotTenure & SlotSeal): Promise<Block | undefined> {
    return this.#slab.read(content.slot, (sealed) => openSlot(this.#keys, address, sealed, content))
  }

  #openAside(address: Address, content: SlotTenure & SlotSeal): Promise<Block | undefined> {
    const { slot, nonce, tag } = content
    const job = { slot, nonce, tag, address, secret: slotSecret(this.#keys, address) }
    return new Promise((resolve) => {
      this.#waiting.push({ job, resolve })
      // what is asked for in this turn travels together
      if (this.#waiting.length === 1) setImmediate(() => void this.#send())
      else if (this.#waiting.length === MOST_IN_BATCH) void this.#send()
    })
  }

  async #send(): Promise<void> {
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    const jobs = encodeJobs(batch.map(({ job }) => job))
    const answer = await this.#slab.lend((fd) => this.#ask(fd, jobs)).catch(() => undefined)
    batch.forEach(({ resolve }, i) => {
      resolve(answer?.areOpen[i] === true ? blockAt(answer.blocks, i) : undefined)
    })
  }

  /** Rejects never; undefined: the thread has ended. */
  #ask(fd: number, jobs: Uint8Array<ArrayBuffer>): Promise<SlotAnswer | undefined> {
    return new Promise((resolve) => {
      if (this.#hasEnded) {
        resolve(undefined)
        return
      }
      this.#worker ??= this.#start()
      const id = ++this.#lastId
      this.#asked.set(id, resolve)
      this.#worker.ref()
      const request: SlotRequest = { id, fd, jobs }
      this.#worker.postMessage(request, [jobs.buffer])
    })
  }

  #start(): Worker {
    const worker = new Worker(this.#script, {
      name: 'slots',
      execArgv: [],
      workerData: this.#options,
    })
    worker.on('message', (answer: SlotAnswer) => {
      this.#asked.get(answer.id)?.(answer)
      this.#asked.delete(answer.id)
      if (this.#asked.size === 0) worker.unref() // nobody waits for an idle thread
    })
    worker.on('error', () => {}) // its end follows
    worker.on('exit', () => {
      this.#hasEnded = true
      for (const resolve of this.#asked.values()) resolve(undefined)
      this.#asked.clear()
    })
    return worker
  }
}

function blockAt(blocks: Uint8Array, i: number): Block {
  return blocks.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES) as Block
}
