/**
 * The store and cache areas on disk (spec §11.5).
 * @module
 */
import { sequenceOf, signedAddress, supersedes } from '../keys/block.ts'
import type { Address, Block } from '../keys/block.ts'
import { equals, mapKey } from '../keys/bytes.ts'
import type { DiskCore, Held, SlotContent, SlotRead } from './disk-core.ts'
import {
  HOMES,
  findEntries,
  isBlock,
  isCurrent,
  isSameTenure,
  isStillHeld,
  readHeld,
  readSlot,
  readSlotForOwn,
} from './disk-core.ts'
import { vouchFor } from './disk-mend.ts'
import { statusOf } from './disk-status.ts'
import { waitForCommit, withRoomBeside, writeSlot } from './disk-write.ts'
import { walkStore } from './disk-walk.ts'
import { checkRange } from './eviction.ts'
import { entryKey, fingerprintOf } from './keyspace.ts'
import { EMPTY_RECORD } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { SlotTenure } from './slot-table.ts'
import { isDiskError, isUnreadableIndex } from './store-error.ts'
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
  StoreStatus,
} from './store.ts'

/** Reads that may lose their slot to a replacement before one keeps others off the address. */
const FREE_TRIES = 2
/** And all in all: then the slot can only be lost to an eviction, or to a resize that moves it. */
const MAX_TRIES = 8

export class DiskBlocks implements BlockStore {
  readonly givesFresh = true
  readonly #core: DiskCore
  readonly #onclose: () => Promise<void>

  constructor(core: DiskCore, onclose: () => Promise<void>) {
    this.#core = core
    this.#onclose = onclose
  }

  put(request: PutRequest): Promise<PutResult> {
    const { gate, clock, meter } = this.#core
    return gate.run(request, async () => {
      const startedAtMs = clock.now()
      const result = await this.#tryPut(request)
      meter.put(result)
      meter.time('put', clock.now() - startedAtMs)
      return result
    })
  }

  get(address: Address, options?: GetOptions): Promise<StoredBlock | undefined> {
    const { gate, clock, meter } = this.#core
    return gate.run(options, async () => {
      const startedAtMs = clock.now()
      const found = await this.#get(address, options)
      if (options?.link === undefined) return found
      if (found === undefined) meter.miss()
      else meter.hit(found.area)
      meter.time('get', clock.now() - startedAtMs)
      return found
    })
  }

  has(
    address: Address,
    options?: Abortable,
  ): Promise<(Omit<StoreEntry, 'home'> & { area: Area }) | undefined> {
    return this.#core.gate.run(options, async () => {
      const [entry] = await findEntries(this.#core, address)
      options?.signal?.throwIfAborted()
      if (entry === undefined) return undefined
      return { address, sequence: entry.record.sequence, area: this.#areaOf(entry.record) }
    })
  }

  walk(range: PositionRange, options?: Abortable): AsyncIterable<StoreEntry> {
    return walkStore(this.#core, checkRange(range), options?.signal)
  }

  setRange(range: PositionRange): void {
    this.#core.areas.range = checkRange(range)
  }

  status(): StoreStatus {
    return statusOf(this.#core)
  }

  close(): Promise<void> {
    return this.#onclose()
  }

  async #get(address: Address, options: GetOptions | undefined): Promise<StoredBlock | undefined> {
    const { lock } = this.#core
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const hasLock = tries >= FREE_TRIES
      const read = (): Promise<StoredBlock | undefined | 'again'> =>
        this.#read(address, options, hasLock)
      const found = await (hasLock ? lock.runAlways(mapKey(address), read) : read())
      if (found !== 'again') return found
    }
    return undefined
  }

