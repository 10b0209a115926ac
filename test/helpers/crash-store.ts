/**
 * A process to be killed: waits for its orders on standard input, opens the store, looks whether
 * everything is there that must be, and then loads it until it is told or killed. Says on standard
 * output what it was acknowledged.
 * @module
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

import { openDiskStore } from '../../src/datastore/disk-store.ts'
import type { StorePair } from '../../src/datastore/store.ts'
import { isShoalError } from '../../src/errors.ts'
import { silentLogger, systemClock } from '../../src/runtime.ts'
import type { Clock } from '../../src/runtime.ts'
import { Load } from './fault-load.ts'
import { say } from './fault-report.ts'
import type { Orders } from './fault-report.ts'
import { verifyStore } from './fault-verify.ts'
import { createSeededRng } from './rng.ts'

/** How long an open waits for the index to be read again, ms: no time at all where it is hurried. */
const REBUILD_WAIT_MS = 1000

const orders = await firstLine()
if (orders !== undefined) await obey(JSON.parse(orders) as Orders)

async function obey(given: Orders): Promise<void> {
  const wrong = (message: string): void => say({ type: 'wrong', message })
  const store = await open(given).catch((error: unknown) => {
    if (!isShoalError(error)) throw error
    say({ type: 'refused', code: error.code, message: error.message })
  })
  if (store === undefined) return
  const { inserts, ...counts } = await verifyStore(store, given.expect, wrong)
  say({ type: 'outbox', inserts })
  say({ type: 'verified', ...counts })
  const load = new Load(store, given, createSeededRng(given.seed))
  const running = load.run(inserts)
  if (given.closeAfterMs === undefined) return running
  await sleep(given.closeAfterMs)
  load.stop()
  say({ type: 'closing' })
  await store.blocks.close()
  say({ type: 'closed' })
  await running
}

async function open(given: Orders): Promise<StorePair> {
  const startMs = performance.now()
  let isOpen = false
  const clock: Clock = {
    now: () => systemClock.now(),
    after(delayMs, run) {
      const isHurried = given.isHurried && !isOpen && delayMs === REBUILD_WAIT_MS
      return systemClock.after(isHurried ? 0 : delayMs, run)
    },
  }
  const store = await openDiskStore({
    dataDir: given.dataDir,
    storeBytes: given.storeBytes,
    rng: createSeededRng(given.seed + 1),
    clock,
    logger: silentLogger,
  })
  isOpen = true
  const { quotaBytes, condition } = store.blocks.status()
  say({ type: 'opened', quotaBytes, condition, openMs: performance.now() - startMs })
  if (given.storeBytes !== undefined) say({ type: 'resizing', quotaBytes: given.storeBytes })
  return store
}

/** undefined: the parent has no work left. */
async function firstLine(): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin })
  for await (const line of lines) {
    lines.close()
    process.stdin.destroy() // nothing but the store keeps this process alive
    return line
  }
  return undefined
}
