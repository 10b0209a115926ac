/**
 * Nodes as processes, for benchmarks: started from the built program on loopback, ended by id.
 * @module
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { NODE_FLAGS } from '../src/cli/package-root.ts'

const MAIN = 'dist/cli/main.js'
/** Linux reports processor time in these, on every machine. */
const TICKS_PER_SECOND = 100

export interface NodeProcess {
  readonly url: string
  readonly child: ChildProcess
  /** Most memory the process ever had, bytes. */
  peakRssBytes(): Promise<number>
  /** Processor time it has used, all threads, seconds. */
  cpuSeconds(): Promise<number>
  /** That of its event loop alone. */
  loopSeconds(): Promise<number>
  stop(): Promise<void>
}

/** A private network: its entry point, and nodes that come and go. */
export async function startNetwork() {
  const entry = await start(['bootstrap', '--port', '0'], 'bootstrap ')
  const folders: string[] = []
  const nodes = new Set<NodeProcess>()
  return {
    async add(storeSize: string): Promise<NodeProcess> {
      const dataDir = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
      folders.push(dataDir)
      const network = [
        '--network',
        'bench',
        '--bootstrap',
        entry.word,
        '--listen-host',
        '127.0.0.1',
      ]
      const store = ['--data-dir', dataDir, '--store-size', storeSize, '--port', '0']
      const { child, word } = await start(['start', ...store, ...network], 'gateway ')
      const node: NodeProcess = {
        url: word,
        child,
        peakRssBytes: async () => {
          const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
          return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024
        },
        cpuSeconds: () => secondsIn(`/proc/${child.pid}/stat`),
        loopSeconds: () => secondsIn(`/proc/${child.pid}/task/${child.pid}/stat`),
        stop: async () => {
          nodes.delete(node)
          await end(child)
        },
      }
      nodes.add(node)
      return node
    },
    async stop(): Promise<void> {
      for (const node of nodes) await node.stop()
      await end(entry.child)
      for (const folder of folders) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Processor time of a process or thread, as Linux counts it. */
async function secondsIn(path: string): Promise<number> {
  const stat = await readFile(path, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')')).split(' ')
  return (Number(fields[12]) + Number(fields[13])) / TICKS_PER_SECOND
}

async function start(args: string[], prefix: string) {
  const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith(prefix)) return { child, word: line.slice(prefix.length) }
  }
  throw new Error(`${args[0]} ended before it served`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  await exit
}

/** Uploads what `pieces` gives; resolves to the key's path when the node has it all. */
export async function put(
  node: NodeProcess,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
) {
  const upload = request(new URL('api/v1/insert', node.url), { method: 'POST' })
  const response = once(upload, 'response')
  await pipeline(Readable.from(pieces), upload)
  const [answer] = await response
  answer.resume()
  const status = /<([^>]*)>/.exec(answer.headers.link ?? '')?.[1] ?? ''
  return { path: String(answer.headers.location), status }
}

/** Waits until every block of the insert has its copies. */
export async function awaitSpread(node: NodeProcess, status: string): Promise<void> {
  for (;;) {
    const answer = (await (await fetch(new URL(status, node.url))).json()) as {
      blocks: number
      spreadBlocks: number
    }
    if (answer.blocks === answer.spreadBlocks) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export async function awaitPeers(node: NodeProcess, count: number): Promise<void> {
  for (;;) {
    const status = (await (await fetch(new URL('api/v1/status', node.url))).json()) as {
      peers: number
    }
    if (status.peers >= count) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Room for what one read of a socket gives; used again and again. */
const READ_BUFFER_BYTES = 256 * 1024

/**
 * Downloads and throws away, as cheaply as Node can: on two cores the client's work is taken from the
 * nodes that are measured.
 */
export async function download(node: Pick<NodeProcess, 'url'>, path: string) {
  const { hostname, port } = new URL(node.url)
  const startMs = performance.now()
  let head = ''
  let bytes = 0
  let firstByteMs = 0
  const socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
      callback: (length, buffer) => {
        bytes += length
        if (head.includes('\r\n\r\n')) return true
        head += Buffer.from(buffer.subarray(0, length)).toString('latin1')
        const headEnd = head.indexOf('\r\n\r\n')
        if (headEnd < 0) return true
        bytes = head.length - headEnd - 4
        if (bytes > 0) firstByteMs = performance.now() - startMs
        return true
      },
    },
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\n\r\n`)
  await once(socket, 'close')
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head.split('\r\n')[0])
  const ms = performance.now() - startMs
  return { bytes, firstByteMs: firstByteMs || ms, ms }
}

/** `bytes` of data that does not compress and does not repeat, made as it is asked for. */
export function* freshBytes(bytes: number): Generator<Uint8Array> {
  const piece = new Uint8Array(65_536)
  for (let index = 0; index < piece.length; index++) piece[index] = (index * 2_654_435_761) >>> 13
  for (let at = 0; at < bytes; at += piece.length) {
    const copy = piece.slice(0, Math.min(piece.length, bytes - at))
    new DataView(copy.buffer).setFloat64(0, at + Math.random())
    if (copy.length > 32_776) new DataView(copy.buffer).setFloat64(32_768, at + Math.random())
    yield copy
  }
}

/** One JSON line on stdout. */
export function report(line: Record<string, unknown>): void {
  console.log(JSON.stringify(line))
}

/** Of an even count the mean of the two in the middle; NaN: of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [below, above] = [(sorted.length - 1) >> 1, sorted.length >> 1]
  return ((sorted[below] ?? Number.NaN) + (sorted[above] ?? Number.NaN)) / 2
}
