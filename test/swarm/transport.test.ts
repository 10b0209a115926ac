import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { HOST, makeTransport, settle } from '../helpers/transport.ts'
import { record, transportSuite } from '../suites/transport-suite.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'

const HELLO = Uint8Array.of(1)
/** Longer than every first retry of both sides. */
const QUIET_MS = 1_600

let bootstrap: Bootstrap

before(async () => {
  bootstrap = await startBootstrap({ host: HOST, port: 0 })
})
after(() => bootstrap.close())

transportSuite('hyperswarm', async () => {
  const topic = randomBytes(32)
  const [a, b] = [makeTransport(bootstrap, { topic }), makeTransport(bootstrap, { topic })]
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
    const transports = Array.from({ length: 5 }, () => makeTransport(bootstrap, { topic }))
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
    const [a, b] = [
      makeTransport(bootstrap, { topic, logger }),
      makeTransport(bootstrap, { topic }),
    ]
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
    const transport = makeTransport(bootstrap, { bootstrap: [gone], logger, clock })
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
    const pair = [1, 2].map(() => makeTransport(bootstrap, { topic, bootstrap: [gone] }))
    const seen = await Promise.all(pair.map((transport) => record(transport, HELLO)))
    await sleep(500)
    const back = await startBootstrap({ host: HOST, port: gone.port })
    await settle(Promise.all(seen.map((one) => one.until(() => one.links.length > 0))))
    await Promise.all(pair.map((transport) => transport.close()))
    await back.close()
  })

  it('notices a killed node by its silence, and finds it when it is back', async () => {
    const topic = randomBytes(32)
    const transport = makeTransport(bootstrap, { topic })
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
    await transport.open({
      handshake: () => new Uint8Array(1),
      onlink: () => ({ onframe() {}, ondrain() {}, onclose() {} }),
      onfound: (publicKey) => transport.dial(publicKey),
      onfailed() {},
    })
    process.stdin.resume().on('end', () => transport.close())`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  return child
}

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
