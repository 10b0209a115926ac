/**
 * Making room in a disk store (spec §11.6). Victims are drawn from the slot table in memory, and the
 * index is asked only about the one that goes. No lock is held on a victim: what was found on the
 * disk counts only if nothing has changed by the time it is acted on.
 * @module
 */
import { homePosition } from '../keys/block.ts'
import type { Home } from '../keys/block.ts'
import type { DiskCore, HeldEntry } from './disk-core.ts'
import { homeKeys, readRecords } from './disk-core.ts'
import { isInRange, sampleSlots, storeVictim } from './eviction.ts'
import { BUCKET_POSITIONS, hintOf, hintRange, knownKey } from './keyspace.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { SlotUse } from './slot-table.ts'
import type { Area } from './store.ts'

/** Evictions one put may need: each can miss when others work on the same slots. */
const MAX_ROUNDS = 64
/** Victims tried for one eviction; the last goes even if another home of it lies in the range. */
const MAX_VICTIMS = 8
/** At most one in so many slots of an area may be waiting for a commit when a victim is chosen. */
const UNSETTLED_SHARE = 16
/** Entries that may share a hint: 2^-32 a pair within a bucket, so a second is rare already. */
const HINT_MATCHES = 4

/** What room is asked for: a slot, or one more index entry of a slot that is there. */
export type RoomFor = SlotUse | 'entry'

/**
 * Calls `claim` in the same turn in which there is the room asked for, evicting until then, one
 * caller after the other. Undefined where nothing can go, or `claim` finds nothing.
 */
export async function withRoom<T>(
  core: DiskCore,
  use: RoomFor,
  claim: () => T | undefined,
): Promise<T | undefined> {
  const claimed = hasRoom(core, use) ? claim() : undefined
  if (claimed !== undefined) return claimed
  return core.evicting.runAlways(use === 'store' ? 'store' : 'cache', () =>
    makeRoom(core, use, claim),
  )
}

async function makeRoom<T>(
  core: DiskCore,
  use: RoomFor,
  claim: () => T | undefined,
): Promise<T | undefined> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const isRoom = hasRoom(core, use)
    const claimed = isRoom ? claim() : undefined
    if (claimed !== undefined) return claimed
    if (isRoom && core.table.hasLimbo) await core.group.commit()
    else if (!(await evictFor(core, use))) return undefined
  }
  return undefined
}

async function evictFor(core: DiskCore, use: RoomFor): Promise<boolean> {
  const { table, shares } = core
  if (table.entries < shares.maxEntries) return evict(core, use === 'store' ? 'store' : 'cache')
  // too many entries, not slots: the area that is fuller gives way, whoever asks
  const storeFill = table.used.store / shares.storeSlots
  const isStore = storeFill > table.used.cache / Math.max(1, shares.cacheSlots)
  const order = isStore ? (['store', 'cache'] as const) : (['cache', 'store'] as const)
  return (await evict(core, order[0])) || evict(core, order[1])
}

function hasRoom({ table, shares, ledger }: DiskCore, use: RoomFor): boolean {
  const cacheSlots = shares.cacheSlots - ledger.claimedBlocks
  if (use === 'outbox') return table.used.cache <= cacheSlots // its place is claimed already
  if (table.entries >= shares.maxEntries) return false
  if (use === 'entry') return true
  return use === 'store' ? table.used.store < shares.storeSlots : table.used.cache < cacheSlots
}

/** Frees one slot of `area` from store and cache. False: there is none that may go. */
async function evict(core: DiskCore, area: Area): Promise<boolean> {
  const { table, group } = core
  // a choice among what has been on the disk for long would spare the newest: keep those few
  if (group.unsettledSlots * UNSETTLED_SHARE > table.used[area]) await group.commit()
  for (let victims = 1; victims <= MAX_VICTIMS; victims++) {
    const sample = sampleSlots(table.slots, core.rng, (slot) => isEvictable(core, slot, area))
    const victim = area === 'store' ? pickStoreVictim(core, sample) : sample[0]
    if (victim === undefined) {
      const written = table.whenWritten()
      if (written === undefined && group.isEmpty) return false
      await written // what was just put can go once its entries can be found
      await group.commit()
    } else if (await evictSlot(core, victim, victims < MAX_VICTIMS)) {
      return true
    }
  }
  return false
}

