/**
 * The gateway with content that is on the node's own disk, against express.static on the same files, in
 * turn; many streams at once; and block round trips to the first byte of a seek, counted on a simulated
 * clock. `npm run --silent bench:gateway -- [MiB] [rounds]`
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { parallelDownloads, requestsPerSecond } from './http-load.ts'
import {
  awaitPeers,
  awaitSpread,
  download,
  freshBytes,
  median,
  put,
  report,
  startNetwork,
} from './processes.ts'
import type { NodeProcess } from './processes.ts'
import { seekRoundTrips } from './seek.ts'

const MIB = 1024 * 1024
const largeBytes = Number(process.argv[2] ?? 512) * MIB
const rounds = Number(process.argv[3] ?? 3)
const SMALL_BYTES = 10 * 1024
const SMALL_FILES = 1000
const LOAD = { requests: 5000, connections: 16 }
const STREAMS = { count: 200, bytesEach: Math.min(8 * MIB, largeBytes) }
const FIRST_BYTES = 20

interface Files {
  readonly folder: string
  readonly large: string
  readonly small: readonly string[]
}

async function writeFiles(): Promise<Files> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-files-'))
  const small = Array.from({ length: SMALL_FILES }, (_, index) => `${index}.bin`)
  for (const name of small) await writeFresh(join(folder, name), SMALL_BYTES)
  await writeFresh(join(folder, 'large.bin'), largeBytes)
  return { folder, large: 'large.bin', small }
}

async function writeFresh(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w')
  for (const piece of freshBytes(bytes)) await file.write(piece)
  await file.close()
}

async function startStatic(folder: string) {
  const script = new URL('static-server.js', import.meta.url).pathname
  const child = spawn(process.execPath, [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { url, stop: () => child.stdin.end() }
}

/** Inserts the files; resolves to the paths of their keys when the blocks are in the store for good. */
async function insertFiles(node: NodeProcess, { folder, large, small }: Files) {
  const paths: string[] = []
  for (const name of [...small, large]) {
    const { path, status } = await put(node, createReadStream(join(folder, name)))
    paths.push(path)
    if (name === large) await awaitSpread(node, status)
  }
  return { large: paths.pop() as string, small: paths }
}

async function awaitFilled(node: NodeProcess): Promise<void> {
  for (;;) {
    const answer = await fetch(new URL('api/v1/status', node.url))
    const { store } = (await answer.json()) as { store: { filledShare: number } }
    if (store.filledShare >= 1) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function firstByteMs(url: string, path: string): Promise<number> {
  const times = []
  for (let turn = 0; turn < FIRST_BYTES; turn++) {
    const startMs = performance.now()
    const response = await fetch(new URL(path, url))
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    times.push(performance.now() - startMs)
    await reader.cancel()
  }
  return median(times)
}

async function measureSpeed(node: NodeProcess, other: { url: string }, paths: Paths) {
  const plain = await download(other, paths.plainLarge)
  const cpuSeconds = await node.cpuSeconds()
  const loopSeconds = await node.loopSeconds()
  const ours = await download(node, paths.large)
  const blocks = ours.bytes / 32_768
  const cpuUsPerBlock = (((await node.cpuSeconds()) - cpuSeconds) * 1e6) / blocks
  const loopUsPerBlock = (((await node.loopSeconds()) - loopSeconds) * 1e6) / blocks
  const plainRate = await requestsPerSecond(other.url, paths.plainSmall, LOAD)
  const rate = await requestsPerSecond(node.url, paths.small, LOAD)
  return {
    staticMBps: plain.bytes / 1e3 / plain.ms,
    MBps: ours.bytes / 1e3 / ours.ms,
    ratio: plain.ms / ours.ms,
    cpuUsPerBlock,
    loopUsPerBlock,
    firstByteMs: await firstByteMs(node.url, paths.large),
    staticRequests: plainRate,
    requests: rate,
    requestRatio: rate / plainRate,
  }
}

interface Paths {
  readonly large: string
  readonly small: readonly string[]
  readonly plainLarge: string
  readonly plainSmall: readonly string[]
}

const files = await writeFiles()
const network = await startNetwork()
const other = await startStatic(files.folder)
try {
  const storeSize = `${Math.ceil((largeBytes / MIB) * 6) + 1024}MiB`
  const node = await network.add(storeSize)
  const second = await network.add(storeSize)
  await awaitPeers(node, 1)
  const inserted = await insertFiles(node, files)
  await second.stop()
  await awaitFilled(node) // it would be measured too
  const plainSmall = files.small.map((name) => `/${name}`)
  const paths = { ...inserted, plainLarge: `/${files.large}`, plainSmall }
  const results: Awaited<ReturnType<typeof measureSpeed>>[] = []
  for (let round = 1; round <= rounds; round++) {
    const result = await measureSpeed(node, other, paths)
    results.push(result)
    report({ bench: 'gateway', round, bytes: largeBytes, ...result })
  }
  const middle = (name: keyof (typeof results)[0]): number =>
    median(results.map((result) => result[name]))
  report({ bench: 'gateway', what: 'speed of static', ratio: middle('ratio'), target: 0.4 })
  report({ bench: 'gateway', what: 'first byte, ms', ms: middle('firstByteMs'), target: 15 })
  const requestRatio = middle('requestRatio')
  report({ bench: 'gateway', what: 'requests of static', ratio: requestRatio, target: 0.3 })
  const MBps = (await parallelDownloads(node.url, paths.large, STREAMS)) / 1e6
  const rssMB = (await node.peakRssBytes()) / 1e6
  report({ bench: 'gateway', what: '200 streams', MBps, rssMB, target: 500 })
} finally {
  other.stop()
  await network.stop()
  await rm(files.folder, { recursive: true })
}
for (const line of await seekRoundTrips()) report({ bench: 'gateway', ...line })
