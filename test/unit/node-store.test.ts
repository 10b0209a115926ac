/** What a node says and does about its store. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { ShoalError } from '../../src/errors.ts'
import { createNode } from '../../src/node.ts'
import type { Node } from '../../src/node.ts'
import { resolveOptions } from '../../src/options.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng } from '../helpers/rng.ts'

/** A node over a store in memory whose key can be destroyed: from then on its methods reject. */
async function openNode() {
  const clock = createSimulatedClock()
  const rng = createSeededRng(1)
  const pair = createMemoryStore({ quotaBytes: 2 ** 26, rng })
  let destroy = (): void => {}
  const destroyed = new Promise<void>((resolve) => {
    destroy = () => {
      void pair.blocks.close()
      resolve()
    }
  })
  const care = {
    stats: () => pair.care.stats(),
    check: () => pair.care.check(),
    resize: (bytes: number) => pair.care.resize(bytes),
    destroyed,
  }
  const store: StorePair = { blocks: pair.blocks, outbox: pair.outbox, care }
  const identitySeed = new Uint8Array(32).fill(1)
  const node = await createNode({ parts: { clock, rng, store, identitySeed } })
  return { clock, node, destroy }
}

async function insert(node: Node): Promise<void> {
  await node.insert(
    (async function* () {
      yield new Uint8Array(100_000)
      await Promise.resolve()
    })(),
  )
}

test('the status of a node has the condition of its store, and what it counts can be asked for', async () => {
  const { node } = await openNode()
  const { store } = node.status()
  assert.deepEqual([store.condition, store.filledShare], ['ok', 1])
  assert.equal(node.store.stats().quotaBytes, 2 ** 26)
  assert.equal((await node.store.check()).freed, 0)
  await assert.rejects(node.store.resize(2 ** 27), { code: 'E_OPTION' })
  await node.close()
})

test('a node whose store key is destroyed closes itself, with inserts that still wait', async () => {
  const { clock, node, destroy } = await openNode()
  await clock.runUntilSettled(insert(node))
  let isDestroyed = false
  void node.destroyed.then(() => (isDestroyed = true))
  await clock.runFor(1000)
  assert.equal(isDestroyed, false)
  destroy()
  await clock.runUntilSettled(node.destroyed)
  await assert.rejects(insert(node), { code: 'E_CLOSED' })
  await node.close()
})

test('without a size the directory decides; a size is checked before anything is opened', () => {
  assert.equal(resolveOptions({}).storeBytes, undefined)
  assert.equal(resolveOptions({ storeBytes: 2 ** 26 }).storeBytes, 2 ** 26)
  for (const storeBytes of [2 ** 26 - 1, 2 ** 46 + 1, 1.5 * 2 ** 26 + 0.5, Number.NaN]) {
    assert.throws(
      () => resolveOptions({ storeBytes }),
      (error) => error instanceof ShoalError && error.code === 'E_OPTION',
    )
  }
})
