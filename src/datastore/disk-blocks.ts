/**
 * The store and cache areas on disk (spec §11.5).
 * @module
 */
import { BLOCK_BYTES, sequenceOf, signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Home } from '../keys/block.ts'
import { equals, mapKey } from '../keys/bytes.ts'
import type { DiskCore, Held, SlotContent } from './disk-core.ts'
import { findRecord, holdEntries, readSlot } from './disk-core.ts'
import { withRoom } from './disk-eviction.ts'
import { waitForCommit, writeSlot } from './disk-write.ts'
import { walkStore } from './disk-walk.ts'
import { checkRange } from './eviction.ts'
import { entryKey, hintOf } from './keyspace.ts'
import type { IndexKey } from './keyspace.ts'
import { EMPTY_RECORD } from './record.ts'
import type { IndexRecord } from './record.ts'
import { isDiskError } from './store-error.ts'
import type {
  Abortable,
  Area,
  BlockStore,
  PositionRange,
  PutRequest,
  PutResult,
  StoredBlock,
  StoreEntry,
  StoreStatus,
} from './store.ts'

/** A read loses its slot to a replacement or eviction at most this often before it is a miss. */
const READ_TRIES = 3

export class DiskBlocks implements BlockStore {
  readonly #core: DiskCore
  readonly #quotaBytes: number
  readonly #onclose: () => Promise<void>

  constructor(core: DiskCore, quotaBytes: number, onclose: () => Promise<void>) {
    this.#core = core
    this.#quotaBytes = quotaBytes
    this.#onclose = onclose
  }

