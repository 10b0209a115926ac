/**
 * Store and outbox in memory, under the contract of the disk store and with its shares: for nodes
 * without a data directory, and for simulated clusters, where it is deterministic (no clock, no
 * timer; every promise settles in microtasks).
 * @module
 */
import { ShoalError } from '../errors.ts'
import { BLOCK_BYTES, homePosition, sequenceOf, signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { equals, mapKey, copyOf } from '../keys/bytes.ts'
import type { Rng } from '../runtime.ts'
import { checkRange, isInRange, sampleSlots, storeVictim } from './eviction.ts'
import { Gate } from './gate.ts'
import { MemoryOutbox } from './memory-outbox.ts'
import type { MemoryRoom } from './memory-outbox.ts'
import { OutboxLedger } from './outbox-ledger.ts'
import { sharesOf } from './quota.ts'
import type { Shares } from './quota.ts'
import type {
  Abortable,
  Area,
  BlockStore,
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
  const shares = sharesOf(Math.floor(options.quotaBytes / BLOCK_BYTES))
  if (shares.slots < 1) throw new ShoalError('E_OPTION', 'quotaBytes: too small for a single block')
  const gate = new Gate()
  const ledger = new OutboxLedger(shares.outboxBlocks)
  const blocks = new MemoryBlocks({ ...options, shares, gate, ledger })
  const outbox = new MemoryOutbox(gate, ledger, blocks)
  blocks.countPins = () => outbox.countPins()
  return { blocks, outbox }
}

interface Held {
  readonly address: Address
  block: Block
  sequence: number | undefined
  /** Area of the entry under each home. */
  readonly homes: (Area | undefined)[]
  area: Area
  /** Place in the list that samples are drawn from. */
  at: number
}

interface MemoryParts {
  readonly quotaBytes: number
  readonly rng: Rng
  readonly shares: Shares
  readonly gate: Gate
  readonly ledger: OutboxLedger
}

class MemoryBlocks implements BlockStore, MemoryRoom {
  /** Blocks that only the outbox holds. */
  countPins = (): number => 0
  readonly #parts: MemoryParts
  readonly #held = new Map<string, Held>()
  readonly #list: Held[] = []
  readonly #used = { store: 0, cache: 0 }
  #range: PositionRange | undefined

  constructor(parts: MemoryParts) {
    this.#parts = parts
  }

  put(request: PutRequest): Promise<PutResult> {
    return this.#parts.gate.run(request, () => Promise.resolve(this.#put(request)))
  }

  get(address: Address, options?: Abortable): Promise<StoredBlock | undefined> {
    return this.#parts.gate.run(options, () => {
      const held = this.#held.get(mapKey(address))
      return Promise.resolve(held && { block: held.block, area: held.area })
    })
  }

  has(
    address: Address,
    options?: Abortable,
  ): Promise<(Omit<StoreEntry, 'home'> & { area: Area }) | undefined> {
    return this.#parts.gate.run(options, () => {
      const held = this.#held.get(mapKey(address))
      return Promise.resolve(held && { address, sequence: held.sequence, area: held.area })
    })
  }

  async *walk(range: PositionRange, options?: Abortable): AsyncGenerator<StoreEntry> {
    const { gate } = this.#parts
    checkRange(range)
    await gate.run(options, () => Promise.resolve())
    for (const { address, homes, sequence } of this.#held.values()) {
      for (const home of storeHomes(homes)) {
        if (!isInRange(homePosition(address, home), range)) continue
        options?.signal?.throwIfAborted()
        gate.check()
        yield { address, home, sequence }
      }
    }
  }

  setRange(range: PositionRange): void {
    this.#range = checkRange(range)
  }

  status(): StoreStatus {
    const blocks = this.#list.length
    const { quotaBytes } = this.#parts
    return { quotaBytes, blocks, usedBytes: (blocks + this.countPins()) * BLOCK_BYTES }
  }

  close(): Promise<void> {
    const { gate, ledger } = this.#parts
    const idle = gate.close()
    ledger.close()
    return idle
  }

  holds(address: Address): boolean {
    return this.#held.has(mapKey(address))
  }

  shrinkCache(): void {
    const { shares, ledger } = this.#parts
    while (this.#used.cache > shares.cacheSlots - ledger.claimedBlocks) {
      if (!this.#evict('cache')) return
    }
  }

  #put(request: PutRequest): PutResult {
    const { address, home, block, area } = request
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    const held = this.#held.get(mapKey(address))
    if (held === undefined) return this.#putNew(request, isSigned)
    const isSame = !isSigned || equals(block, held.block)
    if (!isSame && !supersedes(block, held.block)) return 'older'
    if (isSame && (held.homes[home] === area || held.homes[home] === 'store')) return 'known'
    if (area === 'store' && !this.#moveToStore(held)) return 'refused'
    if (!isSame) {
      held.block = toOwnBlock(block)
      held.sequence = sequenceOf(block)
    }
    if (held.homes[home] !== 'store') held.homes[home] = area
    return 'stored'
  }

  #putNew({ address, home, block, area }: PutRequest, isSigned: boolean): PutResult {
    if (!this.#makeRoom(area)) return 'refused'
    const homes: Held['homes'] = [undefined, undefined, undefined]
    homes[home] = area
    const sequence = isSigned ? sequenceOf(block) : undefined
    const at = this.#list.length
    const held = { address, block: toOwnBlock(block), sequence, homes, area, at }
    this.#list.push(held)
    this.#held.set(mapKey(address), held)
    this.#used[area]++
    return 'stored'
  }

  /** False: it is in the cache, and the store has no room. */
  #moveToStore(held: Held): boolean {
    if (held.area === 'store') return true
    if (!this.#makeRoom('store')) return false
    this.#used.cache--
    this.#used.store++
    held.area = 'store'
    return true
  }

  #makeRoom(area: Area): boolean {
    const { shares, ledger } = this.#parts
    const most = area === 'store' ? shares.storeSlots : shares.cacheSlots - ledger.claimedBlocks
    while (this.#used[area] >= most) if (!this.#evict(area)) return false
    return true
  }

  #evict(area: Area): boolean {
    const { rng } = this.#parts
    const sample = sampleSlots(this.#list.length, rng, (at) => this.#list[at]?.area === area)
    const candidates = sample.map((at) => this.#list[at] as Held)
    const positions = area === 'store' ? candidates.map((held) => this.#position(held)) : []
    const victim = candidates[storeVictim(positions, this.#range)]
    if (victim === undefined) return false
    this.#held.delete(mapKey(victim.address))
    this.#used[area]--
    const last = this.#list.pop()
    if (last === undefined || last === victim) return true
    last.at = victim.at
    this.#list[victim.at] = last
    return true
  }

  /** Of several homes, one within the range speaks for the block. */
  #position({ address, homes }: Held): number {
    const positions = storeHomes(homes).map((home) => homePosition(address, home))
    const range = this.#range
    const inside = range && positions.find((position) => isInRange(position, range))
    return inside ?? positions[0] ?? 0
  }
}

function storeHomes(homes: readonly (Area | undefined)[]): Home[] {
  return ([0, 1, 2] as const).filter((home) => homes[home] === 'store')
}

/** A copy: the caller's bytes are often part of a network buffer twice as large. */
function toOwnBlock(block: Block): Block {
  return copyOf(block) as Block
}
