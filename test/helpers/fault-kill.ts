/**
 * Kills a store process again and again at random moments, over one folder, and lets each process
 * say whether the store it opens holds what it must (spec §11.5).
 * @module
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Rng } from '../../src/runtime.ts'
import { command, reportsOf, startProcess } from './fault-process.ts'
import type { StoreProcess } from './fault-process.ts'
import type { Orders, Report } from './fault-report.ts'
import { createSeededRng } from './rng.ts'
import { StoreModel } from './store-model.ts'

const MIB = 1024 * 1024
const QUOTAS = [64 * MIB, 72 * MIB, 80 * MIB]
/** Far beyond what any step takes: a process that is silent for so long hangs, ms. */
const SILENCE_MS = 30_000
/** Of what is known to be there, so many blocks are looked at each time besides the newest. */
const LOOKS = 120
const NUMBERS_A_ROUND = 10_000
const LONGEST_LOAD_MS = 500
const MAX_COMPLAINT = 600

/** When a process is killed: `after` this report, or at the start, at most `withinMs` later. */
const PHASES = {
  open: { after: 'start', withinMs: 40, weight: 4 },
  look: { after: 'opened', withinMs: 60, weight: 3 },
  load: { after: 'verified', withinMs: 160, weight: 6 },
  resize: { after: 'resizing', withinMs: 250, weight: 3 },
  close: { after: 'closing', withinMs: 25, weight: 3 },
  /** Not killed: it closes and ends by itself. */
  ends: { after: 'never', withinMs: 0, weight: 1 },
} as const
export type Phase = keyof typeof PHASES
const PHASE_NAMES = Object.keys(PHASES) as Phase[]

export interface SeriesOptions {
  readonly seed: number
  readonly rounds: number
  /** Whether the store stays far from full, so that nothing may be evicted. */
  readonly isRoomy: boolean
}

export interface SeriesResult {
  /** What was wrong, with round and phase. Empty: nothing. */
  readonly wrong: readonly string[]
  readonly phases: Readonly<Record<Phase, number>>
  readonly opens: number
  readonly slowestOpenMs: number
  readonly rebuildingOpens: number
  readonly blocksVerified: number
  /** Acknowledged less than a commit before the kill: found again, and lost. */
  readonly youngFound: number
  readonly youngLost: number
  readonly acknowledged: number
  /** Resizes that came to their end. */
  readonly resizes: number
}

/** Runs a series in a folder of its own; the last process looks at everything, and closes. */
export async function runSeries(options: SeriesOptions): Promise<SeriesResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'shoal-kill-'))
  const series = new Series(dataDir, options)
  try {
    return await series.run()
  } finally {
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
}

