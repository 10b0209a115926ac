/**
 * The yardsticks of the relay benchmark: what is decrypted from one Noise stream and encrypted into
 * another, and nothing else: between two nodes, who take it for a node, or between a process that only
 * sends bytes and one that only takes them.
 * @module
 */
import DHT from 'hyperdht'
import type { KeyPair } from '../src/keys/primitives.ts'

/** What this file uses of hyperdht beyond what the program does. */
interface RawDht {
  createServer(onstream: (stream: RawStream) => void): {
    readonly publicKey: Uint8Array
    listen(keyPair?: KeyPair): Promise<void>
  }
  connect(publicKey: Uint8Array, options?: { keyPair: KeyPair }): RawStream
}

interface RawStream {
  on(event: 'data', listener: (piece: Uint8Array) => void): void
  on(event: 'open' | 'drain' | 'error', listener: () => void): void
  write(piece: Uint8Array): boolean
  pause(): void
  resume(): void
  destroy(): void
}

const HOST = '127.0.0.1'
const WRITE_BYTES = 32_768

/** Takes bytes; `ready` gets its key, `done` the time from byte `from` to byte `to`, ms. */
export async function pipeReceiver(
  port: number,
  counts: { readonly from: number; readonly to: number },
  report: { ready(publicKey: string): void; done(ms: number): void },
): Promise<void> {
  let received = 0
  let startMs = 0
  const publicKey = await serve(dhtAt(port), (stream) => {
    stream.on('data', (piece) => {
      const before = received
      received += piece.length
      const passes = (mark: number): boolean => before < mark && received >= mark
      if (passes(counts.from)) startMs = performance.now()
      if (passes(counts.to)) report.done(performance.now() - startMs)
    })
  })
  report.ready(publicKey)
}

/** Passes on what comes in, as fast as it is taken. Resolves to its own key. */
export async function pipeRelay(port: number, receiver: string): Promise<string> {
  const dht = dhtAt(port)
  const onward = dht.connect(Buffer.from(receiver, 'hex'))
  onward.on('error', () => {})
  await new Promise<void>((resolve) => {
    onward.on('open', resolve)
  })
  return serve(dht, (stream) => {
    pass(stream, onward)
  })
}

/** Sends `bytes` to the relay. */
export function pipeSender(port: number, relay: string, bytes: number): void {
  const stream = dhtAt(port).connect(Buffer.from(relay, 'hex'))
  let sent = 0
  const pump = (): void => {
    while (sent < bytes) {
      sent += WRITE_BYTES
      if (!stream.write(Buffer.alloc(WRITE_BYTES, 5))) return
    }
  }
  stream.on('error', () => {})
  stream.on('open', pump)
  stream.on('drain', pump)
}

/** Stands between `sender` and whoever dials `keyPair`: bytes go both ways as they come. */
export async function pipeNodes(port: number, keyPair: KeyPair, sender: Uint8Array): Promise<void> {
  const dht = dhtAt(port)
  const server = dht.createServer((inward) => {
    const onward = dht.connect(sender, { keyPair })
    onward.on('error', () => {
      inward.destroy()
    })
    inward.on('error', () => {
      onward.destroy()
    })
    pass(inward, onward)
    pass(onward, inward)
  })
  await server.listen(keyPair)
}

function pass(from: RawStream, to: RawStream): void {
  from.on('data', (piece) => {
    if (!to.write(piece)) from.pause()
  })
  to.on('drain', () => {
    from.resume()
  })
}

async function serve(dht: RawDht, onstream: (stream: RawStream) => void): Promise<string> {
  const server = dht.createServer((stream) => {
    stream.on('error', () => {})
    onstream(stream)
  })
  await server.listen()
  return Buffer.from(server.publicKey).toString('hex')
}

function dhtAt(port: number): RawDht {
  const dht = new DHT({ bootstrap: [{ host: HOST, port }], host: HOST, firewalled: false })
  return dht as unknown as RawDht
}
