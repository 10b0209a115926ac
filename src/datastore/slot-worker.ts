/**
 * The thread that reads and opens slots for `SlotOpener`. It knows no key of the directory: each job
 * brings what opens its own slot.
 * @module
 */
import { read, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'

import { BLOCK_BYTES } from '../keys/block.ts'
import { openSlotWith } from '../keys/seal.ts'
import { decodeJobs } from './slot-batch.ts'
import type { SlotAnswer, SlotJob, SlotRequest, ThreadOptions } from './slot-batch.ts'

/** So many batches are read at once before it is tried again whether the disk is quick. */
const SLOW_BATCHES = 16

const readAsync = promisify(read)
const port = parentPort as MessagePort
const { slowReadMs } = workerData as ThreadOptions
let slowBatches = 0

/** One after the other: what the system has in memory is read fastest so. */
function readInTurn(fd: number, jobs: readonly SlotJob[], places: readonly Uint8Array[]): void {
  const beganMs = performance.now()
  jobs.forEach(({ slot }, i) => {
    try {
      readSync(fd, places[i] as Uint8Array, 0, BLOCK_BYTES, slot * BLOCK_BYTES)
    } catch {
      // it will not open
    }
  })
  if (performance.now() - beganMs > jobs.length * slowReadMs) slowBatches = SLOW_BATCHES
}

async function readAtOnce(
  fd: number,
  jobs: readonly SlotJob[],
  places: readonly Uint8Array[],
): Promise<void> {
  slowBatches--
  const reads = jobs.map(({ slot }, i) =>
    readAsync(fd, places[i] as Uint8Array, 0, BLOCK_BYTES, slot * BLOCK_BYTES),
  )
  await Promise.allSettled(reads)
}

/** Whatever was not read, or not whole, does not open. */
async function answer({ id, fd, jobs: bytes }: SlotRequest): Promise<void> {
  const jobs = decodeJobs(bytes)
  const blocks = new Uint8Array(jobs.length * BLOCK_BYTES)
  const places = jobs.map((_, i) => blocks.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES))
  if (slowBatches > 0) await readAtOnce(fd, jobs, places)
  else readInTurn(fd, jobs, places)
  const areOpen = jobs.map((job, i) => {
    const place = places[i] as Uint8Array
    return openSlotWith(job, place, place) !== undefined
  })
  bytes.fill(0) // the secrets
  const message: SlotAnswer = { id, blocks, areOpen }
  port.postMessage(message, [blocks.buffer])
}

port.on('message', (request: SlotRequest) => {
  void answer(request)
})
