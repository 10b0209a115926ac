/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadQueue } from '../../src/datastore/read-queue.ts'

test('reads that come while two trips are under way go together, each with its own answer', async () => {
  const trips: number[] = []
  const answers: (() => void)[] = []
  const queue = new ReadQueue(async (keys) => {
    trips.push(keys.length)
    await new Promise<void>((resolve) => answers.push(resolve))
    return keys.map((key) => (key[0] === 9 ? undefined : key))
  })
  const reads = Array.from({ length: 12 }, (_, i) =>
    queue.get([Uint8Array.of(i), Uint8Array.of(9)]),
  )
  while (answers.length > 0) {
    answers.shift()?.()
    await new Promise(setImmediate)
  }
  assert.deepEqual(trips, [2, 2, 20])
  for (const [i, read] of reads.entries()) {
    assert.deepEqual(await read, [i === 9 ? undefined : Uint8Array.of(i), undefined])
  }
})

test('a trip that fails does so for all who are on it, and the next one goes', async () => {
  let isBroken = true
  const queue = new ReadQueue(async (keys) => {
    await new Promise(setImmediate)
    if (isBroken) throw new Error('closed')
    return keys
  })
  const reads = Array.from({ length: 9 }, (_, i) => queue.get([Uint8Array.of(i)]))
  for (const { status } of await Promise.allSettled(reads)) assert.equal(status, 'rejected')
  isBroken = false
  assert.deepEqual(await queue.get([Uint8Array.of(2)]), [Uint8Array.of(2)])
})
