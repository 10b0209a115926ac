/** @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seedFromEnvironment } from '../helpers/rng.ts'
import { DECOY_KINDS, Liars } from '../helpers/topology-liars.ts'
import type { DecoyKind } from '../helpers/topology-liars.ts'
import { TopologyNetwork } from '../helpers/topology-network.ts'
import type { Member } from '../helpers/topology-network.ts'

const NODES = 100
const JOINS = 5
/** Among so many nodes a newcomer has its neighbors after 1 to 2.5 s where nobody lies. */
const SOON_MS = 12_000
const PATIENCE_MS = 60_000

function grown(seed: number): TopologyNetwork {
  const network = new TopologyNetwork(seed)
  for (let joined = 0; joined < NODES; joined++) {
    network.join()
    network.run(joined < 20 ? 1000 : 200)
  }
  network.run(30_000)
  return network
}

/** How long newcomers take until all true neighbors are linked, ms, ascending. */
function joinTimes(network: TopologyNetwork, prepare: (newcomer: Member) => void): number[] {
  const times = Array.from({ length: JOINS }, () => {
    const sinceMs = network.nowMs
    const newcomer = network.join()
    prepare(newcomer)
    while (network.ringShare(newcomer) < 1 && network.nowMs - sinceMs < PATIENCE_MS) {
      network.run(100)
    }
    return network.nowMs - sinceMs
  })
  return times.toSorted((a, b) => a - b)
}

function checkSoon(times: readonly number[], seed: number): void {
  const message = `${times.join()} ms, SEED=${seed}`
  assert.ok((times[JOINS >> 1] as number) <= SOON_MS / 2, message)
  assert.ok((times.at(-2) as number) <= 2 * SOON_MS, message)
  // of some 1,600 newcomers with 40 seeds two were held up for 32 and 44 s
  assert.ok((times.at(-1) as number) < PATIENCE_MS, message)
}

const TOLD_OF: Record<DecoyKind, string> = {
  dead: 'keys that nobody has',
  tarpit: 'peers that take a connection and say nothing',
  closing: 'peers that end a connection at once',
  full: 'peers that have no room and tell of more such',
}

for (const kind of DECOY_KINDS) {
  test(`six liars around a newcomer, telling of ${TOLD_OF[kind]}, hardly hold up its neighbors`, () => {
    const seed = seedFromEnvironment()
    const network = grown(seed)
    const liars = new Liars(network, kind)
    for (const { key } of network.some(6, '')) liars.keys.add(key)
    checkSoon(
      joinTimes(network, (newcomer) => liars.surround(newcomer)),
      seed,
    )
    assert.ok(liars.told > 100, 'they lied')
  })

  test(`with a fifth of all nodes telling of ${TOLD_OF[kind]} newcomers find their neighbors`, () => {
    const seed = seedFromEnvironment()
    const network = grown(seed)
    const liars = new Liars(network, kind)
    for (const { key } of network.some(NODES / 5, '')) liars.keys.add(key)
    checkSoon(
      joinTimes(network, () => {}),
      seed,
    )
    assert.ok(liars.told > 20, 'they lied')
  })
}
