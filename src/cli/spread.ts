/**
 * Waits until every block of an insert has the copies it wants, and shows how far that is.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError } from './failures.ts'
import { clientOf, GatewayError } from './gateway-client.ts'
import { writeLine, type Io } from './io.ts'
import { createProgress } from './progress.ts'

/** First look, then doubling: small files are done at once, big ones take minutes. */
const FIRST_LOOK_MS = 100
const SLOWEST_LOOK_MS = 1000

export interface Spread {
  readonly blocks: number
  readonly spreadBlocks: number
  readonly lostBlocks: number
  readonly peers: number
}

export interface SpreadRequest {
  readonly gateway: URL
  readonly statusPath: string
  readonly onSpread: (spread: Spread) => void
  readonly signal: AbortSignal
}

/**
 * Resolves when the insert has spread. @throws CommandError where the node goes away meanwhile, or has lost
 * blocks that had no copies yet.
 */
export async function untilSpread(request: SpreadRequest): Promise<void> {
  for (let delayMs = FIRST_LOOK_MS; ; delayMs = Math.min(SLOWEST_LOOK_MS, delayMs * 2)) {
    const spread = await look(request)
    if (spread === undefined) return // finished so long ago that the node has forgotten it
    if (spread.lostBlocks > 0) throw lostError(spread)
    request.onSpread(spread)
    if (spread.spreadBlocks >= spread.blocks) return
    await pause(delayMs, request.signal)
  }
}

/**
 * As `untilSpread`, with a line of progress; says once that there are no peers. `what` waits for them:
 * `the file`.
 */
export async function showSpread(
  request: Pick<SpreadRequest, 'gateway' | 'statusPath'>,
  what: string,
  io: Io,
): Promise<void> {
  const progress = createProgress(
    io.stderr,
    'spread',
    (done, total) => `${done} of ${total} blocks`,
  )
  let toldLonely = false
  const onSpread = ({ blocks, spreadBlocks, peers }: Spread): void => {
    if (peers > 0 || spreadBlocks >= blocks) {
      progress.show(spreadBlocks, blocks)
    } else if (!toldLonely) {
      toldLonely = true
      progress.clear()
      writeLine(
        io.stderr,
        `no peers are connected: ${what} is safe on your node and spreads when there are some; waiting (Ctrl-C stops only the waiting)`,
      )
    }
  }
  try {
    await untilSpread({ ...request, onSpread, signal: io.signal })
  } finally {
    progress.clear()
  }
}

async function look({ gateway, statusPath, signal }: SpreadRequest): Promise<Spread | undefined> {
  const answer = await clientOf(gateway)
    .spread(statusPath, { signal })
    .catch((error: unknown) => {
      if (error instanceof GatewayError && error.status === 404) return undefined
      throw error
    })
  if (answer === undefined) return undefined
  const { blocks, spreadBlocks, lostBlocks, peers } = answer as Partial<Spread>
  if (typeof blocks !== 'number' || typeof spreadBlocks !== 'number') {
    throw new CommandError('the gateway does not tell how far the insert has spread')
  }
  const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0)
  return { blocks, spreadBlocks, lostBlocks: numberOf(lostBlocks), peers: numberOf(peers) }
}

function lostError({ blocks, lostBlocks }: Spread): CommandError {
  const words = `the disk of the node lost ${lostBlocks} of ${blocks} blocks before they had copies`
  return new CommandError(`${words}: insert the content again`)
}

/** @throws the signal's reason, unchanged. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}
