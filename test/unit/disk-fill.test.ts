import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { Filler } from '../../src/datastore/disk-fill.ts'
import { openSlab } from '../../src/datastore/slab.ts'
import type { Slab } from '../../src/datastore/slab.ts'
import { SlotTable } from '../../src/datastore/slot-table.ts'
import { StoreMeter } from '../../src/datastore/store-meter.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import type { SimulatedClock } from '../helpers/clock.ts'
import { createSeededRng } from '../helpers/rng.ts'

const GIB = 2 ** 30

test('filling: goes on in the background until all slots are there, and counts its bytes', async (t) => {
  const { fill, slab, table, meter, clock } = await makeFiller(t, 1000)
  fill.start()
  await until(clock, () => fill.filledShare === 1)
  assert.equal(slab.slots, 1000)
  assert.equal(table.freeCount, 1000)
  assert.equal(meter.stats().bytesWritten, 1000 * BLOCK_BYTES)
  assert.ok(clock.now() >= 7 * 62, `in ${clock.now()} ms: no more than 4 MiB every 62 ms`)
})

test('filling: takes at most a quarter of the time of a slow disk', async (t) => {
  const parts = await makeFiller(t, 512)
  const { fill, slab, clock } = parts
  const extend = slab.extend.bind(slab)
  slab.extend = async (count) => {
    await new Promise<void>((resolve) => {
      clock.after(100, resolve)
    })
    await extend(count)
  }
  fill.start()
  await until(clock, () => fill.filledShare === 1)
  assert.ok(clock.now() >= 4 * (400 + 1200) - 1200, `in ${clock.now()} ms`)
})

test('filling: a put in need waits for one append, which all that wait share', async (t) => {
  const { fill, slab, table } = await makeFiller(t, 100)
  assert.deepEqual(await Promise.all([fill.grow(), fill.grow(), fill.grow()]), [true, true, true])
  assert.equal(slab.slots, 32)
  while (table.take('store') !== undefined);
  for (const slots of [64, 96, 100]) {
    assert.equal(await fill.grow(), true)
    assert.equal(slab.slots, slots)
    while (table.take('store') !== undefined);
  }
  assert.equal(await fill.grow(), false, 'all slots are there')
})

test('filling: a slot that has become free meanwhile is enough', async (t) => {
  const { fill, slab, table } = await makeFiller(t, 100)
  await fill.grow()
  assert.equal(table.freeCount, 32)
  assert.equal(await fill.grow(), true)
  assert.equal(slab.slots, 32)
})

test('filling: stops at once, and nothing is appended afterwards', async (t) => {
  const { fill, slab, table, clock } = await makeFiller(t, 10_000)
  fill.start()
  await until(clock, () => slab.slots > 0)
  await fill.stop()
  const { slots } = slab
  assert.ok(slots < 10_000)
  await clock.runFor(60_000)
  while (table.take('store') !== undefined);
  assert.equal(await fill.grow(), false)
  assert.equal(slab.slots, slots)
})

test('filling: a full disk leaves the slots that are there, and is tried again every minute', async (t) => {
  const parts = await makeFiller(t, 1000)
  const { fill, slab, table, clock, lines } = parts
  const extend = slab.extend.bind(slab)
  let isFull = false
  let tries = 0
  slab.extend = async (count) => {
    if (isFull) tries++
    if (isFull && slab.slots < 140) await extend(140 - slab.slots) // what still fitted
    if (isFull) throw Object.assign(new Error('ENOSPC: imitated'), { code: 'ENOSPC' })
    await extend(count)
  }
  fill.start()
  await until(clock, () => slab.slots === 128)
  assert.equal(fill.slotsInReach, 1000)
  isFull = true
  await until(clock, () => fill.isDiskFull)
  assert.deepEqual([slab.slots, table.freeCount, fill.slotsInReach], [140, 140, 140])
  assert.equal(parts.changes(), 1)
  while (table.take('store') !== undefined);
  assert.equal(await fill.grow(), false)
  assert.equal(tries, 1, 'puts do not try in vain')
  await clock.runFor(180_000)
  assert.ok(tries >= 3 && tries <= 5, `${tries} tries in three minutes`)
  isFull = false
  await until(clock, () => fill.filledShare === 1)
  assert.deepEqual([fill.isDiskFull, fill.slotsInReach, parts.changes()], [false, 1000, 2])
  assert.equal(lines.length, 2, lines.join('; '))
})

