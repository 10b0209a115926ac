/**
 * Processes that run `crash-store.ts`: starting them, giving them orders, reading what they say.
 * @module
 */
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import type { Expectation, Orders, Report } from './fault-report.ts'

export type StoreProcess = ChildProcessByStdio<Writable, Readable, Readable>

/** Of a store about which nothing is known. */
export const NO_EXPECTATION: Expectation = {
  isRoomy: false,
  blocks: [],
  young: [],
  signed: [],
  inserts: [],
  lastInsertId: 0,
  quotas: [],
}

/** Loads its modules and waits for orders; without any it ends when its standard input does. */
export function startProcess(): StoreProcess {
  const script = fileURLToPath(new URL('./crash-store.js', import.meta.url))
  return spawn(process.execPath, ['--enable-source-maps', script], { stdio: 'pipe' })
}

export function command(child: StoreProcess, orders: Orders): void {
  child.stdin.on('error', () => {}) // killed before it has read them
  child.stdin.end(`${JSON.stringify(orders)}\n`)
}

/** Until the process ends. */
export async function* reportsOf(child: StoreProcess): AsyncGenerator<Report, void> {
  for await (const line of createInterface({ input: child.stdout })) {
    const report = parseReport(line)
    if (report !== undefined) yield report
  }
}

/** undefined: the last line of a killed process may be half a line. */
function parseReport(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    return undefined
  }
}
