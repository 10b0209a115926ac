/**
 * Which blocks of a document's last publication need no insert when it is published again (spec
 * §9.8): a site in which one file changed costs a few blocks.
 * @module
 */
import type { Address } from '../keys/block.ts'
import { mapKey } from '../keys/bytes.ts'

/** 8 GiB of blocks; what a larger site has beyond is inserted again. */
export const MAX_RECORD_ADDRESSES = 262_144
/** Nothing repairs blocks yet, so what was inserted longer ago may be gone: all goes out again. */
const MAX_AGE_DAYS = 30
/** The day as one more entry of 8 characters, as many as a keyring keeps of each; it comes first. */
const DAY_PREFIX = 'day:'
const DAY_PATTERN = /^day:[0-9a-f]{4}$/

export class SpreadRecord {
  readonly #isPending: (address: Address) => Promise<boolean>
  readonly #before: ReadonlySet<string>
  /** Day of the last full insert, counted from 1970. */
  readonly #day: number
  readonly #now = new Set<string>()

  /** `saved`: as `toSave` gave it; `isPending`: whether the outbox still has the block. */
  constructor(options: {
    saved: ReadonlySet<string> | undefined
    today: number
    isPending: (address: Address) => Promise<boolean>
  }) {
    const { saved = new Set<string>(), today } = options
    this.#isPending = options.isPending
    const day = dayOf(saved)
    const isRecent = day !== undefined && day <= today && today - day <= MAX_AGE_DAYS
    this.#before = isRecent ? saved : new Set()
    this.#day = isRecent ? day : today
  }

  /** Notes the block, and says whether it is out already. One on its way still belongs to the insert. */
  async isSpread(address: Address): Promise<boolean> {
    const name = mapKey(address)
    if (this.#now.size < MAX_RECORD_ADDRESSES) this.#now.add(name)
    return this.#before.has(name) && !(await this.#isPending(address))
  }

  /** What this publication consists of, and the day of the last full insert. */
  toSave(): ReadonlySet<string> {
    const day = `${DAY_PREFIX}${this.#day.toString(16).padStart(4, '0')}`
    return new Set([day, ...this.#now])
  }
}

function dayOf(saved: ReadonlySet<string>): number | undefined {
  for (const entry of saved) {
    if (DAY_PATTERN.test(entry)) return Number.parseInt(entry.slice(DAY_PREFIX.length), 16)
  }
  return undefined
}