test('filling: leaves room on the disk for what the index may still take', async (t) => {
  const parts = await makeFiller(t, 1000)
  parts.disk.freeBytes = 30 * 2 ** 20
  parts.fill.start()
  await until(parts.clock, () => parts.fill.isDiskFull)
  const left = 30 * 2 ** 20 - parts.slab.slots * BLOCK_BYTES
  assert.ok(left >= 24 * 2 ** 20 + 1000 * 1276, `${left} bytes left`)
  assert.ok(parts.slab.slots >= 64)
  parts.disk.besideSlabBytes = 20 * 2 ** 20 // the index has taken its own
  await until(parts.clock, () => parts.slab.slots > 500)
})

test('filling: follows a limit that has changed, and never goes beyond it', async (t) => {
  const { fill, slab, table, clock } = await makeFiller(t, 200)
  fill.start()
  await until(clock, () => fill.filledShare === 1)
  table.setCapacity(300)
  fill.start()
  await until(clock, () => slab.slots === 300)
  table.setLimit(100)
  assert.equal(fill.filledShare, 1)
  assert.equal(await fill.grow(), true, 'there are free slots')
  while (table.take('cache') !== undefined);
  assert.equal(await fill.grow(), false)
  assert.equal(slab.slots, 300)
})

test('filling: who moves the end of the slab is alone with it', async (t) => {
  const { fill, slab } = await makeFiller(t, 100)
  const order: string[] = []
  const cut = fill.exclusively(async () => {
    await slab.extend(1)
    order.push(`alone ${slab.slots}`)
    await slab.truncate(0)
  })
  const growing = fill.grow().then(() => order.push(`grown ${slab.slots}`))
  await Promise.all([cut, growing])
  assert.deepEqual(order, ['alone 1', 'grown 32'])
})

test('filling: more than a GiB is announced, and so is its end', async (t) => {
  const { fill, slab, clock, lines, table } = await makeFiller(t, 40_000)
  const extend = slab.extend.bind(slab)
  slab.extend = async () => {
    table.setLimit(64)
    await extend(64)
  }
  fill.start()
  await until(clock, () => lines.length === 2)
  assert.match(lines[0] ?? '', /filling 1\.2 GiB/)
})

interface Parts {
  readonly fill: Filler
  readonly slab: Slab
  readonly table: SlotTable
  readonly meter: StoreMeter
  readonly clock: SimulatedClock
  readonly disk: { freeBytes: number; besideSlabBytes: number }
  readonly lines: readonly string[]
  changes(): number
}

async function makeFiller(t: TestContext, slots: number): Promise<Parts> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-fill-'))
  const slab = await openSlab(join(path, 'slab'), slots)
  const table = new SlotTable(slots, createSeededRng(1))
  const [clock, meter] = [createSimulatedClock(), new StoreMeter()]
  const disk = { freeBytes: 100 * GIB, besideSlabBytes: 0 }
  const space = {
    freeBytes: () => Promise.resolve(disk.freeBytes - slab.slots * BLOCK_BYTES),
    get besideSlabBytes() {
      return disk.besideSlabBytes
    },
  }
  const lines: string[] = []
  const log = (line: string): void => void lines.push(line)
  let changes = 0
  const onchange = (): void => void changes++
  const logger = { info: log, warn: log }
  const fill = new Filler({ slab, table, clock, logger, meter, space, onchange })
  t.after(async () => {
    await fill.stop()
    await slab.close()
    await rm(path, { recursive: true, force: true })
  })
  return { fill, slab, table, meter, clock, disk, lines, changes: () => changes }
}

/** Lets simulated time pass, and the disk get on, until `isSo`. */
async function until(clock: SimulatedClock, isSo: () => boolean): Promise<void> {
  const waiting = (async () => {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        clock.after(1, resolve)
      })
    }
  })()
  await clock.runUntilSettled(waiting)
}
