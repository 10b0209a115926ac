/**
 * Where encoded blocks go on their way into the outbox: a bounded number of writes at once, waiting
 * for room, one failure for all. Shared by everything that one insert consists of.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Outbox } from '../datastore/store.ts'
import { BLOCK_BYTES, toAddress, toBlock } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { ErisEncoder } from '../keys/eris.ts'
import type { EncodedBlock, ReadCapability } from '../keys/eris.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import { homesOf } from './blocks.ts'

/** Blocks on their way into the outbox at once, 512 KiB: keeps a disk busy. */
const MAX_PARALLEL_ADDS = 16
/** How long a full outbox waits for a node that has lost all its peers, ms. */
const ALONE_MS = 30_000
const ROOM_CHECK_MS = 1000

export interface SinkContext {
  readonly outbox: Outbox
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly peers: () => number
  /** Something is in the outbox that was not there before. */
  readonly added: () => void
  /** Whether the block needs no insert because it was spread before; default: none was. */
  readonly isSpread?: (address: Address, signal: AbortSignal) => Promise<boolean>
}

export class BlockSink {
  readonly insertId: number
  readonly #context: SinkContext
  readonly #adds = new Set<Promise<void>>()
  #failure: Error | undefined
  #hadPeers = false
  #isCommitted = false

  constructor(insertId: number, context: SinkContext) {
    this.insertId = insertId
    this.#context = context
  }

  /** Starts one add; waits only while too many are under way. */
  async add(address: Address, block: Block, homes: readonly Home[]): Promise<void> {
    this.#context.signal.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    const add = this.#store(address, block, homes).then(
      () => {
        this.#adds.delete(add)
      },
      (error: Error) => {
        this.#adds.delete(add)
        this.#failure ??= error
      },
    )
    this.#adds.add(add)
    if (this.#adds.size >= MAX_PARALLEL_ADDS) await Promise.race(this.#adds)
  }

  async addAll(blocks: Iterable<EncodedBlock>): Promise<void> {
    for (const block of blocks) await this.#addEncoded(block)
  }

  /** Adds what is left of a tree and returns what opens it. */
  async finish(encoder: ErisEncoder): Promise<ReadCapability> {
    const blocks = encoder.finish()
    let step = blocks.next()
    for (; step.done !== true; step = blocks.next()) await this.#addEncoded(step.value)
    return step.value
  }

  /** A tree of bytes that are all here: manifests, directories. */
  async addTree(bytes: Uint8Array, convergenceSecret: Uint8Array): Promise<ReadCapability> {
    const encoder = new ErisEncoder(convergenceSecret, BLOCK_BYTES)
    await this.addAll(encoder.update(bytes))
    return await this.finish(encoder)
  }

  /** Resolves when everything added so far is in the outbox. */
  async settle(): Promise<void> {
    await Promise.all(this.#adds)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves when what was added is on the disk for good; settle it first. A second call is none. */
  async commit(): Promise<void> {
    if (this.#isCommitted) return
    await this.#context.outbox.commit(this.insertId)
    this.#isCommitted = true
  }

  #addEncoded({ reference, block, isRoot }: EncodedBlock): Promise<void> {
    return this.add(toAddress(reference), toBlock(block), homesOf(isRoot))
  }

  async #store(address: Address, block: Block, homes: readonly Home[]): Promise<void> {
    const { outbox, signal, added, isSpread } = this.#context
    if ((await isSpread?.(address, signal)) === true) return
    const entry = { insertId: this.insertId, address, block, homes, signal }
    while ((await outbox.add(entry)) === 'full') await this.#awaitRoom()
    added()
  }

  /** A full outbox empties as blocks spread; alone, it never does, but peers may come back. */
  async #awaitRoom(): Promise<void> {
    const { outbox, clock, signal, peers } = this.#context
    const startMs = clock.now()
    let hasRoom = false
    while (!hasRoom) {
      signal.throwIfAborted()
      this.#hadPeers ||= peers() > 0
      const patienceMs = this.#hadPeers ? ALONE_MS : 0
      if (peers() === 0 && clock.now() - startMs >= patienceMs) throw full()
      const check = linkAbort([signal])
      const stop = clock.after(ROOM_CHECK_MS, () => {
        check.abort(new Error('time to look again'))
      })
      hasRoom = await outbox.room({ signal: check.signal }).then(
        () => true,
        () => false,
      )
      stop()
      check.unlink()
    }
  }
}

/** `content`, ended by `signal` even while its source says nothing. */
export async function* untilAborted<T>(
  content: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const pieces = content[Symbol.asyncIterator]()
  const next = (): Promise<IteratorResult<T>> =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error)
      }
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
      const unhook = (): void => {
        signal.removeEventListener('abort', abort)
      }
      pieces.next().then(resolve, reject).finally(unhook)
    })
  try {
    for (let step = await next(); step.done !== true; step = await next()) yield step.value
  } finally {
    // not awaited: a source that hangs would hang here too
    pieces.return?.().catch(() => {})
  }
}

function full(): ShoalError {
  return new ShoalError(
    'E_STORE_FULL',
    'The outbox is full and there are no peers to hand its blocks to; connect, or enlarge the store.',
  )
}
