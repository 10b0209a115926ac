/**
 * What one fetch tells of itself while it runs: blocks asked for and found, and the time that each stage
 * took until the first byte.
 * @module
 */
import type { FetchProgress, FetchTiming } from '../node-types.ts'
import type { Clock } from '../runtime.ts'
import type { BlockResult, BlockSource } from './blocks.ts'

/** Least time between two reports, ms: what a person can follow. */
const REPORT_MS = 250

type Stage = FetchProgress['stage']

export class FetchMeter {
  /** The source that was given, counted. */
  readonly source: BlockSource
  readonly #clock: Clock
  readonly #onprogress: ((progress: FetchProgress) => void) | undefined
  readonly #durationsMs: { [stage in Stage]?: number } = {}
  #stage: Stage
  #stageBeganMs: number
  #foundBlocks = 0
  #tries = 0
  #waitingBlocks = 0
  #isLocal = true
  #hasBegun = false
  #isOver = false
  #reportedAtMs = Number.NEGATIVE_INFINITY
  #stopTimer: (() => void) | undefined

  constructor(
    source: BlockSource,
    options: {
      readonly clock: Clock
      readonly stage: Stage
      readonly onprogress: ((progress: FetchProgress) => void) | undefined
    },
  ) {
    const { clock, stage, onprogress } = options
    this.#clock = clock
    this.#stage = stage
    this.#onprogress = onprogress
    this.#stageBeganMs = clock.now()
    this.source = {
      getBlock: (address, how) => this.#count(() => source.getBlock(address, how)),
      getNewest: (address, how) => this.#count(() => source.getNewest(address, how)),
    }
  }

  enter(stage: Stage): void {
    this.#endStage()
    this.#stage = stage
    this.#changed()
  }

  /** The first byte is there: what is counted from now on is progress alone. */
  begun(): FetchTiming {
    this.#endStage()
    this.#hasBegun = true
    const { document: documentMs, manifest = 0, content = 0 } = this.#durationsMs
    return { documentMs, manifestMs: manifest, firstMs: content, isLocal: this.#isLocal }
  }

  /** Nothing is told any more. Idempotent. */
  stop(): void {
    this.#isOver = true
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  #endStage(): void {
    const nowMs = this.#clock.now()
    const beforeMs = this.#durationsMs[this.#stage] ?? 0
    this.#durationsMs[this.#stage] = beforeMs + nowMs - this.#stageBeganMs
    this.#stageBeganMs = nowMs
  }

  #count(ask: () => Promise<BlockResult>): Promise<BlockResult> {
    const isCounted = !this.#hasBegun || this.#onprogress !== undefined
    return isCounted ? this.#counted(ask) : ask()
  }

  async #counted(ask: () => Promise<BlockResult>): Promise<BlockResult> {
    this.#tries++
    this.#waitingBlocks++
    this.#changed()
    try {
      const result = await ask()
      if (result.type === 'found') this.#foundBlocks++
      if (result.type !== 'found' || result.isOwn !== true) this.#isLocal = false
      return result
    } finally {
      this.#waitingBlocks--
      this.#changed()
    }
  }

  /** At once, or when it is due: the last change is always told. */
  #changed(): void {
    if (this.#onprogress === undefined || this.#isOver || this.#stopTimer !== undefined) return
    const dueMs = this.#reportedAtMs + REPORT_MS - this.#clock.now()
    if (dueMs <= 0) this.#report()
    else this.#stopTimer = this.#clock.after(dueMs, () => this.#report())
  }

  #report(): void {
    this.#stopTimer = undefined
    this.#reportedAtMs = this.#clock.now()
    this.#onprogress?.({
      stage: this.#stage,
      foundBlocks: this.#foundBlocks,
      tries: this.#tries,
      waitingBlocks: this.#waitingBlocks,
    })
  }
}
