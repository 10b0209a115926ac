/**
 * What publishing asks of the network itself, past the outbox and what own readers remember.
 * @module
 */
import type { Address, Block, Home } from '../keys/block.ts'
import type { Clock } from '../runtime.ts'
import { linkAbort } from '../signals.ts'
import { ALL_HOMES } from './blocks.ts'
import type { BlockResult } from './blocks.ts'
import { delay } from './fetch.ts'

/** A block that has not reached its homes after this time is left to the outbox, ms. */
const PUSH_LIMIT_MS = 10_000
/**
 * Between the last acknowledgement and the look at what is there, ms: a machine that had found the
 * place free just before this block came has sent its own by then.
 */
const SETTLE_MS = 500
/** Where a publisher looks for what became of its block: one node that lies is not enough. */
export const READ_BACK_HOMES: readonly Home[] = [0, 1]

export interface Network {
  /** Peers connected now. */
  readonly peers: () => number
  /** Copies acknowledged for one block at one home. Rejects with `signal.reason`. */
  readonly insertBlock: (
    address: Address,
    block: Block,
    options: { home: Home; signal: AbortSignal },
  ) => Promise<number>
  /** As `BlockSource.getNewest`, but for the outbox: what others have. */
  readonly fetchNewest: (
    address: Address,
    options: { homes: readonly Home[]; signal: AbortSignal },
  ) => Promise<BlockResult>
}

/**
 * Sends a block to its homes ahead of all that waits in the outbox, which keeps it and its accounts,
 * and waits until a rival's had time to arrive there. True where a home that is read back has
 * acknowledged it. Rejects with `signal.reason`.
 */
export async function pushNow(
  { address, block }: { address: Address; block: Block },
  { network, clock, signal }: { network: Network; clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  const limit = linkAbort([signal])
  const stop = clock.after(PUSH_LIMIT_MS, () => {
    limit.abort(new Error('left to the outbox'))
  })
  try {
    const pushes = ALL_HOMES.map((home) =>
      network.insertBlock(address, block, { home, signal: limit.signal }).catch(() => 0),
    )
    const copies = await Promise.all(pushes)
    await delay(clock, SETTLE_MS, signal)
    return READ_BACK_HOMES.some((home) => (copies[home] ?? 0) > 0)
  } finally {
    stop()
    limit.unlink()
  }
}
