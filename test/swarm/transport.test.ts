import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import DHT from 'hyperdht'

import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import { createHyperswarmTransport } from '../../src/routing/net/hyperswarm.ts'
import { silentLogger } from '../../src/runtime.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { record, transportSuite } from '../suites/transport-suite.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import type { HyperswarmTransportOptions } from '../../src/routing/net/hyperswarm.ts'
import type { Transport } from '../../src/routing/net/transport.ts'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'

const HOST = '127.0.0.1'
const HELLO = Uint8Array.of(1)
/** Generous: it only ends a test that hangs. */
const DEADLINE_MS = 30_000
/** Longer than every first retry of both sides. */
const QUIET_MS = 1_600

let bootstrap: Bootstrap

before(async () => {
  bootstrap = await startBootstrap({ host: HOST, port: 0 })
})
after(() => bootstrap.close())

type Made = Transport & { readonly keyPair: NoiseKeyPair }

function makeTransport(options: Partial<HyperswarmTransportOptions> = {}): Made {
  const keyPair = options.keyPair ?? keyPairFromSeed(randomBytes(32))
  const transport = createHyperswarmTransport({
    keyPair,
    topic: randomBytes(32),
    bootstrap: [bootstrap],
    listenHost: HOST,
    logger: silentLogger,
    ...options,
  })
  return { keyPair, open: (open) => transport.open(open), close: () => transport.close() }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function settle<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('took too long')), DEADLINE_MS)
  })
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer))
}

transportSuite('hyperswarm', async () => {
  const topic = randomBytes(32)
  const [a, b] = [makeTransport({ topic }), makeTransport({ topic })]
  return {
    a,
    b,
    aPublicKey: Uint8Array.from(a.keyPair.publicKey),
    bPublicKey: Uint8Array.from(b.keyPair.publicKey),
    settle,
    pass: () => sleep(QUIET_MS),
    release: async () => {},
  }
})

describe('hyperswarm transport', () => {
  it('links five nodes that start at the same time, each pair once', async () => {
    const topic = randomBytes(32)
    const transports = Array.from({ length: 5 }, () => makeTransport({ topic }))
    const all = await Promise.all(transports.map((transport) => record(transport, HELLO)))
    const isMeshed = (): boolean => all.every(({ links, closes }) => links.length - closes === 4)
    while (!isMeshed()) await sleep(20)
    await sleep(500)
    assert.ok(isMeshed())
    await Promise.all(transports.map((transport) => transport.close()))
  })

  it('goes on when a handler throws: the link ends, the process does not', async () => {
    const topic = randomBytes(32)
    const warnings: string[] = []
    const logger = { info: () => {}, warn: (message: string) => void warnings.push(message) }
    const [a, b] = [makeTransport({ topic, logger }), makeTransport({ topic })]
    const onframe = (): void => {
      throw new TypeError('a bug')
    }
    const seenA = await record(a, HELLO, { onframe })
    const seenB = await record(b, HELLO)
    await settle(seenB.until(() => seenB.links.length > seenB.closes))
    seenB.links.at(-1)?.send(Uint8Array.of(1))
    await settle(seenA.until(() => seenA.closes === seenA.links.length && seenA.frames.length > 0))
    assert.deepEqual(warnings, ['a link was closed: its handler threw (TypeError)'])
    await Promise.all([a.close(), b.close()])
  })

  it('opens and closes without a DHT, and says once that there is none', async () => {
    const warnings: string[] = []
    const logger = { info: () => {}, warn: (message: string) => void warnings.push(message) }
    const clock = createSimulatedClock()
    const gone = await startBootstrap({ host: HOST, port: 0 })
    await gone.close()
    const transport = makeTransport({ bootstrap: [gone], logger, clock })
    await settle(record(transport, HELLO))
    await clock.runFor(3_000)
    assert.equal(warnings.length, 1)
    assert.doesNotMatch(warnings.join(), /\d/, 'no address')
    await settle(transport.close())
  })

  it('finds the others when the DHT comes up later', async () => {
    const topic = randomBytes(32)
    const gone = await startBootstrap({ host: HOST, port: 0 })
    await gone.close()
    const pair = [1, 2].map(() => makeTransport({ topic, bootstrap: [gone] }))
    const seen = await Promise.all(pair.map((transport) => record(transport, HELLO)))
    await sleep(500)
    const back = await startBootstrap({ host: HOST, port: gone.port })
    await settle(Promise.all(seen.map((one) => one.until(() => one.links.length > 0))))
    await Promise.all(pair.map((transport) => transport.close()))
    await back.close()
  })

  it('notices a killed node by its silence, and finds it when it is back', async () => {
    const topic = randomBytes(32)
    const transport = makeTransport({ topic })
    const seen = await record(transport, HELLO)
    const secret = randomBytes(32)
    const first = spawnNode(topic, secret)
    await settle(seen.until(() => seen.links.length > seen.closes))
    first.kill('SIGKILL')
    await settle(seen.until(() => seen.links.length === seen.closes))
    const second = spawnNode(topic, secret)
    await settle(seen.until(() => seen.links.length > seen.closes))
    second.stdin.end()
    const [code] = (await settle(once(second, 'exit'))) as [number | null]
    assert.equal(code, 0, 'nothing keeps a process alive after close()')
    await settle(seen.until(() => seen.links.length === seen.closes))
    await transport.close()
  })
})

