import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { SlotTable } from '../../src/datastore/slot-table.ts'
import type { SlotTenure, SlotUse } from '../../src/datastore/slot-table.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

function tableOf(capacity: number, extent = capacity): SlotTable {
  const table = new SlotTable(capacity, createSeededRng(capacity))
  table.extend(extent)
  return table
}

/** Takes a slot and lets it go at once. */
function take(table: SlotTable, use: SlotUse = 'cache'): SlotTenure {
  const tenure = table.take(use)
  assert.ok(tenure, 'a slot is free')
  table.letGo(tenure.slot)
  return tenure
}

test('slot table: every slot is taken once, in no order, and then none is left', () => {
  const table = tableOf(3000)
  const slots = Array.from({ length: 3000 }, () => take(table).slot)
  assert.equal(new Set(slots).size, 3000)
  assert.notDeepEqual(
    slots,
    slots.toSorted((a, b) => a - b),
  )
  assert.equal(table.take('store'), undefined)
  assert.deepEqual(table.used, { store: 0, cache: 3000, outbox: 0 })
  assert.equal(table.freeCount, 0)
})

test('slot table: a slot that is cleared is free at once, and its entries are stale', () => {
  const table = tableOf(10)
  const tenure = take(table, 'store')
  table.addEntry(tenure.slot)
  table.addEntry(tenure.slot)
  assert.ok(table.isCurrent(tenure, 'area'))
  assert.equal(table.isCurrent(tenure, 'outbox'), false)
  table.clearArea(tenure.slot)
  assert.equal(table.isCurrent(tenure, 'area'), false)
  assert.deepEqual([table.entries, table.staleEntries, table.freeCount], [0, 2, 10])
  table.clearArea(tenure.slot)
  table.unpin(tenure.slot)
  assert.equal(table.tenure(tenure.slot).generation, 1, 'once')
})

test('slot table: generations wrap after 256 lives', () => {
  const table = tableOf(1)
  for (let life = 0; life < 256; life++) {
    const tenure = take(table)
    assert.equal(tenure.generation, life)
    table.clearArea(0)
  }
  assert.equal(take(table).generation, 0)
})

test('slot table: a pinned slot outlives its area, and an area its pin', () => {
  const table = tableOf(10)
  const pinned = take(table, 'outbox')
  assert.deepEqual(table.used, { store: 0, cache: 0, outbox: 1 })
  table.setArea(pinned.slot, 'store')
  assert.deepEqual(table.used, { store: 1, cache: 0, outbox: 0 })
  table.clearArea(pinned.slot)
  assert.ok(table.isCurrent(pinned, 'outbox'))
  assert.equal(table.isCurrent(pinned, 'area'), false)
  table.setArea(pinned.slot, 'cache')
  table.unpin(pinned.slot)
  assert.ok(table.isCurrent(pinned, 'area'))
  table.clearArea(pinned.slot)
  assert.deepEqual(table.used, { store: 0, cache: 0, outbox: 0 })
  assert.equal(table.freeCount, 10)
})

test('slot table: what is replaced is free only after the commit under way', () => {
  const table = tableOf(1)
  const { slot } = take(table, 'store')
  table.clearArea(slot, 'after-commit')
  assert.ok(table.hasLimbo)
  assert.equal(table.take('store'), undefined)
  const leaving = table.takeLimbo()
  assert.deepEqual(leaving, [slot])
  assert.deepEqual(table.takeLimbo(), [])
  assert.ok(table.hasLimbo)
  table.setLimit(1)
  table.unpin(slot)
  assert.equal(table.take('store'), undefined, 'nothing else frees it')
  table.keepLimbo(leaving)
  table.free(table.takeLimbo())
  assert.equal(table.hasLimbo, false)
  assert.equal(take(table).slot, slot)
})

test('slot table: a pin may leave with a commit, too', () => {
  const table = tableOf(1)
  const { slot } = take(table, 'outbox')
  table.unpin(slot, 'after-commit')
  assert.equal(table.freeCount, 0)
  table.free(table.takeLimbo())
  assert.equal(table.freeCount, 1)
})

test('slot table: a slot has at most three entries, which may move to another', () => {
  const table = tableOf(4)
  const [from, to] = [take(table).slot, take(table).slot]
  for (let i = 0; i < 5; i++) table.addEntry(from)
  assert.equal(table.entriesOf(from), 3)
  assert.equal(table.entries, 3)
  table.moveEntries(from, to)
  table.clearArea(from)
  assert.deepEqual([table.entriesOf(to), table.entries, table.staleEntries], [3, 3, 0])
})

test('slot table: holds nest', () => {
  const table = tableOf(2)
  const tenure = table.take('cache')
  assert.ok(tenure && table.isHeld(tenure.slot))
  table.hold(tenure.slot)
  table.letGo(tenure.slot)
  assert.ok(table.isHeld(tenure.slot))
  table.letGo(tenure.slot)
  assert.equal(table.isHeld(tenure.slot), false)
  assert.equal(table.heldCount, 0)
})

