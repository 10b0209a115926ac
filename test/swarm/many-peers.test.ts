/**
 * Many that connect at once over real sockets, from one place and from many: how many of them get a link.
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import DHT from 'hyperdht'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'
import { mapKey } from '../../src/keys/bytes.ts'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import { startBootstrap } from '../../src/routing/net/bootstrap.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import { bindDht } from '../../src/routing/net/dht.ts'
import { createSimulatedClock } from '../helpers/clock.ts'
import { HOST, closed, connect, makeTransport, settle, until } from '../helpers/transport.ts'
import { record } from '../suites/transport-suite.ts'

const HELLO = Uint8Array.of(1)
const OPEN = Uint8Array.of(0, 1, 1, 7, ...Buffer.from('shoal/1'), 0, 1)
const MAX_LINKS = 48
const MANY = 300
const AT_ONCE = 20

let bootstrap: Bootstrap

before(async () => {
  bootstrap = await startBootstrap({ host: HOST, port: 0 })
})
after(() => bootstrap.close())

const newKeys = (): NoiseKeyPair => keyPairFromSeed(randomBytes(32))

/** A DHT node to whose server callers seem to come from the addresses that `hosts` has for their keys. */
function seenFrom(hosts: ReadonlyMap<string, string>): typeof bindDht {
  return async (options) => {
    const dht = await bindDht(options)
    const createServer = dht.createServer.bind(dht)
    dht.createServer = (...how) => {
      const server = createServer(...how) as ReturnType<DHT['createServer']> & Emitter
      const emit = server.emit.bind(server)
      server.emit = (event, stream) => {
        const value = stream && hosts.get(mapKey(stream.remotePublicKey))
        if (value !== undefined) Object.defineProperty(stream?.rawStream, 'remoteHost', { value })
        return emit(event, stream)
      }
      return server
    }
    return dht
  }
}

interface Emitter {
  emit(event: string, stream?: NoiseStream): boolean
}

test('of 300 that connect and open the channel 48 get a link, and the others are cut off', async (t) => {
  // its time stands still: nobody is too slow
  const transport = makeTransport(bootstrap, { clock: createSimulatedClock() })
  const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
  t.after(() => Promise.all([transport.close(), dht.destroy({ force: true })]))
  const seen = await record(transport, HELLO)
  ;(await connect(dht, transport.keyPair.publicKey)).destroy() // it can be found now
  const open = new Set<NoiseStream>()
  const call = async (): Promise<void> => {
    const keyPair = newKeys()
    const stream = dht.connect(Buffer.from(transport.keyPair.publicKey), { keyPair })
    const end = closed(stream.on('error', () => {}))
    open.add(stream)
    void end.then(() => open.delete(stream))
    stream.write(OPEN)
    const answer = new Promise<void>((resolve) => {
      stream.on('data', (message: Uint8Array) => message.length > 0 && resolve())
    })
    await Promise.race([answer, end])
  }
  for (let count = 0; count < MANY; count += AT_ONCE) {
    await settle(Promise.all(Array.from({ length: AT_ONCE }, call)))
  }
  await settle(until(() => open.size <= MAX_LINKS))
  assert.deepEqual([seen.links.length, seen.closes, open.size], [MAX_LINKS, 0, MAX_LINKS])
})

test('two links to a /24 and four to a /16 are open at a time, and no more may be silent there', async (t) => {
  const hosts = new Map<string, string>()
  const clock = createSimulatedClock()
  const transport = makeTransport(bootstrap, { clock, bind: seenFrom(hosts) })
  const dht = new DHT({ bootstrap: [bootstrap], host: HOST, firewalled: false })
  t.after(() => Promise.all([transport.close(), dht.destroy({ force: true })]))
  const seen = await record(transport, HELLO)
  ;(await connect(dht, transport.keyPair.publicKey)).destroy()
  /** Calls from `host`: the stream, and whether it is let in as far as its first word is for. */
  const callFrom = async (host: string, isSilent = false) => {
    const keyPair = newKeys()
    hosts.set(mapKey(keyPair.publicKey), host)
    const stream = dht.connect(Buffer.from(transport.keyPair.publicKey), { keyPair })
    const end = closed(stream.on('error', () => {})).then(() => false)
    if (!isSilent) stream.write(OPEN)
    const word = new Promise<boolean>((resolve) => {
      stream.on('data', (message: Uint8Array) => message.length > 0 && resolve(true))
    })
    return { stream, isIn: isSilent ? undefined : await settle(Promise.race([word, end])), end }
  }
  const first = await callFrom('8.8.8.1')
  const areIn = [first.isIn]
  for (const host of ['8.8.8.2', '8.8.8.3', '8.8.1.1', '8.8.2.1', '8.8.3.1', '8.9.1.1']) {
    areIn.push((await callFrom(host)).isIn)
  }
  assert.deepEqual(areIn, [true, true, false, true, true, false, true])
  assert.equal(seen.links.length, 5)
  first.stream.destroy()
  await settle(seen.until(() => seen.closes === 1))
  assert.equal((await callFrom('8.8.8.4')).isIn, true, 'one that ends makes room')

  const silent = [await callFrom('9.9.9.1', true), await callFrom('9.9.9.2', true)]
  await settle(Promise.all(silent.map(({ stream }) => opened(stream))))
  const third = await callFrom('9.9.9.3', true)
  assert.equal(await settle(third.end), false, 'a third is cut off at once')
  assert.ok(silent.every(({ stream }) => !stream.destroying))
})

/** Resolves when Noise has proven both keys. */
function opened(stream: NoiseStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.handshakeHash !== null) resolve()
    else stream.on('open', () => resolve())
  })
}
