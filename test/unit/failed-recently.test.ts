/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Address } from '../../src/keys/block.ts'
import { FailedRecently, MAX_FAILED_ADDRESSES } from '../../src/routing/failed-recently.ts'

function addressOf(number: number): Address {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes as Address
}

const what = { address: addressOf(1), home: 0, freshness: 0 } as const

test('a failure answers for 10 s, and the next one right after it twice as long, up to a minute', () => {
  const failed = new FailedRecently(10_000)
  let nowMs = 1000
  for (const spanMs of [10_000, 20_000, 40_000, 60_000, 60_000]) {
    assert.ok(!failed.isVain(what, 8, nowMs))
    failed.failed(what, 8, nowMs)
    assert.ok(failed.isVain(what, 8, nowMs + spanMs - 1))
    nowMs += spanMs
  }
  nowMs += 60_000 // long after it ended: from the start
  failed.failed(what, 8, nowMs)
  assert.ok(failed.isVain(what, 8, nowMs + 9999))
  assert.ok(!failed.isVain(what, 8, nowMs + 10_000))
})

test('it holds for that address, home and freshness alone, and for no more credit than was spent', () => {
  const failed = new FailedRecently(10_000)
  failed.failed(what, 4, 0)
  assert.ok(failed.isVain(what, 4, 1))
  assert.ok(failed.isVain(what, 1, 1))
  assert.ok(!failed.isVain(what, 5, 1))
  assert.ok(!failed.isVain({ ...what, home: 1 }, 1, 1))
  assert.ok(!failed.isVain({ ...what, freshness: 1 }, 1, 1))
  assert.ok(!failed.isVain({ ...what, address: addressOf(2) }, 1, 1))
  failed.failed(what, 16, 1)
  assert.ok(failed.isVain(what, 16, 2))
  failed.failed(what, 1, 3)
  assert.ok(failed.isVain(what, 16, 4), 'the most credit that was spent in vain counts')
})

test('freshness 2 is never remembered nor answered', () => {
  const failed = new FailedRecently(10_000)
  failed.failed({ ...what, freshness: 2 }, 8, 0)
  assert.equal(failed.size, 0)
  assert.ok(!failed.isVain({ ...what, freshness: 2 }, 1, 1))
})

test('the block clears every failure of its address', () => {
  const failed = new FailedRecently(10_000)
  failed.failed(what, 8, 0)
  failed.failed({ ...what, home: 2 }, 8, 0)
  failed.clear(what.address)
  assert.ok(!failed.isVain(what, 1, 1))
  assert.ok(!failed.isVain({ ...what, home: 2 }, 1, 1))
  assert.equal(failed.size, 0)
})

test('it never holds more addresses than its bound: what failed longest ago goes', () => {
  const failed = new FailedRecently(10_000)
  for (let number = 0; number < MAX_FAILED_ADDRESSES; number++) {
    failed.failed({ ...what, address: addressOf(number) }, 8, number / 1000)
  }
  failed.failed({ ...what, address: addressOf(0) }, 8, 5000) // again: it is the youngest now
  for (let number = 0; number < 10; number++) {
    failed.failed({ ...what, address: addressOf(100_000 + number) }, 8, 5001)
    assert.ok(failed.size <= MAX_FAILED_ADDRESSES)
  }
  assert.ok(failed.isVain({ ...what, address: addressOf(0) }, 8, 5002))
  assert.ok(!failed.isVain({ ...what, address: addressOf(1) }, 8, 5002))
})

test('what is over goes by itself', () => {
  const failed = new FailedRecently(10_000)
  for (let number = 0; number < 100; number++) {
    failed.failed({ ...what, address: addressOf(number) }, 8, 0)
  }
  failed.failed({ ...what, address: addressOf(1000) }, 8, 200_000)
  assert.equal(failed.size, 1)
})

test('with a span of zero nothing is remembered', () => {
  const failed = new FailedRecently(0)
  failed.failed(what, 8, 0)
  assert.ok(!failed.isVain(what, 1, 0))
})
