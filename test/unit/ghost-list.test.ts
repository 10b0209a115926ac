import assert from 'node:assert/strict'
import { test } from 'node:test'

import { GhostList } from '../../src/datastore/ghost-list.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

const BITS = 2 ** 32

test('ghost list: a name is remembered with its link until it is taken', () => {
  const ghosts = new GhostList(100)
  for (const [name, code] of [
    [0, 0],
    [BITS - 1, 63],
    [12_345, 1],
  ] as const) {
    assert.equal(ghosts.take(name), undefined)
    ghosts.remember(name, code)
    assert.equal(ghosts.take(name), code)
    assert.equal(ghosts.take(name), undefined, 'only once')
  }
})

test('ghost list: of one set the eight newest names stay', () => {
  const ghosts = new GhostList(8)
  for (let name = 0; name < 20; name++) ghosts.remember(name, name)
  for (let name = 0; name < 20; name++) {
    assert.equal(ghosts.take(name), name < 12 ? undefined : name, `name ${name}`)
  }
})

test('ghost list: taking one from the middle keeps the order of the others', () => {
  const ghosts = new GhostList(8)
  for (let name = 0; name < 8; name++) ghosts.remember(name, name)
  assert.equal(ghosts.take(4), 4)
  ghosts.remember(100, 9)
  assert.equal(ghosts.take(0), 0, 'the free place was used')
  ghosts.remember(101, 9)
  ghosts.remember(102, 9)
  assert.equal(ghosts.take(1), undefined, 'the oldest left')
  assert.equal(ghosts.take(2), 2)
})

test('ghost list: takes two bytes a name, whatever it was made for', () => {
  for (const [names, bytes] of [
    [-1, 16],
    [0, 16],
    [8, 16],
    [9, 32],
    [900_000, 1_800_000],
  ] as const) {
    assert.equal(new GhostList(names).bytes, bytes)
  }
})

test('ghost list: most of what was remembered lately is found, and few strangers are', () => {
  const seed = seedFromEnvironment()
  const rng = createSeededRng(seed)
  const ghosts = new GhostList(10_000)
  const names = Array.from({ length: 10_000 }, () => rng.below(BITS))
  for (const name of names) ghosts.remember(name, 5)
  const strangers = Array.from({ length: 10_000 }, () => rng.below(BITS))
  const isFound = (name: number): boolean => ghosts.take(name) !== undefined
  const falsely = strangers.filter(isFound).length
  assert.ok(falsely < 160, `${falsely} of 10,000 strangers, SEED=${seed}`)
  const found = names.slice(5000).filter(isFound).length
  assert.ok(found > 4700, `${found} of the newer 5,000, SEED=${seed}`)
})

test('ghost list: cleared, it knows nothing', () => {
  const ghosts = new GhostList(100)
  for (let name = 0; name < 100; name++) ghosts.remember(name * 40_000_000, 1)
  ghosts.clear()
  for (let name = 0; name < 100; name++) {
    assert.equal(ghosts.take(name * 40_000_000), undefined)
  }
})
