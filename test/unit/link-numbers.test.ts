/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LinkNumbers, MAX_LINK_NUMBERS } from '../../src/routing/net/link-numbers.ts'

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, number)
  return key
}

test('a peer that comes back has its number again, and another peer another', () => {
  const numbers = new LinkNumbers()
  const first = numbers.opened(keyOf(1))
  assert.ok(first >= 1)
  const second = numbers.opened(keyOf(2))
  assert.notEqual(first, second)
  numbers.closed(keyOf(1))
  assert.equal(numbers.opened(keyOf(1)), first)
  assert.equal(numbers.opened(keyOf(1)), first, 'two connections at once')
})

test('of too many, those without a connection are forgotten, the oldest first', () => {
  const numbers = new LinkNumbers()
  const [stays, leaves, recent] = [0, 1, 2].map((key) => numbers.opened(keyOf(key)))
  numbers.opened(keyOf(0)) // a second connection
  for (const key of [0, 1, 2]) numbers.closed(keyOf(key))
  for (let key = 10; key < 10 + MAX_LINK_NUMBERS - 2; key++) {
    numbers.opened(keyOf(key))
    numbers.closed(keyOf(key))
  }
  assert.equal(numbers.opened(keyOf(0)), stays)
  assert.equal(numbers.opened(keyOf(2)), recent)
  assert.ok((numbers.opened(keyOf(1)) ?? 0) > Math.max(stays ?? 0, leaves ?? 0, recent ?? 0))
})
