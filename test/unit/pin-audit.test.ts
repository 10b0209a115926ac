/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { DiskTable } from '../../src/datastore/disk-table.ts'
import { OutboxLedger } from '../../src/datastore/outbox-ledger.ts'
import { PinAudit } from '../../src/datastore/pin-audit.ts'
import type { PinAuditParts } from '../../src/datastore/pin-audit.ts'
import { EMPTY_RECORD } from '../../src/datastore/record.ts'
import type { IndexRecord } from '../../src/datastore/record.ts'
import { createSeededRng } from '../helpers/rng.ts'
import { contentBlock } from '../helpers/signed-block.ts'

/** A table of 20 slots, and `pin`: an entry of the outbox with its slot, in the ledger unless `nameless`. */
function parts() {
  const table = new DiskTable(20, createSeededRng(1))
  table.extend(20)
  const ledger = new OutboxLedger(20)
  ledger.begin(1)
  const queue: [string, { record: IndexRecord }][] = []
  const group = { changes: () => new Map(queue) } as unknown as PinAuditParts['group']
  let count = 0
  const pin = (): IndexRecord => {
    const taken = table.take('outbox')
    assert.ok(taken !== undefined)
    table.letGo(taken.slot)
    const name = contentBlock(count++).address
    ledger.reserve()
    ledger.add(1, name, [0])
    return { ...EMPTY_RECORD, ...taken, area: 'outbox', homes: 1, insertId: 1, name }
  }
  return { table, ledger, group, queue, pin }
}

test('pin audit: frees what was pinned before and met nowhere, and that alone', () => {
  const all = parts()
  const { table, queue, pin } = all
  const [met, queued, nameless, held] = [pin(), pin(), pin(), pin()]
  queue.push(['queued', { record: queued }])
  table.hold(held.slot)
  const audit = new PinAudit(all)
  const later = pin()
  audit.meet(met)
  audit.meet(undefined)
  audit.finish()
  for (const { slot } of [met, queued, held, later]) assert.equal(table.isPinned(slot), true)
  assert.equal(table.isPinned(nameless.slot), false)
  assert.equal(table.used.outbox, 4)
  assert.equal(table.audits.size, 0)
})

test('pin audit: an entry that nobody waits for, or that is stale, names no slot', () => {
  const all = parts()
  const [gone, stale] = [all.pin(), all.pin()]
  all.ledger.remove(1, contentBlock(0).address)
  const audit = new PinAudit(all)
  audit.meet(gone)
  audit.meet({ ...stale, generation: stale.generation + 1 })
  audit.finish()
  assert.equal(all.table.used.outbox, 0)
})

test('pin audit: a slot that is pinned anew while it goes on stays', () => {
  const all = parts()
  const { table, pin } = all
  const [before, shared] = [pin(), pin()]
  const audit = new PinAudit(all)
  table.pin(shared.slot)
  table.unpin(before.slot)
  for (let i = 0; i < 19; i++) pin()
  assert.equal(table.freeCount, 0)
  audit.finish()
  assert.equal(table.used.outbox, 20)
})

test('pin audit: one that was stopped frees nothing, and hears of nothing any more', () => {
  const all = parts()
  all.pin()
  const audit = new PinAudit(all)
  audit.stop()
  assert.equal(all.table.audits.size, 0)
  assert.equal(all.table.used.outbox, 1)
})
