/**
 * Which blocks of a document's last publication need no insert when it is published again (spec
 * §9.8): a site in which one file changed costs a few blocks. What was spread once may be gone, so
 * others are asked for some of it.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Address } from '../keys/block.ts'
import { mapKey, utf8 } from '../keys/bytes.ts'
import { blake2b256 } from '../keys/primitives.ts'
import type { Clock, Rng } from '../runtime.ts'
import type { BlockResult } from './blocks.ts'
import { delay } from './fetch.ts'

/** 8 GiB of blocks; what a larger site has beyond is inserted again. */
export const MAX_RECORD_ADDRESSES = 262_144
/** Nothing repairs blocks yet, so what was inserted longer ago may be gone: all goes out again. */
const MAX_AGE_DAYS = 30
/** Blocks of what would not be inserted that are asked for, the first of them always (design §4). */
const MIN_SAMPLES = 2
/** 4 MiB: a site of that size is asked for whole, of a larger one as many are drawn from all of it. */
const MAX_SAMPLES = 128
/** Before a block counts as gone it is asked for once more, ms: peers may just be coming. */
const SECOND_LOOK_MS = 3000
/** Entries beside addresses, of 8 characters, as many as a keyring keeps of each; they come first. */
const DAY_PREFIX = 'day:'
const DAY_PATTERN = /^day:[0-9a-f]{4}$/
const NETWORK_PREFIX = 'net:'

export interface SpreadRecordOptions {
  /** As `toSave` gave it. */
  readonly saved: ReadonlySet<string> | undefined
  /** Days since 1970. */
  readonly today: number
  /** Name of the network that the blocks are in. */
  readonly network: string
  readonly clock: Clock
  readonly rng: Rng
  /** Whether the outbox still has the block. */
  readonly isPending: (address: Address) => Promise<boolean>
  /** What others answer: no copy of this node's own counts. */
  readonly askOthers: (address: Address, signal: AbortSignal) => Promise<BlockResult['type']>
  /** Saves that nothing is known. */
  readonly forget: () => Promise<void>
}

export class SpreadRecord {
  readonly #options: SpreadRecordOptions
  readonly #before: ReadonlySet<string>
  /** Day of the last full insert, counted from 1970. */
  readonly #day: number
  readonly #sampleOneIn: number
  readonly #now = new Set<string>()
  #samples = 0

  constructor(options: SpreadRecordOptions) {
    const { saved = new Set<string>(), today, network } = options
    this.#options = options
    const day = dayOf(saved)
    const isRecent = day !== undefined && day <= today && today - day <= MAX_AGE_DAYS
    const isBelieved = isRecent && saved.has(networkEntry(network))
    this.#before = isBelieved ? saved : new Set()
    this.#day = isBelieved ? day : today
    this.#sampleOneIn = Math.max(1, Math.ceil(this.#before.size / MAX_SAMPLES))
  }

  /**
   * Notes the block, and says whether it is out already. One on its way still belongs to the insert, and
   * so does one that nobody answered for. @throws ShoalError E_FADED where one is gone; rejects with
   * `signal.reason`.
   */
  async isSpread(address: Address, signal: AbortSignal): Promise<boolean> {
    const name = mapKey(address)
    const isFirst = !this.#now.has(name)
    if (this.#now.size < MAX_RECORD_ADDRESSES) this.#now.add(name)
    if (!this.#before.has(name) || (await this.#options.isPending(address))) return false
    return isFirst && this.#isDrawn() ? this.#isThere(address, signal) : true
  }

  /** What this publication consists of, where, and the day of the last full insert. */
  toSave(): ReadonlySet<string> {
    const day = DAY_PREFIX + fourDigits(this.#day)
    return new Set([day, networkEntry(this.#options.network), ...this.#now])
  }

  #isDrawn(): boolean {
    if (this.#samples >= MAX_SAMPLES) return false
    // by chance: a holder must not know which blocks it need not keep
    const isDrawn = this.#samples < MIN_SAMPLES || this.#options.rng.below(this.#sampleOneIn) === 0
    if (isDrawn) this.#samples++
    return isDrawn
  }

  async #isThere(address: Address, signal: AbortSignal): Promise<boolean> {
    const { askOthers, clock } = this.#options
    let answer = await askOthers(address, signal)
    if (answer === 'not-found') {
      await delay(clock, SECOND_LOOK_MS, signal)
      answer = await askOthers(address, signal)
    }
    if (answer === 'not-found') {
      await this.#options.forget()
      throw new ShoalError(
        'E_FADED',
        'Parts of what was published before are gone from the network; publish again to send everything.',
      )
    }
    // without peers nothing can be sent either; it was spread, as far as anyone knows
    return answer !== 'timed-out'
  }
}

function networkEntry(network: string): string {
  const [high = 0, low = 0] = blake2b256(utf8(network))
  return NETWORK_PREFIX + fourDigits(high * 256 + low)
}

function dayOf(saved: ReadonlySet<string>): number | undefined {
  for (const entry of saved) {
    if (DAY_PATTERN.test(entry)) return Number.parseInt(entry.slice(DAY_PREFIX.length), 16)
  }
  return undefined
}

function fourDigits(value: number): string {
  return value.toString(16).padStart(4, '0')
}
