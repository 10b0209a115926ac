/** Lines that need a third of a second for a block, each shared by all that its node sends. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homesOf, insertTrials } from '../../bench/sim/measure.ts'
import { SimNetwork } from '../../bench/sim/network.ts'
import type { SimNode } from '../../bench/sim/sim-node.ts'
import { buildStaticRing, tellAllNeighbors } from '../../bench/sim/static-ring.ts'
import { messagesOf } from '../../bench/sim/trial.ts'
import type { Trial } from '../../bench/sim/trial.ts'
import type { Tuning } from '../../src/routing/tuning.ts'
import { seedFromEnvironment } from '../helpers/rng.ts'

const seed = seedFromEnvironment()
const READERS = 8
const WINDOW = 8
const BLOCK_MS = 300
const AGAIN_MS = 20

/** Keeps `WINDOW` fetches open until all are over. */
function read(network: SimNetwork, reader: SimNode, trials: readonly Trial[]): void {
  const begun = trials.filter(({ requester }) => requester >= 0)
  const open = begun.filter(({ result }) => result === undefined).length
  const next = trials.slice(begun.length, begun.length + WINDOW - open)
  for (const trial of next) network.fetch(reader, trial)
  if (open + next.length > 0) network.after(AGAIN_MS, () => read(network, reader, trials))
}

function readAll(tuning: Partial<Tuning>): readonly Trial[] {
  const latency = { minMs: 10, maxMs: 140 }
  const network = new SimNetwork({ seed, latency, tuning, blockMs: BLOCK_MS })
  buildStaticRing(network, { nodes: 200, degree: 24 })
  tellAllNeighbors(network)
  const trials = insertTrials(network, READERS * 25, homesOf(2))
  const asked = network.nodes.slice(0, READERS).flatMap((reader, index) => {
    const own = trials.filter(
      ({ id, holders }) => id % READERS === index && !holders.has(reader.index),
    )
    read(network, reader, own)
    return own
  })
  network.run()
  return asked
}

const allMessages = (trials: readonly Trial[]): number =>
  trials.reduce((sum, trial) => sum + messagesOf(trial), 0)

test('over slow lines what is arriving is not asked for again, and all is found', () => {
  const held = readAll({})
  const unheld = readAll({ lateHoldMs: 0, silenceHoldMs: 0 })
  assert.ok(
    held.every(({ result }) => result === 'found'),
    `seed ${seed}`,
  )
  const [messages, before] = [allMessages(held), allMessages(unheld)]
  assert.ok(messages < 0.75 * before, `seed ${seed}: ${messages} messages, and ${before} before`)
})
