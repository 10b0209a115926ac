import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { mapKey } from '../../src/keys/bytes.ts'
import { regionBits, regionsOf } from '../../src/routing/net/region-topics.ts'
import { RING } from '../../src/routing/position.ts'

const NETWORK = new Uint8Array(32).fill(1)

test('a region holds about eight nodes; a small network is one region', () => {
  for (const size of [undefined, 0, 1, 8, 10]) assert.equal(regionBits(size, 0), 0)
  assert.equal(regionBits(16, 0), 1)
  assert.equal(regionBits(1024, 0), 7)
  assert.equal(regionBits(1e30, 0), 32)
  assert.deepEqual(regionsOf(NETWORK, 5, 0), [])
})

test('an estimate that wavers moves nobody to another topic', () => {
  let bits = regionBits(1024, 0)
  for (const size of [800, 1300, 700, 1500, 1024]) {
    assert.equal(regionBits(size, bits), bits)
  }
  bits = regionBits(2048, bits)
  assert.equal(bits, 8)
})

test('a node is in its own region and knows the two beside it, also around zero', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: RING - 1 }),
      fc.integer({ min: 2, max: 32 }),
      (own, bits) => {
        const regions = regionsOf(NETWORK, own, bits)
        assert.equal(new Set(regions.map(({ topic }) => mapKey(topic))).size, 3)
        const [mine, after, before] = regions
        assert.ok(mine !== undefined && after !== undefined && before !== undefined)
        assert.ok(own >= mine.from && own < mine.from + mine.length)
        assert.equal((mine.from + mine.length) % RING, after.from)
        assert.equal((before.from + before.length) % RING, mine.from)
      },
    ),
  )
  assert.equal(regionsOf(NETWORK, 0, 1).length, 2)
})

test('neighbors on both sides of a border meet in each other’s topics', () => {
  const border = RING / 4
  const [left, right] = [border - 1, border].map((position) =>
    regionsOf(NETWORK, position, 5).map(({ topic }) => mapKey(topic)),
  )
  assert.ok(left?.includes(right?.[0] ?? '') && right?.includes(left[0] ?? ''))
})
