/**
 * The outbox in memory: a ledger, and the pinned slots that it names.
 * @module
 */
import { signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Block, Home } from '../keys/block.ts'
import { equals, mapKey } from '../keys/bytes.ts'
import type { Gate } from './gate.ts'
import { lend } from './memory-slots.ts'
import type { Kept, MemorySlots } from './memory-slots.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import type { Abortable, Outbox, OutboxEntry, OutboxInsert } from './store.ts'

interface Pin {
  readonly kept: Kept
  readonly isSigned: boolean
  entries: number
}

export class MemoryOutbox implements Outbox {
  readonly #gate: Gate
  readonly #ledger: OutboxLedger
  readonly #slots: MemorySlots
  /** Content by address; signed blocks by address and insert, as each insert keeps its own edition. */
  readonly #pins = new Map<string, Pin>()
  #nextId = 1

  constructor(gate: Gate, ledger: OutboxLedger, slots: MemorySlots) {
    this.#gate = gate
    this.#ledger = ledger
    this.#slots = slots
  }

  get pendingBlocks(): number {
    return this.#ledger.pendingBlocks
  }

  get capacityBlocks(): number {
    return this.#ledger.capacityBlocks
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
      this.#pin(insertId, address, block)
      this.#ledger.add(insertId, address, homes)
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
      let newest: Kept | undefined
      for (const holder of this.#ledger.holders(address)) {
        const pin = this.#pins.get(this.#nameOf(holder, address))
        if (pin?.isSigned === false) return lend(pin.kept)
        if (pin === undefined) continue
        if (newest === undefined || supersedes(pin.kept.block, newest.block)) newest = pin.kept
      }
      return newest && lend(newest)
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

  /** The place of the block is claimed already: the cache gives it up. */
  #pin(insertId: number, address: Address, block: Block): void {
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    const name = isSigned ? signedName(insertId, address) : mapKey(address)
    const pin = this.#pins.get(name) ?? {
      kept: this.#keep(address, block, isSigned),
      isSigned,
      entries: 0,
    }
    pin.entries++
    this.#pins.set(name, pin)
    this.#slots.makeRoom('outbox')
  }

  /** Content shares the slot that the areas hold; each insert has its own edition of what is signed. */
  #keep(address: Address, block: Block, isSigned: boolean): Kept {
    const held = isSigned ? undefined : this.#slots.find(address)
    const kept = held ?? this.#slots.take('outbox', { address, block }, !isSigned)
    if (kept === undefined) throw new Error('a claimed place is not there')
    this.#slots.table.pin(kept.tenure.slot)
    return kept
  }

  #unpin(insertId: number, address: Address): void {
    const name = this.#nameOf(insertId, address)
    const pin = this.#pins.get(name)
    if (pin === undefined || --pin.entries > 0) return
    this.#pins.delete(name)
    this.#slots.table.unpin(pin.kept.tenure.slot)
  }

  #nameOf(insertId: number, address: Address): string {
    const name = signedName(insertId, address)
    return this.#pins.has(name) ? name : mapKey(address)
  }
}

function signedName(insertId: number, address: Address): string {
  return `${mapKey(address)}${insertId}`
}
