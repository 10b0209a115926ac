/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDenyList } from '../../src/routing/net/deny-list.ts'
import { createSimulatedClock } from '../helpers/clock.ts'

function keyOf(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 0xff)
}

test('a key is refused for its time, and the oldest entry goes beyond the bound', async () => {
  const clock = createSimulatedClock()
  const list = createDenyList(clock, 3)
  for (let number = 0; number < 4; number++) list.add(keyOf(number), 1000)
  assert.deepEqual(
    [0, 1, 2, 3].map((number) => list.has(keyOf(number))),
    [false, true, true, true],
  )
  list.add(keyOf(1), 5000) // said again: it is the youngest now
  list.add(keyOf(9), 1000)
  assert.deepEqual([list.has(keyOf(1)), list.has(keyOf(2))], [true, false])
  await clock.runFor(1000)
  assert.deepEqual([list.has(keyOf(1)), list.has(keyOf(9))], [true, false])
})

test('without a bound of its own it holds 1,024', () => {
  const list = createDenyList(createSimulatedClock())
  for (let number = 0; number < 1025; number++) list.add(keyOf(number), 1000)
  assert.deepEqual([list.has(keyOf(0)), list.has(keyOf(1))], [false, true])
})
