/**
 * The store of a fake node: says what it is told to say, and does what it is told to do.
 * @module
 */
import type { CheckResult, NodeStore, StoreStats, StoreStatus } from '../../src/node.ts'

const GIB = 1024 ** 3
const STORE_STATUS: StoreStatus = {
  condition: 'ok',
  quotaBytes: 10 * GIB,
  filledShare: 1,
  usedBytes: 3 * GIB,
  blocks: 98_304,
}
const TIMES = { boundsMs: [1, 10, 100], counts: [60, 30, 9, 1], sumMs: 500 }
const NO_EVICTIONS = {
  'out-of-range': 0,
  'fullest-link': 0,
  random: 0,
  'asked-once': 0,
  cold: 0,
  resize: 0,
}
const STORE_STATS: StoreStats = {
  ...STORE_STATUS,
  diskBytes: 4 * GIB,
  slots: 300_000,
  filledSlots: 300_000,
  rebuiltShare: 1,
  resize: undefined,
  store: {
    slots: 210_000,
    used: 65_536,
    hits: 1234,
    evictions: { ...NO_EVICTIONS, 'out-of-range': 7 },
  },
  cache: {
    slots: 90_000,
    used: 32_768,
    hits: 4321,
    evictions: { ...NO_EVICTIONS, 'asked-once': 5, cold: 2 },
  },
  outbox: { slots: 45_000, used: 12 },
  misses: 5555,
  puts: { stored: 100_000, known: 20, older: 3, refused: 1 },
  bytesWritten: 5 * GIB,
  verifyFailures: 0,
  index: { entries: 98_304, staleEntries: 17 },
  scrub: { checked: 1000, freed: 0, rounds: 2 },
  latency: { get: TIMES, put: TIMES, commit: { ...TIMES, counts: [0, 0, 0, 0] } },
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] }

export interface FakeStore {
  readonly care: Mutable<NodeStore>
  /** What the store says besides that all is well. */
  stats: Partial<StoreStats>
  /** What the next check does in place of finding all of 8 slots good. */
  nextCheck: Error | 'hang' | undefined
  /** What the next resize does in place of being done at once. */
  nextResize: Error | 'hang' | undefined
  /** Checks that run. */
  checks: number
  /** Sizes that were asked for. */
  readonly resizes: number[]
}

export function createFakeStore(): FakeStore {
  const store: FakeStore = {
    care: {
      stats: () => ({ ...STORE_STATS, ...store.stats }),
      check: (options) => check(store, options),
      resize: (quotaBytes) => resize(store, quotaBytes),
    },
    stats: {},
    nextCheck: undefined,
    nextResize: undefined,
    checks: 0,
    resizes: [],
  }
  return store
}

/** Finds 8 slots good, one after another. */
async function check(
  store: FakeStore,
  { signal, onprogress }: Parameters<NodeStore['check']>[0] = {},
): Promise<CheckResult> {
  const { nextCheck } = store
  store.nextCheck = undefined
  if (nextCheck instanceof Error) throw nextCheck
  store.checks++
  try {
    onprogress?.(0, 8)
    if (nextCheck === 'hang') await untilAborted(signal)
    for (let checked = 1; checked <= 8; checked++) onprogress?.(checked, 8)
    return { checked: 8, freed: 0 }
  } finally {
    store.checks--
  }
}

async function resize(store: FakeStore, quotaBytes: number): Promise<void> {
  const { nextResize } = store
  store.nextResize = undefined
  store.resizes.push(quotaBytes)
  if (nextResize instanceof Error) throw nextResize
  if (nextResize === 'hang') {
    store.stats = { ...store.stats, resize: { quotaBytes, slotsLeft: 100 } }
    await new Promise(() => {})
  }
  store.stats = { ...store.stats, quotaBytes }
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
}
