/**
 * The outbox in memory: a ledger, and the blocks that it names.
 * @module
 */
import { signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { equals, mapKey, copyOf } from '../keys/bytes.ts'
import type { Gate } from './gate.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import type { Abortable, Outbox, OutboxEntry, OutboxInsert } from './store.ts'

/** What the outbox asks of the store beside it. */
export interface MemoryRoom {
  holds(address: Address): boolean
  /** Evicts from the cache what the outbox has claimed. */
  shrinkCache(): void
}

interface Pin {
  readonly address: Address
  readonly block: Block
  readonly isSigned: boolean
  entries: number
}

export class MemoryOutbox implements Outbox {
  readonly #gate: Gate
  readonly #ledger: OutboxLedger
  readonly #room: MemoryRoom
  /** Content by address; signed blocks by address and insert, as each insert keeps its own edition. */
  readonly #pins = new Map<string, Pin>()
  #nextId = 1

  constructor(gate: Gate, ledger: OutboxLedger, room: MemoryRoom) {
    this.#gate = gate
    this.#ledger = ledger
    this.#room = room
  }

  get pendingBlocks(): number {
    return this.#ledger.pendingBlocks
  }

  get capacityBlocks(): number {
    return this.#ledger.capacityBlocks
  }

  /** Pinned blocks that store and cache do not hold. */
  countPins(): number {
    let count = 0
    for (const { address, isSigned } of this.#pins.values()) {
      if (isSigned || !this.#room.holds(address)) count++
    }
    return count
  }

  begin(): Promise<number> {
    return this.#run(undefined, () => {
      const insertId = this.#nextId++
      this.#ledger.begin(insertId)
      return insertId
    })
  }

  add(request: Parameters<Outbox['add']>[0]): Promise<'added' | 'full'> {
    return this.#run(request, () => {
      const { insertId, address, block, homes } = request
      this.#ledger.checkOpen(insertId)
      if (homes.length === 0) throw new RangeError('a block without homes has nowhere to go')
      if (this.#ledger.has(insertId, address)) return 'added'
      if (!this.#ledger.reserve()) return 'full'
      this.#room.shrinkCache()
      this.#ledger.add(insertId, address, homes)
      this.#pin(insertId, address, block)
      return 'added'
    })
  }

  commit(insertId: number): Promise<void> {
    return this.#run(undefined, () => {
      if (this.#ledger.insert(insertId)?.committed === true) return
      this.#ledger.checkOpen(insertId)
      this.#ledger.commit(insertId)
    })
  }

  discard(insertId: number): Promise<void> {
    return this.#run(undefined, () => {
      if (!this.#ledger.isOpen(insertId)) return
      for (const address of this.#ledger.discard(insertId)) this.#unpin(insertId, address)
    })
  }

  get(address: Address, options?: Abortable): Promise<Block | undefined> {
    return this.#run(options, () => {
      let newest: Block | undefined
      for (const holder of this.#ledger.holders(address)) {
        const pin = this.#pins.get(this.#nameOf(holder, address))
        if (pin?.isSigned === false) return pin.block
        if (pin !== undefined && (newest === undefined || supersedes(pin.block, newest))) {
          newest = pin.block
        }
      }
      return newest
    })
  }

  entries(): IterableIterator<OutboxEntry> {
    return this.#ledger.entries()
  }

  homeDone({ insertId, address }: OutboxEntry, home: Home): Promise<void> {
    return this.#run(undefined, () => {
      const left = this.#ledger.homeDone(insertId, address, home)
      if (left?.length === 0) this.#unpin(insertId, address)
    })
  }

  async room(options?: Abortable): Promise<void> {
    this.#gate.check()
    options?.signal?.throwIfAborted()
    await this.#ledger.room(options)
  }

  insert(insertId: number): OutboxInsert | undefined {
    return this.#ledger.insert(insertId)
  }

  #run<T>(options: Abortable | undefined, task: () => T): Promise<T> {
    return this.#gate.run(options, () => Promise.resolve(task()))
  }

  #pin(insertId: number, address: Address, block: Block): void {
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    const name = isSigned ? signedName(insertId, address) : mapKey(address)
    const pin = this.#pins.get(name)
    if (pin !== undefined) pin.entries++
    else this.#pins.set(name, { address, block: copyOf(block) as Block, isSigned, entries: 1 })
  }

  #unpin(insertId: number, address: Address): void {
    const name = this.#nameOf(insertId, address)
    const pin = this.#pins.get(name)
    if (pin !== undefined && --pin.entries === 0) this.#pins.delete(name)
  }

  #nameOf(insertId: number, address: Address): string {
    const name = signedName(insertId, address)
    return this.#pins.has(name) ? name : mapKey(address)
  }
}

function signedName(insertId: number, address: Address): string {
  return `${mapKey(address)}${insertId}`
}