  put(request: PutRequest): Promise<PutResult> {
    const { gate, lock } = this.#core
    return gate.run(request, async () => {
      try {
        await waitForCommit(this.#core, request.signal)
        return await lock.run(mapKey(request.address), () => this.#put(request))
      } catch (error) {
        request.signal?.throwIfAborted()
        if (!isDiskError(error)) throw error
        this.#core.logger.warn('store: a block could not be written')
        return 'refused'
      }
    })
  }

  get(address: Address, options?: Abortable): Promise<StoredBlock | undefined> {
    const core = this.#core
    return core.gate.run(options, async () => {
      for (let tries = 0; tries < READ_TRIES; tries++) {
        const record = await findRecord(core, address)
        options?.signal?.throwIfAborted()
        if (record === undefined) return undefined
        const block = await readSlot(core, address, record)
        options?.signal?.throwIfAborted()
        if (block !== undefined) return { block, area: this.#areaOf(record) }
        if (core.table.isCurrent(record)) await this.#dropUnreadable(address, record)
      }
      return undefined
    })
  }

  has(
    address: Address,
    options?: Abortable,
  ): Promise<(Omit<StoreEntry, 'home'> & { area: Area }) | undefined> {
    return this.#core.gate.run(options, async () => {
      const record = await findRecord(this.#core, address)
      options?.signal?.throwIfAborted()
      if (record === undefined) return undefined
      return { address, sequence: record.sequence, area: this.#areaOf(record) }
    })
  }

  walk(range: PositionRange, options?: Abortable): AsyncIterable<StoreEntry> {
    return walkStore(this.#core, checkRange(range), options?.signal)
  }

  setRange(range: PositionRange): void {
    this.#core.range = checkRange(range)
  }

  status(): StoreStatus {
    const { store, cache, outbox } = this.#core.table.used
    return {
      quotaBytes: this.#quotaBytes,
      usedBytes: (store + cache + outbox) * BLOCK_BYTES,
      blocks: store + cache,
    }
  }

  close(): Promise<void> {
    return this.#onclose()
  }

  async #put(request: PutRequest): Promise<PutResult> {
    const { address, block, signal } = request
    signal?.throwIfAborted()
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    // a signed block waiting in the outbox is nobody's business until it is pushed (threat model)
    const held = await holdEntries(this.#core, address, !isSigned)
    if (held === undefined) return this.#putNew(request, isSigned)
    try {
      const order = isSigned ? await this.#compare(request, held) : 'same'
      if (order === 'older') return 'older'
      return await (order === 'same' ? this.#addHome(request, held) : this.#replace(request, held))
    } finally {
      this.#core.table.letGo(held.slot)
    }
  }

  /** How a signed block stands to the one held. An unreadable one is always replaced. */
  async #compare({ address, block }: PutRequest, held: Held): Promise<'newer' | 'same' | 'older'> {
    const difference = sequenceOf(block) - (held.sequence ?? 0)
    if (difference !== 0) return difference > 0 ? 'newer' : 'older'
    const other = await readSlot(this.#core, address, held)
    if (other === undefined) return 'newer'
    if (equals(block, other)) return 'same'
    return supersedes(block, other) ? 'newer' : 'older'
  }

  async #putNew(request: PutRequest, isSigned: boolean): Promise<PutResult> {
    const { table, group, keys } = this.#core
    const { address, home, block, area } = request
    const content = await writeSlot(this.#core, area, address, block)
    if (content === undefined) return 'refused'
    const key = entryKey(keys, address, home)
    const sequence = isSigned ? sequenceOf(block) : undefined
    group.put(key, toRecord(request, content, { sequence }))
    table.setHint(content.slot, hintOf(key))
    table.doneWriting(content.slot)
    return 'stored'
  }

  /** The block is here, under another home, in another area, or in the outbox alone. */
  async #addHome(request: PutRequest, held: Held): Promise<PutResult> {
    const { table, group, keys } = this.#core
    const { address, home, area } = request
    const before = held.homes[home]?.record.area
    if (before === area || before === 'store') return 'known'
    const claim = (): true => {
      table.reference(held.slot, area)
      if (before === 'cache') table.release(held.slot, 'cache')
      return true
    }
    const use = table.useOf(held.slot)
    const needsRoom = use !== 'store' && use !== area
    const room = await withRoom(this.#core, needsRoom ? area : 'entry', claim)
    if (room === undefined) return 'refused'
    const key = entryKey(keys, address, home)
    group.put(key, toRecord(request, held, { sequence: held.sequence, next: this.#hinted(held) }))
    if (use !== 'store') table.setHint(held.slot, hintOf(key))
    return 'stored'
  }

  /** A signed block takes the place of an older one under all homes. */
  async #replace(request: PutRequest, held: Held): Promise<PutResult> {
    const { table, group, keys } = this.#core
    const { address, home, area, block } = request
    const use = area === 'store' ? 'store' : this.#areaOf(held)
    const content = await writeSlot(this.#core, use, address, block)
    if (content === undefined) return 'refused'
    const { slot } = content
    const sequence = sequenceOf(block)
    let hint = table.hint(held.slot)
    const put = (key: IndexKey, record: IndexRecord): void => {
      group.put(key, record)
      table.reference(slot, record.area === 'store' ? 'store' : 'cache')
    }
    for (const entry of held.homes) {
      const { slot: at, generation, nonce, tag } = content
      if (entry === undefined) continue
      put(entry.key, { ...entry.record, slot: at, generation, nonce, tag, sequence })
    }
    const before = held.homes[home]?.record.area
    if (before === undefined || (before === 'cache' && area === 'store')) {
      const key = entryKey(keys, address, home)
      if (before === 'cache') table.release(slot, 'cache')
      put(key, toRecord(request, content, { sequence, next: this.#hinted(held) }))
      if (this.#areaOf(held) === 'cache') hint = hintOf(key)
    }
    table.release(slot, use) // the reference it was written with; its entries have their own
    table.setHint(slot, hint)
    table.releaseAreas(held.slot, 'after-commit')
    table.doneWriting(slot)
    return 'stored'
  }

  /** Key of the entry that memory points at, where that is a cache entry: the next one links to it. */
  #hinted(held: Held): Uint8Array | undefined {
    const { bucket, suffix } = this.#core.table.hint(held.slot)
    for (const entry of held.homes) {
      if (entry?.record.area !== 'cache') continue
      const hint = hintOf(entry.key)
      if (hint.bucket === bucket && hint.suffix === suffix) return entry.key.bytes
    }
    return undefined
  }

  /** A slot that does not open: its entries go, and so does the slot unless the outbox has it too. */
  #dropUnreadable(address: Address, content: SlotContent): Promise<void> {
    const { lock, table, group } = this.#core
    return lock.runAlways(mapKey(address), async () => {
      const held = await holdEntries(this.#core, address, false)
      if (held === undefined) return
      const isSame = held.slot === content.slot && held.generation === content.generation
      if (isSame && (await readSlot(this.#core, address, held)) === undefined) {
        for (const entry of held.homes) if (entry !== undefined) group.delete(entry.key)
        table.releaseAreas(held.slot)
      }
      table.letGo(held.slot)
    })
  }

  #areaOf({ slot }: { readonly slot: number }): Area {
    return this.#core.table.useOf(slot) === 'store' ? 'store' : 'cache'
  }
}

function toRecord(
  { address, home, area }: { address: Address; home: Home; area: Area },
  { slot, generation, nonce, tag }: SlotContent,
  of: { sequence: number | undefined; next?: Uint8Array | undefined },
): IndexRecord {
  const name = area === 'store' ? address : (of.next ?? EMPTY_RECORD.name)
  const { sequence } = of
  return { ...EMPTY_RECORD, area, homes: home, slot, generation, sequence, name, nonce, tag }
}
