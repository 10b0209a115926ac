/**
 * The yardstick of the fetch benchmark: one hyperdht Noise stream between two processes, 32 KiB a
 * write, nothing else. Run by `fetch.ts`; with an argument it is the sending side.
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import DHT from 'hyperdht'
import { startBootstrap } from '../src/routing/net/bootstrap.ts'

/** What this file uses of hyperdht beyond what the program does. */
interface RawDht {
  createServer(onstream: (stream: RawStream) => void): {
    readonly publicKey: Uint8Array
    listen(): Promise<void>
  }
  connect(publicKey: Uint8Array): RawStream
  destroy(options: { force: boolean }): Promise<void>
}

interface RawStream {
  on(event: 'data', listener: (piece: Uint8Array) => void): void
  on(event: 'open' | 'drain' | 'error', listener: () => void): void
  write(piece: Uint8Array): boolean
}

const HOST = '127.0.0.1'
const WRITE_BYTES = 32_768

/** MB/s (10^6 bytes) of `bytes` from another process to this one. */
export async function measureRawStream(bytes: number): Promise<number> {
  const entry = await startBootstrap({ host: HOST, port: 0 })
  const dht = dhtAt(entry.port)
  let received = 0
  let startMs = 0
  const done = new Promise<number>((resolve) => {
    const server = dht.createServer((stream) => {
      stream.on('error', () => {})
      stream.on('data', (piece) => {
        startMs ||= performance.now()
        received += piece.length
        if (received >= bytes) resolve(received / 1e3 / (performance.now() - startMs))
      })
    })
    void server.listen().then(() => {
      const publicKey = Buffer.from(server.publicKey).toString('hex')
      child = fork(fileURLToPath(import.meta.url), [String(entry.port), publicKey, String(bytes)])
    })
  })
  let child: ReturnType<typeof fork> | undefined
  const speed = await done
  if (child !== undefined) {
    const exit = once(child, 'exit')
    child.kill()
    await exit
  }
  await dht.destroy({ force: true })
  await entry.close()
  return speed
}

function dhtAt(port: number): RawDht {
  const dht = new DHT({ bootstrap: [{ host: HOST, port }], host: HOST, firewalled: false })
  return dht as unknown as RawDht
}

function send(port: number, publicKey: string, bytes: number): void {
  const stream = dhtAt(port).connect(Buffer.from(publicKey, 'hex'))
  const piece = Buffer.alloc(WRITE_BYTES, 5)
  let sent = 0
  const pump = (): void => {
    while (sent < bytes) {
      sent += WRITE_BYTES
      if (!stream.write(Buffer.from(piece))) return
    }
  }
  stream.on('open', pump)
  stream.on('drain', pump)
}

const [, , port, publicKey, bytes] = process.argv
if (process.argv[1] === fileURLToPath(import.meta.url) && port !== undefined) {
  send(Number(port), String(publicKey), Number(bytes))
}
