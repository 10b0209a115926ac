import assert from 'node:assert/strict'
import { test } from 'node:test'

import { WaitingEntries } from '../../src/datastore/waiting-entries.ts'
import type { WaitingEntry } from '../../src/datastore/waiting-entries.ts'

function entry(ordinal: number): WaitingEntry {
  return {
    key: new Uint8Array(32).fill(ordinal),
    name: new Uint8Array(32).fill(ordinal + 1),
    slot: 2 ** 32 - 1 - ordinal,
    checksum: 2 ** 32 - 1,
    insertId: 2 ** 53 - 1,
    ordinal,
    generation: ordinal % 256,
    homes: 1 + (ordinal % 7),
  }
}

test('waiting entries: come back whole and in the order of their ordinals, however many there are', () => {
  const entries = new WaitingEntries()
  assert.deepEqual([...entries.inOrder()], [])
  const ordinals = Array.from({ length: 2500 }, (_, i) => (i * 1009) % 2503)
  for (const ordinal of ordinals) entries.add(entry(ordinal).key, entry(ordinal))
  const expected = ordinals.toSorted((a, b) => a - b).map(entry)
  assert.deepEqual([...entries.inOrder()], expected)
})
