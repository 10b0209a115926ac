import assert from 'node:assert/strict'
import { test } from 'node:test'

import { planOf, reserveOf, sharesOf } from '../../src/datastore/quota.ts'
import { BLOCK_BYTES } from '../../src/keys/block.ts'
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../../src/options.ts'

const MIB = 2 ** 20
const SIZES = [MIN_STORE_BYTES, 256 * MIB, 2 ** 31 - 1, 2 ** 31, 100 * 2 ** 30, MAX_STORE_BYTES]

test('quota: slots and reserve never exceed what was lent, at any size', () => {
  for (const storeBytes of SIZES) {
    const plan = planOf(storeBytes)
    const rest = storeBytes - plan.slots * BLOCK_BYTES - plan.indexBytes
    const stateBytes = 64 * 1024 + 16 * plan.slots
    assert.ok(rest - stateBytes >= 3 * MIB, `${rest} bytes for keys and other files`)
    assert.ok(plan.slots >= 1000 && plan.slots < 2 ** 32)
    assert.ok(plan.indexBytes >= plan.slots * 2.5 * 180 * 2.8, 'the index at its largest')
    assert.ok(plan.slots * BLOCK_BYTES >= 0.6 * storeBytes)
  }
})

test('quota: where the fixed reserve leaves no room for a block there is no slot', () => {
  for (const storeBytes of [0, 2 ** 20, 24 * MIB]) assert.equal(planOf(storeBytes).slots, 0)
  assert.equal(planOf(24 * MIB + 64 * 1024 + BLOCK_BYTES + 1260 + 16).slots, 1)
})

test('quota: what is left free on the disk for a slab is what its plan sets aside', () => {
  for (const storeBytes of SIZES) {
    const { slots } = planOf(storeBytes)
    const whole = slots * BLOCK_BYTES + reserveOf(slots)
    // at 2 GiB, where the reserve grows by 28 MiB, slots alone do not tell the quota
    const least = storeBytes === 2 ** 31 ? storeBytes - 29 * MIB : storeBytes - 35_000
    assert.ok(whole >= least && whole <= storeBytes, `${whole} of ${storeBytes}`)
  }
})

test('quota: 70 % store, 30 % cache, the outbox at most half of it', () => {
  assert.deepEqual(sharesOf(100), {
    slots: 100,
    storeSlots: 70,
    cacheSlots: 30,
    outboxBlocks: 15,
    maxEntries: 200,
  })
  assert.equal(sharesOf(2 ** 28).outboxBlocks, 262_144)
  assert.equal(sharesOf(1).storeSlots, 1)
  assert.equal(sharesOf(0).storeSlots, 0)
})
