/**
 * A fake node whose fetches wait until the test lets them go on, and tell of their progress: for tests of waiting.
 * @module
 */
import { ShoalError } from '../../src/errors.ts'
import type { FetchOptions, FetchOutcome, FetchProgress } from '../../src/node.ts'
import type { FakeNode } from './fake-node.ts'
import { createFakeNode } from './fake-node.ts'

export interface SlowNode extends FakeNode {
  /** From now on fetches wait. */
  hold(): void
  /** Those that wait, and all later ones, are answered: by what the node has, or with `outcome`. */
  release(outcome?: FetchOutcome | Error): void
  /** Tells those that wait how far they are. */
  report(progress: FetchProgress): void
  /** Fetches that wait now. */
  waiting(): number
}

interface Held {
  readonly answer: (outcome: FetchOutcome | Error | undefined) => void
  readonly options: FetchOptions
}

export function createSlowNode(): SlowNode {
  const node = createFakeNode()
  const fetch = node.fetch.bind(node)
  const held = new Set<Held>()
  let isHolding = false
  let laterOutcome: FetchOutcome | Error | undefined
  node.fetch = async (uri, options = {}) => {
    const outcome = isHolding ? await holdOne(held, options) : laterOutcome
    if (outcome instanceof Error) throw outcome
    return outcome ?? (await fetch(uri, options))
  }
  return Object.assign(node, {
    hold() {
      isHolding = true
    },
    release(outcome?: FetchOutcome | Error) {
      isHolding = false
      laterOutcome = outcome
      for (const { answer } of held) answer(outcome)
    },
    report(progress: FetchProgress) {
      for (const { options } of held) options.onprogress?.(progress)
    },
    waiting: () => held.size,
    close() {
      for (const { answer } of held) answer(new ShoalError('E_CLOSED', 'The node is closing.'))
      return Promise.resolve()
    },
  })
}

function holdOne(
  held: Set<Held>,
  options: FetchOptions,
): Promise<FetchOutcome | Error | undefined> {
  const { signal } = options
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const entry: Held = {
      options,
      answer(outcome) {
        held.delete(entry)
        resolve(outcome)
      },
    }
    held.add(entry)
    signal?.addEventListener('abort', () => {
      held.delete(entry)
      reject(signal.reason as Error)
    })
  })
}