class Series {
  readonly #dataDir: string
  readonly #options: SeriesOptions
  readonly #rng: Rng
  readonly #model: StoreModel
  readonly #wrong: string[] = []
  readonly #phases: Record<Phase, number> = {
    open: 0,
    look: 0,
    load: 0,
    resize: 0,
    close: 0,
    ends: 0,
  }
  readonly #result = {
    opens: 0,
    slowestOpenMs: 0,
    rebuildingOpens: 0,
    blocksVerified: 0,
    youngFound: 0,
    youngLost: 0,
    acknowledged: 0,
    resizes: 0,
  }
  #round = 0
  #phase: Phase = 'open'

  constructor(dataDir: string, options: SeriesOptions) {
    this.#dataDir = dataDir
    this.#options = options
    this.#rng = createSeededRng(options.seed)
    this.#model = new StoreModel(options.isRoomy)
  }

  async run(): Promise<SeriesResult> {
    // the next process is started while one works: half the time of a round would be its start
    let standby = startProcess()
    for (this.#round = 1; this.#round <= this.#options.rounds; this.#round++) {
      const child = standby
      standby = startProcess()
      this.#phase = this.#round === this.#options.rounds ? 'ends' : this.#drawPhase()
      this.#phases[this.#phase]++
      await this.#play(child)
      this.#model.ended()
      if (this.#wrong.length > 60) break
    }
    standby.stdin.end()
    await once(standby, 'exit')
    return { ...this.#result, phases: this.#phases, wrong: this.#wrong }
  }

  async #play(child: StoreProcess): Promise<void> {
    const exited = once(child, 'exit')
    const complaints: string[] = []
    child.stderr.on('data', (text: Buffer) => complaints.push(text.toString('utf8')))
    const { after, withinMs } = PHASES[this.#phase]
    let killed: NodeJS.Timeout | undefined
    const killWithin = (ms: number): void => {
      killed ??= setTimeout(() => child.kill('SIGKILL'), this.#rng.below(ms + 1))
    }
    const guard = watchdog(() => {
      this.#say('the process hangs')
      child.kill('SIGKILL')
    })
    command(child, this.#orders())
    if (after === 'start') killWithin(withinMs)
    for await (const report of reportsOf(child)) {
      guard.reset()
      this.#take(report)
      if (report.type === after) killWithin(withinMs)
      // what the phase waits for may not come: a resize may find its size there already
      else if (report.type === 'verified' && after === 'resizing') killWithin(LONGEST_LOAD_MS)
    }
    const [code, signal] = (await exited) as [number | null, string | null]
    clearTimeout(killed)
    guard.stop()
    // a store may have closed by the time that the kill comes
    const mayEnd = after === 'never' || after === 'closing'
    if (signal !== 'SIGKILL' && (code !== 0 || !mayEnd)) {
      this.#say(`ended by itself with ${code}: ${complaints.join('').slice(0, MAX_COMPLAINT)}`)
    }
  }

  #take(report: Report): void {
    this.#model.take(report)
    const result = this.#result
    if (report.type === 'wrong') this.#say(report.message)
    else if (report.type === 'refused') this.#say(`it does not open: ${report.message}`)
    else if (report.type === 'opened') {
      result.opens++
      result.slowestOpenMs = Math.max(result.slowestOpenMs, report.openMs)
      if (report.condition === 'rebuilding') result.rebuildingOpens++
    } else if (report.type === 'verified') {
      result.blocksVerified += report.blocks
      result.youngFound += report.youngFound
      result.youngLost += report.youngLost
    } else if (report.type !== 'commits') result.acknowledged++
    if (report.type === 'resized') result.resizes++
  }

  #orders(): Orders {
    const { isRoomy, seed, rounds } = this.#options
    const numbers = this.#model.settledNumbers
    const isLast = this.#round === rounds
    const chosen = isLast ? numbers : this.#sample(numbers)
    const expect = this.#model.expectation(chosen)
    const isNew = expect.quotas.length === 0
    const quota = QUOTAS[this.#rng.below(QUOTAS.length)] as number
    const isResizing = this.#phase === 'resize' || this.#chance(1, 5)
    const isAtStart = isResizing && this.#chance(1, 3)
    return {
      dataDir: this.#dataDir,
      seed: seed + this.#round,
      storeBytes: isNew ? QUOTAS[0] : isAtStart ? quota : undefined,
      isHurried: this.#chance(1, 2),
      expect,
      firstNumber: this.#round * NUMBERS_A_ROUND,
      closeAfterMs: ['close', 'ends'].includes(this.#phase) ? this.#rng.below(120) : undefined,
      resizeTo:
        isResizing && !isAtStart && !isNew ? this.#otherQuota(expect.quotas, quota) : undefined,
      fresh: isRoomy ? { store: 6, cache: 3 } : { store: 1e6, cache: 1e6 },
    }
  }

  /** A resize to the size that the store has already would be no resize. */
  #otherQuota(quotas: readonly number[], drawn: number): number {
    const others = QUOTAS.filter((quota) => !quotas.includes(quota))
    return others.includes(drawn) ? drawn : (others[0] ?? drawn)
  }

  #sample(numbers: readonly number[]): number[] {
    const count = Math.min(LOOKS, numbers.length)
    return Array.from({ length: count }, () => numbers[this.#rng.below(numbers.length)] as number)
  }

  #drawPhase(): Phase {
    const weights = PHASE_NAMES.map((name) => PHASES[name].weight)
    let drawn = this.#rng.below(weights.reduce<number>((sum, weight) => sum + weight, 0))
    for (const name of PHASE_NAMES) {
      drawn -= PHASES[name].weight
      if (drawn < 0) return name
    }
    return 'load'
  }

  #chance(times: number, of: number): boolean {
    return this.#rng.below(of) < times
  }

  #say(message: string): void {
    const { seed, isRoomy } = this.#options
    const where = `seed ${seed}, ${isRoomy ? 'roomy' : 'tight'}, round ${this.#round}`
    this.#wrong.push(`${where} (${this.#phase}): ${message}`)
  }
}

/** Calls `onsilence` when it was not reset for SILENCE_MS. */
function watchdog(onsilence: () => void): { reset(): void; stop(): void } {
  let timer = setTimeout(onsilence, SILENCE_MS)
  return {
    reset() {
      clearTimeout(timer)
      timer = setTimeout(onsilence, SILENCE_MS)
    },
    stop() {
      clearTimeout(timer)
    },
  }
}