test('slot table: main and visited last as long as the area', () => {
  const table = tableOf(1)
  const { slot } = take(table)
  table.setMain(slot, true)
  table.setVisited(slot, true)
  assert.ok(table.isMain(slot) && table.isVisited(slot))
  table.setArea(slot, 'store')
  assert.equal(table.isMain(slot) || table.isVisited(slot), false)
  assert.equal(table.areaOf(slot), 'store')
})

test('slot table: only slots that are there are taken, and growing adds some', () => {
  const table = tableOf(5000, 0)
  assert.equal(table.take('cache'), undefined)
  table.extend(1500)
  for (let i = 0; i < 1500; i++) assert.ok(take(table).slot < 1500)
  assert.equal(table.take('cache'), undefined)
  table.extend(9000)
  assert.equal(table.extent, 5000)
  for (let i = 0; i < 3500; i++) assert.ok(take(table).slot >= 1500)
})

test('slot table: above the limit nothing is taken, and it says what still is there', () => {
  const table = tableOf(100)
  for (let i = 0; i < 100; i++) take(table)
  table.setLimit(40)
  assert.equal(table.firstAboveLimit(), 40)
  for (let slot = 40; slot < 100; slot++)
    table.clearArea(slot, slot === 99 ? 'after-commit' : 'now')
  assert.equal(table.freeCount, 0)
  assert.equal(table.firstAboveLimit(), 99)
  table.free(table.takeLimbo())
  assert.equal(table.firstAboveLimit(), undefined)
  table.hold(70)
  assert.equal(table.firstAboveLimit(), 70)
  table.letGo(70)
  table.setLimit(60)
  assert.equal(table.freeCount, 20, 'a greater limit gives some back')
})

test('slot table: another capacity keeps what is in use', () => {
  const table = tableOf(2000)
  const kept: SlotTenure[] = []
  for (let i = 0; i < 2000; i++) {
    const tenure = take(table, 'store')
    table.addEntry(tenure.slot)
    table.setMark(tenure.slot, tenure.slot + 1)
    kept.push(tenure)
  }
  table.setLimit(1000)
  for (let slot = 1000; slot < 2000; slot++) table.clearArea(slot)
  table.setCapacity(1000)
  table.setCapacity(3000)
  table.extend(3000)
  for (const tenure of kept.filter(({ slot }) => slot < 1000)) {
    assert.ok(table.isCurrent(tenure, 'area'))
    assert.equal(table.markOf(tenure.slot), tenure.slot + 1)
  }
  assert.deepEqual([table.capacity, table.extent, table.limit], [3000, 3000, 3000])
  assert.deepEqual([table.used.store, table.entries, table.freeCount], [1000, 1000, 2000])
})

test('slot table: of entries that claim one slot the later generation holds, across the wrap', () => {
  for (const [first, second, expected] of [
    [5, 5, 'same'],
    [5, 6, 'new'],
    [6, 5, 'stale'],
    [255, 0, 'new'],
    [0, 255, 'stale'],
    [200, 71, 'new'],
    [200, 72, 'stale'],
  ] as const) {
    for (const use of ['area', 'outbox'] as const) {
      const table = tableOf(4)
      assert.equal(table.claim({ slot: 2, generation: first }), 'new')
      if (use === 'area') table.setArea(2, 'store')
      else table.pin(2)
      assert.equal(table.freeCount, 3)
      assert.equal(table.claim({ slot: 2, generation: second }), expected, `${first}, ${second}`)
      assert.equal(table.tenure(2).generation, expected === 'stale' ? first : second)
      assert.equal(table.isInUse(2), expected !== 'new', 'the caller says what for')
      assert.equal(table.freeCount, 3)
    }
  }
  assert.equal(tableOf(4).claim({ slot: 4, generation: 0 }), 'stale', 'no such slot')
})

test('slot table: an entry that nobody waits for is never current again, whoever gets its slot', () => {
  const table = tableOf(1)
  for (const generation of [0, 7, 255]) {
    const left = { slot: 0, generation }
    table.outdate(left)
    take(table, 'outbox')
    assert.ok(!table.isCurrent(left, 'outbox'), `generation ${generation}`)
    table.unpin(0)
  }
  const inUse = take(table, 'outbox')
  table.outdate(inUse)
  assert.ok(table.isCurrent(inUse, 'outbox'), 'a slot in use stays what it is')
})

test('slot table: counted again from its arrays it is as it was', () => {
  const table = tableOf(3000, 2500)
  for (let i = 0; i < 1000; i++) {
    const { slot } = take(table, (['store', 'cache', 'outbox'] as const)[i % 3])
    if (i % 3 < 2) table.addEntry(slot)
    if (i % 6 === 0) table.pin(slot)
    if (i % 12 === 0) table.clearArea(slot)
  }
  const copy = new SlotTable(3000, createSeededRng(1))
  copy.arrays.flags.set(table.arrays.flags)
  copy.arrays.generations.set(table.arrays.generations)
  copy.arrays.marks.set(table.arrays.marks)
  copy.recount(2500)
  assert.deepEqual(copy.used, table.used)
  assert.equal(copy.entries, table.entries)
  assert.equal(copy.freeCount, table.freeCount)
  assert.equal(copy.extent, 2500)
})

