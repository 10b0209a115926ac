import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../../src/datastore/memory-store.ts'
import { Driver } from '../../src/routing/net/driver.ts'
import { LinkGate } from '../../src/routing/net/link-gate.ts'
import { createMemoryNetwork } from '../../src/routing/net/memory.ts'
import { networkDefinition } from '../../src/routing/network.ts'
import type { NetworkDefinition } from '../../src/routing/network.ts'
import { solveProof } from '../../src/routing/position-proof.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { createSeededRng, seedFromEnvironment } from '../helpers/rng.ts'
import type { Address } from '../../src/keys/block.ts'
import { contentBlock } from '../helpers/signed-block.ts'

const seed = seedFromEnvironment()
const at = `seed ${seed}`

function makeGate() {
  let overflows = 0
  const seen: string[] = []
  const gate = new LinkGate(() => overflows++)
  const handlers = {
    onframe: ([first]: Uint8Array) => void seen.push(`frame ${first}`),
    onprogress: () => void seen.push('progress'),
    ondrain: () => void seen.push('drain'),
    onclose: () => void seen.push('close'),
  }
  return { gate, handlers, seen, overflows: () => overflows }
}

test('what came before the gate opened is handed over in order, and what comes later at once', () => {
  const { gate, handlers, seen } = makeGate()
  const buffer = Uint8Array.of(1)
  gate.onframe(buffer)
  buffer[0] = 9 // the transport may use it again
  gate.ondrain()
  gate.onframe(Uint8Array.of(2))
  gate.onprogress(true) // whoever gets the link later has asked nothing yet
  assert.deepEqual(seen, [])
  gate.open(handlers)
  gate.onprogress(true)
  gate.onframe(Uint8Array.of(3))
  gate.ondrain()
  gate.onclose()
  assert.deepEqual(seen, ['drain', 'frame 1', 'frame 2', 'progress', 'frame 3', 'drain', 'close'])
})

test('a gate holds 512 frames and 256 KiB, and says when more comes', () => {
  const many = makeGate()
  for (let count = 0; count < 512; count++) many.gate.onframe(new Uint8Array(256))
  assert.equal(many.overflows(), 0)
  many.gate.onframe(new Uint8Array(256))
  assert.equal(many.overflows(), 1)
  const large = makeGate()
  for (let count = 0; count < 4; count++) large.gate.onframe(new Uint8Array(65_536))
  assert.equal(large.overflows(), 0)
  large.gate.onframe(new Uint8Array(1))
  assert.equal(large.overflows(), 1)
})

test('who waits for the first frame is called once, with that or with nothing', () => {
  const said: (number | undefined)[] = []
  const note = (first: Uint8Array | undefined): void => void said.push(first?.[0])
  const late = makeGate()
  late.gate.whenHeard(note)
  late.gate.onframe(Uint8Array.of(1))
  late.gate.onframe(Uint8Array.of(2))
  late.gate.onclose()
  const early = makeGate()
  early.gate.onframe(Uint8Array.of(3))
  early.gate.whenHeard(note)
  const closed = makeGate()
  closed.gate.whenHeard(note)
  closed.gate.onclose()
  closed.gate.whenHeard(note)
  assert.deepEqual(said, [1, 3, undefined, undefined])
})

test('a link that ends while it is checked is never opened', () => {
  const { gate, seen } = makeGate()
  gate.onframe(Uint8Array.of(1))
  gate.onclose()
  assert.ok(gate.isClosed)
  assert.deepEqual(seen, [])
})

test('nodes of a network with puzzles link once their proofs are checked, and work as any others', async () => {
  const definition: NetworkDefinition = {
    ...networkDefinition('test'),
    proof: { kind: 1, difficultyBits: 2, passes: 1, memoryKib: 8 },
  }
  const clock = createSimulatedClock()
  const rng = createSeededRng(seed)
  const network = createMemoryNetwork({ clock, rng, latencyMs: 5 })
  const drivers: Driver[] = []
  for (let count = 0; count < 5; count++) {
    const publicKey = Uint8Array.from({ length: 32 }, () => rng.below(256))
    const proof = await solveProof(definition, publicKey)
    const { blocks: store } = createMemoryStore({ quotaBytes: 2 ** 23, rng })
    const transport = network.transport(publicKey)
    const parts = { definition, publicKey, proof, transport, store, clock, rng }
    const driver = new Driver({ ...parts, logger: silentLogger })
    await driver.open()
    drivers.push(driver)
  }
  while (drivers.some((driver) => driver.peers < 4)) {
    await clock.runFor(100)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const positions = new Set(drivers.map(({ position }) => position))
  assert.equal(positions.size, 5)
  const { address, block } = contentBlock(1)
  const [first, , , , last] = drivers as [Driver, Driver, Driver, Driver, Driver]
  const copies = await clock.runUntilSettled(first.insert(address, block, { home: 0 }))
  assert.ok(copies >= 1, at)
  const found = await clock.runUntilSettled(last.fetch(address, { homes: [0] }))
  assert.equal(found.type, 'found', at)
  for (const driver of drivers) await clock.runUntilSettled(driver.close())
})

test('a node whose proof is known asks for all that it may while it checks the other one, and both are linked', async () => {
  const definition: NetworkDefinition = {
    ...networkDefinition('test'),
    proof: { kind: 1, difficultyBits: 2, passes: 1, memoryKib: 8 },
  }
  const clock = createSimulatedClock()
  const rng = createSeededRng(seed)
  const network = createMemoryNetwork({ clock, rng, latencyMs: 5 })
  const keys = [0, 1].map(() => Uint8Array.from({ length: 32 }, () => rng.below(256)))
  const proofs = await Promise.all(keys.map((publicKey) => solveProof(definition, publicKey)))
  const openDriver = async (index: number): Promise<Driver> => {
    const publicKey = keys[index] as Uint8Array
    const { blocks: store } = createMemoryStore({ quotaBytes: 2 ** 23, rng })
    const transport = network.transport(publicKey)
    const parts = { definition, publicKey, proof: proofs[index] as Uint8Array, transport, store }
    const driver = new Driver({ ...parts, clock, rng, logger: silentLogger })
    await driver.open()
    return driver
  }
  const untilLinked = async (of: Driver): Promise<void> => {
    for (let waited = 0; of.peers === 0 && waited < 100; waited++) {
      await clock.runFor(100)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.equal(of.peers, 1, at)
  }
  const reader = await openDriver(0)
  const first = await openDriver(1)
  await untilLinked(reader)
  await clock.runUntilSettled(first.close())
  const asked: Promise<unknown>[] = []
  reader.onPeer(() => {
    for (let count = 0; count < 255; count++) {
      const address = Uint8Array.from({ length: 32 }, () => rng.below(256)) as Address
      asked.push(reader.fetch(address, { homes: [0] }))
    }
  })
  const again = await openDriver(1)
  await untilLinked(again)
  await untilLinked(reader)
  assert.equal(again.counters.refused.proof + reader.counters.refused.proof, 0)
  await clock.runUntilSettled(Promise.all(asked))
  for (const driver of [reader, again]) await clock.runUntilSettled(driver.close())
})
