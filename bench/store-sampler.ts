/**
 * Watches from a thread of its own what a folder takes on the disk, so that a busy store cannot make it
 * look away.
 * @module
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

/** Time between two looks, ms. */
const SAMPLE_MS = 100
/** What the threads share: looks, most bytes, longest gap. */
const CELLS = 3

export interface Samples {
  readonly samples: number
  /** Most bytes that the folder took at any look. */
  readonly worstBytes: number
  readonly lastBytes: number
  /** Longest time between two looks, ms. */
  readonly longestGapMs: number
}

/** Looks at `folder` every 100 ms until the returned function is called. */
export function watchDiskUse(folder: string): () => Promise<Samples> {
  const shared = new Float64Array(new SharedArrayBuffer(8 * CELLS))
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { folder, shared } })
  return async () => {
    await worker.terminate()
    const [samples = 0, worst = 0, longestGapMs = 0] = shared
    const lastBytes = allocatedBytes(folder)
    return { samples, worstBytes: Math.max(worst, lastBytes), lastBytes, longestGapMs }
  }
}

/** Bytes that a folder takes on the disk, with all below it. Files may come and go meanwhile. */
export function allocatedBytes(folder: string): number {
  let sum = blocksOf(folder)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    sum += entry.isDirectory() ? allocatedBytes(path) : blocksOf(path)
  }
  return sum
}

function blocksOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
}

function watch({ folder, shared }: { folder: string; shared: Float64Array }): void {
  let lastMs = performance.now()
  setInterval(() => {
    const [samples = 0, worst = 0, longestGapMs = 0] = shared
    const nowMs = performance.now()
    shared[1] = Math.max(worst, allocatedBytes(folder))
    shared[2] = Math.max(longestGapMs, nowMs - lastMs)
    shared[0] = samples + 1
    lastMs = nowMs
  }, SAMPLE_MS)
}

if (!isMainThread) watch(workerData as { folder: string; shared: Float64Array })