test('slot table: slots and groups take 6.13 bytes a slot', () => {
  const bytes = new SlotTable(1_000_000, createSeededRng(1)).bytes / 1_000_000
  assert.ok(bytes < 6.14, `${bytes}`)
})

/** The same with maps and sets. */
class SlowTable {
  readonly areas = new Map<number, string>()
  readonly pins = new Set<number>()
  readonly entries = new Map<number, number>()
  readonly limbo = new Set<number>()
  readonly generations = new Map<number, number>()
  extent = 0
  limit = 0

  isInUse(slot: number): boolean {
    return this.areas.has(slot) || this.pins.has(slot)
  }

  free(): number[] {
    const slots = Array.from({ length: Math.min(this.extent, this.limit) }, (_, slot) => slot)
    return slots.filter((slot) => !this.isInUse(slot) && !this.limbo.has(slot))
  }

  used(): SlotTable['used'] {
    const count = (area: string): number =>
      [...this.areas.values()].filter((a) => a === area).length
    const outbox = [...this.pins].filter((slot) => !this.areas.has(slot)).length
    return { store: count('store'), cache: count('cache'), outbox }
  }

  leave(slot: number, wasInUse: boolean, isLater: boolean): void {
    if (!wasInUse || this.isInUse(slot)) return
    this.generations.set(slot, ((this.generations.get(slot) ?? 0) + 1) % 256)
    if (isLater) this.limbo.add(slot)
  }
}

interface Both {
  readonly table: SlotTable
  readonly slow: SlowTable
}

function takeBoth({ table, slow }: Both, use: SlotUse): void {
  const taken = table.take(use)
  assert.equal(taken === undefined, slow.free().length === 0)
  if (taken === undefined) return
  table.letGo(taken.slot)
  assert.ok(slow.free().includes(taken.slot))
  assert.equal(taken.generation, slow.generations.get(taken.slot) ?? 0)
  if (use === 'outbox') slow.pins.add(taken.slot)
  else slow.areas.set(taken.slot, use)
}

/** Everything that may happen, to both; `slot` is any, and `isLater` waits for a commit. */
const STEPS: readonly ((both: Both, slot: number, isLater: boolean) => void)[] = [
  (both) => takeBoth(both, 'store'),
  (both) => takeBoth(both, 'cache'),
  (both) => takeBoth(both, 'outbox'),
  ({ table, slow }, slot, isLater) => {
    table.clearArea(slot, isLater ? 'after-commit' : 'now')
    slow.entries.delete(slot)
    slow.leave(slot, slow.areas.delete(slot), isLater)
  },
  ({ table, slow }, slot) => {
    if (!slow.isInUse(slot)) return
    table.pin(slot)
    slow.pins.add(slot)
  },
  ({ table, slow }, slot, isLater) => {
    table.unpin(slot, isLater ? 'after-commit' : 'now')
    slow.leave(slot, slow.pins.delete(slot), isLater)
  },
  ({ table, slow }, slot) => {
    if (!slow.areas.has(slot)) return
    table.addEntry(slot)
    slow.entries.set(slot, Math.min(3, (slow.entries.get(slot) ?? 0) + 1))
  },
  ({ table, slow }) => {
    table.free(table.takeLimbo())
    slow.limbo.clear()
  },
  ({ table, slow }, slot) => {
    table.setLimit(slot)
    slow.limit = slot
  },
  ({ table, slow }, slot) => {
    slow.extent = Math.max(slot, slow.extent)
    table.extend(slow.extent)
  },
]

const CAPACITY = 40

test('slot table: after anything that may happen it is as maps and sets would be', (t) => {
  const seed = seedFromEnvironment()
  t.diagnostic(`SEED=${seed}`)
  const step = fc.tuple(fc.constantFrom(...STEPS), fc.nat(CAPACITY - 1), fc.boolean())
  const steps = fc.array(step, { minLength: 50, maxLength: 300 })
  const property = fc.property(steps, (all) => {
    const table = new SlotTable(CAPACITY, createSeededRng(seed))
    const slow = new SlowTable()
    slow.limit = CAPACITY
    slow.extent = CAPACITY / 2
    table.extend(slow.extent)
    for (const [run, slot, isLater] of all) {
      run({ table, slow }, slot, isLater)
      assert.deepEqual(table.used, slow.used())
      assert.equal(table.freeCount, slow.free().length)
      assert.equal(table.hasLimbo, slow.limbo.size > 0)
      assert.equal(
        table.entries,
        [...slow.entries.values()].reduce((a, b) => a + b, 0),
      )
    }
  })
  fc.assert(property, { seed, numRuns: 200 })
})
