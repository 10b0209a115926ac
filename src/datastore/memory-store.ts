/**
 * Store and outbox in memory, under the contract of the disk store and with its shares and evictions:
 * for nodes without a data directory, and for simulated clusters, where it is deterministic (no clock,
 * no timer; every promise settles in microtasks).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES, homePosition, sequenceOf, signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Home } from '../keys/block.ts'
import { equals } from '../keys/bytes.ts'
import type { Rng } from '../runtime.ts'
import { checkRange, isInRange } from './eviction.ts'
import { Gate } from './gate.ts'
import { bucketOf } from './keyspace.ts'
import { MemoryCare } from './memory-care.ts'
import { MemoryOutbox } from './memory-outbox.ts'
import { MemorySlots, lend, replaceBlock } from './memory-slots.ts'
import type { Kept } from './memory-slots.ts'
import { OutboxLedger } from './outbox-ledger.ts'
import { sharesOf } from './quota.ts'
import { StoreMeter } from './store-meter.ts'
import type {
  Abortable,
  Area,
  BlockStore,
  GetOptions,
  PositionRange,
  PutRequest,
  PutResult,
  StoredBlock,
  StoreEntry,
  StorePair,
  StoreStatus,
} from './store.ts'

/** An empty store that holds `quotaBytes` of blocks. @throws ShoalError E_OPTION below one block. */
export function createMemoryStore(options: {
  readonly quotaBytes: number
  readonly rng: Rng
}): StorePair {
  const { quotaBytes, rng } = options
  const shares = sharesOf(Math.floor(quotaBytes / BLOCK_BYTES))
  if (shares.slots < 1) throw new ShoalError('E_OPTION', 'quotaBytes: too small for a single block')
  const gate = new Gate()
  const ledger = new OutboxLedger(shares.outboxBlocks)
  const slots = new MemorySlots({ shares, rng, ledger })
  const parts = { quotaBytes, gate, ledger, slots, meter: new StoreMeter() }
  const blocks = new MemoryBlocks(parts)
  const outbox = new MemoryOutbox(gate, ledger, slots)
  return { blocks, outbox, care: new MemoryCare(parts, () => blocks.status()) }
}

interface MemoryParts {
  readonly quotaBytes: number
  readonly gate: Gate
  readonly ledger: OutboxLedger
  readonly slots: MemorySlots
  readonly meter: StoreMeter
}

class MemoryBlocks implements BlockStore {
  readonly #parts: MemoryParts
  readonly #slots: MemorySlots

  constructor(parts: MemoryParts) {
    this.#parts = parts
    this.#slots = parts.slots
  }

