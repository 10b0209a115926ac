/**
 * Transports on hyperswarm for tests, on a private DHT on loopback, in real time.
 * @module
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type DHT from 'hyperdht'
import type { NoiseKeyPair, NoiseStream } from 'hyperdht'
import { keyPairFromSeed } from '../../src/keys/primitives.ts'
import type { Bootstrap } from '../../src/routing/net/bootstrap.ts'
import { createHyperswarmTransport } from '../../src/routing/net/hyperswarm.ts'
import type {
  HyperswarmTransport,
  HyperswarmTransportOptions,
} from '../../src/routing/net/hyperswarm.ts'
import { silentLogger } from '../../src/runtime.ts'

export const HOST = '127.0.0.1'
/** Generous: it only ends a test that hangs. */
const DEADLINE_MS = 30_000
const RETRY_MS = 50

export type Made = HyperswarmTransport & { readonly keyPair: NoiseKeyPair }

/** Under a topic of its own unless one is given. */
export function makeTransport(
  bootstrap: Bootstrap,
  options: Partial<HyperswarmTransportOptions> = {},
): Made {
  const keyPair = options.keyPair ?? keyPairFromSeed(randomBytes(32))
  const transport = createHyperswarmTransport({
    keyPair,
    topic: randomBytes(32),
    bootstrap: [bootstrap],
    listenHost: HOST,
    logger: silentLogger,
    ...options,
  })
  return {
    keyPair,
    open: (handlers) => transport.open(handlers),
    dial: (publicKey, how) => transport.dial(publicKey, how),
    drop: (publicKey) => transport.drop(publicKey),
    seek: (topics) => transport.seek(topics),
    close: () => transport.close(),
    relayed: transport.relayed,
  }
}

/** The outcome of `promise`; rejects when that takes too long. */
export async function settle<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('took too long')), DEADLINE_MS)
  })
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer))
}

/** Resolves when `check` holds; the test runner's time-out is the limit. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await sleep(10)
}

/** A bare Noise stream to a node, tried until it works: the node may not have announced itself yet. */
export async function connect(
  dht: DHT,
  publicKey: Uint8Array,
  options: { keyPair?: NoiseKeyPair } = {},
): Promise<NoiseStream> {
  const { keyPair = keyPairFromSeed(randomBytes(32)) } = options
  for (;;) {
    const stream = dht.connect(Buffer.from(publicKey), { keyPair })
    stream.on('error', () => {})
    const opened = new Promise<boolean>((resolve) => {
      stream.on('open', () => resolve(true)).on('close', () => resolve(false))
    })
    if (await opened) return stream
    await sleep(RETRY_MS)
  }
}

/** Resolves when the stream is closed. */
export function closed(stream: NoiseStream): Promise<void> {
  return new Promise((resolve) => {
    stream.on('close', () => resolve())
  })
}