/** A node in a process of its own, until its standard input ends. */
function spawnNode(topic: Uint8Array, seed: Uint8Array) {
  const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)
  const hex = (bytes: Uint8Array): string =>
    `Buffer.from('${Buffer.from(bytes).toString('hex')}', 'hex')`
  const program = `
    import { createHyperswarmTransport } from ${module('../../src/routing/net/hyperswarm.js')}
    import { keyPairFromSeed } from ${module('../../src/keys/primitives.js')}
    const transport = createHyperswarmTransport({
      keyPair: keyPairFromSeed(${hex(seed)}), topic: ${hex(topic)},
      bootstrap: [{ host: '${HOST}', port: ${bootstrap.port} }], listenHost: '${HOST}',
      logger: { info() {}, warn() {} },
    })
    const handlers = { onframe() {}, ondrain() {}, onclose() {} }
    await transport.open({ handshake: new Uint8Array(1), onlink: () => handlers })
    process.stdin.resume().on('end', () => transport.close())`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  return child
}

describe('hyperswarm transport: hostile peers', () => {
  const OPEN = Uint8Array.of(0, 1, 1, 7, ...Buffer.from('shoal/1'), 0, 1)

  /** Opens a bare Noise stream to a transport, on which `run` does harm; it must be cut off. */
  const attack = async (run: (stream: NoiseStream) => void): Promise<void> => {
    const transport = makeTransport()
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    try {
      const seen = await record(transport, HELLO)
      const stream = await connect(dht, transport.keyPair.publicKey)
      const closed = new Promise<void>((resolve) => {
        stream.on('close', () => resolve())
      })
      stream.write(OPEN)
      await settle(seen.until(() => seen.links.length === 1))
      run(stream)
      await settle(closed)
      await settle(seen.until(() => seen.closes === 1))
      assert.equal(seen.frames.length, 0)
    } finally {
      await dht.destroy({ force: true })
      await transport.close()
    }
  }

  /** Tries until it works: the node may not have announced itself yet. */
  const connect = async (dht: DHT, publicKey: Uint8Array): Promise<NoiseStream> => {
    const keyPair = keyPairFromSeed(randomBytes(32))
    for (;;) {
      const stream = dht.connect(publicKey, { keyPair })
      stream.on('error', () => {})
      const opened = new Promise<boolean>((resolve) => {
        stream.on('open', () => resolve(true)).on('close', () => resolve(false))
      })
      if (await opened) return stream
      await sleep(50)
    }
  }

  it('cuts off a peer as soon as it announces a message of 1 MiB', () =>
    attack((stream) => {
      stream.rawStream.write(Uint8Array.of(0, 0, 0x10, 1, 2, 3)) // 24-bit little-endian length
    }))

  it('cuts off a peer whose messages are malformed, or made to harm protomux', async () => {
    const nested = [0, 0]
    for (let left = 64_000; left > 10; left -= 5) nested.push(0, 0xfd, left & 0xff, left >> 8, 0)
    for (const message of [
      nested,
      new Uint8Array(66_000).fill(1), // longer than any frame
      [0, 0, 1, 200, 0, 1], // a batch shorter than it says
      [0, 0, 1, 0xfd, 1],
      [0, 0, 1, 0xfe, 1, 0, 0, 0, 0], // a length of more than 16 bits
      [0, 0, 0, 2, 3, 1], // a control message in a batch
      [0xfd, 0, 0, 3, 1], // channel 0 in another spelling
      [0, 4],
      [0],
      [0, 1, 200, 1, 120, 0], // opens channel 200
    ]) {
      await attack((stream) => stream.write(Uint8Array.from(message)))
    }
  })

  it('cuts off a peer that opens channel after channel', () =>
    attack((stream) => {
      for (let id = 0; id < 20; id++) stream.write(Uint8Array.of(0, 1, 2, 1, 120, 0))
    }))

  it('cuts off a peer that opens no channel', async () => {
    const clock = createSimulatedClock()
    const transport = makeTransport({ clock })
    const seen = await record(transport, HELLO)
    const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
    const stream = await connect(dht, transport.keyPair.publicKey)
    const closed = new Promise<void>((resolve) => {
      stream.on('close', () => resolve())
    })
    await sleep(50)
    await clock.runFor(5_000)
    await settle(closed)
    assert.equal(seen.links.length, 0)
    await dht.destroy({ force: true })
    await transport.close()
  })
})

describe('bootstrap', () => {
  it('says in one sentence that its port is in use', async () => {
    await assert.rejects(startBootstrap({ host: HOST, port: bootstrap.port }), {
      code: 'E_LISTEN',
      message: `UDP port ${bootstrap.port} of 127.0.0.1 is in use by another program`,
    })
    await assert.rejects(startBootstrap({ host: '192.0.2.1', port: 0 }), { code: 'E_LISTEN' })
  })

  it('rejects with the reason of its signal, and may be closed twice', async () => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await assert.rejects(startBootstrap({ host: HOST, port: 0, signal }), reason)
    const controller = new AbortController()
    const starting = startBootstrap({ host: HOST, port: 0, signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(starting, reason)
    const other = await startBootstrap({ host: HOST, port: 0 })
    await Promise.all([other.close(), other.close()])
  })
})
