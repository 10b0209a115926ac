/** The sealed state of a clean stop (spec §11.5). @module */
import assert from 'node:assert/strict'
import { readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { Areas } from '../../src/datastore/areas.ts'
import { FilteredIndex } from '../../src/datastore/filtered-index.ts'
import { OutboxLedger } from '../../src/datastore/outbox-ledger.ts'
import { sharesOf } from '../../src/datastore/quota.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import { STATE_FILE, dropState, loadState, saveState } from '../../src/datastore/state-file.ts'
import type { StateParts } from '../../src/datastore/state-file.ts'
import type { Address } from '../../src/keys/block.ts'
import { createStoreSecret, deriveSealKeys, noise } from '../../src/keys/seal.ts'
import { SEED, folder } from '../helpers/disk-store.ts'
import { memoryIndex } from '../helpers/memory-index.ts'
import { createSeededRng } from '../helpers/rng.ts'

const keys = deriveSealKeys(createStoreSecret())
/** Five pieces of 1 MiB, of which three are used. */
const SLOTS = 300_000

function emptyParts(slots: number): StateParts {
  const rng = createSeededRng(SEED)
  const shares = sharesOf(slots)
  const table = new SlotTable(slots, rng)
  const areas = new Areas({ table, shares, rng })
  const index = new FilteredIndex(memoryIndex().index, slots)
  return { table, areas, index, ledger: new OutboxLedger(shares.outboxBlocks) }
}

/** Half full, with entries that wait. */
function usedParts(slots: number): StateParts {
  const parts = emptyParts(slots)
  const { table, areas, index, ledger } = parts
  table.extend(slots)
  for (let i = 0; i < slots / 2; i++) {
    const area = i % 3 === 0 ? 'cache' : 'store'
    const { slot } = table.take(area) ?? assert.fail('a free slot')
    areas.enter(slot, { area, bucket: i % 65_536, fingerprint: (i * 7919) % 2 ** 32, link: i % 5 })
    table.addEntry(slot)
    table.letGo(slot)
    index.learn(noise(32))
  }
  index.trust()
  for (let i = 0; i < 500; i++) areas.evict(i % 2 === 0 ? 'store' : 'cache')
  for (let insert = 1; insert <= 20; insert++) {
    const insertId = insert * 2 ** 40
    ledger.restoreInsert(insertId, insert + 5)
    for (let i = 0; i < insert; i++) {
      ledger.restore(noise(32) as Address, {
        insertId,
        ordinal: insert * 100 + i,
        homes: 1 + (i % 7),
      })
    }
  }
  return parts
}

function contentOf({ table, areas, index, ledger }: StateParts) {
  const { used, entries, staleEntries, freeCount, extent, arrays } = table
  return {
    used: { ...used },
    numbers: [entries, staleEntries, freeCount, extent, index.filter.added],
    generations: arrays.generations,
    flags: arrays.flags,
    bits: index.filter.bits,
    isTrusted: index.isTrusted,
    areas: areas.arrays.length,
    inserts: [...ledger.inserts()],
    waiting: [...ledger.kept()],
    nextOrdinal: ledger.nextOrdinal,
  }
}

test('state: everything comes back, over several pieces, and within its bound', async (t) => {
  const place = { folder: await folder(t), keys, epoch: noise(32) }
  const before = usedParts(SLOTS)
  assert.equal(await saveState(place, before), true)
  const { size, mode } = await stat(join(place.folder, STATE_FILE))
  assert.equal(size, 16 * SLOTS + 65_536, 'whatever is in it')
  assert.equal(mode & 0o777, 0o600)
  const after = emptyParts(SLOTS)
  assert.equal(await loadState(place, after, SLOTS), true)
  assert.deepEqual(contentOf(after), contentOf(before))
  for (const { slot } of [after.table.take('store') ?? { slot: -1 }]) {
    assert.equal(before.table.isInUse(slot), false, 'what was free is free')
  }
})

test('state: an empty store has one too', async (t) => {
  const place = { folder: await folder(t), keys, epoch: noise(32) }
  // the second leaves a last piece too short for what sealing adds, so it has none
  for (const slots of [1, (2 ** 20 + 40 - 65_536 + 24) / 16]) {
    assert.equal(await saveState(place, emptyParts(slots)), true)
    assert.equal(await loadState(place, emptyParts(slots), 0), true)
  }
})

test('state: what does not fit is not used', async (t) => {
  const place = { folder: await folder(t), keys, epoch: noise(32) }
  await saveState(place, usedParts(1000))
  const load = (other: object, slots = 1000, extent = slots): Promise<boolean> =>
    loadState({ ...place, ...other }, emptyParts(slots), extent)
  assert.equal(await load({}), true)
  assert.equal(await load({ epoch: noise(32) }), false, 'another epoch')
  assert.equal(await load({ keys: deriveSealKeys(createStoreSecret()) }), false, 'another key')
  assert.equal(await load({}, 1000, 999), false, 'a slab of another length')
  assert.equal(await load({}, 1001), false, 'another number of slots')
  assert.equal(await load({ folder: await folder(t) }), false, 'no file')
})

test('state: a file that is damaged or cut is not used', async (t) => {
  const place = { folder: await folder(t), keys, epoch: noise(32) }
  const path = join(place.folder, STATE_FILE)
  await saveState(place, usedParts(SLOTS))
  const whole = await readFile(path)
  const rng = createSeededRng(SEED)
  for (let i = 0; i < 5; i++) {
    const bytes = Uint8Array.from(whole)
    const at = rng.below(7 * SLOTS)
    bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8))
    await writeFile(path, bytes)
    assert.equal(await loadState(place, emptyParts(SLOTS), SLOTS), false, `SEED=${SEED}: ${at}`)
  }
  for (const size of [0, 39, 1000, 2 ** 20, 2 ** 20 + 40, whole.length - 1]) {
    await writeFile(path, whole)
    await truncate(path, size)
    assert.equal(await loadState(place, emptyParts(SLOTS), SLOTS), false, `${size} bytes`)
  }
})

test('state: nothing of it is in the clear, and dropping it leaves nothing', async (t) => {
  const place = { folder: await folder(t), keys, epoch: noise(32) }
  const parts = usedParts(1000)
  await saveState(place, parts)
  const bytes = await readFile(join(place.folder, STATE_FILE))
  for (const { address } of parts.ledger.kept()) {
    assert.equal(bytes.includes(Buffer.from(address.subarray(0, 8))), false)
  }
  await writeFile(join(place.folder, `${STATE_FILE}.new`), 'left by a crash')
  await dropState(place.folder)
  await dropState(place.folder)
  assert.deepEqual(await readdir(place.folder), [])
})

test('memory: at most 8 bytes a slot in all that grows with the slots', () => {
  const slots = 1_000_000
  globalThis.gc?.()
  const before = process.memoryUsage().arrayBuffers
  const { table, areas, index } = emptyParts(slots)
  const taken = process.memoryUsage().arrayBuffers - before
  table.extend(slots)
  for (const area of ['store', 'cache'] as const) {
    for (let i = 0; i < 1000; i++) {
      const { slot } = table.take(area) ?? assert.fail('a free slot')
      areas.enter(slot, { area, bucket: i, fingerprint: i, link: i })
      table.letGo(slot)
    }
  }
  assert.equal(index.filter.bits.length, slots)
  assert.ok(taken / slots <= 8, `${taken / slots} bytes a slot`)
  assert.ok(taken / slots > 6, 'counted at all')
})
