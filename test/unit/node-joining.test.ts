/** A node on a network that asks for a position proof, before it has one and after. @module */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'

import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { ShoalError } from '../../src/errors.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { parseUri } from '../../src/keys/uri.ts'
import { NodeNetwork } from '../../src/node-network.ts'
import { createNode } from '../../src/node.ts'
import type { InsertResult, Node } from '../../src/node.ts'
import { resolveOptions } from '../../src/options.ts'
import { createMemoryNetwork } from '../../src/routing/net/memory.ts'
import type { Transport } from '../../src/routing/net/transport.ts'
import { networkDefinition, PUBLIC_PUZZLE } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { readAll } from '../helpers/cluster.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'

/** As the public network, but for what it costs: milliseconds, or the end of the world. */
const easy: NetworkDefinition = {
  ...networkDefinition('shoal'),
  proof: { ...PUBLIC_PUZZLE, difficultyBits: 4, memoryKib: 8 },
}
const hard: NetworkDefinition = { ...easy, proof: { ...PUBLIC_PUZZLE, difficultyBits: 60 } }

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-joining-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** Nodes of one network in memory, on one clock. */
function createWorld(t: TestContext, definition: NetworkDefinition) {
  const seed = seedFromEnvironment()
  const clock = createSimulatedClock()
  const rng = createSeededRng(seed)
  const network = createMemoryNetwork({ clock, rng, latencyMs: 10 })
  const open = async (number: number, given: { dataDir?: string; transport?: Transport } = {}) => {
    const identitySeed = new Uint8Array(32).fill(number)
    const transport = given.transport ?? network.transport(keyPairFromSeed(identitySeed).publicKey)
    const store = createMemoryStore({ quotaBytes: 2 ** 26, rng })
    const node = await createNode({
      ...(given.dataDir !== undefined && { dataDir: given.dataDir }),
      parts: { clock, rng, store, identitySeed, transport, definition },
    })
    t.after(() => node.close()) // or a solver would go on
    return node
  }
  return { clock, open, at: `seed ${seed}` }
}

const FISH = new TextEncoder().encode('one fish')

function insertFish(node: Node): Promise<InsertResult> {
  return node.insert(
    (async function* () {
      yield await Promise.resolve(FISH)
    })(),
  )
}

async function read(node: Node, uri: string): Promise<Uint8Array> {
  const outcome = await node.fetch(parseUri(uri))
  if (outcome.type !== 'found') throw new Error(outcome.type)
  return readAll(outcome.stream)
}

test('a node whose proof is being solved is open, and a lone one', async (t) => {
  const { clock, open } = createWorld(t, hard)
  const dataDir = join(folder, 'solving')
  const node = await open(1, { dataDir })
  const { connection, position, peers } = node.status()
  assert.deepEqual([connection.state, position, peers], ['solving', undefined, 0])
  const { uri } = await clock.runUntilSettled(insertFish(node))
  assert.deepEqual(await clock.runUntilSettled(read(node, uri)), FISH)
  assert.equal(node.status().outbox.pendingBlocks, 1)
  const other = await open(2)
  const elsewhere = parseUri((await clock.runUntilSettled(insertFish(other))).uri)
  assert.equal((await clock.runUntilSettled(node.fetch(elsewhere))).type, 'no-peers')
  while ((node.status().connection.work?.tries ?? 0) < 3) await new Promise(setImmediate)
  await clock.runFor(5_000)
  assert.match(node.status().connection.words, /0 % of the expected work after/)
  await node.close()
  await assert.rejects(node.joined, { code: 'E_CLOSED' })
  assert.equal((await readdir(dataDir)).includes('node.proof'), false)
})

test('when the proof is solved the node joins, keeps it, and spreads what waited', async (t) => {
  const { clock, open, at } = createWorld(t, easy)
  const dataDir = join(folder, 'solved')
  const node = await open(1, { dataDir })
  assert.equal(node.status().connection.state, 'solving')
  const { uri, insertId } = await clock.runUntilSettled(insertFish(node))
  await clock.runUntilSettled(node.joined)
  assert.equal(node.status().connection.state, 'seeking', at)
  const position = node.status().position
  assert.ok(position !== undefined)
  const other = await open(2)
  await clock.runUntilSettled(other.joined)
  await clock.runFor(10_000)
  assert.deepEqual([node.status().peers, node.status().connection.state], [1, 'connected'], at)
  const spread = node.insertStatus(insertId)
  assert.equal(spread?.spreadBlocks, spread?.blocks, at)
  assert.deepEqual(await clock.runUntilSettled(read(other, uri)), FISH, at)
  assert.equal((await stat(join(dataDir, 'node.proof'))).size, 15)
  await clock.runUntilSettled(node.close())
  await clock.runFor(1000)
  const { state, withoutPeersMs } = other.status().connection
  assert.deepEqual([state, withoutPeersMs > 0], ['seeking', true], at)

  const again = await open(1, { dataDir })
  assert.equal(again.status().connection.state, 'seeking', 'the kept proof will do')
  assert.equal(again.status().position, position)
  await clock.runUntilSettled(Promise.all([again.close(), other.close()]))
})

/** A transport that reaches nobody; `open` as given. */
function transportThat(open: Transport['open']): Transport {
  const close = (): Promise<void> => Promise.resolve()
  return { open, dial: () => {}, drop: () => {}, seek: () => {}, close }
}

test('a node that cannot join once its proof is solved says why, and goes on alone', async (t) => {
  const { clock, open } = createWorld(t, easy)
  const transport = transportThat(() =>
    Promise.reject(new ShoalError('E_LISTEN', 'A UDP port is in use.')),
  )
  const node = await open(1, { transport })
  await assert.rejects(clock.runUntilSettled(node.joined), { code: 'E_LISTEN' })
  const { state, work, words } = node.status().connection
  assert.deepEqual([state, work], ['failed', undefined])
  assert.equal(words, 'This node cannot join the network: A UDP port is in use.')
  const { uri } = await clock.runUntilSettled(insertFish(node))
  assert.deepEqual(await clock.runUntilSettled(read(node, uri)), FISH)
  await clock.runUntilSettled(node.close())
})

test('a network that is closed in the moment in which it would join leaves nothing open', async () => {
  for (let turns = 0; turns < 12; turns++) {
    let isOpen = false
    const transport: Transport = {
      ...transportThat(() => {
        isOpen = true
        return Promise.resolve()
      }),
      close: () => {
        isOpen = false
        return Promise.resolve()
      },
    }
    const closeLater = async (): Promise<void> => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await network.close()
    }
    let closing: Promise<void> | undefined
    const rng = createSeededRng(1)
    const network = new NodeNetwork(resolveOptions({ parts: { transport, definition: easy } }), {
      keyPair: keyPairFromSeed(new Uint8Array(32)),
      store: createMemoryStore({ quotaBytes: 2 ** 26, rng }).blocks,
      clock: createSimulatedClock(),
      rng,
      logger: {
        ...silentLogger,
        info: (message) => {
          if (message.includes('is solved')) closing = closeLater()
        },
      },
    })
    await network.open()
    const failure = await network.joined.catch((error: unknown) => error)
    if (failure !== undefined) assert.equal((failure as ShoalError).code, 'E_CLOSED')
    assert.notEqual(closing, undefined)
    await closing
    assert.equal(isOpen, false, `closed ${turns} turns after the proof was there`)
  }
})
