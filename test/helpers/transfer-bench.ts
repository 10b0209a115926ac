/**
 * Downloads to disk in a folder of their own, from a node whose streams stop where a test says so.
 * @module
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { createMemoryJournal } from '../../src/journal.ts'
import type { Node, Transfer } from '../../src/node-types.ts'
import { readTransfers } from '../../src/transfers/transfer-records.ts'
import { Transfers } from '../../src/transfers/transfers.ts'
import { createSimulatedClock } from './clock.ts'
import { createFakeNode } from './fake-node.ts'

export const PIECE_BYTES = 100_000

export async function transferBench(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-transfers-'))
  const clock = createSimulatedClock()
  const journal = createMemoryJournal()
  const node = createFakeNode()
  const dataDir = join(folder, 'data')
  await mkdir(dataDir)
  const gate = { fetch: node.fetch.bind(node) }
  const fetch: Node['fetch'] = (uri, options) => gate.fetch(uri, options)
  const options = { journal, clock, dataDir, pieceBytes: PIECE_BYTES, fetch }
  const opened: Transfers[] = []
  const open = async () => {
    const transfers = new Transfers(options, await readTransfers(journal))
    opened.push(transfers)
    return transfers
  }
  const transfers = await open()
  t.after(async () => {
    for (const each of opened) await each.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  const content = Buffer.from(Array.from({ length: 450_001 }, (_, i) => Math.imul(i, 48_271) >>> 8))
  const uri = node.add(content, { name: 'film.webm' })
  const path = join(folder, 'film.webm')
  return { folder, clock, journal, node, gate, open, transfers, content, uri, path }
}

export type TransferBench = Awaited<ReturnType<typeof transferBench>>

export async function untilPhase(
  transfers: Transfers,
  phase: Transfer['phase'],
  id = 1,
): Promise<Transfer> {
  for (;;) {
    const now = transfers.get(id) ?? assert.fail('it is gone')
    if (now.phase === phase) return now
    assert.ok(now.phase !== 'failed' && now.phase !== 'done', `${now.phase}: ${now.fault}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Its streams stop after so many bytes, until the fetch is given up. */
export function stall({ gate, node }: TransferBench, afterBytes: number): void {
  gate.fetch = async (uri, options = {}) => {
    const outcome = await node.fetch(uri, options)
    if (outcome.type !== 'found') return outcome
    const reader = outcome.stream.getReader()
    let bytes = 0
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { value } = await reader.read()
        if (bytes >= afterBytes || value === undefined) {
          if (options.signal?.aborted !== true) {
            await new Promise((resolve) => options.signal?.addEventListener('abort', resolve))
          }
          controller.error(options.signal?.reason)
          return
        }
        bytes += value.length
        controller.enqueue(value)
      },
    })
    return { ...outcome, stream }
  }
}

export function unstall({ gate, node }: TransferBench): void {
  gate.fetch = node.fetch.bind(node)
}

export async function untilFailed(transfers: Transfers, id = 1): Promise<Transfer> {
  while (transfers.get(id)?.phase !== 'failed') await new Promise((r) => setTimeout(r, 1))
  return transfers.get(id) ?? assert.fail()
}