function isEvictable({ table, group }: DiskCore, slot: number, area: Area): boolean {
  return table.useOf(slot) === area && !table.isBusy(slot) && !group.isUnsettled(slot)
}

function pickStoreVictim(
  { table, range }: DiskCore,
  sample: readonly number[],
): number | undefined {
  const positions = sample.map((slot) => (table.hint(slot).bucket + 0.5) * BUCKET_POSITIONS)
  return sample[storeVictim(positions, range)]
}

/** Drops all store and cache entries of a slot; pinned by the outbox, it stays in use. */
async function evictSlot(core: DiskCore, slot: number, maySpare: boolean): Promise<boolean> {
  const { table, group } = core
  const area = table.useOf(slot)
  const tenure = table.tenure(slot)
  const references = table.references(slot)
  const entries = await entriesOf(core, slot)
  const isUnchanged = table.isCurrent(tenure) && table.references(slot) === references
  if (!isUnchanged || area === undefined || area === 'outbox') return false
  if (!isEvictable(core, slot, area)) return false
  const better = maySpare ? entryInRange(core, entries) : undefined
  if (better !== undefined) {
    table.setHint(slot, hintOf(better.key))
    return false
  }
  for (const { key } of entries) group.delete(key)
  table.releaseAreas(slot)
  return true
}

/** Where the hinted entry lies outside the range: another one of the block that lies inside. */
function entryInRange({ range }: DiskCore, entries: readonly HeldEntry[]): HeldEntry | undefined {
  if (range === undefined || entries.length < 2) return undefined
  const isInside = ({ record }: HeldEntry): boolean =>
    record.area === 'store' &&
    isInRange(homePosition(addressIn(record), record.homes as Home), range)
  const [hinted, ...others] = entries as [HeldEntry, ...HeldEntry[]]
  return isInside(hinted) ? undefined : others.find(isInside)
}

/** Store and cache entries of a slot, the hinted one first; none where the hint leads nowhere. */
async function entriesOf(core: DiskCore, slot: number): Promise<HeldEntry[]> {
  const { table } = core
  const hinted = await hintedEntry(core, slot)
  if (hinted === undefined) return []
  if (table.count(slot, 'store') + table.count(slot, 'cache') === 1) return [hinted]
  if (hinted.record.area === 'cache') return followLinks(core, hinted)
  const keys = homeKeys(core, addressIn(hinted.record))
  const records = await readRecords(core, keys)
  const others: HeldEntry[] = []
  for (const [i, key] of keys.entries()) {
    const record = records[i]
    if (record?.slot === slot && key.id !== hinted.key.id) others.push({ key, record })
  }
  return [hinted, ...others]
}

async function hintedEntry(core: DiskCore, slot: number): Promise<HeldEntry | undefined> {
  const range = hintRange(core.keys, core.table.hint(slot))
  for (const { key, value } of await core.index.range(range, HINT_MATCHES)) {
    const record = decodeRecord(core.keys, key, value)
    if (record?.slot !== slot || !core.table.isCurrent(record)) continue
    if (record.area === 'store' || record.area === 'cache') {
      return { key: knownKey(key, record.bucket), record }
    }
  }
  return undefined
}

/** Cache entries keep no address; each names the key of the next entry of its slot instead. */
async function followLinks(core: DiskCore, first: HeldEntry): Promise<HeldEntry[]> {
  const entries = [first]
  const most = core.table.count(first.record.slot, 'cache')
  for (let last = first; entries.length < most;) {
    const [value] = await core.index.getMany([last.record.name])
    if (value === undefined) break
    const record = decodeRecord(core.keys, last.record.name, value)
    if (record?.slot !== first.record.slot) break
    last = { key: knownKey(last.record.name, record.bucket), record }
    entries.push(last)
  }
  return entries
}