  /** `again`: something was found that did not open; what is damaged has been dropped. */
  async #read(
    address: Address,
    options: GetOptions | undefined,
    hasLock: boolean,
  ): Promise<StoredBlock | undefined | 'again'> {
    const { link, signal } = options ?? {}
    const entries = await findEntries(this.#core, address)
    signal?.throwIfAborted()
    const reads = new Set<SlotRead>()
    for (const { record } of entries) {
      const read = await this.#readSlot(address, record, link)
      signal?.throwIfAborted()
      if (isBlock(read)) return this.#found(read, record, link)
      reads.add(read)
    }
    const [entry] = entries
    if (entry === undefined || !this.#core.isRebuilt) return undefined
    if (!isCurrent(this.#core, entry.record)) return 'again'
    if (reads.has('unreadable')) return undefined // the disk may answer again later
    return this.#unread(address, entry.record, hasLock)
  }

  #readSlot(address: Address, record: IndexRecord, link: number | undefined): Promise<SlotRead> {
    const readFor = link === undefined ? readSlotForOwn : readSlot
    return readFor(this.#core, address, record)
  }

  async #unread(address: Address, record: IndexRecord, hasLock: boolean): Promise<'again'> {
    const drop = (): Promise<void> => this.#dropUnreadable(address, record)
    await (hasLock ? drop() : this.#core.lock.runAlways(mapKey(address), drop))
    return 'again'
  }

  #found(block: Block, record: IndexRecord, link: number | undefined): StoredBlock {
    const area = this.#areaOf(record)
    const isHere = this.#core.isRebuilt && isCurrent(this.#core, record)
    if (link !== undefined && isHere) this.#core.areas.hit(record.slot, link)
    return { block, area }
  }

  async #tryPut(request: PutRequest): Promise<PutResult> {
    const { lock } = this.#core
    if (!this.#core.isRebuilt) return 'refused'
    try {
      return await lock.run(mapKey(request.address), async () => {
        await waitForCommit(this.#core, request.signal) // with the lock: those who wait are counted
        return this.#put(request)
      })
    } catch (error) {
      request.signal?.throwIfAborted()
      if (!isDiskError(error) && !isUnreadableIndex(error)) throw error
      return 'refused' // the condition says why
    }
  }

  async #put(request: PutRequest): Promise<PutResult> {
    const { address, block, signal } = request
    const isSigned = equals(signedAddress(block.subarray(0, 32)), address)
    for (let isMended = false; ;) {
      signal?.throwIfAborted()
      // a signed block waiting in the outbox is nobody's business until it is pushed (threat model)
      const held = await readHeld(this.#core, address, !isSigned)
      signal?.throwIfAborted()
      if (held === 'unreadable') return 'refused' // it may be here, and newer
      if (held === undefined) return this.#putNew(request, isSigned)
      const result = await (isSigned
        ? this.#putSigned(request, held)
        : this.#putContent(request, held, isMended))
      if (result === 'mended') isMended = true
      else if (result !== 'gone') return result
    }
  }

  /** `isMended`: the slot has just been written. */
  async #putContent(
    request: PutRequest,
    held: Held,
    isMended: boolean,
  ): Promise<PutResult | 'gone' | 'mended'> {
    const state = isMended ? 'whole' : await vouchFor(this.#core, request, held)
    if (state === 'none') return 'refused'
    if (state !== 'whole') return state
    const result = await this.#addHome(request, held)
    return isMended && result === 'known' ? 'stored' : result
  }

  async #putSigned(request: PutRequest, held: Held): Promise<PutResult | 'gone'> {
    const order = await this.#compare(request, held)
    if (order === 'newer') return this.#replace(request, held)
    return order === 'same' ? this.#addHome(request, held) : order
  }

  /** How a signed block stands to the one held. One that does not open is always replaced. */
  async #compare(
    { address, block }: PutRequest,
    held: Held,
  ): Promise<'newer' | 'same' | 'older' | 'refused' | 'gone'> {
    const difference = sequenceOf(block) - (held.sequence ?? 0)
    if (difference > 0) return 'newer'
    const other = await readSlot(this.#core, address, held)
    if (!isStillHeld(this.#core, held)) return 'gone'
    if (other === 'unreadable') return 'refused' // it may be the newer one, once the disk answers again
    if (other === 'damaged') {
      this.#core.meter.verifyFailed()
      return 'newer'
    }
    if (difference < 0) return 'older'
    if (equals(block, other)) return 'same'
    return supersedes(block, other) ? 'newer' : 'older'
  }

  async #putNew(request: PutRequest, isSigned: boolean): Promise<PutResult> {
    const content = await writeSlot(this.#core, request.area, request)
    if (content === undefined) return 'refused'
    this.#enterNew(request, content, isSigned)
    this.#core.table.letGo(content.slot)
    return 'stored'
  }

  #enterNew(request: PutRequest, content: SlotContent, isSigned: boolean): void {
    const { group, keys, table } = this.#core
    if (isSigned) {
      // a crash might bring back what was evicted: an older edition must not come with it
      for (const home of HOMES) group.delete(entryKey(keys, request.address, home))
    }
    this.#enter(request, content, isSigned ? sequenceOf(request.block) : undefined)
    table.addEntry(content.slot)
  }

  /** The block is here, under another home, in another area, or in the outbox alone. */
  async #addHome(request: PutRequest, held: Held): Promise<PutResult | 'gone'> {
    const { table } = this.#core
    const { home, area } = request
    const before = held.homes[home]?.record.area
    const use = table.areaOf(held.slot)
    const staysInArea = use === area || use === 'store'
    const isHere = (): boolean => isStillHeld(this.#core, held) && table.areaOf(held.slot) === use
    if (before === area || before === 'store') return isHere() ? 'known' : 'gone'
    const isNewEntry = before === undefined
    const act = (): PutResult => {
      if (use === undefined) for (const key of held.left) this.#core.group.delete(key)
      this.#enter(request, held, held.sequence, staysInArea)
      if (isNewEntry) table.addEntry(held.slot)
      return 'stored'
    }
    if (staysInArea && !isNewEntry) return isHere() ? act() : 'gone'
    const room = staysInArea ? 'entry' : area
    const result = await withRoomBeside(this.#core, room, { slot: held.slot, isHere }, act)
    return result === 'none' ? 'refused' : result
  }

  /** A signed block takes the place of an older one under all homes. */
  async #replace(request: PutRequest, held: Held): Promise<PutResult | 'gone'> {
    const { table } = this.#core
    const use = request.area === 'store' ? 'store' : this.#areaOf(held)
    const content = await writeSlot(this.#core, use, request)
    if (content === undefined) return 'refused'
    // the old one was not held meanwhile: where all slots are being replaced, someone has to give way
    const isHere = isStillHeld(this.#core, held)
    if (isHere) this.#flip(request, held, content)
    else if (use !== request.area) {
      table.giveBack(content.slot)
      return 'gone'
    } else this.#enterNew(request, content, true)
    table.letGo(content.slot)
    return 'stored'
  }

  /** In one turn: all entries of the old edition name the new one, and so does that of this put. */
  #flip(request: PutRequest, held: Held, content: SlotContent): void {
    const { table, areas, group } = this.#core
    const { slot } = content
    const sequence = sequenceOf(request.block)
    for (const entry of held.homes) {
      if (entry !== undefined) group.put(entry.key, { ...entry.record, ...content, sequence })
    }
    areas.inherit(slot, held.slot)
    const before = held.homes[request.home]?.record.area
    const isUpgrade = before === 'cache' && request.area === 'store'
    if (before !== undefined && !isUpgrade) return
    const staysInArea = request.area === 'cache' || table.areaOf(slot) === 'store'
    this.#enter(request, content, sequence, staysInArea)
    if (before === undefined) table.addEntry(slot)
  }

  /** Queues the entry of a put, and lets its slot count for the area: anew, or as one home more. */
  #enter(
    { address, home, area, link }: PutRequest,
    { slot, generation, checksum, nonce, tag }: SlotContent,
    sequence: number | undefined,
    isHomeMore = false,
  ): void {
    const { areas, group, keys } = this.#core
    const key = entryKey(keys, address, home)
    const name = area === 'store' ? address : EMPTY_RECORD.name
    const of = { slot, generation, checksum, nonce, tag, sequence, name }
    group.put(key, { ...EMPTY_RECORD, area, homes: home, ...of })
    if (!isHomeMore)
      areas.enter(slot, { area, bucket: key.bucket, fingerprint: fingerprintOf(key), link })
    else if (area === 'store') areas.addHome(slot, key.bucket)
  }

  /**
   * A slot that did not open, looked at again under the lock of the address: its entries go, and so does the
   * slot unless the outbox has it too.
   */
  async #dropUnreadable(address: Address, tenure: SlotTenure): Promise<void> {
    const { group, areas, meter, table } = this.#core
    const held = await readHeld(this.#core, address, false)
    if (held === undefined || held === 'unreadable' || !isSameTenure(held, tenure)) return
    if ((await readSlot(this.#core, address, held)) !== 'damaged') return
    if (!table.isCurrent(held, 'area')) return
    meter.verifyFailed()
    areas.leave(held.slot)
    for (const entry of held.homes) if (entry !== undefined) group.delete(entry.key)
  }

  /** While memory does not know the slots, the entry's word counts. */
  #areaOf({ slot, area }: { readonly slot: number; readonly area?: IndexRecord['area'] }): Area {
    const known = this.#core.isRebuilt ? this.#core.table.areaOf(slot) : area
    return known === 'store' ? 'store' : 'cache'
  }
}
