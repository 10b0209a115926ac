/**
 * Blocks from one node by way of another to a third, each a process of its own; against the same two
 * with a bare pipe between them, that decrypts and encrypts and knows no blocks, and against bytes that
 * no node sends or takes through such a pipe; in turn. `npm run bench:relay -- [MiB] [rounds]`
 * @module
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Address } from '../src/keys/block.ts'
import { startBootstrap } from '../src/routing/net/bootstrap.ts'
import { median, report } from './processes.ts'
import { drawSeeds, fetchAll, keyPairOf, relayedBlocks, startRelayNode } from './relay-node.ts'
import type { Role, Seeds } from './relay-node.ts'
import { pipeNodes, pipeReceiver, pipeRelay, pipeSender } from './relay-pipe.ts'

const MIB = 1024 * 1024
const BLOCK_BYTES = 32_768
const TARGET = 0.8
/** Passed on before it counts: a node that runs for days has its code compiled. */
const WARM_UP_BYTES = 64 * MIB
const WARM_UP_BLOCKS = WARM_UP_BYTES / BLOCK_BYTES
const ROLES = ['sender', 'relay', 'receiver'] as const

/** What a process is to be. */
type Job =
  | { readonly type: 'node'; readonly role: Role; readonly seeds: Seeds; readonly blocks: number }
  | { readonly type: 'pipe-nodes'; readonly seeds: Seeds }
  | { readonly type: 'pipe'; readonly role: Role; readonly next: string; readonly bytes: number }
type Order =
  | (Job & { readonly port: number })
  | { readonly type: 'link' }
  | { readonly type: 'go'; readonly blocks: number }
  | { readonly type: 'cpu' }
/** What it says: its key or that it is ready, how long it took, the processor time it has used. */
interface Said {
  readonly ready?: string
  readonly tookMs?: number
  readonly cpuMs?: number
}

interface Measured {
  readonly speed: number
  /** Processor time of the relay for each 32 KiB, ms. */
  readonly cpuMs: number
}

class Worker {
  readonly #child: ChildProcess = fork(fileURLToPath(import.meta.url), ['child'])

  async ask(order: Order): Promise<Said> {
    const answer = this.answer()
    this.#child.send(order)
    return answer
  }

  async answer(): Promise<Said> {
    const [said] = (await once(this.#child, 'message')) as [Said]
    return said
  }

  async cpuMs(): Promise<number> {
    return (await this.ask({ type: 'cpu' })).cpuMs ?? Number.NaN
  }

  async end(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill()
    await exit
  }
}

async function measureNodes(
  port: number,
  bytes: number,
  middle: 'node' | 'pipe-nodes',
): Promise<Measured> {
  const seeds = drawSeeds()
  const workers = ROLES.map(() => new Worker())
  const [, relay, receiver] = workers as [Worker, Worker, Worker]
  const blocks = Math.round(bytes / BLOCK_BYTES)
  for (const [index, worker] of workers.entries()) {
    const role = ROLES[index] as Role
    const isPipe = role === 'relay' && middle === 'pipe-nodes'
    await worker.ask(
      isPipe
        ? { type: middle, seeds, port }
        : { type: 'node', role, seeds, blocks: WARM_UP_BLOCKS + blocks, port },
    )
  }
  for (const worker of workers) await worker.ask({ type: 'link' })
  await receiver.ask({ type: 'go', blocks: WARM_UP_BLOCKS })
  const usedMs = await relay.cpuMs()
  const { tookMs = Number.NaN } = await receiver.ask({ type: 'go', blocks })
  const cpuMs = ((await relay.cpuMs()) - usedMs) / blocks
  for (const worker of workers) await worker.end()
  return { speed: (blocks * BLOCK_BYTES) / 1e3 / tookMs, cpuMs }
}

async function measurePipe(port: number, bytes: number): Promise<number> {
  const [sender, relay, receiver] = [new Worker(), new Worker(), new Worker()]
  const job = { type: 'pipe', bytes, port } as const
  const { ready: last = '' } = await receiver.ask({ ...job, role: 'receiver', next: '' })
  const { ready: middle = '' } = await relay.ask({ ...job, role: 'relay', next: last })
  const done = receiver.answer()
  await sender.ask({ ...job, role: 'sender', next: middle })
  const { tookMs = Number.NaN } = await done
  for (const worker of [sender, relay, receiver]) await worker.end()
  return bytes / 1e3 / tookMs
}

/** In a child: does what it is told and says so. */
function obey(): void {
  let go: (blocks: number) => Promise<number> = () => Promise.reject(new Error('not started'))
  let link: () => Promise<void> = () => Promise.resolve()
  const say = (said: Said): void => void process.send?.(said)
  const begin = async (job: Job & { port: number }): Promise<void> => {
    if (job.type === 'node') {
      const { driver, put, linked } = await startRelayNode(job.role, job.seeds, job.port)
      const addresses: Address[] = []
      for (const { address, block } of relayedBlocks(job.seeds, job.blocks)) {
        if (job.role === 'sender') await put(block)
        if (job.role === 'receiver') addresses.push(address)
        if (job.role === 'relay') break
      }
      go = (blocks) => fetchAll(driver, addresses.splice(0, blocks))
      link = linked
      say({ ready: '' })
    } else if (job.type === 'pipe-nodes') {
      const { publicKey } = keyPairOf(job.seeds, 'sender')
      await pipeNodes(job.port, keyPairOf(job.seeds, 'relay'), publicKey)
      say({ ready: '' })
    } else if (job.role === 'receiver') {
      const done = (tookMs: number): void => say({ tookMs })
      const counts = { from: WARM_UP_BYTES, to: WARM_UP_BYTES + job.bytes }
      await pipeReceiver(job.port, counts, { ready: (ready) => say({ ready }), done })
    } else if (job.role === 'relay') say({ ready: await pipeRelay(job.port, job.next) })
    else {
      pipeSender(job.port, job.next, WARM_UP_BYTES + job.bytes)
      say({ ready: '' })
    }
  }
  process.on('message', (order: Order) => {
    if (order.type === 'cpu') {
      const { user, system } = process.cpuUsage()
      say({ cpuMs: (user + system) / 1e3 })
    } else if (order.type === 'go') void go(order.blocks).then((tookMs) => say({ tookMs }))
    else if (order.type === 'link') void link().then(() => say({ ready: '' }))
    else void begin(order)
  })
}

async function main(): Promise<void> {
  const bytes = Number(process.argv[2] ?? 128) * MIB
  const rounds = Number(process.argv[3] ?? 3)
  const entry = await startBootstrap({ host: '127.0.0.1', port: 0 })
  const ratios = []
  for (let round = 1; round <= rounds; round++) {
    const raw = await measurePipe(entry.port, bytes)
    const pipe = await measureNodes(entry.port, bytes, 'pipe-nodes')
    const relay = await measureNodes(entry.port, bytes, 'node')
    ratios.push(relay.speed / pipe.speed)
    report({
      bench: 'relay',
      round,
      bytes,
      rawPipeMBps: raw,
      pipeMBps: pipe.speed,
      relayMBps: relay.speed,
      ratio: relay.speed / pipe.speed,
      ratioToRawPipe: relay.speed / raw,
      pipeCpuMsPerBlock: pipe.cpuMs,
      relayCpuMsPerBlock: relay.cpuMs,
    })
  }
  report({ bench: 'relay', medianRatio: median(ratios), target: TARGET })
  await entry.close()
}

if (process.argv[2] === 'child') obey()
else await main()
