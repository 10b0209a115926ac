/**
 * The processes of the demo: an entry point in this one, one child a node.
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { NODE_FLAGS } from './package-root.ts'
import { CommandError } from './failures.ts'
import { clientOf, DEFAULT_GATEWAY_HOST, DEFAULT_GATEWAY_PORT } from './gateway-client.ts'
import { oneLine } from './io.ts'
import { pause } from './spread.ts'

const HOST = DEFAULT_GATEWAY_HOST
/** Each node fills that much of the disk; a film of one's own has some 100 MiB in all of them. */
const STORE_SIZE = '128MiB'
/** Its own network: a node of the real one can never meet it. */
const NETWORK_NAME = 'demo'
/** More peers than this add nothing to what the demo shows. */
const ENOUGH_PEERS = 8
const CONNECT_DEADLINE_MS = 60_000
const CONNECT_LOOK_MS = 200
/** A node that has not ended by then is ended. */
const CLOSE_DEADLINE_MS = 8_000
/** How many ports from 8888 on are tried for a node. */
const PORTS_TRIED = 1000

export interface DemoNode {
  /** 1 for the first. */
  readonly number: number
  readonly gateway: URL
  /** Resolves when the process is gone: why, or undefined where it was told to end. */
  readonly ended: Promise<string | undefined>
}

export interface DemoNetwork {
  readonly nodes: readonly DemoNode[]
  /** Resolves when every living node has peers; told how many have. @throws CommandError: too late. */
  untilConnected(onConnected: (connected: number) => void): Promise<void>
  /** Ends every process. */
  close(): Promise<void>
}

export interface DemoRequest {
  readonly directory: string
  readonly count: number
  readonly onServing: (serving: number) => void
  readonly signal: AbortSignal
}

/** Resolves when every gateway serves. @throws CommandError naming the node that did not start. */
export async function startDemoNetwork(request: DemoRequest): Promise<DemoNetwork> {
  const { count, signal } = request
  const { startBootstrap } = await import('../routing/net/bootstrap.ts')
  const entry = await startBootstrap({ host: HOST, port: 0, signal })
  const processes: NodeProcess[] = []
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.close()))
    await entry.close()
  }
  try {
    const ports = await freePorts(count)
    const bootstrap = `${entry.host}:${entry.port}`
    for (const [at, port] of ports.entries()) {
      processes.push(new NodeProcess(at + 1, port, bootstrap, request.directory))
    }
    const nodes = await untilServing(processes, request)
    return { nodes, close, untilConnected: (told) => untilConnected(nodes, told, signal) }
  } catch (error) {
    await close()
    throw error
  }
}

async function untilServing(processes: readonly NodeProcess[], request: DemoRequest) {
  let serving = 0
  return Promise.all(
    processes.map(async (process): Promise<DemoNode> => {
      const gateway = await process.serving(request.signal)
      serving++
      request.onServing(serving)
      return { number: process.number, gateway, ended: process.ended }
    }),
  )
}

async function untilConnected(
  nodes: readonly DemoNode[],
  onConnected: (connected: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const wanted = Math.min(nodes.length - 1, ENOUGH_PEERS)
  const deadline = performance.now() + CONNECT_DEADLINE_MS
  while (performance.now() < deadline) {
    const peers = await Promise.all(nodes.map(({ gateway }) => countPeers(gateway, signal)))
    const connected = peers.filter((peersOfOne) => peersOfOne >= wanted).length
    onConnected(connected)
    if (connected === nodes.length) return
    await pause(CONNECT_LOOK_MS, signal)
  }
  const seconds = CONNECT_DEADLINE_MS / 1000
  throw new CommandError(`the nodes did not find each other within ${seconds} s`)
}

async function countPeers(gateway: URL, signal: AbortSignal): Promise<number> {
  const { peers } = await clientOf(gateway).status({ signal })
  return peers
}

/** `count` ports from 8888 on that nobody listens on now. */
async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = []
  for (let port = DEFAULT_GATEWAY_PORT; found.length < count; port++) {
    if (port >= DEFAULT_GATEWAY_PORT + PORTS_TRIED) throw new CommandError('no free ports')
    if (await isFree(port)) found.push(port)
  }
  return found
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => {
      resolve(false)
    })
    probe.listen({ host: HOST, port, exclusive: true }, () => {
      probe.close(() => {
        resolve(true)
      })
    })
  })
}

/** One `shoal start` as a child process. */
class NodeProcess {
  readonly number: number
  readonly ended: Promise<string | undefined>
  readonly #child: ChildProcess
  #gateway: string | undefined
  #lastWords = ''
  #closing = false

  constructor(number: number, port: number, bootstrap: string, directory: string) {
    this.number = number
    const words = ['start', '--port', String(port), '--data-dir', join(directory, `node-${number}`)]
    words.push('--store-size', STORE_SIZE, '--network', NETWORK_NAME)
    words.push('--listen-host', HOST, '--bootstrap', bootstrap)
    // A group of its own: Ctrl-C reaches the demo alone, which then ends its nodes in order. The
    // channel ends them where the demo could not.
    this.#child = spawn(process.execPath, [...NODE_FLAGS, mainPath(), ...words], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#watch('stdout', (line) => {
      this.#gateway ??= /^gateway (\S+)$/.exec(line)?.[1]
    })
    this.#watch('stderr', (line) => {
      this.#lastWords = oneLine(line)
    })
    this.ended = this.#untilEnded()
  }

  #watch(name: 'stdout' | 'stderr', onLine: (line: string) => void): void {
    const input = this.#child[name]
    if (input !== null) createInterface({ input }).on('line', onLine)
  }

  #untilEnded(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#child.once('error', (error) => {
        resolve(oneLine(error.message))
      })
      this.#child.once('close', (code, signal) => {
        const how = code === null ? `signal ${signal}` : `exit code ${code}`
        resolve(this.#closing ? undefined : `${how}, ${this.#lastWords || 'no words'}`)
      })
    })
  }

  /** Address of the gateway, when it serves. @throws CommandError where the process ends first. */
  async serving(signal: AbortSignal): Promise<URL> {
    let why: string | undefined
    let isOver = false
    void this.ended.then((words) => {
      isOver = true
      why = words
    })
    while (this.#gateway === undefined) {
      if (isOver) throw new CommandError(`node ${this.number} did not start: ${why ?? 'ended'}`)
      await pause(20, signal)
    }
    return new URL(this.#gateway)
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_DEADLINE_MS)
    await this.ended
    clearTimeout(timer)
  }
}

/** The program's own entry file: `.js` where it is compiled, `.ts` where Node runs the sources. */
function mainPath(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`./main.${extension}`, import.meta.url))
}
