import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median } from '../../bench/processes.ts'

test('the median of an even count is the mean of the two in the middle', () => {
  assert.equal(median([0.9, 0.1, 0.7, 0.2]), (0.2 + 0.7) / 2)
  assert.equal(median([3, 1]), 2)
})

test('the median of an odd count is the one in the middle, and of none there is none', () => {
  assert.equal(median([9, 1, 4]), 4)
  assert.equal(median([7]), 7)
  assert.ok(Number.isNaN(median([])))
})
