/**
 * Looking after a store in memory: there is much to count and nothing to mend.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { Gate } from './gate.ts'
import type { MemorySlots } from './memory-slots.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import type { StoreMeter } from './store-meter.ts'
import type {
  Abortable,
  Area,
  AreaStats,
  CheckResult,
  StoreCare,
  StoreStats,
  StoreStatus,
} from './store.ts'

interface CareParts {
  readonly gate: Gate
  readonly ledger: OutboxLedger
  readonly slots: MemorySlots
  readonly meter: StoreMeter
}

export class MemoryCare implements StoreCare {
  /** There is no key on any disk: never. */
  readonly destroyed = new Promise<void>(() => {})
  readonly #parts: CareParts
  readonly #status: () => StoreStatus

  constructor(parts: CareParts, status: () => StoreStatus) {
    this.#parts = parts
    this.#status = status
  }

  stats(): StoreStats {
    const { slots } = this.#parts
    const { table, areas } = slots
    const { hits, ...counted } = this.#parts.meter.stats()
    return {
      ...this.#status(),
      ...counted,
      diskBytes: 0,
      slots: table.capacity,
      filledSlots: table.extent,
      rebuiltShare: 1,
      resize: undefined,
      store: this.#area('store', hits),
      cache: this.#area('cache', hits),
      outbox: { slots: areas.shares.outboxBlocks, used: this.#parts.ledger.pendingBlocks },
      index: { entries: table.entries, staleEntries: 0 },
      scrub: { checked: 0, freed: 0, rounds: 0 },
    }
  }

  /** What is in memory is as it was put. */
  check(
    options?: Abortable & { readonly onprogress?: (checked: number, of: number) => void },
  ): Promise<CheckResult> {
    return this.#parts.gate.run(options, () => {
      const { store, cache, outbox } = this.#parts.slots.table.used
      const checked = store + cache + outbox
      options?.onprogress?.(checked, checked)
      return Promise.resolve({ checked, freed: 0 })
    })
  }

  /** @throws ShoalError E_OPTION, always. */
  resize(_quotaBytes: number, options?: Abortable): Promise<void> {
    return this.#parts.gate.run(options, () =>
      Promise.reject(new ShoalError('E_OPTION', 'a store in memory keeps its size')),
    )
  }

  #area(area: Area, hits: Readonly<Record<Area, number>>): AreaStats {
    const { table, areas } = this.#parts.slots
    const { storeSlots, cacheSlots } = areas.shares
    const slots = area === 'store' ? storeSlots : cacheSlots
    return { slots, used: table.used[area], hits: hits[area], evictions: areas.evictions[area] }
  }
}