  put(request: PutRequest): Promise<PutResult> {
    return this.#run(request, () => {
      const result = this.#put(request)
      this.#parts.meter.put(result)
      return result
    })
  }

  get(address: Address, options?: GetOptions): Promise<StoredBlock | undefined> {
    return this.#run(options, () => {
      const kept = this.#slots.find(address)
      const area = kept && this.#areaOf(kept)
      if (options?.link !== undefined) this.#read(kept, options.link)
      return kept && area && { block: lend(kept), area }
    })
  }

  has(
    address: Address,
    options?: Abortable,
  ): Promise<(Omit<StoreEntry, 'home'> & { area: Area }) | undefined> {
    return this.#run(options, () => {
      const kept = this.#slots.find(address)
      const area = kept && this.#areaOf(kept)
      return kept && area && { address, sequence: kept.sequence, area }
    })
  }

  async *walk(range: PositionRange, options?: Abortable): AsyncGenerator<StoreEntry> {
    const { gate } = this.#parts
    checkRange(range)
    await gate.run(options, () => Promise.resolve())
    for (const { address, homes, sequence } of this.#slots.all()) {
      for (const home of storeHomes(homes)) {
        if (!isInRange(homePosition(address, home), range)) continue
        options?.signal?.throwIfAborted()
        gate.check()
        yield { address, home, sequence }
      }
    }
  }

  setRange(range: PositionRange): void {
    this.#slots.areas.range = range
  }

  status(): StoreStatus {
    const { table, usedBytes } = this.#slots
    const { quotaBytes } = this.#parts
    const blocks = table.used.store + table.used.cache
    return { condition: 'ok', quotaBytes, filledShare: 1, usedBytes, blocks }
  }

  close(): Promise<void> {
    const { gate, ledger } = this.#parts
    const idle = gate.close()
    ledger.close()
    return idle
  }

  /** Nothing here takes time, so that `close` has nothing of it to wait for. */
  #run<T>(options: Abortable | undefined, task: () => T): Promise<T> {
    try {
      this.#parts.gate.check()
      options?.signal?.throwIfAborted()
      return Promise.resolve(task())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #areaOf({ tenure }: Kept): Area | undefined {
    return this.#slots.table.areaOf(tenure.slot)
  }

  /** A peer's read is counted, and moves what it found in the order of the cache. */
  #read(kept: Kept | undefined, link: number): void {
    const area = kept && this.#areaOf(kept)
    if (kept === undefined || area === undefined) {
      this.#parts.meter.miss()
      return
    }
    this.#parts.meter.hit(area)
    this.#slots.areas.hit(kept.tenure.slot, link)
  }

  #put(request: PutRequest): PutResult {
    const { address, home, block, area } = request
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    const kept = this.#slots.find(address)
    if (kept === undefined) return this.#putNew(request, isSigned)
    const isSame = !isSigned || equals(block, kept.block)
    if (!isSame && !supersedes(block, kept.block)) return 'older'
    const before = kept.homes[home]
    if (isSame && (before === area || before === 'store')) return 'known'
    if (before !== area && before !== 'store' && !this.#addHome(kept, request)) return 'refused'
    if (isSame) return 'stored'
    replaceBlock(kept, block)
    kept.sequence = sequenceOf(block)
    return 'stored'
  }

  #putNew(request: PutRequest, isSigned: boolean): PutResult {
    const { address, area, block } = request
    const pinned = isSigned ? undefined : this.#slots.findPinned(address)
    const kept = pinned ?? this.#slots.take(area, request, true)
    if (kept === undefined) return 'refused'
    if (pinned !== undefined && !this.#slots.makeRoom(area)) return 'refused'
    kept.sequence = isSigned ? sequenceOf(block) : undefined
    kept.homes = []
    this.#enter(kept, request)
    return 'stored'
  }

  /** One more home of a block that is here. False: there is no room for it. */
  #addHome(kept: Kept, request: PutRequest): boolean {
    const { address, home, area } = request
    const { areas, table } = this.#slots
    const isMoving = area === 'store' && this.#areaOf(kept) === 'cache'
    if (!this.#slots.makeRoom(isMoving ? 'store' : 'entry', kept)) return false
    if (isMoving) {
      this.#enter(kept, request)
      return true
    }
    if (area === 'store') areas.addHome(kept.tenure.slot, bucketOf(homePosition(address, home)))
    if (kept.homes[home] === undefined) table.addEntry(kept.tenure.slot)
    kept.homes[home] = area
    return true
  }

  #enter(kept: Kept, { address, home, area, link }: PutRequest): void {
    const { areas, table } = this.#slots
    const bucket = bucketOf(homePosition(address, home))
    areas.enter(kept.tenure.slot, { area, bucket, fingerprint: fingerprint(address, home), link })
    if (kept.homes[home] === undefined) table.addEntry(kept.tenure.slot)
    kept.homes[home] = area
  }
}

function storeHomes(homes: readonly (Area | undefined)[]): Home[] {
  return ([0, 1, 2] as const).filter((home) => homes[home] === 'store')
}

/** An address is a hash: 32 bits of it that say nothing of its position. */
function fingerprint(address: Address, home: Home): number {
  const view = new DataView(address.buffer, address.byteOffset)
  return (view.getUint32(8) ^ (home << 30)) >>> 0
}
